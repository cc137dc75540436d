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


def test_names_for_people_are_built_as_the_exchange_writes_them() -> None:
    assert streams.book_ticker_stream("SOL_USDC") == "bookTicker.SOL_USDC"
    assert streams.ticker_stream("SOL_USDC") == "ticker.SOL_USDC"
    assert streams.open_interest_stream("SOL_USDC_PERP") == "openInterest.SOL_USDC_PERP"


@pytest.mark.parametrize(
    "name",
    [
        "depth.SOL_USDC",
        "depth.600ms.SOL_USDC",
        "kline.1m.SOL_USDC",
        "liquidation",
        "account.orderUpdate",
        "account.rfqUpdate.X",
    ],
)
def test_streams_that_there_are(name: str) -> None:
    assert streams.stream_problem(name) is None


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("depht.SOL_USDC", "There is no stream 'depht.SOL_USDC'; the kinds are depth, trade, bookTicker"),
        ("account.fills", "There is no stream 'account.fills'"),
        ("trade", "The stream 'trade' needs a market, such as trade.SOL_USDC."),
        ("kline.7m.SOL_USDC", "The stream 'kline.7m.SOL_USDC' needs an interval, such as kline.1m.SOL_USDC."),
        (
            "depth.100ms.SOL_USDC",
            "Depth comes at once or in windows of 200, 600, 1000 ms, not as 'depth.100ms.SOL_USDC'.",
        ),
    ],
)
def test_streams_that_there_are_not(name: str, sentence: str) -> None:
    assert (streams.stream_problem(name) or "").startswith(sentence)
