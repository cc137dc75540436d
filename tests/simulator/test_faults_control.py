"""Setting, showing and ending faults: by script, over HTTP, and when their time is over."""

import ast
import re
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from backpack_connector.protocol.enums import OrderBookState
from backpack_connector.simulator import Simulator, faults_kinds, running_simulator
from backpack_connector.simulator.faults_kinds import KINDS, Fault, FaultKind
from backpack_connector.simulator.refusals import Refusal
from tests.simulator.faults_support import ORDER, inject
from tests.simulator.support import SYMBOL, Client, FakeClock

PING_FAILS = {"kind": "timed_out", "operations": ["ping"]}


async def faults(
    simulator: Simulator, http: aiohttp.ClientSession, method: str, body: Any = None, **query: Any
) -> tuple[int, Any]:
    sent = {"data": body} if isinstance(body, (str, bytes)) else {"json": body}
    url = f"{simulator.rest_url}/simulator/faults"
    async with http.request(method, url, params=query, **sent) as response:
        is_json = response.content_type == "application/json"
        return response.status, await response.json() if is_json else await response.text()


async def test_faults_are_set_shown_and_ended_over_http(
    simulator: Simulator, http: aiohttp.ClientSession, alice: Client
) -> None:
    described = [{**PING_FAILS, "count": 2, "skip": 1}, {"kind": "clock_skewed", "offsetSeconds": 1.5}]
    status, answer = await faults(simulator, http, "POST", described)
    assert (status, list(answer)) == (200, ["ids"])
    first, second = answer["ids"]
    assert [(await alice.call("ping"))[0] for _ in range(4)] == [200, 500, 500, 200]
    status, shown = await faults(simulator, http, "GET")
    assert (status, shown) == (
        200,
        [
            {**described[0], "id": first, "isActive": True, "occasions": 4, "struck": 2},
            {**described[1], "id": second, "isActive": True, "occasions": 0, "struck": 0},
        ],
    )
    assert await faults(simulator, http, "DELETE", id=second) == (200, {"ended": 1})
    assert await faults(simulator, http, "DELETE", id=second) == (200, {"ended": 0})
    assert await faults(simulator, http, "DELETE") == (200, {"ended": 1})
    assert [row["isActive"] for row in (await faults(simulator, http, "GET"))[1]] == [False, False]
    assert not simulator.faults.is_set
    assert simulator.hub.faults is None


@pytest.mark.parametrize("query", [{"id": "99"}, {"id": "x"}])
async def test_an_id_that_nobody_has_is_refused(
    simulator: Simulator, http: aiohttp.ClientSession, query: dict[str, str]
) -> None:
    status, _ = await faults(simulator, http, "DELETE", **query)
    assert status == (404 if query["id"] == "99" else 400)
    with pytest.raises(Refusal, match="Not Found"):
        simulator.faults.struck_count(99)


MISTAKES = [
    ("[", "Faults must be a JSON list: Input data was truncated"),
    ("[" * 5_000, "Fault 1: Expected `object`, got `array`"),
    ("\xff".encode("latin-1"), "Faults must be a JSON list: JSON is malformed: invalid character (byte 0)"),
    ("{}", "Faults must be a JSON list: Expected `array`, got `object`"),
    ("[7]", "Fault 1: Expected `object`, got `int`"),
    ([{}], "Fault 1: Object missing required field `kind`"),
    ([PING_FAILS, {"kind": "nope"}], "Fault 2, kind: Invalid enum value 'nope'"),
    ([{**PING_FAILS, "chance": 1}], "Fault 1: Object contains unknown field `chance`"),
    ([{**PING_FAILS, "delay_s": 1}], "Fault 1: Object contains unknown field `delay_s`"),
    ([{**PING_FAILS, "probability": 0}], "Fault 1, probability: Expected `float` > 0.0"),
    ([{**PING_FAILS, "probability": 1.1}], "Fault 1, probability: Expected `float` <= 1.0"),
    ([{**PING_FAILS, "count": 0}], "Fault 1, count: Expected `int` >= 1"),
    ([{**PING_FAILS, "skip": -1}], "Fault 1, skip: Expected `int` >= 0"),
    ([{**PING_FAILS, "durationSeconds": 0}], "Fault 1, durationSeconds: Expected `float` > 0.0"),
    ([{**PING_FAILS, "operations": ["pong"]}], "Fault 1: timed_out cannot be about the operation 'pong'"),
    ([{**PING_FAILS, "operations": "ping"}], "Fault 1, operations: Expected `array`, got `str`"),
    ([{**PING_FAILS, "market": "NOPE_USDC"}], "There is no market 'NOPE_USDC'"),
    ([{**PING_FAILS, "streams": ["depth"]}], "Fault 1: `streams` does not go with timed_out"),
    ([{**PING_FAILS, "isExecuted": 1}], "Fault 1, isExecuted: Expected `bool | null`, got `int`"),
    ([{"kind": "depth_lags"}], "Fault 1: depth_lags needs `delaySeconds`"),
    (
        [{"kind": "depth_lags", "delaySeconds": 3_601}],
        "Fault 1, delaySeconds: Expected `float` <= 3600.0",
    ),
    (
        [{"kind": "history_lags", "delaySeconds": 1, "operations": ["get_depth"]}],
        "Fault 1: history_lags cannot be about the operation 'get_depth'",
    ),
    (
        [{"kind": "maintenance", "operations": ["get_markets"]}],
        "Fault 1: maintenance cannot be about the operation 'get_markets'",
    ),
    ([{"kind": "clock_skewed", "offsetSeconds": 1, "count": 1}], "Fault 1: `count` does not go with clock_skewed"),
    ([{"kind": "frame_dropped", "streams": ["dept"]}], "There are no streams 'dept'"),
    ([{"kind": "socket_closed", "code": 999}], "Fault 1, code: Expected `int` >= 1000"),
    ([{"kind": "socket_closed", "message": "x" * 101}], "Fault 1, message: Expected `str` of length <= 100"),
    ([{"kind": "market_state", "market": SYMBOL, "state": "Shut"}], "Fault 1, state: Invalid enum value 'Shut'"),
    (
        [{"kind": "price_traded", "price": "150"}],
        "Fault 1: price_traded at a `price` needs a `market`, and no `orderId`",
    ),
    (
        [{"kind": "price_traded", "market": SYMBOL, "price": "150", "orderId": "1"}],
        "Fault 1: price_traded at a `price` needs a `market`, and no `orderId`",
    ),
    ([{"kind": "price_traded", "market": SYMBOL, "price": "NaN"}], "Fault 1: All numbers must be finite"),
    ([{"kind": "price_traded", "market": SYMBOL, "price": "x"}], "Fault 1, price: Invalid decimal string"),
    *[
        (
            [{"kind": "price_traded", "market": SYMBOL, "quantity": "1", "price": price}],
            "Fault 1: `price` and `quantity` must be decimals above zero, of at most 28 digits",
        )
        for price in ("0", "-1", "1e99", "1e-99", "1." + "1" * 28)
    ],
    ([{"kind": "order_cancelled", "orderId": "404"}], "Order not found"),
]


@pytest.mark.parametrize(("body", "sentence"), MISTAKES)
async def test_a_bad_description_gets_one_sentence_and_sets_nothing(
    simulator: Simulator, http: aiohttp.ClientSession, body: Any, sentence: str
) -> None:
    if isinstance(body, list):
        body = [{"kind": "frame_dropped"}, *body]
        sentence = re.sub(r"Fault (\d)", lambda found: f"Fault {int(found[1]) + 1}", sentence)
    expected = {"code": "INVALID_CLIENT_REQUEST", "message": sentence}
    assert await faults(simulator, http, "POST", body) == (400, expected)
    assert not simulator.faults.is_set
    assert simulator.hub.faults is None


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (Fault(kind=FaultKind.TIMED_OUT, probability=2), r"Expected `float` <= 1.0 \(probability\)"),
        (Fault(kind=FaultKind.TIMED_OUT, probability=float("nan")), "All numbers must be finite"),
        (Fault(kind=FaultKind.TIMED_OUT, operations="ping"), r"Expected `array`, got `str` \(operations\)"),  # type: ignore[arg-type]
        (Fault(kind=FaultKind.TIMED_OUT, count=object()), "Encoding objects of type object is unsupported"),  # type: ignore[arg-type]
        (Fault(kind=FaultKind.DEPTH_LAGS, delay_s=float("inf")), "All numbers must be finite"),
        (Fault(kind=FaultKind.DEPTH_LAGS), "depth_lags needs `delaySeconds`"),
    ],
)
async def test_scripts_are_checked_too(simulator: Simulator, fault: Fault, sentence: str) -> None:
    with pytest.raises(Refusal, match=sentence):
        simulator.faults.inject(fault)
    assert not simulator.faults.is_set


async def test_a_fault_that_cannot_begin_takes_those_before_it_along(simulator: Simulator, alice: Client) -> None:
    market = simulator.exchange.markets[SYMBOL]
    with pytest.raises(Refusal, match="Order not found"):
        simulator.faults.inject(
            Fault(kind=FaultKind.MARKET_UNLISTED, market=SYMBOL), Fault(kind=FaultKind.ORDER_CANCELLED, order_id="1")
        )
    assert market.is_listed
    assert not simulator.faults.is_set


async def test_a_fault_ends_when_its_time_is_over() -> None:
    clock = FakeClock()
    async with running_simulator(background=False, clock=clock) as simulator, aiohttp.ClientSession() as http:
        alice = Client(simulator, http)
        inject(simulator, FaultKind.TIMED_OUT, operations=("ping",), duration_s=10)
        inject(simulator, FaultKind.TIMED_OUT, operations=("get_time",), duration_s=20)
        clock.advance_s(9.9)
        assert (await alice.call("ping"))[0] == 500
        clock.advance_s(0.1)
        # At the very next occasion, without waiting for the second to end.
        assert (await alice.call("ping"))[0] == 200
        assert (await alice.call("get_time"))[0] == 500
        clock.advance_s(10)
        assert [row["isActive"] for row in simulator.faults.payload()] == [False, False]
        assert not simulator.faults.is_set


async def test_spent_faults_are_put_away(simulator: Simulator, alice: Client) -> None:
    fault_id = inject(simulator, FaultKind.TIMED_OUT, operations=("ping",), count=1)
    assert (await alice.call("ping"))[0] == 500
    assert simulator.faults.is_set
    simulator.advance_clock(1)
    assert not simulator.faults.is_set
    assert simulator.faults.struck_count(fault_id) == 1


async def test_only_the_last_finished_faults_are_remembered(simulator: Simulator) -> None:
    ids = [inject(simulator, FaultKind.TIMED_OUT) for _ in range(1_005)]
    assert simulator.faults.end() == 1_005
    assert [row["id"] for row in simulator.faults.payload()] == ids[5:]


async def test_faults_do_not_change_what_they_are_not_about(simulator: Simulator, alice: Client) -> None:
    """The same calls with and without a fault in force give the same answers, the simulator's own paths included."""

    async def calls(client_id: int) -> list[Any]:
        order = {**ORDER, "clientId": client_id}
        _, placed = await alice.call("execute_order", order)
        answers = [
            await alice.call("get_open_orders"),
            await alice.call("cancel_order", {"symbol": SYMBOL, "orderId": placed["id"]}),
            await alice.call("get_order_history", {"orderId": placed["id"]}),
            await alice.call("get_fills"),
            await alice.call("get_balances"),
            await alice.call("get_collateral"),
            await alice.call("get_positions"),
            await alice.call("get_markets"),
            await alice.call("get_status"),
        ]
        text = repr(answers).replace(placed["id"], "ID").replace(f"'clientId': {client_id}", "")
        return [re.sub(r"'createdAt': [^,]+,", "", text)]

    before = await calls(7)
    for kind, row in KINDS.items():
        if "account" in row.scope | row.required and "market" not in row.required:
            required = {"delay_s": 600} if "delay_s" in row.required else {}
            inject(simulator, kind, account="somebody else", **required)
    assert await calls(8) == before
    async with alice.session.get(f"{simulator.rest_url}/simulator/truth") as response:
        assert response.status == 200
    async with alice.session.get(f"{simulator.rest_url}/nothing") as response:
        assert (response.status, await response.text()) == (404, "not found")


REQUIRED: dict[str, Any] = {
    "account": "somebody",
    "delay_s": 0.01,
    "market": SYMBOL,
    "offset_s": -2,
    "state": OrderBookState.POST_ONLY.value,
}


@pytest.mark.parametrize("kind", FaultKind)
async def test_every_kind_can_be_set_and_ended_over_http(
    simulator: Simulator, http: aiohttp.ClientSession, kind: FaultKind
) -> None:
    described = {
        "kind": kind.value,
        "seed": 3,
        "durationSeconds": 60,
        **{faults_kinds.WIRE_NAMES[name]: REQUIRED[name] for name in KINDS[kind].required},
    }
    status, answer = await faults(simulator, http, "POST", [described])
    assert status == 200, answer
    (shown,) = (await faults(simulator, http, "GET"))[1]
    assert (shown["isActive"], {name: shown[name] for name in described}) == (True, described)
    assert await faults(simulator, http, "DELETE") == (200, {"ended": 1})
    assert not simulator.faults.is_set


def test_every_kind_is_shown_to_a_client_by_a_test() -> None:
    """A test that names the kind and has a client: a caller of REST, or a connection to the streams."""
    clients = {"alice", "private", "stream", "http"}
    shown = set()
    for path in set(Path(__file__).parent.glob("test_faults_*.py")) - {Path(__file__)}:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.AsyncFunctionDef) and clients & {argument.arg for argument in node.args.args}:
                shown |= set(re.findall(r"FaultKind\.([A-Z_]+)", ast.unparse(node)))
    assert shown >= {kind.name for kind in FaultKind}


def test_the_table_lists_every_kind_once_and_in_order() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", faults_kinds.__doc__ or "", re.MULTILINE)
    assert [name for name, _ in rows] == [kind.value for kind in FaultKind] == [kind.value for kind in KINDS]
    assert len({sentence for _, sentence in rows}) == len(rows)


def test_each_kind_allows_only_fields_that_exist() -> None:
    fields = {field.name for field in msgspec.structs.fields(Fault)}
    for kind, row in KINDS.items():
        assert row.fields <= fields, kind
        assert "operations" not in row.scope or row.operations, kind


def test_a_fault_survives_its_own_json() -> None:
    fault = Fault(kind=FaultKind.REQUEST_DELAYED, operations=("ping",), delay_s=1.5, jitter_s=0.5, seed=7, skip=1)
    assert faults_kinds.read_faults(msgspec.json.encode([fault])) == [fault]
