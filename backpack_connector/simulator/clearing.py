"""Say what orders reserve and what their fills move, per kind of market.

Spot orders lock what they may cost. Perpetual orders lock nothing: they need margin (margin.py), and their fills move
positions.

A market type without clearing here can be listed, but takes no orders.
"""

from dataclasses import dataclass
from decimal import ROUND_CEILING, Context, Decimal
from typing import Protocol

import msgspec

from backpack_connector.protocol.enums import MarketType, Side
from backpack_connector.protocol.units import fraction_from_bps

from .accounts import Account
from .ledger import Change
from .markets import Instrument
from .matching import Plan
from .orders import ZERO, NewOrder
from .positions import USDC_QUANTUM, PositionFill

# API §5.3 knows the asset that is charged, not the rounding. Balances with nine decimals were seen on the wire
# (`/capital`, API §2.3), so fees are kept to nine decimals, rounded up.
FEE_QUANTUM = Decimal("0.000000001")

# API §5.3 infers six decimals, rounded up, for the USDC fees of perpetuals.
FUTURES_FEE_QUANTUM = USDC_QUANTUM
_ROUNDING = Context(prec=72, rounding=ROUND_CEILING)

# Of the notional of each fill by which the exchange closes a position (API §5.3); besides the trading fee.
LIQUIDATION_FEE_RATE = Decimal("0.01")

Amount = tuple[str, Decimal]
"""(asset, amount)."""


@dataclass(frozen=True)
class Deal:
    """A quantity of an incoming order that meets a resting one."""

    instrument: Instrument
    taker: Account
    taker_side: Side
    maker: Account
    price: Decimal
    quantity: Decimal
    time_us: int
    liquidation_rate: Decimal = ZERO
    """Fraction of the notional that the taker pays because the exchange closes its position (API §5.3)."""
    has_trading_fees: bool = True
    """False where the exchange hands a position from one account to another."""


class Clearing(Protocol):
    """What the engine asks about money; a market type plugs in by implementing it."""

    def reserve(self, instrument: Instrument, request: NewOrder, plan: Plan) -> Amount:
        """Return what an order must be able to pay before it is accepted."""

    def hold(self, instrument: Instrument, side: Side, price: Decimal, quantity: Decimal) -> Amount:
        """Return what a resting quantity keeps locked."""

    def cost(self, instrument: Instrument, side: Side, price: Decimal, quantity: Decimal) -> Amount:
        """Return what a fill takes out of the locked funds of the side."""

    def settle(self, change: Change, deal: Deal) -> tuple[Amount, Amount]:
        """Add a fill to a change and return the taker's and the maker's fee; positive = paid."""


class SpotClearing:
    """Bids lock the quote asset, asks lock the base asset, and each side pays its fee in what it receives."""

    def reserve(self, instrument: Instrument, request: NewOrder, plan: Plan) -> Amount:
        """Return the hold of a limit order; for a market order what it may spend, or what its plan spends."""
        if request.side is Side.ASK:
            return instrument.base, plan.quantity if request.quantity is None else request.quantity
        if request.price is not None and request.quantity is not None:
            return self.hold(instrument, request.side, request.price, request.quantity)
        return instrument.quote, quote_quantity_of(request, plan, instrument.tick_size)

    def hold(self, instrument: Instrument, side: Side, price: Decimal, quantity: Decimal) -> Amount:
        """Return the quote notional of a bid, or the base quantity of an ask."""
        return (instrument.base, quantity) if side is Side.ASK else (instrument.quote, price * quantity)

    def cost(self, instrument: Instrument, side: Side, price: Decimal, quantity: Decimal) -> Amount:
        """Return the same as for a hold: spot funds are paid in full."""
        return self.hold(instrument, side, price, quantity)

    def settle(self, change: Change, deal: Deal) -> tuple[Amount, Amount]:
        """Exchange base for quote between the two accounts."""
        taker, maker, base, quote = deal.taker, deal.maker, deal.instrument.base, deal.instrument.quote
        notional = deal.price * deal.quantity
        buyer, seller = (taker, maker) if deal.taker_side is Side.BID else (maker, taker)
        base_fee = _spot_fee(deal.quantity, buyer, is_maker=buyer is maker)
        quote_fee = _spot_fee(notional, seller, is_maker=seller is maker)
        change.pay(seller.account_id, buyer.account_id, base, deal.quantity, base_fee)
        change.pay(buyer.account_id, seller.account_id, quote, notional, quote_fee)
        bid_fee, ask_fee = (base, base_fee), (quote, quote_fee)
        return (bid_fee, ask_fee) if deal.taker_side is Side.BID else (ask_fee, bid_fee)


class PerpetualClearing:
    """Orders lock nothing; fills move positions, and each side pays its fee in USDC."""

    def reserve(self, instrument: Instrument, request: NewOrder, plan: Plan) -> Amount:
        """Return nothing."""
        return instrument.quote, ZERO

    def hold(self, instrument: Instrument, side: Side, price: Decimal, quantity: Decimal) -> Amount:
        """Return nothing."""
        return instrument.quote, ZERO

    def cost(self, instrument: Instrument, side: Side, price: Decimal, quantity: Decimal) -> Amount:
        """Return nothing."""
        return instrument.quote, ZERO

    def settle(self, change: Change, deal: Deal) -> tuple[Amount, Amount]:
        """Move both positions; a liquidated taker pays the liquidation fee besides its trading fee."""
        notional, quote = deal.price * deal.quantity, deal.instrument.quote
        bought = deal.quantity if deal.taker_side is Side.BID else -deal.quantity
        taker_fee = maker_fee = ZERO
        if deal.has_trading_fees:
            taker_fee = _rounded_up(notional * fraction_from_bps(deal.taker.futures_taker_fee_bps))
            maker_fee = _rounded_up(notional * fraction_from_bps(deal.maker.futures_maker_fee_bps))
        liquidation_fee = _rounded_up(notional * deal.liquidation_rate)
        taker_fill = PositionFill(
            symbol=deal.instrument.symbol,
            quantity=bought,
            price=deal.price,
            fee=taker_fee,
            liquidation_fee=liquidation_fee,
            time_us=deal.time_us,
        )
        maker_fill = msgspec.structs.replace(taker_fill, quantity=-bought, fee=maker_fee, liquidation_fee=ZERO)
        change.fill(deal.taker.account_id, taker_fill)
        change.fill(deal.maker.account_id, maker_fill)
        return (quote, taker_fee + liquidation_fee), (quote, maker_fee)


def quote_quantity_of(request: NewOrder, plan: Plan, tick_size: Decimal) -> Decimal:
    """Return the quote quantity that an order shows: notional, wish, or estimate.

    A market order by quantity shows its cost rounded up to the tick: 4.30 for a fill of 4.299160 (API §3.4).
    """
    if request.quote_quantity is not None:
        return request.quote_quantity
    if request.price is not None and request.quantity is not None:
        return request.price * request.quantity
    return plan.quote_quantity.quantize(tick_size, context=_ROUNDING)


def _spot_fee(received: Decimal, account: Account, *, is_maker: bool) -> Decimal:
    rate = fraction_from_bps(account.spot_maker_fee_bps if is_maker else account.spot_taker_fee_bps)
    fee = (received * rate).quantize(FEE_QUANTUM, context=_ROUNDING)
    return min(fee, received)


def _rounded_up(fee: Decimal) -> Decimal:
    return fee.quantize(FUTURES_FEE_QUANTUM, context=_ROUNDING)


CLEARING: dict[MarketType, Clearing] = {MarketType.SPOT: SpotClearing(), MarketType.PERP: PerpetualClearing()}
