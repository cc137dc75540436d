"""Spot market maker for Backpack: post-only orders around the middle of the book, renewed at a steady pace.

Copy this file into Hummingbot's `scripts/` folder and one of the `.yml` files beside it into `conf/scripts/`, change
the values there, then run `hbot start <file>.yml` (or `start --v2 <file>.yml` in the interactive client). Nothing in
this file needs a change for another market or another size.

What it does, once per `refresh_seconds`: cancel what is open, wait until the exchange has confirmed that, then place
`order_levels` bids and as many asks. All orders are post-only, so the account never pays a taker fee. It trades spot
markets; it does not hedge, and it does not stop by itself when the market runs away.

With `journal_file` set it also writes a JSON line for each fill, with every digit that the exchange reported.
Hummingbot's own trades database keeps six digits after the point, too few for prices that start with many zeros.
"""

import asyncio
import contextlib
import json
import os
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

from hummingbot.connector.connector_base import ConnectorBase
from hummingbot.core.data_type.common import MarketDict, OrderType, PriceType, TradeType
from hummingbot.core.data_type.order_candidate import OrderCandidate
from hummingbot.core.event.events import OrderFilledEvent
from hummingbot.strategy.strategy_v2_base import StrategyV2Base, StrategyV2ConfigBase
from pydantic import Field

STOP_TIMEOUT_S = 15.0  # below the 30 s that `hbot stop` waits
QUIET_S = 1.0  # balances that have not moved for this long after the last cancel count as final


def asked(text: str) -> dict[str, Any]:
    """Have `hbot create` ask for a value, with this text."""
    return {"prompt": text, "prompt_on_new": True}


class BackpackMarketMakerConfig(StrategyV2ConfigBase):
    """The values of the .yml file; spreads are fractions of the middle price."""

    script_file_name: str = os.path.basename(__file__)
    connector_name: str = Field("backpack", json_schema_extra=asked("Connector (backpack or backpack_simulator)"))
    trading_pair: str = Field("SOL-USDC", json_schema_extra=asked("Trading pair, for example SOL-USDC"))
    order_amount: Decimal = Field(Decimal("0.1"), gt=0, json_schema_extra=asked("Size of each order, in base"))
    bid_spread: Decimal = Field(
        Decimal("0.001"), ge=0, lt=1, json_schema_extra=asked("Distance of the first bid (0.001 is 0.1 %)")
    )
    ask_spread: Decimal = Field(
        Decimal("0.001"), ge=0, lt=1, json_schema_extra=asked("Distance of the first ask (0.001 is 0.1 %)")
    )
    order_levels: int = Field(1, ge=1, le=20, json_schema_extra=asked("Orders on each side"))
    level_spread: Decimal = Field(
        Decimal("0.001"), ge=0, lt=1, json_schema_extra=asked("Distance between two orders of one side")
    )
    refresh_seconds: float = Field(15.0, ge=1, json_schema_extra=asked("Renew the orders every ... seconds"))
    journal_file: str = Field("", description="Where to write fills as JSON lines; empty switches the journal off")
    journal_snapshot_seconds: float = Field(
        0.0, ge=0, description="Write book top, orders and balances every ... seconds; 0 means at start and stop only"
    )

    def update_markets(self, markets: MarketDict) -> MarketDict:
        """Tell Hummingbot which market to connect to."""
        return markets.add_or_update(self.connector_name, self.trading_pair)


class Journal:
    """Append JSON lines; numbers are written as text so that no digit is lost."""

    def __init__(self, path: str) -> None:
        self._path = Path(path) if path else None
        self._earlier_fills: set[tuple[str, str]] = set()
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._read_earlier_runs(self._path)

    def _read_earlier_runs(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        if text and not text.endswith("\n"):
            with path.open("a", encoding="utf-8") as file:
                file.write("\n")  # the earlier run was cut off in the middle of a line
        for line in text.splitlines():
            with contextlib.suppress(ValueError):
                entry = json.loads(line)
                if entry["kind"] == "fill":
                    self._earlier_fills.add((entry["trading_pair"], entry["trade_id"]))

    def has_fill_of_earlier_run(self, trading_pair: str, trade_id: str) -> bool:
        """Tell whether a fill is written already.

        A bot that was killed between this journal and Hummingbot's database is told of the fill a second time after its
        restart, because the database does not have it. Twice within one run stays twice: that would be a defect.
        """
        return (trading_pair, trade_id) in self._earlier_fills

    def write(self, kind: str, **facts: Any) -> None:
        """Add one line; without a path do nothing."""
        if self._path is None:
            return
        line = json.dumps({"kind": kind, "time": time.time(), **facts}, default=str)
        # Opened per line: a bot that is killed loses nothing that it has already written.
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def open_orders(connector: ConnectorBase, trading_pair: str) -> list[Any]:
    """Ask the connector, not the strategy's own list: after a crash it knows the orders of the previous run."""
    return [
        order
        for order in list(connector.in_flight_orders.values())
        if order.trading_pair == trading_pair and not order.is_done
    ]


def balances_of(connector: ConnectorBase) -> dict[str, dict[str, Decimal]]:
    """Return total and available amount of every asset."""
    totals = dict(connector.get_all_balances())
    return {
        asset: {"total": total, "available": connector.get_available_balance(asset)}
        for asset, total in sorted(totals.items())
    }


def latency_facts(connector: ConnectorBase) -> list[dict[str, Any]]:
    """Return how long orders and messages took in the last minutes; nothing for a connector that does not tell."""
    if not hasattr(connector, "latency_report"):  # paper trading, other exchanges
        return []
    return [
        {name: getattr(row, name) for name in ("what", "count", "p50_s", "p90_s", "p99_s", "max_s")}
        for row in connector.latency_report().latencies
    ]


def market_facts(connector: ConnectorBase, trading_pair: str) -> dict[str, Any]:
    """Return book top, open orders and balances, as the connector knows them now."""
    return {
        "trading_pair": trading_pair,
        "best_bid": connector.get_price_by_type(trading_pair, PriceType.BestBid),
        "best_ask": connector.get_price_by_type(trading_pair, PriceType.BestAsk),
        "orders": [
            {
                "order_id": order.client_order_id,
                "side": order.trade_type.name,
                "price": order.price,
                "amount": order.amount,
                "filled": order.executed_amount_base,
            }
            for order in open_orders(connector, trading_pair)
        ],
        "balances": balances_of(connector),
        "latency": latency_facts(connector),
    }


def fill_facts(event: OrderFilledEvent) -> dict[str, Any]:
    """Return a fill with every digit."""
    return {
        "trade_id": event.exchange_trade_id,
        "order_id": event.order_id,
        "exchange_order_id": event.exchange_order_id,
        "trading_pair": event.trading_pair,
        "side": event.trade_type.name,
        "price": event.price,
        "amount": event.amount,
        "fees": [{"token": fee.token, "amount": fee.amount} for fee in event.trade_fee.flat_fees],
        "fee_percent": event.trade_fee.percent,
    }


class BackpackMarketMaker(StrategyV2Base):
    """Hold `order_levels` post-only orders on each side of the book."""

    def __init__(self, connectors: dict[str, ConnectorBase], config: BackpackMarketMakerConfig) -> None:
        super().__init__(connectors, config)
        self.config: BackpackMarketMakerConfig = config
        self._journal = Journal(config.journal_file)
        self._next_refresh = 0.0
        self._next_snapshot = 0.0
        self._orders_due = False
        self._stopping = False
        self._journal_started = False
        self._fill_count = 0
        self._fees: dict[str, Decimal] = {}

    @property
    def connector(self) -> ConnectorBase:
        """The exchange that this bot trades on."""
        return self.connectors[self.config.connector_name]

    def on_tick(self) -> None:
        """Renew the orders when it is time; Hummingbot calls this once per second when the connector is ready."""
        if self._stopping:
            return
        now = self.current_timestamp
        if not self._journal_started:
            self._journal_started = True
            self._journal.write("start", connector=self.config.connector_name, **self._state())
        if self.config.journal_snapshot_seconds and now >= self._next_snapshot:
            self._next_snapshot = now + self.config.journal_snapshot_seconds
            self._journal.write("snapshot", **self._state())
        open_orders = self._open_orders()
        if now >= self._next_refresh:
            self._next_refresh = now + self.config.refresh_seconds
            self._orders_due = True
            for order in open_orders:
                self.connector.cancel(order.trading_pair, order.client_order_id)
        elif self._orders_due and not open_orders:
            # One tick later than the cancels, so the funds that they held are free again.
            self._orders_due = False
            self._place_orders()

    def _open_orders(self) -> list[Any]:
        return open_orders(self.connector, self.config.trading_pair)

    def _place_orders(self) -> None:
        candidates = self._candidates()
        adjusted = self.connector.budget_checker.adjust_candidates(candidates, all_or_none=False)
        for candidate in adjusted:
            pair = candidate.trading_pair
            amount = self.connector.quantize_order_amount(pair, candidate.amount)
            if amount <= 0:
                continue
            submit = self.buy if candidate.order_side == TradeType.BUY else self.sell
            options = self._order_options(candidate)
            submit(self.config.connector_name, pair, amount, OrderType.LIMIT_MAKER, candidate.price, **options)

    def _order_options(self, candidate: OrderCandidate) -> dict[str, Any]:
        """Return what an order says besides price and amount."""
        return {}

    def _candidates(self) -> list[OrderCandidate]:
        config, pair = self.config, self.config.trading_pair
        middle = self.connector.get_price_by_type(pair, PriceType.MidPrice)
        best_bid = self.connector.get_price_by_type(pair, PriceType.BestBid)
        best_ask = self.connector.get_price_by_type(pair, PriceType.BestAsk)
        if not (middle.is_finite() and best_bid.is_finite() and best_ask.is_finite()):
            return []  # one side of the book is empty: no middle to quote around
        tick = self.connector.get_order_price_quantum(pair, middle)
        candidates = []
        for level in range(config.order_levels):
            step = config.level_spread * level
            bid = middle * (1 - config.bid_spread - step)
            # Prices are rounded down to the tick, which could put an ask onto the best bid; that would be refused.
            ask = max(middle * (1 + config.ask_spread + step), best_bid + tick)
            candidates.append(self._candidate(TradeType.BUY, bid))
            candidates.append(self._candidate(TradeType.SELL, ask))
        return candidates

    def _candidate(self, side: TradeType, price: Decimal) -> OrderCandidate:
        return OrderCandidate(
            trading_pair=self.config.trading_pair,
            is_maker=True,
            order_type=OrderType.LIMIT_MAKER,
            order_side=side,
            amount=self.config.order_amount,
            price=self.connector.quantize_order_price(self.config.trading_pair, price),
        )

    def did_fill_order(self, order_filled_event: OrderFilledEvent) -> None:
        """Write the fill down; an order of a previous run may be the filled one."""
        event = order_filled_event
        self._fill_count += 1
        for fee in event.trade_fee.flat_fees:
            self._fees[fee.token] = self._fees.get(fee.token, Decimal(0)) + fee.amount
        if self._journal.has_fill_of_earlier_run(event.trading_pair, event.exchange_trade_id):
            return
        self._journal.write("fill", **fill_facts(event))

    def _state(self) -> dict[str, Any]:
        return market_facts(self.connector, self.config.trading_pair)

    async def on_stop(self) -> None:
        """Cancel everything before Hummingbot takes the connector away, then write the final figures."""
        # The clock still ticks while this waits, hence the flag.
        self._stopping = True
        await self._wind_down(time.monotonic() + STOP_TIMEOUT_S)
        await super().on_stop()
        self._journal.write("stop", **self._state())

    async def _wind_down(self, deadline: float) -> None:
        """Cancel until nothing is open, then let late fills and balance messages arrive."""
        await self._cancel_everything(deadline)
        figures, quiet_since = self._final_figures(), time.monotonic()
        while time.monotonic() < min(deadline, quiet_since + QUIET_S):
            await asyncio.sleep(0.1)
            latest = self._final_figures()
            if latest != figures:
                figures, quiet_since = latest, time.monotonic()

    async def _cancel_everything(self, deadline: float) -> None:
        while self._open_orders() and time.monotonic() < deadline:
            # Repeated, because an order that the exchange had not yet acknowledged could not be cancelled.
            await self.connector.cancel_all(5.0)
            if self._open_orders():
                await asyncio.sleep(0.1)

    def _final_figures(self) -> Any:
        """Return what has to stand still before the journal ends."""
        return balances_of(self.connector)

    def format_status(self) -> str:
        """Add fills, fees and latencies to what `hbot status` shows of every strategy."""
        fees = ", ".join(f"{amount} {token}" for token, amount in sorted(self._fees.items())) or "none"
        latency = f"\n\n{self.connector.latency_text()}" if hasattr(self.connector, "latency_text") else ""
        return f"{super().format_status()}{latency}\n\n  Fills since start: {self._fill_count}; fees: {fees}"
