"""Take the picture of the page that README shows: `make screenshot`, or `python -m tests.page.screenshot FILE`.

A seeded market runs for a while in time that is put forward; an account trades in it, and one fault is set.
"""

import asyncio
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
from playwright.async_api import async_playwright

from backpack_connector.simulator import Simulator, running_simulator
from backpack_connector.simulator.faults_kinds import Fault, FaultKind
from tests.page.conftest import ARGUMENTS, find_browser
from tests.simulator.support import Client

PICTURE = Path(__file__).parents[2] / "docs" / "simulator-page.png"
SYMBOL = "SOL_USDC_PERP"
SIZE = {"width": 1440, "height": 900}


async def trade(simulator: Simulator, client: Client, seconds: int) -> None:
    """Let an account buy and sell, quote around the market, and be worth something else each moment."""
    market = simulator.exchange.markets[SYMBOL]
    for second in range(seconds):
        side = "Bid" if second % 3 else "Ask"
        await order(client, side=side, orderType="Market", quantity=str(Decimal("0.5") * (1 + second % 4)))
        simulator.advance_clock(5)
        await asyncio.sleep(0.2)
    bid, ask = market.book.touch
    assert bid is not None
    assert ask is not None
    for step in (60, 90, 140):
        for side, price in (
            ("Bid", bid[0] - step * market.instrument.tick_size),
            ("Ask", ask[0] + step * market.instrument.tick_size),
        ):
            await order(client, side=side, orderType="Limit", price=str(price), quantity="2.5", postOnly=True)


async def order(client: Client, **fields: Any) -> None:
    status, answer = await client.call("execute_order", {"symbol": SYMBOL, **fields})
    if status != 200:
        raise SystemExit(f"The exchange refused an order: {answer}")


async def take(
    picture: Path, size: dict[str, int], *, seconds: int = 60, is_whole: bool = False, tab: str = "Open orders"
) -> None:
    """Write a picture of the page."""
    path = find_browser()
    async with running_simulator(seed=7) as simulator, aiohttp.ClientSession() as http, async_playwright() as driver:
        client = Client(simulator, http, seed=1)
        late = Fault(kind=FaultKind.ANSWER_DELAYED, operations=("execute_order",), delay_s=0.05, probability=0.3)
        simulator.faults.inject(late)
        await trade(simulator, client, seconds)
        browser = await driver.chromium.launch(executable_path=path, args=ARGUMENTS)
        page = await browser.new_page(viewport=size)  # type: ignore[arg-type]
        await page.goto(f"{simulator.rest_url}/#market={SYMBOL}&account={quote(client.key)}")
        await page.locator("#account-panel tbody tr").first.wait_for()
        await page.locator("#chart-empty").wait_for(state="hidden")
        await page.get_by_role("tab", name=tab, exact=True).click()
        await asyncio.sleep(2)
        await page.screenshot(path=str(picture), full_page=is_whole)
        await browser.close()


def main(arguments: list[str]) -> int:
    picture = Path(arguments[0]) if arguments else PICTURE
    picture.parent.mkdir(parents=True, exist_ok=True)
    asyncio.run(take(picture, SIZE))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
