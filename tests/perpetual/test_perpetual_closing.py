"""F02, F13: orders that close a position only ever close it, and what the exchange does to them is understood."""

from decimal import Decimal

import pytest
from hummingbot.core.data_type.common import OrderType, PositionAction
from hummingbot.core.data_type.in_flight_order import OrderState
from hummingbot.core.data_type.trade_fee import AddedToCostTradeFee, DeductedFromReturnsTradeFee, TokenAmount

from backpack_connector.protocol.enums import Side
from tests.perpetual.session import PAIR, shown
from tests.spot.exchange_double import answer
from tests.spot.people import Bot, Venue, until

FILLED = ["SellOrderCreated", "OrderFilled", "SellOrderCompleted"]
NOTHING_LEFT = {"code": "INVALID_ORDER", "message": "Reduce only order not reduced"}


async def hold_long(bot: Bot, venue: Venue, quantity: str = "2") -> str:
    """Let the bot open a long position at 150; return the order's id."""
    venue.place(Side.ASK, "150", quantity)
    order_id = await bot.buy(quantity, "150")
    await until(lambda: shown(bot.connector) == (Decimal(quantity), 150), "the position is there")
    await until(lambda: len(bot.names(order_id)) == 3, "the order is complete")
    return order_id


async def close(bot: Bot, quantity: str, price: str, order_type: OrderType = OrderType.LIMIT) -> str:
    return await bot.sell(quantity, price, order_type, position_action=PositionAction.CLOSE)


@pytest.mark.parametrize("order_type", [OrderType.LIMIT, OrderType.LIMIT_MAKER, OrderType.MARKET])
async def test_f02_only_orders_that_close_are_reduce_only(bot: Bot, venue: Venue, order_type: OrderType) -> None:
    await hold_long(bot, venue)
    venue.place(Side.BID, "149", "10")
    venue.place(Side.ASK, "152", "10")
    price = "NaN" if order_type is OrderType.MARKET else "151"
    order_id = await close(bot, "1", price, order_type)
    await until(lambda: bot.names(order_id), "the exchange has the order")
    fields = [call.fields for call in bot.double.requests("execute_order")]
    assert [row.get("reduceOnly", "absent") for row in fields] == ["absent", True]


@pytest.mark.parametrize("has_stream", [True, False], ids=["with stream", "without stream"])
async def test_f02_closing_more_than_there_is_closes_what_there_is(bot: Bot, venue: Venue, has_stream: bool) -> None:
    await hold_long(bot, venue, "2")
    venue.place(Side.BID, "149", "10")
    if not has_stream:
        bot.double.drop_frames()
    order_id = await close(bot, "5", "149")
    await until(lambda: len(bot.names(order_id)) >= 3, "the order is complete")
    assert bot.names(order_id) == FILLED
    assert bot.fills(order_id) == [(149, 2)]
    (completed,) = bot.of(order_id, "SellOrderCompleted")
    assert completed.base_asset_amount == 2
    assert venue.simulator.exchange.net_quantity(bot.account, venue.kind.symbol) == 0
    if has_stream:
        await until(lambda: shown(bot.connector) is None, "the position is closed")


async def test_f02_a_short_is_closed_by_buying(bot: Bot, venue: Venue) -> None:
    venue.place(Side.BID, "150", "2")
    opening = await bot.sell("2", "150")
    await until(lambda: shown(bot.connector) == (-2, 150), "the short is there")
    venue.place(Side.ASK, "151", "2")
    position = bot.connector.account_positions[PAIR]
    order_id = await bot.buy(str(abs(position.amount)), "151", position_action=PositionAction.CLOSE)
    await until(lambda: shown(bot.connector) is None, "the short is closed")
    assert bot.double.requests("execute_order")[-1].fields["side"] == "Bid"
    assert bot.fills(order_id) == [(151, 2)]
    assert bot.fills(opening) == [(150, 2)]


@pytest.mark.parametrize("action", [PositionAction.NIL, None])
async def test_f02_an_order_that_says_neither_is_refused_with_a_sentence(
    bot: Bot, action: PositionAction | None, caplog: pytest.LogCaptureFixture
) -> None:
    order_id = await bot.buy("1", "149", position_action=action)
    await until(lambda: bot.names(order_id), "the order has failed")
    assert bot.names(order_id) == ["OrderFailure"]
    (failure,) = bot.of(order_id, "OrderFailure")
    assert failure.error_message == "An order in a perpetual market must say whether it opens or closes a position."
    assert "Traceback" not in caplog.text
    assert bot.double.count("execute_order") == 0


# Nothing is left to close


async def test_f02_a_close_that_finds_nothing_is_cancelled_and_positions_are_asked(
    bot: Bot, caplog: pytest.LogCaptureFixture
) -> None:
    order_id = await close(bot, "1", "151")
    await until(lambda: bot.names(order_id), "the order has ended")
    assert bot.names(order_id) == ["OrderCancelled"]
    assert bot.order(order_id).current_state is OrderState.CANCELED
    await until(lambda: bot.double.count("get_positions"), "positions are asked")
    assert f"Order {order_id} had nothing to close in {PAIR}" in caplog.text
    assert "Traceback" not in caplog.text


async def test_f02_a_position_that_was_closed_unheard_is_gone_after_the_refusal(bot: Bot, venue: Venue) -> None:
    await hold_long(bot, venue)
    bot.double.drop_frames()
    venue.place(Side.BID, "149", "2")
    venue.place(Side.ASK, "149", "2", account=bot.account)
    assert shown(bot.connector) == (2, 150)
    order_id = await close(bot, "2", "151")
    await until(lambda: bot.names(order_id) == ["OrderCancelled"], "the order is cancelled")
    await until(lambda: shown(bot.connector) is None, "the position is gone")


async def test_other_refusals_of_a_close_are_failures(bot: Bot, venue: Venue) -> None:
    await hold_long(bot, venue)
    bot.double.script("execute_order", answer(400, {"code": "INVALID_PRICE", "message": "Price is too far"}))
    order_id = await close(bot, "1", "151")
    await until(lambda: bot.names(order_id), "the order has ended")
    assert bot.names(order_id) == ["OrderFailure"]


async def test_an_opening_order_that_is_refused_with_those_words_has_failed(bot: Bot) -> None:
    bot.double.script("execute_order", answer(400, NOTHING_LEFT))
    order_id = await bot.buy("1", "149")
    await until(lambda: bot.names(order_id), "the order has ended")
    assert bot.names(order_id) == ["OrderFailure"]


# A resting order is shrunk


@pytest.mark.parametrize("has_stream", [True, False], ids=["with stream", "without stream"])
async def test_f02_a_resting_close_that_the_exchange_shrinks_completes_with_less(
    bot: Bot, venue: Venue, has_stream: bool
) -> None:
    await hold_long(bot, venue, "3")
    order_id = await close(bot, "3", "151")
    await until(lambda: bot.names(order_id) == ["SellOrderCreated"], "the order rests")
    if not has_stream:
        bot.double.drop_frames()
    venue.place(Side.BID, "149", "2")
    venue.place(Side.ASK, "149", "2", account=bot.account)  # the owner sells two of three
    if has_stream:
        await until(lambda: bot.order(order_id).amount == 1, "the order is cut")
    else:
        await bot.poll()
        assert bot.order(order_id).amount == 1
    venue.place(Side.BID, "151", "1")
    if not has_stream:
        await bot.poll()
    await until(lambda: len(bot.names(order_id)) >= 3, "the order is complete")
    assert bot.names(order_id) == FILLED
    (completed,) = bot.of(order_id, "SellOrderCompleted")
    assert completed.base_asset_amount == 1
    assert completed.quote_asset_amount == 151


async def test_f02_a_partly_filled_close_that_is_shrunk_to_its_fills_completes(bot: Bot, venue: Venue) -> None:
    await hold_long(bot, venue, "3")
    order_id = await close(bot, "3", "151")
    await until(lambda: bot.names(order_id) == ["SellOrderCreated"], "the order rests")
    venue.place(Side.BID, "151", "2")
    await until(lambda: bot.fills(order_id) == [(151, 2)], "two are sold")
    data = bot.double.order_events(str(bot.order(order_id).exchange_order_id))[-1]
    event = {"e": "orderModified", "X": "Filled", "q": "2", "l": None, "L": None, "n": None, "N": None, "m": None}
    await bot.double.push_order_event(data, **event, T=data["T"] + 1, E=data["E"] + 1)
    await until(lambda: len(bot.names(order_id)) == 3, "the order is complete")
    assert bot.names(order_id) == FILLED


async def test_f02_a_resting_close_whose_position_vanishes_is_cancelled_with_the_reason(
    bot: Bot, venue: Venue, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    await hold_long(bot, venue, "2")
    order_id = await close(bot, "2", "151")
    await until(lambda: bot.names(order_id) == ["SellOrderCreated"], "the order rests")
    venue.place(Side.BID, "149", "2")
    venue.place(Side.ASK, "149", "2", account=bot.account)
    await until(lambda: len(bot.names(order_id)) == 2, "the order has ended")
    assert bot.names(order_id) == ["SellOrderCreated", "OrderCancelled"]
    assert "ReduceOnlyNotReduced" in caplog.text


# Fees of fills


@pytest.mark.parametrize("has_stream", [True, False], ids=["stream", "rest"])
@pytest.mark.parametrize("is_maker", [True, False], ids=["maker", "taker"])
@pytest.mark.parametrize("action", [PositionAction.OPEN, PositionAction.CLOSE])
async def test_f13_fee_of_a_fill_is_in_usdc_and_of_the_class_of_its_action(
    bot: Bot, venue: Venue, action: PositionAction, is_maker: bool, has_stream: bool
) -> None:
    if action is PositionAction.CLOSE:
        venue.place(Side.BID, "150", "1")
        opening = await bot.sell("1", "150")
        await until(lambda: len(bot.names(opening)) == 3, "the short is there")
    if not has_stream:
        bot.double.drop_frames()
    if not is_maker:
        venue.place(Side.ASK, "149", "1")
    order_id = await bot.buy("1", "149", position_action=action)
    if is_maker:
        await until(lambda: bot.names(order_id), "the order rests")
        venue.place(Side.ASK, "149", "1")
        if not has_stream:
            await bot.poll()
    await until(lambda: bot.of(order_id, "OrderFilled"), "the fill is told")
    (event,) = bot.of(order_id, "OrderFilled")
    fee = Decimal("0.0298") if is_maker else Decimal("0.0745")
    kind = AddedToCostTradeFee if action is PositionAction.OPEN else DeductedFromReturnsTradeFee
    assert type(event.trade_fee) is kind
    assert event.trade_fee.flat_fees == [TokenAmount("USDC", fee)]
    assert event.trading_pair == PAIR
    assert event.position == action.value
    assert event.leverage == 10
    trade = next(iter(bot.order(order_id).order_fills.values()))
    assert trade.is_taker is not is_maker


async def test_f13_a_rebate_of_a_perpetual_fill_is_negative(bot: Bot, venue: Venue) -> None:
    account = venue.simulator.exchange.open_account(bot.account)
    account.futures_maker_fee_bps = Decimal(-1)
    order = await bot.open_buy("2", "149")
    venue.place(Side.ASK, "149", "2")
    await until(lambda: bot.of(order.client_order_id, "OrderFilled"), "the fill is told")
    (event,) = bot.of(order.client_order_id, "OrderFilled")
    assert event.trade_fee.flat_fees == [TokenAmount("USDC", Decimal("-0.0298"))]
