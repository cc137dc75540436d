"""F26b: neither key nor secret in any log line at DEBUG during a whole session, nor in what objects say."""

import base64
import logging
from decimal import Decimal

import pytest
from hummingbot.core.data_type.common import OrderType

from tests.spot.session import PAIR, World, until, world
from tests.spot.stream_double import HANG_UP, UNAVAILABLE, Reply, error_frame, failure


def spellings(here: World) -> "list[str]":
    """Return every text that would give a key away."""
    raw_key, raw_secret = base64.b64decode(here.key), base64.b64decode(here.secret)
    return [here.key, here.secret, raw_key.hex(), raw_secret.hex(), here.secret[:20], here.key[:20], repr(raw_key)]


async def live_a_whole_session(here: World) -> None:
    """Trade, fail and recover in all the ways that write something."""
    here.fill_book()
    connector = await here.started(PAIR)
    connector.buy(PAIR, Decimal(1), OrderType.LIMIT, Decimal("150.01"))
    order_id = connector.sell(PAIR, Decimal(1), OrderType.LIMIT, Decimal(160))
    await until(lambda: here.double.count("execute_order") == 2)
    await until(lambda: connector.in_flight_orders[order_id].exchange_order_id)
    await connector.cancel_all(2.0)
    refusals = [
        failure(400, "INVALID_CLIENT_REQUEST", "Invalid signature"),
        failure(401, "UNAUTHORIZED", "Unauthorized"),
        failure(400, "INVALID_CLIENT_REQUEST", "Request has expired"),
        UNAVAILABLE,
        HANG_UP,
        Reply("no JSON"),
    ]
    for refusal in refusals:
        here.double.answer_once("execute_order", refusal)
        connector.buy(PAIR, Decimal(1), OrderType.LIMIT, Decimal(140))
        here.double.answer_once("get_balances", refusal)
        here.double.answer_once("get_open_orders", refusal)
        asked = here.double.count("get_balances")
        await here.poll(connector)
        await until(lambda asked=asked: here.double.count("get_balances") > asked)
    await until(lambda: connector.ready)  # a refused key costs the connection
    await here.double.private.send(error_frame())
    await until(lambda: not connector.ready)
    await until(lambda: connector.ready)
    await here.double.private.send("not JSON")
    await connector.stop_network()


async def test_f26b_whole_session_at_debug_shows_no_key(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    async with world(with_double=True) as here:
        await live_a_whole_session(here)
        printed = capsys.readouterr()
        everything = caplog.text + printed.out + printed.err
        assert "Unexpected error" not in caplog.text
        assert "Unhandled error" not in caplog.text
        assert len(caplog.records) > 20
        assert [text for text in spellings(here) if text in everything] == []
        arguments = repr([(record.msg, record.args) for record in caplog.records])
        assert [text for text in spellings(here) if text in arguments] == []


async def test_f26b_objects_do_not_show_keys() -> None:
    async with world() as here:
        connector = here.connector(PAIR)
        auth = connector.authenticator
        shown = [repr(connector), str(connector), repr(auth), repr(auth._credentials), str(auth._credentials)]
        shown += [repr(connector._throttler), repr(vars(auth)), repr(connector.tracking_states)]
        assert [text for text in spellings(here) if any(text in one for one in shown)] == []
