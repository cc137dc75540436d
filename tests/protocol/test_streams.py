"""Stream names and the frames that subscribe."""

import pytest

from backpack_connector.protocol import streams
from backpack_connector.protocol.enums import KlineInterval
from backpack_connector.protocol.streams import StreamName, split_stream_name


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
        ("liquidation", StreamName("liquidation", None, None)),
        ("account.orderUpdate", StreamName("account.orderUpdate", None, None)),
        ("account.orderUpdate.AAPL.US_USDC", StreamName("account.orderUpdate", None, "AAPL.US_USDC")),
        ("", StreamName("", None, None)),
    ],
)
def test_names_are_taken_apart_and_symbols_keep_their_dots(name: str, parts: StreamName) -> None:
    assert split_stream_name(name) == parts


def test_account_streams_are_private() -> None:
    assert split_stream_name(streams.BALANCE_UPDATES).is_private
    assert not split_stream_name("trade.SOL_USDC").is_private


def test_frames_carry_a_signature_only_when_there_is_one() -> None:
    assert streams.subscribe_frame(["a", "b"]) == {"method": "SUBSCRIBE", "params": ["a", "b"]}
    assert streams.subscribe_frame(("a",), ["k", "s", "1", "5000"]) == {
        "method": "SUBSCRIBE",
        "params": ["a"],
        "signature": ["k", "s", "1", "5000"],
    }
    assert streams.unsubscribe_frame(["a"]) == {"method": "UNSUBSCRIBE", "params": ["a"]}
