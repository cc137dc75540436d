"""Look after an account: settings, limits, balances, deposits, withdrawals.

Written by `python -m tests.client.generated` out of the catalogue (`protocol/operations.py`); not by hand.
"""

from backpack_connector.protocol.account_records import (
    Deposit,
    DepositAddress,
    DustConversion,
    MaxBorrow,
    MaxOrder,
    MaxWithdrawal,
    Settlement,
    Withdrawal,
    WithdrawalDelay,
)
from backpack_connector.protocol.futures import MarginSummary
from backpack_connector.protocol.models import AccountSummary, Balance

from .calls import OperationCalls
from .words import Amount, SettlementSource, SideWord, SortDirection


class AccountMethods(OperationCalls):
    """One method an operation, by official id."""

    async def get_account(self) -> AccountSummary:
        """Return settings, fees and limits of the account."""
        result: AccountSummary = await self.call("get_account")
        return result

    async def update_account_settings(
        self,
        *,
        leverage_limit: Amount | None = None,
        auto_lend: bool | None = None,
        auto_borrow_settlements: bool | None = None,
        auto_repay_borrows: bool | None = None,
    ) -> None:
        """Change settings of the account; the leverage counts for all markets.

        It changes something. Sent once.

        Takes:
            leverage_limit: The account's highest leverage. In times.
            auto_lend: Lend what is available.
            auto_borrow_settlements: Borrow USDC for settlements rather than convert collateral.
            auto_repay_borrows: Repay loans with what is available.
        """
        await self.call(
            "update_account_settings",
            {
                "leverageLimit": leverage_limit,
                "autoLend": auto_lend,
                "autoBorrowSettlements": auto_borrow_settlements,
                "autoRepayBorrows": auto_repay_borrows,
            },
        )

    async def get_max_borrow_quantity(self, symbol: str) -> MaxBorrow:
        """Return how much of an asset the account could borrow.

        Takes:
            symbol: The asset, such as SOL.
        """
        result: MaxBorrow = await self.call("get_max_borrow_quantity", {"symbol": symbol})
        return result

    async def get_max_order_quantity(
        self,
        symbol: str,
        side: SideWord,
        *,
        price: Amount | None = None,
        reduce_only: bool | None = None,
        auto_borrow: bool | None = None,
        auto_borrow_repay: bool | None = None,
        auto_lend_redeem: bool | None = None,
    ) -> MaxOrder:
        """Return the largest order that the account could place.

        Takes:
            symbol: The market, such as SOL_USDC_PERP.
            side: Bid buys, Ask sells.
            price: The limit price. In quote units.
            reduce_only: It may only reduce a position.
            auto_borrow: Borrow if it is needed.
            auto_borrow_repay: Repay loans with what comes in.
            auto_lend_redeem: Take lent funds back if they are needed.
        """
        result: MaxOrder = await self.call(
            "get_max_order_quantity",
            {
                "symbol": symbol,
                "side": side,
                "price": price,
                "reduceOnly": reduce_only,
                "autoBorrow": auto_borrow,
                "autoBorrowRepay": auto_borrow_repay,
                "autoLendRedeem": auto_lend_redeem,
            },
        )
        return result

    async def get_max_withdrawal_quantity(
        self, symbol: str, *, auto_borrow: bool | None = None, auto_lend_redeem: bool | None = None
    ) -> MaxWithdrawal:
        """Return how much of an asset the account could withdraw.

        Takes:
            symbol: The asset, such as SOL.
            auto_borrow: Borrow if it is needed.
            auto_lend_redeem: Take lent funds back if they are needed.
        """
        result: MaxWithdrawal = await self.call(
            "get_max_withdrawal_quantity",
            {"symbol": symbol, "autoBorrow": auto_borrow, "autoLendRedeem": auto_lend_redeem},
        )
        return result

    async def convert_dust(self, *, symbol: str | None = None) -> None:
        """Convert tiny balances into USDC; all of them without a symbol.

        It changes something. Sent once.

        Takes:
            symbol: The asset, such as SOL.
        """
        await self.call("convert_dust", {"symbol": symbol})

    async def get_balances(self) -> dict[str, Balance]:
        """Return the balance of each asset, without what is lent."""
        result: dict[str, Balance] = await self.call("get_balances")
        return result

    async def get_collateral(self) -> MarginSummary:
        """Return margin and collateral of the account."""
        result: MarginSummary = await self.call("get_collateral")
        return result

    async def get_deposits(
        self,
        *,
        from_ms: int | None = None,
        to_ms: int | None = None,
        limit: int | None = None,
        offset: int | None = None,
        exclude_platform: bool | None = None,
    ) -> list[Deposit]:
        """Return deposits, newest first.

        Takes:
            from_ms: The first moment that counts.
            to_ms: The moment before which everything counts.
            limit: How many rows; 100 when it is absent, at most 1000.
            offset: How many rows to leave out, from the newest.
            exclude_platform: Leave out deposits that the exchange made itself.
        """
        result: list[Deposit] = await self.call(
            "get_deposits",
            {"from": from_ms, "to": to_ms, "limit": limit, "offset": offset, "excludePlatform": exclude_platform},
        )
        return result

    async def get_deposit_address(self, blockchain: str) -> DepositAddress:
        """Return the address for deposits over one network.

        Takes:
            blockchain: The network, such as Solana or Ethereum.
        """
        result: DepositAddress = await self.call("get_deposit_address", {"blockchain": blockchain})
        return result

    async def get_withdrawals(
        self,
        *,
        id: int | None = None,
        client_id: str | None = None,
        from_ms: int | None = None,
        to_ms: int | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> list[Withdrawal]:
        """Return withdrawals, newest first.

        Takes:
            id: Only the one with this id.
            client_id: Your own id of the withdrawal, up to 255 characters.
            from_ms: The first moment that counts.
            to_ms: The moment before which everything counts.
            limit: How many rows; 100 when it is absent, at most 1000.
            offset: How many rows to leave out, from the newest.
        """
        result: list[Withdrawal] = await self.call(
            "get_withdrawals",
            {"id": id, "clientId": client_id, "from": from_ms, "to": to_ms, "limit": limit, "offset": offset},
        )
        return result

    async def request_withdrawal(
        self,
        address: str,
        blockchain: str,
        quantity: Amount,
        symbol: str,
        *,
        client_id: str | None = None,
        two_factor_token: str | None = None,
        auto_borrow: bool | None = None,
        auto_lend_redeem: bool | None = None,
    ) -> Withdrawal:
        """Withdraw an asset to an address; the fee comes out of the quantity.

        It changes something. Moves funds; sent once.

        Takes:
            address: Where the money goes.
            blockchain: The network, such as Solana or Ethereum.
            quantity: How much of the asset. In units of the asset.
            symbol: The asset, such as SOL.
            client_id: Your own id of the withdrawal, up to 255 characters.
            two_factor_token: A token of the second factor; the exchange issues none at present.
            auto_borrow: Borrow if it is needed.
            auto_lend_redeem: Take lent funds back if they are needed.
        """
        result: Withdrawal = await self.call(
            "request_withdrawal",
            {
                "address": address,
                "blockchain": blockchain,
                "quantity": quantity,
                "symbol": symbol,
                "clientId": client_id,
                "twoFactorToken": two_factor_token,
                "autoBorrow": auto_borrow,
                "autoLendRedeem": auto_lend_redeem,
            },
        )
        return result

    async def get_dust_history(
        self,
        *,
        id: int | None = None,
        symbol: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
        sort_direction: SortDirection | None = None,
    ) -> list[DustConversion]:
        """Return conversions of tiny balances, newest first.

        Takes:
            id: Only the one with this id.
            symbol: The asset, such as SOL.
            limit: How many rows; 100 when it is absent, at most 1000.
            offset: How many rows to leave out, from the newest.
            sort_direction: Newest first (Desc, the default), or oldest first.
        """
        result: list[DustConversion] = await self.call(
            "get_dust_history",
            {"id": id, "symbol": symbol, "limit": limit, "offset": offset, "sortDirection": sort_direction},
        )
        return result

    async def get_settlement_history(
        self,
        *,
        limit: int | None = None,
        offset: int | None = None,
        source: SettlementSource | None = None,
        sort_direction: SortDirection | None = None,
    ) -> list[Settlement]:
        """Return settlements of profit, fees and funding, newest first.

        Takes:
            limit: How many rows; 100 when it is absent, at most 1000.
            offset: How many rows to leave out, from the newest.
            source: Only settlements of this kind.
            sort_direction: Newest first (Desc, the default), or oldest first.
        """
        result: list[Settlement] = await self.call(
            "get_settlement_history",
            {"limit": limit, "offset": offset, "source": source, "sortDirection": sort_direction},
        )
        return result

    async def get_withdrawal_delay(self) -> WithdrawalDelay | None:
        """Return how long withdrawals are held back; for the web session only."""
        result: WithdrawalDelay | None = await self.call("get_withdrawal_delay")
        return result

    async def create_withdrawal_delay(self, withdrawal_delay_hours: int, two_factor_token: str) -> None:
        """Have withdrawals held back; for the web session only.

        It changes something. Sent once.

        Takes:
            withdrawal_delay_hours: How long withdrawals are held back, in hours.
            two_factor_token: A token of the second factor; the exchange issues none at present.
        """
        await self.call(
            "create_withdrawal_delay",
            {"withdrawalDelayHours": withdrawal_delay_hours, "twoFactorToken": two_factor_token},
        )

    async def update_withdrawal_delay(self, withdrawal_delay_hours: int, two_factor_token: str) -> WithdrawalDelay:
        """Change how long withdrawals are held back; for the web session only.

        It changes something. Sent once.

        Takes:
            withdrawal_delay_hours: How long withdrawals are held back, in hours.
            two_factor_token: A token of the second factor; the exchange issues none at present.
        """
        result: WithdrawalDelay = await self.call(
            "update_withdrawal_delay",
            {"withdrawalDelayHours": withdrawal_delay_hours, "twoFactorToken": two_factor_token},
        )
        return result
