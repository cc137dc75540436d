"""F29: last prices cost one request, and markets that never traded cost no more."""

import asyncio
import math
from typing import Any

import pytest

from backpack_connector.protocol.enums import Side
from backpack_connector.protocol.errors import BackpackError
from tests.spot.session import OTHER_PAIR, OTHER_SYMBOL, PAIR, SYMBOL, until, world
from tests.spot.stream_double import Reply

PRICES = {PAIR: 150.01, OTHER_PAIR: 86700.1}


async def test_f29_many_prices_cost_one_request() -> None:
    async with world(with_double=True) as here:
        _trade_both(here)
        connector = here.connector()
        assert await connector.get_last_traded_prices([PAIR, OTHER_PAIR]) == PRICES
        assert here.double.count("get_tickers") == 1
        assert here.double.count("get_ticker") == 0


async def test_f29_one_price_asks_for_that_market_only() -> None:
    async with world(with_double=True) as here:
        _trade_both(here)
        connector = here.connector()
        assert await connector.get_last_traded_prices([PAIR]) == {PAIR: 150.01}
        assert here.double.count("get_tickers") == 0
        assert [seen.query["symbol"] for seen in here.double.seen("get_ticker")] == [SYMBOL]


def _trade_both(here: Any) -> None:
    here.fill_book()
    here.fill_book(OTHER_SYMBOL, "86700")
    here.take(Side.BID, "150.01")
    here.take(Side.BID, "86700.1", symbol=OTHER_SYMBOL)


async def test_f29_market_that_never_traded_has_no_price() -> None:
    async with world() as here:  # answers 204 then
        connector = here.connector()
        assert await connector.get_last_traded_prices([PAIR]) == {}
        assert math.isnan(await connector._get_last_traded_price(PAIR))


async def test_f29_no_pairs_cost_no_request() -> None:
    async with world(with_double=True) as here:
        connector = here.connector()
        assert await connector.get_last_traded_prices([]) == {}
        assert here.double.count("get_tickers") == 0


@pytest.mark.parametrize("pairs", [[PAIR], [PAIR, OTHER_PAIR], [PAIR, "HNT-USDC"], ["HNT-USDC"]])
async def test_f29_markets_that_never_traded_are_not_asked_about_without_pause(pairs: "list[str]") -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        await here.started(*pairs)
        await asyncio.sleep(1.0)
        assert here.double.count("get_ticker") + here.double.count("get_tickers") <= 2


async def test_f29_request_of_an_empty_list_of_tickers() -> None:
    async with world(with_double=True) as here:
        here.double.answer("get_tickers", Reply(status=204))
        assert await here.connector().get_last_traded_prices([PAIR, OTHER_PAIR]) == {}


async def test_f25_foreign_rows_among_the_tickers_are_skipped() -> None:
    async with world(with_double=True) as here:
        _trade_both(here)
        odd = [{"symbol": "SOL_USDC_RFQ", "lastPrice": "1"}, {"symbol": None}, "text", 3, None, {}]
        here.double.alter("get_tickers", lambda rows: [*odd, *rows])
        assert await here.connector().get_last_traded_prices([PAIR, OTHER_PAIR]) == PRICES


async def test_bad_input_price_is_left_out_with_a_sentence(caplog: pytest.LogCaptureFixture) -> None:
    async with world(with_double=True) as here:
        _trade_both(here)
        here.double.alter("get_tickers", lambda rows: [_spoilt(row) for row in rows])
        assert await here.connector().get_last_traded_prices([PAIR, OTHER_PAIR]) == {OTHER_PAIR: 86700.1}
        assert "A last price was left out" in caplog.text


def _spoilt(row: Any) -> Any:
    return {**row, "lastPrice": "NaN"} if row["symbol"] == "SOL_USDC" else row


@pytest.mark.parametrize("answer", [17, "text", {"symbol": "SOL_USDC"}])
async def test_bad_input_tickers_that_are_no_list_are_one_error(answer: Any) -> None:
    async with world(with_double=True) as here:
        here.double.alter("get_tickers", lambda _: answer)
        with pytest.raises(BackpackError, match="get_tickers"):
            await here.connector().get_last_traded_prices([PAIR, OTHER_PAIR])


async def test_last_price_reaches_the_book_when_there_was_no_trade_since_the_start() -> None:
    async with world() as here:
        here.fill_book()
        here.take(Side.BID, "150.01")
        connector = await here.started(PAIR)
        await until(lambda: connector.order_books[PAIR].last_trade_price == 150.01)
