"""Find out what became of orders: open orders first, then the order history, then fills.

Rule 1: an order is reported only by evidence: a row of the open orders, a row of the history, or an event.
Rule 2: no state is reported before the fills that explain it are known; until the exchange lists them, it waits (F12).
Rule 3: only a confirmed "not there" counts as not found: both lists answered, were read completely, and the order is
        old enough that its request cannot still be on the way. Failures and overload change nothing (F30). An order
        that the exchange is known to have had is given up after minutes of that and not before (F11).
Rule 4: the number of requests does not grow with the number of orders (F29).
"""

import asyncio
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hummingbot.core.data_type.in_flight_order import InFlightOrder, OrderState

from backpack_connector.protocol.enums import OrderStatus
from backpack_connector.protocol.errors import BackpackError, OrderNotFound, RequestError
from backpack_connector.protocol.models import Fill, HistoricalOrder, Order, read_rows
from backpack_connector.protocol.units import ms_from_seconds
from backpack_connector.reconnect import Backoff
from backpack_connector.to_hummingbot import SIDES

if TYPE_CHECKING:
    from backpack_connector.backpack_base import BackpackExchangeBase

# A request is valid for 5 s after its time stamp (API §1.6); the history may lag some seconds behind the engine.
CONCLUSIVE_AGE_S = 15.0
ABSENCE_OF_KNOWN_S = 600.0
"""How long no list may show an order that has an exchange id before that counts: a list that lacks it lags."""
TARGETED_LOOKUPS = 2
HISTORY_PAGE = 1000
HISTORY_PAGES = 5
OUT_OF_REACH_PAUSE_S = 300.0
"""How often an order is asked about that is older than these pages reach; each time costs a sixth of the pool."""
FILLS_OVERLAP_S = 60.0
FIRST_SETTLE_PAUSE_S = 0.5
LONGEST_SETTLE_PAUSE_S = 10.0

ListedOrder = Order | HistoricalOrder


@dataclass
class _Findings:
    """What the lists say about a set of orders, by client order id."""

    listed: dict[str, ListedOrder]
    absent: list[InFlightOrder]
    """Orders that no list shows, although all lists answered and could be read."""
    out_of_reach: list[InFlightOrder]
    """Orders that no list shows, and that are older than the pages of the history that were read."""


class OrderReconciler:
    """Asks the exchange about orders, on behalf of one connector."""

    def __init__(self, connector: "BackpackExchangeBase") -> None:
        self._connector = connector
        self._unsettled: set[str] = set()
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()
        self._joined: dict[str, InFlightOrder] = {}
        self._lost_when_joined: set[str] = set()
        self._out_of_reach_until: dict[str, float] = {}
        """Orders without an exchange id that are older than the history reaches, and when they are asked about next."""
        self._absent_since: dict[str, float] = {}
        """Orders with an exchange id that no list shows, and since when, by the clock of the event loop."""
        self._fills_told_until: dict[str, tuple[str | None, float]] = {}
        """The exchange id of an order, and the newest fill of the account that was listed when its own were read."""

    def settle_soon(self, order: InFlightOrder) -> None:
        """Ask about an order soon, and again until it is settled, instead of at the next regular poll."""
        self._unsettled.add(order.client_order_id)
        self._wake.set()

    async def run(self) -> None:
        """Settle orders for ever; the connector runs this as a task."""
        backoff = Backoff(FIRST_SETTLE_PAUSE_S, LONGEST_SETTLE_PAUSE_S)
        if self._unsettled:
            self._wake.set()  # the last run was ended before it had settled them
        while True:
            await self._wake.wait()
            self._wake.clear()
            backoff.reset()
            while self._unsettled:
                await self._pause(backoff)
                try:
                    await self._settle_once()
                except asyncio.CancelledError:
                    raise
                except Exception:  # noqa: BLE001 - boundary of the task: one odd order must not end it
                    self._connector.logger().error("Unexpected error while settling orders.", exc_info=True)

    async def _pause(self, backoff: Backoff) -> None:
        # A new unsettled order does not wait out the long pause that older ones have earned.
        try:
            await asyncio.wait_for(self._wake.wait(), timeout=backoff.next_pause_s())
        except asyncio.TimeoutError:
            return
        self._wake.clear()
        backoff.reset()
        await asyncio.sleep(backoff.next_pause_s())

    async def _settle_once(self) -> None:
        tracker = self._connector.order_tracker
        asked, self._unsettled = self._unsettled, set()
        try:
            found = map(tracker.fillable_order, asked)
            # A lost order is cancelled first, and asked about then (`_cancel_lost_orders`).
            known = [
                order
                for order in found
                if order is not None and not _is_complete(order) and order.client_order_id not in tracker.lost_orders
            ]
            asked = {order.client_order_id for order in known}
            asked -= await self.reconcile(known)
        finally:
            # What came up while the answers were on their way is not answered by them.
            self._unsettled |= asked

    async def settle_now(self, order: InFlightOrder) -> None:
        """Ask about one order; whoever comes while others wait is asked about together with them.

        A burst of cancels that find nothing would otherwise cost a few historical requests each, of thirty a minute.
        """
        self._joined[order.client_order_id] = order
        if order.client_order_id in self._connector.order_tracker.lost_orders:
            self._lost_when_joined.add(order.client_order_id)
        async with self._turn:
            batch = self._not_lost_since(self._lost_when_joined, self._joined.values())
            self._joined.clear()
            self._lost_when_joined.clear()
            if batch:  # otherwise somebody asked about this order after it had joined
                await self._reconcile_in_turn(batch)

    async def reconcile(self, orders: Sequence[InFlightOrder]) -> set[str]:
        """Ask about the given orders and apply what is found; return the client ids that are settled now."""
        lost_before = set(self._connector.order_tracker.lost_orders)
        async with self._turn:
            asked = self._not_lost_since(lost_before, orders)
            return await self._reconcile_in_turn(asked) if asked else set()

    def _not_lost_since(self, lost_before: set[str], orders: Iterable[InFlightOrder]) -> list[InFlightOrder]:
        """Leave out what was given up while the question waited: one more absence would forget it before its cancel."""
        lost = self._connector.order_tracker.lost_orders.keys() - lost_before
        return [order for order in orders if order.client_order_id not in lost]

    async def _reconcile_in_turn(self, orders: Sequence[InFlightOrder]) -> set[str]:
        try:
            findings = await self._find(orders)
            lacking = [order for order in orders if self._lacks_fills(order, findings)]
            if not await self._apply_fills(lacking):
                findings.absent.clear()
            for order in lacking:
                if self._lacks_fills(order, findings):
                    self._fills_told_until.pop(order.client_order_id, None)  # one is listed late: look further back
            self._postpone(findings.out_of_reach)
        except BackpackError as error:
            self._connector.logger().warning(f"The state of {len(orders)} orders could not be asked: {error}")
            return set()
        settled = {order.client_order_id for order in orders if self._apply_listed(order, findings)}
        for order in findings.absent:
            if await self._count_absence(order):
                settled.add(order.client_order_id)
        return settled

    def _apply_listed(self, order: InFlightOrder, findings: _Findings) -> bool:
        report = findings.listed.get(order.client_order_id)
        if report is None:
            return False
        self._absent_since.pop(order.client_order_id, None)
        source = "the order history" if isinstance(report, HistoricalOrder) else "the open orders"
        return self._connector.apply_report(order, report, source)

    async def _find(self, orders: Sequence[InFlightOrder]) -> _Findings:
        is_complete, resting = await self._open_orders()
        listed, missing = self._matched(orders, resting)
        missing = [order for order in missing if not self._is_postponed(order)]
        reach_s = -math.inf
        if missing:
            try:
                history_is_complete, ended, reach_s = await self._history(missing)
            except RequestError as error:
                # What the open orders say still counts.
                self._connector.logger().warning(f"The order history could not be asked: {error}")
                history_is_complete, ended = False, []
            found, missing = self._matched(missing, ended)
            listed.update(found)
            is_complete = is_complete and history_is_complete
        too_old = [order for order in missing if not self._is_known_by_id(order) and self._created_at(order) < reach_s]
        absent = [order for order in missing if order not in too_old]
        return _Findings(listed, absent if is_complete else [], too_old)

    def _is_postponed(self, order: InFlightOrder) -> bool:
        return self._out_of_reach_until.get(order.client_order_id, -math.inf) > asyncio.get_running_loop().time()

    def _postpone(self, orders: Sequence[InFlightOrder]) -> None:
        for order in orders:
            if order.client_order_id not in self._out_of_reach_until:
                self._connector.logger().warning(
                    f"What became of order {order.client_order_id} cannot be found out at once: it does not rest, and "
                    f"the account has had more than {HISTORY_PAGES * HISTORY_PAGE} orders since. It stays pending, and "
                    f"is asked about every {OUT_OF_REACH_PAUSE_S:g} s."
                )
            self._out_of_reach_until[order.client_order_id] = asyncio.get_running_loop().time() + OUT_OF_REACH_PAUSE_S

    def forget(self, client_order_id: str) -> None:
        """Forget what was noted about an order, because it has ended."""
        self._out_of_reach_until.pop(client_order_id, None)
        self._absent_since.pop(client_order_id, None)
        self._fills_told_until.pop(client_order_id, None)

    async def _open_orders(self) -> tuple[bool, list[Order]]:
        asked_at = self._connector.mark_open_orders_request()
        answer = await self._connector.request("get_open_orders", {"marketType": self._connector.market_type.value})
        is_complete, orders = self._read(Order, answer, "get_open_orders")
        if is_complete:
            self._connector.on_open_orders(orders, asked_at)
        self._connector.warn_of_unknown_orders(orders, is_complete=is_complete)
        return is_complete, orders

    async def ask_open_orders(self) -> None:
        """Ask which orders of the account rest, for what else depends on them."""
        try:
            await self._open_orders()
        except BackpackError as error:
            self._connector.logger().warning(f"The open orders could not be asked: {error}")

    async def _history(self, orders: Sequence[InFlightOrder]) -> tuple[bool, list[HistoricalOrder], float]:
        """Return whether all rows could be read, the rows, and back to which time they tell of every order."""
        is_complete, rows, reach_s = True, list[HistoricalOrder](), -math.inf
        targets = [order for order in orders if self._is_known_by_id(order)]
        if len(targets) < len(orders) or len(targets) > TARGETED_LOOKUPS:
            is_complete, rows, reach_s = await self._history_since(min(map(self._created_at, orders)))
            _, unfound = self._matched(orders, rows)
            targets = [order for order in unfound if order.exchange_order_id is not None]
        for order in targets[:TARGETED_LOOKUPS]:
            page_is_complete, page, _ = await self._history_page({"orderId": order.exchange_order_id})
            is_complete = is_complete and page_is_complete
            rows.extend(page)
        return is_complete and len(targets) <= TARGETED_LOOKUPS, rows, reach_s

    async def _history_since(self, created_at: float) -> tuple[bool, list[HistoricalOrder], float]:
        """Return the history back to a time, newest first, or as far as it can be read in one go."""
        rows: list[HistoricalOrder] = []
        is_complete = True
        for page_number in range(HISTORY_PAGES):
            page_is_complete, page, received = await self._history_page(
                {"limit": HISTORY_PAGE, "offset": page_number * HISTORY_PAGE}
            )
            is_complete = is_complete and page_is_complete
            rows.extend(page)
            if received < HISTORY_PAGE or (page and page[-1].created_timestamp < created_at - FILLS_OVERLAP_S):
                return is_complete, rows, -math.inf
        return is_complete, rows, rows[-1].created_timestamp + FILLS_OVERLAP_S if rows else math.inf

    async def _history_page(self, fields: dict[str, Any]) -> tuple[bool, list[HistoricalOrder], int]:
        answer = await self._connector.request(
            "get_order_history", {"marketType": self._connector.market_type.value, **fields}
        )
        is_complete, rows = self._read(HistoricalOrder, answer, "get_order_history")
        return is_complete, rows, _received(answer)

    def _read(self, kind: Any, answer: Any, where: str) -> tuple[bool, list[Any]]:
        rows, complaints = read_rows(kind, answer, where)
        for complaint in complaints:
            self._connector.logger().warning(f"A row was left out: {complaint}")
        return not complaints, rows

    def _lacks_fills(self, order: InFlightOrder, findings: _Findings) -> bool:
        report = findings.listed.get(order.client_order_id)
        if report is None:
            return not self._is_postponed(order)  # a fill may be listed before the order's end is
        if report.status is OrderStatus.FILLED:
            return not order.completely_filled_event.is_set()
        return bool(executed_quantity(report) > order.executed_amount_base)

    async def _apply_fills(self, orders: Sequence[InFlightOrder]) -> bool:
        """Apply all listed fills; return whether the list could be read completely."""
        if not orders:
            return True
        is_complete, fills = await self._listed_fills(orders)
        for order, fill in fills:
            self._connector.apply_fill(order, fill)
        return is_complete

    async def fills_of(self, orders: Sequence[InFlightOrder]) -> list[tuple[InFlightOrder, Fill]]:
        """Return all listed fills of the given orders, oldest first, each with its order."""
        return (await self._listed_fills(orders))[1]

    async def _listed_fills(self, orders: Sequence[InFlightOrder]) -> tuple[bool, list[tuple[InFlightOrder, Fill]]]:
        if len(orders) <= TARGETED_LOOKUPS and all(order.exchange_order_id is not None for order in orders):
            queries = [
                {"orderId": order.exchange_order_id, "symbol": self._connector.symbol_of(order)} for order in orders
            ]
        else:
            since = min(map(self._fills_told_until_s, orders)) - FILLS_OVERLAP_S
            queries = [{"from": ms_from_seconds(since), "marketType": self._connector.market_type.value}]
        answers = [await self._all_pages(query) for query in queries]
        is_complete = all(answer_is_complete for answer_is_complete, _ in answers)
        fills = [fill for _, page in answers for fill in page]
        fills.sort(key=lambda fill: (fill.timestamp, fill.trade_id or 0))
        if is_complete and fills and "from" in queries[0]:
            active = self._connector.order_tracker.active_orders
            for order in orders:
                if order.client_order_id not in active:
                    continue  # nobody hears again of one that has ended, so its note would stay for ever
                self._fills_told_until[order.client_order_id] = (order.exchange_order_id, fills[-1].fill_timestamp)
        pairs = []
        for fill in fills:
            order = _owner(
                orders, fill.order_id, fill.client_id_text, self._connector.trading_pair_or_none(fill.symbol)
            )
            if order is not None:
                pairs.append((order, fill))
        return is_complete, pairs

    def _fills_told_until_s(self, order: InFlightOrder) -> float:
        """Return since when fills of an order may not have been read, by the exchange's clock."""
        exchange_order_id, told_until_s = self._fills_told_until.get(order.client_order_id, (None, -math.inf))
        # Under another id, as a conditional order has when it fires, other fills belong to it.
        is_known = exchange_order_id == order.exchange_order_id
        return max(self._created_at(order), told_until_s if is_known else -math.inf)

    async def _all_pages(self, query: dict[str, Any]) -> tuple[bool, list[Fill]]:
        fills: list[Fill] = []
        is_complete, offset = True, 0
        while True:
            answer = await self._connector.request("get_fills", {**query, "limit": HISTORY_PAGE, "offset": offset})
            page_is_complete, page = self._read(Fill, answer, "get_fills")
            is_complete = is_complete and page_is_complete
            fills.extend(page)
            received = _received(answer)
            offset += received
            if received < HISTORY_PAGE:
                return is_complete, fills

    async def _count_absence(self, order: InFlightOrder) -> bool:
        if self._connector.age_of_request_s(order) < CONCLUSIVE_AGE_S or order.executed_amount_base > 0:
            # Too young to conclude anything, or its fills prove that it exists and the history only lags.
            return False
        tracker = self._connector.order_tracker
        if order.client_order_id in tracker.lost_orders:
            self._connector.forget_lost_order(order)
            return True
        if order.exchange_order_id is not None and tracker.is_given_up_next(order.client_order_id):
            now_s = asyncio.get_running_loop().time()
            if now_s - self._absent_since.setdefault(order.client_order_id, now_s) < ABSENCE_OF_KNOWN_S:
                return False
        await tracker.process_order_not_found(order.client_order_id)
        return bool(order.is_done)

    def _matched(
        self, orders: Sequence[InFlightOrder], rows: Sequence[ListedOrder]
    ) -> tuple[dict[str, ListedOrder], list[InFlightOrder]]:
        by_order_id = {row.id: row for row in rows}
        by_client_id: dict[str | None, list[ListedOrder]] = defaultdict(list)
        for row in rows:
            by_client_id[row.client_id_text].append(row)
        listed: dict[str, ListedOrder] = {}
        missing: list[InFlightOrder] = []
        for order in orders:
            found = None if order.exchange_order_id is None else by_order_id.get(order.exchange_order_id)
            if not self._is_known_by_id(order):
                candidates = [row for row in by_client_id[order.client_order_id] if self._is_row_of(order, row)]
                found = next((row for row in candidates if row is not found), found)
            if found is None:
                missing.append(order)
            else:
                listed[order.client_order_id] = found
        return listed, missing

    def _is_known_by_id(self, order: InFlightOrder) -> bool:
        # A conditional order may get another id when it fires (order_triggers).
        return order.exchange_order_id is not None and not self._connector.awaits_trigger(order)

    def _is_row_of(self, order: InFlightOrder, row: ListedOrder) -> bool:
        # The history goes back years and shows all bots of the account: a client id alone proves nothing (F36).
        if row.side is not SIDES[order.trade_type]:
            return False
        if self._connector.trading_pair_or_none(row.symbol) != order.trading_pair:
            return False
        return bool(row.created_timestamp >= self._created_at(order) - FILLS_OVERLAP_S)

    def _created_at(self, order: InFlightOrder) -> float:
        """Return when an order was created by the exchange's clock, which may differ from ours."""
        return float(order.creation_timestamp) + self._connector.clock_offset_s

    async def report_of(self, order: InFlightOrder) -> ListedOrder:
        """Return the exchange's newest word on one order.

        Raises:   OrderNotFound when no list shows it; RequestError when the lists cannot be had.
        """
        self._out_of_reach_until.pop(order.client_order_id, None)
        findings = await self._find([order])
        if order.client_order_id not in findings.listed:
            raise OrderNotFound(f"Neither the open orders nor the history show order {order.client_order_id}.")
        return findings.listed[order.client_order_id]


def _is_complete(order: InFlightOrder) -> bool:
    # Told filled, by fills that make up all of it: the stream was quicker, and no list knows more.
    return order.current_state is OrderState.FILLED and bool(order.executed_amount_base >= order.amount)


def _received(answer: Any) -> int:
    return len(answer) if isinstance(answer, list) else 0


def executed_quantity(report: ListedOrder) -> Decimal:
    """Return how much of an order the exchange says was executed; a missing figure counts as nothing reported."""
    return report.executed_quantity or Decimal(0)


def _owner(
    orders: Sequence[InFlightOrder], order_id: str, client_id: str | None, trading_pair: str | None
) -> InFlightOrder | None:
    for order in orders:
        if order.trading_pair != trading_pair:
            continue
        if order.exchange_order_id is not None:
            if order.exchange_order_id == order_id:
                return order
        elif client_id is not None and client_id == order.client_order_id:
            return order
    return None
