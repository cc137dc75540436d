"""Do the arithmetic of one position: open, add, reduce, close and flip by fills; pure, and exact where it is money.

Rule 1: profit is never computed from an average. A position keeps what its fills brought in and cost (`cash`), so that
        profit = cash + quantity x mark price, to the last digit. The entry price is a rounded average, for show.
Rule 2: profit moves into USDC bit by bit (`realized`) without changing the position (API §5.5); what is left is
        unrealised.
Rule 3: a fill that goes through zero closes one position and opens another one with a new id.
Source: API §2.3 (position), §3.4 (position updates).
"""

from decimal import Context, Decimal

import msgspec

from backpack_connector.protocol.models import MarginFunction

from .orders import ZERO

# The exchange's own decimals have 28 digits (API §2.3, markPrices); nothing but what is shown is rounded with it.
SHOWN = Context(prec=28)
_WIDE = Context(prec=72)

# Fees, funding and realised profit have six decimals (API §5.3, §2.3).
USDC_QUANTUM = Decimal("0.000001")


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """A position and what has happened to it since it was opened. Quantities in base units, amounts in USDC."""

    position_id: str
    symbol: str
    opened_us: int
    quantity: Decimal = ZERO
    """Negative = short."""
    cash: Decimal = ZERO
    """What the fills brought in minus what they cost, without fees."""
    entry_price: Decimal = ZERO
    realized: Decimal = ZERO
    """The part of the profit that was moved into USDC."""
    funding: Decimal = ZERO
    """Positive = received."""
    fees: Decimal = ZERO
    """Trading fees; positive = paid."""
    liquidation_fees: Decimal = ZERO
    closed_quantity: Decimal = ZERO
    closed_notional: Decimal = ZERO
    liquidated_quantity: Decimal = ZERO

    def profit(self, mark_price: Decimal) -> Decimal:
        """Return all profit since the opening, moved into USDC or not."""
        return self.cash + self.quantity * mark_price

    def unrealized(self, mark_price: Decimal) -> Decimal:
        """Return the profit that was not yet moved into USDC."""
        return self.profit(mark_price) - self.realized

    @property
    def net_cost(self) -> Decimal:
        """Return quantity x entry price, negative when short. For show."""
        return SHOWN.multiply(self.quantity, self.entry_price)

    @property
    def break_even_price(self) -> Decimal:
        """Return the price at which fees and funding are earned back; the entry price once it is closed.

        Source:   API §2.3 (position): entry + (trading fees + funding paid) / quantity. For show.
        """
        if not self.quantity:
            return self.entry_price
        costs = SHOWN.subtract(self.fees + self.liquidation_fees, self.funding)
        return SHOWN.add(self.entry_price, SHOWN.divide(costs, self.quantity))

    @property
    def closing_price(self) -> Decimal | None:
        """Return the average price at which quantity was closed, or None before that. For show."""
        return SHOWN.divide(self.closed_notional, self.closed_quantity) if self.closed_quantity else None


class PositionView(msgspec.Struct, frozen=True, kw_only=True):
    """A position as REST and the stream show it. Source: schema FuturePositionWithMargin."""

    position_id: str
    symbol: str
    net_quantity: Decimal
    entry_price: Decimal
    break_even_price: Decimal
    mark_price: Decimal
    net_cost: Decimal
    exposure_quantity: Decimal
    """Base units, unsigned, with open orders that increase the risk."""
    exposure_notional: Decimal
    imf: Decimal
    mmf: Decimal
    imf_function: MarginFunction
    mmf_function: MarginFunction
    pnl_realized: Decimal
    pnl_unrealized: Decimal
    cumulative_funding: Decimal
    """Positive = received."""


class PositionFill(msgspec.Struct, frozen=True, kw_only=True):
    """A fill as a position sees it."""

    symbol: str
    quantity: Decimal
    """Negative = sold."""
    price: Decimal
    fee: Decimal
    liquidation_fee: Decimal = ZERO
    time_us: int


def after_fill(position: Position | None, fill: PositionFill, new_id: str) -> "tuple[Position | None, Position | None]":
    """Return the position that a fill closed, or None, and the position that is open afterwards, or None."""
    if position is None:
        return None, _opened(fill, new_id)
    if (position.quantity > 0) == (fill.quantity > 0):
        return None, _added(position, fill)
    rest = position.quantity + fill.quantity
    if not rest or (rest > 0) == (position.quantity > 0):
        reduced = _reduced(position, fill)
        return (None, reduced) if rest else (reduced, None)
    closing, opening = _split(fill, rest)
    return _reduced(position, closing), _opened(opening, new_id)


def _opened(fill: PositionFill, new_id: str) -> Position:
    return _added(Position(position_id=new_id, symbol=fill.symbol, opened_us=fill.time_us), fill)


def _added(position: Position, fill: PositionFill) -> Position:
    quantity = position.quantity + fill.quantity
    before = SHOWN.multiply(position.entry_price, position.quantity)
    cost = SHOWN.add(before, SHOWN.multiply(fill.price, fill.quantity))
    return _booked(position, fill, entry_price=SHOWN.divide(cost, quantity))


def _reduced(position: Position, fill: PositionFill) -> Position:
    closed = abs(fill.quantity)
    return msgspec.structs.replace(
        _booked(position, fill, entry_price=position.entry_price),
        closed_quantity=position.closed_quantity + closed,
        closed_notional=position.closed_notional + closed * fill.price,
        liquidated_quantity=position.liquidated_quantity + (closed if fill.liquidation_fee else ZERO),
    )


def _booked(position: Position, fill: PositionFill, entry_price: Decimal) -> Position:
    return msgspec.structs.replace(
        position,
        quantity=position.quantity + fill.quantity,
        cash=position.cash - fill.quantity * fill.price,
        entry_price=entry_price,
        fees=position.fees + fill.fee,
        liquidation_fees=position.liquidation_fees + fill.liquidation_fee,
    )


def _split(fill: PositionFill, opening: Decimal) -> tuple[PositionFill, PositionFill]:
    """Cut a fill that goes through zero into what closes and what opens, each with its share of the fees."""
    closing = fill.quantity - opening
    fee = _share(fill.fee, opening, fill.quantity)
    liquidation_fee = _share(fill.liquidation_fee, opening, fill.quantity)
    return (
        msgspec.structs.replace(
            fill, quantity=closing, fee=fill.fee - fee, liquidation_fee=fill.liquidation_fee - liquidation_fee
        ),
        msgspec.structs.replace(fill, quantity=opening, fee=fee, liquidation_fee=liquidation_fee),
    )


def _share(fee: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    return _WIDE.quantize(_WIDE.divide(_WIDE.multiply(fee, part), whole), USDC_QUANTUM)
