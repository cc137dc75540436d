"""Lend and borrow.

Written by `python -m tests.client.generated` out of the catalogue (`protocol/operations.py`); not by hand.
"""

from backpack_connector.protocol.lending_records import (
    EstimatedLiquidationPrice,
    InterestPayment,
    LendingEvent,
    LendingRecord,
)
from backpack_connector.protocol.models import BorrowLendPosition

from .calls import OperationCalls
from .words import Amount, InterestSource, LendEvent, LendSide, OpenOrClosed, SortDirection


class LendingMethods(OperationCalls):
    """One method an operation, by official id."""

    async def get_borrow_lend_estimated_liquidation_price(
        self, borrow: str, *, subaccount_id: int | None = None
    ) -> EstimatedLiquidationPrice:
        """Return the price at which an account with one more loan would be liquidated.

        Takes:
            borrow: The planned loan, as JSON in base64.
            subaccount_id: Another account of the same user.
        """
        result: EstimatedLiquidationPrice = await self.call(
            "get_borrow_lend_estimated_liquidation_price", {"borrow": borrow, "subaccountId": subaccount_id}
        )
        return result

    async def get_borrow_lend_positions(self) -> list[BorrowLendPosition]:
        """Return what the account lends and borrows."""
        result: list[BorrowLendPosition] = await self.call("get_borrow_lend_positions")
        return result

    async def execute_borrow_lend(self, quantity: Amount, side: LendSide, symbol: str) -> None:
        """Lend or borrow an asset; borrowing what is lent takes it back, lending what is borrowed repays it.

        It changes something. Sent once.

        Takes:
            quantity: How much of the asset. In units of the asset.
            side: Lend or borrow.
            symbol: The asset, such as SOL.
        """
        await self.call("execute_borrow_lend", {"quantity": quantity, "side": side, "symbol": symbol})

    async def get_borrow_lend_history(
        self,
        *,
        type: LendEvent | None = None,
        sources: str | None = None,
        position_id: str | None = None,
        symbol: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
        sort_direction: SortDirection | None = None,
    ) -> list[LendingEvent]:
        """Return loans, repayments and interest, newest first.

        Takes:
            type: Only events of this kind.
            sources: Only events of these origins, separated by commas.
            position_id: Only this position.
            symbol: The asset, such as SOL.
            limit: How many rows; 100 when it is absent, at most 1000.
            offset: How many rows to leave out, from the newest.
            sort_direction: Newest first (Desc, the default), or oldest first.
        """
        result: list[LendingEvent] = await self.call(
            "get_borrow_lend_history",
            {
                "type": type,
                "sources": sources,
                "positionId": position_id,
                "symbol": symbol,
                "limit": limit,
                "offset": offset,
                "sortDirection": sort_direction,
            },
        )
        return result

    async def get_interest_history(
        self,
        *,
        asset: str | None = None,
        symbol: str | None = None,
        position_id: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
        source: InterestSource | None = None,
        sort_direction: SortDirection | None = None,
    ) -> list[InterestPayment]:
        """Return interest that was paid and received, newest first.

        Takes:
            asset: The asset, such as SOL.
            symbol: The market, such as SOL_USDC_PERP.
            position_id: Only this position.
            limit: How many rows; 100 when it is absent, at most 1000.
            offset: How many rows to leave out, from the newest.
            source: Only interest of this origin.
            sort_direction: Newest first (Desc, the default), or oldest first.
        """
        result: list[InterestPayment] = await self.call(
            "get_interest_history",
            {
                "asset": asset,
                "symbol": symbol,
                "positionId": position_id,
                "limit": limit,
                "offset": offset,
                "source": source,
                "sortDirection": sort_direction,
            },
        )
        return result

    async def get_borrow_lend_position_history(
        self,
        *,
        symbol: str | None = None,
        side: LendSide | None = None,
        state: OpenOrClosed | None = None,
        limit: int | None = None,
        offset: int | None = None,
        sort_direction: SortDirection | None = None,
    ) -> list[LendingRecord]:
        """Return past and present loans, newest first.

        Takes:
            symbol: The asset, such as SOL.
            side: Lend or borrow.
            state: Only open ones, or only closed ones.
            limit: How many rows; 100 when it is absent, at most 1000.
            offset: How many rows to leave out, from the newest.
            sort_direction: Newest first (Desc, the default), or oldest first.
        """
        result: list[LendingRecord] = await self.call(
            "get_borrow_lend_position_history",
            {
                "symbol": symbol,
                "side": side,
                "state": state,
                "limit": limit,
                "offset": offset,
                "sortDirection": sort_direction,
            },
        )
        return result
