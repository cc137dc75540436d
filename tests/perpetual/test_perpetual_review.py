"""What a review of the perpetual connector found: readiness, races of the leverage, prices of zero, and leaks."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from hummingbot.core.data_type.common import OrderType, PositionAction
from hummingbot.core.event.events import MarketEvent

from backpack_connector.protocol.enums import Side
from backpack_connector.protocol.messages import PositionUpdate, parse_message
from backpack_connector.protocol.streams import mark_price_stream
from tests.perpetual.session import OTHER_PAIR, OTHER_SYMBOL, PAIR, SYMBOL, perpetual_world, shown
from tests.perpetual.test_perpetual_positions import SOON_US, mute_positions, position_frame
from tests.spot.session import events_of, until
from tests.spot.stream_double import UNAVAILABLE, Reply, Seen


@pytest.mark.parametrize("operation", ["get_positions", "get_account"])
async def test_f45_not_ready_while_positions_or_leverage_are_unknown(operation: str) -> None:
    async with perpetual_world(with_double=True) as here:
        here.fill_book()
        here.trade_elsewhere(Side.BID, "150", "3")
        mute_positions(here)  # the first messages of the stream may come late
        here.double.answer(operation, UNAVAILABLE)
        connector = here.connector(PAIR)
        await connector.start_network()
        # The conformance suite knows all keys of the status, so this one stands for all of the account.
        await until(
            lambda: [key for key, is_well in connector.status_dict.items() if not is_well] == ["account_balance"]
        )
        await until(lambda: connector._balances_received)
        assert not connector.ready

        asked = here.double.count(operation)
        await until(lambda: here.double.count(operation) > asked)  # without waiting for the clock's next poll
        here.double.answer(operation, None)
        await until(lambda: connector.ready)
        assert shown(connector) == (Decimal(3), Decimal(150))
        assert connector.get_leverage(PAIR) == 10


async def test_f37_instance_without_trading_needs_no_account_to_be_ready() -> None:
    async with perpetual_world() as here:
        connector = here.connector(PAIR, trading_required=False, backpack_api_key="", backpack_api_secret="")
        await connector.start_network()
        await until(lambda: connector.ready)


async def test_f22_answer_that_is_older_than_the_leverage_just_set_changes_nothing() -> None:
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR)
        has_answered, may_arrive = asyncio.Event(), asyncio.Event()

        async def late(seen: Seen) -> Reply:
            status, body = await here.double.ask_simulator(seen)
            has_answered.set()
            await may_arrive.wait()
            return Reply(body, status)

        here.double.answer("get_account", late)
        await here.poll(connector)
        await has_answered.wait()
        connector.set_leverage(PAIR, 3)
        await until(lambda: connector.get_leverage(PAIR) == 3)
        may_arrive.set()
        await here._has_polled(connector)
        assert connector.get_leverage(PAIR) == 3

        here.double.answer("get_account", None)
        here.simulator.exchange.set_leverage_limit(here.key, Decimal(7))
        await here.poll(connector)
        await until(lambda: connector.get_leverage(PAIR) == 7)


@pytest.mark.parametrize("order_type", [OrderType.LIMIT_MAKER])
async def test_refused_orders_leave_nothing_behind(order_type: OrderType) -> None:
    async with perpetual_world() as here:
        here.fill_book()
        connector = await here.started(PAIR)
        failures = events_of(connector, MarketEvent.OrderFailure)
        for _ in range(3):  # each would match at once
            connector.buy(PAIR, Decimal(1), order_type, Decimal("150.02"), position_action=PositionAction.OPEN)
        await until(lambda: len(failures.event_log) == 3)
        assert not connector._request_ended_at


def mark_frame(mark_price: str) -> dict[str, Any]:
    data = {"e": "markPrice", "E": SOON_US, "T": SOON_US, "s": SYMBOL, "p": mark_price}
    return {"stream": mark_price_stream(SYMBOL), "data": data}


async def test_mark_price_of_zero_is_no_loss_of_the_whole_position() -> None:
    async with perpetual_world() as here:
        here.fill_book()
        connector = await here.started(PAIR)
        here.trade_elsewhere(Side.BID, "150", "3")
        await until(lambda: shown(connector))
        before = connector.account_positions[PAIR].unrealized_pnl, connector.get_available_balance("USDC")
        await connector.stop_network()  # nothing else is to move

        connector.on_mark_price(parse_message(mark_frame("0")))
        assert (connector.account_positions[PAIR].unrealized_pnl, connector.get_available_balance("USDC")) == before

        message = parse_message(position_frame(q="3", Q="3", M="0"))
        assert isinstance(message, PositionUpdate)
        connector._on_position_message(message)
        assert (connector.account_positions[PAIR].unrealized_pnl, connector.get_available_balance("USDC")) == before


async def test_listed_mark_price_of_zero_is_no_loss_of_the_whole_position() -> None:
    async with perpetual_world(with_double=True) as here:
        here.trade_elsewhere(Side.BID, "150", "3")
        here.double.alter("get_positions", lambda rows: [{**row, "markPrice": "0"} for row in rows])
        here.double.on_server_frame = lambda _, frame: []  # only lists tell of prices
        connector = here.connector(PAIR)
        await connector.start_network()
        for _ in range(2):
            await until(lambda: shown(connector))
            assert abs(connector.account_positions[PAIR].unrealized_pnl) < 5
            await until(lambda: connector._margin._market(SYMBOL).mark_price is not None)
            await until(lambda: connector._balances_received)
            assert abs(connector._margin._market(SYMBOL).unrealized) < 5
            assert abs(connector.get_available_balance("USDC") - here.margin("netEquityAvailable")) < 5
            await here.poll(connector)
            await here._has_polled(connector)


async def test_mark_price_of_a_position_is_followed_again_when_its_pair_is_not_traded_any_longer() -> None:
    async with perpetual_world() as here:
        connector = await here.started(PAIR)
        price = here.simulator.exchange.markets[OTHER_SYMBOL].mark_price.quantize(Decimal(1))
        here.trade_elsewhere(Side.BID, str(price), "1", symbol=OTHER_SYMBOL)
        wanted = (None, mark_price_stream(OTHER_SYMBOL))
        await until(lambda: here.simulator.hub.is_wanted(wanted))
        assert await connector.add_trading_pair(OTHER_PAIR)
        await asyncio.sleep(0)  # Hummingbot leaves the task of a book unawaited that is cancelled before it starts
        assert await connector.remove_trading_pair(OTHER_PAIR)
        await until(lambda: not here.simulator.hub.is_wanted(wanted))
        await here.poll(connector)
        await until(lambda: here.simulator.hub.is_wanted(wanted))
