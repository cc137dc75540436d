"""The streams over a socket: what subscribing does, what frames look like, and how connections end."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from backpack_connector.protocol.depth import DepthSequence, Verdict
from backpack_connector.protocol.enums import KlineInterval, Side
from backpack_connector.protocol.messages import parse_message
from backpack_connector.simulator import Simulator, running_simulator
from backpack_connector.simulator.events import Execution, Liquidated
from backpack_connector.simulator.feeds import Feeds
from backpack_connector.simulator.orders import NewOrder
from tests.protocol.samples import frame as sample_frame
from tests.protocol.samples import sample
from tests.simulator.support import START_US, SYMBOL, Client, FakeClock, limit, market, new_exchange
from tests.simulator.test_rest_public import same_kind, trade

LIMIT_S = 5.0


class Stream:
    """One connection of a test."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.frames: list[Any] = []

    async def send(self, frame: Any) -> None:
        await self.socket.send_str(frame if isinstance(frame, str) else json.dumps(frame))

    async def subscribe(self, *streams: str) -> None:
        await self.send({"method": "SUBSCRIBE", "params": list(streams)})
        await self.settle()

    async def next(self) -> Any:
        """Return the next frame; fail after a few seconds."""
        message = await self.socket.receive(LIMIT_S)
        assert message.type is aiohttp.WSMsgType.TEXT, message
        return json.loads(message.data)

    async def until(self, is_last: Callable[[Any], bool]) -> list[Any]:
        """Return all frames up to the first that fulfils a condition."""
        frames = [await self.next()]
        while not is_last(frames[-1]):
            frames.append(await self.next())
        return frames

    async def settle(self) -> list[Any]:
        """Return what has arrived so far: an error that we provoke marks the end, as there is no acknowledgement."""
        await self.send({"method": "SUBSCRIBE", "params": ["mark.here"]})
        return (await self.until(lambda frame: "error" in frame and frame["error"]["code"] == 4006))[:-1]


@pytest.fixture
async def stream(simulator: Simulator, http: aiohttp.ClientSession) -> AsyncIterator[Stream]:
    async with http.ws_connect(simulator.ws_url, autoping=False) as socket:
        yield Stream(socket)


def place(simulator: Simulator, account_id: str, order: NewOrder) -> str:
    execution = simulator.exchange.place(account_id, order)
    simulator.publish(execution)
    return execution.order.order_id


async def forgotten(simulator: Simulator) -> None:
    """Wait until the simulator has no connections left."""
    for _ in range(1_000):
        if not simulator.hub.sessions:
            return
        await asyncio.sleep(0.005)
    raise AssertionError("the session is still there")


@pytest.mark.parametrize("case", sample("websocket_error_cases.json")["cases"], ids=lambda case: case.get("note", ""))
async def test_captured_error_cases(stream: Stream, simulator: Simulator, case: dict[str, Any]) -> None:
    request = case.get("send_text") or json.dumps(case["send"])
    for _ in range(2 if case.get("twice") else 1):
        await stream.send(request)
    if case["expect"] is not None:
        assert await stream.next() == case["expect"]
    # The socket is still good, and nothing else has come.
    assert await stream.settle() == []


@pytest.mark.parametrize(
    "frame",
    [
        "[]",
        "7",
        '{"method":"SUBSCRIBE"}',
        '{"method":"SUBSCRIBE","params":"x"}',
        '{"method":"SUBSCRIBE","params":[1]}',
        "{" * 3_000,
    ],
)
async def test_other_malformed_frames_are_parse_errors(stream: Stream, frame: str) -> None:
    await stream.send(frame)
    assert await stream.next() == {"id": None, "error": {"code": 4002, "message": "Parse error"}}
    await stream.socket.send_bytes(b"{}")
    assert (await stream.next())["error"]["code"] == 4002


async def test_public_frames_have_the_captured_shape(simulator: Simulator, stream: Stream) -> None:
    await stream.subscribe(f"depth.{SYMBOL}", f"trade.{SYMBOL}", f"bookTicker.{SYMBOL}")
    trade(simulator)
    frames = {frame["stream"].partition(".")[0]: frame for frame in await stream.settle()}
    for kind, name in (("depth", "depth"), ("trade", "trade"), ("bookTicker", "book_ticker")):
        same_kind(frames[kind], sample_frame(name), kind)
        assert list(frames[kind]) == ["data", "stream"]
        assert list(frames[kind]["data"]) == sorted(frames[kind]["data"])
        assert frames[kind]["data"]["E"] >= frames[kind]["data"]["T"]
    assert (frames["trade"]["data"]["p"], frames["trade"]["data"]["q"]) == ("150.00", "1.00")
    assert frames["trade"]["data"]["T"] % 1_000 == 0


async def test_numbers_are_padded_to_tick_and_step(simulator: Simulator, stream: Stream) -> None:
    await stream.subscribe(f"depth.{SYMBOL}", f"bookTicker.{SYMBOL}")
    order_id = place(simulator, "x", limit("Ask", "151", "2"))
    simulator.publish(simulator.exchange.cancel("x", SYMBOL, order_id=order_id))
    depths = [frame["data"] for frame in await stream.settle() if frame["data"]["e"] == "depth"]
    assert [data["a"] for data in depths] == [[["151.00", "2.00"]], [["151.00", "0.00"]]]


async def test_book_ticker_is_sent_when_the_touch_changes_with_the_update_id_of_the_depth(
    simulator: Simulator, stream: Stream
) -> None:
    await stream.subscribe(f"bookTicker.{SYMBOL}")
    place(simulator, "x", limit("Ask", "151", "2"))
    update_id = simulator.exchange.markets[SYMBOL].book.update_id
    place(simulator, "x", limit("Ask", "152", "2"))
    (frame,) = await stream.settle()
    data = frame["data"]
    assert (data["a"], data["A"], data["b"], data["B"], data["u"]) == ("151.00", "2.00", None, None, update_id)


class LocalBook:
    """A client's book, spliced from a snapshot and the stream."""

    def __init__(self) -> None:
        self.sequence: DepthSequence[Any] = DepthSequence()
        self.levels: dict[tuple[str, float], float] = {}

    def take(self, frame: Any) -> Verdict:
        data = frame["data"]
        assert data["U"] == data["u"]
        verdict = self.sequence.update(data["U"], data["u"], data)
        if verdict is Verdict.APPLY:
            self.apply(data["a"], data["b"])
        return verdict

    def apply(self, asks: Any, bids: Any) -> None:
        for side, changed in (("a", asks), ("b", bids)):
            self.levels.update({(side, float(price)): float(quantity) for price, quantity in changed})

    def splice(self, depth: Any) -> None:
        self.apply(depth["asks"], depth["bids"])
        replay = self.sequence.snapshot(int(depth["lastUpdateId"]))
        assert replay is not None
        for data in replay:
            self.apply(data["a"], data["b"])

    def prices(self) -> list[tuple[str, float]]:
        return sorted(key for key, quantity in self.levels.items() if quantity)


async def test_depth_ids_are_continuous_and_splice_with_a_snapshot(http: aiohttp.ClientSession) -> None:
    async with running_simulator(background=True) as simulator, http.ws_connect(simulator.ws_url) as socket:
        stream, local = Stream(socket), LocalBook()
        await stream.subscribe(f"depth.{SYMBOL}")
        for _ in range(5):
            assert local.take(await stream.next()) is Verdict.BUFFER
        _, depth = await Client(simulator, http).call("get_depth", {"symbol": SYMBOL})
        local.splice(depth)
        book = simulator.exchange.markets[SYMBOL].book
        for number in range(1_000):
            if number > 40 and local.sequence.last_update_id == book.update_id:
                break
            assert local.take(await stream.next()) in (Verdict.APPLY, Verdict.DROP)
        asks = [("a", float(price)) for price, _ in book.asks.best_levels(1_000)]
        bids = [("b", float(price)) for price, _ in book.bids.best_levels(1_000)]
        assert local.prices() == asks + bids


@pytest.mark.parametrize("window_ms", [200, 600, 1000])
async def test_aggregated_depth_sums_up_a_window(simulator: Simulator, stream: Stream, window_ms: int) -> None:
    await stream.subscribe(f"depth.{window_ms}ms.{SYMBOL}")
    first = simulator.exchange.markets[SYMBOL].book.update_id + 1
    order_id = place(simulator, "x", limit("Ask", "151", "2"))
    place(simulator, "x", limit("Ask", "151", "1"))
    place(simulator, "y", limit("Bid", "149", "1"))
    place(simulator, "y", limit("Bid", "148", "1"))
    simulator.publish(simulator.exchange.cancel("x", SYMBOL, order_id=order_id))
    data = (await stream.next())["data"]
    assert (data["U"], data["u"]) == (first, first + 4)
    assert (data["a"], data["b"]) == ([["151.00", "1.00"]], [["148.00", "1.00"], ["149.00", "1.00"]])
    same_kind({"data": data}, {"data": sample_frame("depth.aggregated")["data"]})


async def test_ticker_and_mark_price_come_every_second_even_unchanged(simulator: Simulator, stream: Stream) -> None:
    trade(simulator)
    await stream.subscribe(f"ticker.{SYMBOL}", "markPrice.SOL_USDC_PERP")
    tickers: list[Any] = []
    marks: list[Any] = []
    while len(tickers) < 2 or len(marks) < 2:
        frame = await stream.next()
        (tickers if frame["stream"].startswith("ticker") else marks).append(frame)
    same_kind(tickers[0], sample_frame("ticker"))
    same_kind(marks[0], sample_frame("mark_price.subscription_1"))
    until_funding_ms = marks[0]["data"]["n"] - marks[0]["data"]["E"] // 1_000
    assert 0 < until_funding_ms <= 3_600_000
    assert marks[0]["data"]["n"] % 3_600_000 == 0


async def test_open_interest_comes_every_minute() -> None:
    clock = FakeClock(1_790_913_600 * 10**6)
    exchange = new_exchange(clock)
    feeds = Feeds(exchange, lambda subscription: subscription == (None, "openInterest.SOL_USDC_PERP"), clock)
    frames = []
    for _ in range(121):
        clock.advance_s(1)
        frames += list(feeds.on_second())
    assert [frame.data["E"] for frame in frames] == [(1_790_913_600 + 60 * minute) * 10**6 for minute in (1, 2)]
    captured = sample_frame("open_interest")["data"]
    same_kind(frames[0].data, captured)
    assert frames[0].data == {**captured, "E": frames[0].data["E"], "o": "0"}


async def test_liquidations_are_public_with_and_without_a_symbol(simulator: Simulator, stream: Stream) -> None:
    await stream.subscribe("liquidation", "liquidation.SOL_USDC_PERP", "liquidation.BTC_USDC_PERP")
    liquidated = Liquidated(
        symbol="SOL_USDC_PERP", side=Side.ASK, price=Decimal("149.5"), quantity=Decimal("0.1"), time_us=START_US
    )
    simulator.publish(Execution((), (liquidated,)))
    frames = await stream.settle()
    assert [frame["stream"] for frame in frames] == ["liquidation", "liquidation.SOL_USDC_PERP"]
    data = frames[0]["data"]
    assert data.pop("E") > 0
    assert data == {
        "S": "Ask",
        "T": START_US,
        "e": "liquidation",
        "p": "149.50",
        "q": "0.10",
        "s": "SOL_USDC_PERP",
    }


async def test_candles_come_after_trades(simulator: Simulator, stream: Stream) -> None:
    await stream.subscribe(f"kline.1h.{SYMBOL}")
    trade(simulator)
    data = (await stream.next())["data"]
    assert sorted(data) == sorted("EeTtXochlnsv")
    assert (data["o"], data["n"], data["X"]) == ("150.000000000", 1, False)
    assert data["t"].count("T") == 1


def test_a_candle_is_closed_once_and_empty_buckets_are_closed_too() -> None:
    clock = FakeClock(1_790_913_600 * 10**6)
    exchange = new_exchange(clock)
    feeds = Feeds(exchange, lambda subscription: subscription == (None, f"kline.1m.{SYMBOL}"), clock)
    exchange.place("x", limit("Ask", "150", "1"))
    list(feeds.on_events(exchange.place("y", market("Bid", "1")).events))
    frames = []
    for _ in range(125):
        clock.advance_s(1)
        frames += [(frame.data["X"], frame.data["n"], frame.data["t"], frame.data["c"]) for frame in feeds.on_second()]
    assert frames == [
        (False, 1, "2026-10-02T04:00:00", "150.000000000"),
        (True, 1, "2026-10-02T04:00:00", "150.000000000"),
        (True, 0, "2026-10-02T04:01:00", None),
    ]
    assert KlineInterval.MINUTE_1.value == "1m"


async def test_nothing_is_kept_of_streams_that_are_not_served(simulator: Simulator, stream: Stream) -> None:
    await stream.subscribe("depth.NOPE_USDC_PERP", "depth.WEN_USDC", f"depth.{SYMBOL}")
    wanted = [
        name for name in ("NOPE_USDC_PERP", "WEN_USDC", SYMBOL) if simulator.hub.is_wanted((None, f"depth.{name}"))
    ]
    assert wanted == [SYMBOL]


async def test_unsubscribe_ends_the_frames(simulator: Simulator, stream: Stream) -> None:
    await stream.subscribe(f"depth.{SYMBOL}", f"bookTicker.{SYMBOL}")
    await stream.send({"method": "UNSUBSCRIBE", "params": [f"depth.{SYMBOL}", "depth.NOPE_USDC"]})
    await stream.settle()
    place(simulator, "x", limit("Ask", "151", "2"))
    assert [frame["data"]["e"] for frame in await stream.settle()] == ["bookTicker"]


async def test_a_second_subscription_delivers_nothing_twice(simulator: Simulator, stream: Stream) -> None:
    await stream.subscribe(f"depth.{SYMBOL}")
    await stream.subscribe(f"depth.{SYMBOL}", f"depth.{SYMBOL}")
    place(simulator, "x", limit("Ask", "151", "2"))
    assert len(await stream.settle()) == 1


async def test_private_streams_tell_of_orders_and_balances(
    simulator: Simulator, stream: Stream, alice: Client, bob: Client
) -> None:
    await stream.send(alice.subscription("account.orderUpdate", "account.balanceUpdate", "account.positionUpdate"))
    await stream.settle()
    order = {"symbol": SYMBOL, "side": "Bid", "orderType": "Limit", "price": "150", "quantity": "2", "clientId": 7}
    _, placed = await alice.call("execute_order", order)
    await bob.call("execute_order", {**order, "side": "Ask", "quantity": "0.5", "clientId": 8})
    await alice.call("cancel_order", {"symbol": SYMBOL, "orderId": placed["id"]})
    frames = await stream.settle()
    updates = [frame["data"] for frame in frames if frame["stream"] == "account.orderUpdate"]
    assert [(data["e"], data["X"], data["z"]) for data in updates] == [
        ("orderAccepted", "New", "0"),
        ("orderFill", "PartiallyFilled", "0.50"),
        ("orderCancelled", "Cancelled", "0.50"),
    ]
    assert {data["i"] for data in updates} == {placed["id"]}
    assert {data["c"] for data in updates} == {7}
    fill = updates[1]
    assert (fill["l"], fill["L"], fill["n"], fill["N"], fill["m"], fill["Z"]) == (
        *("0.50", "150.00", "0.0004", "SOL", True, "75.0000"),
    )
    balances = [frame["data"] for frame in frames if frame["stream"] == "account.balanceUpdate"]
    same_kind(balances[0], sample_frame("balance_update")["data"])
    assert [(data["a"], data["A"], data["L"]) for data in balances] == [
        ("USDC", "9700", "300"),
        ("SOL", "50.4996", "0"),
        ("USDC", "9700", "225"),
        ("USDC", "9925", "0"),
    ]
    for frame in frames:
        assert parse_message(frame) is not None


@pytest.mark.parametrize(
    ("order", "name"),
    [(limit("Ask", "178.15", "20.03"), "order_update.accepted"), (market("Bid", "1"), "order_update.market_accepted")],
)
async def test_order_updates_have_the_captured_shape(
    simulator: Simulator, stream: Stream, alice: Client, order: NewOrder, name: str
) -> None:
    place(simulator, "x", limit("Ask", "150", "1"))
    await stream.send(alice.subscription("account.orderUpdate"))
    await stream.settle()
    place(simulator, alice.key, order)
    frames = await stream.settle()
    captured = sample_frame(name)["data"]
    same_kind(frames[0]["data"], captured)
    if name == "order_update.accepted":
        for key in ("O", "Q", "S", "V", "X", "Z", "e", "f", "o", "p", "q", "r", "s", "t", "z"):
            assert frames[0]["data"][key] == captured[key], key
    else:
        same_kind(frames[1]["data"], sample_frame("order_update.market_fill")["data"])


async def test_an_expired_order_tells_why(simulator: Simulator, stream: Stream, alice: Client) -> None:
    await stream.send(alice.subscription(f"account.orderUpdate.{SYMBOL}"))
    await stream.settle()
    place(simulator, alice.key, limit("Bid", "150", "1", tif="IOC"))
    place(simulator, alice.key, limit("Bid", "86000", "0.01", symbol="BTC_USDC"))
    accepted, expired = [frame["data"] for frame in await stream.settle()]
    assert "R" not in accepted
    assert "c" not in accepted
    assert (expired["e"], expired["X"], expired["R"]) == ("orderExpired", "Expired", "ImmediateOrCancel")


async def test_accounts_do_not_see_each_other(simulator: Simulator, stream: Stream, alice: Client, bob: Client) -> None:
    await stream.send(alice.subscription("account.orderUpdate", "account.balanceUpdate"))
    await stream.settle()
    place(simulator, bob.key, limit("Bid", "150", "1"))
    assert await stream.settle() == []


def spoil(frame: dict[str, Any], position: int, text: Any) -> dict[str, Any]:
    return {**frame, "signature": [*frame["signature"][:position], text, *frame["signature"][position + 1 :]]}


async def test_a_bad_signature_is_answered_and_subscribes_to_nothing(
    simulator: Simulator, stream: Stream, alice: Client, bob: Client
) -> None:
    good = alice.subscription("account.orderUpdate")
    old = {**good, "signature": alice.credentials.subscription_signature(alice.now_ms() - 20_000)}
    bad = {
        "none": {"method": "SUBSCRIBE", "params": ["account.orderUpdate"]},
        "short": {**good, "signature": good["signature"][:3]},
        "a number": spoil(good, 2, 5),
        "another key": spoil(good, 0, bob.key),
        "another time": spoil(good, 2, str(alice.now_ms() + 1)),
    }
    for what, frame in bad.items():
        await stream.send(frame)
        assert await stream.next() == {"id": None, "error": {"code": 4003, "message": "Invalid signature"}}, what
    await stream.send(old)
    assert await stream.next() == {"id": None, "error": {"code": 4003, "message": "Request has expired"}}
    assert list(simulator.exchange.accounts) == []


async def test_unknown_private_streams_are_invalid(stream: Stream, alice: Client) -> None:
    for name in ("account.nope", f"account.balanceUpdate.{SYMBOL}"):
        await stream.send(alice.subscription(name))
        assert (await stream.next())["error"]["code"] == 4006


async def test_the_server_pings_and_keeps_who_answers(http: aiohttp.ClientSession) -> None:
    options: Any = {"ping_interval_s": 0.02, "pong_timeout_s": 0.05}
    async with (
        running_simulator(background=False, **options) as simulator,
        http.ws_connect(simulator.ws_url, autoping=False) as socket,
    ):
        for _ in range(6):
            message = await socket.receive(LIMIT_S)
            assert message.type is aiohttp.WSMsgType.PING
            await socket.pong(message.data)


async def test_the_server_closes_who_does_not_answer_pings(http: aiohttp.ClientSession) -> None:
    options: Any = {"ping_interval_s": 0.02, "pong_timeout_s": 0.05}
    async with running_simulator(background=False, **options) as simulator:
        async with http.ws_connect(simulator.ws_url, autoping=False) as socket:
            kinds = []
            while not kinds or kinds[-1] is aiohttp.WSMsgType.PING:
                kinds.append((await socket.receive(LIMIT_S)).type)
            assert kinds[-1] is aiohttp.WSMsgType.CLOSE
            assert 2 <= len(kinds) <= 6
        await forgotten(simulator)


async def test_pings_of_clients_are_answered(stream: Stream) -> None:
    await stream.socket.ping(b"hello")
    message = await stream.socket.receive(LIMIT_S)
    assert (message.type, message.data) == (aiohttp.WSMsgType.PONG, b"hello")


async def test_stopping_sends_a_close_frame(http: aiohttp.ClientSession) -> None:
    async with running_simulator(background=True) as simulator:
        socket = await http.ws_connect(simulator.ws_url)
        await Stream(socket).subscribe("depth.WEN_USDC")
        receiving = asyncio.ensure_future(socket.receive(LIMIT_S))
    message = await receiving
    assert message.type is aiohttp.WSMsgType.CLOSE
    assert message.data == aiohttp.WSCloseCode.GOING_AWAY


async def test_a_client_that_does_not_read_is_disconnected(http: aiohttp.ClientSession) -> None:
    async with running_simulator(background=False, max_queued_frames=50) as simulator:
        socket = await http.ws_connect(simulator.ws_url)
        await Stream(socket).subscribe(f"depth.{SYMBOL}")
        # The server's task gets no turn in between, so that its queue fills up.
        for _ in range(60):
            place(simulator, "x", limit("Ask", "151", "0.01"))
        while not socket.closed:
            message = await socket.receive(LIMIT_S)
            assert message.type is not aiohttp.WSMsgType.ERROR
        assert socket.close_code == aiohttp.WSCloseCode.TRY_AGAIN_LATER
        assert not simulator.hub.is_wanted((None, f"depth.{SYMBOL}"))


async def test_a_client_that_vanishes_is_forgotten(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    socket = await http.ws_connect(simulator.ws_url)
    await Stream(socket).subscribe(f"depth.{SYMBOL}")
    await socket.close()
    await forgotten(simulator)
    assert not simulator.hub.is_wanted((None, f"depth.{SYMBOL}"))
    place(simulator, "x", limit("Ask", "151", "2"))


async def test_a_client_that_never_reads_cannot_hold_up_the_end(http: aiohttp.ClientSession) -> None:
    loop = asyncio.get_running_loop()
    async with running_simulator(background=False) as simulator, http.ws_connect(simulator.ws_url) as socket:
        await Stream(socket).subscribe(f"depth.{SYMBOL}")
        (session,) = simulator.hub.sessions
        for _ in range(400):
            # Large frames, because the machine's own buffers hold megabytes.
            session.send("x" * 100_000)
            await asyncio.sleep(0)
        start_s = loop.time()
        await simulator.stop()
        assert loop.time() - start_s < LIMIT_S
        assert not simulator.hub.sessions
