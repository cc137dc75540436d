"""F22: one leverage limit for the whole account, as the exchange has it."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from hummingbot.core.data_type.common import OrderType, PositionAction, PositionMode

from backpack_connector.protocol.enums import Side
from backpack_perpetual_connector import backpack_perpetual_derivative as derivative_module
from tests.perpetual.session import OTHER_PAIR, PAIR, PerpetualWorld, perpetual_world, shown
from tests.spot.session import until
from tests.spot.stream_double import UNAVAILABLE

WARNING = "one leverage limit for the whole account"


def limit(here: PerpetualWorld) -> Decimal:
    """Return the leverage limit that the exchange has."""
    return here.simulator.exchange.open_account(here.key).leverage_limit


async def test_f22_leverage_is_the_accounts_for_every_pair_before_anybody_sets_it() -> None:
    async with perpetual_world() as here:
        here.simulator.exchange.open_account(here.key).leverage_limit = Decimal(7)
        connector = await here.started(PAIR, OTHER_PAIR)
        assert [connector.get_leverage(pair) for pair in (PAIR, OTHER_PAIR, "BTC-USDC")] == [7, 7, 7]


async def test_f22_setting_it_for_one_pair_sets_the_accounts_with_one_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR, OTHER_PAIR)
        connector.set_leverage(PAIR, 5)
        await until(lambda: f"Leverage for {PAIR} successfully set to 5." in caplog.text)
        connector.set_leverage(OTHER_PAIR, 4)
        await until(lambda: f"Leverage for {OTHER_PAIR} successfully set to 4." in caplog.text)
        assert limit(here) == 4
        assert [connector.get_leverage(pair) for pair in (PAIR, OTHER_PAIR)] == [4, 4]
        assert [request.body for request in here.double.seen("update_account_settings")] == [
            {"leverageLimit": "5"},
            {"leverageLimit": "4"},
        ]
        assert caplog.text.count(WARNING) == 1


async def test_f22_refusal_leaves_the_leverage_and_says_why() -> None:
    async with perpetual_world() as here:
        connector = await here.started(PAIR)
        here.trade_elsewhere(Side.BID, "150", "2000")  # needs a leverage of nearly 8
        await until(lambda: shown(connector))
        is_set, message = await connector._set_trading_pair_leverage(PAIR, 2)
        assert not is_set
        assert "Leverage limit is too low for open positions and orders (400, INSUFFICIENT_MARGIN)" in message
        assert limit(here) == connector.get_leverage(PAIR) == 10


@pytest.mark.parametrize("leverage", [0, -3])
async def test_bad_input_leverage_below_one_is_refused_here(leverage: int) -> None:
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR)
        answer = await connector._set_trading_pair_leverage(PAIR, leverage)
        assert answer == (False, f"Leverage must be at least 1, not {leverage}.")
        assert here.double.count("update_account_settings") == 0


def do_but_fail(here: PerpetualWorld) -> Any:
    async def script(seen: Any) -> Any:
        await here.double.ask_simulator(seen)
        return UNAVAILABLE

    return script


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(derivative_module, "FIRST_LEVERAGE_PAUSE_S", 0.05)


async def test_f22_limit_that_was_set_without_an_answer_is_asked_for_and_a_success(short_pauses: None) -> None:
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR)
        here.double.answer("update_account_settings", do_but_fail(here))
        assert await connector._set_trading_pair_leverage(PAIR, 5) == (True, "")
        assert limit(here) == connector.get_leverage(PAIR) == 5
        assert here.double.count("update_account_settings") == 1


async def test_f22_limit_that_was_not_set_without_an_answer_is_no_success(short_pauses: None) -> None:
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR)
        here.double.answer("update_account_settings", UNAVAILABLE)
        asked = here.double.count("get_account")
        is_set, message = await connector._set_trading_pair_leverage(PAIR, 5)
        assert not is_set
        assert "the limit still is 10" in message
        assert connector.get_leverage(PAIR) == 10
        assert here.double.count("get_account") - asked == 4, "the request may have been on its way"


async def test_f22_limit_that_is_set_a_moment_after_the_lost_answer_is_a_success(short_pauses: None) -> None:
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR)
        here.double.answer("update_account_settings", UNAVAILABLE)
        asked = here.double.count("get_account")
        setting = asyncio.ensure_future(connector._set_trading_pair_leverage(PAIR, 5))
        await until(lambda: here.double.count("get_account") > asked)
        here.simulator.exchange.set_leverage_limit(here.key, Decimal(5))
        assert await setting == (True, "")


async def test_f22_limit_that_cannot_be_asked_for_is_no_success_and_the_next_poll_tells(short_pauses: None) -> None:
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR)
        here.double.answer("update_account_settings", do_but_fail(here))
        here.double.answer("get_account", UNAVAILABLE)
        is_set, message = await connector._set_trading_pair_leverage(PAIR, 5)
        assert not is_set
        assert "nor is it known whether the limit was set" in message
        assert limit(here) == 5
        here.double.answer("get_account", None)
        await here.poll(connector)
        await until(lambda: connector.get_leverage(PAIR) == 5)


async def test_f22_change_on_the_web_site_is_noticed_at_the_next_poll(caplog: pytest.LogCaptureFixture) -> None:
    async with perpetual_world() as here:
        connector = await here.started(PAIR, OTHER_PAIR)
        here.trade_elsewhere(Side.BID, "150", "10")
        await until(lambda: shown(connector))
        available = connector.get_available_balance("USDC")
        here.simulator.exchange.set_leverage_limit(here.key, Decimal(3))
        await here.poll(connector)
        await until(lambda: connector.get_leverage(PAIR) == 3)
        assert connector.get_leverage(OTHER_PAIR) == 3
        assert "The leverage limit of the account is 3 now; it was 10." in caplog.text
        await until(lambda: connector.account_positions[PAIR].leverage == 3)
        await until(lambda: connector.get_available_balance("USDC") == available - 350)  # 1500 / 3 - 1500 / 10
        assert connector.get_available_balance("USDC") == here.margin("netEquityAvailable")


async def test_f22_orders_and_positions_carry_the_accounts_leverage() -> None:
    async with perpetual_world() as here:
        here.simulator.exchange.open_account(here.key).leverage_limit = Decimal(7)
        connector = await here.started(PAIR)
        here.rest(Side.ASK, "150", "1")
        order_id = connector.buy(PAIR, Decimal(1), OrderType.LIMIT, Decimal(150), position_action=PositionAction.OPEN)
        await until(lambda: shown(connector))
        assert connector.account_positions[PAIR].leverage == 7
        assert connector.order_tracker.fillable_order(order_id).leverage == 7


# Position mode


async def test_parity_hedge_is_refused_with_a_sentence(caplog: pytest.LogCaptureFixture) -> None:
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR)
        requests = len(here.double.requests)
        connector.set_position_mode(PositionMode.HEDGE)
        assert f"Position mode {PositionMode.HEDGE} is not supported. Mode not set." in caplog.text
        assert connector.supported_position_modes() == [PositionMode.ONEWAY]
        assert connector.position_mode is PositionMode.ONEWAY
        answer = await connector._trading_pair_position_mode_set(PositionMode.HEDGE, PAIR)
        assert answer == (False, "Backpack has one-way positions only.")
        assert await connector._trading_pair_position_mode_set(PositionMode.ONEWAY, PAIR) == (True, "")
        assert len(here.double.requests) == requests
