"""Compute an account's margin from its assets, positions and open orders; pure. Source: API §5.5.

    exposure         |position + open orders that increase the risk|, per market, times its mark price. The worst case
                     counts: all bids filled, or all asks filled. Reduce-only orders never increase the risk.
    initial margin   exposure x max(base, 1 / leverage limit, factor x sqrt(exposure)); maintenance margin likewise,
                     but without the leverage limit
    debts            what was borrowed, at its price, is exposure too, with margin functions of its own (collateral.py)
    net equity       collateral value + unrealised profit + unsettled claims - borrow liability
    locked           the sum of initial margins, and what open spot orders hold
    available        net equity - locked

An account is liquidated when its maintenance margin reaches its net equity, which is the same as MMR >= 100 %.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext

from backpack_connector.protocol.enums import Side

from .collateral import DEBT_MMF, CollateralAsset
from .ledger import SETTLEMENT_ASSET
from .markets import Instrument
from .orders import ZERO
from .positions import Position

# Roots are irrational: this many digits keep the error far below anything that is shown or decided.
_WIDE = Context(prec=60)

OpenQuantity = tuple[str, Side, Decimal]
"""(symbol, side, base quantity) of an open order that may increase the risk."""


@dataclass(frozen=True)
class Exposure:
    """What an account has at stake in one market."""

    instrument: Instrument
    mark_price: Decimal
    position: Position | None
    quantity: Decimal
    """Base units, unsigned: the largest position that open orders can lead to."""
    notional: Decimal
    """USDC."""
    imf: Decimal
    """Initial margin fraction, with the leverage limit."""
    mmf: Decimal
    """Maintenance margin fraction."""
    pnl_unrealized: Decimal
    """USDC that was not moved into the balance yet."""


@dataclass(frozen=True)
class AccountMargin:
    """The margin of an account at one moment; all values in USDC."""

    assets: tuple[CollateralAsset, ...]
    exposures: dict[str, Exposure]
    """By symbol; markets without position and open orders are not in it."""
    collateral_value: Decimal
    borrow_liability: Decimal
    pnl_unrealized: Decimal
    unsettled: Decimal
    net_equity: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    locked: Decimal
    available: Decimal
    """Negative when there is too little margin."""
    futures_exposure: Decimal
    """The sum of the notionals of all markets."""
    exposure: Decimal
    """The same and the borrow liability."""
    imf: Decimal
    """The weighted mean of initial margin fractions, but at least 1 / leverage limit."""
    mmf: Decimal
    """The weighted mean of maintenance margin fractions, zero without exposure."""
    margin_fraction: Decimal | None
    """Net equity / exposure, None without exposure."""

    @property
    def is_liquidatable(self) -> bool:
        """Tell whether MMR has reached 100 %."""
        return bool(self.exposure) and self.net_equity <= self.maintenance_margin

    def exposure_quantity(self, symbol: str) -> Decimal:
        """Return the exposure in a market, in base units."""
        exposure = self.exposures.get(symbol)
        return ZERO if exposure is None else exposure.quantity


def exposure_of(
    instrument: Instrument,
    mark_price: Decimal,
    position: Position | None,
    open_bids: Decimal,
    open_asks: Decimal,
    leverage_limit: Decimal,
) -> Exposure:
    """Return what a position and the open orders of its market put at stake; orders in base units."""
    assert instrument.imf is not None
    assert instrument.mmf is not None
    with localcontext(_WIDE):
        net_quantity = ZERO if position is None else position.quantity
        quantity = max(abs(net_quantity + open_bids), abs(net_quantity - open_asks))
        notional = quantity * mark_price
        return Exposure(
            instrument=instrument,
            mark_price=mark_price,
            position=position,
            quantity=quantity,
            notional=notional,
            imf=instrument.imf.fraction(notional, leverage_limit),
            mmf=instrument.mmf.fraction(notional),
            pnl_unrealized=ZERO if position is None else position.unrealized(mark_price),
        )


def exposures_of(
    positions: Mapping[str, Position],
    open_quantities: Iterable[OpenQuantity],
    markets: Callable[[str], tuple[Instrument, Decimal]],
    leverage_limit: Decimal,
) -> dict[str, Exposure]:
    """Return an account's exposures by symbol; `markets` tells instrument and mark price of a symbol."""
    bids: dict[str, Decimal] = dict.fromkeys(positions, ZERO)
    asks: dict[str, Decimal] = dict.fromkeys(positions, ZERO)
    for symbol, side, quantity in open_quantities:
        sums, others = (bids, asks) if side is Side.BID else (asks, bids)
        sums[symbol] = sums.get(symbol, ZERO) + quantity
        others.setdefault(symbol, ZERO)
    return {
        symbol: exposure_of(*markets(symbol), positions.get(symbol), bids[symbol], asks[symbol], leverage_limit)
        for symbol in sorted(bids)
    }


def margin_of(
    assets: Iterable[CollateralAsset],
    exposures: Mapping[str, Exposure],
    leverage_limit: Decimal,
    unsettled: Decimal = ZERO,
) -> AccountMargin:
    """Return an account's margin. The leverage limit is the one that the exposures were made with."""
    with localcontext(_WIDE):
        assets = tuple(assets)
        rows = exposures.values()
        collateral_value = sum((asset.value for asset in assets), ZERO)
        pnl_unrealized = sum((row.pnl_unrealized for row in rows), ZERO)
        initial_margin = sum((row.notional * row.imf for row in rows), ZERO)
        maintenance_margin = sum((row.notional * row.mmf for row in rows), ZERO)
        futures_exposure = sum((row.notional for row in rows), ZERO)
        borrow_liability = ZERO
        for asset in assets:
            if asset.borrowed:
                borrow_liability += asset.liability
                initial_margin += asset.initial_margin(leverage_limit)
                maintenance_margin += asset.maintenance_margin
        exposure = futures_exposure + borrow_liability
        net_equity = collateral_value + pnl_unrealized + unsettled - borrow_liability
        locked = initial_margin + sum((asset.locked_value for asset in assets), ZERO)
        return AccountMargin(
            assets=assets,
            exposures=dict(exposures),
            collateral_value=collateral_value,
            borrow_liability=borrow_liability,
            pnl_unrealized=pnl_unrealized,
            unsettled=unsettled,
            net_equity=net_equity,
            initial_margin=initial_margin,
            maintenance_margin=maintenance_margin,
            locked=locked,
            available=net_equity - locked,
            futures_exposure=futures_exposure,
            exposure=exposure,
            imf=max(1 / leverage_limit, initial_margin / exposure) if exposure else 1 / leverage_limit,
            mmf=maintenance_margin / exposure if exposure else ZERO,
            margin_fraction=net_equity / exposure if exposure else None,
        )


def liquidation_price(margin: AccountMargin, symbol: str) -> Decimal | None:
    """Return the mark price at which an account would be liquidated if only this price moved, or None.

    The price is the first tick at which maintenance margin reaches net equity; None without a position, or when no
    price does it. Which of the exchange's estimates moves what else is not known.
    """
    exposure = margin.exposures.get(symbol)
    if exposure is None or exposure.position is None:
        return None
    assert exposure.instrument.mmf is not None
    mmf, quantity, mark = exposure.instrument.mmf, exposure.position.quantity, exposure.mark_price
    with localcontext(_WIDE):
        own = exposure.notional * exposure.mmf
        spare = margin.net_equity - quantity * mark - (margin.maintenance_margin - own)

        def is_safe(price: Decimal) -> bool:
            notional = exposure.quantity * price
            return spare + quantity * price > notional * mmf.fraction(notional)

        return _first_unsafe(is_safe, mark, exposure.instrument.tick_size, 1 if quantity < 0 else -1)


def debt_liquidation_price(margin: AccountMargin, asset: str, tick: Decimal) -> Decimal | None:
    """Return the price of a borrowed asset at which an account would be liquidated if only this price moved, or None.

    None without such a debt, and when no price does it; the price of USDC does not move.
    """
    row = next((row for row in margin.assets if row.asset == asset and row.borrowed), None)
    if row is None or asset == SETTLEMENT_ASSET:
        return None
    with localcontext(_WIDE):
        per_unit = row.quantity * row.weight - row.borrowed
        spare = margin.net_equity - per_unit * row.price - (margin.maintenance_margin - row.maintenance_margin)

        def is_safe(price: Decimal) -> bool:
            liability = row.borrowed * price
            return spare + per_unit * price > liability * DEBT_MMF.fraction(liability)

        return _first_unsafe(is_safe, row.price, tick, 1) if per_unit < 0 else None


def _first_unsafe(is_safe: Callable[[Decimal], bool], mark: Decimal, tick: Decimal, direction: int) -> Decimal | None:
    """Search the ticks from the mark price down to zero or up for the first at which an account is not safe."""
    safe = int(mark // tick) if direction < 0 else -int(-mark // tick)
    if not is_safe(safe * tick):
        return mark
    step = 1
    while is_safe(max(ZERO, (safe + direction * step) * tick)):
        if safe + direction * step <= 0:
            return None
        step *= 2
    unsafe = max(0, safe + direction * step)
    while abs(unsafe - safe) > 1:
        middle = (safe + unsafe) // 2
        safe, unsafe = (middle, unsafe) if is_safe(middle * tick) else (safe, middle)
    return unsafe * tick or None
