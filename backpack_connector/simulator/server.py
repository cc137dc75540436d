"""Serve the simulated exchange over HTTP and WebSocket on one port of the loopback interface."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web

from backpack_connector.protocol.endpoints import ENDPOINTS, Endpoint
from backpack_connector.protocol.errors import ConfigurationError
from backpack_connector.protocol.streams import DEPTH_WINDOWS_MS
from backpack_connector.protocol.units import MICROSECONDS_PER_SECOND, decimal_text, seconds_from_ms

from .accounts import DEFAULT_FAUCET
from .answers import CACHING, Answer, Prepared
from .authentication import UsedSignatures, authenticate_request
from .background import LOOK_US, Background, resume
from .clock import Clock, MovableClock, ms_from_us, wall_clock_us
from .control import read_advance, read_index_price
from .engine import Exchange
from .equity import EquityCurves
from .events import Execution
from .faults import Faults
from .faults_kinds import read_faults
from .faults_requests import Handler
from .feeds import Feeds, Frame
from .kept_state import SAVE_INTERVAL_S, KeptState
from .klines import give_past
from .local_only import check_is_local, is_from_own_page, is_loopback
from .markets import Instrument, load_instruments
from .overview import overview_payload
from .payloads import Json
from .pools import Pools
from .replay import REPLAY_STEP_S, Replay, Tape
from .request_forms import Query, check_broker_id, decode_body
from .rest_capital import CapitalControl
from .rest_private import PrivateRest
from .rest_public import PublicRest
from .rest_unlisted import UNLISTED
from .sequencer import DEFAULT_TAKER_DELAY_S, Sequencer
from .truth import truth_payload
from .web_answers import answer_errors, json_response, quiet_logger
from .web_page import WebPage, account_in
from .websocket import MAX_QUEUED_FRAMES, PING_INTERVAL_S, PONG_TIMEOUT_S, Hub, Session

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8700
TRUTH_PATH = "/simulator/truth"
CLOCK_PATH = "/simulator/clock"
PRICE_PATH = "/simulator/price"
FAULTS_PATH = "/simulator/faults"
DEPOSIT_PATH = "/simulator/deposit"
SESSION_PATH = "/simulator/session"
VAULTS_PATH = "/simulator/vaults"

_NAMES_A_BROKER = frozenset({"execute_order", "execute_order_batch", "strategy_create"})
_MAX_BODY_BYTES = 256 * 1024
_SHUTDOWN_TIMEOUT_S = 1.0
_ACCEPTED = 202
_NO_CONTENT = 204
_UNAVAILABLE = 503


class Simulator:
    """A running simulated exchange. Use `running_simulator`, or `start` and `stop`."""

    def __init__(
        self,
        *,
        host: str = DEFAULT_HOST,
        port: int = DEFAULT_PORT,
        seed: int = 1,
        taker_delay_s: float = DEFAULT_TAKER_DELAY_S,
        background: bool = True,
        clock: Clock = wall_clock_us,
        faucet: Mapping[str, Decimal] = DEFAULT_FAUCET,
        tape: Tape | None = None,
        instruments: Sequence[Instrument] | None = None,
        state_folder: Path | None = None,
        ping_interval_s: float = PING_INTERVAL_S,
        pong_timeout_s: float = PONG_TIMEOUT_S,
        max_queued_frames: int = MAX_QUEUED_FRAMES,
    ) -> None:
        if not is_loopback(host):
            raise ConfigurationError(f"The simulator serves this machine only, so {host!r} cannot be its host.")
        self.host = host
        self.port = port
        self._clock = MovableClock(clock)
        listed = load_instruments() if instruments is None else instruments
        listed = listed if tape is None else tape.instruments(listed)
        self._kept = None if state_folder is None else KeptState(state_folder, listed, seed, clock())
        started_us = clock() if self._kept is None else self._kept.started_us
        self.seed = seed = seed if self._kept is None else self._kept.seed
        self.exchange = Exchange(listed, clock=self._clock, faucet=faucet)
        self.pools = Pools()
        self.used_signatures = UsedSignatures()
        self.hub = Hub()
        self.sequencer = Sequencer(taker_delay_s)
        self.faults = Faults(self.exchange, self.hub, self._clock, self.publish)
        self._feeds = Feeds(self.exchange, self.hub.is_wanted, self._clock)
        self.replay = None if tape is None else Replay(tape, self.exchange, self._clock())
        taped = () if self.replay is None else self.replay.symbols
        self._background = Background(self.exchange, seed, self._clock(), taped) if background else None
        if background:
            give_past(self.exchange.markets.values(), seed, started_us)
        self._public = PublicRest(self.exchange, self._clock, self.now_ms, self.faults)
        self._private = PrivateRest(self.exchange, self.faults.reads)
        self._capital_control = CapitalControl(self.exchange)
        self._equity = EquityCurves(self.exchange)
        if self._kept is not None:
            roots = {"exchange": self.exchange, "clock": self._clock, "equity": self._equity}
            self._kept.attach(roots if self._background is None else {**roots, "background": self._background})
            resume(self.exchange, self._background, self._clock())
        self._page = WebPage(self._overview)
        self._new_session = partial(
            Session,
            self.hub,
            self.exchange,
            self.now_ms,
            self._feeds.on_subscribed,
            ping_interval_s=ping_interval_s,
            pong_timeout_s=pong_timeout_s,
            max_queued_frames=max_queued_frames,
        )
        self._runner: web.AppRunner | None = None
        self._timers: list[asyncio.Task[None]] = []

    @property
    def rest_url(self) -> str:
        """Return the base URL of the REST interface."""
        return f"http://{self._authority}"

    @property
    def ws_url(self) -> str:
        """Return the URL of the WebSocket interface."""
        return f"ws://{self._authority}"

    @property
    def _authority(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def now_ms(self) -> int:
        """Return the server's time in milliseconds, as GET /time tells it."""
        offset_us = self.faults.clock_offset_us if self.faults.is_set else 0
        return ms_from_us(self._clock() + offset_us)

    async def start(self) -> None:
        """Listen; with port 0 on any free port, which `port` then names.

        Raises:   OSError when the port is taken.
        """
        self._runner = web.AppRunner(
            self._application(), shutdown_timeout=_SHUTDOWN_TIMEOUT_S, access_log=None, logger=quiet_logger()
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port)
        try:
            await site.start()
        except OSError:
            await self.stop()
            raise
        self.port = self._runner.addresses[0][1]
        self._timers = [
            self._every(1.0, self._on_second),
            *(
                self._every(seconds_from_ms(window), partial(self._feeds.on_window, window))
                for window in DEPTH_WINDOWS_MS
            ),
        ]
        for others, step_s in ((self.replay, REPLAY_STEP_S), (self._background, LOOK_US / MICROSECONDS_PER_SECOND)):
            if others is not None:
                self._advance(others)
                self._timers.append(self._every(step_s, partial(self._advance, others)))
        if self._kept is not None:
            self._timers.append(self._every(SAVE_INTERVAL_S, self._kept.tick))

    async def stop(self) -> None:
        """Send Close frames, finish what is in flight and stop listening."""
        for timer in self._timers:
            timer.cancel()
        await asyncio.gather(*self._timers, return_exceptions=True)
        self._timers.clear()
        await self.faults.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._kept is not None:
            self._kept.close()

    def _every(self, interval_s: float, action: Callable[[], Iterable[Any]]) -> "asyncio.Task[None]":
        """Repeat an action through the sequencer and publish the frames that it returns."""

        async def repeat() -> None:
            loop = asyncio.get_running_loop()
            next_s = loop.time()
            while True:
                next_s = max(next_s + interval_s, loop.time())
                await asyncio.sleep(next_s - loop.time())
                await self.sequencer.run(lambda: self.hub.publish(action()))

        task = asyncio.ensure_future(repeat())
        task.add_done_callback(_report_failure)
        return task

    def _advance(self, others: Background | Replay) -> Iterable[Any]:
        for execution in others.advance(self._clock()):
            self.publish(execution)
        return ()

    def _run_parts(self) -> None:
        for execution in self.exchange.on_second(self._clock()):
            self.publish(execution)

    def _on_second(self) -> Iterable[Frame]:
        self._run_parts()
        self._equity.sample(self._clock())
        if self.faults.is_set:
            self.faults.on_second()
        return self._feeds.on_second()

    def advance_clock(self, seconds: float) -> None:
        """Put the exchange's clock forward, and do what is due then: each full hour's funding, and so on.

        Raises:   ValueError for less than 0 or more than a year.
        """
        self._clock.advance(seconds)
        self.hub.publish(self._on_second())

    def set_index_price(self, symbol: str, price: Decimal) -> None:
        """Set the price of a market's underlying, and do what follows: mark prices, triggers, liquidations.

        The background flow takes the price up with its next step, a quarter of a second later at most.
        Raises:   Refusal for an unknown symbol or an impossible price.
        """
        self.publish(self.exchange.prices.set_index(symbol, price, self._clock()))
        self._run_parts()

    def publish(self, execution: Execution) -> None:
        """Send the events of a command to whoever listens."""
        if self.faults.is_set:
            self.faults.record(execution.events)
        self.hub.publish(self._feeds.on_events(execution.events))

    def _application(self) -> web.Application:
        # Twice, because faults read the request too, and change the answers to what is wrong with it.
        middlewares = [answer_errors, self._meet_faults, answer_errors]
        application = web.Application(client_max_size=_MAX_BODY_BYTES, middlewares=middlewares)
        application.on_shutdown.append(self._close_sessions)
        application.router.add_get("/", self._stream)
        application.router.add_routes(self._page.routes())
        application.router.add_get(TRUTH_PATH, self._truth)
        application.router.add_post(CLOCK_PATH, self._control_clock)
        application.router.add_post(PRICE_PATH, self._control_price)
        application.router.add_post(DEPOSIT_PATH, partial(self._control_capital, self._capital_control.deposit))
        application.router.add_post(SESSION_PATH, partial(self._control_capital, self._capital_control.session))
        application.router.add_get(VAULTS_PATH, self._vault_keys)
        application.router.add_post(FAULTS_PATH, self._set_faults)
        application.router.add_get(FAULTS_PATH, self._show_faults)
        application.router.add_delete(FAULTS_PATH, self._end_faults)
        for endpoint in (*ENDPOINTS, *UNLISTED):
            application.router.add_route(endpoint.method, endpoint.path, partial(self._answer, endpoint))
        return application

    @web.middleware
    async def _meet_faults(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        return await (self.faults.requests.answer(request, handler) if self.faults.is_set else handler(request))

    async def _close_sessions(self, _: web.Application) -> None:
        await self.hub.close()

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        # Not `can_prepare`: it would take a handshake out of shape, which the session refuses, for a wish for the page.
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return self._page.start_page(request)
        if self.faults.is_set and self.faults.refuses_connection():
            return web.Response(status=_UNAVAILABLE)
        return await self._new_session().serve(request)

    async def _truth(self, request: web.Request) -> web.Response:
        check_is_local(request)
        truth = truth_payload(self.exchange, seed=self.seed, now_us=self._clock(), account_id=account_in(request))
        return json_response(truth if self.replay is None else {**truth, "tape": self.replay.payload()})

    def _overview(self, account_id: str | None) -> Json:
        return overview_payload(
            self.exchange,
            self._equity,
            self.faults.payload(),
            account_id=account_id,
            connections=len(self.hub.sessions),
            now_us=self._clock(),
            seed=self.seed,
        )

    async def _control_clock(self, request: web.Request) -> web.Response:
        check_is_local(request)
        self.advance_clock(read_advance(decode_body(await request.read())))
        return json_response({"timeUs": self._clock()})

    async def _control_price(self, request: web.Request) -> web.Response:
        check_is_local(request)
        symbol, price = read_index_price(decode_body(await request.read()))
        self.set_index_price(symbol, price)
        market = self.exchange.markets[symbol]
        return json_response(
            {
                "indexPrice": decimal_text(market.index_price),
                "markPrice": decimal_text(market.mark_price),
                "symbol": symbol,
            }
        )

    async def _control_capital(self, action: Callable[[Any], Any], request: web.Request) -> web.Response:
        check_is_local(request)
        return json_response(action(decode_body(await request.read())))

    async def _vault_keys(self, request: web.Request) -> web.Response:
        check_is_local(request)
        return json_response(self._capital_control.vault_keys())

    async def _set_faults(self, request: web.Request) -> web.Response:
        check_is_local(request)
        return json_response({"ids": self.faults.inject(*read_faults(await request.read()))})

    async def _show_faults(self, request: web.Request) -> web.Response:
        check_is_local(request)
        return json_response(self.faults.payload())

    async def _end_faults(self, request: web.Request) -> web.Response:
        check_is_local(request)
        return json_response({"ended": self.faults.end(Query(list(request.query.items())).integer("id"))})

    async def _answer(self, endpoint: Endpoint, request: web.Request) -> web.Response:
        if endpoint.is_signed:
            return await self._answer_signed(endpoint, request)
        if not is_from_own_page(request):
            self.pools.count(request.remote or "", endpoint, self._clock())
        if endpoint.needs_session:
            web_sessions = self._capital_control.web_sessions
            body = web_sessions.answer(endpoint.operation_id, request.headers, await request.read())
        else:
            body = self._public.operations[endpoint.operation_id](Query(list(request.query.items())))
        if body is None:
            return web.Response(status=_NO_CONTENT)
        if isinstance(body, str):
            return web.Response(text=body)
        headers = CACHING.get(endpoint.operation_id)
        return json_response(body.body, body.headers) if isinstance(body, Answer) else json_response(body, headers)

    async def _answer_signed(self, endpoint: Endpoint, request: web.Request) -> web.Response:
        fields, prepared = await self._prepare(endpoint, request)
        account_id = authenticate_request(request.headers, endpoint, fields, now_ms := self.now_ms())
        self.used_signatures.use(endpoint, request.headers, now_ms)
        self.exchange.open_account(account_id)
        self.pools.count(account_id, endpoint, self._clock())
        if self.faults.is_set and (later := self.faults.later(endpoint.operation_id, account_id, fields)) is not None:
            later(partial(self.sequencer.run, partial(self._run, prepared, account_id)))
            return web.Response(status=_ACCEPTED)
        answer = await self.sequencer.run(partial(self._run, prepared, account_id), is_delayed=prepared.is_delayed)
        if answer.body is None:
            return web.Response(headers=answer.headers)
        return json_response(answer.body, answer.headers)

    async def _prepare(self, endpoint: Endpoint, request: web.Request) -> tuple[Any, Prepared]:
        """Return what the signature covers, and the parsed command."""
        if endpoint.operation_id in _NAMES_A_BROKER:
            check_broker_id(request.headers)
        if endpoint.sends_body:
            body = decode_body(await request.read())
            return body, self._private.bodies[endpoint.operation_id](body)
        query = Query(list(request.query.items()))
        return query.fields, self._private.queries[endpoint.operation_id](query)

    def _run(self, prepared: Prepared, account_id: str) -> Answer:
        answer = prepared.command(account_id)
        for execution in answer.executions:
            self.publish(execution)
        return answer


def _report_failure(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        task.get_loop().call_exception_handler({"message": "a timer of the simulator has died", "exception": error})


@asynccontextmanager
async def running_simulator(
    *,
    port: int = 0,
    seed: int = 1,
    taker_delay_s: float = 0.0,
    background: bool = True,
    **options: Any,
) -> AsyncIterator[Simulator]:
    """Run a simulator as long as the context lasts; for tests. `options` are those of `Simulator`."""
    simulator = Simulator(port=port, seed=seed, taker_delay_s=taker_delay_s, background=background, **options)
    await simulator.start()
    try:
        yield simulator
    finally:
        await simulator.stop()


async def serve(simulator: Simulator, stopped: asyncio.Event, on_ready: Callable[[Simulator], None]) -> None:
    """Run a simulator until `stopped` is set.

    Raises:   OSError when the port is taken.
    """
    await simulator.start()
    try:
        on_ready(simulator)
        await stopped.wait()
    finally:
        await simulator.stop()
