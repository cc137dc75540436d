"""Faults are set, seen and ended on the page, and what the page says is what happens on the wire."""

import json

import aiohttp
import pytest
from playwright.async_api import Route

from backpack_connector.simulator import Simulator
from backpack_connector.simulator.faults_kinds import KINDS, WIRE_NAMES, Fault, FaultKind, read_faults
from tests.page.conftest import Watched, eventually
from tests.simulator.support import Client

pytestmark = pytest.mark.asyncio(loop_scope="module")

ACTIVE = "#fault-list li"
NEEDED = {"delaySeconds": "1.5", "offsetSeconds": "-5", "market": "ETH_USDC", "state": "PostOnly"}


async def select(watched: Watched, kind: FaultKind) -> None:
    await watched.page.locator("#fault-kind").select_option(kind.value)


async def fill(watched: Watched, **values: str) -> None:
    for name, value in values.items():
        field = watched.page.locator(f"#fault-form [name={name}]")
        if await field.evaluate("field => field.tagName") == "SELECT":
            await field.select_option(value)
        else:
            await field.fill(value)


async def submit(watched: Watched) -> None:
    await watched.page.get_by_role("button", name="Set fault").click()


async def status(http: aiohttp.ClientSession, simulator: Simulator, path: str) -> int:
    async with http.get(f"{simulator.rest_url}{path}") as response:
        return response.status


async def test_a_fault_strikes_on_the_wire_and_ends(
    watched: Watched, simulator: Simulator, http: aiohttp.ClientSession
) -> None:
    await watched.open()
    await eventually(lambda: watched.text("#fault-list"), "Nothing is broken now.")
    assert await watched.page.get_by_role("button", name="End all").is_disabled()
    await select(watched, FaultKind.UNAVAILABLE)
    await fill(watched, operations="get_time, ping", count="2")
    await submit(watched)
    await eventually(lambda: watched.rows(ACTIVE), lambda rows: len(rows) == 1)
    assert await watched.text("#fault-count") == "1 fault"
    assert [await status(http, simulator, path) for path in ("/api/v1/time", "/api/v1/ping", "/api/v1/status")] == [
        503,
        503,
        200,
    ]
    # Spent faults end by themselves with the next second.
    await eventually(lambda: watched.rows("#faults li.over"), lambda rows: rows and "over · struck 2 times" in rows[0])
    await eventually(lambda: watched.text("#fault-list"), "Nothing is broken now.")
    assert await watched.page.locator("#fault-count").is_hidden()
    assert await status(http, simulator, "/api/v1/time") == 200


async def test_a_fault_can_be_ended_by_hand(
    watched: Watched, simulator: Simulator, http: aiohttp.ClientSession
) -> None:
    await watched.open()
    await select(watched, FaultKind.UNAVAILABLE)
    await fill(watched, operations="get_time")
    await submit(watched)
    await eventually(lambda: status(http, simulator, "/api/v1/time"), 503)
    await eventually(lambda: watched.rows(ACTIVE), lambda rows: rows and rows[0][1] == "struck once")
    await watched.page.get_by_role("button", name="End fault").click()
    await eventually(lambda: status(http, simulator, "/api/v1/time"), 200)
    for _ in range(2):
        await submit(watched)
    await eventually(lambda: watched.text("#fault-count"), "2 faults")
    await watched.page.get_by_role("button", name="End all").click()
    await eventually(lambda: watched.rows(ACTIVE), [])
    assert not simulator.faults.is_set


async def test_every_kind_can_be_set_with_all_its_fields(watched: Watched, simulator: Simulator, alice: Client) -> None:
    await watched.open()
    await eventually(lambda: watched.page.locator("#fault-kind option").count(), len(KINDS))
    sent: list[dict[str, object]] = []

    async def note(route: Route) -> None:
        sent.extend(json.loads(route.request.post_data or "[]"))
        await route.fulfill(json={"ids": [1]})

    await watched.page.route("**/simulator/faults", note)
    for kind, row in KINDS.items():
        await select(watched, kind)
        names = await watched.page.locator("#fault-form .fields [name]").evaluate_all("all => all.map(it => it.name)")
        assert sorted(names) == sorted(WIRE_NAMES[name] for name in row.fields - {"kind"}), kind
        needed = {WIRE_NAMES[name] for name in row.required}
        await fill(watched, **{name: {**NEEDED, "account": alice.key}[name] for name in needed})
        await submit(watched)
        await eventually(lambda: len(sent), list(KINDS).index(kind) + 1)
        assert {"kind", *needed} == set(sent[-1])
        assert read_faults(json.dumps(sent[-1:]))[0].kind is kind


async def test_every_field_is_sent_as_what_it_is(watched: Watched, simulator: Simulator, alice: Client) -> None:
    await watched.open("market=ETH_USDC")
    await select(watched, FaultKind.FRAME_REORDERED)
    await watched.page.locator("summary").click()
    values = {"streams": "depth.ETH_USDC, trade", "account": alice.key, "market": "ETH_USDC", "probability": "0.25"}
    numbers = {
        "count": "3",
        "skip": "1",
        "durationSeconds": "60",
        "seed": "7",
        "delaySeconds": "0.5",
        "jitterSeconds": "1",
    }
    await fill(watched, **values, **numbers)
    await submit(watched)
    await eventually(lambda: [row["isActive"] for row in simulator.faults.payload()[-1:]], [True])
    fault = simulator.faults.payload()[-1]
    assert {name: fault[name] for name in numbers} == {name: float(text) for name, text in numbers.items()}
    assert (fault["streams"], fault["probability"]) == (("depth.ETH_USDC", "trade"), 0.25)
    await eventually(lambda: watched.rows(ACTIVE), lambda rows: rows and "streams depth.ETH_USDC, trade" in rows[0][0])


async def test_a_wrong_field_gives_one_sentence_and_sets_nothing(watched: Watched, simulator: Simulator) -> None:
    await watched.open()
    await select(watched, FaultKind.REQUEST_DELAYED)
    await submit(watched)
    await eventually(lambda: watched.text("#fault-error"), "Fault 1: request_delayed needs `delaySeconds`.")
    assert await watched.page.locator("#fault-error").is_visible()
    await fill(watched, delaySeconds="1", operations="no_such_operation")
    await submit(watched)
    await eventually(lambda: watched.text("#fault-error"), lambda text: "'no_such_operation'" in text)
    assert not simulator.faults.is_set
    assert all("400" in text for text in watched.complaints)  # the browser's own line about the answer
    watched.complaints.clear()
    await fill(watched, operations="")
    await submit(watched)
    await eventually(lambda: watched.page.locator("#fault-error").is_hidden(), True)
    await eventually(lambda: simulator.faults.is_set, True)


@pytest.mark.parametrize(
    ("button", "kind"),
    [
        ("Lose 20% of depth, 30 s", FaultKind.FRAME_DROPPED),
        ("Lose next order's answer", FaultKind.ANSWER_LOST),
        ("Orders 2 s late, 30 s", FaultKind.ANSWER_DELAYED),
        ("Maintenance, 15 s", FaultKind.MAINTENANCE),
        ("Close this market, 15 s", FaultKind.MARKET_STATE),
        ("Drop connections", FaultKind.SOCKET_DROPPED),
    ],
)
async def test_the_buttons_set_their_faults(
    button: str, kind: FaultKind, watched: Watched, simulator: Simulator
) -> None:
    await watched.open()
    before = len(simulator.faults.payload())
    await watched.page.get_by_role("button", name=button).click()
    await eventually(lambda: [row["kind"] for row in simulator.faults.payload()[before:]], [kind.value])
    await watched.until_live()


async def test_focus_stays_on_a_button_while_figures_move(
    watched: Watched, simulator: Simulator, http: aiohttp.ClientSession
) -> None:
    simulator.faults.inject(Fault(kind=FaultKind.UNAVAILABLE, operations=("ping",)))
    await watched.open()
    button = watched.page.get_by_role("button", name="End fault")
    await button.focus()
    await status(http, simulator, "/api/v1/ping")
    await eventually(lambda: watched.rows(ACTIVE), lambda rows: rows[0][1] == "struck once")
    assert await button.evaluate("button => button === document.activeElement")
    await watched.page.keyboard.press("Enter")
    await eventually(lambda: simulator.faults.is_set, False)
