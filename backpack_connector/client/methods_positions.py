"""Look at positions and funding, and run strategies.

Written by `python -m tests.client.generated` out of the catalogue (`protocol/operations.py`); not by hand.
"""

from backpack_connector.protocol.account_records import PositionRecord
from backpack_connector.protocol.deal_records import ScheduledStrategy, StrategyRecord
from backpack_connector.protocol.futures import FundingPayment, Position

from .calls import OperationCalls
from .words import (
    Amount,
    MarketTypeWord,
    OpenOrClosed,
    SelfTradePreventionWord,
    SideWord,
    SlippageToleranceTypeWord,
    SortDirection,
    StrategyType,
    TimeInForceWord,
)


class PositionMethods(OperationCalls):
    """One method an operation, by official id."""

    async def get_strategy(
        self, symbol: str, *, strategy_id: str | None = None, client_strategy_id: int | None = None
    ) -> ScheduledStrategy:
        """Return one running strategy.

        Takes:
            symbol: The market, such as SOL_USDC_PERP.
            strategy_id: The exchange's id of the strategy.
            client_strategy_id: Your own number of the strategy.
        """
        result: ScheduledStrategy = await self.call(
            "get_strategy", {"symbol": symbol, "strategyId": strategy_id, "clientStrategyId": client_strategy_id}
        )
        return result

    async def strategy_create(
        self,
        strategy_type: StrategyType,
        side: SideWord,
        symbol: str,
        *,
        quantity: Amount | None = None,
        price: Amount | None = None,
        duration_ms: int | None = None,
        interval_ms: int | None = None,
        randomized_interval_quantity: bool | None = None,
        client_strategy_id: int | None = None,
        post_only: bool | None = None,
        reduce_only: bool | None = None,
        time_in_force: TimeInForceWord | None = None,
        self_trade_prevention: SelfTradePreventionWord | None = None,
        slippage_tolerance: Amount | None = None,
        slippage_tolerance_type: SlippageToleranceTypeWord | None = None,
        auto_lend: bool | None = None,
        auto_lend_redeem: bool | None = None,
        auto_borrow: bool | None = None,
        auto_borrow_repay: bool | None = None,
    ) -> ScheduledStrategy:
        """Start a strategy: one quantity, sent to the book in slices over a time.

        It changes something. Sent once.

        Takes:
            strategy_type: The kind of strategy.
            side: Bid buys, Ask sells.
            symbol: The market, such as SOL_USDC_PERP.
            quantity: How much. In base units.
            price: The limit price. In quote units.
            duration_ms: How long the strategy runs.
            interval_ms: The time between two of its orders.
            randomized_interval_quantity: Vary the quantity of its orders at random.
            client_strategy_id: Your own number of the strategy.
            post_only: Refuse it if it would match at once.
            reduce_only: It may only reduce a position.
            time_in_force: How long it may rest; GTC when it is absent.
            self_trade_prevention: What ends when the account would trade with itself; RejectTaker when it
                is absent.
            slippage_tolerance: How far the price may slip. In ticks or percent.
            slippage_tolerance_type: What the tolerance is counted in.
            auto_lend: Lend what comes in.
            auto_lend_redeem: Take lent funds back if they are needed.
            auto_borrow: Borrow if it is needed.
            auto_borrow_repay: Repay loans with what comes in.
        """
        result: ScheduledStrategy = await self.call(
            "strategy_create",
            {
                "strategyType": strategy_type,
                "side": side,
                "symbol": symbol,
                "quantity": quantity,
                "price": price,
                "duration": duration_ms,
                "interval": interval_ms,
                "randomizedIntervalQuantity": randomized_interval_quantity,
                "clientStrategyId": client_strategy_id,
                "postOnly": post_only,
                "reduceOnly": reduce_only,
                "timeInForce": time_in_force,
                "selfTradePrevention": self_trade_prevention,
                "slippageTolerance": slippage_tolerance,
                "slippageToleranceType": slippage_tolerance_type,
                "autoLend": auto_lend,
                "autoLendRedeem": auto_lend_redeem,
                "autoBorrow": auto_borrow,
                "autoBorrowRepay": auto_borrow_repay,
            },
        )
        return result

    async def cancel_strategy(
        self, symbol: str, *, strategy_id: str | None = None, client_strategy_id: int | None = None
    ) -> ScheduledStrategy | None:
        """Cancel one strategy; None means accepted and not executed yet.

        It changes something. Sent once.

        Takes:
            symbol: The market, such as SOL_USDC_PERP.
            strategy_id: The exchange's id of the strategy.
            client_strategy_id: Your own number of the strategy.
        """
        result: ScheduledStrategy | None = await self.call(
            "cancel_strategy", {"symbol": symbol, "strategyId": strategy_id, "clientStrategyId": client_strategy_id}
        )
        return result

    async def get_open_strategies(
        self,
        *,
        market_type: MarketTypeWord | None = None,
        strategy_type: StrategyType | None = None,
        symbol: str | None = None,
    ) -> list[ScheduledStrategy]:
        """Return all running strategies.

        Takes:
            market_type: Only markets of this type.
            strategy_type: The kind of strategy.
            symbol: The market, such as SOL_USDC_PERP.
        """
        result: list[ScheduledStrategy] = await self.call(
            "get_open_strategies", {"marketType": market_type, "strategyType": strategy_type, "symbol": symbol}
        )
        return result

    async def cancel_open_strategies(
        self, symbol: str, *, strategy_type: StrategyType | None = None
    ) -> list[ScheduledStrategy] | None:
        """Cancel all strategies of a market; None means accepted and not executed yet.

        It changes something. Sent once.

        Takes:
            symbol: The market, such as SOL_USDC_PERP.
            strategy_type: The kind of strategy.
        """
        result: list[ScheduledStrategy] | None = await self.call(
            "cancel_open_strategies", {"symbol": symbol, "strategyType": strategy_type}
        )
        return result

    async def get_strategies_history(
        self,
        *,
        strategy_id: str | None = None,
        symbol: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
        sort_direction: SortDirection | None = None,
        market_type: MarketTypeWord | None = None,
    ) -> list[StrategyRecord]:
        """Return past and present strategies, newest first.

        Takes:
            strategy_id: The exchange's id of the strategy.
            symbol: The market, such as SOL_USDC_PERP.
            limit: How many rows; 100 when it is absent, at most 1000.
            offset: How many rows to leave out, from the newest.
            sort_direction: Newest first (Desc, the default), or oldest first.
            market_type: Only markets of this type.
        """
        result: list[StrategyRecord] = await self.call(
            "get_strategies_history",
            {
                "strategyId": strategy_id,
                "symbol": symbol,
                "limit": limit,
                "offset": offset,
                "sortDirection": sort_direction,
                "marketType": market_type,
            },
        )
        return result

    async def get_positions(
        self, *, symbol: str | None = None, market_type: MarketTypeWord | None = None
    ) -> list[Position]:
        """Return the open positions; the liquidation price only where a symbol is given.

        Takes:
            symbol: The market, such as SOL_USDC_PERP.
            market_type: Only markets of this type.
        """
        result: list[Position] = await self.call("get_positions", {"symbol": symbol, "marketType": market_type})
        return result

    async def get_funding_payments(
        self,
        *,
        symbol: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
        sort_direction: SortDirection | None = None,
    ) -> list[FundingPayment]:
        """Return funding that was paid and received, newest first.

        Takes:
            symbol: The market, such as SOL_USDC_PERP.
            limit: How many rows; 100 when it is absent, at most 1000.
            offset: How many rows to leave out, from the newest.
            sort_direction: Newest first (Desc, the default), or oldest first.
        """
        result: list[FundingPayment] = await self.call(
            "get_funding_payments",
            {"symbol": symbol, "limit": limit, "offset": offset, "sortDirection": sort_direction},
        )
        return result

    async def get_position_history(
        self,
        *,
        symbol: str | None = None,
        state: OpenOrClosed | None = None,
        market_type: MarketTypeWord | None = None,
        limit: int | None = None,
        offset: int | None = None,
        sort_direction: SortDirection | None = None,
    ) -> list[PositionRecord]:
        """Return past and present positions, newest first.

        Takes:
            symbol: The market, such as SOL_USDC_PERP.
            state: Only open ones, or only closed ones.
            market_type: Only markets of this type.
            limit: How many rows; 100 when it is absent, at most 1000.
            offset: How many rows to leave out, from the newest.
            sort_direction: Newest first (Desc, the default), or oldest first.
        """
        result: list[PositionRecord] = await self.call(
            "get_position_history",
            {
                "symbol": symbol,
                "state": state,
                "marketType": market_type,
                "limit": limit,
                "offset": offset,
                "sortDirection": sort_direction,
            },
        )
        return result
