"""Stream names and the frames that subscribe."""

import pytest

from backpack_connector.protocol import streams
from backpack_connector.protocol.enums import KlineInterval
from backpack_connector.protocol.streams import StreamName, split_stream_name
from tests.protocol.samples import frame, names


def test_names_are_built_as_the_exchange_writes_them() -> None:
    assert streams.depth_stream("SOL_USDC") == "depth.SOL_USDC"
    assert streams.depth_stream("SOL_USDC", 200) == "depth.200ms.SOL_USDC"
    assert streams.trade_stream("kPEPE_USDC_PERP") == "trade.kPEPE_USDC_PERP"
    assert streams.mark_price_stream("BTC_USDC_PERP") == "markPrice.BTC_USDC_PERP"
    assert streams.kline_stream("AAPL.US_USDC", KlineInterval.MONTH_1) == "kline.1month.AAPL.US_USDC"


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("depth.SOL_USDC", StreamName("depth", None, "SOL_USDC")),
        ("depth.AAPL.US_USDC_PERP", StreamName("depth", None, "AAPL.US_USDC_PERP")),
        ("depth.200ms.AAPL.US_USDC_PERP", StreamName("depth", "200ms", "AAPL.US_USDC_PERP")),
        ("depth.5.BTC_USDC", StreamName("depth", None, "5.BTC_USDC")),
        ("kline.1m.SOL_USDC", StreamName("kline", "1m", "SOL_USDC")),
        ("kline.7m.SOL_USDC", StreamName("kline", None, "7m.SOL_USDC")),
        ("kline.1m", StreamName("kline", None, "1m")),
        ("trade.1m.SOL_USDC", StreamName("trade", None, "1m.SOL_USDC")),
        ("depth.200msx.SOL_USDC", StreamName("depth", None, "200msx.SOL_USDC")),
        ("trade.200ms.SOL_USDC", StreamName("trade", None, "200ms.SOL_USDC")),
        ("nope.SOL_USDC", StreamName("nope", None, "SOL_USDC")),
        ("liquidation", StreamName("liquidation", None, None)),
        ("account.orderUpdate", StreamName("account.orderUpdate", None, None)),
        ("account.orderUpdate.AAPL.US_USDC", StreamName("account.orderUpdate", None, "AAPL.US_USDC")),
        ("", StreamName("", None, None)),
    ],
)
def test_names_are_taken_apart_and_symbols_keep_their_dots(name: str, parts: StreamName) -> None:
    assert split_stream_name(name) == parts


@pytest.mark.parametrize("interval", KlineInterval)
def test_every_interval_is_found_in_the_name_of_its_stream(interval: KlineInterval) -> None:
    assert split_stream_name(streams.kline_stream("SOL_USDC", interval)) == StreamName("kline", interval, "SOL_USDC")


@pytest.mark.parametrize("window_ms", streams.DEPTH_WINDOWS_MS)
def test_every_window_is_found_in_the_name_of_its_stream(window_ms: int) -> None:
    name = streams.depth_stream("A.US_USDC", window_ms)
    assert split_stream_name(name) == StreamName("depth", f"{window_ms}ms", "A.US_USDC")


@pytest.mark.parametrize("name", [name for name in names("ws") if "s" in frame(name).get("data", {})])
def test_the_name_of_a_captured_stream_holds_the_symbol_of_its_message(name: str) -> None:
    parts = split_stream_name(frame(name)["stream"])
    assert parts.symbol == (None if parts.is_private else frame(name)["data"]["s"])


@pytest.mark.parametrize(
    "name", [streams.ORDER_UPDATES, streams.BALANCE_UPDATES, streams.POSITION_UPDATES, streams.RFQ_UPDATES]
)
def test_account_streams_are_private(name: str) -> None:
    assert split_stream_name(name).is_private


@pytest.mark.parametrize("name", ["trade.SOL_USDC", "accounts.SOL_USDC", "liquidation", ""])
def test_other_streams_are_public(name: str) -> None:
    assert not split_stream_name(name).is_private


def test_frames_carry_a_signature_only_when_there_is_one() -> None:
    assert streams.subscribe_frame(["a", "b"]) == {"method": "SUBSCRIBE", "params": ["a", "b"]}
    assert streams.subscribe_frame(("a",), ["k", "s", "1", "5000"]) == {
        "method": "SUBSCRIBE",
        "params": ["a"],
        "signature": ["k", "s", "1", "5000"],
    }
    assert streams.unsubscribe_frame(["a"]) == {"method": "UNSUBSCRIBE", "params": ["a"]}
