"""A bot that also does what only our connectors can: order options, batches, pairs at run time, restarts."""

import asyncio
import json
import random
import time
from collections.abc import Coroutine
from decimal import Decimal
from typing import Any

from hummingbot.core.data_type.common import OrderType
from hummingbot.core.data_type.limit_order import LimitOrder

from tests.chaos.bots import EXTRA_PAIR, PAIRS, Bot, Deed, symbol_of
from tests.chaos.venue import Venue

RARE_DEEDS = 2
"""How many of the rare deeds come with each round of the others."""
LONGEST_PAUSE_S = 20.0
CANCEL_ALL_S = 15.0


class FullBot(Bot):
    """One of our connectors, with everything that it can do."""

    rare_deeds: tuple[str, ...] = (
        "cancel_all",
        "change_pairs",
        "change_pairs",
        "reconnect",
        "restart",
        *["leverage"] * 2,
    )

    def __init__(self, kind: str, venue: Venue) -> None:
        super().__init__(kind, venue)
        self._under_way: set[asyncio.Task[Any]] = set()
        self._rare: list[Deed] = []
        self._is_changing = False

    def deeds(self, chance: random.Random) -> list[Deed]:
        """Return what it will do next: some of everything, with a few of the rare things."""
        deeds = super().deeds(chance)
        deeds += [self._ioc, self._batch, self._cancel_several, self._stop, self._stop_market, self._with_exits]
        for _ in range(RARE_DEEDS):
            if not self._rare:
                self._rare = [getattr(self, f"_{name}") for name in self.rare_deeds]
                chance.shuffle(self._rare)
            deeds.append(self._rare.pop())
        return deeds

    @property
    def pairs(self) -> tuple[str, ...]:
        """Return the pairs that can be traded now: those that have come stay only until they go."""
        extra = EXTRA_PAIR in self.connector.trading_pairs and EXTRA_PAIR in self.connector.order_books
        return (*PAIRS, EXTRA_PAIR) if extra else PAIRS

    async def rest(self) -> None:
        """Wait until all that takes its time has ended."""
        while self._under_way:
            await asyncio.wait(list(self._under_way))

    async def stop(self) -> None:
        """Stop the connector, and what is still under way."""
        for task in self._under_way:
            task.cancel()
        await self.rest()
        await super().stop()

    def _begin(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    def _begin_inside(self, work: Coroutine[Any, Any, Any]) -> None:
        """Begin something that ends when the connector dies."""
        self.life.call(self._begin, work)

    # Orders

    def _ioc(self, chance: random.Random) -> None:
        self.order(chance, OrderType.LIMIT, (-5, 12), (20, 900), time_in_force=chance.choice(["IOC", "IOC", "FOK"]))

    def _batch(self, chance: random.Random) -> None:
        pair = chance.choice(self.pairs)
        symbol = symbol_of(self.kind, pair)
        base, quote = pair.split("-")
        orders = []
        for _ in range(chance.randint(2, 5)):
            is_buy = chance.random() < 0.5
            price = self.venue.price(symbol, chance.randint(-25, 8) * (1 if is_buy else -1))
            quantity = self.venue.quantity(symbol, chance.randint(20, 300))
            orders.append(LimitOrder("", pair, is_buy, base, quote, price, quantity))
        created = self.life.call(self.connector.batch_order_create, orders, **self.options())
        self.ids.extend(order.client_order_id for order in created)

    def _stop(self, chance: random.Random) -> None:
        self._conditional(chance, OrderType.LIMIT)

    def _stop_market(self, chance: random.Random) -> None:
        self._conditional(chance, OrderType.MARKET)

    def _conditional(self, chance: random.Random, kind: OrderType) -> None:
        pair, is_buy = chance.choice(self.pairs), chance.random() < 0.5
        symbol = symbol_of(self.kind, pair)
        trigger_bps = chance.randint(-30, 30)
        price = Decimal("NaN") if kind is OrderType.MARKET else self.venue.price(symbol, trigger_bps)
        is_perpetual = self.kind == "perpetual"
        self.place(
            pair,
            is_buy,
            self.venue.quantity(symbol, chance.randint(20, 300)),
            kind,
            price,
            trigger_price=self.venue.price(symbol, trigger_bps),
            trigger_by=chance.choice([None, "LastPrice", "MarkPrice", "IndexPrice"]) if is_perpetual else None,
            trigger_quantity=f"{chance.randint(5, 60)}%" if is_perpetual and chance.random() < 0.2 else None,
            **self.options(),
        )

    def _with_exits(self, chance: random.Random) -> None:
        pair, is_buy = chance.choice(self.pairs), chance.random() < 0.5
        symbol = symbol_of(self.kind, pair)
        sign = 1 if is_buy else -1
        exits = {
            "take_profit_trigger_price": self.venue.price(symbol, sign * chance.randint(15, 40)),
            "stop_loss_trigger_price": self.venue.price(symbol, -sign * chance.randint(15, 40)),
        }
        price = self.venue.price(symbol, sign * chance.randint(-5, 12))
        quantity = self.venue.quantity(symbol, chance.randint(20, 300))
        self.place(pair, is_buy, quantity, OrderType.LIMIT, price, **exits, **self.options())

    def _cancel_several(self, chance: random.Random) -> None:
        for _ in range(chance.randint(2, 5)):
            self._cancel(chance)

    def _cancel_all(self, chance: random.Random) -> None:
        self._begin_inside(self.connector.cancel_all(CANCEL_ALL_S))

    # The connector itself

    def _leverage(self, chance: random.Random) -> None:
        if self.kind == "perpetual":
            self.life.call(self.connector.set_leverage, chance.choice(self.pairs), chance.randint(2, 20))

    def _change_pairs(self, chance: random.Random) -> None:
        if not self._is_changing:
            self._begin_inside(self._change_pair())

    async def _change_pair(self) -> None:
        is_there = EXTRA_PAIR in self.connector.trading_pairs
        change = self.connector.remove_trading_pair if is_there else self.connector.add_trading_pair
        self._is_changing = True
        try:
            if await change(EXTRA_PAIR):
                self.wanted_pairs = PAIRS if is_there else (*PAIRS, EXTRA_PAIR)
        finally:
            self._is_changing = False

    def _reconnect(self, chance: random.Random) -> None:
        self._begin_inside(self._stop_and_start(chance.uniform(0, LONGEST_PAUSE_S)))

    async def _stop_and_start(self, pause_s: float) -> None:
        await self.connector.stop_network()
        await asyncio.sleep(pause_s)
        await self.connector.start_network()

    def _restart(self, chance: random.Random) -> None:
        self._begin(self._die_and_come_back(chance.uniform(0, LONGEST_PAUSE_S)))

    async def _die_and_come_back(self, pause_s: float) -> None:
        """End the connector in the middle of everything, and go on with what Hummingbot saves of its orders."""
        self.is_away = True
        died_s, dead = time.time(), self.life
        saved = json.loads(json.dumps(dead.connector.tracking_states))  # as the data base gives it back
        self._stop_listening(dead.connector)
        await dead.kill()
        dead.connector._journal.close()  # the kernel does this when a process ends
        await asyncio.sleep(pause_s)
        self.life = self._new_life()
        self.life.call(self.connector.restore_tracking_states, saved)
        self.life.begin()
        self.deaths_s.append((died_s, self.life.began_s))
        self.is_away = False
