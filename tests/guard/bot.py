"""A bot in a process of its own, for the tests of the guard: it keeps a journal, and orders at the exchange.

    python -m tests.guard.bot FOLDER URL SECRET NAME COUNT [--again]

It places COUNT orders, writes a line of JSON with their ids, and then gives signs of life until it is killed. With
`--again` it places each order that has been cancelled anew. On SIGINT it cancels its orders and stops properly.
"""

import asyncio
import base64
import itertools
import json
import signal
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

from backpack_connector import order_journal_writer
from backpack_connector.client.rest import BackpackClient
from backpack_connector.order_journal import Identity, OrderRecord, fingerprint
from backpack_connector.order_journal_writer import OrderJournal
from backpack_connector.protocol.signing import Credentials, generate_key_pair

SYMBOL, PAIR = "SOL_USDC", "SOL-USDC"
BEAT_S = 0.1


def record(client_id: int, price: str = "100", side: str = "BUY", symbol: str = SYMBOL) -> OrderRecord:
    return OrderRecord(
        client_order_id=str(client_id),
        symbol=symbol,
        trading_pair=PAIR,
        trade_type=side,
        order_type="LIMIT",
        quantity=Decimal(1),
        created_s=time.time(),
        price=Decimal(price),
    )


def fields(order: OrderRecord) -> dict[str, Any]:
    side = "Bid" if order.trade_type == "BUY" else "Ask"
    return {
        "symbol": order.symbol,
        "side": side,
        "orderType": "Limit",
        "price": order.price,
        "quantity": order.quantity,
        "clientId": int(order.client_order_id),
    }


def new_journal(folder: Path, api_key: str, name: str) -> OrderJournal:
    return OrderJournal(lambda: folder, lambda: Identity(fingerprint(api_key), "backpack", name))


class Bot:
    """Places orders and keeps them."""

    def __init__(self, client: BackpackClient, journal: OrderJournal, first_id: int) -> None:
        self._client = client
        self._journal = journal
        self._ids = itertools.count(first_id)

    async def place(self, count: int) -> list[str]:
        placed = []
        for _ in range(count):
            order = record(next(self._ids))
            self._journal.sent(order)
            placed.append((await self._client.request("execute_order", fields(order)))["id"])
        return placed

    async def keep(self, count: int) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            rows = await self._client.request("get_open_orders")
            known = {order.client_order_id for order in self._journal.open_orders}
            for client_id in known - {str(row["clientId"]) for row in rows}:
                self._journal.ended(client_id)
            await self.place(count - len(self._journal.open_orders))

    async def beat(self) -> None:
        while True:
            self._journal.beat()
            await asyncio.sleep(BEAT_S)

    async def stop(self) -> None:
        for order in self._journal.open_orders:
            await self._client.request("cancel_order", {"symbol": order.symbol, "clientId": int(order.client_order_id)})
            self._journal.ended(order.client_order_id)
        self._journal.close()


async def main(folder: str, url: str, secret: str, name: str, count: str, *flags: str) -> None:
    order_journal_writer.BEAT_S = BEAT_S
    api_key, api_secret = generate_key_pair(base64.b64decode(secret))
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stopped.set)
    journal = new_journal(Path(folder), api_key, name)
    async with BackpackClient(url=url, credentials=Credentials(api_key, api_secret)) as client:
        bot = Bot(client, journal, first_id=1_000 * sum(name.encode()))
        placed = await bot.place(int(count))
        beating = asyncio.ensure_future(bot.beat())
        keeping = asyncio.ensure_future(bot.keep(int(count))) if "--again" in flags else None
        sys.stdout.write(json.dumps({"orders": placed, "journal": journal.path.stem if journal.path else None}) + "\n")
        sys.stdout.flush()
        await stopped.wait()
        for task in (beating, keeping):
            if task is not None:
                task.cancel()
        await bot.stop()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
