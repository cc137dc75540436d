"""Help the tests of streams: one connection, an order past all networks, and a book as a client keeps it."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import aiohttp

from backpack_connector.protocol.depth import DepthSequence, Verdict
from backpack_connector.simulator import Simulator
from backpack_connector.simulator.orders import NewOrder

LIMIT_S = 15.0


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
