"""The page shows what accounts have and do: orders, fills, balances, positions, worth; and every text as text."""

import re
from decimal import Decimal
from urllib.parse import quote

import pytest
from playwright.async_api import Route

from backpack_connector.simulator import Simulator
from tests.page.conftest import Watched, eventually
from tests.page.test_market import SYMBOL, place
from tests.simulator.support import Client

pytestmark = pytest.mark.asyncio(loop_scope="module")

MARKUP = "<img src=x onerror=alert(1)>"


async def choose(watched: Watched, tab: str) -> None:
    await watched.page.get_by_role("tab", name=tab, exact=True).click()


async def balance(watched: Watched, asset: str) -> list[Decimal]:
    """Return what is available and in orders, as shown."""
    for row in await watched.table():
        if row[0] == asset:
            return [Decimal(text) for text in row[1:3]]
    return []


def held(simulator: Simulator, client: Client, asset: str) -> list[Decimal]:
    balance = simulator.exchange.ledger.balances(client.key)[asset]
    return [balance.available, balance.locked]


async def test_before_the_first_account_the_page_says_how_one_opens(watched: Watched, simulator: Simulator) -> None:
    assert not list(simulator.exchange.accounts)
    await watched.open()
    await eventually(lambda: watched.text("#account-panel"), lambda text: text.startswith("No account yet."))
    assert await watched.page.locator("#account-choice").is_disabled()


async def test_own_orders_fills_and_balances_appear(
    watched: Watched, simulator: Simulator, alice: Client, bob: Client
) -> None:
    await watched.open()
    order = await place(alice, "Bid", "149", "2")
    await eventually(lambda: watched.table(), lambda rows: len(rows) == 1)
    (row,) = await watched.table()
    assert row[1:7] == [SYMBOL, "Buy", "Limit", "149.00", "2", "0"]
    await eventually(lambda: watched.rows("#ladder .bids .own"), lambda rows: [row[0] for row in rows] == ["149.00"])
    await choose(watched, "Balances")
    await eventually(lambda: balance(watched, "USDC"), held(simulator, alice, "USDC"))
    assert held(simulator, alice, "USDC")[1] == 298
    await place(bob, "Ask", "149", "0.5")
    await eventually(lambda: balance(watched, "USDC"), held(simulator, alice, "USDC"))
    assert held(simulator, alice, "USDC")[1] == Decimal("223.5")
    await eventually(lambda: balance(watched, "SOL"), held(simulator, alice, "SOL"))
    await choose(watched, "Fills")
    await eventually(lambda: watched.table(), lambda rows: len(rows) == 1)
    (fill,) = await watched.table()
    fee = simulator.exchange.accounts.get(alice.key).fills[0].fee  # type: ignore[union-attr]
    assert fill[1:] == [SYMBOL, "Buy", "149.00", "0.5", f"{fee.normalize():f} SOL", "maker", order["id"]]
    await choose(watched, "Open orders")
    await eventually(lambda: watched.table(), lambda rows: rows[0][6] == "0.5")
    await alice.call("cancel_order", {"symbol": SYMBOL, "orderId": order["id"]})
    await eventually(lambda: watched.text("#account-panel"), "No open orders.")
    await choose(watched, "Order history")
    await eventually(lambda: watched.table(), lambda rows: rows[0][-2:] == ["149.00", "Cancelled"])


async def test_positions_and_worth_follow(watched: Watched, simulator: Simulator, alice: Client, bob: Client) -> None:
    symbol = "SOL_USDC_PERP"
    await place(bob, "Ask", "150", "2", symbol)
    await place(alice, "Bid", "150", "2", symbol)
    await watched.open("market=SOL_USDC_PERP")
    await choose(watched, "Positions")
    await eventually(lambda: watched.table(), lambda rows: [row[:3] for row in rows] == [[symbol, "2", "150.00"]])
    await eventually(lambda: watched.text("#account-facts"), lambda text: re.search(r"Worth[\d,.]+ USDC", text))


async def test_the_equity_curve_is_drawn(watched: Watched, simulator: Simulator, alice: Client) -> None:
    simulator.exchange.open_account(alice.key)
    await watched.open()
    await choose(watched, "Equity")
    for _ in range(4):
        simulator.advance_clock(5)
    canvas = watched.page.locator("#account-panel canvas")
    await eventually(canvas.count, 1)
    assert "Equity over time, " in (await canvas.get_attribute("aria-label") or "")
    painted = "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean)"
    await eventually(lambda: canvas.evaluate(painted), True)


async def test_another_account_can_be_chosen_and_is_kept_over_a_reload(
    watched: Watched, simulator: Simulator, alice: Client, bob: Client
) -> None:
    await place(alice, "Bid", "140", "1")
    await place(bob, "Bid", "141", "3")
    await watched.open()
    choice = watched.page.locator("#account-choice")
    await choice.select_option(bob.key)
    await eventually(lambda: watched.table(), lambda rows: [row[4] for row in rows] == ["141.00"])
    await watched.page.reload()
    await watched.until_live()
    await eventually(lambda: watched.table(), lambda rows: [row[4] for row in rows] == ["141.00"])
    assert await choice.input_value() == bob.key


async def test_an_account_that_is_not_open_yet_is_waited_for(watched: Watched, simulator: Simulator) -> None:
    await watched.open("account=nobody")
    await eventually(lambda: watched.text("#account-panel"), lambda text: "has not been opened yet" in text)
    simulator.exchange.open_account("nobody")
    await eventually(lambda: watched.text("#account-panel"), "No open orders.")


async def test_markup_in_names_is_shown_as_text(watched: Watched, simulator: Simulator, alice: Client) -> None:
    """Names come from the exchange; a page that made elements of them would run what they say."""

    async def rename(route: Route) -> None:
        answer = await (await route.fetch()).json()
        for row in answer:
            if row["symbol"] == SYMBOL:
                row |= {"baseSymbol": MARKUP, "quoteSymbol": "<b>Q</b>"}
        await route.fulfill(json=answer)

    simulator.exchange.ledger.deposit(alice.key, MARKUP, Decimal(3))
    simulator.exchange.open_account(MARKUP)
    await watched.page.route("**/api/v1/markets", rename)
    await watched.open(f"market={SYMBOL}&account={quote(alice.key)}")
    await eventually(lambda: watched.text("#market-name"), f"{MARKUP}/<b>Q</b>")
    assert await watched.text(f"[data-symbol={SYMBOL}] .pair") == f"{MARKUP}/<b>Q</b>"
    assert MARKUP in await watched.text("#ladder .head")
    await choose(watched, "Balances")
    await eventually(lambda: watched.table(), lambda rows: MARKUP in [row[0] for row in rows])
    await eventually(lambda: watched.page.locator("#account-choice option").count(), lambda count: count > 1)
    assert await watched.page.locator("img").count() == 1  # the page's own
    assert await watched.page.locator("main b").count() == 0
