"""Liquidation: when it begins, its stages, what it costs, and what everybody sees of it."""

from collections.abc import Sequence
from decimal import Decimal

import pytest

from backpack_connector.protocol.enums import OrderBookState, Side
from backpack_connector.protocol.units import decimal_text
from backpack_connector.simulator.engine import Exchange
from backpack_connector.simulator.events import Event, Liquidated, OrderUpdated, PositionChanged, TradePrinted
from backpack_connector.simulator.liquidation import BACKSTOP_ACCOUNT
from backpack_connector.simulator.markets import load_instruments
from backpack_connector.simulator.refusals import Refusal
from tests.simulator.support import FakeClock, assert_sound, limit, market

SOL, BTC = "SOL_USDC_PERP", "BTC_USDC_PERP"
START_US = 1_790_914_201_000_000


class Scene:
    """Account a is 10 SOL long from 150 with little more than its initial margin; account b is short."""

    def __init__(self, *, backstop_capacity: str = "1000000", leverage: str = "10") -> None:
        self.clock = FakeClock(START_US)
        self.exchange = Exchange(load_instruments(), clock=self.clock, first_id=1, faucet={"USDC": Decimal(151)})
        self.exchange.liquidations.backstop_capacity = Decimal(backstop_capacity)
        for name in ("rich", "richer"):
            self.exchange.accounts.open_background(name, 0, {"USDC": Decimal(10) ** 6})
        self.exchange.place("rich", limit("Ask", "150", "10", symbol=SOL))
        self.exchange.set_leverage_limit("a", Decimal(leverage))
        self.exchange.place("a", limit("Bid", "150", "10", symbol=SOL))

    def mark(self, price: str) -> None:
        self.exchange.prices.set_index(SOL, Decimal(price), self.clock())

    def second(self, count: int = 1) -> list[Event]:
        """Let seconds pass, and return what liquidation did. Settlements are left out: they change no quantity."""
        events: list[Event] = []
        for _ in range(count):
            self.clock.advance_s(1)
            for execution in self.exchange.liquidations.on_second(self.clock()):
                events += execution.events
            assert_sound(self.exchange)
        return events

    def quantity(self, account_id: str = "a", symbol: str = SOL) -> Decimal:
        return self.exchange.net_quantity(account_id, symbol)

    @property
    def is_liquidating(self) -> bool:
        return self.exchange.open_account("a").is_liquidating


def fills(events: Sequence[Event], account_id: str = "a") -> list[tuple[str, str, str]]:
    """Return price, quantity and origin of an account's fills."""
    return [
        (
            decimal_text(event.fill.price),
            decimal_text(event.fill.quantity),
            event.order.cause.origin.value if event.order.cause else "USER",
        )
        for event in events
        if isinstance(event, OrderUpdated) and event.fill is not None and event.order.account_id == account_id
    ]


# a has 151 USDC less the fee of 0.75. It is liquidated when 150.25 + 10 (p - 150) <= 0.135 p: at 1349.75 / 9.865 =
# 136.82209... and below.
LAST_SAFE, FIRST_UNSAFE = "136.83", "136.82"


def test_a_safe_account_is_left_alone() -> None:
    scene = Scene()
    scene.mark(LAST_SAFE)
    assert scene.second(3) == []
    assert not scene.is_liquidating


def test_the_book_takes_a_tenth_a_second() -> None:
    scene = Scene()
    scene.exchange.place("rich", limit("Bid", "136.40", "50", symbol=SOL))
    scene.mark("136.40")
    assert [(fills(scene.second()), scene.quantity()) for _ in range(3)] == [
        ([("136.4", "1", "LIQUIDATION_AUTOCLOSE")], left) for left in (9, 8, 7)
    ]
    fill = scene.exchange.open_account("a").fills[-1]
    # 1 % for the liquidation and 5 bps for the trade.
    assert (fill.fee, fill.fee_symbol) == (Decimal("1.364") + Decimal("0.0682"), "USDC")
    assert fill.system_order_type is not None
    assert fill.system_order_type.value == "LiquidatePositionOnBook"


def test_one_step_is_enough_where_it_makes_the_account_safe() -> None:
    scene = Scene()
    scene.exchange.place("rich", limit("Bid", "136.80", "50", symbol=SOL))
    scene.mark(FIRST_UNSAFE)
    assert fills(scene.second(3)) == [("136.8", "1", "LIQUIDATION_AUTOCLOSE")]
    assert not scene.is_liquidating


def test_it_stops_when_the_account_is_safe_again() -> None:
    scene = Scene()
    scene.exchange.place("rich", limit("Bid", "136.40", "50", symbol=SOL))
    scene.mark("136.40")
    scene.second()
    assert scene.is_liquidating
    scene.mark("150")
    assert fills(scene.second()) == []
    assert not scene.is_liquidating
    assert scene.quantity() == 9
    scene.exchange.place("a", limit("Ask", "151", "9", symbol=SOL))


def test_its_orders_expire_first_and_new_ones_are_refused() -> None:
    scene = Scene()
    scene.exchange.place("a", limit("Ask", "155", "5", symbol=SOL))
    scene.exchange.place("a", limit("Ask", "156", "5", symbol=SOL, reduce_only=True))
    scene.exchange.place("rich", limit("Bid", "136.40", "50", symbol=SOL))
    scene.mark("136.40")
    events = scene.second()
    expired = [
        event.order for event in events if isinstance(event, OrderUpdated) and event.kind.value == "orderExpired"
    ]
    assert [(order.expiry_reason and order.expiry_reason.value, str(order.price)) for order in expired] == [
        ("Liquidation", "155"),
        ("Liquidation", "156"),
    ]
    assert scene.exchange.open_account("a").open_orders == {}
    with pytest.raises(Refusal, match="Account is being liquidated") as refusal:
        scene.exchange.place("a", market("Ask", "1", symbol=SOL, reduce_only=True))
    assert refusal.value.code.value == "ACCOUNT_LIQUIDATING"


def test_orders_that_expire_can_save_the_position() -> None:
    scene = Scene(leverage="50")
    scene.exchange.place("a", limit("Bid", "130", "30", symbol=SOL))
    # The order adds 30 SOL to the exposure: 150.25 + 10 (p - 150) <= 0.54 p, at p = 142.68...
    scene.mark("142.60")
    events = scene.second()
    assert [event.kind.value for event in events if isinstance(event, OrderUpdated)] == ["orderExpired"]
    assert scene.quantity() == 10
    assert not scene.is_liquidating


def test_what_the_book_leaves_goes_to_the_backstop_provider() -> None:
    scene = Scene()
    scene.exchange.place("rich", limit("Bid", "136.80", "0.40", symbol=SOL))
    scene.mark(FIRST_UNSAFE)
    events = scene.second()
    assert fills(events) == [
        ("136.8", "0.4", "LIQUIDATION_AUTOCLOSE"),
        ("136.82", "0.6", "BACKSTOP_LIQUIDITY_PROVIDER"),
    ]
    assert scene.quantity(BACKSTOP_ACCOUNT) == Decimal("0.60")


def test_an_empty_book_leaves_all_of_it() -> None:
    scene = Scene()
    scene.mark(FIRST_UNSAFE)
    assert fills(scene.second()) == [("136.82", "1", "BACKSTOP_LIQUIDITY_PROVIDER")]
    account = scene.exchange.open_account("a")
    assert account.fills[-1].fee == Decimal("1.3682")


def test_half_the_maintenance_margin_lost_means_all_at_once() -> None:
    scene = Scene()
    scene.exchange.place("rich", limit("Bid", "136.00", "50", symbol=SOL))
    # 150.25 + 10 (p - 150) < 0.0675 p below 135.89...
    scene.mark("135.80")
    events = scene.second()
    assert fills(events) == [("135.8", "10", "BACKSTOP_LIQUIDITY_PROVIDER")]
    assert scene.quantity() == 0
    assert scene.second() == []
    assert not scene.is_liquidating


def test_the_winners_take_what_the_backstop_provider_has_no_room_for() -> None:
    scene = Scene(backstop_capacity="300")
    scene.exchange.place("richer", limit("Ask", "156", "4", symbol=SOL))
    scene.exchange.place("rich", limit("Bid", "156", "4", symbol=SOL))  # rich is 6 short now, richer 4 from 156
    scene.exchange.place("richer", limit("Bid", "130", "4", symbol=SOL, reduce_only=True))
    scene.mark("135.80")
    events = scene.second()
    # Room for 300 / 135.80 = 2.20 SOL; then the most profitable first.
    assert fills(events) == [
        ("135.8", "2.2", "BACKSTOP_LIQUIDITY_PROVIDER"),
        ("135.8", "4", "ADL_AUTOCLOSE"),
        ("135.8", "3.8", "ADL_AUTOCLOSE"),
    ]
    assert fills(events, "richer") == [("135.8", "4", "ADL_AUTOCLOSE")]
    assert fills(events, "rich") == [("135.8", "3.8", "ADL_AUTOCLOSE")]
    assert [scene.quantity(name) for name in ("a", "rich", "richer", BACKSTOP_ACCOUNT)] == [
        0,
        Decimal("-2.20"),
        0,
        Decimal("2.20"),
    ]
    assert scene.exchange.open_account("richer").open_orders == {}


def test_who_stands_on_the_same_side_is_no_winner() -> None:
    """Not even with more profit than those on the other side."""
    scene = Scene(backstop_capacity="0")
    scene.mark("140")
    for name, other, price, quantity in (("c", "richer", "134", "2"), ("d", "rich", "137", "10")):
        scene.exchange.accounts.open_background(name, 0, {"USDC": Decimal(10) ** 6})
        scene.exchange.place(name, limit("Ask", price, quantity, symbol=SOL))
        scene.exchange.place(other, limit("Bid", price, quantity, symbol=SOL))
    scene.mark("135.80")
    scene.second()
    assert [scene.quantity(name) for name in ("a", "richer", "c", "d")] == [0, 2, -2, 0]


def test_a_winner_pays_no_fee_and_is_told() -> None:
    scene = Scene(backstop_capacity="0")
    scene.exchange.place("b", limit("Ask", "140", "1", symbol=SOL))
    scene.exchange.place("rich", limit("Bid", "140", "1", symbol=SOL))  # b is short 1 from 140, rich 9 from 150
    scene.mark("135.80")
    events = scene.second()
    assert fills(events, "b") == [("135.8", "1", "ADL_AUTOCLOSE")]
    (told,) = [event for event in events if isinstance(event, PositionChanged) and event.account_id == "b"]
    assert (told.kind.value, told.position.net_quantity) == ("positionClosed", 0)
    account = scene.exchange.open_account("b")
    (fill,) = [row for row in account.fills if row.system_order_type is not None]
    assert (fill.fee, fill.system_order_type and fill.system_order_type.value) == (0, "LiquidatePositionOnAdl")
    assert account.orders[fill.order_id].status.value == "Filled"
    assert scene.exchange.ledger.balance("b", "USDC").available == 151 - Decimal("0.028") + Decimal("4.2")


def test_everybody_sees_liquidations_and_their_trades() -> None:
    scene = Scene()
    scene.exchange.place("rich", limit("Bid", "136.80", "0.40", symbol=SOL))
    scene.mark(FIRST_UNSAFE)
    events = scene.second()
    seen = [
        (event.symbol, event.side, str(event.price), str(event.quantity))
        for event in events
        if isinstance(event, Liquidated)
    ]
    assert seen == [(SOL, Side.ASK, "136.80", "0.40"), (SOL, Side.ASK, "136.82", "0.60")]
    trades = [event.trade for event in events if isinstance(event, TradePrinted)]
    assert [str(trade.quantity) for trade in trades] == ["0.40", "0.60"]
    assert trades[1].trade_id == trades[0].trade_id + 1


def test_the_fee_is_in_the_histories() -> None:
    scene = Scene()
    scene.mark("135.80")
    scene.second()
    account = scene.exchange.open_account("a")
    (closed,) = account.closed_positions
    assert (closed.position.liquidated_quantity, closed.position.liquidation_fees) == (10, Decimal("13.58"))
    assert closed.position.fees == Decimal("0.75")
    sources = [(row.posting.source.value, str(row.posting.amount)) for row in account.settlements]
    assert sources[-1] == ("TradingFeesSystem", "-13.580000")


def test_a_bankrupt_account_keeps_owing() -> None:
    scene = Scene()
    scene.mark("120")
    scene.second()
    assert scene.quantity() == 0
    ledger = scene.exchange.ledger
    assert ledger.balance("a", "USDC").available == 0
    assert ledger.unsettled("a") == Decimal("150.25") - 300 - 12
    with pytest.raises(Refusal, match="Insufficient margin"):
        scene.exchange.place("a", limit("Bid", "119", "0.01", symbol=SOL))


def test_all_positions_are_closed_in_steps_until_the_account_is_safe() -> None:
    scene = Scene(leverage="50")
    scene.exchange.place("rich", limit("Bid", "86690", "0.01", symbol=BTC))
    scene.exchange.place("a", limit("Ask", "86690", "0.01", symbol=BTC))
    scene.mark("137.30")
    assert fills(scene.second()) != []
    assert (scene.quantity(), scene.quantity(symbol=BTC)) == (9, Decimal("-0.009"))


def test_one_step_a_second() -> None:
    scene = Scene()
    scene.exchange.place("rich", limit("Bid", "136.40", "50", symbol=SOL))
    scene.mark("136.40")
    scene.second()
    assert scene.is_liquidating
    assert list(scene.exchange.liquidations.on_second(scene.clock())) == []
    assert scene.quantity() == 9


def test_a_short_is_bought_back() -> None:
    scene = Scene()
    scene.exchange.place("rich", limit("Bid", "150", "20", symbol=SOL))
    scene.exchange.place("a", limit("Ask", "150", "20", symbol=SOL))
    assert scene.quantity() == -10
    scene.exchange.place("rich", limit("Ask", "163.10", "50", symbol=SOL))
    scene.mark("163")
    events = scene.second()
    assert fills(events) == [("163.1", "1", "LIQUIDATION_AUTOCLOSE")]
    assert [event.side for event in events if isinstance(event, Liquidated)] == [Side.BID]


def test_background_accounts_are_never_liquidated() -> None:
    scene = Scene()
    scene.exchange.accounts.open_background("poor", 0, {"USDC": Decimal(1)})
    scene.exchange.place("rich", limit("Ask", "150", "10", symbol=SOL))
    scene.exchange.place("poor", limit("Bid", "150", "10", symbol=SOL))
    scene.mark(LAST_SAFE)
    assert scene.second(2) == []
    assert scene.quantity("poor") == 10


def test_orders_alone_expire_too_when_they_need_more_than_there_is() -> None:
    """Spot money that is worth less takes the margin of resting orders away."""
    scene = Scene()
    scene.exchange.accounts.faucet = {"SOL": Decimal(10)}
    scene.exchange.set_leverage_limit("c", Decimal(50))
    scene.exchange.place("c", limit("Bid", "149", "400", symbol=SOL))
    scene.exchange.markets["SOL_USDC"].last_trade_price = Decimal(89)
    # 10 x 89 x 0.9 = 801; 400 x 150 x 0.0135 = 810.
    events = scene.second()
    assert [(event.kind.value, event.order.account_id) for event in events if isinstance(event, OrderUpdated)] == [
        ("orderExpired", "c")
    ]
    assert not scene.exchange.open_account("c").is_liquidating


def test_a_market_that_is_not_open_sends_positions_to_the_backstop_provider() -> None:
    scene = Scene()
    scene.exchange.place("rich", limit("Bid", "136.80", "50", symbol=SOL))
    scene.exchange.set_market_state(SOL, OrderBookState.CANCEL_ONLY)
    scene.mark(FIRST_UNSAFE)
    assert fills(scene.second()) == [("136.82", "1", "BACKSTOP_LIQUIDITY_PROVIDER")]
