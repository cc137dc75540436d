"""The rate oracle's source: exact prices of all listed spot markets, without keys."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from hummingbot.core.web_assistant.connections.connections_factory import ConnectionsFactory

from backpack_connector.backpack_exchange import BackpackExchange
from backpack_connector.backpack_rate_source import BackpackRateSource
from backpack_connector.simulator import Simulator, running_simulator


@pytest.fixture(autouse=True)
async def session_of_this_loop() -> AsyncIterator[None]:
    yield
    await ConnectionsFactory().close()  # one per process, and its sessions belong to this test's event loop


async def source_of(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> BackpackRateSource:
    monkeypatch.setenv("BACKPACK_SIMULATOR_URL", simulator.rest_url)
    source = BackpackRateSource()
    source._exchange = BackpackExchange("", "", trading_pairs=[], trading_required=False, domain="backpack_simulator")
    return source


async def test_prices_equal_the_exchanges_and_other_markets_are_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running_simulator(port=0, seed=3) as simulator:
        source = await source_of(simulator, monkeypatch)
        prices = await source.get_prices()
        assert {"SOL-USDC", "BTC-USDC", "USDT-USDC"} <= set(prices)
        assert all(isinstance(price, Decimal) and price > 0 for price in prices.values())
        assert not [pair for pair in prices if "PERP" in pair]


async def test_a_global_token_that_is_no_quote_is_reached_over_a_bridge(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running_simulator(port=0, seed=3) as simulator:
        source = await source_of(simulator, monkeypatch)
        assert "SOL-USDC" in await source.get_prices(quote_token="USDT")
        assert await (await source_of(simulator, monkeypatch)).get_prices(quote_token="NOPE") == {}


async def test_an_exchange_that_does_not_answer_gives_no_rates_and_one_sentence(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_simulator(port=0, seed=3) as simulator:
        source = await source_of(simulator, monkeypatch)
    assert await source.get_prices() == {}
    assert "No rates from Backpack" in caplog.text
    assert "Traceback" not in caplog.text


def test_the_name_is_the_one_of_hummingbots_configuration() -> None:
    assert BackpackRateSource().name == "backpack"
