"""The guard and both real connectors: it finds in their journals what they have placed, and nothing else."""

import asyncio
import os
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hummingbot.core.data_type.common import OrderType, PositionAction
from hummingbot.core.event.events import MarketEvent

from backpack_connector import order_journal_writer
from backpack_connector.client.rest import BackpackClient
from backpack_connector.guard.reports import Reports
from backpack_connector.guard.watchdog import Options, Watchdog
from backpack_connector.order_journal import fingerprint
from backpack_connector.protocol.signing import Credentials
from tests.guard.support import Told, open_ids, shorten, until
from tests.perpetual.session import PerpetualWorld
from tests.spot.session import PAIR, World, events_of, world

HEARTBEAT_S = 1.0


async def beat(connector: Any) -> None:
    while True:
        connector.tick(time.time())
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("kind", [World, PerpetualWorld])
async def test_a_connector_whose_clock_stops_is_cancelled_hears_of_it_and_is_watched_again(
    kind: type[World], monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten(monkeypatch)
    told = Told()
    reports = Reports(told.append, as_json=True)
    monkeypatch.setattr(order_journal_writer, "BEAT_S", 0.1)
    folder = Path(os.environ["BACKPACK_JOURNAL"])
    async with (
        world(kind=kind) as here,
        BackpackClient(url=here.url, credentials=Credentials(here.key, here.secret)) as client,
    ):
        here.fill_book()
        connector = await here.started(PAIR)
        cancelled = events_of(connector, MarketEvent.OrderCancelled)
        beating = asyncio.ensure_future(beat(connector))
        names = [
            connector.buy(PAIR, Decimal(1), OrderType.LIMIT, Decimal(100 + number), position_action=PositionAction.OPEN)
            for number in range(3)
        ]
        names.append(
            connector.sell(PAIR, Decimal(1), OrderType.LIMIT_MAKER, Decimal(200), position_action=PositionAction.OPEN)
        )
        await until(lambda: len(open_ids(here.simulator, here.key)) == 4)
        by_hand = {"symbol": here.symbol, "side": "Bid", "orderType": "Limit", "price": "99", "quantity": "1"}
        owners = (await client.request("execute_order", by_hand))["id"]
        stopped = asyncio.Event()
        options = Options(folder, HEARTBEAT_S)
        guard = asyncio.ensure_future(Watchdog(options, client, fingerprint(here.key), reports).run(stopped))
        await until(lambda: "bot_seen" in told.events or guard.done())
        await asyncio.sleep(1.5 * HEARTBEAT_S)
        assert "alarm" not in told.events
        beating.cancel()
        await until(lambda: "clear" in told.events)
        assert open_ids(here.simulator, here.key) == [owners]
        await until(lambda: len(cancelled.event_log) == 4)
        assert {event.order_id for event in cancelled.event_log} == set(names)
        beating = asyncio.ensure_future(beat(connector))
        await until(lambda: "bot_back" in told.events)
        connector.buy(PAIR, Decimal(1), OrderType.LIMIT, Decimal(110), position_action=PositionAction.OPEN)
        await asyncio.sleep(1.5 * HEARTBEAT_S)
        assert len(open_ids(here.simulator, here.key)) == 2
        stopped.set()
        await guard
        beating.cancel()
