"""Hold everything that belongs to one market while it trades: book, state, prices, trades, candles."""

from collections import deque
from collections.abc import Sequence
from decimal import Decimal

from backpack_connector.protocol.candles import MINUTE_S
from backpack_connector.protocol.enums import MarketType, OrderBookState, Side

from .book import OrderBook
from .candles import CandleStore
from .clock import s_from_us
from .events import Event, LevelChanged, TouchChanged
from .markets import Instrument
from .orders import ZERO, Order, PublicTrade
from .pricing import FundingInterval, PerpetualPrices, Underlying

_TRADES_KEPT = 10_000
# There is one every second in every market, traded or not.
_PRICE_SECONDS_KEPT = 10 * MINUTE_S


class TradedMarket:
    """One market. Its methods change the book and say so in events; the engine decides when."""

    def __init__(self, instrument: Instrument, first_id: int, underlying: Underlying, now_us: int) -> None:
        self.instrument = instrument
        self.underlying = underlying
        self.state = instrument.state
        self.is_listed = True
        """False while a fault hides the market."""
        self.book = OrderBook(first_id)
        self.last_trade_price: Decimal | None = None
        self.trades: deque[PublicTrade] = deque(maxlen=_TRADES_KEPT)
        """Newest last."""
        self.candles = CandleStore()
        self.index_candles = CandleStore(seconds_kept=_PRICE_SECONDS_KEPT)
        self.mark_candles = CandleStore(seconds_kept=_PRICE_SECONDS_KEPT)
        """Like index prices empty for markets without positions; whether the exchange has them there is not known."""
        self.prices: PerpetualPrices | None = None
        """None for markets without positions."""
        if instrument.market_type is MarketType.PERP:
            self.prices = PerpetualPrices(instrument, underlying, now_us)
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
    def mid_price(self) -> Decimal | None:
        """Return the middle between best bid and best ask, or None when a side is empty."""
        bid, ask = self.book.touch
        return None if bid is None or ask is None else (bid[0] + ask[0]) / 2

    @property
    def mark_price(self) -> Decimal:
        """Return the price by which positions are valued; of a spot market the last price."""
        return self.last_price if self.prices is None else self.prices.mark_price

    @property
    def index_price(self) -> Decimal:
        """Return the price of the underlying elsewhere; of a spot market the last price."""
        return self.last_price if self.prices is None else self.prices.index_price

    @property
    def funding_rate(self) -> Decimal:
        """Return the rate of the running interval as it stands, a fraction of the notional; zero for spot."""
        return ZERO if self.prices is None else self.prices.funding_rate

    @property
    def settled_funding(self) -> Sequence[FundingInterval]:
        """Return the intervals that are over, oldest first, with the rates that are paid for them."""
        return () if self.prices is None else self.prices.settled_funding

    @property
    def publishes_mark_price(self) -> bool:
        """Tell whether mark prices are published now. Source: API §2.3 (markPrices): Open and PostOnly perps."""
        return self.prices is not None and self.state in (OrderBookState.OPEN, OrderBookState.POST_ONLY)

    def sample_prices(self, now_us: int) -> None:
        """Keep the index and mark price of this second for the charts."""
        time_s = s_from_us(now_us)
        self.index_candles.add_price(time_s, self.index_price)
        self.mark_candles.add_price(time_s, self.mark_price)

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

    def grow(self, order: Order, quantity: Decimal, time_us: int) -> list[Event]:
        """Add a quantity to an order that is the last of its level, before the order itself is updated."""
        touch = self.book.touch
        level_quantity = self.book.grow(order, quantity)
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
