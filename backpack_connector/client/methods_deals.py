"""Trade by requests for quotes, and invest in vaults.

Written by `python -m tests.client.generated` out of the catalogue (`protocol/operations.py`); not by hand.
"""

from typing import Any

from backpack_connector.protocol.deal_records import (
    Quote,
    QuoteFill,
    QuoteRecord,
    Rfq,
    RfqFill,
    RfqRecord,
    RfqWithQuotes,
    Vault,
    VaultNav,
    VaultRecord,
    VaultRedeem,
)

from .calls import OperationCalls
from .words import Amount, ExecutionMode, HistoryInterval, OrderStatusWord, RfqFillType, SideWord, SortDirection


class DealMethods(OperationCalls):
    """One method an operation, by official id."""

    async def get_vaults(self) -> list[Vault]:
        """Return all vaults."""
        result: list[Vault] = await self.call("get_vaults")
        return result

    async def get_vault_history(self, interval: HistoryInterval, *, vault_id: int | None = None) -> list[VaultRecord]:
        """Return past values of vaults, oldest first.

        Takes:
            interval: How far to look back.
            vault_id: The vault.
        """
        result: list[VaultRecord] = await self.call("get_vault_history", {"interval": interval, "vaultId": vault_id})
        return result

    async def submit_quote(
        self,
        rfq_id: str,
        bid_price: Amount,
        ask_price: Amount,
        *,
        client_id: int | None = None,
        auto_lend: bool | None = None,
        auto_lend_redeem: bool | None = None,
        auto_borrow: bool | None = None,
        auto_borrow_repay: bool | None = None,
    ) -> Quote:
        """Answer a request for quotes with a bid and an ask.

        It changes something. Sent once.

        Takes:
            rfq_id: The exchange's id of the request for quotes.
            bid_price: At which you buy. In quote units.
            ask_price: At which you sell. In quote units.
            client_id: Your own number, which need not be unique.
            auto_lend: Lend what comes in.
            auto_lend_redeem: Take lent funds back if they are needed.
            auto_borrow: Borrow if it is needed.
            auto_borrow_repay: Repay loans with what comes in.
        """
        result: Quote = await self.call(
            "submit_quote",
            {
                "rfqId": rfq_id,
                "bidPrice": bid_price,
                "askPrice": ask_price,
                "clientId": client_id,
                "autoLend": auto_lend,
                "autoLendRedeem": auto_lend_redeem,
                "autoBorrow": auto_borrow,
                "autoBorrowRepay": auto_borrow_repay,
            },
        )
        return result

    async def get_open_rfqs(
        self,
        *,
        symbol: str | None = None,
        rfq_id: str | None = None,
        deferred_settlement: bool | None = None,
        subaccount_id: int | None = None,
    ) -> list[RfqWithQuotes]:
        """Return the open requests for quotes with their quotes.

        Takes:
            symbol: The market for quotes, such as SOL_USDC_RFQ.
            rfq_id: The exchange's id of the request for quotes.
            deferred_settlement: Only what is settled later, or only what is not.
            subaccount_id: Another account of the same user.
        """
        result: list[RfqWithQuotes] = await self.call(
            "get_open_rfqs",
            {
                "symbol": symbol,
                "rfqId": rfq_id,
                "deferredSettlement": deferred_settlement,
                "subaccountId": subaccount_id,
            },
        )
        return result

    async def submit_rfq(
        self,
        symbol: str,
        side: SideWord,
        *,
        quantity: Amount | None = None,
        quote_quantity: Amount | None = None,
        execution_mode: ExecutionMode | None = None,
        price: Amount | None = None,
        client_id: int | None = None,
        auto_lend: bool | None = None,
        auto_lend_redeem: bool | None = None,
        auto_borrow: bool | None = None,
        auto_borrow_repay: bool | None = None,
    ) -> Rfq:
        """Request quotes for a quantity.

        It changes something. Sent once.

        Takes:
            symbol: The market for quotes, such as SOL_USDC_RFQ.
            side: Bid buys, Ask sells.
            quantity: How much. In base units.
            quote_quantity: How much, counted in the quote asset. In quote units.
            execution_mode: Wait for your acceptance, or take the first quote within the price.
            price: The worst price; only when it is executed immediately. In quote units.
            client_id: Your own number, which need not be unique.
            auto_lend: Lend what comes in.
            auto_lend_redeem: Take lent funds back if they are needed.
            auto_borrow: Borrow if it is needed.
            auto_borrow_repay: Repay loans with what comes in.
        """
        result: Rfq = await self.call(
            "submit_rfq",
            {
                "symbol": symbol,
                "side": side,
                "quantity": quantity,
                "quoteQuantity": quote_quantity,
                "executionMode": execution_mode,
                "price": price,
                "clientId": client_id,
                "autoLend": auto_lend,
                "autoLendRedeem": auto_lend_redeem,
                "autoBorrow": auto_borrow,
                "autoBorrowRepay": auto_borrow_repay,
            },
        )
        return result

    async def accept_quote(self, quote_id: str, *, rfq_id: str | None = None, client_id: int | None = None) -> Rfq:
        """Accept the best quote of your request.

        It changes something. Sent once.

        Takes:
            quote_id: The exchange's id of the quote.
            rfq_id: The exchange's id of the request for quotes.
            client_id: Your own number, which need not be unique.
        """
        result: Rfq = await self.call("accept_quote", {"quoteId": quote_id, "rfqId": rfq_id, "clientId": client_id})
        return result

    async def refresh_rfq(self, rfq_id: str) -> Rfq:
        """Ask for new quotes; those that there are end.

        It changes something. Sent once.

        Takes:
            rfq_id: The exchange's id of the request for quotes.
        """
        result: Rfq = await self.call("refresh_rfq", {"rfqId": rfq_id})
        return result

    async def cancel_rfq(self, *, rfq_id: str | None = None, client_id: int | None = None) -> Rfq:
        """Cancel your request for quotes.

        It changes something. Sent once.

        Takes:
            rfq_id: The exchange's id of the request for quotes.
            client_id: Your own number, which need not be unique.
        """
        result: Rfq = await self.call("cancel_rfq", {"rfqId": rfq_id, "clientId": client_id})
        return result

    async def get_rfq_history(
        self,
        *,
        rfq_id: str | None = None,
        symbol: str | None = None,
        status: OrderStatusWord | None = None,
        side: SideWord | None = None,
        limit: int | None = None,
        offset: int | None = None,
        sort_direction: SortDirection | None = None,
        deferred_settlement: bool | None = None,
    ) -> list[RfqRecord]:
        """Return your past requests for quotes, newest first.

        Takes:
            rfq_id: The exchange's id of the request for quotes.
            symbol: The market for quotes, such as SOL_USDC_RFQ.
            status: Only those in this state.
            side: Bid buys, Ask sells.
            limit: How many rows; 100 when it is absent, at most 1000.
            offset: How many rows to leave out, from the newest.
            sort_direction: Newest first (Desc, the default), or oldest first.
            deferred_settlement: Only what is settled later, or only what is not.
        """
        result: list[RfqRecord] = await self.call(
            "get_rfq_history",
            {
                "rfqId": rfq_id,
                "symbol": symbol,
                "status": status,
                "side": side,
                "limit": limit,
                "offset": offset,
                "sortDirection": sort_direction,
                "deferredSettlement": deferred_settlement,
            },
        )
        return result

    async def get_quote_history(
        self,
        *,
        quote_id: str | None = None,
        symbol: str | None = None,
        status: OrderStatusWord | None = None,
        limit: int | None = None,
        offset: int | None = None,
        sort_direction: SortDirection | None = None,
        deferred_settlement: bool | None = None,
    ) -> list[QuoteRecord]:
        """Return your past quotes, newest first.

        Takes:
            quote_id: The exchange's id of the quote.
            symbol: The market for quotes, such as SOL_USDC_RFQ.
            status: Only those in this state.
            limit: How many rows; 100 when it is absent, at most 1000.
            offset: How many rows to leave out, from the newest.
            sort_direction: Newest first (Desc, the default), or oldest first.
            deferred_settlement: Only what is settled later, or only what is not.
        """
        result: list[QuoteRecord] = await self.call(
            "get_quote_history",
            {
                "quoteId": quote_id,
                "symbol": symbol,
                "status": status,
                "limit": limit,
                "offset": offset,
                "sortDirection": sort_direction,
                "deferredSettlement": deferred_settlement,
            },
        )
        return result

    async def get_rfq_fill_history(
        self,
        *,
        quote_id: str | None = None,
        symbol: str | None = None,
        side: SideWord | None = None,
        fill_type: RfqFillType | None = None,
        deferred_settlement: bool | None = None,
        limit: int | None = None,
        offset: int | None = None,
        sort_direction: SortDirection | None = None,
    ) -> list[RfqFill]:
        """Return what your requests for quotes were filled with, newest first.

        Takes:
            quote_id: The exchange's id of the quote.
            symbol: The market for quotes, such as SOL_USDC_RFQ.
            side: Bid buys, Ask sells.
            fill_type: Only fills of this origin.
            deferred_settlement: Only what is settled later, or only what is not.
            limit: How many rows; 100 when it is absent, at most 1000.
            offset: How many rows to leave out, from the newest.
            sort_direction: Newest first (Desc, the default), or oldest first.
        """
        result: list[RfqFill] = await self.call(
            "get_rfq_fill_history",
            {
                "quoteId": quote_id,
                "symbol": symbol,
                "side": side,
                "fillType": fill_type,
                "deferredSettlement": deferred_settlement,
                "limit": limit,
                "offset": offset,
                "sortDirection": sort_direction,
            },
        )
        return result

    async def get_quote_fill_history(
        self,
        *,
        quote_id: str | None = None,
        symbol: str | None = None,
        side: SideWord | None = None,
        limit: int | None = None,
        offset: int | None = None,
        sort_direction: SortDirection | None = None,
    ) -> list[QuoteFill]:
        """Return fills of your quotes, newest first.

        Takes:
            quote_id: The exchange's id of the quote.
            symbol: The market for quotes, such as SOL_USDC_RFQ.
            side: Bid buys, Ask sells.
            limit: How many rows; 100 when it is absent, at most 1000.
            offset: How many rows to leave out, from the newest.
            sort_direction: Newest first (Desc, the default), or oldest first.
        """
        result: list[QuoteFill] = await self.call(
            "get_quote_fill_history",
            {
                "quoteId": quote_id,
                "symbol": symbol,
                "side": side,
                "limit": limit,
                "offset": offset,
                "sortDirection": sort_direction,
            },
        )
        return result

    async def vault_mint(
        self,
        vault_id: int,
        symbol: str,
        quantity: Amount,
        *,
        auto_borrow: bool | None = None,
        auto_lend_redeem: bool | None = None,
    ) -> None:
        """Put money into a vault in exchange for its tokens.

        It changes something. Sent once.

        Takes:
            vault_id: The vault.
            symbol: The asset, such as SOL.
            quantity: How much of the asset. In units of the asset.
            auto_borrow: Borrow if it is needed.
            auto_lend_redeem: Take lent funds back if they are needed.
        """
        await self.call(
            "vault_mint",
            {
                "vaultId": vault_id,
                "symbol": symbol,
                "quantity": quantity,
                "autoBorrow": auto_borrow,
                "autoLendRedeem": auto_lend_redeem,
            },
        )

    async def vault_redeem(self, vault_id: int, *, vault_token_quantity: Amount | None = None) -> None:
        """Ask for money in exchange for a vault's tokens.

        It changes something. Sent once.

        Takes:
            vault_id: The vault.
            vault_token_quantity: How many tokens; all when it is absent. In vault tokens.
        """
        await self.call("vault_redeem", {"vaultId": vault_id, "vaultTokenQuantity": vault_token_quantity})

    async def vault_redeem_cancel(self, vault_id: int) -> None:
        """Take a request for redemption back.

        It changes something. Sent once.

        Takes:
            vault_id: The vault.
        """
        await self.call("vault_redeem_cancel", {"vaultId": vault_id})

    async def get_vault_pending_redeems(self, vault_id: int) -> list[VaultRedeem]:
        """Return the open requests for redemption; for the vault's own key only.

        Takes:
            vault_id: The vault.
        """
        result: list[VaultRedeem] = await self.call("get_vault_pending_redeems", {"vaultId": vault_id})
        return result

    async def get_vault_nav(self) -> VaultNav:
        """Return the value of a vault; for the vault's own key only."""
        result: VaultNav = await self.call("get_vault_nav")
        return result

    async def get_vault_mint_history(
        self, *, vault_id: int | None = None, limit: int | None = None, offset: int | None = None
    ) -> list[Any]:
        """Return the account's purchases of vault tokens.

        Takes:
            vault_id: The vault.
            limit: How many rows; 100 when it is absent, at most 1000.
            offset: How many rows to leave out, from the newest.
        """
        result: list[Any] = await self.call(
            "get_vault_mint_history", {"vaultId": vault_id, "limit": limit, "offset": offset}
        )
        return result

    async def get_vault_redeem_history(
        self, *, vault_id: int | None = None, limit: int | None = None, offset: int | None = None
    ) -> list[Any]:
        """Return the account's redemptions of vault tokens.

        Takes:
            vault_id: The vault.
            limit: How many rows; 100 when it is absent, at most 1000.
            offset: How many rows to leave out, from the newest.
        """
        result: list[Any] = await self.call(
            "get_vault_redeem_history", {"vaultId": vault_id, "limit": limit, "offset": offset}
        )
        return result
