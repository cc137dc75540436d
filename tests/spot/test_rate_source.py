"""The rate oracle's source: exact prices of all listed spot markets, without keys."""

from decimal import Decimal

import pytest

from backpack_connector.backpack_rate_source import BackpackRateSource, BackpackSimulatorRateSource
from backpack_connector.hosts import SIMULATOR_URL_VARIABLE
from backpack_connector.protocol.enums import Side
from tests.spot.session import OTHER_SYMBOL, SYMBOL, World, world
from tests.spot.stream_double import Reply

PRICES = {"SOL-USDC": Decimal("150.01"), "BTC-USDC": Decimal("86000.1"), "USDT-USDC": Decimal("1.0001")}


def source_with_trades(here: World) -> BackpackRateSource:
    """Let one trade happen in three markets, and return a source that asks this exchange."""
    for symbol, middle, limit in (
        (SYMBOL, "150", "151"),
        (OTHER_SYMBOL, "86000", "86100"),
        ("USDT_USDC", "1", "1.01"),
    ):
        here.fill_book(symbol, middle)
        here.take(Side.BID, limit, symbol=symbol)
    source = BackpackRateSource()
    source._exchange = here.connector(backpack_api_key="", backpack_api_secret="", trading_required=False)
    return source


async def test_prices_are_exact_and_other_markets_symbols_are_skipped() -> None:
    async with world() as here:
        assert await source_with_trades(here).get_prices() == PRICES


async def test_f25_odd_tickers_break_nothing() -> None:
    async with world(with_double=True) as here:
        source = source_with_trades(here)
        odd = [{"symbol": "SOL_USDC_RFQ"}, {"symbol": "BTC_USDC", "lastPrice": "NaN"}, "text", None]
        good = {"symbol": "SOL_USDC", "lastPrice": "150.01"}
        here.double.answer_once("get_tickers", Reply([*odd, good]))
        assert await source.get_prices() == {"SOL-USDC": Decimal("150.01")}


async def test_a_global_token_that_is_no_quote_is_reached_over_a_bridge() -> None:
    async with world() as here:
        source = source_with_trades(here)
        assert await source.get_prices(quote_token="USDT") == PRICES
        assert await source.get_prices(quote_token="NOPE") == {}


async def test_an_exchange_that_does_not_answer_gives_no_rates_and_one_sentence(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with world() as here:
        source = source_with_trades(here)
        await here.simulator.stop()
        assert await source.get_prices() == {}
    (record,) = [record for record in caplog.records if "No rates from backpack" in record.getMessage()]
    assert record.exc_info is None


async def test_the_simulators_source_asks_the_simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    async with world() as here:
        source_with_trades(here)
        monkeypatch.setenv(SIMULATOR_URL_VARIABLE, here.simulator.rest_url)
        assert await BackpackSimulatorRateSource().get_prices(quote_token="USDC") == PRICES


def test_the_name_is_the_one_of_hummingbots_configuration() -> None:
    assert BackpackRateSource().name == "backpack"
    assert BackpackSimulatorRateSource().name == "backpack_simulator"
