"""Calls of the client: what is asked again, what is told as unknown, what is refused before it leaves."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from backpack_connector.client.rest import BackpackClient
from backpack_connector.protocol import errors
from backpack_connector.protocol.order_records import FullOrder
from tests.spot.stream_double import HANG_UP, Reply, StreamDouble, failure

SYMBOL = "SOL_USDC"
LOST = [
    (HANG_UP, errors.NoAnswer),
    (failure(503, "MAINTENANCE", "later"), errors.Unavailable),
    (failure(429, "TOO_MANY_REQUESTS", "slow down"), errors.RateLimited),
]


@pytest.fixture
def quick(recorded: BackpackClient) -> BackpackClient:
    """Give a client that does not wait between its attempts."""
    recorded.pauses: list[float] = []  # type: ignore[attr-defined, misc]

    async def note(pause_s: float) -> None:
        recorded.pauses.append(pause_s)  # type: ignore[attr-defined]

    recorded.sleep = note
    return recorded


async def order(client: BackpackClient, **fields: Any) -> FullOrder:
    whole = {"quantity": "1.5", "price": "100", "client_id": 7, "post_only": True, **fields}
    return await client.execute_order(SYMBOL, "Bid", "Limit", **whole)


async def test_an_order_lives_with_typed_answers(client: BackpackClient) -> None:
    placed = await order(client)
    assert (placed.price, placed.quantity, placed.client_id) == (Decimal(100), Decimal("1.5"), 7)
    (seen,) = await client.get_open_orders(symbol=SYMBOL)
    assert seen.id == placed.id
    cancelled = await client.cancel_order(SYMBOL, order_id=placed.id)
    assert cancelled is not None
    assert cancelled.status == "Cancelled"


@pytest.mark.parametrize(("reply", "error"), LOST)
async def test_a_question_is_asked_again(
    reply: Reply, error: type[errors.RequestError], quick: BackpackClient, double: StreamDouble
) -> None:
    double.answer_once("get_open_orders", reply, reply)
    assert await quick.get_open_orders() == []
    assert double.count("get_open_orders") == 3
    first, second = quick.pauses  # type: ignore[attr-defined]
    assert 0 < first <= 0.5 < second * 2 <= 2


@pytest.mark.parametrize(("reply", "error"), LOST)
async def test_a_question_without_an_answer_is_given_up(
    reply: Reply, error: type[errors.RequestError], quick: BackpackClient, double: StreamDouble
) -> None:
    double.answer("get_open_orders", reply)
    with pytest.raises(error):
        await quick.get_open_orders()
    assert double.count("get_open_orders") == 3


async def test_a_refused_question_is_not_asked_again(quick: BackpackClient, double: StreamDouble) -> None:
    with pytest.raises(errors.InvalidRequest):
        await quick.get_market("NOPE_USDC")
    assert double.count("get_market") == 1


@pytest.mark.parametrize(("reply", "error"), LOST)
async def test_what_changes_something_is_sent_once_and_its_outcome_is_told_as_unknown(
    reply: Reply, error: type[errors.RequestError], quick: BackpackClient, double: StreamDouble
) -> None:
    double.answer("execute_order", reply)
    with pytest.raises(
        errors.OutcomeUnknown, match="it may have been executed, so look before you repeat it"
    ) as caught:
        await order(quick)
    assert isinstance(caught.value.__cause__, error)
    assert (caught.value.outcome_known, caught.value.operation) == (False, "execute_order")
    assert double.count("execute_order") == 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ('{"id": "1", "clientI', "the answer is no JSON"),
        ({"id": "1"}, "execute_order"),
    ],
)
async def test_an_answer_that_cannot_be_read_leaves_the_outcome_unknown(
    body: Any, reason: str, quick: BackpackClient, double: StreamDouble
) -> None:
    double.answer("execute_order", Reply(body))
    with pytest.raises(errors.OutcomeUnknown, match=reason):
        await order(quick)
    assert double.count("execute_order") == 1


async def test_an_answer_about_another_order_leaves_the_outcome_unknown(
    quick: BackpackClient, double: StreamDouble
) -> None:
    double.alter("execute_order", lambda answer: {**answer, "clientId": 8})
    with pytest.raises(errors.OutcomeUnknown, match="it is about the order with client id 8"):
        await order(quick)


async def test_a_lost_question_about_the_time_leaves_nothing_unknown(
    quick: BackpackClient, double: StreamDouble
) -> None:
    for reply, error in ((HANG_UP, errors.NoAnswer), (Reply("soon"), errors.WireFormatError)):
        double.answer("get_time", reply)
        with pytest.raises(error) as caught:
            await order(quick)
        assert not isinstance(caught.value, errors.OutcomeUnknown)
    assert double.count("execute_order") == 0


async def test_a_refusal_is_told_as_it_is(quick: BackpackClient) -> None:
    with pytest.raises(errors.OrderNotFound):
        await quick.cancel_order(SYMBOL, order_id="1")


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (
            {"price": "100.005"},
            "The price 100.005 is not a multiple of the tick 0.01 of SOL_USDC; the nearest are 100 and 100.01.",
        ),
        ({"quantity": "0.001"}, "The quantity 0.001 is below the minimum 0.01 of SOL_USDC."),
        ({"quantity": "-1"}, "quantity has to be above zero, not '-1'."),
        ({"price": "NaN"}, "price has to be a number such as 0.5, not 'NaN'."),
        ({"side": 1}, "side"),
    ],
)
async def test_a_wrong_order_is_explained_and_not_sent(
    fields: dict[str, Any], sentence: str, quick: BackpackClient, double: StreamDouble
) -> None:
    await quick.learn_markets()
    assert len(quick.market_rules) > 10
    whole = {"symbol": SYMBOL, "side": "Bid", "orderType": "Limit", "price": "100", "quantity": "1", **fields}
    for operation_id, given in (("execute_order", whole), ("execute_order_batch", [whole])):
        with pytest.raises(errors.ConfigurationError) as caught:
            await quick.call(operation_id, given)
        assert sentence in str(caught.value)
    assert double.count("execute_order") == double.count("execute_order_batch") == 0


async def test_orders_of_unknown_markets_and_by_quote_quantity_are_left_to_the_exchange(quick: BackpackClient) -> None:
    await quick.get_market(SYMBOL)
    assert quick.market_rules.get(SYMBOL) is not None
    assert quick.market_rules.get("BTC_USDC") is None
    quick.market_rules.check("execute_order", {"symbol": "BTC_USDC", "price": "0.00001", "quantity": "1"})
    quick.market_rules.check("execute_order", {"symbol": SYMBOL, "quoteQuantity": "1.23456789"})


@pytest.mark.parametrize(
    ("operation_id", "given", "sentence"),
    [
        (
            "strategy_create",
            {"symbol": SYMBOL, "strategy_type": "Scheduled", "side": "Bid", "quantity": "1", "price": "140.0001"},
            "The price 140.0001 is not a multiple of the tick 0.01 of SOL_USDC; the nearest are 140 and 140.01.",
        ),
        (
            "submit_rfq",
            {"symbol": "SOL_USDC_RFQ", "side": "Bid", "quantity": "1.0000001"},
            "The quantity 1.0000001 is not a multiple of the step 0.01 of SOL_USDC; the nearest are 1 and 1.01.",
        ),
    ],
)
async def test_strategies_and_requests_for_quotes_are_held_to_tick_and_step(
    operation_id: str, given: dict[str, Any], sentence: str, quick: BackpackClient, double: StreamDouble
) -> None:
    await quick.learn_markets()
    with pytest.raises(errors.ConfigurationError) as caught:
        await quick.call(operation_id, given)
    assert str(caught.value) == sentence
    assert double.count(operation_id) == 0


@pytest.mark.parametrize(
    ("operation_id", "given", "sentence"),
    [
        ("execute_order_batch", {"symbol": SYMBOL}, "execute_order_batch takes a list of at least one order."),
        ("execute_order_batch", None, "execute_order_batch takes a list of at least one order."),
        ("get_depth", [{"symbol": SYMBOL}], "get_depth takes one set of parameters, not a list."),
        ("get_depth", None, "get_depth needs symbol."),
        ("get_rich", None, "There is no operation 'get_rich' in the catalogue."),
    ],
)
async def test_calls_that_make_no_sense(
    operation_id: str, given: Any, sentence: str, quick: BackpackClient, double: StreamDouble
) -> None:
    with pytest.raises(errors.ConfigurationError) as caught:
        await quick.call(operation_id, given)
    assert str(caught.value) == sentence
    assert double.requests == []


async def test_a_batch_has_an_outcome_for_each_order(client: BackpackClient) -> None:
    good = {"symbol": SYMBOL, "side": "Bid", "order_type": "Limit", "price": "100", "quantity": "1"}
    first, second = await client.execute_order_batch([good, {**good, "quantity": "100000000"}])
    assert isinstance(first, FullOrder)
    assert isinstance(second, errors.InsufficientFunds)


async def test_a_short_batch_answer_leaves_the_outcome_unknown(quick: BackpackClient, double: StreamDouble) -> None:
    double.answer("execute_order_batch", Reply([]))
    good = {"symbol": SYMBOL, "side": "Bid", "order_type": "Limit", "price": "100", "quantity": "1"}
    with pytest.raises(errors.OutcomeUnknown, match="0 results for 1 orders"):
        await quick.execute_order_batch([good])


def test_no_secret_is_shown(
    client: BackpackClient, new_client: Callable[..., BackpackClient], key_pair: tuple[str, str]
) -> None:
    assert key_pair[0] not in repr(client)
    assert key_pair[1] not in repr(client)
    assert repr(client).endswith("with keys)")
    assert repr(new_client(credentials=None)).endswith("public)")
