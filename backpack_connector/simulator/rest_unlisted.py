"""Answer the operations that the exchange has and no client should build on: old paths, and calls of its web site.

They are not in the catalogue (`protocol/endpoints.py`), so no client method, command or tool is made of them: an old
path has a newer one, and the forms of the web site's calls are promised to nobody. What is known of these forms is the
names of their lists and of some fields; other fields are choices.
Source: API §1.1, §2.2 ("Added after May 2026"), §5.3.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from backpack_connector.protocol.endpoints import Effect, Endpoint
from backpack_connector.protocol.errors import ErrorCode
from backpack_connector.protocol.units import decimal_text

from .answers import Prepared
from .payloads import Json
from .refusals import Refusal
from .request_forms import Payload, Query

UNLISTED: tuple[Endpoint, ...] = (
    # Old paths of operations that are in the catalogue, under whose ids they are answered.
    Endpoint("get_open_interest", "GET", "/api/v1/openInterests"),
    Endpoint("get_stock_holidays", "GET", "/api/v1/market-holidays"),
    # Calls of the web site.
    Endpoint("get_fee_tiers", "GET", "/wapi/v1/feeTiers"),
    Endpoint("get_countries", "GET", "/wapi/v1/country"),
    Endpoint("get_country_permissions", "GET", "/wapi/v1/country/permissions"),
    Endpoint(
        "issue_two_factor_token",
        "POST",
        "/wapi/v1/user/2fa",
        "issueTwoFactorToken",
        effect=Effect.CONFIGURES,
    ),
)

_FUTURES_BPS = {
    "Tier 1": ("2", "5"),
    "Tier 2": ("1.9", "4.5"),
    "Tier 3": ("1.8", "4"),
    "Tier 4": ("1.6", "3.5"),
    "Tier 5": ("1.3", "3"),
    "Tier 6": ("1", "2.8"),
    "VIP1": ("1", "2.6"),
    "VIP2": ("0", "2.4"),
    "VIP3": ("0", "2.2"),
    "VIP4": ("0", "2"),
    "VIP5": ("0", "1.8"),
}
# Of spot fees only the first and the last are known (API §5.3).
_SPOT_BPS = {"Tier 1": ("8", "10"), "VIP5": ("0", "2.5")}
_COUNTRY = "JP"
"""The simulator shuts nobody out and knows of no law: one country stands for all."""
_LEVERAGE_LIMIT = Decimal(50)


def fee_tiers(_: Query) -> Json:
    """Answer get_fee_tiers: maker and taker in basis points, as GET /account has them."""
    return {"futures": _tiers(_FUTURES_BPS), "spot": _tiers(_SPOT_BPS)}


def _tiers(ladder: Mapping[str, tuple[str, str]]) -> list[Json]:
    return [{"makerFee": maker, "name": name, "takerFee": taker} for name, (maker, taker) in ladder.items()]


def countries(_: Query) -> list[Json]:
    """Answer get_countries."""
    return [{"blocked": False, "countryCode": _COUNTRY, "sanctioned": False}]


def country_permissions(_: Query) -> list[Json]:
    """Answer get_country_permissions."""
    may = {"isBorrowLendEnabled": True, "isPerpEnabled": True, "isSpotEnabled": True}
    return [{"countryCode": _COUNTRY, "leverageLimit": decimal_text(_LEVERAGE_LIMIT), **may}]


def issue_two_factor_token(body: Any) -> Prepared:
    """Refuse a signed request for a two-factor token: the exchange issues none at present.

    With which words and status it says so is not known.
    """
    payload = Payload(body, "RequestTwoFactorPayload")
    payload.text("app")
    payload.text("email")

    def run(_: str) -> Any:
        raise Refusal(ErrorCode.PRECONDITION_FAILED, "Two factor tokens are disabled")

    return Prepared(run)


UNLISTED_PUBLIC: Mapping[str, Callable[[Query], Any]] = {
    "get_countries": countries,
    "get_country_permissions": country_permissions,
    "get_fee_tiers": fee_tiers,
}
UNLISTED_BODIES: Mapping[str, Callable[[Any], Prepared]] = {"issue_two_factor_token": issue_two_factor_token}
