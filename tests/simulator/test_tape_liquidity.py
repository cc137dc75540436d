"""What a tape shows in a book, and how users' orders trade with it."""

from collections.abc import Iterable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backpack_connector.protocol.enums import OrderStatus, Side
from backpack_connector.protocol.units import decimal_text
from backpack_connector.simulator.events import Event, Execution, LevelChanged, OrderUpdated, TradePrinted
from backpack_connector.simulator.tape_liquidity import TAPE_ACCOUNT, TapeLiquidity
from tests.simulator.support import BOUNDED, assert_sound, levels, limit, market, new_exchange

SPOT, PERP = "SOL_USDC", "SOL_USDC_PERP"


class Stage:
    """A market whose tape the test speaks for, and a user."""

    def __init__(self, symbol: str = SPOT) -> None:
        self.symbol = symbol
        self.exchange = new_exchange()
        self.tape = TapeLiquidity(self.exchange, self.exchange.markets[symbol])
        self.time_us = 100

    def say(self, bids: dict[str, str] | None = None, asks: dict[str, str] | None = None) -> list[Event]:
        """Tell levels of the tape; returns the events."""
        self.time_us += 1
        return self.done(self.tape.update(rows(bids or {}, asks or {}), self.time_us))

    def snapshot(self, bids: dict[str, str], asks: dict[str, str]) -> list[Event]:
        self.time_us += 1
        return self.done(self.tape.replace(rows(bids, asks), self.time_us))

    def trade(self, price: str, quantity: str, maker: str, late_us: int = 0) -> list[Event]:
        self.time_us += 1
        time_us = self.time_us - late_us
        return self.done(self.tape.trade(Decimal(price), Decimal(quantity), Side(maker), time_us))

    def done(self, executions: Iterable[Execution]) -> list[Event]:
        events = [event for execution in executions for event in execution.events]
        assert_sound(self.exchange)
        return events

    def user(self, side: str, price: str, quantity: str, **options: bool) -> str:
        order = limit(side, price, quantity, symbol=self.symbol, **options)  # type: ignore[arg-type]
        return self.exchange.place("user", order).order.order_id

    def filled(self, order_id: str) -> str:
        return decimal_text(self.exchange.open_account("user").orders[order_id].executed_quantity)

    @property
    def book(self) -> tuple[dict[str, str], dict[str, str]]:
        bids, asks = levels(self.exchange, self.symbol)
        return tuple({price: decimal_text(Decimal(total)) for price, total in side} for side in (bids, asks))  # type: ignore[return-value]


def rows(bids: dict[str, str], asks: dict[str, str]) -> list[tuple[Side, Decimal, Decimal]]:
    return [
        (side, Decimal(price), Decimal(quantity))
        for side, levels_of in ((Side.BID, bids), (Side.ASK, asks))
        for price, quantity in levels_of.items()
    ]


def prints(events: list[Event]) -> list[tuple[str, str]]:
    return [
        (decimal_text(row.trade.price), decimal_text(row.trade.quantity))
        for row in events
        if isinstance(row, TradePrinted)
    ]


@pytest.fixture(params=[SPOT, PERP])
def stage(request: pytest.FixtureRequest) -> Stage:
    prepared = Stage(request.param)
    prepared.snapshot({"150": "5", "149": "7"}, {"151": "4", "152": "9"})
    return prepared


def test_a_snapshot_is_the_book_and_an_update_is_absolute(stage: Stage) -> None:
    assert stage.book == ({"149": "7", "150": "5"}, {"151": "4", "152": "9"})
    events = stage.say({"150": "2", "148": "1"}, {"152": "0"})
    assert stage.book == ({"148": "1", "149": "7", "150": "2"}, {"151": "4"})
    changed = [(str(row.price), str(row.quantity)) for row in events if isinstance(row, LevelChanged)]
    assert changed == [("150", "2"), ("152", "0"), ("148", "1")]
    stage.snapshot({"140": "1"}, {"160": "1"})
    assert stage.book == ({"140": "1"}, {"160": "1"})


def test_who_takes_from_the_tape_is_filled_and_the_tapes_next_word_counts(stage: Stage) -> None:
    order_id = stage.user("Bid", "151", "3")
    assert stage.filled(order_id) == "3"
    assert stage.book[1]["151"] == "1"
    stage.say(asks={"152": "8"})
    assert stage.book[1] == {"151": "1", "152": "8"}
    stage.say(asks={"151": "3.5"})
    assert stage.book[1]["151"] == "3.5"


def test_a_user_waits_behind_what_was_there_and_before_what_comes(stage: Stage) -> None:
    order_id = stage.user("Bid", "150", "2")
    stage.say({"150": "9"})
    assert stage.book[0]["150"] == "11"
    assert prints(stage.trade("150", "4", "Bid")) == [("150", "4")]
    assert stage.filled(order_id) == "0"
    assert stage.book[0]["150"] == "7"
    # One more in front, then the user, then what came later.
    events = stage.trade("150", "2.5", "Bid")
    assert sorted(prints(events)) == [("150", "1"), ("150", "1.5")]
    assert stage.filled(order_id) == "1.5"
    stage.say({"150": "4"})
    assert stage.book[0]["150"] == "4.5"
    stage.trade("150", "1", "Bid")
    assert stage.filled(order_id) == "2"


def test_what_disappears_without_a_trade_was_behind(stage: Stage) -> None:
    order_id = stage.user("Bid", "150", "1")
    stage.say({"150": "8"})
    stage.say({"150": "5"})
    stage.trade("150", "5", "Bid")
    assert stage.filled(order_id) == "0"
    stage.trade("150", "1", "Bid")
    assert stage.filled(order_id) == "1"


def test_a_trade_that_the_book_knows_already_takes_the_front_and_not_the_level(stage: Stage) -> None:
    order_id = stage.user("Bid", "150", "1")
    stage.say({"150": "3"})
    stage.trade("150", "2", "Bid", late_us=1)
    assert stage.book[0]["150"] == "4"
    stage.trade("150", "1", "Bid")
    stage.trade("150", "1", "Bid")
    assert stage.filled(order_id) == "1"


def test_a_better_price_is_filled_first_and_at_its_own_price(stage: Stage) -> None:
    better, equal = stage.user("Bid", "150.5", "1"), stage.user("Bid", "149", "1")
    events = stage.trade("150", "3", "Bid")
    assert prints(events) == [("150.5", "1"), ("150", "2")]
    assert (stage.filled(better), stage.filled(equal)) == ("1", "0")
    # Through the level: whoever stands there is filled, the tape's own part waits for its word.
    events = stage.trade("148", "4", "Bid")
    assert prints(events) == [("149", "1"), ("148", "3")]
    assert stage.filled(equal) == "1"
    assert stage.book[0] == {"149": "7", "150": "3"}


def test_a_level_that_reaches_a_users_order_trades_with_it(stage: Stage) -> None:
    order_id = stage.user("Bid", "150.5", "2")
    events = stage.say({"150": "0", "149": "0"}, {"150.4": "5"})
    assert prints(events) == [("150.5", "2")]
    assert stage.filled(order_id) == "2"
    assert stage.book == ({}, {"150.4": "3", "151": "4", "152": "9"})
    fills = [row for row in events if isinstance(row, OrderUpdated) and row.order.account_id == "user"]
    assert [row.order.status for row in fills] == [OrderStatus.FILLED]


def test_a_tape_that_crosses_itself_is_believed_in_what_it_says_last(stage: Stage) -> None:
    stage.say({"151.5": "2"})
    assert stage.book == ({"149": "7", "150": "5", "151.5": "2"}, {"152": "9"})


def test_a_reduce_only_order_trades_no_more_than_the_position() -> None:
    stage = Stage(PERP)
    stage.snapshot({"149": "5"}, {"150": "3"})
    stage.user("Bid", "150", "1")
    closing = stage.user("Ask", "150", "1", reduce_only=True)
    stage.say(asks={"150": "0"})
    stage.say({"150": "4"})
    assert stage.filled(closing) == "1"
    assert stage.book == ({"149": "5", "150": "3"}, {})


def test_a_trade_fires_triggers_and_moves_the_last_price(stage: Stage) -> None:
    stage.trade("155", "1", "Ask")
    assert stage.exchange.markets[stage.symbol].last_price == 155
    (trade,) = stage.exchange.markets[stage.symbol].trades
    assert (trade.is_buyer_maker, trade.quantity) == (False, 1)


def test_the_tapes_own_trades_move_no_money_and_open_no_interest() -> None:
    stage = Stage(PERP)
    stage.snapshot({"150": "5"}, {"151": "5"})
    before = stage.exchange.ledger.totals()
    stage.trade("150", "4", "Bid")
    stage.say({"150": "1"})
    assert stage.exchange.ledger.totals() == before
    assert stage.exchange.open_interest(PERP) == 0


def test_the_tape_can_always_pay() -> None:
    stage = Stage()
    stage.snapshot({"150": "900000000000000"}, {"151": "900000000000000"})
    stage.exchange.place("user", market("Ask", "10"))
    assert_sound(stage.exchange)


PRICES = st.sampled_from(["148", "149", "150", "151", "152"])
QUANTITIES = st.integers(0, 9).map(str)
ACTIONS = st.one_of(
    st.tuples(st.just("levels"), st.lists(st.tuples(st.sampled_from(Side), PRICES, QUANTITIES), max_size=4)),
    st.tuples(st.just("trade"), st.tuples(st.sampled_from(Side), PRICES, st.integers(1, 9).map(str))),
    st.tuples(st.just("user"), st.tuples(st.sampled_from(Side), PRICES, st.integers(1, 9).map(str))),
    st.tuples(st.just("cancel"), st.none()),
)


@BOUNDED
@given(symbol=st.sampled_from([SPOT, PERP]), actions=st.lists(ACTIONS, max_size=40))
def test_any_tape_and_any_user_leave_everything_sound(symbol: str, actions: list[tuple[str, object]]) -> None:
    stage = Stage(symbol)
    for kind, what in actions:
        if kind == "levels":
            told = {(side, Decimal(price)): Decimal(quantity) for side, price, quantity in what}  # type: ignore[attr-defined]
            stage.done(stage.tape.update([(*key, quantity) for key, quantity in told.items()], stage.time_us))
            best_bid, best_ask = (side.touch for side in (book_of(stage).bids, book_of(stage).asks))
            assert best_bid is None or best_ask is None or best_bid[0] < best_ask[0]
        elif kind == "trade":
            side, price, quantity = what  # type: ignore[misc]
            printed = prints(stage.trade(price, quantity, side.value))
            assert sum(Decimal(amount) for _, amount in printed) == Decimal(quantity)
        elif kind == "user":
            side, price, quantity = what  # type: ignore[misc]
            stage.user(side.value, price, quantity)
        else:
            stage.exchange.cancel_all("user", symbol)
    stage.exchange.cancel_all("user", symbol)
    stage.snapshot({"149": "3"}, {"151": "2"})
    assert stage.book == ({"149": "3"}, {"151": "2"})
    account = stage.exchange.accounts.get(TAPE_ACCOUNT)
    assert account is not None
    assert len(account.open_orders) == 2


def book_of(stage: Stage):  # type: ignore[no-untyped-def]
    return stage.exchange.markets[stage.symbol].book
