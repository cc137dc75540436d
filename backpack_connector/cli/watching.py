"""Show a market live: its order book in sequence, and its last trades."""

import asyncio
import json
import sys
from collections import deque
from contextlib import nullcontext
from typing import Any

from backpack_connector.client.live_book import LiveBook
from backpack_connector.client.rest import BackpackClient
from backpack_connector.client.stream import BackpackStream
from backpack_connector.client.stream_events import Event, Received
from backpack_connector.protocol.messages import PublicTrade
from backpack_connector.protocol.streams import depth_stream, trade_stream
from backpack_connector.protocol.units import decimal_text, iso_from_us

_TRADES = 10
_WINDOW_MS = 200
"""People do not read faster."""


async def watch_market(
    client: BackpackClient, symbol: str, *, levels: int, seconds: float | None, as_json: bool
) -> None:
    """Show a market until the time is over, or for ever."""
    try:
        await asyncio.wait_for(_watch(client, symbol, levels, as_json=as_json), seconds)
    except asyncio.TimeoutError:
        return


async def _watch(client: BackpackClient, symbol: str, levels: int, *, as_json: bool) -> None:
    book, trades = LiveBook(symbol), deque[PublicTrade](maxlen=_TRADES)
    is_live = not as_json and sys.stdout.isatty()
    async with BackpackStream(client) as stream:
        await stream.subscribe(depth_stream(symbol, _WINDOW_MS), trade_stream(symbol))
        await stream.wait_connected()
        await book.refresh(client)
        with _screen() if is_live else nullcontext() as screen:
            _show(book, trades, levels, screen, as_json=as_json)
            async for event in stream:
                if _take(event, trades) or book.take(event):
                    if book.needs_snapshot and stream.is_connected:
                        await book.refresh(client)
                    _show(book, trades, levels, screen, as_json=as_json)


def _take(event: Event, trades: "deque[PublicTrade]") -> bool:
    if isinstance(event, Received) and isinstance(event.message, PublicTrade):
        trades.appendleft(event.message)
        return True
    return False


def _screen() -> Any:
    from rich.live import Live

    return Live(auto_refresh=False, screen=False)


def _show(book: LiveBook, trades: "deque[PublicTrade]", levels: int, screen: Any, *, as_json: bool) -> None:
    bids = [[decimal_text(price), decimal_text(size)] for price, size in book.bids(levels)]
    asks = [[decimal_text(price), decimal_text(size)] for price, size in book.asks(levels)]
    told = [_told(trade) for trade in trades]
    if as_json:
        last = told[0] if told else None
        line = {"symbol": book.symbol, "updateId": book.update_id, "bids": bids, "asks": asks, "lastTrade": last}
        print(json.dumps(line), flush=True)
    elif screen is None:
        best = " | ".join(" ".join(side[0][::step]) if side else "-" for side, step in ((bids, -1), (asks, 1)))
        print(f"{book.symbol}  {best}" + (f"  last {told[0]['price']}" if told else ""), flush=True)
    else:
        screen.update(_table(book.symbol, bids, asks, told), refresh=True)


def _told(trade: PublicTrade) -> dict[str, str]:
    return {
        "time": iso_from_us(trade.engine_time_us or trade.event_time_us),
        "side": "sell" if trade.is_buyer_maker else "buy",
        "price": decimal_text(trade.price),
        "quantity": decimal_text(trade.quantity),
    }


def _table(symbol: str, bids: list[list[str]], asks: list[list[str]], trades: list[dict[str, str]]) -> Any:
    from rich.columns import Columns
    from rich.table import Table

    book = Table(title=symbol, box=None)
    for name in ("bid quantity", "bid", "ask", "ask quantity"):
        book.add_column(name, justify="right", style={"bid": "green", "ask": "red"}.get(name))
    for number in range(max(len(bids), len(asks))):
        bid, ask = (side[number] if number < len(side) else ["", ""] for side in (bids, asks))
        book.add_row(bid[1], bid[0], ask[0], ask[1])
    last = Table(title="trades", box=None)
    for name in ("time", "price", "quantity"):
        last.add_column(name, justify="right")
    for trade in trades:
        style = "red" if trade["side"] == "sell" else "green"
        last.add_row(trade["time"][11:], trade["price"], trade["quantity"], style=style)
    return Columns([book, last])
