"""Know, between two margin reports of the exchange, which margin an account has left. Pure; all figures in USDC.

The model follows API §5.5:

  margin of a market  IMF x notional of the worst case of its position and orders (`market_margin`)
  net equity          quantity x price x weight of every asset, and the unrealised profit of every position
  available           net equity - margins of all markets - what spot orders lock

Prices and weights are those of the last report, everything else comes from the streams as it happens. Orders on their
way count as if they rested, so that a second order cannot spend what the first one will need. What a report says
beyond the model stays added to it until the next one (`margin_reports`).

How far `available` is from what the exchange would report, once every message of an event has arrived:
- nothing but the report's rounding, while USDC is the only collateral, nothing is lent and no losses exceed the USDC;
- for other assets: what their price x weight moved since the last report, and the haircut's curve on quantities that
  changed since (the exchange does not publish it); an asset that was not there yet counts from the next report on;
- funds lent by auto-lend since the last report are missing until the next one; so are losses beyond the USDC that is
  there (`unsettledEquity`), which no message tells.
Between the messages of one event: an order's fill moves order, position and fee at once; a settlement of profit, or
spot funds that change hands, count twice or not at all until the second message is here. A report that overtakes
messages, or is overtaken, changes nothing of this but for quantity x move of a mark price that moved meanwhile, until
the next report, if no message is later than two reports that know of it.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from functools import wraps
from math import inf
from typing import Concatenate, NamedTuple, ParamSpec, TypeVar, cast

from backpack_connector.protocol.enums import OrderStatus, Side
from backpack_connector.protocol.futures import MarginSummary, Position
from backpack_connector.protocol.messages import BalanceUpdate, OrderUpdate, PositionUpdate
from backpack_connector.protocol.models import MarginFunction, Order
from backpack_perpetual_connector.collateral_assets import CollateralAssets, Correction
from backpack_perpetual_connector.margin_reports import Margin, MarginReports
from backpack_perpetual_connector.market_margin import ZERO, MarketMargin

_ONE = Decimal(1)
# Sums are kept up to date by differences, so they must not round: notional x fraction has up to 90 digits.
_EXACT = Context(prec=120)
# When an event is no message: what we do is in no earlier report; what an answer corrects may be in it.
_BY_US = inf
_SOME_TIME_AGO = -inf
_MOST_ENDED_ORDERS = 10_000
_RESTING = (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)

_P = ParamSpec("_P")
_R = TypeVar("_R")


def _exactly(
    method: "Callable[Concatenate[AccountMargin, _P], _R]",
) -> "Callable[Concatenate[AccountMargin, _P], _R]":
    @wraps(method)
    def run(self: "AccountMargin", *args: _P.args, **kwargs: _P.kwargs) -> _R:
        with localcontext(_EXACT):
            return method(self, *args, **kwargs)

    return cast("Callable[Concatenate[AccountMargin, _P], _R]", run)


@dataclass
class _Order:
    symbol: str
    side: Side
    remaining: Decimal
    """What it may still add to the position, in base units; zero for one that only reduces."""
    changed_at: int
    executed: Decimal = ZERO
    """As far as the stream has told: the position has these fills."""


class _Reckoned(NamedTuple):
    """What a market has contributed; margins if all bids filled, and if all asks did."""

    unrealized: Decimal
    known: tuple[Decimal, Decimal]
    with_orders: tuple[Decimal, Decimal]
    """Those on their way too."""


_NOTHING = _Reckoned(ZERO, (ZERO, ZERO), (ZERO, ZERO))


def _distance(new: tuple[Decimal, Decimal], old: tuple[Decimal, Decimal]) -> Decimal:
    return abs(new[0] - old[0]) + abs(new[1] - old[1])


class AccountMargin:
    """The margin of one account with positions and orders in perpetual markets."""

    def __init__(self) -> None:
        self._markets: dict[str, MarketMargin] = {}
        self._assets = CollateralAssets()
        self._orders: dict[str, _Order] = {}
        self._ended: dict[str, int] = {}
        self._on_their_way: dict[str, _Order] = {}
        self._leverage = _ONE
        self._reports = MarginReports()
        self._place = 0
        self._orders_asked_at = self._reported_at = 0
        self._unrealized = self._locked = ZERO
        self._on_its_way = ZERO
        """Margin of orders on their way, beyond `_locked`."""
        self._reckoned: dict[str, _Reckoned] = {}
        """What each market has contributed to the three sums above."""

    # What is asked

    @property
    def is_known(self) -> bool:
        """Tell whether a report has come yet; nothing is available before."""
        return self._reports.is_known

    @property
    def net_equity(self) -> Decimal:
        """Return the account's net equity."""
        return self._margin().equity + self._reports.equity if self.is_known else ZERO

    @property
    def available(self) -> Decimal:
        """Return the equity that new risk can use; zero, never less, for an account that is under water."""
        return max(ZERO, self._margin().available + self._reports.available) if self.is_known else ZERO

    @property
    def symbols_in_use(self) -> set[str]:
        """Return the markets whose mark prices matter: those with a position or orders, whoever placed them."""
        return {symbol for symbol, market in self._markets.items() if market.is_in_use}

    @_exactly
    def required(
        self,
        symbol: str,
        side: Side,
        quantity: Decimal,
        *,
        reduce_only: bool = False,
        price: Decimal | None = None,
        planned_bids: Decimal = ZERO,
        planned_asks: Decimal = ZERO,
    ) -> Decimal:
        """Return what an order would take from `available`; zero if it does not increase the worst case.

        With a price, an order that takes margin must also bear what buying above or selling below the mark price
        loses at once. Planned quantities are those of orders that will be placed with it, in base units.
        """
        if reduce_only:
            return ZERO
        market = self._market(symbol)
        before = max(market.margins(self._leverage, planned_bids, planned_asks, price_without_mark=price))
        if side is Side.BID:
            planned_bids += quantity
        else:
            planned_asks += quantity
        after = max(market.margins(self._leverage, planned_bids, planned_asks, price_without_mark=price))
        if after <= before:
            return ZERO
        if price is None or market.mark_price is None:
            return after - before
        worse = price - market.mark_price if side is Side.BID else market.mark_price - price
        return after - before + max(ZERO, worse) * quantity

    # What the streams say

    @_exactly
    def apply_balance(self, update: BalanceUpdate) -> None:
        """Take the balance of an asset, unless a newer one is known."""
        with self._assets_moving(update.event_timestamp):
            self._assets.apply_balance(update, self._next())

    def lacks_value_of(self, asset: str) -> bool:
        """Tell whether the account has something of an asset and no report has said what it counts."""
        return self._assets.lacks_value(asset)

    @_exactly
    def apply_position(self, update: PositionUpdate) -> None:
        """Take a position, unless a newer one is known."""
        market = self._market(update.symbol)
        market.apply_message(update, self._next())
        self._reckon(update.symbol, update.event_timestamp)
        # The mark price may be older than the message that brings it.
        market.apply_mark(update.mark_price, update.event_timestamp, self._next())
        self._reckon(update.symbol, _SOME_TIME_AGO)

    @_exactly
    def apply_mark(self, symbol: str, mark: Decimal, timestamp: float | None = None) -> None:
        """Take a mark price with its engine time in seconds, unless a newer one is known.

        Without a time it is the newest, and in no report that was answered before.
        """
        self._market(symbol).apply_mark(mark, timestamp, self._next())
        self._reckon(symbol, _BY_US if timestamp is None else timestamp)

    @_exactly
    def apply_order(self, update: OrderUpdate) -> None:
        """Take what happened to an order of the account in a perpetual market, whoever placed it.

        A fill moves order, position and fee at once; the messages about position and balance then say the same.
        """
        market = self._market(update.symbol)
        self._forget_on_its_way(update.client_id_text, update.symbol)
        if update.is_fill and update.fill_quantity is not None and update.fill_price is not None:
            market.apply_fill(
                update.side, update.fill_quantity, update.fill_price, update.event_timestamp, self._next()
            )
            if update.fee is not None and update.fee_symbol is not None:
                with self._assets_moving(update.event_timestamp):
                    self._assets.charge(update.fee_symbol, update.fee, update.event_timestamp, self._next())
        executed = update.executed_quantity or ZERO
        if update.known_status in _RESTING and update.quantity is not None:
            market.suggest_mark(update.price)
            self._set_order(
                update.order_id, update.symbol, update.side, update.quantity - executed, executed, update.reduce_only
            )
        elif update.known_status is OrderStatus.TRIGGER_PENDING:
            self._drop_order(update.order_id)
        elif update.known_status is not None and update.known_status.is_final:
            self._end_order(update.order_id)
        self._reckon(update.symbol, update.event_timestamp)

    # What is ours

    @_exactly
    def hold(self, client_order_id: str, symbol: str, side: Side, quantity: Decimal, *, reduce_only: bool) -> None:
        """Count an order that is being sent as if it rested."""
        self._forget_on_its_way(client_order_id, symbol)
        order = _Order(symbol, side, ZERO if reduce_only else quantity, self._next())
        self._on_their_way[client_order_id] = order
        self._market(symbol).on_their_way[side] += order.remaining
        self._reckon(symbol, _BY_US)

    @_exactly
    def release(self, client_order_id: str) -> None:
        """Stop counting an order that is being sent: the exchange has refused it or never got it."""
        order = self._on_their_way.get(client_order_id)
        if order is not None:
            self._forget_on_its_way(client_order_id, order.symbol)
            self._reckon(order.symbol, _BY_US)

    @_exactly
    def acknowledge(self, client_order_id: str, order: Order) -> None:
        """Take what an answer says of an order; what the stream or a list has said counts more.

        Fills that the stream has not told are not in the position either, so that they stay counted with the order
        until it does, or until a list of open orders that was asked for later lacks the order.
        """
        is_news = client_order_id in self._on_their_way and order.id not in self._ended
        self._forget_on_its_way(client_order_id, order.symbol)
        known = self._orders.get(order.id)
        if known is not None or is_news:
            told = ZERO if known is None else known.executed
            executed = order.executed_quantity or ZERO
            final = order.quantity if order.status in _RESTING and order.quantity is not None else executed
            self._market(order.symbol).suggest_mark(order.price)
            self._set_order(order.id, order.symbol, order.side, max(ZERO, final - told), told, order.reduce_only)
        # The answer does not say when things happened to the order, but not before there was one.
        self._reckon(order.symbol, order.created_timestamp)

    # What answers say

    @_exactly
    def mark(self) -> int:
        """Return the place of a request that is sent now, for the methods that take its answer."""
        place = self._next()
        self._reports.ask(place, self._margin())
        return place

    @_exactly
    def set_market(self, symbol: str, imf: MarginFunction) -> None:
        """Take the initial margin function of a market."""
        self._market(symbol).imf = imf
        self._reckon(symbol, _SOME_TIME_AGO)

    @_exactly
    def set_leverage(self, leverage: Decimal) -> None:
        """Take the account's leverage limit."""
        if leverage != self._leverage:
            self._leverage = leverage
            for symbol in self._markets:
                self._reckon(symbol, _SOME_TIME_AGO)

    @_exactly
    def replace_positions(
        self, rows: Sequence[Position], asked_at: int, *, is_complete: bool, better_known: Collection[str] = ()
    ) -> None:
        """Take the positions of an answer; what the stream has said since it was asked stays.

        In an incomplete answer, one with rows that could not be read, a missing position proves nothing. Of markets
        that are better known otherwise the answer tells nothing.
        """
        self._reports.forget(asked_at)
        listed = {row.symbol: row for row in rows}
        for symbol, row in listed.items():
            if symbol not in better_known:
                self._market(symbol).replace(row, asked_at)
        if is_complete:
            for symbol, market in self._markets.items():
                if symbol not in listed and symbol not in better_known:
                    market.replace(None, asked_at)
        for symbol in self._markets:
            self._reckon(symbol, _SOME_TIME_AGO)

    @_exactly
    def replace_orders(self, rows: Sequence[Order], asked_at: int) -> None:
        """Take the complete list of open orders in perpetual markets; what the stream has said since stays."""
        self._reports.forget(asked_at)
        if asked_at < self._orders_asked_at:
            return
        self._orders_asked_at = asked_at
        listed = {row.id: row for row in rows if row.id not in self._ended}
        self._ended = {order_id: place for order_id, place in self._ended.items() if place > asked_at}
        for order_id, order in list(self._orders.items()):
            if order.changed_at <= asked_at and order_id not in listed:
                self._drop_order(order_id)
                self._reckon(order.symbol, _SOME_TIME_AGO)
        for row in listed.values():
            known = self._orders.get(row.id)
            if known is None or known.changed_at <= asked_at:
                self._take_row(row, asked_at)

    @_exactly
    def report(self, summary: MarginSummary, asked_at: int, answered_at: float = -inf) -> list[Correction]:
        """Take a margin report: prices and weights of the assets, and what the model lacks.

        Returns the quantities of assets that it has changed.

        `answered_at` is the server's time in seconds when the answer came, at the latest. Messages about what happened
        until then are compared with the report even if they arrive after it.
        """
        if asked_at < self._reported_at:
            return []
        self._reported_at = asked_at
        before = self._margin()
        corrections = self._assets.revalue(summary.collateral, asked_at)
        now = self._margin()
        self._reports.revalued(now.minus(before))
        self._reports.take(asked_at, summary.net_equity, summary.net_equity_available, now, answered_at)
        return corrections

    # Sums

    def _next(self) -> int:
        self._place += 1
        return self._place

    def _market(self, symbol: str) -> MarketMargin:
        market = self._markets.get(symbol)
        if market is None:
            market = self._markets[symbol] = MarketMargin()
        return market

    def _margin(self) -> Margin:
        equity = self._assets.value + self._unrealized
        available = equity - self._assets.locked_value - self._locked
        return Margin(equity, available - self._on_its_way, available)

    def _reckon(self, symbol: str, engine_timestamp: float) -> None:
        """Bring the sums up to date with one market, and tell when what changed it happened."""
        market = self._market(symbol)
        known = market.margins(self._leverage, with_orders_on_their_way=False)
        with_orders = market.margins(self._leverage) if any(market.on_their_way.values()) else known
        old, new = self._reckoned.get(symbol, _NOTHING), _Reckoned(market.unrealized, known, with_orders)
        self._reckoned[symbol] = new
        profit = new.unrealized - old.unrealized
        self._unrealized += profit
        self._locked += max(new.known) - max(old.known)
        self._on_its_way += (max(new.with_orders) - max(new.known)) - (max(old.with_orders) - max(old.known))
        # Of two sides only the larger one shows, but at the moment of a report it may have been the other one.
        self._reports.moved(
            profit,
            abs(profit) + _distance(new.with_orders, old.with_orders),
            abs(profit) + _distance(new.known, old.known),
            engine_timestamp,
        )

    @contextmanager
    def _assets_moving(self, engine_timestamp: float) -> Iterator[None]:
        value, locked_value = self._assets.value, self._assets.locked_value
        yield
        equity = self._assets.value - value
        available = abs(equity) + abs(self._assets.locked_value - locked_value)
        self._reports.moved(equity, available, available, engine_timestamp)

    # Orders

    def _set_order(
        self, order_id: str, symbol: str, side: Side, remaining: Decimal, executed: Decimal, reduce_only: bool | None
    ) -> None:
        self._drop_order(order_id)
        order = _Order(symbol, side, ZERO if reduce_only else remaining, self._next(), executed)
        self._orders[order_id] = order
        self._market(symbol).resting[side] += order.remaining

    def _take_row(self, row: Order, asked_at: int) -> None:
        executed = row.executed_quantity or ZERO
        remaining = (row.quantity or ZERO) - executed if row.status in _RESTING else ZERO
        self._forget_on_its_way(row.client_id_text, row.symbol)
        self._market(row.symbol).suggest_mark(row.price)
        self._set_order(row.id, row.symbol, row.side, remaining, executed, row.reduce_only)
        self._orders[row.id].changed_at = asked_at
        self._reckon(row.symbol, _SOME_TIME_AGO)

    def _drop_order(self, order_id: str) -> None:
        order = self._orders.pop(order_id, None)
        if order is not None:
            self._markets[order.symbol].resting[order.side] -= order.remaining

    def _end_order(self, order_id: str) -> None:
        self._drop_order(order_id)
        # A list that was asked for earlier must not bring it back.
        self._ended[order_id] = self._next()
        if len(self._ended) > _MOST_ENDED_ORDERS:
            del self._ended[next(iter(self._ended))]

    def _forget_on_its_way(self, client_order_id: str | None, symbol: str) -> None:
        order = self._on_their_way.get(client_order_id or "")
        if order is not None and order.symbol == symbol:
            del self._on_their_way[client_order_id or ""]
            self._markets[symbol].on_their_way[order.side] -= order.remaining
