"""Define every error of the package, and read the exchange's error answers into them.

    BackpackError
    ├── ConfigurationError
    ├── WireFormatError
    └── RequestError
        ├── NoAnswer
        ├── Unavailable
        ├── RateLimited
        ├── OutcomeUnknown
        └── Refused
            ├── AuthenticationRefused
            │   └── ClockSkew
            ├── OrderNotFound
            ├── OrderRejected
            │   ├── WouldTake
            │   └── InsufficientFunds
            └── InvalidRequest

Rule 1: callers branch on the class or on `outcome_known`, never on text. Where the exchange tells a case apart by its
message alone, the text is matched here, once, in `_MESSAGE_CLASSES`.
Rule 2: an answer that no row knows becomes `Refused` or `Unavailable` with everything attached; it is never dropped.
Rule 3: a request that may have been executed is never reported as refused: a time-out, a lost connection, 5xx and 429
leave `outcome_known` false.
Source: API §4.4.
"""

import reprlib
from enum import Enum
from typing import Any


class ErrorCode(str, Enum):
    """The exchange's error codes. Source: API §4.4 (34 codes, 2026-10) and NOT_IMPLEMENTED of 2026-05."""

    ACCOUNT_DEACTIVATED = "ACCOUNT_DEACTIVATED"
    ACCOUNT_LIQUIDATING = "ACCOUNT_LIQUIDATING"
    BORROW_LIMIT = "BORROW_LIMIT"
    BORROW_REQUIRES_LEND_REDEEM = "BORROW_REQUIRES_LEND_REDEEM"
    FORBIDDEN = "FORBIDDEN"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    INSUFFICIENT_MARGIN = "INSUFFICIENT_MARGIN"
    INSUFFICIENT_SUPPLY = "INSUFFICIENT_SUPPLY"
    INVALID_ASSET = "INVALID_ASSET"
    INVALID_CLIENT_REQUEST = "INVALID_CLIENT_REQUEST"
    INVALID_MARKET = "INVALID_MARKET"
    INVALID_ORDER = "INVALID_ORDER"
    INVALID_PRICE = "INVALID_PRICE"
    INVALID_POSITION_ID = "INVALID_POSITION_ID"
    INVALID_QUANTITY = "INVALID_QUANTITY"
    INVALID_RANGE = "INVALID_RANGE"
    INVALID_SIGNATURE = "INVALID_SIGNATURE"
    INVALID_SOURCE = "INVALID_SOURCE"
    INVALID_SYMBOL = "INVALID_SYMBOL"
    INVALID_TWO_FACTOR_CODE = "INVALID_TWO_FACTOR_CODE"
    LEND_LIMIT = "LEND_LIMIT"
    LEND_REQUIRES_BORROW_REPAY = "LEND_REQUIRES_BORROW_REPAY"
    MAINTENANCE = "MAINTENANCE"
    MAX_LEVERAGE_REACHED = "MAX_LEVERAGE_REACHED"
    NOT_IMPLEMENTED = "NOT_IMPLEMENTED"
    ORDER_LIMIT = "ORDER_LIMIT"
    POSITION_LIMIT = "POSITION_LIMIT"
    PRECONDITION_FAILED = "PRECONDITION_FAILED"
    RESOURCE_NOT_FOUND = "RESOURCE_NOT_FOUND"
    SERVER_ERROR = "SERVER_ERROR"
    TIMEOUT = "TIMEOUT"
    TOO_EARLY = "TOO_EARLY"
    TOO_MANY_REQUESTS = "TOO_MANY_REQUESTS"
    TRADING_PAUSED = "TRADING_PAUSED"
    UNAUTHORIZED = "UNAUTHORIZED"


class BackpackError(Exception):
    """Anything that this package raises on purpose."""


class ConfigurationError(BackpackError, ValueError):
    """Something that is wrong or missing on our side, noticed before anything was sent."""


class WireFormatError(BackpackError, ValueError):
    """The exchange sent something that we cannot read; the message says what and where."""


class RequestError(BackpackError, OSError):
    """A request that did not give a usable answer.

    It is an OSError because Hummingbot's `ExchangePyBase._api_request` handles `IOError` (ARCHITECTURE.md, D2).
    """

    outcome_known: bool = False

    def __init__(
        self,
        message: str,
        *,
        operation: str | None = None,
        status: int | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.operation = operation
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        where = f"{self.operation}: " if self.operation else ""
        facts = ", ".join(str(fact) for fact in (self.status, self.code) if fact is not None)
        return f"{where}{self.message}{f' ({facts})' if facts else ''}"


class NoAnswer(RequestError):
    """The connection failed or timed out: the exchange may or may not have done it."""


class Unavailable(RequestError):
    """The exchange answered 5xx or 408, or redirected: it may or may not have done it."""


class RateLimited(RequestError):
    """The exchange answered 429. Whether an order got through is not documented, so the outcome counts as unknown."""


class OutcomeUnknown(RequestError):
    """A request that changes something got no usable answer: it may have been executed, so look before you repeat it.

    `__cause__` is what was known: one of the three above, or a WireFormatError about the answer.
    """


class Refused(RequestError):
    """The exchange understood the request and did not do it."""

    outcome_known = True


class AuthenticationRefused(Refused):
    """The key, the signature or the permission is wrong."""


class ClockSkew(AuthenticationRefused):
    """The request's time stamp lies outside the exchange's window."""


class OrderNotFound(Refused):
    """No such resting order; it may be finished, so only the order history says what became of it (API §4.3)."""


class OrderRejected(Refused):
    """The exchange refuses this order."""


class WouldTake(OrderRejected):
    """A post-only order would have matched at once."""


class InsufficientFunds(OrderRejected):
    """The account cannot pay for the order."""


class InvalidRequest(Refused):
    """A parameter is wrong."""


_CODE_CLASSES: dict[str, type[RequestError]] = {
    ErrorCode.ACCOUNT_DEACTIVATED.value: AuthenticationRefused,
    ErrorCode.FORBIDDEN.value: AuthenticationRefused,
    ErrorCode.INVALID_SIGNATURE.value: AuthenticationRefused,
    ErrorCode.UNAUTHORIZED.value: AuthenticationRefused,
    ErrorCode.RESOURCE_NOT_FOUND.value: OrderNotFound,
    ErrorCode.ACCOUNT_LIQUIDATING.value: OrderRejected,
    ErrorCode.BORROW_LIMIT.value: OrderRejected,
    ErrorCode.BORROW_REQUIRES_LEND_REDEEM.value: OrderRejected,
    ErrorCode.INVALID_ORDER.value: OrderRejected,
    ErrorCode.INVALID_PRICE.value: OrderRejected,
    ErrorCode.INVALID_QUANTITY.value: OrderRejected,
    ErrorCode.MAX_LEVERAGE_REACHED.value: OrderRejected,
    ErrorCode.ORDER_LIMIT.value: OrderRejected,
    ErrorCode.POSITION_LIMIT.value: OrderRejected,
    ErrorCode.TRADING_PAUSED.value: OrderRejected,
    ErrorCode.INSUFFICIENT_FUNDS.value: InsufficientFunds,
    ErrorCode.INSUFFICIENT_MARGIN.value: InsufficientFunds,
    ErrorCode.INSUFFICIENT_SUPPLY.value: InsufficientFunds,
    ErrorCode.INVALID_ASSET.value: InvalidRequest,
    ErrorCode.INVALID_CLIENT_REQUEST.value: InvalidRequest,
    ErrorCode.INVALID_MARKET.value: InvalidRequest,
    ErrorCode.INVALID_RANGE.value: InvalidRequest,
    ErrorCode.INVALID_SOURCE.value: InvalidRequest,
    ErrorCode.INVALID_SYMBOL.value: InvalidRequest,
    # The engine answers these three without saying whether it acted first.
    ErrorCode.MAINTENANCE.value: Unavailable,
    ErrorCode.SERVER_ERROR.value: Unavailable,
    ErrorCode.TIMEOUT.value: Unavailable,
    ErrorCode.TOO_EARLY.value: Unavailable,
    ErrorCode.TOO_MANY_REQUESTS.value: RateLimited,
}

# The exchange tells these apart by text only. Lower case, beginning of the message. Source: API §4.4.
_MESSAGE_CLASSES: tuple[tuple[str, type[RequestError]], ...] = (
    ("request has expired", ClockSkew),
    ("invalid timestamp", ClockSkew),
    ("invalid signature", AuthenticationRefused),
    ("invalid x-signature header", AuthenticationRefused),
    ("order would immediately match and take", WouldTake),
    ("order not found", OrderNotFound),
    ("reduce only order not reduced", OrderRejected),
    ("price is too far from the last active price", OrderRejected),
    ("no liquidity for market order", OrderRejected),
)

_REFUSED = 400
_TOO_MANY_REQUESTS = 429
_REQUEST_TIMEOUT = 408
_UNAUTHORIZED = (401, 403)
_SERVER_ERROR_FROM = 500
# Nothing of a CDN's error page helps anybody beyond its first words.
_MESSAGE_LIMIT = 300
_CODE_LIMIT = 60
_QUOTE_LIMIT = 120

_QUOTED = reprlib.Repr()
_QUOTED.maxlevel = 3
_QUOTED.maxstring = _QUOTED.maxother = _QUOTED.maxlong = _QUOTE_LIMIT


def plain(text: str, limit: int = _MESSAGE_LIMIT) -> str:
    """Return a text that the exchange sent as a message may contain it: one line, printable, not too long."""
    words = " ".join(text[: 10 * limit].split())[:limit]
    return words if words.isprintable() else "".join(sign if sign.isprintable() else "?" for sign in words)


def shown(value: Any) -> str:
    """Return a value that the exchange sent as a message may quote it: short, however large or nested it is."""
    try:
        text = _QUOTED.repr(value)
    except ValueError:  # a whole number of more digits than Python writes out
        return f"a number that is too long ({type(value).__name__})"
    return text if len(text) <= _QUOTE_LIMIT else f"{text[: _QUOTE_LIMIT - 3]}..."


def error_from_answer(
    status: int, body: Any, *, operation: str | None = None, retry_after_s: float | None = None
) -> RequestError:
    """Return the error that an answer of status 300 or more means.

    Shape:    `body` is the decoded JSON object `{"code", "message"}` or plain text (parse failures, CDN pages).
    Source:   API §4.4.
    """
    code, message = _code_and_message(body)
    error_class = _class_of(status, code, message)
    return error_class(
        message or f"HTTP status {status}",
        operation=operation,
        status=status,
        code=code,
        retry_after_s=retry_after_s,
    )


def error_from_result(code: str | None, message: str | None, *, operation: str | None = None) -> RequestError:
    """Return the error of one order of a batch, which has a code but no status of its own.

    Source:   API §2.3 (POST /orders), §4.4.
    """
    code, text = _code_and_message({"code": code, "message": message})
    error_class = _class_of(_REFUSED, code, text)
    return error_class(text or "refused without a reason", operation=operation, code=code)


def _code_and_message(body: Any) -> tuple[str | None, str]:
    if isinstance(body, dict):
        code, message = body.get("code"), body.get("message")
        return None if code is None else plain(_text_of(code), _CODE_LIMIT), _message_text(message)
    return None, _message_text(body)


def _message_text(message: Any) -> str:
    return plain(_text_of(message)) if message else ""


def _text_of(value: Any) -> str:
    return value if isinstance(value, str) else shown(value)


def _class_of(status: int, code: str | None, message: str) -> type[RequestError]:
    # The status decides first where it alone says that the outcome is open.
    if status == _TOO_MANY_REQUESTS:
        return RateLimited
    if status >= _SERVER_ERROR_FROM or status == _REQUEST_TIMEOUT or status < _REFUSED:
        return Unavailable
    lower_message = message.lower()
    for beginning, error_class in _MESSAGE_CLASSES:
        if lower_message.startswith(beginning):
            return error_class
    if code in _CODE_CLASSES:
        return _CODE_CLASSES[code]
    if status in _UNAUTHORIZED:
        return AuthenticationRefused
    return InvalidRequest if code is None else Refused
