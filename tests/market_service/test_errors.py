"""What the service says when there is no answer: the same envelope, the right status, one sentence."""

import asyncio

import aiohttp
import pytest

from backpack_connector.market_service import server
from backpack_connector.market_service.openapi import document
from backpack_connector.market_service.problems import Problem, problem_of
from backpack_connector.market_service.server import running_service
from backpack_connector.protocol.errors import (
    BackpackError,
    ConfigurationError,
    InvalidRequest,
    NoAnswer,
    RateLimited,
    Unavailable,
    WireFormatError,
)
from tests.market_service.conftest import Answer, Asker, WatchedClient
from tests.market_service.test_answers import problems
from tests.simulator.faults_support import until

SPOT = "SOL_USDC"

WRONG = [
    ("/v1/markets?type=stock", 400, "type has to be one of SPOT, PERP,"),
    ("/v1/markets?typ=PERP", 400, "/v1/markets has no parameter 'typ'; did you mean type?"),
    ("/v1/markets?type=PERP&type=SPOT", 400, "/v1/markets takes each parameter once."),
    ("/v1/ticker?symbol=SOL/USDC", 400, "symbol has to be written like SOL_USDC_PERP"),
    ("/v1/ticker?symbol=", 400, "symbol has to be text, not ''."),
    ("/v1/ticker?symbol=NOPE_USDC", 404, "The exchange has no market NOPE_USDC; /v1/markets lists all."),
    ("/v1/orderbook", 400, "/v1/orderbook needs symbol."),
    (f"/v1/orderbook?symbol={SPOT}&depth=0", 400, "depth has to be from 1 to 1000, not 0."),
    (f"/v1/orderbook?symbol={SPOT}&depth=many", 400, "depth has to be a whole number, not 'many'."),
    (f"/v1/klines?symbol={SPOT}&interval=7m", 400, "interval has to be one of 1s, 1m,"),
    (f"/v1/klines?symbol={SPOT}&interval=1M", 400, "interval has to be one of 1s, 1m,"),
    (f"/v1/trades?symbol={SPOT}&limit=1001", 400, "limit has to be from 1 to 1000, not 1001."),
    ("/v1/trades?symbol=NOPE_USDC", 404, "The exchange has no market NOPE_USDC;"),
    (f"/v1/funding?symbol={SPOT}", 404, f"{SPOT} is not a perpetual market that is open"),
]


def check_failure(answer: Answer, status: int, sentence: str) -> None:
    body = answer.body
    assert (answer.status, body["status"], body["success"], body["data"]) == (status, status, False, None)
    assert body["message"].startswith(sentence)
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(("question", "status", "sentence"), WRONG)
async def test_wrong_questions(ask: Asker, client: WatchedClient, question: str, status: int, sentence: str) -> None:
    answer = await ask(question)
    check_failure(answer, status, sentence)
    assert problems(document(), question, answer) == []
    if status == 400:
        assert not client.asked, "nothing was sent"


async def test_unknown_paths_and_wrong_methods(ask: Asker) -> None:
    check_failure(await ask("/v2/nothing"), 404, "There is nothing at /v2/nothing; /openapi.json says what there is.")
    check_failure(await ask("/"), 404, "There is nothing at /;")
    for method in ("POST", "DELETE", "PUT", "OPTIONS"):
        answer = await ask("/v1/markets", method)
        check_failure(answer, 405, "Market data can only be read")
        assert set(answer.headers["Allow"].split(",")) == {"GET", "HEAD"}


async def test_head_is_get_without_a_body(ask: Asker) -> None:
    full, bare = await ask("/v1/markets"), await ask("/v1/markets", "HEAD")
    assert (bare.status, bare.text) == (200, "")
    assert abs(int(bare.headers["Content-Length"]) - len(full.text)) < 10  # the age has more or fewer digits
    assert (await ask("/v1/ticker?symbol=NOPE_USDC", "HEAD")).status == 404


@pytest.mark.parametrize(
    ("error", "status", "sentence", "retry_after"),
    [
        (NoAnswer("no"), 502, "The exchange cannot be reached", None),
        (Unavailable("page", status=500), 502, "The exchange answered with an error (500).", None),
        (
            WireFormatError("get_markets: [0] is no market"),
            502,
            "The exchange gave an answer that cannot be read.",
            None,
        ),
        (InvalidRequest("Strange", status=400), 502, "The exchange refused to answer: Strange", None),
        (Unavailable("maintenance", status=503), 503, "The exchange is not available; try again later.", "5"),
        (RateLimited("slow", status=429), 503, "The exchange is asked more often than it allows", "5"),
        (RateLimited("slow", status=429, retry_after_s=2.2), 503, "The exchange is asked more often", "3"),
    ],
)
async def test_what_the_exchange_does_not_answer(
    ask: Asker, client: WatchedClient, error: BackpackError, status: int, sentence: str, retry_after: str | None
) -> None:
    client.error = error
    answer = await ask("/v1/markets")
    check_failure(answer, status, sentence)
    assert answer.headers.get("Retry-After") == retry_after
    assert problems(document(), "/v1/markets", answer) == []


async def test_the_service_answers_for_itself_when_the_exchange_does_not(ask: Asker, client: WatchedClient) -> None:
    client.error = NoAnswer("no")
    answer = await ask("/v1/meta")
    assert answer.status == 200
    assert answer.body["data"]["exchange"]["status"] == "Unreachable"
    assert problems(document(), "/v1/meta", answer) == []


async def test_an_exchange_that_is_not_there() -> None:
    client = WatchedClient("http://127.0.0.1:9")
    async with client, running_service(client, port=0) as url, aiohttp.ClientSession() as session:
        answer = await Asker(url, session)(f"/v1/ticker?symbol={SPOT}")
    check_failure(answer, 502, "The exchange cannot be reached")


async def test_a_mistake_of_the_service_is_told_without_its_details(
    ask: Asker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, "_success", lambda *_: {}["secret"])
    with caplog.at_level("ERROR"):
        answer = await ask("/v1/meta")
    check_failure(answer, 500, "The service has made a mistake; its log says more.")
    assert "secret" not in answer.text
    assert "The answer to /v1/meta failed" in caplog.text


async def test_a_port_that_is_taken(client: WatchedClient) -> None:
    async with running_service(client, port=0) as url:
        port = int(url.rpartition(":")[2])
        with pytest.raises(ConfigurationError, match=f"Port {port} of 127.0.0.1 cannot be served"):
            async with running_service(client, port=port):
                pass


async def test_questions_that_are_open_at_the_end_are_ended(client: WatchedClient) -> None:
    client.gate.clear()
    async with aiohttp.ClientSession() as session:
        async with running_service(client, port=0) as url:
            asking = asyncio.create_task(Asker(url, session)("/v1/markets"))
            await until(lambda: client.asked)
        with pytest.raises(aiohttp.ClientError):
            await asking
    assert [task for task in asyncio.all_tasks() if "SharedAnswers" in repr(task)] == []


def test_a_problem_is_new_for_each_who_asks() -> None:
    first = Problem(404, "no", 1.0)
    second = problem_of(first)
    assert second is not first
    assert (second.status, second.message, second.retry_after_s) == (404, "no", 1.0)
