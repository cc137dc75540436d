"""F26b: neither key nor secret in any log line at DEBUG during a whole session with positions, funding and refusals."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from unittest import mock

import pytest
from hummingbot.core.data_type.common import OrderType, PositionAction

from backpack_connector.protocol.enums import Side
from tests.perpetual.session import PAIR, SYMBOL, PerpetualWorld, shown
from tests.perpetual.taken_over import about_perpetuals, taken_from
from tests.spot import test_keys_are_not_shown
from tests.spot.session import until
from tests.spot.stream_double import HANG_UP, UNAVAILABLE, Reply, error_frame, failure

globals().update(
    taken_from(test_keys_are_not_shown, but=("live_a_whole_session",))  # this connector has a session of its own
)

REFUSALS = (
    failure(400, "INVALID_CLIENT_REQUEST", "Invalid signature"),
    failure(401, "UNAUTHORIZED", "Unauthorized"),
    failure(400, "INVALID_CLIENT_REQUEST", "Request has expired"),
    UNAVAILABLE,
    HANG_UP,
    Reply("no JSON"),
)
ASKED = ("get_account", "get_positions", "get_open_orders", "get_collateral", "get_funding_payments")


def order(connector: Any, amount: str, price: str, action: PositionAction = PositionAction.OPEN) -> str:
    place = connector.buy if action is PositionAction.OPEN else connector.sell
    return str(place(PAIR, Decimal(amount), OrderType.LIMIT, Decimal(price), position_action=action))


async def live_a_whole_session(here: PerpetualWorld) -> None:
    """Trade, fail and recover in all the ways that write something."""
    here.fill_book()
    connector = await here.started(PAIR)
    order(connector, "1", "150.01")
    await until(lambda: shown(connector))
    connector.set_leverage(PAIR, 20)
    connector.set_leverage(PAIR, 0)
    await until(lambda: connector.get_leverage(PAIR) == 20)
    closing = order(connector, "1", "160", PositionAction.CLOSE)
    await until(lambda: connector.in_flight_orders.get(closing) and connector.in_flight_orders[closing].is_open)
    here.trade_elsewhere(Side.ASK, "149.99", "1")
    await until(lambda: not connector.in_flight_orders)
    order(connector, "1", "160", PositionAction.CLOSE)  # nothing is left to close
    order(connector, "100000", "140")  # more than the margin allows
    await until(lambda: here.double.count("execute_order") == 4)
    await connector.cancel_all(2.0)
    for refusal in REFUSALS:
        here.double.answer_once("execute_order", refusal)
        order(connector, "1", "140")
        for operation in ASKED:
            here.double.answer_once(operation, refusal)
        here.double.answer_once("update_account_settings", refusal)
        await connector._set_trading_pair_leverage(PAIR, 10)
        connector._funding_fee_poll_notifier.set()
        asked = here.double.count("get_collateral")
        await here.poll(connector)
        await until(lambda asked=asked: here.double.count("get_collateral") > asked)
    here.simulator.advance_clock(3_600)
    connector._funding_fee_poll_notifier.set()
    await until(lambda: connector.ready)  # a refused key costs the connection
    await here.double.private.send(error_frame())
    await until(lambda: not connector.ready)
    await until(lambda: connector.ready)
    await here.double.private.send("not JSON")
    await here.double.private.send({"stream": "account.positionUpdate", "data": {"s": SYMBOL}})
    await connector.stop_network()


@pytest.fixture(autouse=True)
def _perpetual() -> Iterator[None]:
    with (
        about_perpetuals(test_keys_are_not_shown),
        mock.patch.object(test_keys_are_not_shown, "live_a_whole_session", live_a_whole_session),
    ):
        yield
