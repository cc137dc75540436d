"""Price-time priority and update ids of the book."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from backpack_connector.protocol.enums import OrderStatus, OrderType, SelfTradePrevention, Side, TimeInForce
from backpack_connector.simulator.book import OrderBook
from backpack_connector.simulator.orders import Order
from tests.simulator.support import BOUNDED, START_US


def resting(number: int, side: Side, price: int, quantity: int) -> Order:
    return Order(
        order_id=str(number),
        account_id="somebody",
        symbol="SOL_USDC",
        side=side,
        order_type=OrderType.LIMIT,
        price=Decimal(price),
        quantity=Decimal(quantity),
        quote_quantity=Decimal(price * quantity),
        time_in_force=TimeInForce.GTC,
        post_only=False,
        reduce_only=None,
        self_trade_prevention=SelfTradePrevention.REJECT_TAKER,
        client_id=None,
        created_us=START_US,
        status=OrderStatus.NEW,
    )


def test_best_bid_is_the_highest_and_best_ask_the_lowest() -> None:
    book = OrderBook()
    for number, (side, price) in enumerate([(Side.BID, 3), (Side.BID, 5), (Side.ASK, 9), (Side.ASK, 7)]):
        book.rest(resting(number, side, price, 1))
    assert book.touch == ((Decimal(5), Decimal(1)), (Decimal(7), Decimal(1)))
    assert [level.price for level in book.bids.from_best()] == [5, 3]
    assert [level.price for level in book.asks.from_best()] == [7, 9]


def test_levels_are_ascending_on_both_sides_and_cut_at_the_far_end() -> None:
    book = OrderBook()
    for number, price in enumerate([1, 2, 3]):
        book.rest(resting(number, Side.BID, price, 1))
        book.rest(resting(number + 10, Side.ASK, price + 10, 1))
    assert [price for price, _ in book.bids.best_levels(2)] == [2, 3]
    assert [price for price, _ in book.asks.best_levels(2)] == [11, 12]


def test_an_order_that_shrinks_keeps_its_place() -> None:
    book = OrderBook()
    first, second = resting(1, Side.ASK, 7, 5), resting(2, Side.ASK, 7, 5)
    book.rest(first)
    book.rest(second)
    assert book.take(first, Decimal(2)) == 8
    first.executed_quantity += 2
    best = book.asks.best
    assert best is not None
    assert list(best.orders) == ["1", "2"]


def test_each_change_of_a_level_raises_the_update_id_by_one() -> None:
    book = OrderBook(first_update_id=100)
    order = resting(1, Side.BID, 7, 5)
    book.rest(order)
    assert book.update_id == 101
    book.take(order, Decimal(5))
    assert book.update_id == 102
    assert book.touch == (None, None)
    assert len(book.bids) == 0


@BOUNDED
@given(st.lists(st.tuples(st.sampled_from(Side), st.integers(1, 9), st.integers(1, 9)), max_size=40), st.data())
def test_totals_of_levels_are_the_sums_of_their_orders(
    orders: list[tuple[Side, int, int]], data: st.DataObject
) -> None:
    book, kept = OrderBook(), {}
    for number, (side, price, quantity) in enumerate(orders):
        kept[number] = resting(number, side, price, quantity)
        book.rest(kept[number])
    for number in data.draw(st.lists(st.sampled_from(sorted(kept)), unique=True) if kept else st.just([])):
        book.take(kept[number], kept.pop(number).remaining)
    for side in Side:
        expected: dict[Decimal, Decimal] = {}
        for order in kept.values():
            if order.side is side:
                assert order.price is not None
                expected[order.price] = expected.get(order.price, Decimal(0)) + order.remaining
        assert book.side(side).best_levels(100) == sorted(expected.items())
    assert book.update_id == len(orders) + len(orders) - len(kept)
