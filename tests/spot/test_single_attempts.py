"""Each request is sent once, on a real socket: aiohttp repeats nothing that the request pools would not count (F29)."""

import asyncio
from decimal import Decimal

import pytest
from aiohttp import web
from hummingbot.core.data_type.common import OrderType
from hummingbot.core.network_iterator import NetworkStatus

from backpack_connector import backpack_web_utils
from backpack_connector.protocol.errors import NoAnswer
from backpack_connector.protocol.rate_limits import STANDARD_POOL
from tests.spot.session import PAIR, until, world
from tests.spot.stream_double import HANG_UP, Reply

pytestmark = pytest.mark.usefixtures("each_way_of_requests")


async def test_f29_cancel_whose_connection_is_lost_is_sent_once() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        order_id = connector.buy(PAIR, Decimal(1), OrderType.LIMIT, Decimal(140))
        await until(lambda: order_id in connector.in_flight_orders and connector.in_flight_orders[order_id].is_open)
        await until(lambda: connector.in_flight_orders[order_id].exchange_order_id is not None)
        here.double.answer("cancel_order", HANG_UP)
        assert await connector._execute_cancel(PAIR, order_id) is None
        assert here.double.count("cancel_order") == 1


async def test_f29_question_whose_connection_is_lost_is_asked_twice_and_counted_twice() -> None:
    async with world(with_double=True) as here:
        connector = await here.started()
        pool = connector._throttler.pool(STANDARD_POOL)
        here.double.answer_once("get_status", HANG_UP)
        asked, counted = here.double.count("get_status"), pool.used
        assert await connector.check_network() is NetworkStatus.CONNECTED
        assert here.double.count("get_status") - asked == 2
        assert pool.used - counted == 2


async def test_f29_question_is_not_asked_a_third_time() -> None:
    async with world(with_double=True) as here:
        connector = await here.started()
        here.double.answer("get_status", HANG_UP)
        asked = here.double.count("get_status")
        with pytest.raises(NoAnswer):
            await connector.request("get_status")
        assert here.double.count("get_status") - asked == 2


async def test_answer_that_leads_elsewhere_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    followed = []

    async def elsewhere(request: web.Request) -> web.Response:
        followed.append(request.headers)
        return web.Response()

    runner = web.AppRunner(_application(elsewhere))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        async with world(with_double=True) as here:
            connector = await here.started()
            here.double.answer("get_balances", Reply("moved", status=307, headers={"Location": url}))
            await connector._update_all_balances()
            await until(lambda: here.double.count("get_balances") >= 2)
    finally:
        await runner.cleanup()
    assert followed == [], "a signature must not be carried to another host"


def _application(handler: object) -> web.Application:
    application = web.Application()
    application.router.add_get("/", handler)  # type: ignore[arg-type]
    return application


async def test_f38_handshake_that_is_not_answered_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backpack_web_utils, "CONNECT_TIMEOUT_S", 0.1)
    async with world(with_double=True) as here:
        here.double.is_deaf = True
        connector = here.connector(PAIR)
        await connector.start_network()
        await until(lambda: len(here.double.connections) >= 4, limit_s=3.0)
        here.double.is_deaf = False
        here.fill_book()
        await until(lambda: connector.ready)
        assert asyncio.get_running_loop().is_running()
