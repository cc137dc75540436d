"""Find the most that an account can borrow, order or withdraw; changes nothing.

Each answer is the largest quantity that the same checks accept that the real thing would meet. An order is taken to
rest: what it would match, and which bands it would meet, is not looked at. Source: API §2.2 (account limits).
"""

from collections.abc import Callable
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING

from backpack_connector.protocol.enums import MarketType, Side

from .accounts import Account
from .ledger import EXACT, Change, InsufficientBalance
from .lending_positions import LoanSource
from .lending_rates import STEP_SIZE
from .orders import ZERO, SpotMargin
from .refusals import Refusal
from .traded_market import TradedMarket

if TYPE_CHECKING:
    from .engine import Exchange

_MOST = Decimal(10) ** 12
"""Units; nobody has more of anything here."""


def largest(accepts: Callable[[Decimal], bool], most: Decimal, step: Decimal) -> Decimal:
    """Return the largest multiple of a step, up to `most`, that is accepted; zero when none is.

    What is accepted must be a range that begins at zero.
    """
    good, bad = 0, int(most // step) + 1
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if accepts(middle * step) else (good, middle)
    return good * step


class Limits:
    """The limits of the accounts of one exchange."""

    def __init__(self, exchange: "Exchange") -> None:
        self._exchange = exchange

    def borrow(self, account: Account, asset: str) -> Decimal:
        """Return the most that an account can borrow of an asset; zero while it has lent some."""
        if asset not in self._exchange.lending.states or account.is_liquidating:
            return ZERO

        def accepts(quantity: Decimal) -> bool:
            change = self._exchange.ledger.change()
            needed = change.balance(account.account_id, asset).available + quantity
            return self._fund(change, account, asset, needed, redeems=False, borrows=True) and (
                self._exchange.risk.margin(account, change=change).available >= 0
            )

        return self._largest(accepts, self._exchange.lending.pool(asset).room, STEP_SIZE)

    def withdrawal(self, account: Account, asset: str, *, auto_borrow: bool, auto_lend_redeem: bool) -> Decimal:
        """Return the most that an account can withdraw of an asset without falling short of margin."""
        if account.is_liquidating:
            return ZERO

        def accepts(quantity: Decimal) -> bool:
            change = self._exchange.ledger.change()
            if not self._fund(change, account, asset, quantity, redeems=auto_lend_redeem, borrows=auto_borrow):
                return False
            try:
                change.give(account.account_id, asset, -quantity)
            except InsufficientBalance:
                return False
            has_risk = self._exchange.risk.has_risk(account) or change.loans.rows
            return not has_risk or self._exchange.risk.margin(account, change=change).available >= 0

        return self._largest(accepts, _MOST, STEP_SIZE)

    def order(
        self,
        account: Account,
        market: TradedMarket,
        side: Side,
        price: Decimal | None,
        *,
        reduce_only: bool,
        spot_margin: SpotMargin,
    ) -> Decimal:
        """Return the most that an order can be for, in base units; without a price, at the best price of the book."""
        if account.is_liquidating:
            return ZERO
        if reduce_only:
            return self._exchange.risk.reducible(account, market.symbol, side)
        instrument = market.instrument
        if price is None:
            touch = market.book.side(side.opposite).touch
            price = market.last_price if touch is None else touch[0]
        if instrument.market_type is MarketType.SPOT:
            asset = instrument.base if side is Side.ASK else instrument.quote
            each = Decimal(1) if side is Side.ASK else price

            def accepts(quantity: Decimal) -> bool:
                return self._accepts_spot(account, asset, quantity * each, spot_margin)
        else:

            def accepts(quantity: Decimal) -> bool:
                return self._accepts_perpetual(account, market.symbol, side, quantity)

        most = _MOST if instrument.max_quantity is None else instrument.max_quantity
        quantity = self._largest(accepts, most, instrument.step_size)
        return quantity if quantity >= instrument.min_quantity else ZERO

    def _accepts_spot(self, account: Account, asset: str, needed: Decimal, spot_margin: SpotMargin) -> bool:
        change, risk = self._exchange.ledger.change(), self._exchange.risk
        redeems, borrows = spot_margin.auto_lend_redeem, spot_margin.auto_borrow
        if not self._fund(change, account, asset, needed, redeems=redeems, borrows=borrows):
            return False
        try:
            change.hold(account.account_id, asset, needed)
        except InsufficientBalance:
            return False
        if not change.loans.rows and not risk.has_risk(account):
            return True
        available = risk.margin(account, change=change).available
        return available >= 0 or available >= risk.margin(account).available

    def _accepts_perpetual(self, account: Account, symbol: str, side: Side, quantity: Decimal) -> bool:
        risk = self._exchange.risk
        before = risk.margin(account)
        orders = [*risk.open_quantities(account.open_orders.values()), (symbol, side, quantity)]
        after = risk.margin(account, open_quantities=orders)
        if after.exposure_quantity(symbol) <= before.exposure_quantity(symbol):
            return True
        return after.available >= 0 and risk.has_room_for(symbol, after.exposure_quantity(symbol))

    def _fund(
        self, change: Change, account: Account, asset: str, needed: Decimal, *, redeems: bool, borrows: bool
    ) -> bool:
        try:
            self._exchange.lending.fund(
                change,
                account.account_id,
                asset,
                needed,
                redeems=redeems,
                borrows=borrows,
                source=LoanSource.MANUAL,
                time_us=self._exchange.now_us(),
            )
        except Refusal:
            return False
        return True

    def _largest(self, accepts: Callable[[Decimal], bool], most: Decimal, step: Decimal) -> Decimal:
        with localcontext(EXACT):
            return largest(accepts, most, step)
