"""The public messages for people, against what was captured."""

from decimal import Decimal

import pytest

from backpack_connector.protocol.errors import WireFormatError
from backpack_connector.protocol.market_messages import (
    BookTicker,
    KlineUpdate,
    Liquidation,
    OpenInterestUpdate,
    TickerUpdate,
    read_market_message,
)
from tests.protocol.samples import frame, names


@pytest.mark.parametrize(
    "name", [name for name in names("ws") if name.startswith(("book_ticker", "ticker", "open_interest"))]
)
def test_captured_frames_are_read(name: str) -> None:
    whole = frame(name)
    message = read_market_message(whole["stream"], whole["data"])
    assert isinstance(message, BookTicker | TickerUpdate | OpenInterestUpdate)
    assert message.symbol == whole["data"]["s"]


def test_a_book_with_an_empty_side_has_no_price() -> None:
    data = {"E": 1, "T": 1, "a": None, "A": None, "b": "1.50", "B": "2", "e": "bookTicker", "s": "SOL_USDC", "u": "7"}
    message = read_market_message("bookTicker.SOL_USDC", data)
    assert isinstance(message, BookTicker)
    assert (message.bid_price, message.ask_price) == (Decimal("1.50"), None)


def test_candles_and_liquidations_are_read() -> None:
    candle = {
        "E": 1,
        "t": "2025-08-06T22:00:00",
        "T": "2025-08-06T22:01:00",
        "X": True,
        "n": 0,
        "v": "0",
        "s": "S",
        "o": None,
    }
    message = read_market_message("kline.1m.S", candle)
    assert isinstance(message, KlineUpdate)
    assert (message.is_closed, message.open) == (True, None)
    fill = {"E": 1, "T": 1, "S": "Bid", "p": "18.70", "q": "10", "s": "SOL_USDC", "e": "liquidation"}
    assert isinstance(read_market_message("liquidation", fill), Liquidation)


def test_other_streams_and_unreadable_messages() -> None:
    assert read_market_message("stockPrice.AAPL", {"any": 1}) is None
    with pytest.raises(WireFormatError, match=r"ticker\.SOL_USDC"):
        read_market_message("ticker.SOL_USDC", {"s": "SOL_USDC"})
