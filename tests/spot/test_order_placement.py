"""What an order gets at once: local checks, the body that is sent, and what the answer says (F14, F27, F35, D6.7)."""

import asyncio
import logging
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hummingbot.core.data_type.common import OrderType
from hummingbot.core.data_type.in_flight_order import OrderState

from backpack_connector.backpack_exchange import BackpackExchange
from backpack_connector.protocol.enums import Side
from backpack_connector.protocol.errors import ConfigurationError
from tests.spot.conftest import StartBot
from tests.spot.exchange_double import change, hold_answer, hold_request
from tests.spot.people import PAIR, Bot, Venue, remembered_updates, until

BOUGHT = ["BuyOrderCreated", "OrderFilled", "BuyOrderCompleted"]
STREAM = pytest.mark.parametrize("has_stream", [True, False], ids=["with stream", "without stream"])


# F27: the answer to the placement is the engine's final word on what happened on arrival


@STREAM
async def test_f27_an_order_that_is_filled_on_arrival_is_complete_at_once(
    bot: Bot, venue: Venue, has_stream: bool
) -> None:
    venue.place(Side.ASK, "150", "5")
    if not has_stream:
        venue.double.drop_frames()
    order_id = await bot.buy("2", "150")
    await until(lambda: bot.order(order_id).is_done, "the order is done")
    await bot.rest()
    assert bot.names(order_id) == BOUGHT
    assert bot.fills(order_id) == [(Decimal(150), Decimal(2))]
    assert bot.order(order_id).current_state is OrderState.FILLED
    assert order_id not in bot.connector.in_flight_orders


@STREAM
async def test_f27_an_order_that_is_filled_in_part_on_arrival_rests_with_its_fill(
    bot: Bot, venue: Venue, has_stream: bool
) -> None:
    venue.place(Side.ASK, "150", "1")
    if not has_stream:
        venue.double.drop_frames()
    order_id = await bot.buy("3", "150")
    await until(lambda: bot.fills(order_id), "the fill is known")
    await until(lambda: bot.order(order_id).current_state is OrderState.PARTIALLY_FILLED, "it is partially filled")
    assert bot.names(order_id) == BOUGHT[:2]
    assert bot.order(order_id).executed_amount_base == 1


@STREAM
async def test_f27_a_market_order_that_finds_too_little_ends_with_what_it_got(
    bot: Bot, venue: Venue, has_stream: bool
) -> None:
    venue.place(Side.BID, "149", "1")
    venue.place(Side.ASK, "150", "2")
    await until(lambda: bot.connector.get_price(PAIR, True) == 150, "the book is known")
    if not has_stream:
        venue.double.drop_frames()
    order_id = await bot.buy("5", "NaN", OrderType.MARKET)
    await until(lambda: bot.order(order_id).is_done, "the order is done")
    assert bot.truth()[0].status == "Expired"
    assert bot.names(order_id) == ["BuyOrderCreated", "OrderFilled", "OrderCancelled"]
    assert bot.order(order_id).executed_amount_base == 2


@STREAM
async def test_f27_an_order_that_expires_on_arrival_ends_with_its_reason(
    bot: Bot, has_stream: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    own = await bot.sell("1", "151")
    await until(lambda: bot.order(own).is_open, "the order rests")
    updates = remembered_updates(bot, monkeypatch)
    if not has_stream:
        bot.double.drop_frames()
    order_id = await bot.buy("1", "151")  # would trade with the account's own order
    await until(lambda: bot.order(order_id).is_done, "the order is done")
    await bot.rest()
    assert bot.names(order_id) == ["BuyOrderCreated", "OrderCancelled"]
    (end,) = [u for u in updates if u.client_order_id == order_id and u.new_state is OrderState.CANCELED][:1]
    assert end.misc_updates is not None
    assert end.misc_updates["expiry_reason"] == "SelfTradePrevention"
    assert f"The exchange ended order {order_id}: SelfTradePrevention." in caplog.messages


async def test_f27_everything_that_happens_to_an_order_is_told_in_its_order(bot: Bot, venue: Venue) -> None:
    for _ in range(5):
        venue.place(Side.ASK, "150", "0.4")
    order_id = await bot.buy("2", "150")
    await until(lambda: bot.order(order_id).is_done, "the order is done")
    await bot.rest()
    assert bot.names(order_id) == ["BuyOrderCreated", *["OrderFilled"] * 5, "BuyOrderCompleted"]


# F35: states never go backwards


async def test_f35_a_late_answer_does_not_take_a_fill_back(bot: Bot, venue: Venue) -> None:
    may_answer = asyncio.Event()
    bot.double.script("execute_order", hold_answer(may_answer), times=1)
    order_id = await bot.buy("3", "150")
    await until(lambda: bot.truth(), "the order rests on the exchange")
    venue.place(Side.ASK, "150", "1")
    await until(lambda: bot.fills(order_id), "the stream tells of the fill")
    states: list[OrderState] = []
    may_answer.set()  # with an order that is New and has executed nothing
    for _ in range(40):
        await asyncio.sleep(0.005)
        states.append(bot.order(order_id).current_state)
    assert set(states) == {OrderState.PARTIALLY_FILLED}
    assert bot.names(order_id) == ["BuyOrderCreated", "OrderFilled"]


async def test_f35_a_late_answer_does_not_open_a_finished_order_again(bot: Bot, venue: Venue) -> None:
    may_answer = asyncio.Event()
    bot.double.script("execute_order", hold_answer(may_answer), times=1)
    order_id = await bot.buy("1", "150")
    await until(lambda: bot.truth(), "the order rests on the exchange")
    venue.place(Side.ASK, "150", "1")
    await until(lambda: bot.order(order_id).is_done, "the stream tells of the end")
    may_answer.set()
    await asyncio.sleep(0.1)
    assert bot.names(order_id) == BOUGHT
    assert bot.order(order_id).current_state is OrderState.FILLED
    assert order_id not in bot.connector.in_flight_orders


# F14: a market order has no price, and yet every balance is a number


async def test_f14_a_market_order_on_its_way_leaves_finite_balances(bot: Bot, venue: Venue) -> None:
    venue.place(Side.BID, "149", "5")
    venue.place(Side.ASK, "150", "5")
    await until(lambda: bot.connector.get_price(PAIR, True) == 150, "the book is known")
    before = bot.connector.get_available_balance("USDC")
    may_go = asyncio.Event()
    bot.double.script("execute_order", hold_request(may_go), times=1)
    order_id = await bot.buy("2", "NaN", OrderType.MARKET)
    await until(lambda: bot.double.count("execute_order"), "the order is on its way")
    assert bot.connector.get_available_balance("USDC") == before - 300
    assert bot.connector.in_flight_asset_balances(bot.connector.in_flight_orders) == {"USDC": Decimal(300)}
    may_go.set()
    await until(lambda: bot.order(order_id).is_done, "the order is done")
    await until(lambda: bot.connector.get_available_balance("USDC") == before - 300, "the balance is the exchange's")
    assert bot.connector.get_available_balance("SOL") == Decimal("51.998")


async def test_f14_also_when_the_book_has_nothing_to_estimate_with(bot: Bot, venue: Venue) -> None:
    bid, ask = venue.place(Side.BID, "149", "5"), venue.place(Side.ASK, "150", "5")
    await until(lambda: bot.connector.get_price(PAIR, True) == 150, "the book is known")
    may_go = asyncio.Event()
    bot.double.script("execute_order", hold_request(may_go), times=1)
    await bot.buy("2", "NaN", OrderType.MARKET)
    await until(lambda: bot.double.count("execute_order"), "the order is on its way")
    for order in (bid, ask):
        venue.cancel("somebody", order.order_id)
    await until(lambda: bot.connector.get_price(PAIR, True).is_nan(), "the book is empty")
    assert bot.connector.get_available_balance("USDC").is_finite()
    locked = bot.connector.in_flight_asset_balances(bot.connector.in_flight_orders)
    assert all(amount.is_finite() for amount in locked.values())
    may_go.set()


# D6.7: what the exchange would refuse is refused here, with a sentence, and nothing is sent


def with_filters(group: str, **filters: Any) -> Callable[[Any], Any]:
    def edit(rows: Any) -> Any:
        for row in rows:
            row["filters"][group].update(filters)
        return rows

    return edit


def with_state(state: str) -> Callable[[Any], Any]:
    return lambda rows: [{**row, "orderBookState": state} for row in rows]


REFUSALS = {
    "below the minimum": (None, ("0.001", "150"), "lower than minimum order size 0.01"),
    "zero": (None, ("0", "150"), "lower than minimum order size 0.01"),
    "negative": (None, ("-1", "150"), "The quantity must be a positive number, not -1."),
    "above the maximum": (
        with_filters("quantity", maxQuantity="10"),
        ("10.01", "150"),
        "The quantity 10.01 is above the maximum 10 of SOL_USDC.",
    ),
    "price above the band": (None, ("1", "301"), "The price 301 is above the price band's 300 of SOL_USDC."),
    "price below the band": (None, ("1", "37"), "The price 37 is below the price band's 37.5 of SOL_USDC."),
    "price below the minimum": (
        with_filters("price", minPrice="100", minMultiplier="0"),
        ("1", "99.99"),
        "The price 99.99 is below the minimum 100 of SOL_USDC.",
    ),
    "price above the maximum": (
        with_filters("price", maxPrice="200"),
        ("1", "200.01"),
        "The price 200.01 is above the maximum 200 of SOL_USDC.",
    ),
    "price of zero": (None, ("1", "0"), "A limit order needs a positive price, not 0"),
    "no price": (None, ("1", "NaN"), "A limit order needs a positive price, not NaN"),
    "closed market": (
        with_state("Closed"),
        ("1", "150"),
        "SOL_USDC takes no new orders now (its order book is Closed).",
    ),
    "only cancels": (
        with_state("CancelOnly"),
        ("1", "150"),
        "SOL_USDC takes no new orders now (its order book is CancelOnly).",
    ),
    "state of tomorrow": (
        with_state("Auction"),
        ("1", "150"),
        "SOL_USDC takes no new orders now (its order book is Auction).",
    ),
    "limit order in a post-only market": (
        with_state("PostOnly"),
        ("1", "150"),
        "SOL_USDC takes only post-only orders now; use LIMIT_MAKER.",
    ),
    "market order in a post-only market": (
        with_state("PostOnly"),
        ("1", "NaN", OrderType.MARKET),
        "SOL_USDC takes no market orders now (its order book is PostOnly).",
    ),
    "market order in a limit-only market": (
        with_state("LimitOnly"),
        ("1", "NaN", OrderType.MARKET),
        "SOL_USDC takes no market orders now (its order book is LimitOnly).",
    ),
    "market order below the minimum": (None, ("0.001", "NaN", OrderType.MARKET), "lower than minimum order size 0.01"),
}


@pytest.mark.parametrize("case", REFUSALS)
async def test_d67_what_breaks_a_rule_of_the_market_is_refused_here(bot: Bot, venue: Venue, case: str) -> None:
    edit, parameters, sentence = REFUSALS[case]
    # The active price is the median of 149, 151 and the last trade: 150.
    venue.place(Side.BID, "149", "1")
    venue.place(Side.ASK, "151", "1")
    await until(lambda: bot.connector.get_price(PAIR, True) == 151, "the book is known")
    if edit is not None:
        bot.double.script("get_markets", change(edit))
        await bot.connector._update_trading_rules()
    order_id = await bot.buy(*parameters)
    await until(lambda: bot.names(order_id), "the strategy hears of it")
    assert bot.names(order_id) == ["OrderFailure"]
    assert sentence.replace("SOL_USDC", venue.kind.symbol) in bot.of(order_id, "OrderFailure")[0].error_message
    assert order_id not in bot.connector.in_flight_orders
    assert bot.double.count("execute_order") == 0


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-Infinity"])
async def test_d67_an_amount_that_is_no_number_fails_with_a_sentence(bot: Bot, venue: Venue, amount: str) -> None:
    order_id = await bot.buy(amount, "150")
    await until(lambda: bot.names(order_id), "the strategy hears of it")
    assert bot.names(order_id) == ["OrderFailure"]
    message = bot.of(order_id, "OrderFailure")[0].error_message
    assert "quantity" in message
    assert "decimal." not in message
    assert bot.double.count("execute_order") == 0


async def test_d67_an_unknown_pair_fails_with_a_sentence(bot: Bot) -> None:
    order_id = await bot.buy("1", "150", pair="NOPE-USDC")
    await until(lambda: bot.names(order_id), "the strategy hears of it")
    assert bot.names(order_id) == ["OrderFailure"]
    assert "NOPE-USDC" in bot.of(order_id, "OrderFailure")[0].error_message
    assert not bot.connector.in_flight_orders


async def test_d67_a_market_order_while_the_book_is_empty_gets_an_answer(bot: Bot) -> None:
    order_id = await bot.buy("1", "NaN", OrderType.MARKET)
    await until(lambda: bot.names(order_id), "the strategy hears of it")
    assert bot.names(order_id) == ["OrderFailure"]
    message = bot.of(order_id, "OrderFailure")[0].error_message
    assert "decimal." not in message
    assert not bot.connector.in_flight_orders


async def test_d67_a_market_order_needs_only_the_side_that_it_takes(bot: Bot, venue: Venue) -> None:
    venue.place(Side.ASK, "150", "1")
    await until(lambda: bot.connector.get_price(PAIR, True) == 150, "the book is known")
    order_id = await bot.buy("1", "NaN", OrderType.MARKET)
    await until(lambda: bot.names(order_id) == BOUGHT, "the order is filled")


async def test_d67_amounts_and_prices_off_step_are_cut_to_it_before_they_are_sent(bot: Bot) -> None:
    await bot.open_buy("1.23999", "149.99999")
    fields = bot.double.requests("execute_order")[0].fields
    assert (fields["quantity"], fields["price"]) == ("1.23", "149.99")


async def test_d67_an_order_off_a_step_that_hummingbot_does_not_know_of_is_refused(bot: Bot) -> None:
    # Rules that were refreshed between Hummingbot's rounding and the sending.
    bot.double.script("get_markets", change(with_filters("quantity", stepSize="0.5")))
    rules = dict(bot.connector._trading_rules)
    await bot.connector._update_trading_rules()
    bot.connector._trading_rules.update(rules)
    order_id = await bot.buy("1.2", "150")
    await until(lambda: bot.names(order_id), "the strategy hears of it")
    message = bot.of(order_id, "OrderFailure")[0].error_message
    rule = f"The quantity 1.2 is not a multiple of the step 0.5 of {bot.venue.kind.symbol}"
    assert message == f"{rule}; the nearest are 1 and 1.5."
    assert bot.double.count("execute_order") == 0


async def test_d67_what_is_inside_the_band_goes_through(bot: Bot, venue: Venue) -> None:
    venue.place(Side.BID, "149", "1")
    venue.place(Side.ASK, "151", "1")
    await until(lambda: bot.connector.get_price(PAIR, True) == 151, "the book is known")
    order = await bot.open_buy("1", "37.5")
    assert order.is_open


# What is sent


async def test_the_body_of_each_kind_of_order(bot: Bot, venue: Venue) -> None:
    venue.place(Side.BID, "149", "5")
    venue.place(Side.ASK, "151", "5")
    await until(lambda: bot.connector.get_price(PAIR, True) == 151, "the book is known")
    ids = [
        await bot.buy("1", "148"),
        await bot.sell("1", "152", OrderType.LIMIT_MAKER),
        await bot.sell("1", "NaN", OrderType.MARKET),
    ]
    await until(lambda: bot.double.count("execute_order") == 3, "all are sent")
    common = {"symbol": venue.kind.symbol, "quantity": "1"}
    by_client_id = {str(call.fields["clientId"]): call.fields for call in bot.double.requests("execute_order")}
    limit, maker, market = (by_client_id[order_id] for order_id in ids)
    assert limit == {
        **common, "clientId": int(ids[0]), "side": "Bid", "orderType": "Limit", "price": "148", "timeInForce": "GTC"
    }  # fmt: skip
    assert maker == {
        **common, "clientId": int(ids[1]), "side": "Ask", "orderType": "Limit", "price": "152", "timeInForce": "GTC",
        "postOnly": True,
    }  # fmt: skip
    assert market == {**common, "clientId": int(ids[2]), "side": "Ask", "orderType": "Market"}


async def test_parity_a_post_only_order_that_would_take_fails_with_readable_words(bot: Bot, venue: Venue) -> None:
    venue.place(Side.ASK, "150", "1")
    order_id = await bot.buy("1", "150", OrderType.LIMIT_MAKER)
    await until(lambda: bot.names(order_id), "the strategy hears of it")
    assert bot.names(order_id) == ["OrderFailure"]
    (failure,) = bot.of(order_id, "OrderFailure")
    assert "Order would immediately match and take" in failure.error_message
    assert failure.error_type == "WouldTake"
    assert bot.double.count("execute_order") == 1
    assert order_id not in bot.connector.in_flight_orders


async def test_an_order_that_the_account_cannot_pay_fails_at_once(bot: Bot) -> None:
    order_id = await bot.buy("1000", "150")
    await until(lambda: bot.names(order_id), "the strategy hears of it")
    assert bot.names(order_id) == ["OrderFailure"]
    assert bot.of(order_id, "OrderFailure")[0].error_type == "InsufficientFunds"
    assert bot.double.count("execute_order") == 1


# Broker id: on placement only, and the user's choice


@pytest.mark.parametrize(
    ("setting", "sent"),
    [(None, "2200"), ("1400", "1400"), (" 7 ", "7"), ("65535", "65535"), ("none", None), ("OFF", None), ("", None)],
)
async def test_the_broker_id_travels_with_placements_alone(
    start_bot: StartBot, monkeypatch: pytest.MonkeyPatch, setting: str | None, sent: str | None
) -> None:
    monkeypatch.delenv("BACKPACK_BROKER_ID", raising=False)
    if setting is not None:
        monkeypatch.setenv("BACKPACK_BROKER_ID", setting)
    bot = await start_bot()
    order = await bot.open_buy("1", "149")
    await bot.poll()
    await bot.connector._update_balances()
    await bot.connector.cancel_all(1)
    assert order.is_cancelled
    by_operation = {call.operation: call.headers.get("X-BROKER-ID") for call in bot.double.calls}
    assert {"execute_order", "cancel_order", "get_open_orders", "get_balances"} <= set(by_operation)
    assert by_operation.pop("execute_order") == sent
    assert set(by_operation.values()) == {None}


@pytest.mark.parametrize("setting", ["65536", "-1", "1.5", "my-broker", "٣", "0x10"])
def test_a_broker_id_that_is_none_is_refused_with_one_sentence(
    key_pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    monkeypatch.setenv("BACKPACK_BROKER_ID", setting)
    with pytest.raises(ConfigurationError) as error:
        BackpackExchange(*key_pair)
    assert str(error.value) == f"BACKPACK_BROKER_ID must be a number up to 65535 or none, not {setting!r}."


async def test_a_local_refusal_is_told_without_a_traceback(bot: Bot, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    order_id = await bot.buy("1", "NaN")
    await until(lambda: bot.names(order_id), "the strategy hears of it")
    assert not [record for record in caplog.records if record.exc_info]
