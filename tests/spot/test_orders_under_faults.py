"""Whatever mixture of faults orders meet, in the end the books of the bot are the exchange's (F10 to F12, F20, F35)."""

import asyncio
import contextlib
import random
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from hummingbot.core.data_type.common import OrderType
from hummingbot.core.data_type.limit_order import LimitOrder

from backpack_connector import order_reconciliation, order_reports
from backpack_connector.protocol.enums import OrderStatus, Side
from backpack_connector.simulator.orders import Order
from backpack_connector.simulator.refusals import Refusal
from tests.spot.exchange_double import Answer, Call, Frame, Script, answer, do_and_answer, lose_answer, lose_request
from tests.spot.people import PAIR, Bot, Venue, until

STEPS = 40
SERVER_ERROR = {"code": "SERVER_ERROR", "message": "?"}


class Mischief:
    """Everything that goes wrong in one run, out of one seed."""

    def __init__(self, bot: Bot, seed: int) -> None:
        self.chance = random.Random(seed)
        self._bot = bot
        self._held: list[Frame] = []

    def begin(self) -> None:
        broken = [lose_answer, lose_request, do_and_answer(503, SERVER_ERROR), answer(503, SERVER_ERROR), self._slowly]
        for operation in ("execute_order", "execute_order_batch"):
            self._script(operation, broken, 0.4)
        promised = [do_and_answer(202, ""), answer(202, ""), do_and_answer(200, "{")]
        self._script("cancel_order", [*broken, *promised], 0.5)
        unavailable: list[Script] = [answer(503, SERVER_ERROR), answer(429, SERVER_ERROR), lose_request, self._slowly]
        for operation in ("get_open_orders", "get_order_history", "get_fills"):
            self._script(operation, unavailable, 0.4)
        self._bot.double.edit_frame = self._edit_frame

    def end(self) -> None:
        self._bot.double.behave()
        self._bot.double.edit_frame = lambda frame: [frame]

    def _script(self, operation: str, scripts: list[Script], share: float) -> None:
        async def any_of_them(call: Call) -> Answer | None:
            if self.chance.random() < share:
                return await self.chance.choice(scripts)(call)
            return await call.forward()

        self._bot.double.script(operation, any_of_them)

    async def _slowly(self, call: Call) -> Answer | None:
        await asyncio.sleep(self.chance.uniform(0, 0.03))
        done = await call.forward()
        await asyncio.sleep(self.chance.uniform(0, 0.03))
        return done

    def _edit_frame(self, frame: Frame) -> list[Frame]:
        if not str(frame.get("stream", "")).startswith("account."):
            return [frame]
        what = self.chance.random()
        if what < 0.15:
            return []
        if what < 0.3:
            self._held.append(frame)
            return []
        if what < 0.4:
            return [frame, frame]
        late = self._held if what < 0.7 else []
        self._held = [] if late else self._held
        return [frame, *late]


DEEDS = ["order"] * 3 + ["maker", "market", "ioc", "stop", "batch"] + ["cancel", "other"] * 2 + ["elsewhere"]


async def act(bot: Bot, venue: Venue, chance: random.Random, ids: list[str]) -> None:
    """Let the bot or somebody else do something."""
    what = chance.choice(DEEDS)
    price = str(Decimal(chance.randint(1480, 1520)) / 10)
    amount = str(Decimal(chance.randint(1, 30)) / 10)
    if what == "cancel" and ids:
        bot.connector.cancel(PAIR, chance.choice(ids))
    elif what == "other":
        with contextlib.suppress(Refusal):
            venue.place(chance.choice(list(Side)), price, amount, is_told=True)
    elif what == "elsewhere":
        resting = [order for order in bot.truth() if not order.status.is_final]
        if resting:
            venue.cancel(bot.account, chance.choice(resting).order_id)
    elif what == "batch":
        orders = [a_limit_order(chance, Decimal(price) + step) for step in range(3)]
        created = bot.connector.batch_order_create(orders, **venue.kind.order_options)
        ids.extend(order.client_order_id for order in created)
    elif what != "cancel":
        kinds = {"maker": OrderType.LIMIT_MAKER, "market": OrderType.MARKET, "stop": OrderType.MARKET}
        kind = kinds.get(what, OrderType.LIMIT)
        options = {"ioc": {"time_in_force": "IOC"}, "stop": {"trigger_price": price}}.get(what, {})
        place = chance.choice([bot.buy, bot.sell])
        ids.append(await place(amount, "NaN" if kind is OrderType.MARKET else price, kind, **options))
    await asyncio.sleep(chance.uniform(0, 0.02))


def a_limit_order(chance: random.Random, price: Decimal) -> LimitOrder:
    base, quote = PAIR.split("-")
    return LimitOrder("", PAIR, chance.random() < 0.5, base, quote, price, Decimal(chance.randint(1, 10)) / 10)


def difference(bot: Bot, order_id: str, truth: Order | None) -> str | None:
    """Return what the bot's book and the exchange's say differently about an order, or None."""
    names = bot.names(order_id)
    if truth is None:
        return None if names == ["OrderFailure"] else f"the exchange never had it, but {names}"
    if not names or not names[0].endswith("OrderCreated") or names.count(names[0]) != 1:
        return f"it is not announced first and once: {names}"
    if truth.status is OrderStatus.TRIGGER_FAILED:
        return None if names[1:] == ["OrderFailure"] else f"its trigger has failed, but {names}"
    if "OrderFailure" in names:
        return f"the exchange has it as {truth.status}, but {names}"
    fills = bot.of(order_id, "OrderFilled")
    told = sum((event.amount for event in fills), Decimal(0))
    if told != truth.executed_quantity or bot.order(order_id).executed_amount_base != told:
        return f"executed {truth.executed_quantity}, told {told}"
    if sum((event.amount * event.price for event in fills), Decimal(0)) != truth.executed_quote_quantity:
        return "the executed value differs"
    is_in_flight = order_id in bot.connector.in_flight_orders
    if not truth.status.is_final:
        return None if is_in_flight and len(names) == 1 + len(fills) else f"it is {truth.status}, but {names}"
    side = "Buy" if truth.side is Side.BID else "Sell"
    end = f"{side}OrderCompleted" if truth.status is OrderStatus.FILLED else "OrderCancelled"
    others = [name for name in names[1:] if name != "OrderFilled"]
    return None if others == [end] and not is_in_flight else f"it is {truth.status}, but {names}"


@pytest.fixture
def sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_reconciliation, "CONCLUSIVE_AGE_S", 0.4)
    monkeypatch.setattr(order_reports, "PENDING_CANCEL_LIMIT_S", 0.2)


async def live_through_faults(bot: Bot, venue: Venue, seed: int) -> None:
    """Trade while everything goes wrong, and check in the end that all orders are known for what they are."""
    venue.place(Side.BID, "149", "20")
    venue.place(Side.ASK, "151", "20")
    await until(lambda: bot.connector.get_price(PAIR, True) == 151, "the book is known")
    mischief = Mischief(bot, seed)
    mischief.begin()
    ids: list[str] = []
    for step in range(STEPS):
        await act(bot, venue, mischief.chance, ids)
        if step % 10 == 9:
            await bot.poll()
    mischief.end()

    def differences() -> dict[str, Any]:
        truth = {str(order.client_id): order for order in bot.truth()}
        found = {order_id: difference(bot, order_id, truth.get(order_id)) for order_id in ids}
        return {order_id: what for order_id, what in found.items() if what is not None}

    for _ in range(60):
        await asyncio.sleep(0.04)
        await bot.poll()
        if not differences():
            break
    assert differences() == {}
    sent = [call.fields for call in bot.double.requests("execute_order")]
    sent += [fields for call in bot.double.requests("execute_order_batch") for fields in call.fields]
    assert max(Counter(str(fields["clientId"]) for fields in sent).values()) == 1


@pytest.mark.parametrize("seed", range(12))
async def test_f11_after_any_mixture_of_faults_the_books_are_those_of_the_exchange(
    bot: Bot, venue: Venue, seed: int, sooner: None
) -> None:
    await live_through_faults(bot, venue, seed)
    await bot.connector._update_balances()
    balances = venue.simulator.exchange.ledger.balances(bot.account)
    assert bot.connector.get_all_balances() == {
        asset: balance.available + balance.locked for asset, balance in balances.items()
    }
    fees = [fee for _, event in bot.events if hasattr(event, "trade_fee") for fee in event.trade_fee.flat_fees]
    charged = venue.simulator.exchange.accounts.open(bot.account, 0).fills
    for token in ("SOL", "USDC"):
        assert sum(fee.amount for fee in fees if fee.token == token) == sum(
            fill.fee for fill in charged if fill.fee_symbol == token
        )
