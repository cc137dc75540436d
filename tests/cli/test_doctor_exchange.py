"""What `backpack doctor` finds at an exchange that answers wrongly: a double in front of the simulator says it."""

import time
from collections.abc import AsyncIterator

import pytest

from backpack_connector.cli import doctor_exchange
from backpack_connector.cli.doctor_exchange import clock_finding, exchange_findings
from backpack_connector.cli.doctor_findings import Finding
from backpack_connector.client.rest import BackpackClient
from backpack_connector.protocol.signing import Credentials
from backpack_connector.simulator import Simulator
from backpack_connector.simulator.faults_kinds import Fault, FaultKind
from tests.spot.stream_double import HANG_UP, UNAVAILABLE, Reply, StreamDouble, failure

FORBIDDEN = failure(403, "FORBIDDEN", "Forbidden")


@pytest.fixture
async def client(double: StreamDouble, key_pair: tuple[str, str]) -> AsyncIterator[BackpackClient]:
    async with BackpackClient(url=double.url, credentials=Credentials(*key_pair), attempts=1) as made:
        yield made


async def found(client: BackpackClient, *, is_simulator: bool = False) -> dict[str, Finding]:
    findings = await exchange_findings(client, "environment", is_simulator=is_simulator)
    return {finding.check: finding for finding in findings}


async def test_all_is_well_and_only_one_request_could_change_anything(
    client: BackpackClient, double: StreamDouble
) -> None:
    findings = await found(client)
    assert {name: (one.state, one.advice) for name, one in findings.items()} == dict.fromkeys(
        ("exchange", "clock", "stream", "key", "permission"), ("ok", "")
    )
    asked = [seen.operation_id for seen in double.requests]
    assert asked[:4] == ["get_time"] * 3 + ["get_status"]
    assert set(asked[4:]) == {"get_time", "get_account", "cancel_order"}
    (cancel,) = (seen for seen in double.requests if seen.operation_id == "cancel_order")
    assert cancel.body == {"symbol": "SOL_USDC", "orderId": str(2**63 - 1)}


@pytest.mark.parametrize(
    ("reply", "advice"),
    [
        (HANG_UP, "network"),
        (UNAVAILABLE, "Wait"),
        (Reply("<html>Sign in to this hotel</html>"), "login page"),
        (failure(429, "TOO_MANY_REQUESTS", "slow down"), "Other programs"),
        (Reply("<html>Not in your country</html>", 403), "country"),
    ],
)
async def test_an_exchange_that_cannot_be_used(
    reply: Reply, advice: str, client: BackpackClient, double: StreamDouble
) -> None:
    double.answer("get_time", reply)
    findings = await found(client)
    assert findings["exchange"].state == "problem"
    assert advice in findings["exchange"].advice
    assert {one.state for name, one in findings.items() if name != "exchange"} == {"skipped"}
    assert double.count("get_account") == double.count("cancel_order") == 0


async def test_maintenance_is_a_warning(client: BackpackClient, double: StreamDouble) -> None:
    double.answer("get_status", Reply({"status": "Maintenance", "message": "back at noon"}))
    finding = (await found(client))["exchange"]
    assert (finding.state, finding.found.endswith("says: Maintenance, back at noon.")) == ("warning", True)


@pytest.mark.parametrize(("offset_s", "word"), [(90, "behind"), (-90, "ahead of")])
async def test_a_clock_that_is_off(offset_s: float, word: str, client: BackpackClient, simulator: Simulator) -> None:
    simulator.faults.inject(Fault(kind=FaultKind.CLOCK_SKEWED, offset_s=offset_s))
    findings = await found(client)
    assert findings["clock"].state == "problem"
    assert f" {word} the exchange's." in findings["clock"].found
    assert "90.0 s" in findings["clock"].found or "89.9 s" in findings["clock"].found
    assert findings["key"].state == "ok", "requests are signed with the exchange's time"


@pytest.mark.parametrize(
    ("offset_s", "taken_s", "state"),
    [
        (0.4, 0.1, "ok"),
        (-1.04, 0.1, "ok"),  # half of the time of the question may be an error
        (1.2, 0.1, "warning"),
        (-4.9, 0.1, "warning"),
        (5.2, 0.1, "problem"),
        (-3_600.0, 0.1, "problem"),
    ],
)
def test_how_far_a_clock_may_be_off(offset_s: float, taken_s: float, state: str) -> None:
    assert clock_finding(offset_s, taken_s).state == state


async def test_the_quickest_question_measures_the_clock(client: BackpackClient, double: StreamDouble) -> None:
    late_and_wrong = Reply(str(int((time.time() + 3) * 1000)), delay_s=0.5)
    answers = [late_and_wrong, None, None]
    double.answer("get_time", lambda seen: answers.pop(0) if answers else None)
    assert (await found(client))["clock"].state == "ok"


async def test_streams_that_do_not_connect(
    client: BackpackClient, double: StreamDouble, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(doctor_exchange, "TIMEOUT_S", 0.3)
    double.refuses_streams = True
    findings = await found(client)
    assert (findings["stream"].state, findings["key"].state) == ("problem", "ok")
    assert "WebSocket" in findings["stream"].advice
    assert caplog.records == []


@pytest.mark.parametrize(
    ("reply", "state"), [(failure(401, "UNAUTHORIZED", "Unauthorized"), "problem"), (UNAVAILABLE, "warning")]
)
async def test_a_key_that_is_not_accepted(
    reply: Reply, state: str, client: BackpackClient, double: StreamDouble, key_pair: tuple[str, str]
) -> None:
    double.answer("get_account", reply)
    findings = await found(client)
    assert (findings["key"].state, findings["permission"].state) == (state, "skipped")
    assert key_pair[0] not in findings["key"].found
    assert "environment" in findings["key"].found
    assert double.count("cancel_order") == 0


@pytest.mark.parametrize(
    ("reply", "state", "said"),
    [
        (FORBIDDEN, "problem", "The key may read, and not trade: "),
        (failure(401, "UNAUTHORIZED", "Unauthorized"), "problem", "The key may read, and not trade: "),
        (failure(400, "INVALID_MARKET", "Invalid market"), "warning", "It is not known whether the key may trade: "),
        (UNAVAILABLE, "warning", "It is not known whether the key may trade: "),
        (Reply(None, 202), "ok", "The key may change orders."),
        (failure(404, "RESOURCE_NOT_FOUND", "Not Found"), "ok", "The key may change orders."),
    ],
)
async def test_what_a_key_may_do(
    reply: Reply, state: str, said: str, client: BackpackClient, double: StreamDouble
) -> None:
    double.answer("cancel_order", reply)
    findings = await found(client)
    assert (findings["key"].state, findings["permission"].state) == ("ok", state)
    assert findings["permission"].found.startswith(said)
    assert double.count("cancel_order") == 1


async def test_without_a_key_nothing_is_signed(double: StreamDouble) -> None:
    async with BackpackClient(url=double.url, attempts=1) as client:
        findings = await found(client)
    assert set(findings) == {"exchange", "clock", "stream"}
    assert not [seen for seen in double.requests if "X-API-Key" in seen.headers]
