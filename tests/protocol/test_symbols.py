"""Symbols and trading pairs: the naming rule both ways, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backpack_connector.protocol.enums import MarketType
from backpack_connector.protocol.errors import ConfigurationError
from backpack_connector.protocol.symbols import symbol_of, trading_pair_of
from tests.protocol.samples import BOUNDED, body, names

PAIRS = [
    ("SOL-USDC", MarketType.SPOT, "SOL_USDC"),
    ("SOL-USDC", MarketType.PERP, "SOL_USDC_PERP"),
    ("kPEPE-USDC", MarketType.PERP, "kPEPE_USDC_PERP"),
    ("AAPL.US-USDC", MarketType.SPOT, "AAPL.US_USDC"),
    ("BRK.B.US-USDC", MarketType.PERP, "BRK.B.US_USDC_PERP"),
]
TOKENS = st.text(alphabet="abkABZ019.", min_size=1, max_size=8)


@pytest.mark.parametrize(("pair", "market_type", "symbol"), PAIRS)
def test_names_are_translated_both_ways(pair: str, market_type: MarketType, symbol: str) -> None:
    assert symbol_of(pair, market_type) == symbol
    assert trading_pair_of(symbol, market_type) == pair


@pytest.mark.parametrize("name", names("rest", "get_market."))
def test_the_pair_of_a_captured_market_joins_its_assets(name: str) -> None:
    market = body(name)
    pair = trading_pair_of(market["symbol"], MarketType(market["marketType"]))
    assert pair == f"{market['baseSymbol']}-{market['quoteSymbol']}"


@BOUNDED
@given(TOKENS, TOKENS, st.sampled_from([MarketType.SPOT, MarketType.PERP]))
def test_every_pair_survives_the_way_there_and_back(base: str, quote: str, market_type: MarketType) -> None:
    assert trading_pair_of(symbol_of(f"{base}-{quote}", market_type), market_type) == f"{base}-{quote}"


@pytest.mark.parametrize("market_type", [MarketType.SPOT, MarketType.PERP])
@pytest.mark.parametrize("pair", ["", "-", "SOL", "SOL-", "-USDC", "SOL_USDC", "SOL-USDC-PERP", "SOL_X-USDC"])
def test_text_that_is_no_trading_pair_is_refused(pair: str, market_type: MarketType) -> None:
    with pytest.raises(ConfigurationError, match="looks like SOL-USDC"):
        symbol_of(pair, market_type)


@pytest.mark.parametrize(
    ("symbol", "market_type"),
    [
        ("SOL_USDC_PERP", MarketType.SPOT),
        ("SOL_USDC", MarketType.PERP),
        ("SOL_USDC-PERP", MarketType.PERP),
        ("SOL_USDC_RFQ", MarketType.SPOT),
        ("SOL-USDC", MarketType.SPOT),
        ("SOLUSDC", MarketType.SPOT),
        ("_USDC", MarketType.SPOT),
        ("SOL_", MarketType.SPOT),
        ("", MarketType.SPOT),
        ("", MarketType.PERP),
        ("_PERP", MarketType.PERP),
        ("SOL_PERP", MarketType.PERP),
        ("SOL-X_USDC_PERP", MarketType.PERP),
        ("BTC_USDC_260327_PERP", MarketType.PERP),
    ],
)
def test_symbol_of_another_kind_is_refused(symbol: str, market_type: MarketType) -> None:
    with pytest.raises(ConfigurationError, match="is not the symbol of"):
        trading_pair_of(symbol, market_type)


@pytest.mark.parametrize("market_type", [MarketType.RFQ, MarketType.DATED, MarketType.PREDICTION])
def test_other_market_types_have_no_trading_pairs(market_type: MarketType) -> None:
    with pytest.raises(ConfigurationError, match="no trading pair"):
        symbol_of("SOL-USDC", market_type)
    with pytest.raises(ConfigurationError, match="no trading pair"):
        trading_pair_of("SOL_USDC", market_type)
