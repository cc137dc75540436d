"""F16: balances follow the private stream at once, and REST where the stream cannot."""

from decimal import Decimal
from typing import Any

import pytest

from backpack_connector.backpack_exchange import BackpackExchange
from backpack_connector.protocol.enums import OrderType, Side
from backpack_connector.protocol.streams import BALANCE_UPDATES
from backpack_connector.simulator.orders import NewOrder
from tests.spot.session import PAIR, SYMBOL, World, stays, until, world
from tests.spot.stream_double import UNAVAILABLE, late_answers


def place_elsewhere(here: World, price: str = "140", quantity: str = "2") -> None:
    """Let the account's owner place an order on the web site: it locks funds of which the connector knows nothing."""
    order = NewOrder(
        symbol=SYMBOL,
        side=Side.BID,
        order_type=OrderType.LIMIT,
        price=Decimal(price),
        quantity=Decimal(quantity),
        post_only=True,
    )
    here.publish(here.simulator.exchange.place(here.key, order))


def usdc(connector: BackpackExchange) -> "tuple[Decimal, Decimal]":
    """Return total and available USDC."""
    return connector.get_balance("USDC"), connector.get_available_balance("USDC")


async def test_balances_are_those_of_the_exchange() -> None:
    async with world() as here:
        here.fill_book()
        connector = await here.started(PAIR)
        truth = here.simulator.exchange.ledger.balances(here.key)
        assert connector.get_all_balances() == {asset: balance.total for asset, balance in truth.items()}
        assert connector.available_balances == {asset: balance.available for asset, balance in truth.items()}


async def test_f16_balance_update_is_used_at_once() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        asked = here.double.count("get_balances")
        place_elsewhere(here)
        await until(lambda: usdc(connector) == (Decimal(10_000), Decimal(9_720)))
        assert here.double.count("get_balances") == asked


async def test_f16_both_private_streams_are_subscribed_in_one_signed_frame() -> None:
    async with world(with_double=True) as here:
        await here.started()
        (frame,) = here.double.private.received
        assert frame["params"] == ["account.orderUpdate", "account.balanceUpdate"]
        assert frame["signature"][0] == here.key


async def test_f16_rest_is_the_fallback_when_the_stream_says_nothing() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        here.double.on_server_frame = lambda _, frame: [] if frame.get("stream") == BALANCE_UPDATES else [frame]
        place_elsewhere(here)
        await stays(lambda: usdc(connector) == (Decimal(10_000), Decimal(10_000)), for_s=0.1)
        await here.poll(connector)
        await until(lambda: usdc(connector) == (Decimal(10_000), Decimal(9_720)))


async def test_f16_rest_is_asked_after_the_private_stream_was_away() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        await here.double.private.close()
        await until(lambda: not connector.ready)
        place_elsewhere(here)
        await until(lambda: usdc(connector) == (Decimal(10_000), Decimal(9_720)))


async def test_f16_answer_that_was_asked_before_an_update_does_not_overwrite_it() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        answered, go = late_answers(here.double, "get_balances")
        await here.poll(connector)
        await answered.wait()
        place_elsewhere(here)
        await until(lambda: usdc(connector) == (Decimal(10_000), Decimal(9_720)))
        go.set()
        await here.heard(connector)
        await stays(lambda: usdc(connector) == (Decimal(10_000), Decimal(9_720)), for_s=0.1)


async def test_f16_poll_that_a_reconnect_asks_for_is_not_lost_in_a_running_one() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        answered, go = late_answers(here.double, "get_balances")
        await here.poll(connector)
        await answered.wait()
        await here.double.private.close()
        await until(lambda: not connector.ready)
        place_elsewhere(here)
        await until(lambda: connector.ready)
        go.set()
        await until(lambda: usdc(connector) == (Decimal(10_000), Decimal(9_720)))


async def test_f16_failing_balance_request_keeps_the_known_balances(caplog: pytest.LogCaptureFixture) -> None:
    async with world(with_double=True) as here:
        connector = await here.started()
        balances = connector.get_all_balances()
        here.double.answer("get_balances", UNAVAILABLE)
        await here.poll(connector)
        await until(lambda: "Failed to update balances" in caplog.text)
        assert connector.get_all_balances() == balances
        assert connector.ready


async def test_one_balance_update_is_not_yet_the_whole_account() -> None:
    async with world(with_double=True) as here:
        here.double.answer("get_balances", UNAVAILABLE)
        connector = here.connector()
        await connector.start_network()
        await until(lambda: connector.status_dict["user_stream_initialized"])
        here.fill_book()
        place_elsewhere(here)
        await until(lambda: "USDC" in connector.get_all_balances())
        assert not connector.status_dict["account_balance"]
        here.double.answer("get_balances", None)
        await here.poll(connector)
        await until(lambda: connector.ready)
        assert connector.get_balance("SOL") == 50


def _update(**fields: Any) -> "dict[str, Any]":
    data = {"e": "balanceUpdate", "E": 1, "T": 1, "a": "USDC", "A": "1", "L": "0", "S": "0", **fields}
    return {"stream": BALANCE_UPDATES, "data": {name: value for name, value in data.items() if value is not ...}}


BAD_UPDATES: "dict[str, Any]" = {
    "available is NaN": _update(A="NaN"),
    "available is text": _update(A="much"),
    "locked is infinite": _update(L="Infinity"),
    "staked missing": _update(S=...),
    "asset is a number": _update(a=5),
    "data is a list": {"stream": BALANCE_UPDATES, "data": []},
    "data is null": {"stream": BALANCE_UPDATES, "data": None},
}


@pytest.mark.parametrize("frame", BAD_UPDATES.values(), ids=BAD_UPDATES.keys())
async def test_bad_input_balance_update_is_skipped_with_a_sentence(
    frame: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        await here.double.private.send(frame)
        await until(lambda: f"A message of the private stream was skipped: {BALANCE_UPDATES}" in caplog.text)
        assert usdc(connector) == (Decimal(10_000), Decimal(10_000))
        place_elsewhere(here)
        await until(lambda: usdc(connector) == (Decimal(10_000), Decimal(9_720)))


async def test_balance_update_names_all_three_parts() -> None:
    async with world(with_double=True) as here:
        connector = await here.started()
        await here.double.private.send(_update(a="NEW", A="1.5", L="2", S="0.25"))
        await until(lambda: connector.get_balance("NEW") == Decimal("3.75"))
        assert connector.get_available_balance("NEW") == Decimal("1.5")
