"""One life of the bot that is killed: both connectors, Hummingbot's clock and database, and a busy strategy.

Everything is put together in the order in which Hummingbot's TradingCore does it: connectors, recorder, clock, saved
orders, and the network as the clock finds it.
"""

import asyncio
import json
import os
import random
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest import mock

import hummingbot
from hummingbot.client.config.client_config_map import ClientConfigMap
from hummingbot.client.config.config_helpers import ClientConfigAdapter
from hummingbot.connector.markets_recorder import MarketsRecorder
from hummingbot.core.clock import Clock, ClockMode
from hummingbot.core.data_type.common import OrderType, PositionAction
from hummingbot.core.data_type.limit_order import LimitOrder
from hummingbot.core.event.event_forwarder import SourceInfoEventForwarder
from hummingbot.core.event.events import MarketEvent
from hummingbot.core.rate_oracle.rate_oracle import RateOracle
from hummingbot.logger import HummingbotLogger
from hummingbot.model.sql_connection_manager import SQLConnectionManager

from backpack_connector import order_journal_writer
from backpack_connector.backpack_exchange import BackpackExchange
from backpack_perpetual_connector.backpack_perpetual_derivative import BackpackPerpetualDerivative
from tests.kills.exchange import end_with_parent, quick_pools

PAIRS = ("SOL-USDC", "BTC-USDC")
CONFIGURATION = "kills.yml"
DATABASE = "kills"
STATUS_FILE = "status.json"
EVENTS_FILE = "events.jsonl"
TICK_S = 0.1
STATUS_EVERY_S = 0.05
PAUSE_S = 0.06
"""Between two deeds of the strategy."""
COMPACTION_LINES = 20
"""Small, so that deaths also come while a journal is written anew."""
MOST_OPEN = 12
"""Open orders of one connector, above which the strategy cancels."""
NOTIONALS = (20, 400)

_EVENTS = (
    MarketEvent.BuyOrderCreated,
    MarketEvent.SellOrderCreated,
    MarketEvent.OrderFilled,
    MarketEvent.OrderCancelled,
    MarketEvent.OrderFailure,
    MarketEvent.BuyOrderCompleted,
    MarketEvent.SellOrderCompleted,
)


@dataclass(frozen=True)
class Life:
    """What a new process is told about the life that it is to live."""

    number: int
    seed: int
    folder: Path
    url: str
    api_key: str
    api_secret: str
    trades: bool = True
    """Without this it only finds out what became of earlier orders, as at the end of a run."""


def live(life: Life) -> None:
    """Be the bot, in a process of its own, until somebody kills it."""
    end_with_parent()
    log = os.open(life.folder / "bot.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, sys.stdout.fileno())
    os.dup2(log, sys.stderr.fileno())
    hummingbot.set_data_path(str(life.folder))
    os.environ["BACKPACK_SIMULATOR_URL"] = life.url
    # Hummingbot's logger would otherwise start the whole application to show a warning there.
    with (
        mock.patch.object(HummingbotLogger, "is_testing_mode", staticmethod(lambda: True)),
        mock.patch.object(order_journal_writer, "_FIRST_COMPACTION_LINES", COMPACTION_LINES),
        quick_pools(),
    ):
        asyncio.run(_Bot(life).run())


class _Bot:
    def __init__(self, life: Life) -> None:
        self._life = life
        self._chance = random.Random(life.seed)
        self._events = os.open(life.folder / EVENTS_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._forwarder = SourceInfoEventForwarder(self._on_event)
        self._connectors: list[Any] = []

    async def run(self) -> None:
        life = self._life
        self._connectors = [
            BackpackExchange(life.api_key, life.api_secret, trading_pairs=list(PAIRS), domain="backpack_simulator"),
            BackpackPerpetualDerivative(
                life.api_key, life.api_secret, trading_pairs=list(PAIRS), domain="backpack_perpetual_simulator"
            ),
        ]
        configuration = ClientConfigAdapter(ClientConfigMap())
        database = SQLConnectionManager.get_trade_fills_instance(configuration, DATABASE)
        recorder = MarketsRecorder(
            database, self._connectors, CONFIGURATION, CONFIGURATION, configuration.market_data_collection
        )
        for connector in self._connectors:
            RateOracle.get_instance().register_connector(connector)
            for event in _EVENTS:
                connector.add_listener(event, self._forwarder)
        recorder.start()
        with Clock(ClockMode.REALTIME, tick_size=TICK_S) as clock:
            for connector in self._connectors:
                connector.check_network_interval = 0.5
                clock.add_iterator(connector)
                recorder.restore_market_states(CONFIGURATION, connector)
            await asyncio.gather(clock.run(), self._show_status(), *map(self._trade, self._connectors))

    def _on_event(self, tag: int, _: Any, event: Any) -> None:
        line = {"life": self._life.number, "name": MarketEvent(tag).name, "order": event.order_id}
        os.write(self._events, json.dumps(line).encode() + b"\n")

    async def _show_status(self) -> None:
        """Tell the world outside what the bot tracks."""
        path, draft = self._life.folder / STATUS_FILE, self._life.folder / f"{STATUS_FILE}.new"
        while True:
            orders = [order for connector in self._connectors for order in connector.in_flight_orders.values()]
            status = {
                "life": self._life.number,
                "ready": all(connector.ready for connector in self._connectors),
                "tracked": [order.client_order_id for order in orders],
                "positions": {
                    position.trading_pair: str(position.amount)
                    for position in self._connectors[1].account_positions.values()
                },
                "balances": {name: str(amount) for name, amount in self._connectors[0].get_all_balances().items()},
            }
            draft.write_text(json.dumps(status))
            draft.replace(path)
            await asyncio.sleep(STATUS_EVERY_S)

    # The strategy

    async def _trade(self, connector: Any) -> None:
        while not connector.ready:  # noqa: ASYNC110 - Hummingbot has no event for it
            await asyncio.sleep(0.02)
        deeds: list[Callable[[Any], None]] = [self._limit, self._limit, self._maker, self._market, self._ioc]
        deeds += [self._batch, self._cancel, self._cancel]
        if connector is self._connectors[1]:
            deeds += [self._close]
        while self._life.trades:
            await asyncio.sleep(self._chance.uniform(0, 2 * PAUSE_S))
            with suppress(ZeroDivisionError, EnvironmentError):  # a book that is being fetched again has no prices
                deed = self._cancel if len(connector.in_flight_orders) > MOST_OPEN else self._chance.choice(deeds)
                deed(connector)

    def _price(self, connector: Any, pair: str, is_buy: bool, reach_bps: tuple[int, int]) -> Decimal:
        reach = Decimal(self._chance.randint(*reach_bps)) / 10_000
        best: Decimal = connector.get_price(pair, not is_buy)  # of the own side
        return connector.quantize_order_price(pair, best * (1 + (reach if is_buy else -reach)))  # type: ignore[no-any-return]

    def _amount(self, connector: Any, pair: str) -> Decimal:
        amount = Decimal(self._chance.randint(*NOTIONALS)) / connector.get_mid_price(pair)
        return max(connector.quantize_order_amount(pair, amount), connector.trading_rules[pair].min_order_size)

    def _options(self, connector: Any) -> dict[str, Any]:
        return {"position_action": PositionAction.OPEN} if connector is self._connectors[1] else {}

    def _order(self, connector: Any, kind: OrderType, reach_bps: tuple[int, int], **options: Any) -> None:
        pair, is_buy = self._chance.choice(PAIRS), self._chance.random() < 0.5
        price = Decimal("NaN") if kind is OrderType.MARKET else self._price(connector, pair, is_buy, reach_bps)
        place = connector.buy if is_buy else connector.sell
        place(pair, self._amount(connector, pair), kind, price, **self._options(connector), **options)

    def _limit(self, connector: Any) -> None:
        self._order(connector, OrderType.LIMIT, (-8, 12))

    def _maker(self, connector: Any) -> None:
        self._order(connector, OrderType.LIMIT_MAKER, (-8, 2))

    def _market(self, connector: Any) -> None:
        self._order(connector, OrderType.MARKET, (0, 0))

    def _ioc(self, connector: Any) -> None:
        self._order(connector, OrderType.LIMIT, (-5, 12), time_in_force="IOC")

    def _batch(self, connector: Any) -> None:
        pair = self._chance.choice(PAIRS)
        base, quote = pair.split("-")
        orders = []
        for _ in range(self._chance.randint(2, 4)):
            is_buy = self._chance.random() < 0.5
            price = self._price(connector, pair, is_buy, (-8, 6))
            orders.append(LimitOrder("", pair, is_buy, base, quote, price, self._amount(connector, pair)))
        connector.batch_order_create(orders, **self._options(connector))

    def _cancel(self, connector: Any) -> None:
        known = [order for order in connector.in_flight_orders.values() if not order.is_done]
        if known:
            order = self._chance.choice(known)
            connector.cancel(order.trading_pair, order.client_order_id)

    def _close(self, connector: Any) -> None:
        held = list(connector.account_positions.values())
        if held:
            position = self._chance.choice(held)
            place = connector.buy if position.amount < 0 else connector.sell
            amount = connector.quantize_order_amount(position.trading_pair, abs(position.amount))
            if amount:
                place(
                    position.trading_pair,
                    amount,
                    OrderType.MARKET,
                    Decimal("NaN"),
                    position_action=PositionAction.CLOSE,
                )
