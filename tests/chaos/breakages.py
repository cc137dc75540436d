"""Break the product on purpose, one piece at a time, so that every invariant is seen failing."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from unittest import mock

from backpack_connector import backpack_api_order_book_data_source as book_data_source
from backpack_connector import request_pools
from backpack_connector.account_balances import SpotBalances
from backpack_connector.backpack_base import BackpackExchangeBase
from backpack_connector.backpack_exchange import BackpackExchange
from backpack_connector.order_placement import OrderPlacement
from backpack_connector.order_reconciliation import OrderReconciler
from backpack_connector.order_reports import OrderReports
from backpack_connector.order_tracking import BackpackOrderTracker
from backpack_connector.protocol.errors import NoAnswer
from backpack_perpetual_connector.account_positions import AccountPositions
from backpack_perpetual_connector.collateral import AccountMargin
from tests.chaos import runs
from tests.chaos.bots import Bot
from tests.chaos.runs import Outcome, Plan

SETTLING_S = 100.0
SECONDS = 90.0


@dataclass(frozen=True)
class Breakage:
    """A piece that is broken, the run that must see it, and a piece of the sentence that it must say."""

    apply: Callable[[], "mock._patch[Any]"]
    sentence: str
    fault: str = "none"
    kind: str = "spot"
    asks_all_the_time: bool = False


async def _no_waiting(self: Any, urgency: Any, allowed: int) -> None:
    self._sent.append(self._clock())


async def _send_twice(self: OrderPlacement, order: Any) -> Any:
    try:
        return await _submit(self, order)
    except NoAnswer:
        return await _submit(self, order)


async def _stop_half(self: Any) -> None:
    self._reconciler_task = None
    await _stop_network(self)


def _twice_the_fee(self: Any, order: Any, fee: Decimal, fee_symbol: str) -> Any:
    return _fill_fee(self, order, 2 * fee, fee_symbol)


def _no_fill(self: Any, trade_update: Any) -> None:
    """Lose a fill, the order's sum included."""


def _available_alone(self: SpotBalances) -> dict[str, Decimal]:
    return {asset: entry.available for asset, entry in self._capital.items()}


def _all_available(self: SpotBalances) -> dict[str, Decimal]:
    return {asset: entry.available + entry.locked for asset, entry in self._capital.items()}


async def _short_pause(self: Any, backoff: Any) -> None:
    await asyncio.sleep(1.0)


_pause = OrderReconciler._pause
_submit = OrderPlacement._submit
_stop_network = BackpackExchangeBase.stop_network
_fill_fee = BackpackExchange._fill_fee


def _replaced(owner: Any, name: str, by: Any) -> Callable[[], "mock._patch[Any]"]:
    return lambda: mock.patch.object(owner, name, by)


def _nothing(*_: Any, **__: Any) -> None:
    """Do nothing."""


BREAKAGES: Mapping[str, Breakage] = {
    "the end of an order is not applied": Breakage(_replaced(OrderReports, "_finish", _nothing), "it ended as"),
    "the id of an order is not kept": Breakage(_replaced(OrderReports, "_adopt", _nothing), "but the bot has it as"),
    "a fill is lost": Breakage(_replaced(BackpackOrderTracker, "process_trade_update", _no_fill), "was not told."),
    "a fill has another fee": Breakage(_replaced(BackpackExchange, "_fill_fee", _twice_the_fee), "but is not so."),
    "an unknown outcome counts as a failure": Breakage(
        _replaced(NoAnswer, "outcome_known", True), "but it was reported failed", fault="answer_lost"
    ),
    "an order without an answer is sent again": Breakage(
        _replaced(OrderPlacement, "_submit", _send_twice), "was sent 2 times", fault="answer_lost"
    ),
    "updates of a book are not applied": Breakage(
        _replaced(book_data_source._TrackedBook, "apply", _nothing), "differs from the exchange's"
    ),
    "locked funds are left out of a balance": Breakage(
        _replaced(SpotBalances, "totals", _available_alone), "The balance of"
    ),
    "locked funds count as available": Breakage(_replaced(SpotBalances, "available", _all_available), "are available"),
    "a position stays what it was": Breakage(
        _replaced(AccountPositions, "_publish_positions", _nothing), "The position in", kind="perpetual"
    ),
    "margin of orders is not counted": Breakage(
        _replaced(AccountMargin, "_set_order", _nothing), "The available margin is", kind="perpetual"
    ),
    "the net equity is what the account has begun with": Breakage(
        _replaced(AccountMargin, "net_equity", Decimal(10_000)), "The net equity is", kind="perpetual"
    ),
    "a task goes on after the stop": Breakage(
        _replaced(BackpackExchangeBase, "stop_network", _stop_half), "A task is left after the stop"
    ),
    "requests do not wait for the pools": Breakage(
        _replaced(request_pools.RequestWindow, "acquire", _no_waiting),
        "beyond the exchange's request pools",
        "request_lost",
        asks_all_the_time=True,
    ),
}


def run_broken(name: str, seed: int) -> Outcome:
    """Make a run with something broken, in an event loop of its own."""
    breakage = BREAKAGES[name]
    with (
        mock.patch.object(Bot, "settling_s", SETTLING_S),
        mock.patch.object(OrderReconciler, "_pause", _short_pause if breakage.asks_all_the_time else _pause),
        breakage.apply(),
    ):
        return runs.run_alone(Plan(seed, breakage.fault, breakage.kind, duration_s=SECONDS))
