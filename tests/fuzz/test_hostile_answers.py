"""An exchange whose answers are garbage: every question survives it, and afterwards every figure is right."""

import asyncio
import itertools
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from hummingbot.core.web_assistant.connections.connections_factory import ConnectionsFactory

from backpack_connector import backpack_constants, single_attempts
from backpack_connector.backpack_constants import SIMULATOR_DOMAIN
from backpack_connector.backpack_exchange import BackpackExchange
from backpack_connector.hosts import SIMULATOR_URL_VARIABLE
from backpack_connector.protocol.errors import BackpackError, NoAnswer, RequestError, WireFormatError
from backpack_connector.protocol.rest import read_response
from tests.fuzz.hostile import KINDS, Hostile, check_log, hostile_world, terminal_events
from tests.fuzz.mutations import mutations
from tests.fuzz.targets import READERS, check_error, encoded, read_answer
from tests.spot.session import PAIR, until

Question = Callable[[Any], Awaitable[Any]]

QUESTIONS: dict[str, Question] = {
    "get_status": lambda connector: connector.check_network(),
    "get_markets": lambda connector: connector._update_trading_rules(),
    "get_ticker": lambda connector: connector.get_last_traded_prices([PAIR]),
    "get_tickers": lambda connector: connector.get_all_prices(),
    "get_depth": lambda connector: connector._orderbook_ds._request_snapshot("SOL_USDC"),
    "get_account": lambda connector: connector._update_trading_fees(),
    "get_open_orders": lambda connector: connector._update_order_status(),
    "get_order_history": lambda connector: connector._update_order_status(),
    "get_fills": lambda connector: connector._update_order_status(),
}
OF_SPOT: dict[str, Question] = {
    "get_balances": lambda connector: connector._update_balances(),
    "get_borrow_lend_positions": lambda connector: connector._update_balances(),
}
OF_PERPETUALS: dict[str, Question] = {
    "get_collateral": lambda connector: connector._update_balances(),
    "get_positions": lambda connector: connector._update_positions(),
    "get_mark_prices": lambda connector: connector._orderbook_ds.get_funding_infos([PAIR]),
    "get_funding_payments": lambda connector: connector._update_all_funding_payments(True),
}


def questions_of(kind: str) -> dict[str, Question]:
    """Return what a connector asks, by the operation that answers."""
    return {**QUESTIONS, **(OF_SPOT if kind == "spot" else OF_PERPETUALS)}


async def genuine_answers(bot: Hostile) -> dict[str, Any]:
    """Ask the simulator everything once."""
    market_type = bot.connector.market_type.value
    parameters: dict[str, Any] = {
        "get_ticker": {"symbol": bot.here.symbol},
        "get_depth": {"symbol": bot.here.symbol},
        "get_market": {"symbol": bot.here.symbol},
        "get_klines": {"symbol": bot.here.symbol, "interval": "1m", "startTime": int(bot.connector._time()) - 600},
        "get_open_orders": {"marketType": market_type},
        "get_order_history": {"marketType": market_type},
        "get_fills": {"marketType": market_type},
    }
    asked = [*questions_of(bot.kind), "get_market", "get_klines"]
    return {name: _short(await bot.connector.request(name, parameters.get(name))) for name in asked}


def _short(body: Any) -> Any:
    """Return an answer with two elements of each list at most."""
    if isinstance(body, list):
        return [_short(element) for element in body[:2]]
    return {name: _short(value) for name, value in body.items()} if isinstance(body, dict) else body


@pytest.mark.parametrize("kind", KINDS)
async def test_no_spoilt_answer_of_the_simulator_escapes_its_reader(kind: str, short_pauses: None) -> None:
    async with hostile_world(kind) as bot:
        await bot.trade()
        await bot.check()
        for operation, body in (await genuine_answers(bot)).items():
            for done, spoilt in mutations(body):
                try:
                    read_answer(operation, spoilt)
                except Exception as error:  # noqa: BLE001 - whatever it is, the test says which field did it
                    pytest.fail(f"{operation}, {done}: {type(error).__name__}: {str(error)[:300]}")


@pytest.mark.parametrize("kind", KINDS)
async def test_no_spoilt_answer_ends_an_order_or_leaves_a_wrong_figure(
    kind: str, short_pauses: None, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with hostile_world(kind) as bot:
        await bot.trade()
        await bot.check()
        ended = terminal_events(bot.connector)
        answers = await genuine_answers(bot)
        for operation, ask in questions_of(kind).items():
            for done, spoilt in mutations(answers[operation]):
                with monkeypatch.context() as patch:
                    patch.setattr(bot.connector, "request", _answering(answers, operation, spoilt))
                    await _survives(ask, bot.connector, f"{operation}, {done}")
        assert ended() == []
        await _ask_everything(bot)
        await bot.check()
        await bot.trade()
        await bot.check()
        check_log(caplog)


def _answering(answers: Mapping[str, Any], operation: str, body: Any) -> Any:
    text = encoded(body).decode(errors="replace")

    async def answer(asked: str, *_: Any, **options: Any) -> Any:
        return read_response(asked, 200, text) if asked == operation else answers[asked]

    return answer


async def _survives(ask: Question, connector: Any, done: str) -> None:
    try:
        await ask(connector)
    except (BackpackError, KeyError) as error:  # KeyError: the pair is not traded now
        check_error(error)
    except Exception as error:  # noqa: BLE001 - whatever it is, the test says which field did it
        pytest.fail(f"{done}: {type(error).__name__}: {str(error)[:300]}")


async def _ask_everything(bot: Hostile) -> None:
    for ask in questions_of(bot.kind).values():
        await ask(bot.connector)


@pytest.mark.parametrize("kind", KINDS)
async def test_no_spoilt_answer_to_an_order_makes_it_fail(
    kind: str, short_pauses: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with hostile_world(kind) as bot:
        await bot.check()
        ended = terminal_events(bot.connector)
        genuine = await _placed(bot)
        bad: list[Any] = []
        for _, spoilt in mutations(genuine):
            try:
                READERS["execute_order"](spoilt)
            except WireFormatError:
                bad.append(spoilt)

        request = bot.connector.request

        async def answer(asked: str, *arguments: Any, **options: Any) -> Any:
            body = await request(asked, *arguments, **options)
            return read_response(asked, 200, encoded(bad.pop()).decode()) if asked == "execute_order" else body

        monkeypatch.setattr(bot.connector, "request", answer)
        placed = []
        while bad:
            count = min(20, len(bad))
            wanted = len(bad) - count
            placed += [bot.place("buy", "0.01", "130") for _ in range(count)]
            await until(lambda wanted=wanted: len(bad) == wanted)
        monkeypatch.undo()
        assert len(placed) > 100
        await bot.check()
        assert ended() == []


async def _placed(bot: Hostile) -> Any:
    kept: list[Any] = []
    bot.here.double.alter("execute_order", lambda body: kept.append(body) or body)
    await bot.announced(bot.place("buy", "0.01", "130"))
    bot.here.double.answer("execute_order", None)
    return kept[0]


# Below JSON

_PART = b"x" * 65_536


@dataclass
class Garbage:
    """A server that answers every request in one odd way, and counts what it could send."""

    answer: Callable[["Garbage", web.Request], Awaitable[web.StreamResponse]]
    sent_bytes: int = 0
    asked: int = 0
    are_gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        return await self.answer(self, request)

    async def pour(self, request: web.Request, parts: Iterable[bytes], pause_s: float = 0.0, **head: Any) -> Any:
        """Send parts until they end or the client hangs up."""
        response = web.StreamResponse(**head)
        with suppress(ConnectionError):
            await response.prepare(request)
            for part in parts:
                await response.write(part)
                self.sent_bytes += len(part)
                await asyncio.sleep(pause_s)
        self.are_gone.set()
        return response


async def _endless(garbage: Garbage, request: web.Request) -> Any:
    return await garbage.pour(request, itertools.repeat(_PART))


async def _endless_error(garbage: Garbage, request: web.Request) -> Any:
    return await garbage.pour(request, itertools.repeat(_PART), status=400)


async def _slow(garbage: Garbage, request: web.Request) -> Any:
    return await garbage.pour(request, itertools.repeat(b" "), pause_s=0.01)


async def _bomb(garbage: Garbage, request: web.Request) -> Any:
    packer = zlib.compressobj(wbits=31)
    parts = [packer.compress(bytes(1_000_000)) for _ in range(100)] + [packer.flush()]
    return await garbage.pour(request, parts, headers={"Content-Encoding": "gzip"})


async def _no_gzip(garbage: Garbage, request: web.Request) -> Any:
    return await garbage.pour(request, [b"no gzip at all"], headers={"Content-Encoding": "gzip"})


async def _cut(garbage: Garbage, request: web.Request) -> Any:
    response = await garbage.pour(request, [b'{"status":'], headers={"Content-Length": "1000"})
    assert request.transport is not None
    request.transport.abort()
    return response


async def _redirect(garbage: Garbage, request: web.Request) -> Any:
    return web.Response(status=307, headers={"Location": str(request.url.with_path("/elsewhere"))})


async def _wrong_type(garbage: Garbage, request: web.Request) -> Any:
    return web.Response(body=b"\xff\xfe\x00", content_type="image/png")


async def _binary_error(garbage: Garbage, request: web.Request) -> Any:
    return web.Response(status=404, body=b"\x1b[31m\xff\x00" * 1_000, content_type="application/octet-stream")


async def _no_http(garbage: Garbage, request: web.Request) -> Any:
    assert request.transport is not None
    request.transport.write(b"\x00\x01 no HTTP\r\n\r\n")
    request.transport.close()
    return web.Response()


async def _long_header(garbage: Garbage, request: web.Request) -> Any:
    return web.Response(headers={"X-Long": "x" * 1_000_000})


ODD_ANSWERS = [
    _endless,
    _endless_error,
    _slow,
    _bomb,
    _no_gzip,
    _cut,
    _redirect,
    _wrong_type,
    _binary_error,
    _no_http,
    _long_header,
]


@asynccontextmanager
async def garbage_server(garbage: Garbage) -> AsyncIterator[str]:
    """Serve garbage; give the URL."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", garbage.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("answer", ODD_ANSWERS, ids=lambda answer: answer.__name__)
async def test_no_answer_below_json_escapes_or_fills_the_memory(
    answer: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(backpack_constants, "REQUEST_TIMEOUT_S", 3.0 if answer is not _slow else 0.3)
    monkeypatch.setattr(single_attempts, "MAX_ANSWER_BYTES", 1_000_000)
    garbage = Garbage(answer)
    async with garbage_server(garbage) as url:
        monkeypatch.setenv(SIMULATOR_URL_VARIABLE, url)
        connector = BackpackExchange("", "", trading_pairs=[], trading_required=False, domain=SIMULATOR_DOMAIN)
        tracemalloc.start()
        try:
            with pytest.raises((RequestError, WireFormatError)) as caught:
                await connector.request("get_status")
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            await ConnectionsFactory().close()
        check_error(caught.value)
        if answer in (_endless, _endless_error, _slow, _bomb):
            assert isinstance(caught.value, NoAnswer)
            await asyncio.wait_for(garbage.are_gone.wait(), 3.0)
        assert peak_bytes < 100_000_000
        assert garbage.sent_bytes < 50_000_000
        assert garbage.asked == 1 or answer is _cut or answer is _no_http, "asked again, or at another place"
    check_log(caplog)
