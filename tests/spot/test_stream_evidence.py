"""What answers have told and the stream has not: who counts as late, what is logged, and that nothing piles up."""

import asyncio
import logging
from typing import Any

import pytest

from backpack_connector import stream_evidence
from backpack_connector.protocol.messages import BalanceUpdate, ErrorFrame, OrderUpdate, PositionUpdate, parse_message
from backpack_connector.protocol.streams import BALANCE_UPDATES, ORDER_UPDATES, POSITION_UPDATES
from backpack_connector.stream_evidence import Question, StreamEvidence, accepted, balance, ended, filled, position

LOGGER = logging.getLogger("tests.evidence")
GRACE_S = 0.1
REPAIRED = "Repaired what the private stream has not told within 0.1 s: "
LATER = "Repaired what happened without the private stream: "


class Case:
    """Evidence about a stream that works, and what was concluded."""

    def __init__(self) -> None:
        self.silent: list[tuple[str, str]] = []
        self.evidence = StreamEvidence(LOGGER, lambda stream, reason: self.silent.append((stream, reason)))
        self.evidence.subscribed()
        self.evidence.compared(self.evidence.connection)

    def find(self, number: int = 1, stream: str = ORDER_UPDATES) -> None:
        self.evidence.found(stream, ended(str(number)), lambda: f"order {number} was OPEN and is gone")


@pytest.fixture
async def case(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Any:
    monkeypatch.setattr(stream_evidence, "GRACE_S", GRACE_S)
    caplog.set_level("INFO")
    made = Case()
    yield made
    made.evidence.close()


def order_message(event: str = "orderAccepted", status: str = "New", order_id: str = "1", **more: Any) -> OrderUpdate:
    data = {"e": event, "E": 1, "s": "SOL_USDC", "i": order_id, "X": status, "S": "Bid", **more}
    message = parse_message({"stream": ORDER_UPDATES, "data": data})
    assert isinstance(message, OrderUpdate)
    return message


def balance_message() -> BalanceUpdate:
    data = {"e": "balanceUpdate", "E": 1, "a": "SOL", "A": "1", "L": "0", "S": "0"}
    message = parse_message({"stream": BALANCE_UPDATES, "data": data})
    assert isinstance(message, BalanceUpdate)
    return message


def position_message() -> PositionUpdate:
    data = {"e": "positionClosed", "E": 1, "s": "SOL_USDC_PERP", "q": "0", "M": "1", "B": "1"}
    message = parse_message({"stream": POSITION_UPDATES, "data": data})
    assert isinstance(message, PositionUpdate)
    return message


async def judged() -> None:
    await asyncio.sleep(1.5 * GRACE_S)


def lines(caplog: pytest.LogCaptureFixture) -> "list[str]":
    return [record.getMessage() for record in caplog.records if record.name == LOGGER.name]


async def test_silent_stream_is_named_and_reported(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    case.find()
    await judged()
    assert lines(caplog) == [f"{REPAIRED}order 1 was OPEN and is gone."]
    assert case.silent == [(ORDER_UPDATES, "it is connected but silent: order 1 was OPEN and is gone")]
    assert not case.evidence.is_waiting


TOLD: "list[tuple[Any, Any]]" = [
    (accepted("1"), order_message()),
    (ended("1"), order_message("orderCancelled", "Cancelled")),
    (filled("1", 7), order_message("orderFill", "PartiallyFilled", t=7)),
    (balance("SOL"), balance_message()),
    (position("SOL_USDC_PERP"), position_message()),
]


@pytest.mark.parametrize(("key", "message"), TOLD, ids=[str(key) for key, _ in TOLD])
async def test_what_the_stream_tells_in_time_is_nothing(
    case: Case, caplog: pytest.LogCaptureFixture, key: Any, message: Any
) -> None:
    case.evidence.found(ORDER_UPDATES, key, lambda: "something")
    case.evidence.take(message)
    assert not case.evidence.is_waiting
    await judged()
    assert lines(caplog) == []
    assert case.silent == []


NOT_TOLD: "list[tuple[Any, Any]]" = [
    (accepted("2"), order_message()),
    (ended("1"), order_message()),
    (ended("1"), order_message(status="Tomorrow")),
    (filled("1", 8), order_message("orderFill", "Filled", t=7)),
    (balance("USDC"), balance_message()),
    (position("BTC_USDC_PERP"), position_message()),
]


@pytest.mark.parametrize(("key", "message"), NOT_TOLD, ids=[str(key) for key, _ in NOT_TOLD])
async def test_what_the_stream_tells_of_something_else_leaves_a_repair_but_is_a_sign_of_life(
    case: Case, caplog: pytest.LogCaptureFixture, key: Any, message: Any
) -> None:
    stream = stream_evidence._STREAMS[type(message)]
    case.evidence.found(stream, key, lambda: "something")
    case.evidence.take(message)
    await judged()
    assert lines(caplog) == [f"{REPAIRED}something."]
    assert case.silent == []


async def test_message_of_another_stream_is_no_sign_of_life_of_this_one(case: Case) -> None:
    case.find()
    case.evidence.take(balance_message())
    case.evidence.take(ErrorFrame(code=1, message="x"))
    await judged()
    assert [stream for stream, _ in case.silent] == [ORDER_UPDATES]


async def test_what_comes_up_one_after_the_other_is_judged_one_after_the_other(
    case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    case.find(1)
    await asyncio.sleep(0.6 * GRACE_S)
    case.find(2)
    await asyncio.sleep(0.7 * GRACE_S)
    assert len(lines(caplog)) == 1
    await judged()
    assert len(lines(caplog)) == 2


@pytest.mark.parametrize("step", ["not subscribed", "not compared", "compared on an older connection"])
async def test_differences_of_a_time_without_the_stream_are_named_and_no_evidence(
    case: Case, caplog: pytest.LogCaptureFixture, step: str
) -> None:
    older = case.evidence.connection
    case.evidence.interrupted()
    if step != "not subscribed":
        case.evidence.subscribed()
    if step == "compared on an older connection":
        case.evidence.compared(older)
    case.evidence.expect(ORDER_UPDATES, accepted("5"), lambda: "not even said")
    case.find()
    await judged()
    assert lines(caplog) == [f"{LATER}order 1 was OPEN and is gone."]
    assert case.silent == []


async def test_connection_that_is_newer_than_the_difference_is_not_blamed(
    case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    case.find()
    case.evidence.interrupted()
    case.evidence.subscribed()
    await judged()
    assert len(lines(caplog)) == 1
    assert case.silent == []


async def test_many_repairs_at_once_do_not_flood_the_log(
    case: Case, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_evidence, "MOST_FINDINGS", 25)
    for number in range(40):
        case.find(number)
        case.find(number)  # the same once more
    await judged()
    assert len(lines(caplog)) == 11
    assert lines(caplog)[-1] == "45 further differences between answers and the private stream were repaired."
    assert len(case.silent) == 1


async def test_few_repairs_beside_uncounted_ones_are_counted_right(
    case: Case, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_evidence, "MOST_FINDINGS", 2)
    for number in range(3):
        case.find(number)
    await judged()
    assert lines(caplog)[-1].startswith("1 further difference")


async def test_close_forgets_everything(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    case.find()
    case.evidence.close()
    assert not case.evidence.is_waiting
    await judged()
    assert lines(caplog) == []


@pytest.mark.parametrize(
    ("place", "heard_at_s", "is_outdated"),
    [(9, 0.0, False), (11, 0.0, True), (9, 96.5, False), (9, 97.5, True), (9, 100.5, True)],
)
def test_answer_is_outdated_by_what_the_stream_said_after_the_question_or_just_before(
    place: int, heard_at_s: float, is_outdated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_evidence, "ANSWER_LAG_S", 3.0)
    assert Question(place=10, at_s=100.0).is_outdated_by(place, heard_at_s) is is_outdated
