"""One request to the exchange for all who ask the same at the same time, and shortly after."""

import asyncio

import pytest

from backpack_connector.market_service.problems import Problem
from backpack_connector.market_service.sharing import ERROR_LIFETIME_S, REFUSAL_LIFETIME_S, SharedAnswers
from backpack_connector.protocol.errors import BackpackError, InvalidRequest, NoAnswer
from tests.market_service.conftest import Asker, WatchedClient
from tests.simulator.faults_support import until

SPOT, ETH = "SOL_USDC", "ETH_USDC"


class Exchange:
    """Something to ask, with a clock that is moved by hand."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.count = 0
        self.error: BackpackError | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    def clock(self) -> float:
        return self.now_s

    async def ask(self) -> int:
        self.count += 1
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return self.count


@pytest.fixture
async def exchange() -> Exchange:
    return Exchange()


async def test_many_who_ask_at_the_same_time_are_one_request(ask: Asker, client: WatchedClient) -> None:
    client.gate.clear()
    askers = [asyncio.create_task(ask(f"/v1/ticker?symbol={SPOT}")) for _ in range(20)]
    await until(lambda: client.asked)
    client.gate.set()
    answers = await asyncio.gather(*askers)
    assert {answer.status for answer in answers} == {200}
    assert client.asked == {"get_market": 1, "get_ticker": 1}
    await ask(f"/v1/ticker?symbol={ETH}")
    assert client.asked == {"get_market": 2, "get_ticker": 2}


async def test_an_answer_says_how_old_it_is_and_how_long_it_is_good(ask: Asker) -> None:
    answer = await ask("/v1/markets")
    assert answer.body["meta"]["ageMs"] < 60_000
    assert answer.headers["Cache-Control"] in ("public, max-age=60", "public, max-age=59", "public, max-age=58")


async def test_an_answer_lives_for_its_time(exchange: Exchange) -> None:
    answers = SharedAnswers(exchange.clock)
    assert (await answers.get("a", 2.0, exchange.ask)).value == 1
    exchange.now_s += 1.9
    shared = await answers.get("a", 2.0, exchange.ask)
    assert (shared.value, shared.age_s) == (1, pytest.approx(1.9))
    exchange.now_s += 0.2
    assert (await answers.get("a", 2.0, exchange.ask)).value == 2


@pytest.mark.parametrize(
    ("error", "status", "lifetime_s"),
    [
        (NoAnswer("no"), 502, ERROR_LIFETIME_S),
        (InvalidRequest("no", status=400), 502, REFUSAL_LIFETIME_S),
        (Problem(404, "no"), 404, REFUSAL_LIFETIME_S),
    ],
)
async def test_an_error_is_shared_too(exchange: Exchange, error: BackpackError, status: int, lifetime_s: float) -> None:
    answers = SharedAnswers(exchange.clock)
    exchange.error = error
    for passed_s in (0.0, lifetime_s - 0.1):
        exchange.now_s += passed_s
        with pytest.raises(Problem) as caught:
            await answers.get("a", 60.0, exchange.ask)
        assert caught.value.status == status
    assert exchange.count == 1
    exchange.now_s += 0.2
    exchange.error = None
    assert (await answers.get("a", 60.0, exchange.ask)).value == 2


async def test_who_goes_away_takes_nothing_from_the_others(exchange: Exchange) -> None:
    answers = SharedAnswers(exchange.clock)
    exchange.gate.clear()
    first, second = (asyncio.create_task(answers.get("a", 1.0, exchange.ask)) for _ in range(2))
    await until(lambda: exchange.count == 1)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    exchange.gate.set()
    assert (await second).value == 1
    assert exchange.count == 1


async def test_a_question_does_not_stay_open_for_ever(exchange: Exchange) -> None:
    answers = SharedAnswers(exchange.clock, timeout_s=0.01)
    exchange.gate.clear()
    with pytest.raises(Problem, match="not available") as caught:
        await answers.get("a", 1.0, exchange.ask)
    assert (caught.value.status, caught.value.retry_after_s) == (503, 5.0)


async def test_open_questions_have_a_bound(exchange: Exchange) -> None:
    answers = SharedAnswers(exchange.clock, most_open=2)
    exchange.gate.clear()
    tasks = [asyncio.create_task(answers.get(key, 1.0, exchange.ask)) for key in "aab"]
    await until(lambda: exchange.count == 2)
    with pytest.raises(Problem, match="Too many different questions") as caught:
        await answers.get("c", 1.0, exchange.ask)
    assert caught.value.status == 503
    exchange.gate.set()
    await asyncio.gather(*tasks)
    assert (await answers.get("c", 1.0, exchange.ask)).value == 3


async def test_kept_answers_have_a_bound(exchange: Exchange) -> None:
    answers = SharedAnswers(exchange.clock, most_kept=3)
    await answers.get("long", 60.0, exchange.ask)
    await answers.get("short", 1.0, exchange.ask)
    exchange.now_s += 2.0
    for key in "ab":  # what is too old makes room first
        await answers.get(key, 60.0, exchange.ask)
    assert (await answers.get("long", 60.0, exchange.ask)).value == 1
    await answers.get("c", 60.0, exchange.ask)  # then what has been there longest
    assert exchange.count == 5
    for key in "abc":
        await answers.get(key, 60.0, exchange.ask)
    assert exchange.count == 5
    await answers.get("long", 60.0, exchange.ask)
    assert exchange.count == 6


async def test_the_end_ends_what_is_open(exchange: Exchange) -> None:
    answers = SharedAnswers(exchange.clock)
    exchange.gate.clear()
    waiting = asyncio.create_task(answers.get("a", 1.0, exchange.ask))
    await until(lambda: exchange.count == 1)
    await answers.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
