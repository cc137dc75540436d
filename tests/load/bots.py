"""Bots that listen to markets and trade them, light enough that twenty of them fit into one process."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import aiohttp
import msgspec

from backpack_connector.client.rest import BackpackClient
from backpack_connector.protocol.enums import OrderType, Side
from backpack_connector.protocol.errors import BackpackError
from backpack_connector.protocol.signing import Credentials, generate_key_pair
from backpack_connector.protocol.streams import depth_stream, subscribe_frame, trade_stream

ORDER_PAUSE_S = 0.5
PRICE, QUANTITY = Decimal(120), Decimal("0.1")
"""A bid that rests, a fifth below the middle."""


class _Times(msgspec.Struct):
    E: int
    """Microseconds; when the exchange told it."""


class _Frame(msgspec.Struct):
    stream: str
    data: _Times


_read = msgspec.json.Decoder(_Frame).decode


@dataclass
class Heard:
    """What all bots have met since the last look."""

    frames: int = 0
    late_s: list[float] = field(default_factory=list)
    """Of every tenth depth frame: from the exchange's own time to its arrival at the bot."""
    orders_s: list[float] = field(default_factory=list)
    """From sending an order, or its cancel, to the answer."""
    errors: list[str] = field(default_factory=list)


class Bot:
    """One bot: its own account, connection and markets."""

    def __init__(self, rest_url: str, ws_url: str, symbols: Sequence[str], heard: Heard) -> None:
        self._rest_url, self._ws_url = rest_url, ws_url
        self._symbols = symbols
        self._heard = heard

    async def run(self, session: aiohttp.ClientSession) -> None:
        """Listen and trade for ever."""
        async with BackpackClient(credentials=Credentials(*generate_key_pair()), url=self._rest_url) as client:
            await asyncio.gather(self._listen(session), self._trade(client))

    async def _listen(self, session: aiohttp.ClientSession) -> None:
        async with session.ws_connect(self._ws_url, max_msg_size=0) as socket:
            streams = [stream_of(symbol) for symbol in self._symbols for stream_of in (depth_stream, trade_stream)]
            await socket.send_json(subscribe_frame(streams))
            async for message in socket:
                self._take(message.data)
        self._heard.errors.append("the exchange has closed a stream")

    def _take(self, text: str) -> None:
        frame, heard = _read(text), self._heard
        if frame.stream.startswith("depth."):
            heard.frames += 1
            if heard.frames % 10 == 0:
                heard.late_s.append(time.time() - frame.data.E / 10**6)

    async def _trade(self, client: BackpackClient) -> None:
        number = 0
        while True:
            await asyncio.sleep(ORDER_PAUSE_S)
            symbol = self._symbols[number % len(self._symbols)]
            number += 1
            try:
                order = await self._timed(
                    client.request("execute_order", {"symbol": symbol, "side": Side.BID, "orderType": OrderType.LIMIT,
                                                     "price": PRICE, "quantity": QUANTITY, "postOnly": True})
                )  # fmt: skip
                await self._timed(client.request("cancel_order", {"symbol": symbol, "orderId": order["id"]}))
            except BackpackError as error:
                self._heard.errors.append(str(error))

    async def _timed(self, request: Any) -> Any:
        begun = time.perf_counter()
        answer = await request
        self._heard.orders_s.append(time.perf_counter() - begun)
        return answer
