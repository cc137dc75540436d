"""List the assets, and the tokens by which each comes and goes on which blockchain.

Tether on Solana is a captured row, and the fee of USDC on Ethereum is a captured one; everything else has that shape,
real contracts and assumed amounts. Assets without tokens cannot be deposited or withdrawn. Source: API §2.3 (assets).
"""

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from importlib import resources
from typing import Any

import msgspec

from backpack_connector.protocol.units import decimal_from_text

from .capital_networks import Blockchain
from .markets import Instrument

Row = Mapping[str, Any]


class Token(msgspec.Struct, frozen=True):
    """An asset on one blockchain. Source: schema Token."""

    symbol: str
    blockchain: Blockchain
    decimals: int
    is_deposit_enabled: bool
    is_withdraw_enabled: bool
    minimum_deposit: Decimal
    minimum_withdrawal: Decimal
    maximum_withdrawal: Decimal | None
    fee: Decimal
    """What a withdrawal costs, in the asset."""

    def is_too_fine(self, quantity: Decimal) -> bool:
        """Tell whether a quantity has more decimals than the token on its blockchain."""
        exponent = quantity.normalize().as_tuple().exponent
        return -int(exponent) > self.decimals


class Assets:
    """The assets of all markets."""

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        text = resources.files(__package__).joinpath("assets.json").read_text(encoding="utf-8")
        known: dict[str, Row] = {row["symbol"]: row for row in json.loads(text)}
        traded = sorted({asset for row in instruments for asset in (row.base, row.quote)})
        self.rows: list[Row] = [known.get(symbol, _bare_row(symbol)) for symbol in traded]
        """The rows of GET /assets, by symbol."""
        self._tokens = {
            (row["symbol"], token.blockchain): token
            for row in self.rows
            for token in (_token(row["symbol"], listing) for listing in row["tokens"])
        }
        self._symbols = frozenset(traded)

    def has(self, symbol: str) -> bool:
        """Tell whether there is such an asset."""
        return symbol in self._symbols

    def token(self, symbol: str, blockchain: Blockchain) -> Token | None:
        """Return an asset on a blockchain, or None."""
        return self._tokens.get((symbol, blockchain))

    @property
    def blockchains(self) -> list[Blockchain]:
        """Return all blockchains with a token, by name."""
        return sorted({blockchain for _, blockchain in self._tokens}, key=lambda blockchain: blockchain.value)


def _bare_row(symbol: str) -> Row:
    return {"coingeckoId": None, "displayName": symbol, "symbol": symbol, "tokens": []}


def _token(symbol: str, listing: Row) -> Token:
    maximum = listing["maximumWithdrawal"]
    return Token(
        symbol=symbol,
        blockchain=Blockchain(listing["blockchain"]),
        decimals=listing["nativeDecimals"],
        is_deposit_enabled=listing["depositEnabled"],
        is_withdraw_enabled=listing["withdrawEnabled"],
        minimum_deposit=decimal_from_text(listing["minimumDeposit"]),
        minimum_withdrawal=decimal_from_text(listing["minimumWithdrawal"]),
        maximum_withdrawal=None if maximum is None else decimal_from_text(maximum),
        fee=decimal_from_text(listing["withdrawalFee"]),
    )
