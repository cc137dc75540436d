"""Describe the faults that the simulator can be given: kinds, scope, how often, for how long, with which parameters.

| kind | what happens |
|---|---|
| `request_delayed` | a request waits before the exchange sees it; its time window goes on meanwhile |
| `answer_delayed` | a request is executed at once and answered later |
| `request_lost` | the connection ends, after a delay if there is one, and the exchange has never seen the request |
| `answer_lost` | the exchange executes a request, and the connection ends without an answer |
| `answer_truncated` | a request is executed, and the second half of the JSON text is missing |
| `answer_html` | 502 with a page of the CDN; with `isExecuted` after the exchange has done what was asked |
| `rate_limited` | 429 TOO_MANY_REQUESTS; `isExecuted` likewise |
| `timed_out` | 500 TIMEOUT; `isExecuted` likewise |
| `unavailable` | 503 MAINTENANCE for single requests, while the status says Ok; `isExecuted` likewise |
| `cancel_deferred` | cancels are answered 202 without a body, and executed after the delay |
| `depth_lags` | GET /depth shows the book as it was some seconds ago |
| `history_lags` | histories of orders and fills as of some seconds ago; with `isEndedOnly` without resting orders |
| `account_lags` | positions, collateral and balances over REST are those of some seconds ago |
| `maintenance` | GET /status says Maintenance, and whatever trades or configures is refused with 503 |
| `key_revoked` | the account's requests get 401, its private subscriptions end, and new ones are refused |
| `clock_skewed` | the server's time is off: GET /time and the check of time windows, not the engine |
| `market_state` | a market is in another state, such as Closed or PostOnly |
| `market_unlisted` | a market is closed and shown nowhere; when the fault ends, it is listed at run time |
| `socket_dropped` | connections end without a Close frame |
| `socket_closed` | connections get a Close frame, and end |
| `socket_silent` | connections stay half-open for good: no frame, no ping, no answer, not even to a Close frame |
| `socket_slow` | slow readers: a pause before each frame, and connections for which too much waits are closed |
| `socket_refused` | new connections are answered 503 |
| `frame_dropped` | frames are left out; of a depth stream that is a gap in the ids |
| `frame_duplicated` | frames come twice |
| `frame_reordered` | a frame comes after the next one of the same scope, or after the delay (1 s) when none follows |
| `frame_delayed` | frames come later, each stream in its own order; REST and streams out of the scope overtake them |
| `subscription_refused` | subscriptions get an error frame, private ones if no streams are named |
| `subscription_ignored` | subscriptions are not made, without a word; private ones if no streams are named |
| `order_cancelled` | the exchange cancels `orderId`, or an open order that chance picks |
| `price_traded` | somebody trades through `price`, or the price of `orderId`, or that of an order that chance picks |
| `position_liquidated` | the account's orders expire, and a position is closed whatever the margin says |

Occasions: kinds about requests, frames and subscriptions have one each time that something in their scope happens;
`socket_dropped`, `socket_closed` and `socket_silent` too, if they name streams. Otherwise these three and the last
three of the table have one when they are set and one each second. `probability` decides on each occasion, after the
first `skip` ones; `count` is how often a fault strikes at most (for the six kinds just named once, unless more is
said). The other kinds simply hold until they end. Chance comes from `seed` alone, so that the same occasions in the
same order have the same outcome. `durationSeconds` is measured by the exchange's clock.

Clients made with aiohttp repeat a GET or DELETE by themselves, once, when a kept-alive connection ends: such a client
may not notice a single loss, and a cancel whose answer was lost is sent twice.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any

import msgspec

from backpack_connector.protocol.endpoints import ENDPOINTS, Effect
from backpack_connector.protocol.enums import OrderBookState

from .refusals import Refusal, invalid_request

MAX_DELAY_S = 3_600
MAX_DURATION_S = 366 * 24 * 60 * 60
_MAX_CLOSE_CODE = 4_999
_MAX_DIGITS = 28


class FaultKind(str, Enum):
    """What happens. The table of this module says it in words."""

    REQUEST_DELAYED = "request_delayed"
    ANSWER_DELAYED = "answer_delayed"
    REQUEST_LOST = "request_lost"
    ANSWER_LOST = "answer_lost"
    ANSWER_TRUNCATED = "answer_truncated"
    ANSWER_HTML = "answer_html"
    RATE_LIMITED = "rate_limited"
    TIMED_OUT = "timed_out"
    UNAVAILABLE = "unavailable"
    CANCEL_DEFERRED = "cancel_deferred"
    DEPTH_LAGS = "depth_lags"
    HISTORY_LAGS = "history_lags"
    ACCOUNT_LAGS = "account_lags"
    MAINTENANCE = "maintenance"
    KEY_REVOKED = "key_revoked"
    CLOCK_SKEWED = "clock_skewed"
    MARKET_STATE = "market_state"
    MARKET_UNLISTED = "market_unlisted"
    SOCKET_DROPPED = "socket_dropped"
    SOCKET_CLOSED = "socket_closed"
    SOCKET_SILENT = "socket_silent"
    SOCKET_SLOW = "socket_slow"
    SOCKET_REFUSED = "socket_refused"
    FRAME_DROPPED = "frame_dropped"
    FRAME_DUPLICATED = "frame_duplicated"
    FRAME_REORDERED = "frame_reordered"
    FRAME_DELAYED = "frame_delayed"
    SUBSCRIPTION_REFUSED = "subscription_refused"
    SUBSCRIPTION_IGNORED = "subscription_ignored"
    ORDER_CANCELLED = "order_cancelled"
    PRICE_TRADED = "price_traded"
    POSITION_LIQUIDATED = "position_liquidated"


Delay = Annotated[float, msgspec.Meta(ge=0, le=MAX_DELAY_S)]
Duration = Annotated[float, msgspec.Meta(gt=0, le=MAX_DURATION_S)]
Offset = Annotated[float, msgspec.Meta(ge=-MAX_DURATION_S, le=MAX_DURATION_S)]
Probability = Annotated[float, msgspec.Meta(gt=0, le=1)]


class Fault(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    rename={
        "duration_s": "durationSeconds",
        "delay_s": "delaySeconds",
        "jitter_s": "jitterSeconds",
        "offset_s": "offsetSeconds",
        "is_executed": "isExecuted",
        "is_ended_only": "isEndedOnly",
        "order_id": "orderId",
    },
):
    """One thing that goes wrong: what, where, how often. What does not go with the kind is refused when it is set."""

    kind: FaultKind
    operations: tuple[str, ...] = ()
    """Operation ids, such as execute_order; empty = all that the kind can be about."""
    streams: tuple[str, ...] = ()
    """Names such as depth.SOL_USDC, or beginnings of names: depth, depth.200ms, account.orderUpdate; empty = all."""
    account: str | None = None
    """Public key; None = everybody, and what belongs to nobody."""
    market: str | None = None
    """Symbol; None = all markets, and what belongs to none."""
    probability: Probability | None = None
    """Per occasion; None = 1."""
    count: Annotated[int, msgspec.Meta(ge=1)] | None = None
    skip: Annotated[int, msgspec.Meta(ge=0)] | None = None
    duration_s: Duration | None = None
    """None = until it is ended."""
    seed: int = 0
    delay_s: Delay | None = None
    """How late: a request, an answer, a frame, a cancel, a view."""
    jitter_s: Delay | None = None
    """Chance adds up to this to each delay."""
    offset_s: Offset | None = None
    """What the server's clock is ahead by; negative = behind."""
    is_executed: bool | None = None
    is_ended_only: bool | None = None
    state: OrderBookState | None = None
    price: Decimal | None = None
    quantity: Decimal | None = None
    """Base units; None = all that rests there."""
    order_id: str | None = None
    code: Annotated[int, msgspec.Meta(ge=1_000, le=_MAX_CLOSE_CODE)] | None = None
    """Of the Close frame or the error frame."""
    message: Annotated[str, msgspec.Meta(max_length=100)] | None = None


_OCCASIONS = frozenset({"probability", "count", "skip"})
_DELAY = frozenset({"delay_s", "jitter_s"})
_ALWAYS = frozenset({"kind", "seed", "duration_s"})

ALL_OPERATIONS = frozenset(row.operation_id for row in ENDPOINTS)
CHANGING_OPERATIONS = frozenset(row.operation_id for row in ENDPOINTS if row.effect is not Effect.READS)


@dataclass(frozen=True)
class KindRow:
    """What a kind can be combined with."""

    scope: frozenset[str]
    parameters: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()
    operations: frozenset[str] = frozenset()
    """What the kind can be about."""
    default_count: int | None = None
    has_occasions: bool = True

    @property
    def fields(self) -> frozenset[str]:
        """Return all fields that may be given."""
        return _ALWAYS | self.scope | self.parameters | self.required | (_OCCASIONS if self.has_occasions else set())


def _request(parameters: Iterable[str] = (), required: Iterable[str] = ()) -> KindRow:
    scope = frozenset({"operations", "account", "market"})
    return KindRow(scope, frozenset(parameters), frozenset(required), ALL_OPERATIONS)


def _lag(scope: Iterable[str], *operations: str, parameters: Iterable[str] = ()) -> KindRow:
    return KindRow(
        frozenset(scope), frozenset({"jitter_s", *parameters}), frozenset({"delay_s"}), frozenset(operations)
    )


def _socket(*parameters: str) -> KindRow:
    return KindRow(frozenset({"account", "streams"}), frozenset(parameters), default_count=1)


def _frame(parameters: Iterable[str] = (), required: Iterable[str] = ()) -> KindRow:
    return KindRow(frozenset({"streams", "account", "market"}), frozenset(parameters), frozenset(required))


def _state(scope: Iterable[str] = (), parameters: Iterable[str] = (), required: Iterable[str] = ()) -> KindRow:
    return KindRow(frozenset(scope), frozenset(parameters), frozenset(required), has_occasions=False)


def _act(scope: Iterable[str], parameters: Iterable[str] = (), required: Iterable[str] = ()) -> KindRow:
    return KindRow(frozenset(scope), frozenset(parameters), frozenset(required), default_count=1)


KINDS: Mapping[FaultKind, KindRow] = {
    FaultKind.REQUEST_DELAYED: _request({"jitter_s"}, {"delay_s"}),
    FaultKind.ANSWER_DELAYED: _request({"jitter_s"}, {"delay_s"}),
    FaultKind.REQUEST_LOST: _request(_DELAY),
    FaultKind.ANSWER_LOST: _request(_DELAY),
    FaultKind.ANSWER_TRUNCATED: _request(),
    FaultKind.ANSWER_HTML: _request({"is_executed"}),
    FaultKind.RATE_LIMITED: _request({"is_executed"}),
    FaultKind.TIMED_OUT: _request({"is_executed"}),
    FaultKind.UNAVAILABLE: _request({"is_executed"}),
    FaultKind.CANCEL_DEFERRED: _lag({"operations", "account", "market"}, "cancel_order", "cancel_open_orders"),
    FaultKind.DEPTH_LAGS: _lag({"market"}, "get_depth"),
    FaultKind.HISTORY_LAGS: _lag(
        {"operations", "account", "market"}, "get_order_history", "get_fills", parameters={"is_ended_only"}
    ),
    FaultKind.ACCOUNT_LAGS: _lag({"operations", "account"}, "get_positions", "get_collateral", "get_balances"),
    FaultKind.MAINTENANCE: KindRow(
        frozenset({"operations"}), frozenset({"message"}), operations=CHANGING_OPERATIONS, has_occasions=False
    ),
    FaultKind.KEY_REVOKED: _state(required={"account"}),
    FaultKind.CLOCK_SKEWED: _state(required={"offset_s"}),
    FaultKind.MARKET_STATE: _state(required={"market", "state"}),
    FaultKind.MARKET_UNLISTED: _state(required={"market"}),
    FaultKind.SOCKET_DROPPED: _socket(),
    FaultKind.SOCKET_CLOSED: _socket("code", "message"),
    FaultKind.SOCKET_SILENT: _socket(),
    FaultKind.SOCKET_SLOW: _state({"account"}, {"jitter_s"}, {"delay_s"}),
    FaultKind.SOCKET_REFUSED: KindRow(frozenset()),
    FaultKind.FRAME_DROPPED: _frame(),
    FaultKind.FRAME_DUPLICATED: _frame(),
    FaultKind.FRAME_REORDERED: _frame(_DELAY),
    FaultKind.FRAME_DELAYED: _frame({"jitter_s"}, {"delay_s"}),
    FaultKind.SUBSCRIPTION_REFUSED: _frame({"code", "message"}),
    FaultKind.SUBSCRIPTION_IGNORED: _frame(),
    FaultKind.ORDER_CANCELLED: _act({"account", "market"}, {"order_id"}),
    FaultKind.PRICE_TRADED: _act({"account", "market"}, {"order_id", "price", "quantity"}),
    FaultKind.POSITION_LIQUIDATED: _act({"market"}, required={"account"}),
}

WIRE_NAMES: Mapping[str, str] = {field.name: field.encode_name for field in msgspec.structs.fields(Fault)}
_AT = re.compile(r" - at `\$(?:\[(\d+)\])?\.?(.*)`$")


def kind_sentences() -> dict[str, str]:
    """Return what each kind does, from the table of this module; nothing where Python has left out docstrings."""
    return dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", __doc__ or "", re.MULTILINE))


def read_faults(text: bytes | str) -> list[Fault]:
    """Read the JSON text of a list of faults.

    Raises:   Refusal with one sentence about the first mistake.
    """
    try:
        faults = msgspec.json.decode(text, type=list[Fault])
    except msgspec.ValidationError as error:
        raise invalid_request(_sentence(str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid_request(f"Faults must be a JSON list: {str(error)[:200]}") from None
    for number, fault in enumerate(faults):
        try:
            check_fault(fault)
        except Refusal as refusal:
            raise invalid_request(f"Fault {number + 1}: {refusal.message}") from None
    return faults


def _sentence(text: str) -> str:
    """Return what is wrong with JSON that was not a list of faults, with the place in front."""
    found = _AT.search(text)
    what = _AT.sub("", text)
    if found is None or found[1] is None:
        return f"Faults must be a JSON list: {what}"
    return f"Fault {int(found[1]) + 1}{f', {found[2]}' if found[2] else ''}: {what}"


def check_fault(fault: Fault) -> None:
    """Check one fault, whoever made it, as far as that needs no exchange.

    Raises:   Refusal with one sentence.
    """
    _check_values(fault)
    row = KINDS[fault.kind]
    given = {name for name in WIRE_NAMES if getattr(fault, name) not in (None, ())}
    for name in sorted(given - row.fields):
        raise invalid_request(f"`{WIRE_NAMES[name]}` does not go with {fault.kind.value}")
    for name in sorted(row.required - given):
        raise invalid_request(f"{fault.kind.value} needs `{WIRE_NAMES[name]}`")
    for operation in fault.operations:
        if operation not in row.operations:
            raise invalid_request(f"{fault.kind.value} cannot be about the operation {operation!r}")
    if fault.price is not None and (fault.market is None or fault.order_id is not None):
        raise invalid_request(f"{fault.kind.value} at a `price` needs a `market`, and no `orderId`")


def _check_values(fault: Fault) -> None:
    numbers: list[Any] = [getattr(fault, name) for name in WIRE_NAMES]
    if any(isinstance(number, (float, Decimal)) and not math.isfinite(number) for number in numbers):
        raise invalid_request("All numbers must be finite")
    for number in (fault.price, fault.quantity):
        if number is not None and not _is_usable(number):
            raise invalid_request("`price` and `quantity` must be decimals above zero, of at most 28 digits")
    try:
        # A script can put anything into a struct; this checks types and limits as for JSON.
        msgspec.convert(msgspec.to_builtins(fault), type=Fault)
    except (msgspec.ValidationError, TypeError) as error:
        raise invalid_request(_AT.sub(r" (\2)", str(error))) from None


def _is_usable(number: Decimal) -> bool:
    return number > 0 and abs(number.adjusted()) < _MAX_DIGITS and len(number.as_tuple().digits) <= _MAX_DIGITS
