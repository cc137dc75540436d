"""The options of an order through the connector: what reaches the exchange, and what an order with them becomes."""

import logging
from decimal import Decimal

import pytest
from hummingbot.core.data_type.common import PositionAction
from hummingbot.core.data_type.in_flight_order import OrderState

from backpack_connector.protocol.enums import SelfTradePrevention, Side
from tests.spot.conftest import StartBot
from tests.spot.people import Bot, Venue, remembered_updates, until


async def test_options_reach_the_exchange(bot: Bot) -> None:
    order_id = await bot.buy("1", "149", self_trade_prevention="RejectBoth", auto_borrow=False)
    await until(lambda: bot.names(order_id) == ["BuyOrderCreated"], "the order rests")
    (call,) = bot.double.requests("execute_order")
    assert call.fields == {
        "autoBorrow": False, "clientId": int(order_id), "orderType": "Limit", "price": "149", "quantity": "1",
        "selfTradePrevention": "RejectBoth", "side": "Bid", "symbol": "SOL_USDC", "timeInForce": "GTC",
    }  # fmt: skip
    assert bot.truth()[0].self_trade_prevention is SelfTradePrevention.REJECT_BOTH
    assert not bot.connector._controls


async def test_defaults_reach_the_exchange_and_options_win(
    start_bot: StartBot, venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKPACK_SELF_TRADE_PREVENTION", "RejectMaker")
    bot = await start_bot()
    resting = await bot.open_buy("1", "150")
    taker = await bot.sell("1", "150")
    await until(lambda: resting.is_done, "the resting order gave way")
    assert resting.is_cancelled
    assert bot.order(taker).is_open
    other = await bot.buy("1", "150", self_trade_prevention="RejectTaker")
    await until(lambda: bot.order(other).is_done, "the incoming order gave way")
    assert bot.order(taker).is_open


@pytest.mark.parametrize(("word", "executed", "reason"), [("IOC", 1, "ImmediateOrCancel"), ("FOK", 0, "FillOrKill")])
@pytest.mark.parametrize("has_stream", [True, False], ids=["with stream", "without stream"])
async def test_an_order_that_may_not_rest_ends_with_its_reason(
    bot: Bot, venue: Venue, word: str, executed: int, reason: str, has_stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    updates = remembered_updates(bot, monkeypatch)
    venue.place(Side.ASK, "150", "1")
    if not has_stream:
        bot.double.drop_frames()
    order_id = await bot.buy("3", "150", time_in_force=word)
    await until(lambda: bot.order(order_id).is_done, "the order is done")
    await bot.rest()
    assert bot.names(order_id) == ["BuyOrderCreated", *["OrderFilled"] * executed, "OrderCancelled"]
    assert bot.order(order_id).executed_amount_base == executed
    end = next(update for update in updates if update.new_state is OrderState.CANCELED)
    assert (end.misc_updates or {})["expiry_reason"] == reason


async def test_an_order_with_a_bad_option_fails_once_and_is_not_sent(
    bot: Bot, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    order_id = await bot.buy("1", "149", stop_loss=140)
    await until(lambda: bot.names(order_id), "the strategy hears of it")
    assert bot.names(order_id) == ["OrderFailure"]
    (failure,) = bot.of(order_id, "OrderFailure")
    assert failure.error_message == "There is no order option stop_loss; use stop_loss_trigger_price."
    assert failure.error_type == "ConfigurationError"
    assert bot.double.count("execute_order") == 0
    assert not bot.connector.in_flight_orders
    assert not bot.connector._controls
    assert not [record for record in caplog.records if record.exc_info]


async def test_an_option_of_nobody_is_told_once_and_changes_nothing(bot: Bot, caplog: pytest.LogCaptureFixture) -> None:
    for price in ("148", "149"):
        order_id = await bot.buy("1", price, colour="blue", position_action=PositionAction.OPEN, expiration_ts=1.0)
        await until(lambda order_id=order_id: bot.names(order_id) == ["BuyOrderCreated"], "the order rests")
    told = [record.getMessage() for record in caplog.records if "have no effect" in record.getMessage()]
    assert told == ["Orders come with options that are not known here and have no effect: colour."]


async def test_prices_of_options_are_cut_to_the_tick(bot: Bot) -> None:
    await bot.buy("1", "149", take_profit_trigger_price=160.009, take_profit_limit_price="159.999")
    await until(lambda: bot.double.count("execute_order"), "the order is sent")
    fields = bot.double.requests("execute_order")[0].fields
    assert (fields["takeProfitTriggerPrice"], fields["takeProfitLimitPrice"]) == ("160", "159.99")


@pytest.mark.parametrize("choice", [True, False])
async def test_f15_an_order_that_says_whether_to_redeem_is_believed(bot: Bot, choice: bool) -> None:
    bot.connector._spot_balances._lent["USDC"] = Decimal(10**9)
    await bot.buy("100000", "149", auto_lend_redeem=choice)
    await bot.buy("100000", "149")
    await until(lambda: bot.double.count("execute_order") == 2, "both are sent")
    assert [call.fields["autoLendRedeem"] for call in bot.double.requests("execute_order")] == [choice, True]


async def test_an_unwritable_option_harms_only_its_own_order(bot: Bot) -> None:
    first, second = await bot.buy("1", "149", trigger_price=object()), await bot.buy("1", "148")
    await until(lambda: bot.names(first) == ["OrderFailure"] and bot.names(second), "both are settled")
    assert bot.names(second) == ["BuyOrderCreated"]
    assert [call.fields["clientId"] for call in bot.double.requests("execute_order")] == [int(second)]
