"""Move profits into USDC every ten seconds, and pay funding when an interval ends.

Rule 1: a settlement changes neither quantity nor entry price of a position, only what of its profit was paid.
Rule 2: each payment is a change of its own, with its own balance and position event.
Rule 3: everything goes through the clearing house, so that nobody waits for somebody else's loss (ledger.py).
Source: API §5.4 (funding), §5.5 (continuous realisation), §2.3 (history/funding: rounded away from zero).
"""

from collections.abc import Iterator
from decimal import ROUND_DOWN, ROUND_UP, Context, Decimal, localcontext
from typing import TYPE_CHECKING

from backpack_connector.protocol.units import MICROSECONDS_PER_SECOND

from .accounts import FundingPayment
from .events import Execution
from .ledger import EXACT
from .positions import USDC_QUANTUM, Position
from .pricing import FundingInterval

if TYPE_CHECKING:
    from .engine import Exchange

SETTLEMENT_INTERVAL_US = 10 * MICROSECONDS_PER_SECOND
_TOWARDS_ZERO = Context(prec=72, rounding=ROUND_DOWN)
_AWAY_FROM_ZERO = Context(prec=72, rounding=ROUND_UP)


def funding_payment(position: Position, mark_price: Decimal, rate: Decimal) -> Decimal:
    """Return what a position receives for an interval, in USDC; a positive rate makes longs pay."""
    with localcontext(EXACT):
        return -(rate * position.quantity * mark_price).quantize(USDC_QUANTUM, context=_AWAY_FROM_ZERO)


class Settlements:
    """The part of the exchange that settles."""

    def __init__(self, exchange: "Exchange") -> None:
        self._exchange = exchange
        self._next_us = self._end_of_slot_us(exchange.now_us())
        self._paid_intervals: dict[str, int] = {}
        """How many intervals of each market were paid."""

    def _end_of_slot_us(self, now_us: int) -> int:
        return (now_us // SETTLEMENT_INTERVAL_US + 1) * SETTLEMENT_INTERVAL_US

    def on_second(self, now_us: int) -> Iterator[Execution]:
        """Pay the funding of intervals that are over; realise profits when ten seconds are over.

        The tick of the exchange's settlements is not known; here they happen at whole tens of seconds.
        """
        for market in self._exchange.markets.values():
            paid = self._paid_intervals.get(market.symbol, 0)
            self._paid_intervals[market.symbol] = len(market.settled_funding)
            for interval in market.settled_funding[paid:]:
                for account_id, position in self._exchange.ledger.holders(market.symbol):
                    yield from self._fund(account_id, position, market.mark_price, interval)
        if now_us >= self._next_us:
            self._next_us = self._end_of_slot_us(now_us)
            yield from self.realize()

    def _fund(
        self, account_id: str, position: Position, mark_price: Decimal, interval: FundingInterval
    ) -> list[Execution]:
        amount = funding_payment(position, mark_price, interval.rate)
        if not amount:
            return []
        payment = FundingPayment(position.symbol, amount, interval.rate, interval.end_us)
        self._exchange.open_account(account_id).remember_funding(payment)
        with localcontext(EXACT):
            change = self._exchange.ledger.change()
            change.fund(account_id, position, amount)
            return [self._exchange.settle(change)]

    def realize(self) -> Iterator[Execution]:
        """Move the profits and losses of all accounts into USDC, in whole millionths; the rest stays unrealised."""
        for account in self._exchange.accounts:
            if account.auto_settings["autoRealizePnl"]:
                for position in self._exchange.ledger.positions(account.account_id).values():
                    yield from self._realize(account.account_id, position)
        for account_id in self._exchange.ledger.debtors():
            yield from self._settle_claim(account_id)
            yield from self._exchange.unwinding.reconcile(account_id)

    def _realize(self, account_id: str, position: Position) -> list[Execution]:
        mark_price = self._exchange.markets[position.symbol].mark_price
        with localcontext(EXACT):
            amount = position.unrealized(mark_price).quantize(USDC_QUANTUM, context=_TOWARDS_ZERO)
            if not amount:
                return []
            change = self._exchange.ledger.change()
            change.realize(account_id, position, amount)
            return [self._exchange.settle(change)]

    def _settle_claim(self, account_id: str) -> list[Execution]:
        with localcontext(EXACT):
            change = self._exchange.ledger.change()
            change.settle_claim(account_id)
            return [self._exchange.settle(change)] if change.balances else []
