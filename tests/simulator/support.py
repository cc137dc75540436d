"""Help the tests of the simulator: a clock that stands still, short ways to order, and a small client."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import aiohttp
from hypothesis import HealthCheck, settings

from backpack_connector.protocol.endpoints import endpoint
from backpack_connector.protocol.enums import MarketType, OrderType, SelfTradePrevention, Side, TimeInForce
from backpack_connector.protocol.rest import build_request
from backpack_connector.protocol.signing import Credentials, generate_key_pair
from backpack_connector.simulator.engine import Exchange
from backpack_connector.simulator.events import Event
from backpack_connector.simulator.lending_positions import LoanEvent
from backpack_connector.simulator.markets import Instrument, load_instruments
from backpack_connector.simulator.orders import NewOrder
from backpack_connector.simulator.server import Simulator

BOUNDED = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
START_US = 1_790_915_525_103_070
SYMBOL = "SOL_USDC"


class FakeClock:
    """A clock that moves when it is told to."""

    def __init__(self, now_us: int = START_US) -> None:
        self.now_us = now_us

    def __call__(self) -> int:
        return self.now_us

    def advance_s(self, seconds: float) -> None:
        self.now_us += round(seconds * 10**6)


def new_exchange(clock: FakeClock | None = None) -> Exchange:
    return Exchange(load_instruments(), clock=clock or FakeClock(), first_id=1)


def instrument(symbol: str = SYMBOL) -> Instrument:
    return next(row for row in load_instruments() if row.symbol == symbol)


def limit(
    side: str,
    price: str,
    quantity: str,
    *,
    tif: str = "GTC",
    post_only: bool = False,
    stp: str = "RejectTaker",
    client_id: int | None = None,
    symbol: str = SYMBOL,
    reduce_only: bool | None = None,
) -> NewOrder:
    return NewOrder(
        symbol=symbol,
        side=Side(side),
        order_type=OrderType.LIMIT,
        price=Decimal(price),
        quantity=Decimal(quantity),
        time_in_force=TimeInForce(tif),
        post_only=post_only,
        self_trade_prevention=SelfTradePrevention(stp),
        client_id=client_id,
        reduce_only=reduce_only,
    )


def market(
    side: str,
    quantity: str | None = None,
    quote: str | None = None,
    *,
    tif: str = "GTC",
    stp: str = "RejectTaker",
    symbol: str = SYMBOL,
    reduce_only: bool | None = None,
) -> NewOrder:
    return NewOrder(
        symbol=symbol,
        side=Side(side),
        order_type=OrderType.MARKET,
        quantity=None if quantity is None else Decimal(quantity),
        quote_quantity=None if quote is None else Decimal(quote),
        time_in_force=TimeInForce(tif),
        self_trade_prevention=SelfTradePrevention(stp),
        reduce_only=reduce_only,
    )


def kinds(events: Sequence[Event]) -> list[str]:
    """Return the order events of a list as `orderFill:Filled`, and the other events by class."""
    return [
        f"{event.kind.value}:{event.order.status.value}" if hasattr(event, "order") else type(event).__name__
        for event in events
    ]


def levels(exchange: Exchange, symbol: str = SYMBOL) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return bids and asks as text, both ascending."""
    book = exchange.markets[symbol].book
    return tuple([(str(p), str(q)) for p, q in side.best_levels(10_000)] for side in (book.bids, book.asks))  # type: ignore[return-value]


def state_of(exchange: Exchange) -> Any:
    """Return everything that a refused order must leave alone."""
    return (
        {account.account_id: exchange.ledger.balances(account.account_id) for account in exchange.accounts},
        {account.account_id: list(account.open_orders) for account in exchange.accounts},
        {account.account_id: (len(account.orders), len(account.fills)) for account in exchange.accounts},
        {
            symbol: (levels(exchange, symbol), row.book.update_id, len(row.trades))
            for symbol, row in exchange.markets.items()
        },
        dict(exchange.ledger.fees),
        exchange.ledger.house,
        {account.account_id: exchange.ledger.positions(account.account_id) for account in exchange.accounts},
        {account.account_id: exchange.ledger.unsettled(account.account_id) for account in exchange.accounts},
        {account.account_id: account.leverage_limit for account in exchange.accounts},
        {account.account_id: exchange.ledger.loans.of(account.account_id) for account in exchange.accounts},
        {asset: exchange.lending.pool(asset) for asset in exchange.lending.states},
    )


def assert_sound(exchange: Exchange) -> None:
    """Check what must hold at any time: assets conserved, holds equal open orders, no crossed book."""
    assert exchange.ledger.totals() == exchange.ledger.deposited
    assert_positions_sound(exchange)
    assert_loans_sound(exchange)
    for account in exchange.accounts:
        held: dict[str, Decimal] = {}
        for order in account.open_orders.values():
            assert order.remaining > 0
            assert order.price is not None
            row = exchange.markets[order.symbol].instrument
            if row.market_type is MarketType.PERP:
                continue  # these need margin, and hold nothing
            asset, amount = (
                (row.base, order.remaining) if order.side is Side.ASK else (row.quote, order.remaining * order.price)
            )
            held[asset] = held.get(asset, Decimal(0)) + amount
        for asset, balance in exchange.ledger.balances(account.account_id).items():
            assert balance.available >= 0
            locked = held.get(asset, Decimal(0)) + exchange.vaults.locked(account.account_id, asset)
            assert balance.locked == locked, f"{asset} of {account.account_id}"
    for row in exchange.markets.values():
        assert not row.book.is_crossed
        for side in (row.book.bids, row.book.asks):
            for level in side.from_best():
                assert level.quantity == sum(order.remaining for order in level.orders.values()) > 0


def assert_loans_sound(exchange: Exchange) -> None:
    """Check the books of lending: pools are the sums of positions, and have what was lent and not borrowed."""
    for asset in exchange.lending.states:
        positions = [loan for _, loan in exchange.ledger.loans.holders(asset)]
        lent = sum(loan.quantity for loan in positions if loan.quantity > 0)
        borrowed = -sum(loan.quantity for loan in positions if loan.quantity < 0)
        pool = exchange.lending.pool(asset)
        assert (pool.lent, pool.borrowed) == (lent, borrowed)
        assert lent >= borrowed
        assert all(loan.quantity for loan in positions)
    for account in exchange.accounts:
        for asset, loan in exchange.ledger.loans.of(account.account_id).items():
            rows = [row for row in account.loan_movements if row.position_id == loan.position_id]
            if not account.is_background:
                assert rows[-1].position_quantity == abs(loan.quantity), asset
            booked = {LoanEvent.LEND: 1, LoanEvent.BORROW_REPAY: 1, LoanEvent.BORROW: -1, LoanEvent.LEND_REDEEM: -1}
            assert account.is_background or sum(booked[row.event] * row.quantity for row in rows) == loan.quantity


def assert_positions_sound(exchange: Exchange) -> None:
    """Check the books of perpetual futures: positions add up to zero, and the clearing house has what it must have."""
    quantities: dict[str, Decimal] = {}
    owed = Decimal(0)
    for account in exchange.accounts:
        claim = exchange.ledger.unsettled(account.account_id)
        assert claim <= 0
        owed += claim
        positions = exchange.ledger.positions(account.account_id)
        for symbol, position in positions.items():
            assert position.quantity
            quantities[symbol] = quantities.get(symbol, Decimal(0)) + position.quantity
            owed += position.unrealized(exchange.markets[symbol].mark_price)
        for symbol, row in exchange.markets.items():
            reducing = [order for order in account.open_orders.values() if order.symbol == symbol and order.reduce_only]
            quantity = positions[symbol].quantity if symbol in positions else Decimal(0)
            assert all(order.side is (Side.ASK if quantity > 0 else Side.BID) for order in reducing)
            assert sum(order.remaining for order in reducing) <= abs(quantity), row.symbol
    assert not any(quantities.values())
    assert exchange.ledger.house == owed


class Client:
    """A caller of a running simulator: REST by operation id, and signed subscriptions."""

    def __init__(self, simulator: Simulator, session: aiohttp.ClientSession, seed: int = 0) -> None:
        self.simulator = simulator
        self.session = session
        self.key, self.secret = generate_key_pair(bytes([seed]) * 32)
        self.credentials = Credentials(self.key, self.secret)
        self._last_stamp_ms = 0

    async def call(
        self,
        operation: str,
        parameters: Any = None,
        *,
        headers: Mapping[str, str | None] | None = None,
        body: Any = None,
    ) -> tuple[int, Any]:
        """Return status and answer. `headers` replaces or (None) removes headers, `body` the body as signed."""
        row = endpoint(operation)
        timestamp_ms = self.now_ms() if row.is_safe_to_repeat else self._next_stamp_ms()
        request = build_request(row, parameters, credentials=self.credentials, timestamp_ms=timestamp_ms)
        sent = {name: value for name, value in {**request.headers, **(headers or {})}.items() if value is not None}
        async with self.session.request(
            request.method,
            self.simulator.rest_url + request.path,
            params=request.query,
            data=request.body if body is None else body,
            headers=sent,
        ) as response:
            text = await response.text()
            is_json = response.content_type == "application/json"
            return response.status, json.loads(text) if is_json else text

    def now_ms(self) -> int:
        """Tell the exchange's time, which tests put forward."""
        return self.simulator.now_ms()

    def _next_stamp_ms(self) -> int:
        """Return the time, or a little later: an equal command in the same millisecond would be a repetition."""
        now_ms = self.now_ms()
        is_close = now_ms <= self._last_stamp_ms < now_ms + 1_000
        self._last_stamp_ms = self._last_stamp_ms + 1 if is_close else now_ms
        return self._last_stamp_ms

    def subscription(self, *streams: str) -> dict[str, Any]:
        return {
            "method": "SUBSCRIBE",
            "params": list(streams),
            "signature": self.credentials.subscription_signature(self.now_ms()),
        }


def same_kind(ours: Any, sample: Any, path: str = "") -> None:
    """Check that a value has the keys and the kinds of value of a sample; null on either side fits anything."""
    if ours is None or sample is None:
        return
    assert type(ours) is type(sample), f"{path}: {ours!r} instead of {sample!r}"
    if isinstance(sample, dict):
        assert sorted(ours) == sorted(sample), path
        for key in sample:
            same_kind(ours[key], sample[key], f"{path}.{key}")
    elif isinstance(sample, list) and ours and sample:
        same_kind(ours[0], sample[0], f"{path}[0]")


def trade(simulator: Simulator) -> None:
    """Let two strangers trade one SOL at 150, and leave an order on each side."""
    for account_id, order in (
        ("x", limit("Ask", "150", "1")),
        ("y", limit("Bid", "150", "1")),
        ("x", limit("Ask", "151", "2.5")),
        ("x", limit("Ask", "150.5", "1")),
        ("y", limit("Bid", "149", "2")),
        ("y", limit("Bid", "149.5", "3")),
    ):
        simulator.publish(simulator.exchange.place(account_id, order))
