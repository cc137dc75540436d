"""The simulator's own levers: the clock and the prices, over a socket and as methods."""

from typing import Any

import aiohttp
import pytest

from backpack_connector.protocol.candles import bucket_start_s
from backpack_connector.protocol.enums import KlineInterval
from backpack_connector.protocol.units import iso_from_us
from backpack_connector.simulator import Simulator, running_simulator
from backpack_connector.simulator.clock import HOUR_US, wall_clock_us
from tests.simulator.streams import Stream
from tests.simulator.support import Client

PERP = "SOL_USDC_PERP"
HOUR_MS = HOUR_US // 1000


async def control(simulator: Simulator, http: aiohttp.ClientSession, what: str, body: Any) -> tuple[int, Any]:
    sent = {"data": body} if isinstance(body, str) else {"json": body}
    async with http.post(f"{simulator.rest_url}/simulator/{what}", **sent) as response:
        is_json = response.content_type == "application/json"
        return response.status, await response.json() if is_json else await response.text()


async def rates(alice: Client) -> list[Any]:
    status, rows = await alice.call("get_funding_interval_rates", {"symbol": PERP})
    assert status == 200
    return list(rows)


async def test_an_advanced_clock_is_told_and_settles_each_hour_at_once(
    simulator: Simulator, http: aiohttp.ClientSession, alice: Client
) -> None:
    wall_ms = wall_clock_us() // 1000
    status, answer = await control(simulator, http, "clock", {"advanceSeconds": 7200})
    assert (status, list(answer)) == (200, ["timeUs"])
    for time_ms in (answer["timeUs"] // 1000, int((await alice.call("get_time"))[1])):
        assert 0 <= time_ms - wall_ms - 2 * HOUR_MS < 5_000
    running, *settled = await rates(alice)
    assert len(settled) >= 2
    ends = [row["intervalEndTimestamp"] for row in (running, *settled[:2])]
    first_s = bucket_start_s(answer["timeUs"] // 10**6, KlineInterval.HOUR_1)
    assert ends == [iso_from_us((first_s + hours * 3600) * 10**6) for hours in (1, 0, -1)]
    assert {row["fundingRate"] for row in (running, *settled)} == {"0.0000125"}


async def test_signed_requests_are_judged_by_the_advanced_clock(
    simulator: Simulator, alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator.advance_clock(60)
    assert (await alice.call("get_balances"))[0] == 200
    monkeypatch.setattr(alice, "now_ms", lambda: wall_clock_us() // 1000)
    status, answer = await alice.call("get_balances")
    assert (status, answer["message"]) == (400, "Request has expired")


async def test_a_price_is_set_at_once_and_everybody_hears_it(
    simulator: Simulator, http: aiohttp.ClientSession, alice: Client
) -> None:
    async with http.ws_connect(simulator.ws_url) as socket:
        stream = Stream(socket)
        await stream.subscribe(f"markPrice.{PERP}")
        # Twice in one second: the second one is no regular update.
        assert (await control(simulator, http, "price", {"symbol": PERP, "indexPrice": "141"}))[0] == 200
        answer = await control(simulator, http, "price", {"symbol": PERP, "indexPrice": "140.005"})
        assert answer == (200, {"indexPrice": "140.005", "markPrice": "140", "symbol": PERP})
        frames = [frame["data"] for frame in await stream.settle()]
        assert ("140.005", "140.00") in [(data["i"], data["p"]) for data in frames]
    (row,) = (await alice.call("get_mark_prices", {"symbol": PERP}))[1]
    assert (row["indexPrice"], row["markPrice"]) == ("140.005", "140")


@pytest.mark.parametrize(
    ("what", "body", "answer"),
    [
        ("clock", {}, "advanceSeconds must be a number from 0 to 31622400"),
        ("clock", {"advanceSeconds": -1}, "advanceSeconds must be a number from 0 to 31622400"),
        ("clock", {"advanceSeconds": "60"}, "advanceSeconds must be a number from 0 to 31622400"),
        ("clock", {"advanceSeconds": True}, "advanceSeconds must be a number from 0 to 31622400"),
        ("clock", {"advanceSeconds": 1e300}, "advanceSeconds must be a number from 0 to 31622400"),
        ("price", {"symbol": PERP}, "Must specify an `indexPrice`"),
        ("price", {"symbol": PERP, "indexPrice": "0"}, "The price must be from 0.01 to 10000000"),
        ("price", {"symbol": "NOPE_USDC", "indexPrice": "1"}, "Invalid market symbol"),
    ],
)
async def test_what_cannot_be_is_refused_with_a_sentence(
    simulator: Simulator, http: aiohttp.ClientSession, what: str, body: Any, answer: str
) -> None:
    expected = {"code": "INVALID_CLIENT_REQUEST", "message": answer}
    assert await control(simulator, http, what, body) == (400, expected)


@pytest.mark.parametrize(
    "body", ["", "[]", "{", '{"symbol": 7, "indexPrice": "1"}', '{"symbol": "A_B", "indexPrice": 1}']
)
@pytest.mark.parametrize("what", ["clock", "price"])
async def test_what_cannot_be_read_is_a_bad_request(
    simulator: Simulator, http: aiohttp.ClientSession, what: str, body: str
) -> None:
    assert (await control(simulator, http, what, body))[0] == 400


async def test_the_background_flow_follows_a_price_that_is_set(http: aiohttp.ClientSession) -> None:
    async with running_simulator(background=True) as simulator, http.ws_connect(simulator.ws_url) as socket:
        stream = Stream(socket)
        await stream.subscribe("bookTicker.SOL_USDC", f"bookTicker.{PERP}")
        simulator.set_index_price(PERP, simulator.exchange.markets[PERP].index_price * 2 / 3)
        seen: set[str] = set()

        def has_both(frame: Any) -> bool:
            bid, ask = frame["data"]["b"], frame["data"]["a"]
            if bid is not None and ask is not None and 99 < float(bid) < float(ask) < 101:
                seen.add(frame["data"]["s"])
            return len(seen) == 2

        await stream.until(has_both)
