"""Value an account's assets in USDC, as GET /capital/collateral shows them. No borrowing and no positions yet."""

from collections.abc import Callable, Mapping
from decimal import Decimal

from backpack_connector.protocol.units import decimal_text

from .ledger import Balance
from .orders import ZERO
from .payloads import Json

_FULL_WEIGHT = Decimal(1)
# The exchange's weights differ by asset and size (API §5.5); one haircut for everything that is no dollar will do.
_OTHER_WEIGHT = Decimal("0.9")
_DOLLARS = frozenset({"USDC", "USDT"})


def collateral_payload(balances: Mapping[str, Balance], price_of: Callable[[str], Decimal]) -> Json:
    """Return the margin summary of an account without borrows and positions. Source: schema MarginAccountSummary."""
    assets_value = net_equity = locked_value = ZERO
    rows = []
    for asset, balance in sorted(balances.items()):
        weight = _FULL_WEIGHT if asset in _DOLLARS else _OTHER_WEIGHT
        price = price_of(asset)
        notional = balance.total * price
        assets_value += notional
        net_equity += notional * weight
        locked_value += balance.locked * price * weight
        rows.append(
            {
                "assetMarkPrice": decimal_text(price),
                "availableQuantity": decimal_text(balance.available),
                "balanceNotional": decimal_text(notional),
                "collateralValue": decimal_text(notional * weight),
                "collateralWeight": decimal_text(weight),
                "lendQuantity": "0",
                "openOrderQuantity": decimal_text(balance.locked),
                "symbol": asset,
                "totalQuantity": decimal_text(balance.total),
            }
        )
    return {
        "assetsValue": decimal_text(assets_value),
        "borrowLiability": "0",
        "collateral": rows,
        "imf": "0",
        "liabilitiesValue": "0",
        "marginFraction": None,
        "mmf": "0",
        "netEquity": decimal_text(net_equity),
        "netEquityAvailable": decimal_text(net_equity - locked_value),
        "netEquityLocked": decimal_text(locked_value),
        "netExposureFutures": "0",
        "pnlUnrealized": "0",
        "unsettledEquity": "0",
    }
