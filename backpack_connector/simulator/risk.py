"""Answer what the engine and its visitors ask about accounts: margin, positions as they are shown, room to reduce.

It reads ledger, markets and open orders, and changes nothing. Source: API §2.3 (position), §5.5.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal, localcontext

from backpack_connector.protocol.enums import Side

from .accounts import Account
from .collateral import CollateralAsset
from .ledger import EXACT, SETTLEMENT_ASSET, Balance, Change, Ledger
from .lending_positions import Loan
from .margin import AccountMargin, Exposure, OpenQuantity, exposures_of, margin_of
from .markets import Instrument
from .orders import ZERO, Order
from .positions import Position, PositionView
from .traded_market import TradedMarket


def view_of(position: Position, exposure: Exposure) -> PositionView:
    """Return a position as it is shown; a closed one too, with quantity zero."""
    instrument = exposure.instrument
    assert instrument.imf is not None
    assert instrument.mmf is not None
    with localcontext(EXACT):
        pnl_unrealized = position.unrealized(exposure.mark_price)
    return PositionView(
        position_id=position.position_id,
        symbol=position.symbol,
        net_quantity=position.quantity,
        entry_price=position.entry_price,
        break_even_price=position.break_even_price,
        mark_price=exposure.mark_price,
        net_cost=position.net_cost,
        exposure_quantity=exposure.quantity,
        exposure_notional=exposure.notional,
        imf=exposure.imf,
        mmf=exposure.mmf,
        imf_function=instrument.imf,
        mmf_function=instrument.mmf,
        pnl_realized=position.realized,
        pnl_unrealized=pnl_unrealized,
        cumulative_funding=position.funding,
    )


class Risk:
    """What there is to know about the risk of accounts."""

    def __init__(self, ledger: Ledger, markets: Mapping[str, TradedMarket]) -> None:
        self._ledger = ledger
        self._markets = markets
        self.token_prices: dict[str, Decimal] = {}
        """USDC per token of each vault."""

    def has_positions_in(self, symbol: str) -> bool:
        """Tell whether a market is one with positions."""
        return self._markets[symbol].instrument.imf is not None

    def _market(self, symbol: str) -> tuple[Instrument, Decimal]:
        market = self._markets[symbol]
        return market.instrument, market.mark_price

    def price_of(self, asset: str) -> Decimal:
        """Return what an asset is worth in USDC: the last price of its spot market, or what its vault has."""
        market = self._markets.get(f"{asset}_{SETTLEMENT_ASSET}")
        return self.token_prices.get(asset, Decimal(1)) if market is None else market.last_price

    def open_quantities(self, orders: Iterable[Order]) -> Iterator[OpenQuantity]:
        """Yield what open orders may add to positions; reduce-only orders add nothing."""
        for order in orders:
            if not order.reduce_only and self.has_positions_in(order.symbol):
                yield order.symbol, order.side, order.remaining

    def has_risk(self, account: Account) -> bool:
        """Tell whether an account has positions, orders in perpetual markets, debts or a claim: margin to look at."""
        account_id = account.account_id
        return bool(
            self._ledger.positions(account_id)
            or self._ledger.unsettled(account_id)
            or self._ledger.loans.has_debts(account_id)
            or any(self.open_quantities(account.open_orders.values()))
        )

    def margin(
        self,
        account: Account,
        *,
        change: Change | None = None,
        open_quantities: Iterable[OpenQuantity] | None = None,
        leverage_limit: Decimal | None = None,
    ) -> AccountMargin:
        """Return an account's margin: as it is, or as it would be after a change, with other orders or leverage."""
        account_id = account.account_id
        balances, positions = self._ledger.balances(account_id), self._ledger.positions(account_id)
        unsettled, loans = self._ledger.unsettled(account_id), self._ledger.loans.of(account_id)
        if change is not None:
            loans = change.loans.of(account_id)
            balances, positions = change.balances_of(account_id), change.positions_of(account_id)
            unsettled = change.claim(account_id)
        if open_quantities is None:
            open_quantities = self.open_quantities(account.open_orders.values())
        leverage_limit = account.leverage_limit if leverage_limit is None else leverage_limit
        assets = [self._asset(asset, balances, loans) for asset in sorted({*balances, *loans})]
        exposures = exposures_of(positions, open_quantities, self._market, leverage_limit)
        return margin_of(assets, exposures, leverage_limit, unsettled)

    def _asset(self, asset: str, balances: Mapping[str, Balance], loans: Mapping[str, Loan]) -> CollateralAsset:
        balance, loan, price = balances.get(asset, Balance()), loans.get(asset), self.price_of(asset)
        return (
            CollateralAsset(asset, balance, price)
            if loan is None
            else CollateralAsset(asset, balance, price, loan.lent, loan.borrowed)
        )

    def view(self, account: Account, position: Position) -> PositionView:
        """Return a position of an account as it is shown now."""
        symbol = position.symbol
        open_quantities = [row for row in self.open_quantities(account.open_orders.values()) if row[0] == symbol]
        exposures = exposures_of({symbol: position}, open_quantities, self._market, account.leverage_limit)
        return view_of(position, exposures[symbol])

    def views(self, account: Account, symbol: str | None = None) -> list[PositionView]:
        """Return an account's open positions as they are shown, of one market or of all."""
        positions = self._ledger.positions(account.account_id)
        return [self.view(account, row) for row in positions.values() if symbol in (None, row.symbol)]

    def open_interest(self, symbol: str) -> Decimal:
        """Return the base quantity of all long positions of a market, which equals that of all short ones."""
        return sum((row.quantity for _, row in self._ledger.holders(symbol) if row.quantity > 0), ZERO)

    def has_room_for(self, symbol: str, quantity: Decimal) -> bool:
        """Tell whether a market lets an account come to a larger exposure, in base units.

        It does not while its open interest has reached its limit, nor beyond that limit. Source: API §5.2
        (openInterestLimit); the exchange's formula for one account is not known.
        """
        limit = self._markets[symbol].instrument.open_interest_limit
        return quantity <= limit and self.open_interest(symbol) < limit

    def reducible(self, account: Account, symbol: str, side: Side) -> Decimal:
        """Return what a new reduce-only order may be for: the position less what resting ones already cover.

        That resting orders count is how the public bots of API §4.4 explain "Reduce only order not reduced".
        """
        position = self._ledger.position(account.account_id, symbol)
        if position is None or closing_side(position) is not side:
            return ZERO
        resting = (order.remaining for order in reduce_only_orders(account, symbol) if order.side is side)
        return max(ZERO, abs(position.quantity) - sum(resting, ZERO))

    def surplus(self, account: Account, symbol: str) -> list[tuple[Order, Decimal]]:
        """Return the reduce-only orders that would do more than close the position, and by how much.

        The newest order gives way first; the exchange does not say which does.
        """
        position = self._ledger.position(account.account_id, symbol)
        rows = []
        room = ZERO if position is None else abs(position.quantity)
        for order in reduce_only_orders(account, symbol):
            is_closing = position is not None and order.side is closing_side(position)
            kept = min(order.remaining, room) if is_closing else ZERO
            room -= kept
            if kept < order.remaining:
                rows.append((order, order.remaining - kept))
        return rows


def closing_side(position: Position) -> Side:
    """Return the side of the orders that reduce a position."""
    return Side.ASK if position.quantity > 0 else Side.BID


def reduce_only_orders(account: Account, symbol: str) -> Iterator[Order]:
    """Yield an account's resting reduce-only orders in a market, oldest first."""
    for order in account.open_orders.values():
        if order.reduce_only and order.symbol == symbol:
            yield order
