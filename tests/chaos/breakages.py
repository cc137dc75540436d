"""Break the product on purpose, one piece at a time, so that every invariant is seen failing.

Each row names what is broken, and the sentence that a run over the broken product must say. Some pieces need a fault
that makes them matter; the others are noticed when nothing else is wrong.
"""

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from unittest import mock

from backpack_connector import backpack_api_order_book_data_source as book_data_source
from backpack_connector import request_pools
from backpack_connector.account_balances import SpotBalances
from backpack_connector.backpack_base import BackpackExchangeBase
from backpack_connector.backpack_exchange import BackpackExchange
from backpack_connector.order_book_tracking import BackpackOrderBookTracker
from backpack_connector.order_cancelling import OrderCancelling
from backpack_connector.order_placement import OrderPlacement
from backpack_connector.order_reconciliation import OrderReconciler
from backpack_connector.order_reports import OrderReports
from backpack_connector.order_tracking import BackpackOrderTracker
from backpack_connector.protocol.depth import DepthSequence
from backpack_connector.protocol.errors import NoAnswer
from backpack_connector.reconnect import Backoff
from backpack_perpetual_connector.account_positions import AccountPositions
from backpack_perpetual_connector.backpack_perpetual_derivative import BackpackPerpetualDerivative
from backpack_perpetual_connector.collateral import AccountMargin
from backpack_perpetual_connector.funding import AccountFunding, FundingPayments
from tests.chaos.bots import Bot
from tests.chaos.full_bot import FullBot
from tests.chaos.runs import Outcome, Plan, run_alone
from tests.chaos.venue import Venue

SETTLING_S = 90.0
"""Long enough for a sound connector without faults; the first poll for funding payments comes within two minutes."""
SECONDS = 90.0


@dataclass(frozen=True)
class Breakage:
    """A piece that is broken, the run that must see it, and the pattern of the sentence that it must say."""

    apply: Callable[[], AbstractContextManager[Any]]
    sentence: str
    fault: str = "none"
    kind: str = "spot"
    duration_s: float = SECONDS
    rare_deed: str | None = None
    """Which of the rare deeds is done again and again; all of them in turn without it."""
    asks_all_the_time: bool = False


# What the pieces do instead


def _nothing(*_: Any, **__: Any) -> None:
    """Do nothing."""


async def _forever(*_: Any, **__: Any) -> None:
    await asyncio.Event().wait()


async def _yes(*_: Any, **__: Any) -> bool:
    return True


async def _no_waiting(self: Any, urgency: Any, allowed: int) -> None:
    self._sent.append(self._clock())


async def _short_pause(self: Any, backoff: Any) -> None:
    await asyncio.sleep(1.0)


async def _send_twice(self: OrderPlacement, order: Any) -> Any:
    try:
        return await _submit(self, order)
    except NoAnswer:
        return await _submit(self, order)


def _give_out_another_id(self: OrderPlacement, *arguments: Any, **options: Any) -> str:
    return f"{_start_order(self, *arguments, **options)}0"


async def _believe_cancelled(self: OrderCancelling, order: Any) -> str:
    from hummingbot.core.data_type.in_flight_order import OrderState

    self._update_state(order, OrderState.CANCELED)  # type: ignore[attr-defined]
    return str(order.client_order_id)


async def _stop_half(self: Any) -> None:
    self._reconciler_task = None
    await _stop_network(self)


def _twice_the_fee(self: Any, order: Any, fee: Decimal, fee_symbol: str) -> Any:
    return _fill_fee(self, order, 2 * fee, fee_symbol)


def _available_alone(self: SpotBalances) -> dict[str, Decimal]:
    return {asset: entry.available for asset, entry in self._capital.items()}


def _all_available(self: SpotBalances) -> dict[str, Decimal]:
    return {asset: entry.available + entry.locked for asset, entry in self._capital.items()}


def _first_leverage_limit(self: BackpackPerpetualDerivative, leverage_limit: Decimal) -> None:
    if self._leverage_limit is None:
        _on_leverage_limit(self, leverage_limit)


def _all_payments(self: FundingPayments, payments: Any, started_timestamp: float, *, is_complete: bool) -> list[Any]:
    return [payment for payment in payments if payment.payment_timestamp > started_timestamp]


def _keep_a_note(self: BackpackExchangeBase, client_order_id: str) -> None:
    self.__dict__.setdefault("_notes", []).append(client_order_id)
    _on_order_ended(self, client_order_id)


_submit = OrderPlacement._submit
_start_order = OrderPlacement._start_order
_stop_network = BackpackExchangeBase.stop_network
_fill_fee = BackpackExchange._fill_fee
_pause = OrderReconciler._pause
_on_leverage_limit = BackpackPerpetualDerivative._on_leverage_limit
_on_order_ended = BackpackExchangeBase.on_order_ended


def _replaced(owner: Any, name: str, by: Any) -> Callable[[], "mock._patch[Any]"]:
    return lambda: mock.patch.object(owner, name, by)


_PERPETUAL: dict[str, Any] = {"kind": "perpetual"}
_FUNDED: dict[str, Any] = {"kind": "perpetual", "duration_s": 180.0, "rare_deed": "cancel_all"}
_UNANSWERED: dict[str, Any] = {"fault": "answer_lost"}


@contextmanager
def _without_updates() -> Iterator[None]:
    """Let no update reach a book, neither the quick way nor the checked one."""
    with (
        mock.patch.object(DepthSequence, "advance", _no),
        mock.patch.object(book_data_source.TrackedBook, "apply", _nothing),
    ):
        yield


@contextmanager
def _with_the_first_leverage_limit() -> Iterator[None]:
    """Let a limit that is known never change, and the owner change it often enough for a short run."""
    with (
        mock.patch.object(BackpackPerpetualDerivative, "_on_leverage_limit", _first_leverage_limit),
        mock.patch.object(Venue, "owner_cancels", Venue.owner_changes_leverage),
    ):
        yield


def _no(*_: Any) -> bool:
    return False


BREAKAGES: Mapping[str, Breakage] = {
    # Orders
    "the end of an order is not applied": Breakage(_replaced(OrderReports, "_finish", _nothing), "it ended as"),
    "the id of an order is not kept": Breakage(_replaced(OrderReports, "_adopt", _nothing), "but the bot has it as"),
    "an order is not announced": Breakage(
        _replaced(BackpackOrderTracker, "_trigger_order_creation", _nothing), "not announced first and once"
    ),
    "a failed order is not reported": Breakage(
        _replaced(OrderPlacement, "_on_order_failure", _nothing),
        "the exchange never had it",
        fault="maintenance",
        kind="both",
    ),
    "a cancel is believed before it is answered": Breakage(
        _replaced(OrderCancelling, "_cancel_once", _believe_cancelled), "it rests as .* but its events are"
    ),
    "an unknown outcome counts as a failure": Breakage(
        _replaced(NoAnswer, "outcome_known", True), "but it was reported failed", **_UNANSWERED
    ),
    "an order without an answer is sent again": Breakage(
        _replaced(OrderPlacement, "_submit", _send_twice), "was sent 2 times", **_UNANSWERED
    ),
    "an order without an answer is accepted again": Breakage(
        _replaced(OrderPlacement, "_submit", _send_twice), "has 2 orders with the client id", **_UNANSWERED
    ),
    "strategies get another id than the exchange": Breakage(
        _replaced(OrderPlacement, "_start_order", _give_out_another_id), "is tracked, but nobody has placed it"
    ),
    "cancelling everything never ends": Breakage(
        _replaced(OrderCancelling, "cancel_all", _forever), "does not end within", rare_deed="cancel_all"
    ),
    # Fills
    "a fill is lost": Breakage(
        _replaced(BackpackOrderTracker, "process_trade_update", _nothing), "fill .* was not told"
    ),
    "a fill has another fee": Breakage(
        _replaced(BackpackExchange, "_fill_fee", _twice_the_fee), "was told, but is not so"
    ),
    # Books and readiness
    "updates of a book are not applied": Breakage(_without_updates, "differs from the exchange's"),
    "a pair that is added is not there": Breakage(
        _replaced(BackpackOrderBookTracker, "add_trading_pair", _yes), "There is no book of", rare_deed="change_pairs"
    ),
    "a pair that is removed stays": Breakage(
        _replaced(BackpackOrderBookTracker, "remove_trading_pair", _yes),
        "The connector trades .* but was told",
        rare_deed="change_pairs",
    ),
    "a connection that ended is not made again": Breakage(
        _replaced(Backoff, "next_pause_s", lambda self: 10_000.0), "is not ready", fault="socket_dropped"
    ),
    "a connector never gets ready": Breakage(
        _replaced(BackpackExchange, "status_dict", {"market_data": False}), "did not get ready although"
    ),
    # Money
    "locked funds are left out of a balance": Breakage(
        _replaced(SpotBalances, "totals", _available_alone), "The balance of"
    ),
    "locked funds count as available": Breakage(_replaced(SpotBalances, "available", _all_available), "are available"),
    "a position stays what it was": Breakage(
        _replaced(AccountPositions, "_publish_positions", _nothing), "The position in .* is", **_PERPETUAL
    ),
    "a position is shown at its mark price": Breakage(
        _replaced(AccountPositions, "_publish_positions", lambda self: _publish_at_mark(self)),
        "The position in .* began at",
        **_PERPETUAL,
    ),
    "margin of orders is not counted": Breakage(
        _replaced(AccountMargin, "_set_order", _nothing), "The available margin is", **_PERPETUAL
    ),
    "the net equity is what the account has begun with": Breakage(
        _replaced(AccountMargin, "net_equity", Decimal(10_000)), "The net equity is", **_PERPETUAL
    ),
    "a change of the leverage limit is not taken": Breakage(
        _with_the_first_leverage_limit,
        "The leverage in",
        **_FUNDED,
    ),
    "funding payments are not told": Breakage(
        _replaced(AccountFunding, "_tell_funding_payment", _nothing),
        "The funding payment of .* was not told",
        **_FUNDED,
    ),
    "funding payments are told with every poll": Breakage(
        _replaced(FundingPayments, "new_payments", _all_payments),
        "The funding payment of .* times more than",
        **_FUNDED,
    ),
    # What is left behind
    "a task goes on after the stop": Breakage(
        _replaced(BackpackExchangeBase, "stop_network", _stop_half), "A task is left after the stop"
    ),
    "a task goes on over a lost connection": Breakage(
        _replaced(BackpackExchangeBase, "stop_network", _stop_half),
        r"There are \d+ tasks .* at the start",
        rare_deed="reconnect",
    ),
    "something is kept of every order": Breakage(
        _replaced(BackpackExchangeBase, "on_order_ended", _keep_a_note),
        "has grown from",
        rare_deed="leverage",
        duration_s=300.0,
    ),
    "requests do not wait for the pools": Breakage(
        _replaced(request_pools.RequestWindow, "acquire", _no_waiting),
        "beyond the exchange's request pools",
        "request_lost",
        asks_all_the_time=True,
    ),
}


def _publish_at_mark(self: AccountPositions) -> None:
    _publish_positions(self)
    for position in self.account_positions.values():
        position._entry_price = position.mark_price


_publish_positions = AccountPositions._publish_positions


def run_broken(name: str, seed: int) -> Outcome:
    """Make a run with something broken, in an event loop of its own."""
    breakage = BREAKAGES[name]
    rare_deeds = (breakage.rare_deed,) if breakage.rare_deed else FullBot.rare_deeds
    with (
        mock.patch.object(FullBot, "rare_deeds", rare_deeds),
        mock.patch.object(Bot, "settling_s", SETTLING_S if breakage.duration_s == SECONDS else 2 * SETTLING_S),
        mock.patch.object(OrderReconciler, "_pause", _short_pause if breakage.asks_all_the_time else _pause),
        breakage.apply(),
    ):
        return run_alone(Plan(seed, breakage.fault, breakage.kind, breakage.duration_s))


def is_noticed(name: str, outcome: Outcome) -> bool:
    """Tell whether a run said what a breakage must make it say."""
    return any(re.search(BREAKAGES[name].sentence, sentence) for sentence in outcome.violations)
