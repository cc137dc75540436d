"""Place, cancel and look up orders.

Written by `python -m tests.client.generated` out of the catalogue (`protocol/operations.py`); not by hand.
"""

from collections.abc import Sequence

from backpack_connector.protocol.errors import BackpackError
from backpack_connector.protocol.models import Fill
from backpack_connector.protocol.order_records import FullHistoricalOrder, FullOrder

from .calls import OperationCalls
from .words import (
    Amount,
    AssetClass,
    CancelOrderTypeWord,
    FillType,
    MarketTypeWord,
    NewOrder,
    OrderTypeWord,
    SelfTradePreventionWord,
    SideWord,
    SlippageToleranceTypeWord,
    SortDirection,
    TimeInForceWord,
    TriggerByWord,
)


class OrderMethods(OperationCalls):
    """One method an operation, by official id."""

    async def get_order(self, symbol: str, *, order_id: str | None = None, client_id: int | None = None) -> FullOrder:
        """Return one open order; one that is finished is not found.

        Takes:
            symbol: The market, such as SOL_USDC_PERP.
            order_id: The exchange's id of the order.
            client_id: Your own number, which need not be unique.
        """
        result: FullOrder = await self.call("get_order", {"symbol": symbol, "orderId": order_id, "clientId": client_id})
        return result

    async def execute_order(
        self,
        symbol: str,
        side: SideWord,
        order_type: OrderTypeWord,
        *,
        quantity: Amount | None = None,
        price: Amount | None = None,
        quote_quantity: Amount | None = None,
        time_in_force: TimeInForceWord | None = None,
        post_only: bool | None = None,
        reduce_only: bool | None = None,
        client_id: int | None = None,
        self_trade_prevention: SelfTradePreventionWord | None = None,
        trigger_price: Amount | None = None,
        trigger_quantity: Amount | None = None,
        trigger_by: TriggerByWord | None = None,
        take_profit_trigger_price: Amount | None = None,
        take_profit_limit_price: Amount | None = None,
        take_profit_trigger_by: TriggerByWord | None = None,
        stop_loss_trigger_price: Amount | None = None,
        stop_loss_limit_price: Amount | None = None,
        stop_loss_trigger_by: TriggerByWord | None = None,
        slippage_tolerance: Amount | None = None,
        slippage_tolerance_type: SlippageToleranceTypeWord | None = None,
        auto_lend: bool | None = None,
        auto_lend_redeem: bool | None = None,
        auto_borrow: bool | None = None,
        auto_borrow_repay: bool | None = None,
    ) -> FullOrder:
        """Place an order; the answer shows it after it has matched.

        It changes something. Sent once.

        Takes:
            symbol: The market, such as SOL_USDC_PERP.
            side: Bid buys, Ask sells.
            order_type: A limit order, or one at the market's price.
            quantity: How much. In base units.
            price: The limit price. In quote units.
            quote_quantity: How much, counted in the quote asset. In quote units.
            time_in_force: How long it may rest; GTC when it is absent.
            post_only: Refuse it if it would match at once.
            reduce_only: It may only reduce a position.
            client_id: Your own number, which need not be unique.
            self_trade_prevention: What ends when the account would trade with itself; RejectTaker when it
                is absent.
            trigger_price: The price at which a conditional order is placed. In quote units.
            trigger_quantity: How much a conditional order is for, such as 1.5 or 80%. In base units.
            trigger_by: Which price triggers; LastPrice when it is absent.
            take_profit_trigger_price: The price at which the take-profit is placed. In quote units.
            take_profit_limit_price: The limit of the take-profit; a market order when it is absent. In
                quote units.
            take_profit_trigger_by: Which price triggers the take-profit; LastPrice when it is absent.
            stop_loss_trigger_price: The price at which the stop-loss is placed. In quote units.
            stop_loss_limit_price: The limit of the stop-loss; a market order when it is absent. In quote
                units.
            stop_loss_trigger_by: Which price triggers the stop-loss; LastPrice when it is absent.
            slippage_tolerance: How far the price may slip. In ticks or percent.
            slippage_tolerance_type: What the tolerance is counted in.
            auto_lend: Lend what comes in.
            auto_lend_redeem: Take lent funds back if they are needed.
            auto_borrow: Borrow if it is needed.
            auto_borrow_repay: Repay loans with what comes in.
        """
        result: FullOrder = await self.call(
            "execute_order",
            {
                "symbol": symbol,
                "side": side,
                "orderType": order_type,
                "quantity": quantity,
                "price": price,
                "quoteQuantity": quote_quantity,
                "timeInForce": time_in_force,
                "postOnly": post_only,
                "reduceOnly": reduce_only,
                "clientId": client_id,
                "selfTradePrevention": self_trade_prevention,
                "triggerPrice": trigger_price,
                "triggerQuantity": trigger_quantity,
                "triggerBy": trigger_by,
                "takeProfitTriggerPrice": take_profit_trigger_price,
                "takeProfitLimitPrice": take_profit_limit_price,
                "takeProfitTriggerBy": take_profit_trigger_by,
                "stopLossTriggerPrice": stop_loss_trigger_price,
                "stopLossLimitPrice": stop_loss_limit_price,
                "stopLossTriggerBy": stop_loss_trigger_by,
                "slippageTolerance": slippage_tolerance,
                "slippageToleranceType": slippage_tolerance_type,
                "autoLend": auto_lend,
                "autoLendRedeem": auto_lend_redeem,
                "autoBorrow": auto_borrow,
                "autoBorrowRepay": auto_borrow_repay,
            },
        )
        return result

    async def cancel_order(
        self, symbol: str, *, order_id: str | None = None, client_id: int | None = None
    ) -> FullOrder | None:
        """Cancel one order; None means accepted and not executed yet.

        It changes something. Sent once.

        Takes:
            symbol: The market, such as SOL_USDC_PERP.
            order_id: The exchange's id of the order.
            client_id: Your own number, which need not be unique.
        """
        result: FullOrder | None = await self.call(
            "cancel_order", {"symbol": symbol, "orderId": order_id, "clientId": client_id}
        )
        return result

    async def execute_order_batch(self, orders: Sequence[NewOrder]) -> list[FullOrder | BackpackError]:
        """Place several orders; for each the answer has the order, or the error that it met instead.

        It changes something. Sent once.

        Takes:
            orders: each with the fields of `execute_order`, under their names on the wire or in Python.
        """
        result: list[FullOrder | BackpackError] = await self.call("execute_order_batch", orders)
        return result

    async def get_open_orders(
        self, *, market_type: MarketTypeWord | None = None, symbol: str | None = None
    ) -> list[FullOrder]:
        """Return all open orders, those that wait for a trigger included.

        Takes:
            market_type: Only markets of this type.
            symbol: The market, such as SOL_USDC_PERP.
        """
        result: list[FullOrder] = await self.call("get_open_orders", {"marketType": market_type, "symbol": symbol})
        return result

    async def cancel_open_orders(
        self, symbol: str, *, order_type: CancelOrderTypeWord | None = None
    ) -> list[FullOrder] | None:
        """Cancel all orders of a market; None means accepted and not executed yet.

        It changes something. Sent once.

        Takes:
            symbol: The market, such as SOL_USDC_PERP.
            order_type: Only resting orders, or only conditional ones.
        """
        result: list[FullOrder] | None = await self.call(
            "cancel_open_orders", {"symbol": symbol, "orderType": order_type}
        )
        return result

    async def get_fills(
        self,
        *,
        order_id: str | None = None,
        strategy_id: str | None = None,
        from_ms: int | None = None,
        to_ms: int | None = None,
        symbol: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
        sort_direction: SortDirection | None = None,
        fill_type: FillType | None = None,
        market_type: MarketTypeWord | None = None,
        asset_class: AssetClass | None = None,
    ) -> list[Fill]:
        """Return executions of the account's orders, newest first.

        Takes:
            order_id: The exchange's id of the order.
            strategy_id: The exchange's id of the strategy.
            from_ms: The first moment that counts.
            to_ms: The moment before which everything counts.
            symbol: The market, such as SOL_USDC_PERP.
            limit: How many rows; 100 when it is absent, at most 1000.
            offset: How many rows to leave out, from the newest.
            sort_direction: Newest first (Desc, the default), or oldest first.
            fill_type: Only fills of this origin; all when it is absent.
            market_type: Only markets of this type.
            asset_class: Only crypto, or only stocks.
        """
        result: list[Fill] = await self.call(
            "get_fills",
            {
                "orderId": order_id,
                "strategyId": strategy_id,
                "from": from_ms,
                "to": to_ms,
                "symbol": symbol,
                "limit": limit,
                "offset": offset,
                "sortDirection": sort_direction,
                "fillType": fill_type,
                "marketType": market_type,
                "assetClass": asset_class,
            },
        )
        return result

    async def get_order_history(
        self,
        *,
        order_id: str | None = None,
        strategy_id: str | None = None,
        symbol: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
        sort_direction: SortDirection | None = None,
        market_type: MarketTypeWord | None = None,
    ) -> list[FullHistoricalOrder]:
        """Return past and present orders, newest first.

        Takes:
            order_id: The exchange's id of the order.
            strategy_id: The exchange's id of the strategy.
            symbol: The market, such as SOL_USDC_PERP.
            limit: How many rows; 100 when it is absent, at most 1000.
            offset: How many rows to leave out, from the newest.
            sort_direction: Newest first (Desc, the default), or oldest first.
            market_type: Only markets of this type.
        """
        result: list[FullHistoricalOrder] = await self.call(
            "get_order_history",
            {
                "orderId": order_id,
                "strategyId": strategy_id,
                "symbol": symbol,
                "limit": limit,
                "offset": offset,
                "sortDirection": sort_direction,
                "marketType": market_type,
            },
        )
        return result
