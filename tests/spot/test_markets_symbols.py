"""F18: trading pairs and symbols come from the exchange's market list, whatever their spelling."""

import inspect
from typing import Any

import pytest

from backpack_connector.protocol.enums import OrderBookState
from tests.spot.session import PAIR, SYMBOL, world


async def test_f18_conversions_are_awaited() -> None:
    async with world() as here:
        connector = here.connector(PAIR)
        there = connector.exchange_symbol_associated_to_pair(PAIR)
        back = connector.trading_pair_associated_to_exchange_symbol(SYMBOL)
        assert inspect.isawaitable(there)
        assert inspect.isawaitable(back)
        assert (await there, await back) == (SYMBOL, PAIR)


@pytest.mark.parametrize(
    ("trading_pair", "symbol"),
    [("kBONK-USDC", "kBONK_USDC"), ("SPCX.US-USDC", "SPCX.US_USDC"), ("USDT-USDC", "USDT_USDC")],
)
async def test_f18_lower_case_and_dots_are_kept(trading_pair: str, symbol: str) -> None:
    async with world() as here:
        connector = here.connector()
        assert await connector.exchange_symbol_associated_to_pair(trading_pair) == symbol
        assert await connector.trading_pair_associated_to_exchange_symbol(symbol) == trading_pair


@pytest.mark.parametrize("trading_pair", ["NOPE-USDC", "KBONK-USDC", "SOL_USDC", "HNT-USDC", "WEN-USDC", ""])
async def test_f18_pair_that_is_not_listed_or_closed_is_a_key_error(trading_pair: str) -> None:
    async with world() as here:
        connector = here.connector()
        with pytest.raises(KeyError):
            await connector.exchange_symbol_associated_to_pair(trading_pair)


@pytest.mark.parametrize("symbol", ["NOPE_USDC", "SOL_USDC_PERP", "SOL_USDC_RFQ", "SOL-USDC"])
async def test_f18_symbol_of_another_kind_is_a_key_error(symbol: str) -> None:
    async with world() as here:
        connector = here.connector()
        with pytest.raises(KeyError):
            await connector.trading_pair_associated_to_exchange_symbol(symbol)


async def test_f18_pairs_are_those_that_take_orders_now() -> None:
    async with world() as here:
        connector = here.connector()
        pairs = await connector.all_trading_pairs()
        assert sorted(pairs) == ["BTC-USDC", "ETH-USDC", "SOL-USDC", "SPCX.US-USDC", "USDT-USDC", "kBONK-USDC"]
        here.set_state("ETH_USDC", OrderBookState.CLOSED)
        await connector._update_trading_rules()
        assert "ETH-USDC" not in await connector.all_trading_pairs()


async def test_f18_market_list_is_asked_once_for_many_questions() -> None:
    async with world(with_double=True) as here:
        connector = here.connector(PAIR)
        for _ in range(5):
            await connector.exchange_symbol_associated_to_pair(PAIR)
        assert here.double.count("get_markets") == 1
        assert here.double.seen("get_markets")[0].query == {"marketType": "SPOT"}


ODD_ROWS: "list[Any]" = [
    {"symbol": "SOL_USDC_RFQ", "marketType": "RFQ"},
    {"symbol": "X_USDC_PREDICTION", "marketType": "PREDICTION"},
    {"symbol": "A_B_C", "marketType": "SPOT"},
    {"marketType": "SPOT"},
    {"symbol": 7, "marketType": "SPOT", "baseSymbol": "A", "quoteSymbol": "B"},
    "text",
    None,
    17,
    ["SOL_USDC"],
]


@pytest.mark.parametrize("odd", ODD_ROWS, ids=[str(row)[:30] for row in ODD_ROWS])
async def test_one_odd_market_hides_no_other(odd: Any) -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        here.double.alter("get_markets", lambda rows: [odd, *rows])
        connector = await here.started(PAIR)
        assert set(connector.trading_rules) >= {"SOL-USDC", "BTC-USDC"}
        assert await connector.exchange_symbol_associated_to_pair(PAIR) == SYMBOL


async def test_markets_of_other_types_are_no_cause_for_complaint(caplog: pytest.LogCaptureFixture) -> None:
    async with world(with_double=True) as here:
        here.double.alter("get_markets", lambda rows: [*ODD_ROWS[:2], *rows])
        await here.connector(PAIR)._update_trading_rules()
        assert "left out" not in caplog.text


async def test_one_market_with_unreadable_rules_is_reported_by_name_and_hides_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with world(with_double=True) as here:
        here.double.alter("get_markets", lambda rows: [_without_tick(row) for row in rows])
        connector = here.connector(PAIR)
        await connector._update_trading_rules()
        assert PAIR in connector.trading_rules
        assert "ETH-USDC" not in connector.trading_rules
        assert "A market is left out because its rules cannot be read" in caplog.text
        assert "ETH_USDC" in caplog.text, "the sentence must name the market"


def _without_tick(row: Any) -> Any:
    if row["symbol"] != "ETH_USDC":
        return row
    return {**row, "filters": {**row["filters"], "price": {"minPrice": "1"}}}


@pytest.mark.parametrize("answer", [{"rows": []}, "text", 17, None])
async def test_bad_input_market_list_that_is_no_list_keeps_the_known_rules(answer: Any) -> None:
    async with world(with_double=True) as here:
        connector = here.connector(PAIR)
        await connector._update_trading_rules()
        rules = dict(connector.trading_rules)
        here.double.alter("get_markets", lambda _: answer)
        with pytest.raises(ValueError, match="get_markets"):
            await connector._update_trading_rules()
        assert connector.trading_rules == rules
        assert await connector.exchange_symbol_associated_to_pair(PAIR) == SYMBOL
