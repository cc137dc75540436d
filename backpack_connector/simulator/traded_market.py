"""Hold everything that belongs to one market while it trades: book, state, last price, trades, candles."""

from collections import deque
from decimal import Decimal

from backpack_connector.protocol.enums import Side

from .book import OrderBook
from .candles import CandleStore
from .clock import s_from_us
from .events import Event, LevelChanged, TouchChanged
from .markets import Instrument
from .orders import Order, PublicTrade

_TRADES_KEPT = 10_000


class TradedMarket:
    """One market. Its methods change the book and say so in events; the engine decides when."""

    def __init__(self, instrument: Instrument, first_id: int) -> None:
        self.instrument = instrument
        self.state = instrument.state
        self.book = OrderBook(first_id)
        self.last_trade_price: Decimal | None = None
        self.trades: deque[PublicTrade] = deque(maxlen=_TRADES_KEPT)
        """Newest last."""
        self.candles = CandleStore()
        self._next_trade_id = first_id

    @property
    def symbol(self) -> str:
        """Return the market's symbol."""
        return self.instrument.symbol

    @property
    def last_price(self) -> Decimal:
        """Return the price of the last trade, or the seed price before the first one."""
        return self.instrument.seed_price if self.last_trade_price is None else self.last_trade_price

    @property
    def mark_price(self) -> Decimal:
        """Return the price by which positions are valued."""
        return self.last_price

    @property
    def index_price(self) -> Decimal:
        """Return the price of the underlying elsewhere."""
        return self.last_price

    def rest(self, order: Order, time_us: int) -> list[Event]:
        """Put what remains of an order into the book."""
        touch = self.book.touch
        level_quantity = self.book.rest(order)
        return self._book_events(order, level_quantity, touch, time_us)

    def take(self, order: Order, quantity: Decimal, time_us: int) -> list[Event]:
        """Take a quantity of a resting order out of the book, before the order itself is updated."""
        touch = self.book.touch
        level_quantity = self.book.take(order, quantity)
        return self._book_events(order, level_quantity, touch, time_us)

    def _book_events(self, order: Order, level_quantity: Decimal, touch_before: object, time_us: int) -> list[Event]:
        assert order.price is not None
        level = LevelChanged(
            symbol=self.symbol,
            side=order.side,
            price=order.price,
            quantity=level_quantity,
            update_id=self.book.update_id,
            time_us=time_us,
        )
        bid, ask = touch = self.book.touch
        if touch == touch_before:
            return [level]
        update_id = self.book.update_id
        return [level, TouchChanged(symbol=self.symbol, bid=bid, ask=ask, update_id=update_id, time_us=time_us)]

    def record_trade(self, taker: Order, maker: Order, price: Decimal, quantity: Decimal, time_us: int) -> PublicTrade:
        """Print a trade."""
        buyer, seller = (taker, maker) if taker.side is Side.BID else (maker, taker)
        trade = PublicTrade(
            trade_id=self._next_trade_id,
            price=price,
            quantity=quantity,
            is_buyer_maker=buyer is maker,
            buyer_order_id=buyer.order_id,
            seller_order_id=seller.order_id,
            time_us=time_us,
        )
        self._next_trade_id += 1
        self.last_trade_price = price
        self.trades.append(trade)
        self.candles.add_trade(s_from_us(time_us), price, quantity)
        return trade
