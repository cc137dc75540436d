"""F21 and D13: filters and states of markets become trading rules, and stay current."""

from decimal import Decimal
from typing import Any

import pytest

from backpack_connector.backpack_base import BackpackExchangeBase
from backpack_connector.backpack_exchange import BackpackExchange
from backpack_connector.protocol.enums import OrderBookState
from tests.spot.session import OTHER_PAIR, PAIR, SYMBOL, until, world


async def rules_of(here: Any, *pairs: str) -> BackpackExchange:
    connector: BackpackExchange = here.connector(*pairs)
    await connector._update_trading_rules()
    return connector


async def test_f21_filters_become_the_rule() -> None:
    async with world() as here:
        rule = (await rules_of(here, PAIR)).trading_rules[PAIR]
        assert rule.trading_pair == PAIR
        assert rule.min_order_size == Decimal("0.01")
        assert rule.min_base_amount_increment == Decimal("0.01")
        assert rule.min_price_increment == Decimal("0.01")
        assert rule.min_notional_size == 0


@pytest.mark.parametrize(("text", "expected"), [("12.5", Decimal("12.5")), (None, None)])
async def test_f21_maximum_quantity_is_mapped(text: str | None, expected: Decimal | None) -> None:
    async with world(with_double=True) as here:
        here.double.alter("get_markets", lambda rows: [_with_maximum(row, text) for row in rows])
        rule = (await rules_of(here, PAIR)).trading_rules[PAIR]
        if expected is None:
            assert rule.max_order_size > 10**20
        else:
            assert rule.max_order_size == expected


def _with_maximum(row: Any, text: str | None) -> Any:
    filters = row["filters"]
    return {**row, "filters": {**filters, "quantity": {**filters["quantity"], "maxQuantity": text}}}


@pytest.mark.parametrize(
    ("state", "limit", "market"),
    [
        (OrderBookState.OPEN, True, True),
        (OrderBookState.POST_ONLY, True, False),
        (OrderBookState.LIMIT_ONLY, True, False),
        (OrderBookState.CANCEL_ONLY, False, False),
        (OrderBookState.CLOSED, False, False),
    ],
)
async def test_d13_state_says_which_orders_a_traded_pair_takes(
    state: OrderBookState, limit: bool, market: bool
) -> None:
    async with world() as here:
        here.set_state(SYMBOL, state)
        rule = (await rules_of(here, PAIR)).trading_rules[PAIR]
        assert (rule.supports_limit_orders, rule.supports_market_orders) == (limit, market)


@pytest.mark.parametrize("state", [OrderBookState.CANCEL_ONLY, OrderBookState.CLOSED])
async def test_d13_pair_that_takes_no_orders_is_not_offered(state: OrderBookState) -> None:
    async with world() as here:
        here.set_state(SYMBOL, state)
        assert PAIR not in (await rules_of(here, OTHER_PAIR)).trading_rules


async def test_d13_state_that_is_not_known_counts_as_taking_no_orders() -> None:
    async with world(with_double=True) as here:
        here.double.alter("get_markets", lambda rows: [{**row, "orderBookState": "Paused"} for row in rows])
        rule = (await rules_of(here, PAIR)).trading_rules[PAIR]
        assert not rule.supports_limit_orders


async def test_d13_invisible_market_is_not_offered() -> None:
    async with world() as here:
        here.set_state("WEN_USDC", OrderBookState.OPEN)
        assert "WEN-USDC" not in (await rules_of(here, PAIR)).trading_rules


async def test_f21_rules_and_states_are_refreshed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BackpackExchangeBase, "TRADING_RULES_INTERVAL", 0.1)
    async with world() as here:
        here.fill_book()
        connector = await here.started(PAIR)
        assert connector.trading_rules[PAIR].supports_market_orders
        here.set_state(SYMBOL, OrderBookState.POST_ONLY)
        await until(lambda: not connector.trading_rules[PAIR].supports_market_orders)
        here.set_state(SYMBOL, OrderBookState.OPEN)
        await until(lambda: connector.trading_rules[PAIR].supports_market_orders)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda rows: [],
        lambda rows: [None],
        lambda rows: [{**row, "filters": None} for row in rows],
        lambda rows: [{**row, "marketType": 5} for row in rows],
        lambda rows: [{**row, "symbol": [row["symbol"]]} for row in rows],
    ],
    ids=["no rows", "null", "no filters", "no type", "no symbol"],
)
async def test_bad_input_list_of_markets_takes_no_rules_away(spoil: Any, caplog: pytest.LogCaptureFixture) -> None:
    async with world(with_double=True) as here:
        connector = await rules_of(here, PAIR)
        known = dict(connector.trading_rules)
        pairs = await connector.all_trading_pairs()
        here.double.alter("get_markets", spoil)
        await connector._update_trading_rules()
        assert connector.trading_rules.keys() == known.keys()
        assert await connector.all_trading_pairs() == pairs
        assert "Rules that were known stay" in caplog.text


async def test_market_that_a_readable_list_lacks_is_gone() -> None:
    async with world(with_double=True) as here:
        connector = await rules_of(here, PAIR)
        assert OTHER_PAIR in connector.trading_rules
        here.double.alter("get_markets", lambda rows: [row for row in rows if row["symbol"] == SYMBOL])
        await connector._update_trading_rules()
        assert OTHER_PAIR not in connector.trading_rules
        assert PAIR in connector.trading_rules
