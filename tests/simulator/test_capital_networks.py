"""Addresses of each blockchain, and the assets that come with the package."""

from decimal import Decimal

import pytest

from backpack_connector.simulator.capital_assets import Assets
from backpack_connector.simulator.capital_networks import (
    Blockchain,
    is_address,
    new_address,
    normal_address,
    transaction_hash,
)
from backpack_connector.simulator.markets import load_instruments
from tests.judges.specification import assert_as_specified, schema_of

SEGWIT = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
TAPROOT = "bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr"


@pytest.fixture
def assets() -> Assets:
    return Assets(load_instruments())


@pytest.mark.parametrize(
    ("blockchain", "address"),
    [
        ("Solana", "So11111111111111111111111111111111111111112"),
        ("Ethereum", "0x0ad42b8e602c2d3d475ae52d678cf63d84ab2749"),
        ("Base", "0xfBe7CbfCde93c8a4204a4be6B56732Eb32690170"),
        ("Bitcoin", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
        ("Bitcoin", SEGWIT),
        ("Bitcoin", SEGWIT.upper()),
        ("Bitcoin", TAPROOT),
    ],
)
def test_real_addresses_are_addresses(blockchain: str, address: str) -> None:
    assert is_address(Blockchain(blockchain), address)


@pytest.mark.parametrize(
    ("blockchain", "text"),
    [
        ("Solana", ""),
        ("Solana", "So1111111111111111111111111111111111111111"),
        ("Solana", "0o11111111111111111111111111111111111111112"),
        ("Solana", "1" * 100_000),
        ("Ethereum", "0x0ad42b8e602c2d3d475ae52d678cf63d84ab274"),
        ("Ethereum", "0x0ad42b8e602c2d3d475ae52d678cf63d84ab2749\n"),
        ("Ethereum", "0ad42b8e602c2d3d475ae52d678cf63d84ab2749"),
        ("Bitcoin", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb"),
        ("Bitcoin", SEGWIT[:-1] + "5"),
        ("Bitcoin", SEGWIT[:-1]),
        ("Bitcoin", SEGWIT.replace("q", "Q")),
        ("Bitcoin", SEGWIT.replace("w5", "b5")),
        ("Bitcoin", "bc1"),
        ("Bitcoin", "bc1z" + SEGWIT[4:]),
        ("Bitcoin", "TNekDcGLGfS2FBFTN9QKGfPZCRWhozaY3A"),
        ("Tron", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
    ],
)
def test_other_texts_are_none(blockchain: str, text: str) -> None:
    assert not is_address(Blockchain(blockchain), text)


def test_new_addresses_are_addresses_and_stay_the_same(assets: Assets) -> None:
    assert {row.value for row in assets.blockchains} >= {"Solana", "Ethereum", "Bitcoin", "Tron"}
    for blockchain in assets.blockchains:
        address = new_address(blockchain, "a")
        assert is_address(blockchain, address)
        assert address == new_address(blockchain, "a") == normal_address(blockchain, address)
        assert address != new_address(blockchain, "b")
        assert transaction_hash(blockchain, "1") != transaction_hash(blockchain, "2")


def test_addresses_without_case_are_remembered_in_one_spelling() -> None:
    assert normal_address(Blockchain.BASE, "0xAB") == "0xab"
    assert normal_address(Blockchain.BITCOIN, SEGWIT.upper()) == SEGWIT
    for blockchain, address in ((Blockchain.BITCOIN, "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"), (Blockchain.TRON, "TN")):
        assert normal_address(blockchain, address) == address
    assert normal_address(Blockchain.SOLANA, "So1") == "So1"


def test_the_names_are_the_documented_ones() -> None:
    assert [row.value for row in Blockchain] == schema_of("Blockchain")["enum"]
    assert {row.source for row in Blockchain} <= set(schema_of("DepositSource")["enum"])


def test_the_assets_are_those_of_the_markets(assets: Assets) -> None:
    assert_as_specified("get_assets", 200, assets.rows)
    traded = {name for row in load_instruments() for name in (row.base, row.quote)}
    assert [row["symbol"] for row in assets.rows] == sorted(traded)
    for row in assets.rows:
        for listing in row["tokens"]:
            address = listing["contractAddress"]
            assert address is None or is_address(Blockchain(listing["blockchain"]), address)
            token = assets.token(row["symbol"], Blockchain(listing["blockchain"]))
            assert token is not None
            # What arrives after the fee can be deposited again.
            assert token.minimum_withdrawal - token.fee > 0
            assert not token.is_too_fine(token.minimum_withdrawal)
            assert not token.is_too_fine(token.fee)


def test_tether_is_the_captured_row(assets: Assets) -> None:
    tether = assets.token("USDT", Blockchain.SOLANA)
    assert tether is not None
    assert (tether.minimum_deposit, tether.minimum_withdrawal, tether.fee, tether.decimals) == (
        Decimal("0.7"),
        Decimal("1.4"),
        Decimal("0.7"),
        6,
    )
    assert tether.is_too_fine(Decimal("1.0000001"))
    assert not tether.is_too_fine(Decimal("1.0000010"))
    assert not tether.is_too_fine(Decimal("1E+3"))
    assert assets.token("USDT", Blockchain.SUI) is None
    assert not assets.has("NOPE")
