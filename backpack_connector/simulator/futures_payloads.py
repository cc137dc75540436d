"""Write margin, positions and their histories as the REST interface shows them.

Sources: API §2.3 and the schemas MarginAccountSummary, FuturePositionWithMargin, PositionHistoryRow, FundingPayment,
Settlement. Fractions and margins with endless digits are shown with twelve decimals.
"""

from decimal import Context, Decimal, localcontext

from backpack_connector.protocol.models import MarginFunction
from backpack_connector.protocol.units import decimal_text, iso_from_us

from .accounts import ClosedPosition, FundingPayment, SettlementRow
from .collateral import CollateralAsset
from .margin import AccountMargin
from .orders import ZERO
from .payloads import Json, optional_text
from .positions import Position, PositionView

_WIDE = Context(prec=72)
_SHOWN_QUANTUM = Decimal("0.000000000001")
# The exchange numbers its users; here everybody is the same user, because accounts are known by their keys.
_USER_ID = 0
_SUBACCOUNT_ID = 0


def shown(number: Decimal) -> str:
    """Return a number as text with at most twelve decimals."""
    return decimal_text(number.quantize(_SHOWN_QUANTUM, context=_WIDE))


def _optionally_shown(number: Decimal | None) -> str | None:
    return None if number is None else shown(number)


def collateral_payload(margin: AccountMargin) -> Json:
    """Return the margin summary of an account. `liabilitiesValue` is the borrow liability and what is owed besides."""
    with localcontext(_WIDE):
        return {
            "assetsValue": shown(sum((asset.notional for asset in margin.assets), ZERO)),
            "borrowLiability": shown(margin.borrow_liability),
            "collateral": [_collateral_asset_payload(asset) for asset in margin.assets],
            "imf": shown(margin.imf),
            "liabilitiesValue": shown(margin.borrow_liability + max(ZERO, -margin.unsettled)),
            "marginFraction": _optionally_shown(margin.margin_fraction),
            "mmf": shown(margin.mmf),
            "netEquity": shown(margin.net_equity),
            "netEquityAvailable": shown(margin.available),
            "netEquityLocked": shown(margin.locked),
            "netExposureFutures": shown(margin.futures_exposure),
            "pnlUnrealized": shown(margin.pnl_unrealized),
            "unsettledEquity": shown(margin.unsettled),
        }


def _collateral_asset_payload(asset: CollateralAsset) -> Json:
    return {
        "assetMarkPrice": decimal_text(asset.price),
        "availableQuantity": decimal_text(asset.balance.available),
        "balanceNotional": decimal_text(asset.notional),
        "collateralValue": decimal_text(asset.value),
        "collateralWeight": decimal_text(asset.weight),
        "lendQuantity": decimal_text(asset.lent),
        "openOrderQuantity": decimal_text(asset.balance.locked),
        "symbol": asset.asset,
        "totalQuantity": decimal_text(asset.quantity),
    }


def position_payload(view: PositionView, liquidation_price: Decimal | None = None) -> Json:
    """Return an open position; the liquidation price is "0" unless it was asked for (API §6, conflict 18)."""
    return {
        "breakEvenPrice": decimal_text(view.break_even_price),
        "cumulativeFundingPayment": decimal_text(view.cumulative_funding),
        "cumulativeInterest": "0",
        "entryPrice": decimal_text(view.entry_price),
        "estLiquidationPrice": optional_text(liquidation_price) or "0",
        "imf": shown(view.imf),
        "imfFunction": margin_function_payload(view.imf_function),
        "markPrice": decimal_text(view.mark_price),
        "mmf": shown(view.mmf),
        "mmfFunction": margin_function_payload(view.mmf_function),
        "netCost": decimal_text(view.net_cost),
        "netExposureNotional": decimal_text(view.exposure_notional),
        "netExposureQuantity": decimal_text(view.exposure_quantity),
        "netQuantity": decimal_text(view.net_quantity),
        "pnlRealized": decimal_text(view.pnl_realized),
        "pnlUnrealized": decimal_text(view.pnl_unrealized),
        "positionId": view.position_id,
        "subaccountId": None,
        "symbol": view.symbol,
        "userId": _USER_ID,
    }


def margin_function_payload(function: MarginFunction) -> Json:
    """Return a margin function as market rows show it."""
    return {"base": decimal_text(function.base), "factor": decimal_text(function.factor), "type": function.type}


def funding_payload(payment: FundingPayment) -> Json:
    """Return a row of the funding history."""
    return {
        "fundingRate": decimal_text(payment.rate),
        "intervalEndTimestamp": iso_from_us(payment.interval_end_us),
        "quantity": decimal_text(payment.amount),
        "subaccountId": _SUBACCOUNT_ID,
        "symbol": payment.symbol,
        "userId": _USER_ID,
    }


def settlement_payload(row: SettlementRow) -> Json:
    """Return a row of the settlement history. Nobody has seen an `engineSequence`; here it is the engine's time."""
    return {
        "engineSequence": row.time_us,
        "positionId": row.posting.position_id,
        "quantity": decimal_text(row.posting.amount),
        "source": row.posting.source.value,
        "subaccountId": _SUBACCOUNT_ID,
        "timestamp": iso_from_us(row.time_us),
        "userId": _USER_ID,
    }


def open_position_row(position: Position, view: PositionView, leverage_limit: Decimal) -> Json:
    """Return an open position as the position history shows it."""
    return {
        **_position_row(position, leverage_limit),
        "closedAt": None,
        "imf": shown(view.imf),
        "markPrice": decimal_text(view.mark_price),
        "netExposureNotional": decimal_text(view.exposure_notional),
        "netExposureQuantity": decimal_text(view.exposure_quantity),
        "state": "Open",
        "unrealizedPnl": decimal_text(view.pnl_unrealized),
    }


def closed_position_row(row: ClosedPosition) -> Json:
    """Return a closed position as the position history shows it."""
    return {
        **_position_row(row.position, row.leverage_limit),
        "closedAt": iso_from_us(row.closed_us),
        "imf": "0",
        "markPrice": decimal_text(row.mark_price),
        "netExposureNotional": "0",
        "netExposureQuantity": "0",
        "state": "Closed",
        "unrealizedPnl": "0",
    }


def _position_row(position: Position, leverage_limit: Decimal) -> Json:
    # In which units `closedVolume` and `liquidated` are is not documented; here they are base units.
    return {
        "accountLeverage": decimal_text(leverage_limit),
        "closedVolume": decimal_text(position.closed_quantity),
        "closingPrice": optional_text(position.closing_price),
        "cumulativePnlRealized": decimal_text(position.realized),
        "entryPrice": decimal_text(position.entry_price),
        "fees": decimal_text(position.fees),
        "fundingQuantity": decimal_text(position.funding),
        "id": position.position_id,
        "interest": "0",
        "liquidated": decimal_text(position.liquidated_quantity),
        "liquidationFees": decimal_text(position.liquidation_fees),
        "netCost": decimal_text(position.net_cost),
        "netQuantity": decimal_text(position.quantity),
        "openedAt": iso_from_us(position.opened_us),
        "symbol": position.symbol,
    }
