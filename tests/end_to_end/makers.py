"""What tests of the template scripts share: scripts without Hummingbot's engine, a connector without an exchange."""

import importlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hummingbot.core.data_type.common import OrderType, PositionAction, PriceType, TradeType
from hummingbot.strategy.strategy_v2_base import StrategyV2Base

from backpack_connector.demo.home import find_templates

PAIR = "SOL-USDC"
TICK, STEP = Decimal("0.01"), Decimal("0.01")


@dataclass
class Order:
    client_order_id: str
    trade_type: TradeType
    price: Decimal
    amount: Decimal
    trading_pair: str = PAIR
    is_done: bool = False
    executed_amount_base: Decimal = Decimal(0)


@dataclass
class Connector:
    """What the script uses of a connector; orders stay until the test says that the exchange answered."""

    best_bid: Decimal = Decimal("142.30")
    best_ask: Decimal = Decimal("142.32")
    in_flight_orders: dict[str, Order] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)
    balances: dict[str, Decimal] = field(default_factory=lambda: {"SOL": Decimal(100), "USDC": Decimal(10000)})
    affordable: Decimal = Decimal(1000)
    cancels_needed: int = 1

    def get_price_by_type(self, pair: str, price_type: PriceType) -> Decimal:
        return {
            PriceType.BestBid: self.best_bid,
            PriceType.BestAsk: self.best_ask,
            PriceType.MidPrice: (self.best_bid + self.best_ask) / 2,
        }[price_type]

    def get_order_price_quantum(self, pair: str, price: Decimal) -> Decimal:
        return TICK

    def quantize_order_price(self, pair: str, price: Decimal) -> Decimal:
        return price // TICK * TICK

    def quantize_order_amount(self, pair: str, amount: Decimal) -> Decimal:
        return amount // STEP * STEP

    @property
    def budget_checker(self) -> "Connector":
        return self

    def adjust_candidates(self, candidates: list[Any], all_or_none: bool) -> list[Any]:
        assert not all_or_none
        for candidate in candidates:
            candidate.amount = min(candidate.amount, self.affordable)
        return candidates

    def cancel(self, pair: str, client_order_id: str) -> None:
        self.cancelled.append(client_order_id)

    async def cancel_all(self, timeout_seconds: float) -> None:
        self.cancels_needed -= 1
        if self.cancels_needed <= 0:
            self.in_flight_orders.clear()

    def place(self, order: Order) -> None:
        self.in_flight_orders[order.client_order_id] = order

    def get_all_balances(self) -> dict[str, Decimal]:
        return self.balances

    def get_available_balance(self, asset: str) -> Decimal:
        return self.balances[asset]


def load_script(name: str) -> ModuleType:
    """Load a template as Hummingbot does, as a module of the package `scripts`."""
    sys.path.insert(0, str(find_templates()))
    try:
        return importlib.import_module(f"scripts.{name}")
    finally:
        sys.path.pop(0)


@contextmanager
def without_engine(script: ModuleType) -> Iterator[None]:
    """Skip what Hummingbot itself does at start and stop; tested is what a script adds to it."""

    async def stop(self: Any) -> None:
        self.base_was_stopped = True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StrategyV2Base, "__init__", lambda self, connectors, config: None)
        patch.setattr(StrategyV2Base, "on_stop", stop)
        patch.setattr(script, "QUIET_S", 0.05)
        yield


def maker_of(kind: type[Any], connector: Connector, config: Any) -> Any:
    """Return a strategy whose orders go to the list `placed` and rest in the connector."""

    class Maker(kind):  # type: ignore[misc]
        current_timestamp = 1000.0
        connectors: dict[str, Connector] = {config.connector_name: connector}  # noqa: RUF012
        placed: list[tuple[TradeType, Decimal, Decimal, OrderType]]
        closing: list[str]

        def _place(
            self,
            side: TradeType,
            amount: Decimal,
            order_type: OrderType,
            price: Decimal = Decimal("NaN"),
            position_action: PositionAction = PositionAction.OPEN,
        ) -> str:
            name = f"order-{len(self.placed)}"
            self.placed.append((side, price, amount, order_type))
            if position_action is PositionAction.CLOSE:
                self.closing.append(name)
            connector.place(Order(name, side, price, amount))
            return name

        def buy(self, name: str, pair: str, *order: Any, **options: Any) -> str:
            return self._place(TradeType.BUY, *order, **options)

        def sell(self, name: str, pair: str, *order: Any, **options: Any) -> str:
            return self._place(TradeType.SELL, *order, **options)

    Maker.placed, Maker.closing = [], []
    return Maker({config.connector_name: connector}, config)


def tick(maker: Any, at: float) -> None:
    maker.current_timestamp = at
    maker.on_tick()


def journal(maker: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(maker.config.journal_file).read_text().splitlines()]
