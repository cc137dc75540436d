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
from tests.simulator.support import START_US, SYMBOL, Client, limit

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
# Nobody has captured them, and there are no stocks here: a subscription is taken, and nothing comes.
SILENT_STREAMS = {f"externalTicker.{PERP}", "stockPrice.AAPL", "stockIndicativeQuote.AAPL.US"}


async def test_every_stream_of_the_exchange_delivers(http: aiohttp.ClientSession) -> None:
    async with running_simulator(background=True) as simulator, http.ws_connect(simulator.ws_url) as socket:
        alice, bob, stream = Client(simulator, http, seed=1), Client(simulator, http, seed=2), Stream(socket)
        wanted = MARKET_STREAMS | LIQUIDATION_STREAMS | ACCOUNT_STREAMS
        await stream.send(alice.subscription(*wanted, *SILENT_STREAMS))
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


@pytest.mark.parametrize("name", sorted(SILENT_STREAMS))
async def test_streams_of_others_data_are_silent(stream: Stream, name: str) -> None:
    await stream.subscribe(name)
    assert await stream.settle() == []


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
