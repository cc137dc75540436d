"""Keep every open market alive: seeded makers around a slowly moving price, and takers who trade.

Spot and perpetual markets of one asset follow one price. A perpetual stands a little above or below it, by a premium
that comes and goes within minutes and now and then is worth an arbitrage.

Rule 1: all chance comes from one generator, so that the same seed and the same requests at the same times give the
        same events. Prices move in whole ticks; no float ever becomes money.
Rule 2: the flow trades through the same door as everybody, from its own accounts.
Rule 3: a bot that quotes near the touch gets filled: now and then a taker sweeps up to 0.4 % deep, and an order that
        the moving price has passed is taken at once.
"""

import random
from collections.abc import Container, Iterator, Mapping
from decimal import Decimal

from backpack_connector.protocol.enums import OrderBookState, OrderType, Side, TimeInForce
from backpack_connector.protocol.units import MICROSECONDS_PER_SECOND

from .clearing import CLEARING
from .engine import Exchange
from .events import Execution
from .orders import ZERO, NewOrder, Order
from .pricing import Underlying
from .refusals import Refusal
from .traded_market import TradedMarket

STEP_US = MICROSECONDS_PER_SECOND // 4
LOOK_US = STEP_US // 10
"""How often to look what is due."""
_MAX_STEPS_AT_ONCE = 8

MAKER_ACCOUNT = "background-maker"
TAKER_ACCOUNT = "background-taker"
_DEPOSIT = Decimal(10**12)

# Distances from the fair price in hundredths of a basis point.
_DISTANCE_UNIT = Decimal("0.000001")
_MAKER_DISTANCES = (150, 400, 800, 1_300, 2_000, 3_000, 4_500, 7_000)
_SWEEP_DISTANCES = (300, 4_000)
_DRIFT_PER_STEP = 60
_DRIFT_STEPS_BACK = 250
# So strays the premium by two tenths of a percent, in minutes; twice the fees of an arbitrage is passed now and then.
_PREMIUM_PER_STEP = 220
_PREMIUM_STEPS_BACK = 400
_MAKER_NOTIONALS = (300, 4_000)
_TAKER_NOTIONALS = (50, 1_500)
_TAKER_CHANCE = 0.35
_SWEEP_CHANCE = 0.12
_SLOTS_REQUOTED = 3

_Slot = tuple[Side, int]


class _Walk:
    """A random walk that is drawn back to zero the further it strays."""

    def __init__(self, chance: random.Random, stride: int, steps_back: int) -> None:
        self._chance = chance
        self._stride = stride
        self._steps_back = steps_back
        self._place = 0

    def step(self) -> Decimal:
        """Return the next place, a fraction."""
        self._place += self._chance.randint(-self._stride, self._stride) - round(self._place / self._steps_back)
        return self._place * _DISTANCE_UNIT

    def reset(self) -> None:
        """Begin at zero again."""
        self._place = 0


class _UnderlyingFlow:
    """The price of one underlying."""

    def __init__(self, underlying: Underlying, chance: random.Random) -> None:
        self._underlying = underlying
        self._anchor = underlying.anchor
        self._walk = _Walk(chance, _DRIFT_PER_STEP, _DRIFT_STEPS_BACK)

    def step(self) -> None:
        """Move the price, from wherever it was set to."""
        if self._underlying.anchor != self._anchor:
            self._anchor = self._underlying.anchor
            self._walk.reset()
        self._underlying.drift = self._walk.step()


class _MarketFlow:
    """The flow of one market."""

    def __init__(self, exchange: Exchange, market: TradedMarket, chance: random.Random) -> None:
        self._exchange = exchange
        self._market = market
        self._chance = chance
        self._anchor = market.underlying.anchor
        is_perpetual = market.prices is not None
        self._premium_walk = _Walk(chance, _PREMIUM_PER_STEP, _PREMIUM_STEPS_BACK) if is_perpetual else None
        self._premium = ZERO
        self._quotes: dict[_Slot, Order] = {}
        """The makers' orders by side and distance; finished ones are found out when their turn comes."""
        self._slots: list[_Slot] = [(side, place) for place in range(len(_MAKER_DISTANCES)) for side in Side]

    @property
    def _fair_price(self) -> Decimal:
        return self._market.underlying.price * (1 + self._premium)

    def step(self) -> Iterator[Execution]:
        """Let the market live for one step."""
        if self._premium_walk is not None:
            self._premium = self._premium_walk.step()
        yield from self._follow_jump()
        yield from self._take_stale()
        missing = [slot for slot in self._slots if not self._is_resting(slot)]
        for slot in missing or self._chance.sample(self._slots, _SLOTS_REQUOTED):
            yield from self._requote(slot)
        if len(missing) == len(self._slots):
            return  # Nobody takes from a book that has just been filled, be it at the start or after a jump.
        if self._chance.random() < _SWEEP_CHANCE:
            yield from self._sweep(self._chance.randint(*_SWEEP_DISTANCES))
        elif self._chance.random() < _TAKER_CHANCE:
            yield from self._trade_at_touch()

    def _follow_jump(self) -> Iterator[Execution]:
        if self._market.underlying.anchor != self._anchor:
            self._anchor = self._market.underlying.anchor
            for slot in list(self._quotes):
                yield from self._withdraw(slot)

    def _take_stale(self) -> Iterator[Execution]:
        """Take what others offer on the wrong side of the fair price, after withdrawing own quotes from there."""
        fair = self._fair_price
        for slot, order in list(self._quotes.items()):
            assert order.price is not None
            if order.price >= fair if slot[0] is Side.BID else order.price <= fair:
                yield from self._withdraw(slot)
        for side, touch in zip(Side, self._market.book.touch, strict=True):
            if touch is not None and (touch[0] > fair if side is Side.BID else touch[0] < fair):
                yield from self._take(side.opposite, self._rounded(fair, side.opposite), touch[1])

    def _requote(self, slot: _Slot) -> Iterator[Execution]:
        yield from self._withdraw(slot)
        side, place = slot
        distance = _MAKER_DISTANCES[place] + self._chance.randint(0, _MAKER_DISTANCES[place] // 3)
        sign = -1 if side is Side.BID else 1
        price = self._rounded(self._fair_price * (1 + sign * distance * _DISTANCE_UNIT), side)
        quantity = self._quantity(_MAKER_NOTIONALS)
        request = NewOrder(
            symbol=self._market.symbol,
            side=side,
            order_type=OrderType.LIMIT,
            price=price,
            quantity=quantity,
            post_only=True,
        )
        for execution in self._place(MAKER_ACCOUNT, request):
            self._quotes[slot] = execution.order
            yield execution

    def _sweep(self, distance: int) -> Iterator[Execution]:
        side = self._chance.choice(tuple(Side))
        sign = 1 if side is Side.BID else -1
        limit = self._rounded(self._fair_price * (1 + sign * distance * _DISTANCE_UNIT), side.opposite)
        levels = self._market.book.side(side.opposite).from_best()
        reachable = [level for level in levels if (level.price <= limit if side is Side.BID else level.price >= limit)]
        quantity = sum((level.quantity for level in reachable), ZERO)
        if quantity:
            yield from self._take(side, limit, quantity)

    def _trade_at_touch(self) -> Iterator[Execution]:
        side = self._chance.choice(tuple(Side))
        touch = self._market.book.side(side.opposite).touch
        if touch is not None:
            yield from self._take(side, touch[0], self._quantity(_TAKER_NOTIONALS))

    def _take(self, side: Side, limit: Decimal, quantity: Decimal) -> Iterator[Execution]:
        request = NewOrder(
            symbol=self._market.symbol,
            side=side,
            order_type=OrderType.LIMIT,
            price=limit,
            quantity=quantity,
            time_in_force=TimeInForce.IOC,
        )
        yield from self._place(TAKER_ACCOUNT, request)

    def _place(self, account_id: str, request: NewOrder) -> Iterator[Execution]:
        try:
            yield self._exchange.place(account_id, request)
        except Refusal:
            # Somebody else's order stands in the way of a quote, or the market's state has changed: next time then.
            return

    def _is_resting(self, slot: _Slot) -> bool:
        order = self._quotes.get(slot)
        if order is None:
            return False
        account = self._exchange.accounts.get(MAKER_ACCOUNT)
        return account is not None and order.order_id in account.open_orders

    def _withdraw(self, slot: _Slot) -> Iterator[Execution]:
        order = self._quotes.pop(slot, None)
        account = self._exchange.accounts.get(MAKER_ACCOUNT)
        if order is not None and account is not None and order.order_id in account.open_orders:
            yield self._exchange.cancel(MAKER_ACCOUNT, order.symbol, order_id=order.order_id)

    def _rounded(self, price: Decimal, side: Side) -> Decimal:
        tick = self._market.instrument.tick_size
        ticks = price // tick
        return tick * (ticks if side is Side.BID else ticks + 1)

    def _quantity(self, notionals: tuple[int, int]) -> Decimal:
        instrument = self._market.instrument
        wanted = self._chance.randint(*notionals) / self._anchor
        return max(instrument.min_quantity, wanted // instrument.step_size * instrument.step_size)


class Background:
    """The background flow of all markets that were open at the start."""

    def __init__(self, exchange: Exchange, seed: int, now_us: int, taped: Container[str] = ()) -> None:
        """Open the accounts; markets that are `taped` live from their tape, and lead the prices of what they trade."""
        self._step_us = now_us
        """When the present step has begun, or the next one will."""
        self._turn = 0
        """Which market is next."""
        self._between_us = 0
        chance = random.Random(seed)
        open_markets = [
            market
            for market in exchange.markets.values()
            if market.state is OrderBookState.OPEN and market.instrument.market_type in CLEARING
        ]
        led = {id(market.underlying) for market in open_markets if market.symbol in taped}
        open_markets = [market for market in open_markets if market.symbol not in taped]
        underlyings = {id(market.underlying): market.underlying for market in open_markets}
        underlyings = {key: underlying for key, underlying in underlyings.items() if key not in led}
        self._underlyings = [_UnderlyingFlow(underlying, chance) for underlying in underlyings.values()]
        self._flows = [_MarketFlow(exchange, market, chance) for market in open_markets]
        self._exchange = exchange
        self._assets = sorted(
            {asset for market in open_markets for asset in (market.instrument.base, market.instrument.quote)}
        )
        self.open_accounts(now_us)

    def open_accounts(self, now_us: int) -> None:
        """Open the accounts that are not there yet."""
        deposits: Mapping[str, Decimal] = dict.fromkeys(self._assets, _DEPOSIT)
        for account_id in (MAKER_ACCOUNT, TAKER_ACCOUNT):
            if self._exchange.accounts.get(account_id) is None:
                self._exchange.accounts.open_background(account_id, now_us, deposits)

    def advance(self, now_us: int) -> Iterator[Execution]:
        """Do everything that is due; after a long pause, as of a sleeping laptop, only the last few steps.

        The first step fills all books at once. From then on the markets act one after the other: all at the same
        moment would keep requests waiting, with ninety markets for a tenth of a second.
        """
        oldest_us = now_us - _MAX_STEPS_AT_ONCE * STEP_US
        if self._step_us < oldest_us:
            self._step_us, self._turn = oldest_us, 0
        while self._flows and self._step_us + self._turn * self._between_us <= now_us:
            if self._turn == 0:
                for underlying in self._underlyings:
                    underlying.step()
            flow = self._flows[self._turn]
            self._turn += 1
            if self._turn == len(self._flows):
                self._step_us, self._turn, self._between_us = self._step_us + STEP_US, 0, STEP_US // len(self._flows)
            yield from flow.step()


def resume(exchange: Exchange, background: Background | None, now_us: int) -> None:
    """Let an exchange that was kept go on with the background flow, or without it, whichever way it was before."""
    if background is not None:
        background.open_accounts(now_us)
        return
    for market in exchange.markets.values():
        if exchange.accounts.get(MAKER_ACCOUNT) is not None:
            exchange.cancel_all(MAKER_ACCOUNT, market.symbol)
