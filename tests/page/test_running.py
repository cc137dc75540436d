"""The page while markets move, for hours, on every screen, with the keyboard alone, under its own policy."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import CDPSession, Route

from backpack_connector.simulator import Simulator, running_simulator
from backpack_connector.simulator.feeds import Frame
from tests.page.conftest import Watched, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

SYMBOL = "SOL_USDC"
HOURS_OF_FRAMES = 2
CHUNK = 2_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def simulator() -> AsyncIterator[Simulator]:
    """Give a simulator whose other traders keep the markets moving."""
    async with running_simulator(background=True) as running:
        yield running


async def changes(watched: Watched, part: str) -> None:
    """Wait until a part of the page shows something, and then something else."""
    await eventually(lambda: watched.text(part), lambda text: text not in ("", "\N{EN DASH}"))
    first = await watched.text(part)
    await eventually(lambda: watched.text(part), lambda text: text != first)


async def test_a_market_moves(watched: Watched) -> None:
    await watched.open()
    for part in ("#ladder .bids", "#ladder .asks", "#tape .rows", "#last-price", "#chart-legend", "#exchange-time"):
        await changes(watched, part)
    assert await watched.page.title() != "Backpack simulator"


async def test_the_streams_alone_move_it(watched: Watched) -> None:
    """What the page asks for once a second draws the book again, too; here it gets no answer."""

    async def be_silent(_: Route) -> None:
        return

    await watched.page.route("**/simulator/overview*", be_silent)
    await watched.open()
    # More than once, because the book is drawn again when the layout settles.
    for part in ("#ladder .bids", "#tape .rows", "#last-price") * 3:
        await changes(watched, part)


async def test_the_past_fills_the_chart_in_every_interval(watched: Watched) -> None:
    await watched.open("market=SOL_USDC&interval=1d")
    count = await watched.page.locator("#intervals button").count()
    assert count == 16
    for index in range(count):
        await watched.page.locator("#intervals button").nth(index).click()
        await eventually(lambda: watched.text("#chart-legend"), lambda text: text.count(" ") > 8)
        await eventually(lambda: watched.page.locator("#chart-empty").is_hidden(), True)


async def test_another_market_replaces_the_first_everywhere(watched: Watched, simulator: Simulator) -> None:
    await watched.open()
    streams = [(None, f"{name}.SOL_USDC") for name in ("depth.200ms", "trade", "kline.1m")]
    await eventually(lambda: [simulator.hub.is_wanted(row) for row in streams], [True] * 3)
    await watched.page.locator("[data-symbol=BTC_USDC_PERP]").click()
    await eventually(lambda: watched.text("#market-name"), "BTC/USDC")
    await eventually(lambda: watched.text("#ladder .head"), lambda text: "Size (BTC)" in text)
    for row in ("#tape .rows .row", "#ladder .bids .row"):
        await eventually(
            lambda row=row: watched.rows(row),
            lambda rows: rows and all(float(cells[0].replace(",", "")) > 10_000 for cells in rows),
        )
    await eventually(lambda: [simulator.hub.is_wanted(row) for row in streams], [False] * 3)
    assert "market=BTC_USDC_PERP" in watched.page.url


async def test_hours_of_frames_leave_nothing_behind(watched: Watched, simulator: Simulator) -> None:
    await watched.open("market=USDT_USDC&interval=1s")
    session = await watched.page.context.new_cdp_session(watched.page)
    await session.send("Performance.enable")
    book = simulator.exchange.markets["USDT_USDC"].book
    seconds = HOURS_OF_FRAMES * 3_600
    await play(simulator, watched, 0, 300)
    before = await figures(session)
    await play(simulator, watched, 300, seconds)
    after = await figures(session)
    assert after["Nodes"] <= before["Nodes"] + 100, (before, after)
    assert after["JSEventListeners"] <= before["JSEventListeners"] + 5, (before, after)
    assert after["JSHeapUsedSize"] <= before["JSHeapUsedSize"] + 1_200_000, (before, after)
    assert book.update_id > 0


async def play(simulator: Simulator, watched: Watched, start: int, end: int) -> None:
    """Send what a busy market would in that many seconds, and wait until the page has read it."""
    for second in range(start, end):
        for frame in frames_of_a_second(second):
            simulator.hub.publish([frame])
        if second % (CHUNK // 20) == 0:
            await seen(watched, 10_000_000 + 2 * second)
    await seen(watched, 10_000_000 + 2 * (end - 1))


async def seen(watched: Watched, trade: int) -> None:
    price = f"{1 + trade % 1000 / 10_000:.4f}"
    await eventually(lambda: watched.rows("#tape .rows .row"), lambda rows: price in [row[0] for row in rows[:20]])


def frames_of_a_second(second: int) -> list[Frame]:
    now_us = 1_900_000_000_000_000 + second * 1_000_000
    start, end = (
        f"2030-03-17T{(second + more) // 3600:02}:{(second + more) // 60 % 60:02}:{(second + more) % 60:02}"
        for more in (0, 1)
    )
    rows: list[tuple[str, dict[str, Any]]] = []
    for number in range(3):
        price = f"{0.9 + (second * 3 + number) % 997 / 10_000:.4f}"
        first_id = 10**12 + second * 3 + number
        level = [price, "0.0" if number == 2 else str(second + 1)]
        rows.append(("depth.200ms", {"U": first_id, "a": [], "b": [level], "e": "depth", "u": first_id}))
    for number in range(2):
        trade = 10_000_000 + 2 * second + number - 1
        price = f"{1 + trade % 1000 / 10_000:.4f}"
        rows.append(("trade", {"T": now_us, "e": "trade", "m": number == 0, "p": price, "q": "5.0", "t": trade}))
    rows.append(
        ("kline.1s", {"T": end, "X": True, "c": "1", "h": "1.1", "l": "0.9", "o": "1", "t": start, "v": "10", "n": 2})
    )
    rows.append(("ticker", {"V": str(second), "c": "1.0", "h": "1.1", "l": "0.9", "o": "0.95", "v": "1"}))
    return [Frame((None, f"{name}.USDT_USDC"), {"E": now_us, "s": "USDT_USDC", **data}) for name, data in rows]


async def figures(session: CDPSession) -> dict[str, float]:
    await session.send("HeapProfiler.collectGarbage")
    metrics = (await session.send("Performance.getMetrics"))["metrics"]
    return {row["name"]: row["value"] for row in metrics}


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1440, 900), (1024, 768), (390, 844), (320, 640)])
async def test_everything_fits_every_screen(width: int, height: int, watched: Watched) -> None:
    await watched.page.set_viewport_size({"width": width, "height": height})
    await watched.open()
    await eventually(lambda: watched.rows("#ladder .bids .row"), lambda rows: len(rows) >= 5)
    sizes = await watched.page.evaluate(
        "() => [document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
    )
    assert sizes[0] <= width
    if width >= 1440:
        assert sizes[1] <= height
    boxes = [await panel.bounding_box() for panel in await watched.page.locator("main > .panel").all()]
    assert len(boxes) == 6
    for box in boxes:
        assert box is not None
        assert box["width"] >= min(200, width - 20)
        assert box["height"] >= 60
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width


async def test_the_chosen_market_is_in_view(watched: Watched) -> None:
    await watched.open("market=AAPL.US_USDC_PERP")
    chosen = watched.page.locator("#market-list [aria-current=true]")
    await eventually(lambda: chosen.get_attribute("data-symbol"), "AAPL.US_USDC_PERP")
    await eventually(lambda: in_view(watched), True)


async def in_view(watched: Watched) -> bool:
    outer = await watched.page.locator("#market-list").bounding_box()
    inner = await watched.page.locator("#market-list [aria-current=true]").bounding_box()
    assert outer is not None
    assert inner is not None
    return outer["y"] <= inner["y"] and inner["y"] + inner["height"] <= outer["y"] + outer["height"] + 1


async def test_the_keyboard_reaches_everything(watched: Watched) -> None:
    await watched.open()
    page, keys = watched.page, watched.page.keyboard
    await page.locator("#fault-kind").wait_for()
    await keys.press("/")
    await keys.type("btc")
    await eventually(lambda: page.locator("#market-list li:visible").count(), 2)
    await keys.press("Tab")
    await keys.press("ArrowDown")
    await keys.press("Enter")
    await eventually(lambda: watched.text("#market-name"), "BTC/USDC")
    await eventually(lambda: watched.text("#market-type"), "perpetual")
    reached = []
    for _ in range(60):
        await keys.press("Tab")
        reached.append(await page.evaluate("() => document.activeElement.closest('[id]')?.id ?? ''"))
        if reached.count("intervals") == 1 and reached[-1] == "intervals":
            await keys.press("ArrowRight")
    for part in (
        "intervals",
        "chart",
        "grouping",
        "account-tabs",
        "account-panel",
        "quick-faults",
        "fault-kind",
        "fault-form",
    ):
        assert part in reached, reached
    assert await page.locator("#intervals [aria-checked=true]").text_content() == "3m"
    unnamed = await page.locator("button, input, select").evaluate_all(
        "all => all.filter(it => !(it.textContent.trim() || it.ariaLabel || it.labels?.length)).map(it => it.outerHTML)"
    )
    assert unnamed == []


async def test_the_chart_is_moved_and_zoomed_by_keys(watched: Watched) -> None:
    await watched.open()
    await eventually(lambda: watched.text("#chart-legend"), lambda text: text != "")
    first = (await watched.text("#chart-legend"))[:11]
    chart = watched.page.locator("#chart")
    await chart.focus()
    for _ in range(3):
        await watched.page.keyboard.press("ArrowLeft")
    await eventually(lambda: watched.text("#chart-legend"), lambda text: text[:11] < first)
    for key in ("+", "-", "-", "End"):
        await watched.page.keyboard.press(key)
    await eventually(lambda: watched.text("#chart-legend"), lambda text: text[:11] >= first)


async def test_the_policy_lets_nothing_else_run(watched: Watched) -> None:
    await watched.open()
    violated = await watched.page.evaluate(
        """() => new Promise(resolve => {
            const seen = [];
            document.addEventListener('securitypolicyviolation', event => {
                seen.push(event.effectiveDirective);
                if (seen.length === 2) resolve(seen);
            });
            const image = document.createElement('img');
            image.src = 'https://example.org/x.png';
            const style = document.createElement('style');
            style.textContent = 'body { display: none }';
            document.body.append(image, style);
        })"""
    )
    assert sorted(violated) == ["img-src", "style-src-elem"]
    for forbidden in ("document.body.innerHTML = '<b>x</b>'", "trustedTypes.createPolicy('own', {})"):
        assert await watched.page.evaluate(f"() => {{ try {{ {forbidden}; return false }} catch {{ return true }} }}")
    assert await watched.page.locator("main").is_visible()
    watched.complaints.clear()
