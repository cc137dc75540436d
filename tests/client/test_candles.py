"""Candles over any stretch of time: windows that the exchange answers, each candle once."""

import pytest

from backpack_connector.client.candles import WINDOW_CANDLES, interval_s
from backpack_connector.client.rest import BackpackClient
from backpack_connector.protocol.enums import KlineInterval
from backpack_connector.protocol.errors import ConfigurationError, InvalidRequest
from backpack_connector.simulator import Simulator
from tests.spot.stream_double import StreamDouble

SYMBOL = "SOL_USDC"


async def test_more_than_one_window_without_a_gap_and_without_a_double(
    recorded: BackpackClient, double: StreamDouble, simulator: Simulator
) -> None:
    end_s = simulator.now_ms() // 1000 // 60 * 60
    start_s = end_s - 60 * (2 * WINDOW_CANDLES + 100)
    with pytest.raises(InvalidRequest, match="too long"):
        await recorded.get_klines(SYMBOL, "1m", start_s, end_time_s=end_s)
    double.requests.clear()
    candles = [row async for row in recorded.iterate_klines(SYMBOL, "1m", start_s, end_s)]
    starts = [row.start_timestamp for row in candles]
    assert starts == list(range(start_s, int(starts[-1]) + 60, 60))
    assert starts[-1] >= end_s - 60
    assert double.count("get_klines") == 3


async def test_one_window_is_one_request(recorded: BackpackClient, double: StreamDouble, simulator: Simulator) -> None:
    end_s = simulator.now_ms() // 1000
    rows = [row async for row in recorded.iterate_klines(SYMBOL, "1month", end_s - 10**8, end_s, price_type="Last")]
    assert len(rows) > 30
    assert double.count("get_klines") == 1


@pytest.mark.parametrize("interval", list(KlineInterval), ids=str)
def test_each_interval_has_a_length(interval: KlineInterval) -> None:
    assert interval_s(interval.value) > 0


def test_lengths() -> None:
    assert [interval_s(word) for word in ("1s", "3m", "12h", "1w", "1month")] == [1, 180, 43_200, 604_800, 2_419_200]
    with pytest.raises(ConfigurationError, match="interval has to be one of 1s, 1m"):
        interval_s("7m")
