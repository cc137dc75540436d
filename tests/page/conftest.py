"""Give the tests of the simulator's page a browser, a simulator in the same process, and pages that are watched.

Browser and simulator are shared by the tests of a module; each test has a page of its own.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from backpack_connector.simulator import Simulator, running_simulator
from tests.programs import needed_program
from tests.simulator.support import Client

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",  # containers have little of it, and a page that finds none left dies
    # Nothing but this machine exists for the browser.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
PATIENCE_S = 15.0


def find_browser() -> str:
    sentence = "There is no browser: install Debian's package chromium, or any Chromium as `chromium` on PATH."
    return needed_program(NAMES, sentence)


@dataclass
class Watched:
    """A page with what went wrong on it."""

    page: Page
    simulator: Simulator
    complaints: list[str] = field(default_factory=list)

    def listen(self) -> None:
        self.page.on("console", lambda line: self._on_console(line.type, line.text))
        self.page.on("crash", lambda _: self.complaints.append("The page has crashed."))
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))

    def _on_console(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(f"{kind}: {text}")

    async def open(self, fragment: str = "market=SOL_USDC") -> None:
        await self.page.goto(f"{self.simulator.rest_url}/#{fragment}")
        await self.until_live()

    async def until_live(self) -> None:
        await eventually(lambda: self.text("#status"), "Live")

    async def text(self, selector: str) -> str:
        return (await self.page.locator(selector).first.text_content() or "").strip()

    async def rows(self, selector: str) -> list[list[str]]:
        """Return the texts of the cells of each row that has any."""
        rows = await self.page.locator(selector).evaluate_all(
            "rows => rows.map(row => [...row.children].map(cell => cell.textContent))"
        )
        return [row for row in rows if any(row)]

    async def ladder(self, side: str) -> list[list[str]]:
        return await self.rows(f"#ladder .{side} .row")

    async def table(self) -> list[list[str]]:
        return await self.rows("#account-panel tbody tr")


async def eventually(ask: Callable[[], Any], expected: Any) -> None:
    """Wait until a question is answered as expected: by an equal value, or by one that a function accepts."""
    deadline_s = asyncio.get_running_loop().time() + PATIENCE_S
    while True:
        answer = ask()
        if asyncio.iscoroutine(answer):
            answer = await answer
        if expected(answer) if callable(expected) else answer == expected:
            return
        if asyncio.get_running_loop().time() > deadline_s:
            pytest.fail(f"After {PATIENCE_S:.0f} s it is still {answer!r}, not {expected!r}.")
        await asyncio.sleep(0.05)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    path = find_browser()
    async with async_playwright() as driver:
        launched = await driver.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield launched
        await launched.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def simulator() -> AsyncIterator[Simulator]:
    async with running_simulator(background=False) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    context = await browser.new_context(viewport={"width": 1440, "height": 900})
    yield context
    await context.close()


@pytest_asyncio.fixture(loop_scope="module")
async def watched(context: BrowserContext, simulator: Simulator) -> AsyncIterator[Watched]:
    """Give a page on which nothing may go wrong; a test that wants that clears `complaints`."""
    page = Watched(await context.new_page(), simulator)
    page.listen()
    yield page
    simulator.faults.end()
    assert page.complaints == []


@pytest_asyncio.fixture(loop_scope="module")
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest_asyncio.fixture(loop_scope="module")
async def alice(simulator: Simulator, http: aiohttp.ClientSession) -> AsyncIterator[Client]:
    client = Client(simulator, http, seed=1)
    yield client
    await cancel_all(client)


@pytest_asyncio.fixture(loop_scope="module")
async def bob(simulator: Simulator, http: aiohttp.ClientSession) -> AsyncIterator[Client]:
    client = Client(simulator, http, seed=2)
    yield client
    await cancel_all(client)


async def cancel_all(client: Client) -> None:
    """Leave empty books to the next test of the module."""
    client.simulator.faults.end()
    account = client.simulator.exchange.accounts.get(client.key)
    for symbol in {order.symbol for order in account.all_open_orders} if account else ():
        assert (await client.call("cancel_open_orders", {"symbol": symbol}))[0] == 200
