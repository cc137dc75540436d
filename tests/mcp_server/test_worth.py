"""What orders, loans and withdrawals are counted at: never less than they could come to."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from backpack_connector.client.rest import BackpackClient
from backpack_connector.mcp_server.limits import LimitReached, Placement
from backpack_connector.mcp_server.worth import asset_placement, order_placement
from backpack_connector.protocol.errors import Refused
from backpack_connector.protocol.signing import Credentials, generate_key_pair
from backpack_connector.simulator import Simulator

SYMBOL = "SOL_USDC"


@pytest.fixture
async def client(simulator: Simulator, key_pair: tuple[str, str]) -> AsyncIterator[BackpackClient]:
    async with BackpackClient(url=simulator.rest_url, credentials=Credentials(*key_pair)) as one:
        yield one


@pytest.fixture
async def last(client: BackpackClient, simulator: Simulator) -> Decimal:
    """Return the last price, after a trade, with two asks and a bid of somebody else around it."""
    price = Decimal(150)
    async with BackpackClient(url=simulator.rest_url, credentials=Credentials(*generate_key_pair(None))) as maker:
        await maker.execute_order(SYMBOL, "Ask", "Limit", quantity="1", price=price)
        await client.execute_order(SYMBOL, "Bid", "Market", quantity="1")
        for side, distance in (("Ask", 2), ("Ask", 5), ("Bid", -3)):
            await maker.execute_order(SYMBOL, side, "Limit", quantity="1", price=price + distance, post_only=True)
    return price


async def placement(client: BackpackClient, **fields: Any) -> Placement:
    return await order_placement(client, client.checked("execute_order", {"symbol": SYMBOL, **fields}))


def limit(side: str, price: Decimal, **fields: Any) -> dict[str, Any]:
    return {"side": side, "order_type": "Limit", "price": price, "quantity": "2", **fields}


def market(side: str, **fields: Any) -> dict[str, Any]:
    return {"side": side, "order_type": "Market", **fields}


async def test_a_purchase_with_a_limit_costs_its_limit(client: BackpackClient, last: Decimal) -> None:
    assert (await placement(client, **limit("Bid", last - 10))).worth == 2 * (last - 10)
    assert (await placement(client, **limit("Bid", last + 10))).worth == 2 * (last + 10)


async def test_a_sale_below_the_market_is_worth_what_the_market_pays(client: BackpackClient, last: Decimal) -> None:
    assert (await placement(client, **limit("Ask", last - 10))).worth >= 2 * last
    assert (await placement(client, **limit("Ask", last + 10))).worth == 2 * (last + 10)
    assert (await placement(client, **market("Ask", quantity="1.5"))).worth == Decimal("1.5") * (last + 2)


@pytest.mark.parametrize(("quantity", "reached"), [("0.5", 2), ("1", 2), ("1.01", 5), ("2", 5)])
async def test_a_purchase_at_the_market_reaches_into_the_book(
    quantity: str, reached: int, client: BackpackClient, last: Decimal
) -> None:
    assert (await placement(client, **market("Bid", quantity=quantity))).worth == Decimal(quantity) * (last + reached)


async def test_more_than_the_book_holds_has_no_price(client: BackpackClient, last: Decimal) -> None:
    with pytest.raises(LimitReached, match="holds less"):
        await placement(client, **market("Bid", quantity="2.01"))


@pytest.mark.parametrize("side", ["Bid", "Ask"])
async def test_a_quantity_in_quote_units_is_its_own_worth(side: str, client: BackpackClient, last: Decimal) -> None:
    found = await placement(client, **market(side, quote_quantity="70"))
    assert (found.worth, found.quantity) == (70, None)


async def test_triggers_and_exits_count_with_their_prices(client: BackpackClient, last: Decimal) -> None:
    waiting = {"trigger_price": last + 20, "trigger_quantity": "2"}
    assert (await placement(client, **market("Bid", **waiting))).worth == 2 * (last + 20)
    below_bid = {"trigger_price": last - 20, "trigger_quantity": "2"}
    assert (await placement(client, **market("Bid", **below_bid))).worth == 2 * (last + 2)
    below = {"trigger_price": last - 20, "trigger_quantity": "2"}
    assert (await placement(client, **market("Ask", **below))).worth == 2 * (last + 2)
    exit_above = limit("Bid", last, take_profit_trigger_price=last + 30)
    assert (await placement(client, **exit_above)).worth == 2 * (last + 30)


async def test_a_percentage_cannot_be_valued(client: BackpackClient, last: Decimal) -> None:
    with pytest.raises(LimitReached, match="percentage"):
        await placement(client, **market("Ask", trigger_price=last, trigger_quantity="80%"))


async def test_other_quotes_are_converted_and_unknown_ones_refused(client: BackpackClient, last: Decimal) -> None:
    sol = await client.get_market(SYMBOL)
    client.market_rules.learn(
        [msgspec.structs.replace(sol, symbol=f"BTC_{quote}", quote_symbol=quote) for quote in ("SOL", "NOPE")]
    )
    order = {"side": "Bid", "price": "10", "quantity": "2"}
    assert (await order_placement(client, {"symbol": "BTC_SOL", **order})).worth == 20 * (last + 2)
    with pytest.raises(LimitReached, match="no price of NOPE"):
        await order_placement(client, {"symbol": "BTC_NOPE", **order})


async def test_a_market_without_any_price_needs_a_limit(client: BackpackClient) -> None:
    assert (await placement(client, **limit("Ask", Decimal(10)))).worth == 20
    with pytest.raises(LimitReached, match="Give a limit price"):
        await placement(client, **market("Ask", quantity="1"))
    await client.execute_order(SYMBOL, "Bid", "Limit", quantity="1", price="140")
    assert (await placement(client, **market("Ask", quantity="1"))).worth == 140


async def test_assets_are_worth_their_price_in_usdc(client: BackpackClient, last: Decimal) -> None:
    assert (await asset_placement(client, {"symbol": "USDC", "quantity": "5"})).worth == 5
    assert (await asset_placement(client, {"symbol": "SOL", "quantity": "2"})).worth == 2 * (last + 2)
    with pytest.raises(LimitReached, match="no price of NOPE"):
        await asset_placement(client, {"symbol": "NOPE", "quantity": "5"})


async def test_a_market_that_is_not_there_is_the_exchanges_refusal(client: BackpackClient) -> None:
    with pytest.raises(Refused):
        await order_placement(client, {"symbol": "NOPE_USDC", "side": "Bid", "price": "1", "quantity": "1"})
