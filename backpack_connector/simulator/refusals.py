"""Define the two ways in which the simulated exchange says no.

Rule 1: a refused request has changed nothing.
Rule 2: what cannot be parsed is answered in plain text, everything else as JSON with code and message (API §4.4).
"""

from backpack_connector.protocol.enums import ExpiryReason
from backpack_connector.protocol.errors import ErrorCode

BAD_REQUEST = 400
UNAUTHORIZED = 401
NOT_FOUND = 404
TOO_MANY_REQUESTS = 429
SERVER_ERROR = 500


# What a refusal means as the reason of a trigger order's end; both vocabularies are the exchange's (API §4.2, §4.4).
_REASONS = {
    ErrorCode.ACCOUNT_LIQUIDATING: ExpiryReason.LIQUIDATION,
    ErrorCode.BORROW_LIMIT: ExpiryReason.INSUFFICIENT_BORROWABLE_QUANTITY,
    ErrorCode.BORROW_REQUIRES_LEND_REDEEM: ExpiryReason.BORROW_REQUIRES_LEND_REDEEM,
    ErrorCode.INSUFFICIENT_FUNDS: ExpiryReason.INSUFFICIENT_FUNDS,
    ErrorCode.INSUFFICIENT_MARGIN: ExpiryReason.INSUFFICIENT_MARGIN,
    ErrorCode.INSUFFICIENT_SUPPLY: ExpiryReason.INSUFFICIENT_BORROWABLE_QUANTITY,
    ErrorCode.INVALID_PRICE: ExpiryReason.INVALID_PRICE,
    ErrorCode.POSITION_LIMIT: ExpiryReason.POSITION_LIMIT,
}


class Refusal(Exception):
    """A request that was understood and not done: HTTP status, error code and message."""

    def __init__(
        self, code: ErrorCode, message: str, status: int = BAD_REQUEST, *, reason: ExpiryReason | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.reason = _REASONS.get(code, ExpiryReason.UNKNOWN) if reason is None else reason
        """Why a trigger order that fired and was refused then has failed."""


class ParseFailure(Exception):
    """A parameter or body that could not be read; the text goes out as it is, with status 400."""


def invalid_request(message: str, *, reason: ExpiryReason | None = None) -> Refusal:
    """Return the refusal of the exchange's pre-validation. Source: API §4.4."""
    return Refusal(ErrorCode.INVALID_CLIENT_REQUEST, message, reason=reason)


def invalid_order(message: str, *, reason: ExpiryReason | None = None) -> Refusal:
    """Return the refusal of the engine for an order that it cannot take."""
    return Refusal(ErrorCode.INVALID_ORDER, message, reason=reason)


def not_found() -> Refusal:
    """Return the answer for a resource that does not exist. Source: API §4.4, conflict 11."""
    return Refusal(ErrorCode.RESOURCE_NOT_FOUND, "Not Found", NOT_FOUND)
