"""F37: an instance that does not trade needs no keys, and becomes ready."""

import pytest

from tests.spot.session import PAIR, SYMBOL, book_of, stays, until, world
from tests.spot.stream_double import UNAVAILABLE

NO_KEYS = {"backpack_api_key": "", "backpack_api_secret": "", "trading_required": False}


@pytest.mark.parametrize("pairs", [[PAIR], []], ids=["with pairs", "without pairs"])
async def test_f37_instance_without_keys_becomes_ready(pairs: "list[str]") -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(*pairs, **NO_KEYS)
        assert all(connector.status_dict.values())
        if pairs:
            assert book_of(connector) == here.book()
        assert await connector.exchange_symbol_associated_to_pair(PAIR) == SYMBOL
        assert not any(seen.timestamp_ms for seen in here.double.requests), "nothing is signed"
        assert not any(connection.is_private for connection in here.double.connections)


async def test_f37_failing_market_list_does_not_keep_it_from_becoming_ready() -> None:
    async with world(with_double=True) as here:
        here.double.answer_once("get_markets", UNAVAILABLE, UNAVAILABLE)
        await here.started(**NO_KEYS)


async def test_f37_instance_that_trades_is_not_ready_without_its_account() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        here.double.answer("get_balances", UNAVAILABLE)
        connector = here.connector(PAIR)
        await connector.start_network()
        await until(lambda: connector.status_dict["order_books_initialized"])
        await stays(lambda: not connector.ready, for_s=0.3)
        here.double.answer("get_balances", None)
        await here.poll(connector)
        await until(lambda: connector.ready)
