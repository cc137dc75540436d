"""The depth picture is painted from the book: bids to the left, asks to the right, as high as they add up to."""

import pytest

from backpack_connector.simulator import Simulator
from tests.page.conftest import Watched, eventually
from tests.page.test_market import SYMBOL, place
from tests.simulator.support import Client

pytestmark = pytest.mark.asyncio(loop_scope="module")

# How much of the picture's height has the colour of bids and of asks, in per cent, in its left and its right half; the
# middle itself is left out.
HEIGHTS = """canvas => {
    const { width, height } = canvas;
    const copy = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    const { data } = copy.getImageData(0, 0, width, height);
    const tops = { bids: [height, height], asks: [height, height] };
    for (let y = height - 1; y >= 0; y -= 1) {
        for (let x = 0; x < width; x += 1) {
            const [red, green, , alpha] = data.subarray(4 * (y * width + x), 4 * (y * width + x) + 4);
            const half = x < width / 2 - 4 ? 0 : x > width / 2 + 4 ? 1 : null;
            if (alpha < 8 || half === null || Math.abs(red - green) < 60) continue;
            tops[green > red ? 'bids' : 'asks'][half] = y;
        }
    }
    const share = rows => rows.map(y => Math.round(100 * (height - y) / height));
    return [share(tops.bids), share(tops.asks)];
}"""


async def test_each_side_is_as_high_as_its_quantities(watched: Watched, simulator: Simulator, alice: Client) -> None:
    await watched.open()
    canvas = watched.page.locator("canvas#depth")

    async def heights() -> list[list[int]]:
        found = await canvas.evaluate(HEIGHTS)
        # To tens, because lines have a width and edges are smoothed.
        return [[round(share / 10) * 10 for share in side] for side in found]

    assert await heights() == [[0, 0], [0, 0]]
    await place(alice, "Bid", "149", "4")
    asks = await place(alice, "Ask", "151", "4")
    await eventually(heights, lambda found: found[0][0] == found[1][1] > 0)
    (full, no_bids), (no_asks, _) = await heights()
    assert (no_bids, no_asks) == (0, 0)
    assert full >= 60
    await place(alice, "Bid", "148", "4")
    await eventually(heights, lambda found: found[0][0] == full and 0 < found[1][1] <= full // 2 + 10)
    await alice.call("cancel_order", {"symbol": SYMBOL, "orderId": asks["id"]})
    await eventually(heights, [[0, 0], [0, 0]])
