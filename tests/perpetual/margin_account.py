"""An account as its messages and answers tell it to AccountMargin, in few words; T is seconds, E follows it."""

from decimal import Decimal
from typing import Any

from backpack_connector.protocol.enums import OrderStatus, Side
from backpack_connector.protocol.futures import MarginSummary, Position
from backpack_connector.protocol.messages import BalanceUpdate, Message, OrderUpdate, PositionUpdate, parse_message
from backpack_connector.protocol.models import MarginFunction, Order
from backpack_connector.protocol.units import us_from_seconds
from backpack_connector.protocol.wire import read
from backpack_perpetual_connector.collateral import AccountMargin

SOL, BTC = "SOL_USDC_PERP", "BTC_USDC_PERP"
BUY, SELL = Side.BID, Side.ASK
# The captured rows of both markets: tests/samples/rest/get_market.*_perpetual.200.json.
IMF = {
    SOL: MarginFunction(type="sqrt", base=Decimal("0.02"), factor=Decimal("0.000075")),
    BTC: MarginFunction(type="sqrt", base=Decimal("0.01333333"), factor=Decimal("0.00002494")),
}


def _message(stream: str, at: float, data: dict[str, Any]) -> Message:
    time_us = us_from_seconds(at)
    message = parse_message({"stream": f"account.{stream}", "data": {"E": time_us, "T": time_us, **data}})
    assert message is not None
    return message


def order_update(
    order_id: str,
    side: Side,
    quantity: str,
    price: str = "100",
    *,
    status: OrderStatus = OrderStatus.NEW,
    executed: str = "0",
    fill: str | None = None,
    fee: str = "0",
    symbol: str = SOL,
    reduce_only: bool = False,
    client_id: int | None = None,
    at: float = 1,
) -> OrderUpdate:
    data = {
        "e": "orderFill" if fill else "orderAccepted",
        "s": symbol,
        "i": order_id,
        "X": status.value,
        "S": side.value,
        "q": quantity,
        "p": price,
        "z": executed,
        "r": reduce_only,
    }
    if fill:
        data |= {"l": fill, "L": price, "n": fee, "N": "USDC", "m": True, "t": 1}
    if client_id is not None:
        data["c"] = client_id
    message = _message("orderUpdate", at, data)
    assert isinstance(message, OrderUpdate)
    return message


def fill_update(order_id: str, side: Side, quantity: str, fill: str, price: str = "100", **rest: Any) -> OrderUpdate:
    """The only fill of an order: it fills it wholly or is the first of several."""
    status = OrderStatus.FILLED if fill == quantity else OrderStatus.PARTIALLY_FILLED
    return order_update(order_id, side, quantity, price, status=status, executed=fill, fill=fill, **rest)


def end_update(order_id: str, side: Side, quantity: str, **rest: Any) -> OrderUpdate:
    return order_update(order_id, side, quantity, status=OrderStatus.CANCELLED, **rest)


def position_update(
    quantity: str, mark: str = "100", unrealized: str = "0", *, symbol: str = SOL, at: float = 1
) -> PositionUpdate:
    data = {"e": "positionAdjusted", "s": symbol, "q": quantity, "M": mark, "B": mark, "P": unrealized, "p": "0"}
    message = _message("positionUpdate", at, data)
    assert isinstance(message, PositionUpdate)
    return message


def balance_update(
    available: str, locked: str = "0", *, asset: str = "USDC", staked: str = "0", at: float = 1
) -> BalanceUpdate:
    message = _message("balanceUpdate", at, {"a": asset, "A": available, "L": locked, "S": staked})
    assert isinstance(message, BalanceUpdate)
    return message


def order_row(
    order_id: str,
    side: Side,
    quantity: str,
    *,
    executed: str = "0",
    status: OrderStatus = OrderStatus.NEW,
    symbol: str = SOL,
    client_id: int | None = None,
    reduce_only: bool | None = None,
    created_ms: int = 1,
) -> Order:
    payload = {
        "id": order_id,
        "symbol": symbol,
        "side": side.value,
        "orderType": "Limit",
        "status": status.value,
        "quantity": quantity,
        "price": "100",
        "executedQuantity": executed,
        "clientId": client_id,
        "reduceOnly": reduce_only,
        "createdAt": created_ms,
    }
    return read(Order, payload, "order")


def position_row(quantity: str, mark: str = "100", unrealized: str = "0", symbol: str = SOL) -> Position:
    imf = IMF[symbol]
    payload = {
        "symbol": symbol,
        "netQuantity": quantity,
        "entryPrice": mark,
        "markPrice": mark,
        "netExposureQuantity": quantity.lstrip("-"),
        "pnlRealized": "0",
        "pnlUnrealized": unrealized,
        "positionId": "1",
        "imfFunction": {"type": "sqrt", "base": str(imf.base), "factor": str(imf.factor)},
    }
    return read(Position, payload, "position")


def asset_row(
    symbol: str, total: str, price: str = "1", weight: str = "1", *, locked: str = "0", lent: str = "0"
) -> dict[str, str]:
    notional = Decimal(total) * Decimal(price)
    return {
        "symbol": symbol,
        "assetMarkPrice": price,
        "totalQuantity": total,
        "balanceNotional": str(notional),
        "collateralWeight": weight,
        "collateralValue": str(notional * Decimal(weight)),
        "openOrderQuantity": locked,
        "lendQuantity": lent,
        "availableQuantity": str(Decimal(total) - Decimal(locked) - Decimal(lent)),
    }


def summary(equity: str, available: str, *assets: dict[str, str]) -> MarginSummary:
    payload = {
        "netEquity": equity,
        "netEquityAvailable": available,
        "netEquityLocked": str(Decimal(equity) - Decimal(available)),
        "netExposureFutures": "0",
        "pnlUnrealized": "0",
        "unsettledEquity": "0",
        "borrowLiability": "0",
        "assetsValue": equity,
        "imf": "0",
        "mmf": "0",
        "collateral": list(assets) or [asset_row("USDC", equity)],
    }
    return read(MarginSummary, payload, "summary")


def account(usdc: str = "1000", leverage: str = "5", sol_mark: str = "100", btc_mark: str = "10000") -> AccountMargin:
    """An account with nothing but USDC, as after the start of the connector."""
    margin = AccountMargin()
    for symbol, function in IMF.items():
        margin.set_market(symbol, function)
    margin.set_leverage(Decimal(leverage))
    margin.apply_mark(SOL, Decimal(sol_mark), 0.5)
    margin.apply_mark(BTC, Decimal(btc_mark), 0.5)
    margin.report(summary(usdc, usdc), margin.mark())
    return margin


def used(margin: AccountMargin) -> Decimal:
    """The equity that is not available."""
    return margin.net_equity - margin.available
