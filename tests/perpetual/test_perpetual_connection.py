"""F09, F33, F34, F38, F41: requests, clock and private stream of the perpetual connector."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from backpack_connector.backpack_exchange import BackpackExchange
from backpack_connector.protocol.enums import Side
from backpack_connector.protocol.rate_limits import STANDARD_POOL
from backpack_connector.protocol.streams import POSITION_UPDATES
from tests.perpetual.session import PAIR, PerpetualWorld, perpetual_world, shown
from tests.perpetual.taken_over import about_perpetuals, picked_from, taken_from
from tests.spot import test_connection_clock, test_connection_network, test_connection_private
from tests.spot.session import until
from tests.spot.stream_double import HANG_UP, UNAVAILABLE, Reply, failure

globals().update(
    picked_from(
        test_connection_clock,
        "test_f34_first_signature_has_the_exchanges_time",
        "test_f34_nothing_is_signed_while_the_exchanges_time_is_unknown",
        "test_f34_expired_subscription_is_signed_again_with_the_exchanges_time",
    )
)
globals().update(
    taken_from(
        test_connection_network,
        but=(
            "test_f33_failing_query_costs_few_requests",  # other queries
            # No request depends on the kind of market here.
            "test_working_exchange_is_connected",
            "test_maintenance_is_not_connected_and_says_why",
            "test_failing_status_is_not_connected",
            "test_exchange_that_is_not_there_is_not_connected",
        ),
    )
)
globals().update(
    picked_from(
        test_connection_private,
        "test_f09_refused_stream_is_never_taken_for_a_working_one",
        "test_f09_error_frame_on_a_working_stream_makes_it_not_ready_until_it_works_again",
        "test_f09_account_is_asked_often_while_the_stream_is_refused",
        "test_f38_refused_private_stream_costs_few_connections",
    )
)


@pytest.fixture(autouse=True)
def _perpetual() -> Iterator[None]:
    with about_perpetuals(test_connection_clock, test_connection_network, test_connection_private):
        yield


# Failing queries

POLLED = ("get_account", "get_positions", "get_open_orders", "get_collateral")
"""What every poll asks, in this order."""
FAILURES = {"503": UNAVAILABLE, "cut": HANG_UP, "no JSON": Reply("no JSON")}


@pytest.mark.parametrize(
    "operation_id", [*POLLED, "get_markets", "get_depth", "get_mark_prices", "get_funding_payments"]
)
@pytest.mark.parametrize("reply", FAILURES.values(), ids=FAILURES.keys())
async def test_f33_failing_query_costs_few_requests(operation_id: str, reply: Reply) -> None:
    await test_connection_network.test_f33_failing_query_costs_few_requests(operation_id, reply)


@pytest.mark.parametrize("failing", POLLED)
@pytest.mark.parametrize(
    "reply",
    [UNAVAILABLE, Reply("no JSON"), Reply({"no": "such thing"}), failure(429, "TOO_MANY_REQUESTS", "slow down")],
)
async def test_f33_one_failing_query_is_asked_once_a_poll_and_stops_no_other(failing: str, reply: Reply) -> None:
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR)
        here.double.answer(failing, reply)
        seen = len(here.double.requests)
        for _ in range(2):
            await here.poll(connector)
            await here.heard(connector)
        counts = Counter(request.operation_id for request in here.double.requests[seen:])
        assert {name: counts[name] for name in POLLED} == dict.fromkeys(POLLED, 2)


async def test_f29_poll_costs_the_same_however_many_orders_and_positions_there_are() -> None:
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR)
        for number in range(30):
            here.order_elsewhere(Side.BID, str(100 + number), "0.1")
        for symbol, price in (("SOL_USDC_PERP", "150"), ("ETH_USDC_PERP", "2760"), ("BTC_USDC_PERP", "86700")):
            here.trade_elsewhere(Side.BID, price, "0.1", symbol=symbol)
        await until(lambda: len(connector.account_positions) == 3)
        seen = len(here.double.requests)
        await here.poll(connector)
        await here.heard(connector)
        asked = [request.operation_id for request in here.double.requests[seen:] if request.timestamp_ms]
        assert asked == list(POLLED)


async def test_f29_spot_and_perpetual_connector_of_one_account_share_the_limits() -> None:
    async with perpetual_world() as here:
        perpetual = here.connector(PAIR)
        spot = BackpackExchange(here.key, here.secret, trading_pairs=[PAIR], domain="backpack_simulator")
        for connector in (perpetual, spot):
            await connector.request("get_account")
        pools = [connector._throttler.pool(STANDARD_POOL) for connector in (perpetual, spot)]
        assert pools[0]._window is pools[1]._window
        assert pools[0].used >= 2


# Private stream


async def test_f09_private_streams_are_subscribed_in_one_signed_frame() -> None:
    async with perpetual_world(with_double=True) as here:
        await here.started()
        (frame,) = here.double.private.received
        assert frame["params"] == ["account.orderUpdate", "account.balanceUpdate", "account.positionUpdate"]
        assert frame["signature"][0] == here.key


async def test_f09_refused_subscription_is_not_ready_then_repeated_then_ready(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with perpetual_world(with_double=True) as here:
        here.fill_book()
        test_connection_private.refuse_private(here)
        connector = here.connector(PAIR)
        await connector.start_network()
        await until(lambda: test_connection_private.private_connections(here) >= 2)
        status = connector.status_dict
        assert not status.pop("user_stream_initialized")
        assert all(status.values())
        assert "Invalid signature" in caplog.text
        here.double.on_client_frame = None
        await until(lambda: connector.ready)
        await here.heard(connector)
        await position_is_heard(here, connector)


async def position_is_heard(here: PerpetualWorld, connector: Any) -> None:
    """Check that the stream works: a position that nobody asks for is known."""
    asked = here.double.count("get_positions")
    here.trade_elsewhere(Side.ASK, "150", "2")
    await until(lambda: shown(connector) == (-2, 150))
    assert here.double.count("get_positions") == asked


FRAMES: dict[str, Any] = {
    **test_connection_private.FRAMES,
    "positions are a list": {"stream": POSITION_UPDATES, "data": []},
    "half a position": {"stream": POSITION_UPDATES, "data": {"s": "SOL_USDC_PERP"}},
    "position is null": {"stream": POSITION_UPDATES, "data": None},
    "balance is null": {"stream": "account.balanceUpdate", "data": None},
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES.keys())
async def test_f41_listener_survives_any_frame(frame: Any) -> None:
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR)
        connections = test_connection_private.private_connections(here)
        await here.double.private.send(frame)
        await position_is_heard(here, connector)
        assert test_connection_private.private_connections(here) == connections
        assert connector.ready


async def test_f23_foreign_messages_do_not_hold_up_the_next_one() -> None:
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR)
        started_s = asyncio.get_running_loop().time()
        for _ in range(20):
            await here.double.private.send({"stream": POSITION_UPDATES, "data": "x"})
        await position_is_heard(here, connector)
        assert asyncio.get_running_loop().time() - started_s < 1.0
