"""F04 and F05: public trades arrive, once each, with their time in seconds."""

import time
from typing import Any

import pytest
from hummingbot.core.data_type.common import TradeType
from hummingbot.core.event.event_logger import EventLogger
from hummingbot.core.event.events import OrderBookEvent, OrderBookTradeEvent

from backpack_connector.backpack_exchange import BackpackExchange
from backpack_connector.protocol.enums import Side
from tests.spot.session import OTHER_PAIR, OTHER_SYMBOL, PAIR, SYMBOL, book_of, until, world


class TradeLog:
    """The trades that an order book announces; the book holds listeners weakly, so a test must keep this."""

    def __init__(self, connector: BackpackExchange, trading_pair: str = PAIR) -> None:
        self._log = EventLogger()
        connector.order_books[trading_pair].add_listener(OrderBookEvent.TradeEvent, self._log)

    @property
    def trades(self) -> "list[OrderBookTradeEvent]":
        """Return the trades so far, oldest first."""
        return self._log.event_log  # type: ignore[no-any-return]

    @property
    def facts(self) -> "list[tuple[float, float]]":
        """Return price and amount of each trade."""
        return [(float(trade.price), float(trade.amount)) for trade in self.trades]


@pytest.mark.parametrize(
    ("side", "price", "trade_type"), [(Side.BID, "150.01", TradeType.BUY), (Side.ASK, "149.99", TradeType.SELL)]
)
async def test_f04_f05_trades_are_delivered_in_seconds(side: Side, price: str, trade_type: TradeType) -> None:
    async with world() as here:
        here.fill_book()
        connector = await here.started(PAIR)
        log = TradeLog(connector)
        here.take(side, price, "0.5")
        (trade,) = await until(lambda: log.trades)
        assert trade.trading_pair == PAIR
        assert trade.type is trade_type
        assert log.facts == [(float(price), 0.5)]
        assert abs(trade.timestamp - time.time()) < 5
        assert connector.order_books[PAIR].last_trade_price == float(price)


async def test_f04_trade_of_each_pair_reaches_its_own_book() -> None:
    async with world() as here:
        here.fill_book()
        here.fill_book(OTHER_SYMBOL, "86700")
        connector = await here.started(PAIR, OTHER_PAIR)
        log, other_log = TradeLog(connector), TradeLog(connector, OTHER_PAIR)
        here.take(Side.BID, "86700.1", "0.5", OTHER_SYMBOL)
        here.take(Side.BID, "150.01", "0.5")
        await until(lambda: log.trades and other_log.trades)
        assert log.facts == [(150.01, 0.5)]
        assert other_log.facts == [(86700.1, 0.5)]


async def test_f04_trades_that_come_again_after_a_reconnect_are_dropped() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        log = TradeLog(connector)
        frames: list[dict] = []

        def keep(_: object, frame: dict) -> list:
            if frame.get("stream") == f"trade.{SYMBOL}":
                frames.append(frame)
            return [frame]

        here.double.on_server_frame = keep
        here.take(Side.BID, "150.01", "0.5")
        here.take(Side.BID, "150.01", "0.6")
        await until(lambda: len(log.trades) == 2)
        await here.double.public.close()
        await until(lambda: not connector.ready)
        await until(lambda: connector.ready)
        for frame in frames:
            await here.double.public.send(frame)
        here.take(Side.BID, "150.01", "0.7")
        await until(lambda: log.facts[-1] == (150.01, 0.7))
        assert log.facts == [(150.01, 0.5), (150.01, 0.6), (150.01, 0.7)]


async def test_trades_of_markets_that_are_not_tracked_are_ignored() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        log = TradeLog(connector)
        foreign = {"e": "trade", "s": "NOPE_USDC", "p": "1", "q": "1", "t": 1, "m": True, "E": 1, "T": 1}
        await here.double.public.send({"stream": "trade.NOPE_USDC", "data": foreign})
        here.take(Side.BID, "150.01")
        await until(lambda: log.trades)
        assert log.facts == [(150.01, 1.0)]


BAD_TRADES: "dict[str, dict[str, Any]]" = {
    "price is text": {"p": "cheap"},
    "price is NaN": {"p": "NaN"},
    "quantity is infinite": {"q": "Infinity"},
    "id is text": {"t": "first"},
    "maker flag is text": {"m": "yes"},
    "price missing": {"p": None},
}


@pytest.mark.parametrize("spoil", BAD_TRADES.values(), ids=BAD_TRADES.keys())
async def test_bad_input_trade_is_skipped_with_a_sentence(
    spoil: "dict[str, Any]", caplog: pytest.LogCaptureFixture
) -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        log = TradeLog(connector)
        good = {"e": "trade", "s": SYMBOL, "p": "1", "q": "1", "t": 1, "m": True, "E": 1, "T": 1}
        await here.double.public.send({"stream": f"trade.{SYMBOL}", "data": {**good, **spoil}})
        here.take(Side.BID, "150.01")
        await until(lambda: log.trades)
        assert log.facts == [(150.01, 1.0)]
        assert f"A message of the public stream was skipped: trade.{SYMBOL}" in caplog.text
        assert connector.ready
        assert book_of(connector) == here.book()
