"""What the streams deliver, over a socket: which frames come when, and what stands in them."""

from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from backpack_connector.protocol.depth import Verdict
from backpack_connector.protocol.enums import KlineInterval, Side
from backpack_connector.protocol.messages import parse_message
from backpack_connector.simulator import Simulator, running_simulator
from backpack_connector.simulator.events import Execution, Liquidated
from backpack_connector.simulator.feeds import Feeds
from backpack_connector.simulator.orders import NewOrder
from tests.protocol.samples import frame as sample_frame
from tests.simulator.streams import LocalBook, Stream, place
from tests.simulator.support import START_US, SYMBOL, Client, FakeClock, limit, market, new_exchange, same_kind, trade


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


def test_a_late_timer_leaves_no_candle_out_and_a_year_does_not_close_millions() -> None:
    clock = FakeClock(1_790_913_600 * 10**6)
    exchange = new_exchange(clock)
    feeds = Feeds(exchange, lambda subscription: subscription == (None, f"kline.1s.{SYMBOL}"), clock)
    exchange.place("x", limit("Ask", "150", "1"))
    clock.advance_s(1)
    list(feeds.on_events(exchange.place("y", market("Bid", "1")).events))
    clock.advance_s(2)
    told = [(frame.data["t"][-2:], frame.data["n"], frame.data["X"]) for frame in feeds.on_second()]
    assert told == [("00", 0, True), ("01", 1, True), ("02", 0, True)]
    list(feeds.on_events(exchange.place("x", limit("Bid", "149", "1")).events))
    list(feeds.on_events(exchange.place("y", market("Ask", "1")).events))
    clock.advance_s(365 * 24 * 3600)
    told = [(frame.data["t"][-2:], frame.data["n"], frame.data["X"]) for frame in feeds.on_second()]
    # The one with the trades, and the last minute.
    assert told[0] == ("03", 1, True)
    assert len(told) == 61


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
