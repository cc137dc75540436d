"""Settle what accounts owe with what they have: redeem lent funds, borrow, convert collateral, hand debts over.

Reconciliation, each ten seconds, for USDC that an account owes the clearing house and does not have (API §5.5): lent
USDC is redeemed, then USDC is borrowed (if `autoBorrowSettlements` is on, and there is margin and supply for it), then
other assets are sold.
Unwinding, each second, for accounts that are liquidated and have debts: lent funds are redeemed, debts repaid with what
is there; then what is missing is bought, or other assets are sold for USDC; what no book takes the backstop provider
takes over at the price of the moment, debt and assets alike.
The amounts of one step, and that no liquidation fee is paid for spot funds, are choices; the exchange's are not known.
"""

from collections.abc import Iterator
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING

from backpack_connector.protocol.enums import OrderBookState, OrderOrigin, OrderType, Side, SystemOrderType

from .accounts import Account
from .events import Execution
from .ledger import EXACT, SETTLEMENT_ASSET, Change
from .lending_positions import LoanSource
from .lending_rates import STEP_SIZE, in_steps
from .orders import ZERO, NewOrder, SystemCause
from .positions import SHOWN
from .refusals import Refusal

if TYPE_CHECKING:
    from .engine import Exchange

CONVERSION = SystemCause(OrderOrigin.COLLATERAL_CONVERSION, SystemOrderType.COLLATERAL_CONVERSION)
_MARGIN_OF_SALE = Decimal("1.01")
"""A little more is sold than is owed, for the fee and for levels behind the best one."""


class Unwinding:
    """The part of the exchange that settles debts."""

    def __init__(self, exchange: "Exchange") -> None:
        self._exchange = exchange
        self._ledger = exchange.ledger

    def reconcile(self, account_id: str) -> Iterator[Execution]:
        """Find the USDC that an account owes the clearing house, as far as possible."""
        account = self._exchange.open_account(account_id)
        if self._owed(account_id):
            yield from self._reconcile_by_loan(account, borrows=False)
        if self._owed(account_id) and account.auto_settings["autoBorrowSettlements"] and not account.is_liquidating:
            yield from self._reconcile_by_loan(account, borrows=True)
        if owed := self._owed(account_id):
            yield from self._sell_for(account, owed)
            yield from self._settle_claim(account_id)

    def _owed(self, account_id: str) -> Decimal:
        return -self._ledger.unsettled(account_id)

    def _settle_claim(self, account_id: str) -> Iterator[Execution]:
        with localcontext(EXACT):
            change = self._ledger.change()
            change.settle_claim(account_id)
            if change.balances:
                yield self._exchange.settle(change)

    def _reconcile_by_loan(self, account: Account, *, borrows: bool) -> Iterator[Execution]:
        account_id, owed = account.account_id, self._owed(account.account_id)
        with localcontext(EXACT):
            change = self._ledger.change()
            available = change.balance(account_id, SETTLEMENT_ASSET).available
            # Loans are in whole steps; of what is borrowed a trace may stay available.
            whole = in_steps(owed)
            needed = available + (whole if whole == owed else whole + STEP_SIZE)
            try:
                self._exchange.lending.fund(
                    change,
                    account_id,
                    SETTLEMENT_ASSET,
                    needed,
                    redeems=not borrows,
                    borrows=borrows,
                    source=LoanSource.RECONCILIATION,
                    time_us=self._exchange.now_us(),
                )
            except Refusal:
                return
            change.settle_claim(account_id)
            if borrows and self._exchange.risk.margin(account, change=change).available < 0:
                return
            if change.balances:
                yield self._exchange.settle(change)

    def _sell_for(self, account: Account, wanted: Decimal) -> Iterator[Execution]:
        """Sell assets for USDC, the most valuable first, until about so much has come in."""
        worth = self._worth(account)
        for asset in sorted(worth, key=lambda name: worth[name], reverse=True):
            market = self._exchange.markets.get(f"{asset}_{SETTLEMENT_ASSET}")
            bid = None if market is None or market.state is not OrderBookState.OPEN else market.book.touch[0]
            if market is None or bid is None or wanted <= 0:
                continue
            step = market.instrument.step_size
            quantity = SHOWN.divide(wanted * _MARGIN_OF_SALE, bid[0]) // step * step + step
            quantity = min(quantity, self._ledger.balance(account.account_id, asset).available // step * step)
            execution = self._convert(account, market.symbol, Side.ASK, quantity)
            if execution is not None:
                wanted -= execution.order.executed_quote_quantity
                yield execution

    def _worth(self, account: Account) -> dict[str, Decimal]:
        """Return the value in USDC of each asset that could be sold; those that are borrowed are needed."""
        loans = self._ledger.loans.of(account.account_id)
        return {
            asset: balance.available * self._exchange.risk.price_of(asset)
            for asset, balance in self._ledger.balances(account.account_id).items()
            if asset != SETTLEMENT_ASSET and balance.available and (asset not in loans or loans[asset].quantity > 0)
        }

    def _convert(self, account: Account, symbol: str, side: Side, quantity: Decimal) -> Execution | None:
        """Trade for an account on a spot market; None when nobody is there."""
        instrument = self._exchange.markets[symbol].instrument
        if quantity < instrument.min_quantity:
            return None
        request = NewOrder(symbol=symbol, side=side, order_type=OrderType.MARKET, quantity=quantity)
        try:
            return self._exchange.force(account.account_id, request, CONVERSION)
        except Refusal:
            return None

    def step(self, account: Account) -> Iterator[Execution]:
        """Take one step towards an account without debts, until it is safe."""
        account_id = account.account_id
        yield from self._redeem_all(account_id)
        for asset, loan in self._ledger.loans.of(account_id).items():
            if loan.quantity < 0 and self._exchange.risk.margin(account).is_liquidatable:
                debt = self._debt(account_id, asset)
                yield from self._repay(account_id, asset)
                yield from self._buy_back(account, asset)
                yield from self._repay(account_id, asset)
                if self._debt(account_id, asset) == debt and self._exchange.risk.margin(account).is_liquidatable:
                    yield from self._hand_over(account_id, asset)

    def _redeem_all(self, account_id: str) -> Iterator[Execution]:
        with localcontext(EXACT):
            change, time_us = self._ledger.change(), self._exchange.now_us()
            for asset, loan in self._ledger.loans.of(account_id).items():
                # Liquidations may use the pool up (schema BorrowLendMarket), but not what is not there.
                lent, borrowed = change.loans.pool(asset)
                part = min(loan.lent, lent - borrowed)
                if part > 0:
                    change.move_loan(account_id, asset, -part, LoanSource.LIQUIDATION, time_us)
            if change.balances:
                yield self._exchange.settle(change)

    def _repay(self, account_id: str, asset: str) -> Iterator[Execution]:
        with localcontext(EXACT):
            change = self._ledger.change()
            debt = self._debt(account_id, asset)
            part = min(debt, in_steps(self._ledger.balance(account_id, asset).available))
            if part > 0:
                change.move_loan(account_id, asset, part, LoanSource.LIQUIDATION, self._exchange.now_us())
                yield self._exchange.settle(change)

    def _debt(self, account_id: str, asset: str) -> Decimal:
        loan = self._ledger.loans.get(account_id, asset)
        return ZERO if loan is None else loan.borrowed

    def _buy_back(self, account: Account, asset: str) -> Iterator[Execution]:
        """Buy what is owed with the USDC that is there, or sell other assets for what it costs."""
        account_id, debt = account.account_id, self._debt(account.account_id, asset)
        if not debt:
            return
        cost = debt * self._exchange.risk.price_of(asset) * _MARGIN_OF_SALE
        usdc = self._ledger.balance(account_id, SETTLEMENT_ASSET).available
        if asset == SETTLEMENT_ASSET or usdc < cost:
            yield from self._sell_for(account, cost if asset == SETTLEMENT_ASSET else cost - usdc)
        market = self._exchange.markets.get(f"{asset}_{SETTLEMENT_ASSET}")
        ask = None if market is None or market.state is not OrderBookState.OPEN else market.book.touch[1]
        if market is None or ask is None:
            return
        usdc, step = self._ledger.balance(account_id, SETTLEMENT_ASSET).available, market.instrument.step_size
        # The fee is taken out of what is bought.
        wanted = debt * _MARGIN_OF_SALE // step * step + step
        affordable = SHOWN.divide(usdc, ask[0] * _MARGIN_OF_SALE) // step * step
        execution = self._convert(account, market.symbol, Side.BID, min(wanted, affordable))
        if execution is not None:
            yield execution

    def _hand_over(self, account_id: str, asset: str) -> Iterator[Execution]:
        """Let the backstop provider take a debt over, and assets of the same value with it, as far as there are any."""
        debt = self._debt(account_id, asset)
        if not debt:
            return
        backstop = self._exchange.liquidations.backstop()
        with localcontext(EXACT):
            change, time_us = self._ledger.change(), self._exchange.now_us()
            change.loans.shift(account_id, asset, debt, LoanSource.LIQUIDATION_BACKSTOP, time_us)
            change.loans.shift(backstop.account_id, asset, -debt, LoanSource.BACKSTOP_PROVIDER, time_us)
            owed = debt * self._exchange.risk.price_of(asset)
            for name, balance in self._ledger.balances(account_id).items():
                owed -= self._pay_with(change, account_id, backstop.account_id, name, balance.available, owed)
            yield self._exchange.settle(change)

    def _pay_with(
        self, change: Change, account_id: str, receiver_id: str, asset: str, available: Decimal, owed: Decimal
    ) -> Decimal:
        """Give as much of an asset as pays a value in USDC; return the value."""
        price = self._exchange.risk.price_of(asset)
        quantity = min(available, in_steps(SHOWN.divide(owed, price)))
        if quantity <= 0:
            return ZERO
        change.give(account_id, asset, -quantity)
        change.give(receiver_id, asset, quantity)
        return quantity * price
