"""Define orders with everything that REST shows of them, for those who do more than track them.

Source: schemas LimitOrder, MarketOrder and Order; API §2.3, §4.1.
"""

from decimal import Decimal

from .models import HistoricalOrder, Order
from .wire import WireTime


class FullOrder(Order, frozen=True, kw_only=True):
    """Answer of execute_order and cancel_order, and one row of the open orders."""

    trigger_price: Decimal | None = None
    trigger_quantity: str | None = None
    """Base units, or a percentage such as 80%."""
    trigger_by: str | None = None
    take_profit_trigger_price: Decimal | None = None
    take_profit_limit_price: Decimal | None = None
    take_profit_trigger_by: str | None = None
    stop_loss_trigger_price: Decimal | None = None
    stop_loss_limit_price: Decimal | None = None
    stop_loss_trigger_by: str | None = None
    strategy_id: str | None = None
    slippage_tolerance: Decimal | None = None
    slippage_tolerance_type: str | None = None
    triggered_at: WireTime | None = None
    """Milliseconds."""
    related_order_id: str | int | None = None


class FullHistoricalOrder(HistoricalOrder, frozen=True, kw_only=True):
    """One row of get_order_history."""

    trigger_price: Decimal | None = None
    trigger_quantity: str | None = None
    """Base units, or a percentage such as 80%."""
    trigger_by: str | None = None
    take_profit_trigger_price: Decimal | None = None
    take_profit_limit_price: Decimal | None = None
    take_profit_trigger_by: str | None = None
    stop_loss_trigger_price: Decimal | None = None
    stop_loss_limit_price: Decimal | None = None
    stop_loss_trigger_by: str | None = None
    strategy_id: str | None = None
    slippage_tolerance: Decimal | None = None
    slippage_tolerance_type: str | None = None
