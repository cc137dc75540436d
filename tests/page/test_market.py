"""The page shows the market as the exchange has it: book, trades, candles, prices, and what becomes of them."""

from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from backpack_connector.protocol.enums import OrderBookState
from backpack_connector.protocol.streams import depth_stream
from backpack_connector.simulator import Simulator
from backpack_connector.simulator.faults_kinds import Fault, FaultKind
from tests.page.conftest import Watched, eventually
from tests.simulator.support import Client

pytestmark = pytest.mark.asyncio(loop_scope="module")

SYMBOL = "SOL_USDC"


async def place(client: Client, side: str, price: str, quantity: str, symbol: str = SYMBOL) -> dict[str, Any]:
    status, order = await client.call(
        "execute_order",
        {"symbol": symbol, "side": side, "orderType": "Limit", "price": price, "quantity": quantity},
    )
    assert status == 200, order
    return order  # type: ignore[no-any-return]


async def depth(simulator: Simulator, http: aiohttp.ClientSession, side: str) -> list[list[Decimal]]:
    """Return a side of the book as the exchange answers it, best level first."""
    async with http.get(f"{simulator.rest_url}/api/v1/depth", params={"symbol": SYMBOL}) as response:
        levels = (await response.json())[side]
    return [[Decimal(text) for text in level] for level in (levels[::-1] if side == "bids" else levels)]


def numbers(rows: list[list[str]]) -> list[list[Decimal]]:
    return [[Decimal(text.replace(",", "")) for text in row[:2]] for row in rows]


async def shown(watched: Watched, side: str) -> list[list[Decimal]]:
    """Return a side of the ladder, best level first."""
    rows = numbers(await watched.ladder(side))
    return rows if side == "bids" else rows[::-1]


async def test_the_ladder_equals_the_book_of_the_exchange(
    watched: Watched, simulator: Simulator, http: aiohttp.ClientSession, alice: Client
) -> None:
    for price, quantity in (("149.5", "1"), ("149", "0.25"), ("148.07", "12.3")):
        await place(alice, "Bid", price, quantity)
    await watched.open()
    await eventually(lambda: shown(watched, "bids"), await depth(simulator, http, "bids"))
    await place(alice, "Ask", "151", "2")
    moved = await place(alice, "Ask", "150.4", "0.5")
    await place(alice, "Bid", "149", "1")
    for side in ("bids", "asks"):
        levels = await depth(simulator, http, side)
        assert levels
        await eventually(lambda side=side: shown(watched, side), levels)
    await alice.call("cancel_order", {"symbol": SYMBOL, "orderId": moved["id"]})
    await eventually(lambda: shown(watched, "asks"), [[Decimal(151), Decimal(2)]])
    assert await depth(simulator, http, "asks") == [[Decimal(151), Decimal(2)]]


async def test_levels_can_be_grouped(
    watched: Watched, simulator: Simulator, http: aiohttp.ClientSession, alice: Client
) -> None:
    for price in ("149.93", "149.97", "149.88"):
        await place(alice, "Bid", price, "1.5")
    for price in ("150.03", "150.07", "150.12"):
        await place(alice, "Ask", price, "2")
    await watched.open()
    await watched.page.get_by_label("Price steps grouped").select_option("0.10")
    best = [[Decimal("149.9"), Decimal(3)], [Decimal("149.8"), Decimal("1.5")]]
    await eventually(lambda: shown(watched, "bids"), best)
    assert await shown(watched, "asks") == [[Decimal("150.1"), Decimal(4)], [Decimal("150.2"), Decimal(2)]]


async def test_the_best_prices_stand_beside_the_middle(watched: Watched, alice: Client) -> None:
    for side, prices in (("Ask", ("150.2", "150.7", "151")), ("Bid", ("149.7", "150", "148"))):
        for price in prices:
            await place(alice, side, price, "1")
    await watched.open()
    await eventually(lambda: watched.text("#ladder .middle"), "Spread 0.20  ·  13.3 bps")
    asks, bids = await watched.ladder("asks"), await watched.ladder("bids")
    assert Decimal(asks[-1][0]) == Decimal("150.2")
    assert [Decimal(row[0]) for row in asks] == sorted((Decimal(row[0]) for row in asks), reverse=True)
    assert [Decimal(row[0]) for row in bids] == sorted((Decimal(row[0]) for row in bids), reverse=True)


async def test_trades_and_candles_follow(watched: Watched, simulator: Simulator, alice: Client, bob: Client) -> None:
    await watched.open("market=ETH_USDC&interval=1m")
    await eventually(lambda: watched.text("#chart-empty"), "Nothing was traded yet")
    await eventually(lambda: watched.text("#tape"), lambda text: "Nothing was traded yet." in text)
    await place(alice, "Ask", "2760", "1", "ETH_USDC")
    await place(bob, "Bid", "2760", "0.25", "ETH_USDC")
    await place(bob, "Bid", "2760", "0.5", "ETH_USDC")
    await eventually(
        lambda: watched.rows("#tape .rows .row"),
        lambda rows: [row[:2] for row in rows] == [["2,760.00", "0.5000"], ["2,760.00", "0.2500"]],
    )
    await eventually(lambda: watched.text("#chart-legend"), lambda text: "C 2,760.00" in text and "V 0.75" in text)
    await eventually(lambda: watched.text("#last-price"), "2,760.00")
    await eventually(lambda: watched.text("[data-symbol=ETH_USDC] .last"), "2,760.00")


async def test_a_perpetual_shows_mark_price_and_funding(watched: Watched, simulator: Simulator) -> None:
    await watched.open("market=SOL_USDC_PERP")
    await eventually(lambda: watched.text("#market-type"), "perpetual")
    facts = watched.page.locator("#market-facts")
    await eventually(facts.inner_text, lambda text: "Mark\n150." in text and "%\nNext funding in\n00:" in text)
    funding = await watched.text("[data-symbol=SOL_USDC_PERP] .funding")
    assert funding.endswith("%")
    assert await watched.text("[data-symbol=SOL_USDC] .funding") == ""


async def test_a_gap_in_the_stream_leads_to_a_new_snapshot(
    watched: Watched, simulator: Simulator, http: aiohttp.ClientSession, alice: Client
) -> None:
    await watched.open()
    await eventually(lambda: shown(watched, "bids"), await depth(simulator, http, "bids"))
    asked: list[str] = []
    watched.page.on("request", lambda request: asked.append(request.url))
    (fault_id,) = simulator.faults.inject(Fault(kind=FaultKind.FRAME_DROPPED, streams=("depth",), count=1))
    await place(alice, "Bid", "140", "1")
    await eventually(lambda: simulator.faults.struck_count(fault_id), 1)
    await place(alice, "Bid", "141", "1")
    await eventually(lambda: shown(watched, "bids"), await depth(simulator, http, "bids"))
    assert len([url for url in asked if "/api/v1/depth" in url]) == 1


async def test_a_late_snapshot_is_not_spliced_over_a_hole(
    watched: Watched, simulator: Simulator, http: aiohttp.ClientSession, alice: Client
) -> None:
    await place(alice, "Bid", "139.5", "1")
    (fault_id,) = simulator.faults.inject(Fault(kind=FaultKind.DEPTH_LAGS, delay_s=2.0))
    for price in ("139.1", "139.2"):
        await place(alice, "Bid", price, "1")
    await watched.open()
    await eventually(lambda: follows_the_book(simulator), True)  # what came before would never be told
    await place(alice, "Bid", "139.3", "1")
    await eventually(lambda: shown(watched, "bids"), await depth_now(simulator))
    assert simulator.faults.struck_count(fault_id) >= 2


async def follows_the_book(simulator: Simulator) -> bool:
    return simulator.hub.is_wanted((None, depth_stream(SYMBOL, 200)))


async def depth_now(simulator: Simulator) -> list[list[Decimal]]:
    return [list(level) for level in simulator.exchange.markets[SYMBOL].book.bids.best_levels(20)][::-1]


@pytest.mark.parametrize("kind", [FaultKind.SOCKET_DROPPED, FaultKind.SOCKET_CLOSED])
async def test_a_lost_connection_is_said_and_comes_back(
    kind: FaultKind, watched: Watched, simulator: Simulator, http: aiohttp.ClientSession, alice: Client
) -> None:
    await watched.open()
    refused, _ = simulator.faults.inject(Fault(kind=FaultKind.SOCKET_REFUSED), Fault(kind=kind))
    await eventually(lambda: watched.text("#status"), "Connection lost")
    await eventually(lambda: watched.text("#ladder .empty"), "The connection is lost")
    assert "stale" in (await watched.page.locator("#ladder .levels").get_attribute("class") or "")
    missed = await place(alice, "Bid", "149.6", "7")
    simulator.faults.end(refused)
    await watched.until_live()
    await eventually(lambda: shown(watched, "bids"), await depth(simulator, http, "bids"))
    await alice.call("cancel_order", {"symbol": SYMBOL, "orderId": missed["id"]})
    await eventually(lambda: shown(watched, "bids"), await depth(simulator, http, "bids"))
    # The browser itself reports each refused attempt.
    assert all("WebSocket connection to" in text for text in watched.complaints)
    watched.complaints.clear()


async def test_a_silent_connection_is_given_up(
    watched: Watched, simulator: Simulator, http: aiohttp.ClientSession, alice: Client
) -> None:
    await watched.page.clock.install()
    await watched.open()
    await eventually(lambda: len(simulator.hub.sessions), lambda count: count > 0)
    simulator.faults.inject(Fault(kind=FaultKind.SOCKET_SILENT))
    await place(alice, "Bid", "138", "1")
    await watched.page.clock.run_for(12_000)
    await eventually(lambda: shown(watched, "bids"), await depth(simulator, http, "bids"))
    await watched.until_live()


async def test_a_closed_market_says_so(watched: Watched, simulator: Simulator, alice: Client) -> None:
    await place(alice, "Bid", "149", "1")
    await watched.open()
    await eventually(lambda: shown(watched, "bids"), [[Decimal(149), Decimal(1)]])
    (fault_id,) = simulator.faults.inject(
        Fault(kind=FaultKind.MARKET_STATE, market=SYMBOL, state=OrderBookState.CLOSED)
    )
    await eventually(lambda: watched.text("#market-state"), "closed")
    await eventually(lambda: watched.text("#ladder .empty"), "The market is closed")
    simulator.faults.end(fault_id)
    await eventually(lambda: watched.page.locator("#market-state").is_visible(), False)
    await eventually(lambda: watched.page.locator("#ladder .empty").is_visible(), False)
    assert await shown(watched, "bids") == [[Decimal(149), Decimal(1)]]


async def test_a_subscription_that_was_ignored_is_made_when_the_fault_is_over(
    watched: Watched, simulator: Simulator, alice: Client
) -> None:
    (fault_id,) = simulator.faults.inject(Fault(kind=FaultKind.SUBSCRIPTION_IGNORED, streams=("depth",)))
    await place(alice, "Bid", "149", "1")
    await watched.open()
    await eventually(lambda: shown(watched, "bids"), [[Decimal(149), Decimal(1)]])
    await eventually(lambda: watched.text("#fault-count"), "1 fault")
    simulator.faults.end(fault_id)
    await eventually(lambda: watched.text("#fault-count"), "0 faults")
    await place(alice, "Bid", "148", "1")
    await eventually(lambda: shown(watched, "bids"), [[Decimal(149), Decimal(1)], [Decimal(148), Decimal(1)]])
