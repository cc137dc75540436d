"""The simulator's engine without network beside an AccountMargin that hears of it by frames and answers only."""

from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from backpack_connector.protocol.enums import OrderType, Side, TimeInForce, TriggerBy
from backpack_connector.protocol.futures import MarginSummary, Position
from backpack_connector.protocol.messages import (
    BalanceUpdate,
    MarkPriceUpdate,
    OrderUpdate,
    PositionUpdate,
    parse_message,
)
from backpack_connector.protocol.models import Order
from backpack_connector.protocol.streams import BALANCE_UPDATES, ORDER_UPDATES, POSITION_UPDATES, mark_price_stream
from backpack_connector.protocol.units import MICROSECONDS_PER_SECOND, seconds_from_us
from backpack_connector.protocol.wire import read
from backpack_connector.simulator.engine import Exchange
from backpack_connector.simulator.events import Execution
from backpack_connector.simulator.feeds import Feeds, Subscription
from backpack_connector.simulator.futures_payloads import collateral_payload, position_payload
from backpack_connector.simulator.margin import AccountMargin as MarginOfExchange
from backpack_connector.simulator.markets import load_instruments
from backpack_connector.simulator.orders import NewOrder, Trigger
from backpack_connector.simulator.payloads import order_payload
from backpack_connector.simulator.refusals import Refusal
from backpack_perpetual_connector.collateral import AccountMargin

SPOT, SOL, BTC = "SOL_USDC", "SOL_USDC_PERP", "BTC_USDC_PERP"
PERPETUALS = (SOL, BTC)
ME, OTHER, MAKER = "me", "other", "maker"
STREAMS = (ORDER_UPDATES, BALANCE_UPDATES, POSITION_UPDATES, *map(mark_price_stream, PERPETUALS))
# The simulator shows margins with twelve decimals.
PRINTED = Decimal("0.000000001")


@dataclass
class Request:
    """A request of ours: sent, then served by the exchange, then answered."""

    kind: str
    asked_at: int = 0
    new_order: NewOrder | None = None
    answer: Any = None
    is_served: bool = False


class MarginWorld:
    """Two accounts that trade with each other and with a rich market maker; the model follows one of them."""

    def __init__(self, faucet: dict[str, Decimal], leverage: Decimal) -> None:
        self.now_us = 1_790_915_525_103_070
        instruments = [row for row in load_instruments() if row.symbol in (SPOT, *PERPETUALS)]
        self.exchange = Exchange(instruments, clock=lambda: self.now_us, faucet=faucet, first_id=1)
        self.feeds = Feeds(self.exchange, self._is_wanted, lambda: self.now_us)
        self.queues: dict[str, deque[dict[str, Any]]] = {name: deque() for name in STREAMS}
        self.requests: list[Request] = []
        self.next_client_id = 0
        self.last_report_us = 0
        self.claims_reported = [Decimal(0)]
        for account_id in (ME, OTHER):
            self.exchange.open_account(account_id)
            self.exchange.set_leverage_limit(account_id, leverage)
        for asset in ("USDC", "SOL"):
            self.exchange.open_account(MAKER)
            self.exchange.ledger.deposit(MAKER, asset, Decimal(1_000_000))
        self.margin = AccountMargin()
        self.margin.set_leverage(leverage)
        for row in instruments:
            if row.imf is not None:
                self.margin.set_market(row.symbol, row.imf)
                self.margin.apply_mark(row.symbol, self.exchange.markets[row.symbol].mark_price)
        for symbol in (SPOT, *PERPETUALS):
            self.quote(symbol)
        self.ask("report")
        self.finish()

    @property
    def account(self) -> Any:
        return self.exchange.open_account(ME)

    def _is_wanted(self, subscription: Subscription) -> bool:
        account_id, name = subscription
        return account_id in (ME, None) and name in self.queues

    # The exchange

    def publish(self, executions: Iterable[Execution]) -> None:
        for execution in executions:
            for frame in self.feeds.on_events(execution.events):
                self.queues[frame.subscription[1]].append(frame.data)

    def wait(self, seconds: int = 0) -> None:
        self.now_us += 1000 + seconds * MICROSECONDS_PER_SECOND
        if seconds:
            self.publish(self.exchange.on_second(self.now_us))

    def jump(self, symbol: str, percent: int | Decimal) -> None:
        self.wait()
        price = self.exchange.markets[symbol].mark_price * (100 + percent) / 100
        self.publish([self.exchange.prices.set_index(symbol, price, self.now_us)])
        self.quote(symbol)

    def quote(self, symbol: str) -> None:
        """Let the market maker quote 1 % around the price; what crosses its quotes is traded away."""
        self.wait()
        self.publish([self.exchange.cancel_all(MAKER, symbol)])
        for side, ticks in ((Side.BID, -2), (Side.ASK, 2)):
            self.place(MAKER, self.new_order(symbol, side, ticks, 5000, "gtc"))

    def place(self, account_id: str, new_order: NewOrder) -> None:
        """Let another account place an order."""
        self.wait()
        with suppress(Refusal):
            self.publish([self.exchange.place(account_id, new_order)])

    def cancel(self, account_id: str, number: int) -> None:
        self.wait()
        orders = [*self.exchange.open_account(account_id).open_orders.values()]
        if orders:
            order = orders[number % len(orders)]
            self.publish([self.exchange.cancel(account_id, order.symbol, order_id=order.order_id)])

    def new_order(self, symbol: str, side: Side, ticks: int, quantity: int, kind: str) -> NewOrder:
        """An order some ticks of 0.5 % from the mark price, for a quantity of 10 USDC each."""
        market = self.exchange.markets[symbol]
        tick, step = market.instrument.tick_size, market.instrument.step_size
        price = (market.mark_price * (200 + ticks) / 200 / tick).to_integral_value() * tick
        size = (quantity * Decimal(10) / market.mark_price / step).to_integral_value() * step
        is_market = kind in ("market", "trigger")
        trigger = Trigger(price=price, quantity=size, by=TriggerBy.MARK_PRICE) if kind == "trigger" else None
        self.next_client_id += 1
        return NewOrder(
            symbol=symbol,
            side=side,
            order_type=OrderType.MARKET if is_market else OrderType.LIMIT,
            price=None if is_market else price,
            quantity=None if trigger else size,
            trigger=trigger,
            time_in_force=TimeInForce.IOC if kind == "ioc" else TimeInForce.GTC,
            post_only=kind == "post",
            client_id=self.next_client_id,
        )

    # The connector

    def reduce(self, symbol: str, kind: str) -> None:
        """Send an order that closes the position, or would if there were one."""
        quantity = self.exchange.net_quantity(ME, symbol)
        order = self.new_order(symbol, Side.BID if quantity < 0 else Side.ASK, 1 if quantity > 0 else -1, 1, kind)
        self.send(msgspec.structs.replace(order, quantity=abs(quantity) or order.quantity, reduce_only=True))

    def ask(self, kind: str) -> None:
        self.requests.append(Request(kind, self.margin.mark()))

    def send(self, new_order: NewOrder) -> None:
        request = Request("order", new_order=new_order)
        if new_order.symbol in PERPETUALS and new_order.quantity is not None:
            self.margin.hold(
                str(new_order.client_id),
                new_order.symbol,
                new_order.side,
                new_order.quantity,
                reduce_only=bool(new_order.reduce_only),
            )
        self.requests.append(request)

    def serve(self, request: Request) -> None:
        """Let the exchange do what a request wants."""
        if request.is_served:
            return
        self.wait()
        request.is_served = True
        if request.kind == "report":
            margin = self.exchange.risk.margin(self.account)
            request.answer = collateral_payload(margin)
            self.claims_reported.append(_claim(margin))
        elif request.kind == "positions":
            request.answer = [position_payload(view) for view in self.exchange.risk.views(self.account)]
        elif request.kind == "orders":
            orders = [*self.account.open_orders.values(), *self.account.trigger_orders.values()]
            request.answer = [order_payload(order) for order in orders if order.symbol in PERPETUALS]
        else:
            assert request.new_order is not None
            try:
                execution = self.exchange.place(ME, request.new_order)
            except Refusal:
                return
            request.answer = order_payload(execution.order)
            self.publish([execution])

    def answer(self, request: Request) -> None:
        """Let the answer arrive."""
        self.serve(request)
        self.wait()
        self.requests.remove(request)
        margin, asked_at, answer = self.margin, request.asked_at, request.answer
        if request.kind == "report":
            self._deliver_what_is_too_late()
            margin.report(read(MarginSummary, answer, "report"), asked_at, seconds_from_us(self.now_us))
        elif request.kind == "positions":
            margin.replace_positions(read(list[Position], answer, "positions"), asked_at, is_complete=True)
        elif request.kind == "orders":
            margin.replace_orders(read(list[Order], answer, "orders"), asked_at)
        elif request.new_order is not None and request.new_order.symbol in PERPETUALS:
            client_id = str(request.new_order.client_id)
            if answer is not None:
                margin.acknowledge(client_id, read(Order, answer, "order"))
            margin.release(client_id)

    def deliver(self, name: str) -> None:
        """Let the next message of a stream arrive."""
        if not self.queues[name]:
            return
        message = parse_message({"stream": name, "data": self.queues[name].popleft()})
        if isinstance(message, OrderUpdate):
            if message.symbol in PERPETUALS:
                self.margin.apply_order(message)
        elif isinstance(message, BalanceUpdate):
            self.margin.apply_balance(message)
        elif isinstance(message, PositionUpdate):
            self.margin.apply_position(message)
        else:
            assert isinstance(message, MarkPriceUpdate)
            self.margin.apply_mark(message.symbol, message.mark_price, message.event_timestamp)

    def _deliver_what_is_too_late(self) -> None:
        """Messages may be later than one report that knows of them, not than two; mark prices than none."""
        for name, queue in self.queues.items():
            latest_us = self.now_us if name.startswith("markPrice") else self.last_report_us
            while queue and queue[0]["T"] <= latest_us:
                self.deliver(name)
        self.last_report_us = self.now_us

    def deliver_all(self) -> None:
        for name in STREAMS:
            while self.queues[name]:
                self.deliver(name)

    def settle_orders(self) -> None:
        """Let every order reach the exchange; of refused ones only the answer tells."""
        for request in [*self.requests]:
            if request.kind == "order":
                self.serve(request)
                if request.answer is None:
                    self.answer(request)

    def finish(self) -> None:
        """Let everything arrive."""
        for request in [*self.requests]:
            self.answer(request)
        self.deliver_all()

    # The comparison

    def check(self, allowed: Decimal = PRINTED, *, only_last_report: bool = True) -> None:
        """The model equals the exchange, once all messages are here and no order is on its way.

        No message tells of claims, what an account owes beyond its USDC, nor of the loans that they become: the last
        report counts, or one before it if too much went on around the last one. A loan also needs initial margin.
        """
        truth = self.exchange.risk.margin(self.account)
        known = self.claims_reported[-1:] if only_last_report else self.claims_reported
        allowed += max(abs(_claim(truth) - claim) for claim in known) * (1 + truth.imf)
        assert abs(self.margin.available - max(Decimal(0), truth.available)) <= allowed
        assert abs(self.margin.net_equity - truth.net_equity) <= allowed


def _claim(margin: MarginOfExchange) -> Decimal:
    return margin.unsettled - margin.borrow_liability
