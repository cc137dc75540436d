"""Know the blockchains: their names, what an address looks like on each, and made-up addresses and transactions.

Addresses are checked as far as the standard library can: length, alphabet and check sum, but not the mixed-case check
sum of Ethereum, which needs a hash function that is not there. What the exchange checks is not known.
"""

import hashlib
import re
from enum import Enum

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_BECH32_CHECKS = {0: 1, 1: 0x2BC830A3}
"""Check constant by witness version."""
_BECH32_PREFIX = "bc1"
_BECH32_LENGTHS = {0: (42, 62), 1: (62,)}
_CHECK_SUM_BYTES = 4
_SOLANA_KEY_BYTES = 32
_SOLANA_SIGNATURE_BYTES = 64
_HASH_BYTES = 20
_LONGEST_ADDRESS = 100
_ETHEREUM_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_BITCOIN_VERSIONS = (0x00, 0x05)
_TRON_VERSIONS = (0x41,)


class Blockchain(str, Enum):
    """Source: schema Blockchain. EqualsMoney moves fiat money."""

    ZERO_G = "0G"
    APTOS = "Aptos"
    ARBITRUM = "Arbitrum"
    AVALANCHE = "Avalanche"
    BASE = "Base"
    BERACHAIN = "Berachain"
    BITCOIN = "Bitcoin"
    BITCOIN_CASH = "BitcoinCash"
    BSC = "Bsc"
    CARDANO = "Cardano"
    DOGECOIN = "Dogecoin"
    ECLIPSE = "Eclipse"
    EQUALS_MONEY = "EqualsMoney"
    ETHEREUM = "Ethereum"
    FOGO = "Fogo"
    HYPER_EVM = "HyperEVM"
    HYPERLIQUID = "Hyperliquid"
    LINEA = "Linea"
    LITECOIN = "Litecoin"
    MONAD = "Monad"
    NEAR = "Near"
    OPTIMISM = "Optimism"
    PLASMA = "Plasma"
    POLYGON = "Polygon"
    SEI = "Sei"
    SUI = "Sui"
    SOLANA = "Solana"
    STABLE = "Stable"
    STORY = "Story"
    TRON = "Tron"
    XRP = "XRP"
    ZCASH = "Zcash"

    @property
    def source(self) -> str:
        """Return the name that deposits carry: `bitcoinCash`, `xRP`. Source: schema DepositSource."""
        return self.value[0].lower() + self.value[1:]


_CHECK_SUMMED = {Blockchain.BITCOIN: _BITCOIN_VERSIONS, Blockchain.TRON: _TRON_VERSIONS}
"""Blockchains with Bitcoin's older form of addresses, and the version bytes of theirs."""


def is_address(blockchain: Blockchain, text: str) -> bool:
    """Tell whether a text can be an address on a blockchain of the simulator."""
    if len(text) > _LONGEST_ADDRESS:
        return False
    if blockchain is Blockchain.SOLANA:
        return len(_from_base58(text)) == _SOLANA_KEY_BYTES
    if blockchain in _CHECK_SUMMED:
        is_segwit = blockchain is Blockchain.BITCOIN and text.lower().startswith(_BECH32_PREFIX)
        return _is_segwit(text) if is_segwit else _is_check_summed(text, _CHECK_SUMMED[blockchain])
    return bool(_ETHEREUM_ADDRESS.fullmatch(text))


def normal_address(blockchain: Blockchain, address: str) -> str:
    """Return the one spelling of an address under which it is remembered."""
    has_no_case = blockchain not in (Blockchain.SOLANA, Blockchain.TRON) and (
        blockchain is not Blockchain.BITCOIN or _is_segwit(address)
    )
    return address.lower() if has_no_case else address


def new_address(blockchain: Blockchain, owner: str) -> str:
    """Return the address of an owner on a blockchain, the same one each time. Nobody has its key."""
    digest = hashlib.sha256(f"{blockchain.value} {owner}".encode()).digest()
    if blockchain is Blockchain.SOLANA:
        return _to_base58(digest)
    if blockchain in _CHECK_SUMMED:
        body = bytes(_CHECK_SUMMED[blockchain][:1]) + digest[:_HASH_BYTES]
        return _to_base58(body + _check_sum(body))
    return f"0x{digest[:_HASH_BYTES].hex()}"


def transaction_hash(blockchain: Blockchain, what: str) -> str:
    """Return the hash of a made-up transaction in the form of its blockchain."""
    digest = hashlib.sha512(f"{blockchain.value} {what}".encode()).digest()
    if blockchain is Blockchain.SOLANA:
        return _to_base58(digest[:_SOLANA_SIGNATURE_BYTES])
    text = digest[: len(digest) // 2].hex()
    return text if blockchain in _CHECK_SUMMED else f"0x{text}"


def _to_base58(data: bytes) -> str:
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, len(_BASE58))
        text = _BASE58[digit] + text
    zeros = len(data) - len(data.lstrip(b"\0"))
    return _BASE58[0] * zeros + text


def _from_base58(text: str) -> bytes:
    """Return the bytes of a text in base 58, none for any other text."""
    number = 0
    for character in text:
        digit = _BASE58.find(character)
        if digit < 0:
            return b""
        number = number * len(_BASE58) + digit
    zeros = len(text) - len(text.lstrip(_BASE58[0]))
    return b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8, "big")


def _check_sum(body: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(body).digest()).digest()[:_CHECK_SUM_BYTES]


def _is_check_summed(text: str, versions: tuple[int, ...]) -> bool:
    data = _from_base58(text)
    body, check_sum = data[:-_CHECK_SUM_BYTES], data[-_CHECK_SUM_BYTES:]
    return len(body) == 1 + _HASH_BYTES and body[0] in versions and _check_sum(body) == check_sum


def _is_segwit(text: str) -> bool:
    """Tell whether a text is a Bitcoin address in bech32 or bech32m. Source: BIP 173, BIP 350."""
    if text not in (text.lower(), text.upper()):
        return False
    text = text.lower()
    values = [_BECH32.find(character) for character in text.removeprefix(_BECH32_PREFIX)]
    if not values or -1 in values or len(text) not in _BECH32_LENGTHS.get(values[0], ()):
        return False
    # The prefix counts as its upper bits, a zero and its lower bits.
    prefix = _BECH32_PREFIX[:-1].encode()
    return (
        _polymod([*(byte >> 5 for byte in prefix), 0, *(byte & 31 for byte in prefix), *values])
        == (_BECH32_CHECKS[values[0]])
    )


def _polymod(values: list[int]) -> int:
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, factor in enumerate(_BECH32_GENERATOR):
            check ^= factor if top >> bit & 1 else 0
    return check
