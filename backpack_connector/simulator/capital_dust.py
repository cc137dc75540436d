"""Convert dust, which is too little to be traded, to USDC.

The exchange buys it at the last price and keeps it; the USDC is rounded down to millionths. That the last price counts
and that nothing is charged is a choice. Source: API §2.2 (convertDust), the operation's text in the OpenAPI file.
"""

from decimal import ROUND_DOWN, Context, Decimal, localcontext
from itertools import count
from typing import TYPE_CHECKING

import msgspec

from backpack_connector.protocol.enums import MarketType
from backpack_connector.protocol.errors import ErrorCode

from .accounts import Account
from .events import Execution
from .ledger import EXACT, SETTLEMENT_ASSET
from .lending_positions import LoanSource
from .orders import ZERO
from .positions import USDC_QUANTUM
from .refusals import Refusal
from .traded_market import TradedMarket

if TYPE_CHECKING:
    from .engine import Exchange

_DOWN = Context(prec=72, rounding=ROUND_DOWN)


class DustConversion(msgspec.Struct, frozen=True):
    """One row of the dust history. Source: schema DustConversion."""

    conversion_id: int
    symbol: str
    quantity: Decimal
    usdc: Decimal
    time_us: int


class Dust:
    """The dust of all accounts."""

    def __init__(self, exchange: "Exchange", first_id: int) -> None:
        self._exchange = exchange
        self._ids = count(first_id)
        self._conversions: dict[str, list[DustConversion]] = {}

    def conversions(self, account: Account) -> list[DustConversion]:
        """Return what an account has converted, oldest first."""
        return self._conversions.get(account.account_id, [])

    def convert(self, account: Account, symbol: str | None) -> Execution:
        """Convert the dust of one asset, or of all; without any dust nothing happens.

        Raises:   Refusal for an asset that cannot be converted, or of which there is none or too much.
        """
        if symbol is None:
            balances = self._exchange.ledger.balances(account.account_id)
            lent = self._exchange.ledger.loans.of(account.account_id)
            symbols = [asset for asset in sorted({*balances, *lent}) if self._dust(account, asset)]
        else:
            if self._market(symbol) is None:
                raise Refusal(ErrorCode.INVALID_ASSET, "Invalid asset")
            if not self._dust(account, symbol):
                raise Refusal(ErrorCode.INVALID_QUANTITY, "Balance is not dust")
            symbols = [symbol]
        with localcontext(EXACT):
            return self._convert(account, symbols)

    def _market(self, symbol: str) -> TradedMarket | None:
        market = self._exchange.markets.get(f"{symbol}_{SETTLEMENT_ASSET}")
        return None if market is None or market.instrument.market_type is not MarketType.SPOT else market

    def _dust(self, account: Account, symbol: str) -> Decimal:
        """Return how much dust an account has of an asset, lent funds included."""
        market, ledger = self._market(symbol), self._exchange.ledger
        balance, loan = ledger.balance(account.account_id, symbol), ledger.loans.get(account.account_id, symbol)
        total = balance.total if loan is None else balance.total + loan.lent
        is_owed = bool(balance.locked) or (loan is not None and bool(loan.borrowed))
        is_dust = market is not None and total < market.instrument.min_quantity and not is_owed
        return total if is_dust else ZERO

    def _convert(self, account: Account, symbols: list[str]) -> Execution:
        account_id, change = account.account_id, self._exchange.ledger.change()
        rows = self._conversions.setdefault(account_id, [])
        for symbol in symbols:
            quantity, market = self._dust(account, symbol), self._market(symbol)
            assert market is not None
            usdc = (quantity * market.last_price).quantize(USDC_QUANTUM, context=_DOWN)
            self._exchange.lending.fund(
                change,
                account_id,
                symbol,
                quantity,
                redeems=True,
                borrows=False,
                source=LoanSource.DUST_CONVERSION,
                time_us=self._exchange.now_us(),
            )
            change.give(account_id, symbol, -quantity)
            change.give(account_id, SETTLEMENT_ASSET, usdc)
            change.collect_fee(symbol, quantity)
            change.collect_fee(SETTLEMENT_ASSET, -usdc)
            rows.append(DustConversion(next(self._ids), symbol, quantity, usdc, self._exchange.now_us()))
        return self._exchange.settle(change)
