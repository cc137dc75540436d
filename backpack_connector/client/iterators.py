"""Go through lists that the exchange answers in pages, row by row.

Written by `python -m tests.client.generated` out of the catalogue (`protocol/operations.py`); not by hand.
"""

from collections.abc import AsyncIterator
from typing import Any

from backpack_connector.protocol.account_records import Deposit, DustConversion, PositionRecord, Settlement, Withdrawal
from backpack_connector.protocol.deal_records import QuoteFill, QuoteRecord, RfqFill, RfqRecord, StrategyRecord
from backpack_connector.protocol.futures import FundingPayment
from backpack_connector.protocol.lending_records import InterestPayment, LendingEvent, LendingRecord
from backpack_connector.protocol.market_records import FundingRate, PredictionEvent, Trade
from backpack_connector.protocol.models import Fill
from backpack_connector.protocol.order_records import FullHistoricalOrder

from .calls import OperationCalls
from .paging import rows_of
from .words import (
    AssetClass,
    FillType,
    InterestSource,
    LendEvent,
    LendSide,
    MarketTypeWord,
    OpenOrClosed,
    OrderStatusWord,
    RfqFillType,
    SettlementSource,
    SideWord,
    SortDirection,
)


class PageIterators(OperationCalls):
    """One iterator an operation with pages; `page_size` rows are asked for at once, and `most` of them yielded."""

    def iterate_prediction_events(
        self,
        *,
        symbol: str | None = None,
        tag_slug: str | None = None,
        event_slug: str | None = None,
        series_slug: str | None = None,
        resolved: bool | None = None,
        page_size: int | None = None,
        most: int | None = None,
    ) -> AsyncIterator[PredictionEvent]:
        """Yield prediction events with their markets."""
        return rows_of(
            self,
            "get_prediction_events",
            {
                "symbol": symbol,
                "tagSlug": tag_slug,
                "eventSlug": event_slug,
                "seriesSlug": series_slug,
                "resolved": resolved,
            },
            page_size=page_size,
            most=most,
        )

    def iterate_funding_interval_rates(
        self, symbol: str, *, page_size: int | None = None, most: int | None = None
    ) -> AsyncIterator[FundingRate]:
        """Yield past funding rates of a market, newest first; the first one still runs."""
        return rows_of(self, "get_funding_interval_rates", {"symbol": symbol}, page_size=page_size, most=most)

    def iterate_historical_trades(
        self, symbol: str, *, page_size: int | None = None, most: int | None = None
    ) -> AsyncIterator[Trade]:
        """Yield past trades of a market, newest first."""
        return rows_of(self, "get_historical_trades", {"symbol": symbol}, page_size=page_size, most=most)

    def iterate_fills(
        self,
        *,
        order_id: str | None = None,
        strategy_id: str | None = None,
        from_ms: int | None = None,
        to_ms: int | None = None,
        symbol: str | None = None,
        sort_direction: SortDirection | None = None,
        fill_type: FillType | None = None,
        market_type: MarketTypeWord | None = None,
        asset_class: AssetClass | None = None,
        page_size: int | None = None,
        most: int | None = None,
    ) -> AsyncIterator[Fill]:
        """Yield executions of the account's orders, newest first."""
        return rows_of(
            self,
            "get_fills",
            {
                "orderId": order_id,
                "strategyId": strategy_id,
                "from": from_ms,
                "to": to_ms,
                "symbol": symbol,
                "sortDirection": sort_direction,
                "fillType": fill_type,
                "marketType": market_type,
                "assetClass": asset_class,
            },
            page_size=page_size,
            most=most,
        )

    def iterate_order_history(
        self,
        *,
        order_id: str | None = None,
        strategy_id: str | None = None,
        symbol: str | None = None,
        sort_direction: SortDirection | None = None,
        market_type: MarketTypeWord | None = None,
        page_size: int | None = None,
        most: int | None = None,
    ) -> AsyncIterator[FullHistoricalOrder]:
        """Yield past and present orders, newest first."""
        return rows_of(
            self,
            "get_order_history",
            {
                "orderId": order_id,
                "strategyId": strategy_id,
                "symbol": symbol,
                "sortDirection": sort_direction,
                "marketType": market_type,
            },
            page_size=page_size,
            most=most,
        )

    def iterate_strategies_history(
        self,
        *,
        strategy_id: str | None = None,
        symbol: str | None = None,
        sort_direction: SortDirection | None = None,
        market_type: MarketTypeWord | None = None,
        page_size: int | None = None,
        most: int | None = None,
    ) -> AsyncIterator[StrategyRecord]:
        """Yield past and present strategies, newest first."""
        return rows_of(
            self,
            "get_strategies_history",
            {"strategyId": strategy_id, "symbol": symbol, "sortDirection": sort_direction, "marketType": market_type},
            page_size=page_size,
            most=most,
        )

    def iterate_funding_payments(
        self,
        *,
        symbol: str | None = None,
        sort_direction: SortDirection | None = None,
        page_size: int | None = None,
        most: int | None = None,
    ) -> AsyncIterator[FundingPayment]:
        """Yield funding that was paid and received, newest first."""
        return rows_of(
            self,
            "get_funding_payments",
            {"symbol": symbol, "sortDirection": sort_direction},
            page_size=page_size,
            most=most,
        )

    def iterate_position_history(
        self,
        *,
        symbol: str | None = None,
        state: OpenOrClosed | None = None,
        market_type: MarketTypeWord | None = None,
        sort_direction: SortDirection | None = None,
        page_size: int | None = None,
        most: int | None = None,
    ) -> AsyncIterator[PositionRecord]:
        """Yield past and present positions, newest first."""
        return rows_of(
            self,
            "get_position_history",
            {"symbol": symbol, "state": state, "marketType": market_type, "sortDirection": sort_direction},
            page_size=page_size,
            most=most,
        )

    def iterate_rfq_history(
        self,
        *,
        rfq_id: str | None = None,
        symbol: str | None = None,
        status: OrderStatusWord | None = None,
        side: SideWord | None = None,
        sort_direction: SortDirection | None = None,
        deferred_settlement: bool | None = None,
        page_size: int | None = None,
        most: int | None = None,
    ) -> AsyncIterator[RfqRecord]:
        """Yield your past requests for quotes, newest first."""
        return rows_of(
            self,
            "get_rfq_history",
            {
                "rfqId": rfq_id,
                "symbol": symbol,
                "status": status,
                "side": side,
                "sortDirection": sort_direction,
                "deferredSettlement": deferred_settlement,
            },
            page_size=page_size,
            most=most,
        )

    def iterate_quote_history(
        self,
        *,
        quote_id: str | None = None,
        symbol: str | None = None,
        status: OrderStatusWord | None = None,
        sort_direction: SortDirection | None = None,
        deferred_settlement: bool | None = None,
        page_size: int | None = None,
        most: int | None = None,
    ) -> AsyncIterator[QuoteRecord]:
        """Yield your past quotes, newest first."""
        return rows_of(
            self,
            "get_quote_history",
            {
                "quoteId": quote_id,
                "symbol": symbol,
                "status": status,
                "sortDirection": sort_direction,
                "deferredSettlement": deferred_settlement,
            },
            page_size=page_size,
            most=most,
        )

    def iterate_rfq_fill_history(
        self,
        *,
        quote_id: str | None = None,
        symbol: str | None = None,
        side: SideWord | None = None,
        fill_type: RfqFillType | None = None,
        deferred_settlement: bool | None = None,
        sort_direction: SortDirection | None = None,
        page_size: int | None = None,
        most: int | None = None,
    ) -> AsyncIterator[RfqFill]:
        """Yield what your requests for quotes were filled with, newest first."""
        return rows_of(
            self,
            "get_rfq_fill_history",
            {
                "quoteId": quote_id,
                "symbol": symbol,
                "side": side,
                "fillType": fill_type,
                "deferredSettlement": deferred_settlement,
                "sortDirection": sort_direction,
            },
            page_size=page_size,
            most=most,
        )

    def iterate_quote_fill_history(
        self,
        *,
        quote_id: str | None = None,
        symbol: str | None = None,
        side: SideWord | None = None,
        sort_direction: SortDirection | None = None,
        page_size: int | None = None,
        most: int | None = None,
    ) -> AsyncIterator[QuoteFill]:
        """Yield fills of your quotes, newest first."""
        return rows_of(
            self,
            "get_quote_fill_history",
            {"quoteId": quote_id, "symbol": symbol, "side": side, "sortDirection": sort_direction},
            page_size=page_size,
            most=most,
        )

    def iterate_deposits(
        self,
        *,
        from_ms: int | None = None,
        to_ms: int | None = None,
        exclude_platform: bool | None = None,
        page_size: int | None = None,
        most: int | None = None,
    ) -> AsyncIterator[Deposit]:
        """Yield deposits, newest first."""
        return rows_of(
            self,
            "get_deposits",
            {"from": from_ms, "to": to_ms, "excludePlatform": exclude_platform},
            page_size=page_size,
            most=most,
        )

    def iterate_withdrawals(
        self,
        *,
        id: int | None = None,
        client_id: str | None = None,
        from_ms: int | None = None,
        to_ms: int | None = None,
        page_size: int | None = None,
        most: int | None = None,
    ) -> AsyncIterator[Withdrawal]:
        """Yield withdrawals, newest first."""
        return rows_of(
            self,
            "get_withdrawals",
            {"id": id, "clientId": client_id, "from": from_ms, "to": to_ms},
            page_size=page_size,
            most=most,
        )

    def iterate_dust_history(
        self,
        *,
        id: int | None = None,
        symbol: str | None = None,
        sort_direction: SortDirection | None = None,
        page_size: int | None = None,
        most: int | None = None,
    ) -> AsyncIterator[DustConversion]:
        """Yield conversions of tiny balances, newest first."""
        return rows_of(
            self,
            "get_dust_history",
            {"id": id, "symbol": symbol, "sortDirection": sort_direction},
            page_size=page_size,
            most=most,
        )

    def iterate_settlement_history(
        self,
        *,
        source: SettlementSource | None = None,
        sort_direction: SortDirection | None = None,
        page_size: int | None = None,
        most: int | None = None,
    ) -> AsyncIterator[Settlement]:
        """Yield settlements of profit, fees and funding, newest first."""
        return rows_of(
            self,
            "get_settlement_history",
            {"source": source, "sortDirection": sort_direction},
            page_size=page_size,
            most=most,
        )

    def iterate_borrow_lend_history(
        self,
        *,
        type: LendEvent | None = None,
        sources: str | None = None,
        position_id: str | None = None,
        symbol: str | None = None,
        sort_direction: SortDirection | None = None,
        page_size: int | None = None,
        most: int | None = None,
    ) -> AsyncIterator[LendingEvent]:
        """Yield loans, repayments and interest, newest first."""
        return rows_of(
            self,
            "get_borrow_lend_history",
            {
                "type": type,
                "sources": sources,
                "positionId": position_id,
                "symbol": symbol,
                "sortDirection": sort_direction,
            },
            page_size=page_size,
            most=most,
        )

    def iterate_interest_history(
        self,
        *,
        asset: str | None = None,
        symbol: str | None = None,
        position_id: str | None = None,
        source: InterestSource | None = None,
        sort_direction: SortDirection | None = None,
        page_size: int | None = None,
        most: int | None = None,
    ) -> AsyncIterator[InterestPayment]:
        """Yield interest that was paid and received, newest first."""
        return rows_of(
            self,
            "get_interest_history",
            {
                "asset": asset,
                "symbol": symbol,
                "positionId": position_id,
                "source": source,
                "sortDirection": sort_direction,
            },
            page_size=page_size,
            most=most,
        )

    def iterate_borrow_lend_position_history(
        self,
        *,
        symbol: str | None = None,
        side: LendSide | None = None,
        state: OpenOrClosed | None = None,
        sort_direction: SortDirection | None = None,
        page_size: int | None = None,
        most: int | None = None,
    ) -> AsyncIterator[LendingRecord]:
        """Yield past and present loans, newest first."""
        return rows_of(
            self,
            "get_borrow_lend_position_history",
            {"symbol": symbol, "side": side, "state": state, "sortDirection": sort_direction},
            page_size=page_size,
            most=most,
        )

    def iterate_vault_mint_history(
        self, *, vault_id: int | None = None, page_size: int | None = None, most: int | None = None
    ) -> AsyncIterator[Any]:
        """Yield the account's purchases of vault tokens."""
        return rows_of(self, "get_vault_mint_history", {"vaultId": vault_id}, page_size=page_size, most=most)

    def iterate_vault_redeem_history(
        self, *, vault_id: int | None = None, page_size: int | None = None, most: int | None = None
    ) -> AsyncIterator[Any]:
        """Yield the account's redemptions of vault tokens."""
        return rows_of(self, "get_vault_redeem_history", {"vaultId": vault_id}, page_size=page_size, most=most)
