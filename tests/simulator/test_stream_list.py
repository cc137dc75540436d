"""Every stream of the exchange is there, under its name and with its cadence. Source: API §3.2, §3.4."""

import asyncio
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from backpack_connector.protocol.enums import KlineInterval, Side
from backpack_connector.protocol.units import seconds_from_iso
from backpack_connector.simulator import Simulator, running_simulator
from backpack_connector.simulator.events import Execution, Liquidated
from backpack_connector.simulator.websocket import StreamError, check_stream
from tests.simulator.streams import LIMIT_S, Stream, place
from tests.simulator.support import START_US, SYMBOL, Client, FakeClock, limit

PERP = "SOL_USDC_PERP"
RFQ = "SOL_USDC_RFQ"
# Sent by the background flow and the clock alone.
MARKET_STREAMS = {
    f"bookTicker.{PERP}",
    f"depth.{PERP}",
    f"depth.200ms.{PERP}",
    f"depth.600ms.{PERP}",
    f"depth.1000ms.{PERP}",
    f"trade.{PERP}",
    f"ticker.{PERP}",
    f"markPrice.{PERP}",
    f"openInterest.{PERP}",
    *(f"kline.{interval.value}.{PERP}" for interval in KlineInterval),
}
LIQUIDATION_STREAMS = {"liquidation", f"liquidation.{PERP}"}
ACCOUNT_STREAMS = {
    "account.orderUpdate",
    f"account.orderUpdate.{PERP}",
    "account.positionUpdate",
    f"account.positionUpdate.{PERP}",
    "account.balanceUpdate",
    "account.rfqUpdate",
    f"account.rfqUpdate.{RFQ}",
}
# Nobody has captured them: what is in them is documented, the names of most keys are choices (API §3.2).
OUTSIDE_STREAMS = {
    f"externalTicker.{PERP}": {"E", "c", "e", "h", "l", "o", "s"},
    "externalTicker.SOL_USDC": {"E", "c", "e", "h", "l", "o", "s"},
    "stockPrice.AAPL": {"E", "ask", "bid", "e", "mid", "s", "session", "timestamp"},
    "stockIndicativeQuote.AAPL": {"E", "e", "estimatedAsk", "estimatedBid", "s"},
    "stockIndicativeQuote.AAPL.US": {"E", "e", "estimatedAsk", "estimatedBid", "s"},
}


async def test_every_stream_of_the_exchange_delivers(http: aiohttp.ClientSession) -> None:
    async with running_simulator(background=True) as simulator, http.ws_connect(simulator.ws_url) as socket:
        alice, bob, stream = Client(simulator, http, seed=1), Client(simulator, http, seed=2), Stream(socket)
        wanted = MARKET_STREAMS | LIQUIDATION_STREAMS | ACCOUNT_STREAMS | set(OUTSIDE_STREAMS)
        await stream.send(alice.subscription(*wanted))
        assert [frame for frame in await stream.settle() if "error" in frame] == []
        order = {"orderType": "Market", "side": "Bid", "quantity": "0.1", "symbol": PERP}
        assert (await alice.call("execute_order", order))[0] == 200
        assert (await bob.call("submit_rfq", {"symbol": RFQ, "side": "Bid", "quantity": "1"}))[0] == 200
        liquidated = Liquidated(symbol=PERP, side=Side.ASK, price=Decimal(1), quantity=Decimal(1), time_us=START_US)
        simulator.publish(Execution((), (liquidated,)))
        simulator.advance_clock(60)
        heard: dict[str, Any] = {}

        async def listen() -> None:
            while set(heard) != wanted:
                frame = await stream.next()
                heard.setdefault(frame["stream"], frame["data"])

        try:
            await asyncio.wait_for(listen(), 4 * LIMIT_S)
        except asyncio.TimeoutError:
            raise AssertionError(f"nothing came on {sorted(wanted - set(heard))}") from None
        for name in MARKET_STREAMS:
            assert (heard[name]["e"], heard[name]["s"]) == (name.partition(".")[0], PERP)
        for name, keys in OUTSIDE_STREAMS.items():
            assert set(heard[name]) == keys
            assert (heard[name]["e"], heard[name]["s"]) == tuple(name.split(".", 1))


async def second(simulator: Simulator, stream: Stream) -> dict[str, Any]:
    """Let a second pass; return what came, by stream."""
    await stream.settle()
    simulator.advance_clock(1)
    return {frame["stream"]: frame["data"] for frame in await stream.settle()}


async def test_what_is_outside_comes_every_second(simulator: Simulator, stream: Stream, alice: Client) -> None:
    names = (f"externalTicker.{PERP}", "stockPrice.AAPL", "stockIndicativeQuote.AAPL")
    await stream.subscribe(*names)
    for price in ("340.5", "341"):
        simulator.set_index_price("AAPL.US_USDC_PERP", Decimal(price))
        heard = await second(simulator, stream)
        assert set(heard) == set(names)
        told = heard["stockPrice.AAPL"]
        assert Decimal(told["mid"]) == Decimal(price)
        assert Decimal(told["bid"]) < Decimal(told["mid"]) < Decimal(told["ask"])
        assert told["timestamp"] == told["E"] // 1_000
        _, quote = await alice.call("get_stock_indicative_quote", {"symbol": "AAPL.US", "side": "Bid", "quantity": "1"})
        asked = heard["stockIndicativeQuote.AAPL"]
        assert Decimal(asked["estimatedAsk"]) == Decimal(asked["estimatedBid"]) == Decimal(quote["estimatedPrice"])
        outside = heard[f"externalTicker.{PERP}"]
        index = simulator.exchange.markets[PERP].index_price
        assert Decimal(outside["l"]) <= Decimal(outside["c"]) == index <= Decimal(outside["h"])


@pytest.mark.parametrize(
    ("time_us", "session"), [(1_790_947_800_000_000, "US_MARKET_HOURS"), (1_791_034_200_000_000, None)]
)
async def test_a_stock_price_names_its_session(http: aiohttp.ClientSession, time_us: int, session: str | None) -> None:
    # Friday, 2026-10-02, when the session begins; Saturday.
    async with (
        running_simulator(background=False, clock=FakeClock(time_us)) as simulator,
        http.ws_connect(simulator.ws_url) as socket,
    ):
        stream = Stream(socket)
        await stream.subscribe("stockPrice.AAPL")
        assert (await second(simulator, stream))["stockPrice.AAPL"]["session"] == session


@pytest.mark.parametrize(
    "name", ["stockPrice.NOPE", "stockPrice.AAPL.US", "stockIndicativeQuote.SOL", "externalTicker.X"]
)
async def test_unknown_stocks_are_silent(simulator: Simulator, stream: Stream, name: str) -> None:
    await stream.subscribe(name)
    assert await second(simulator, stream) == {}


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("nope.SOL_USDC", 4006),
        ("account.nope", 4006),
        ("account.balanceUpdate.SOL", 4006),
        ("depth.100ms.SOL_USDC", 4008),
    ],
)
def test_there_are_no_others(name: str, code: int) -> None:
    with pytest.raises(StreamError) as error:
        check_stream(name)
    assert error.value.code == code


async def test_a_candle_with_trades_is_told_closed_though_no_second_was_told_in_it(http: aiohttp.ClientSession) -> None:
    clock = FakeClock()
    async with (
        running_simulator(background=False, clock=clock) as simulator,
        http.ws_connect(simulator.ws_url) as socket,
    ):
        stream = Stream(socket)
        await stream.subscribe(f"kline.1s.{SYMBOL}")
        clock.advance_s(2)
        place(simulator, "x", limit("Ask", "150", "2"))
        place(simulator, "y", limit("Bid", "150", "0.5"))
        simulator.advance_clock(24 * 3_600)
        frames = [frame["data"] for frame in await stream.settle()]
        assert [(data["X"], data["v"]) for data in frames if data["n"]] == [(True, "0.5")]
        starts = [data["t"] for data in frames if data["X"]]
        assert len(starts) == 62  # the one that was open, the one with the trade, the last minute
        assert starts == sorted(set(starts))


@pytest.mark.parametrize("interval", KlineInterval)
async def test_candles_on_the_stream_are_those_of_rest(
    simulator: Simulator, stream: Stream, alice: Client, interval: KlineInterval
) -> None:
    await stream.subscribe(f"kline.{interval.value}.{SYMBOL}")
    place(simulator, "x", limit("Ask", "150", "2"))
    place(simulator, "y", limit("Bid", "150", "0.5"))
    simulator.advance_clock(32 * 24 * 3_600)
    frames = [frame["data"] for frame in await stream.settle()]
    closed = next(data for data in frames if data["X"] and data["n"])
    start_s = int(seconds_from_iso(closed["t"]))
    query = {"symbol": SYMBOL, "interval": interval.value, "startTime": start_s, "endTime": start_s}
    _, (row,) = await alice.call("get_klines", query)
    assert (row["start"], row["end"]) == (closed["t"].replace("T", " "), closed["T"].replace("T", " "))
    for key, name in (("o", "open"), ("h", "high"), ("l", "low"), ("c", "close"), ("v", "volume")):
        assert Decimal(closed[key]) == Decimal(row[name])
    assert closed["n"] == int(row["trades"]) == 1
