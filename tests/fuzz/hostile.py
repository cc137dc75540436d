"""A bot that trades while its exchange sends garbage: genuine frames come from the simulator, the rest from here."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from hummingbot.core.data_type.common import OrderType, PositionAction
from hummingbot.core.data_type.in_flight_order import InFlightOrder
from hummingbot.core.event.events import MarketEvent

from backpack_connector.protocol.enums import OrderStatus, Side
from backpack_connector.protocol.errors import WireFormatError
from backpack_connector.protocol.messages import parse_message
from backpack_connector.protocol.streams import split_stream_name
from backpack_connector.simulator.orders import Order
from tests.fuzz.mutations import mutations
from tests.perpetual.session import perpetual_world, shown
from tests.spot.session import PAIR, World, book_of, events_of, until, world
from tests.spot.stream_double import Connection

PATIENCE_S = 15.0
KINDS = ("spot", "perpetual")

ODD_FRAMES: dict[str, Any] = {
    "empty text": "",
    "half of an object": '{"stream":',
    "NaN": "NaN",
    "object with NaN": '{"stream": NaN, "data": Infinity}',
    "null": "null",
    "number": "17",
    "list": "[]",
    "empty object": "{}",
    "error without code": '{"error": null, "id": 1}',
    "binary": b"\x00\x01\x02",
    "empty binary": b"",
    "binary text": b'{"stream": "depth.SOL_USDC", "data": {}}',
    "half a surrogate pair": '{"stream": "\\ud800", "data": 1}',
    "stream that nobody knows": '{"stream": "\\u0000.\\n", "data": {}}',
    "data of another stream": '{"stream": "account.balanceUpdate", "data": {"e": "depth"}}',
    "ten thousand fields": json.dumps({str(number): number for number in range(10_000)}),
    "three megabytes": json.dumps("x" * 3_000_000),
    "100,000 brackets": "[" * 100_000 + "]" * 100_000,
    "100,000 objects": '{"stream":' * 100_000 + "1" + "}" * 100_000,
    "number of 10,000 digits": '{"stream": "x", "data": ' + "9" * 10_000 + "}",
}
"""Frames that are skipped with one sentence."""

RAW_FRAMES: dict[str, bytes] = {
    "invalid UTF-8": b"\x81\x02\xff\xfe",
    "unknown opcode": b"\x83\x01x",
    "reserved bit, which aiohttp overlooks": b"\xc1\x01x",
    "masked, as only clients may": b"\x81\x81\x00\x00\x00\x00x",
    "fragments that never end": b"\x01\x01x" + b"\x00\x01x" * 1_000 + b"\x81\x01x",
    "length without end": b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff",
    "close with an impossible code": b"\x88\x02\x00\x01",
    "HTTP instead of frames": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "zero bytes": bytes(1_000),
}
"""What is written below the protocol of frames; it may cost the connection."""

LARGEST_FRAME = "[" + "0," * 8_400_000 + "0]"
"""16 megabytes; Hummingbot takes 4."""


@dataclass
class Hostile:
    """A bot on a simulator, a proxy in between, and what the genuine frames of each kind look like."""

    kind: str
    here: World
    connector: Any
    seen: dict[str, dict[str, Any]] = field(default_factory=dict)

    def watch(self, _: Connection, frame: Any) -> list[Any]:
        """Remember one genuine frame of each kind as it passes."""
        self.seen[split_stream_name(frame["stream"]).kind] = frame
        return [frame]

    @property
    def connections(self) -> "dict[str, Connection]":
        """Return the two connections of the bot."""
        return {"public": self.here.double.public, "private": self.here.double.private}

    # Trading

    def place(self, side: str, amount: str, price: str) -> str:
        """Order as a strategy does."""
        options = {} if self.kind == "spot" else {"position_action": PositionAction.OPEN}
        order = getattr(self.connector, side)
        return str(order(PAIR, Decimal(amount), OrderType.LIMIT, Decimal(price), **options))

    def order(self, order_id: str) -> InFlightOrder | None:
        """Return an order as the connector knows it."""
        return self.connector.order_tracker.fillable_order(order_id)

    def truth(self) -> dict[str, Order]:
        """Return the account's orders at the exchange by client id."""
        account = self.here.simulator.exchange.open_account(self.here.key)
        return {str(order.client_id): order for order in account.orders.values()}

    async def trade(self) -> list[str]:
        """Rest an order, fill another one in part, and a third one completely; return the three."""
        bids, asks = self.here.book()
        resting = self.place("buy", "0.5", str(min(bids) - 5))
        whole = self.place("buy", "0.3", str(min(asks)))
        part = self.place("buy", "0.6", str(max(bids)))
        for order_id in (resting, whole, part):
            await self.announced(order_id)
        best = max(self.here.book()[0])
        self.here.take(Side.ASK, str(best), f"{self.here.book()[0][best] - 0.4:.1f}")
        await until(lambda: self.order(whole).is_filled, PATIENCE_S)
        return [resting, whole, part]

    async def announced(self, order_id: str) -> None:
        """Wait until an order is open."""
        await until(lambda: (order := self.order(order_id)) is not None and order.exchange_order_id, PATIENCE_S)

    # What must hold

    async def check(self) -> None:
        """Wait until everything that the connector shows is what the exchange has."""
        await until(lambda: self.connector.ready, PATIENCE_S)
        await self.here.heard(self.connector)
        await self.here.poll(self.connector)
        try:
            await until(lambda: not self.differences(), PATIENCE_S)
        except AssertionError:
            raise AssertionError(self.differences()) from None

    def differences(self) -> list[str]:
        """Return what the connector and the exchange do not agree on."""
        found = [f"{name} has ended" for name in self.ended_tasks()]
        if book_of(self.connector) != self.here.book():
            found.append("the books are different")
        for client_id, order in self.truth().items():
            known = self.order(client_id)
            if known is None:
                found.append(f"order {client_id} is not known")
            elif known.executed_amount_base != order.executed_quantity:
                found.append(f"{known.executed_amount_base} of {order.executed_quantity} executed of {client_id}")
            elif known.is_open != (order.status in (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)):
                found.append(f"order {client_id} is {known.current_state}, at the exchange {order.status}")
        return found + self._money()

    def _money(self) -> list[str]:
        ledger = self.here.simulator.exchange.ledger
        if self.kind == "spot":
            balances = ledger.balances(self.here.key)
            owned = {asset: balance.total for asset, balance in balances.items() if balance.total}
            known = {asset: total for asset, total in self.connector.get_all_balances().items() if total}
            return [] if owned == known else [f"balances {known}, at the exchange {owned}"]
        position, true = shown(self.connector), ledger.position(self.here.key, self.here.symbol)
        mine = Decimal(0) if position is None else position[0]
        held = Decimal(0) if true is None else true.quantity
        return [] if mine == held else [f"position {mine}, at the exchange {held}"]

    def ended_tasks(self) -> list[str]:
        """Return the connector's lasting tasks that have ended."""
        tasks = {
            "the user stream": self.connector._user_stream_tracker_task,
            "the listener of the user stream": self.connector._user_stream_event_listener_task,
            "the status poll": self.connector._status_polling_task,
            "the poll of the rules": self.connector._trading_rules_polling_task,
            "the reconciler": self.connector._reconciler_task,
        }
        return [name for name, task in tasks.items() if task is None or task.done()]


@asynccontextmanager
async def hostile_world(kind: str) -> AsyncIterator[Hostile]:
    """Run a bot that trades behind a proxy."""
    make = world if kind == "spot" else perpetual_world
    async with make(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        bot = Hostile(kind, here, connector)
        here.double.on_server_frame = bot.watch
        yield bot


def spoilt_frames(frame: Any) -> Iterator[tuple[str, Any]]:
    """Yield the mutations of a frame that no reader can take for a message."""
    for done, spoilt in mutations(frame):
        try:
            parse_message(spoilt)
        except WireFormatError:
            yield done, spoilt


async def send_raw(bot: Hostile, which: str, data: bytes) -> None:
    """Write bytes below the protocol of frames, to the connection that there is once the last bytes have had their way.

    A length without end, for one, is noticed only by the silence after it: the connection may be on its way out.
    """
    await until(lambda: bot.connections[which]._request.transport is not None, PATIENCE_S)
    transport = bot.connections[which]._request.transport
    assert transport is not None
    transport.write(data)


def terminal_events(connector: Any) -> Callable[[], list[Any]]:
    """Return a function that lists the events that end orders without a fill."""
    log = events_of(connector, MarketEvent.OrderFailure, MarketEvent.OrderCancelled)
    return lambda: log.event_log


def check_log(caplog: pytest.LogCaptureFixture) -> None:
    """Demand short printable lines without tracebacks, and that nobody was surprised."""
    for record in caplog.records:
        line = record.getMessage()
        assert not record.exc_info, f"{line[:300]}: {record.exc_info}"
        assert len(line) < 1_000, line[:300]
        assert line.isprintable(), line[:300]
