"""Turn an operation with its parameters into a request, and an answer into data or a typed error."""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from enum import Enum
from functools import lru_cache
from typing import Any

import msgspec

from .endpoints import Endpoint
from .errors import ConfigurationError, WireFormatError, error_from_answer, shown
from .signing import DEFAULT_WINDOW_MS, Credentials, Fields, parameters_text, present_fields, value_text
from .units import decimal_text

BODY_CONTENT_TYPE = "application/json; charset=utf-8"
BROKER_HEADER = "X-BROKER-ID"

TEXT_OPERATIONS = frozenset({"get_time", "ping"})
"""What they answer is plain text. Source: API §2.0."""
_TIME_DIGITS = 13
"""Of milliseconds since the epoch, from 2001 to 2286. Fewer are what is left of an answer that was cut off: as a time
they lie decades back, and every request would carry them."""

# JSON numbers become Decimal from their text: documentation and wire disagree on where numbers are quoted.
_DECODER = msgspec.json.Decoder(float_hook=Decimal)
# Beside malformed text: an exponent beyond Decimal, nesting beyond the stack, half of a surrogate pair.
_UNREADABLE = (msgspec.DecodeError, InvalidOperation, RecursionError, UnicodeEncodeError)


_encode = msgspec.json.Encoder().encode


class ReadyBody(msgspec.Struct, frozen=True):
    """One set of parameters, rendered once: what is signed of it, and the JSON that is sent."""

    signed_text: str
    json: bytes


Parameters = Fields | Sequence[Fields | ReadyBody] | ReadyBody | None


class RestRequest(msgspec.Struct, frozen=True):
    """What to send: the host only joins `path` to its base URL and may add headers that are not signed."""

    operation_id: str
    method: str
    path: str
    query: dict[str, str]
    body: bytes | None
    headers: dict[str, str]


def wire_value(value: Any) -> Any:
    """Return a parameter as a JSON body carries it: decimals as plain text, words of closed sets as text.

    Raises:   ConfigurationError for a float, whose text would be a guess.
    """
    if type(value) is str:
        return value
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, (str, bool, int)):
        return value
    raise ConfigurationError(f"A parameter of type {type(value).__name__} cannot be sent; use text or Decimal.")


def query_fields(fields: Fields | None) -> dict[str, str]:
    """Return the parameters of a query: absent ones left out, sorted, everything as text."""
    return {name: value_text(value) for name, value in present_fields(fields).items()}


def body_fields(fields: Fields | None) -> dict[str, Any]:
    """Return the parameters of a JSON body: absent ones left out, sorted, decimals as text."""
    return {name: wire_value(value) for name, value in present_fields(fields).items()}


def ready_body(fields: Fields | None) -> ReadyBody:
    """Return the parameters of one body or of one order of a batch, ready to be signed and sent.

    This is on the way of every order: a plain limit order has a form of its own, and for all others the names were
    sorted when their combination was first seen. It gives what `parameters_text` and `body_fields` give.

    Raises:   ConfigurationError when a value cannot be sent.
    """
    if fields and len(fields) == _FIELDS_OF_A_LIMIT_ORDER and (ready := _limit_order(fields)):
        return ready
    names, text = _form(tuple(fields)) if fields else ((), "")
    values: list[Any] = []
    has_flags = False
    for name in names:
        value = fields[name]  # type: ignore[index]  # without fields there are no names
        kind = type(value)
        if kind is str or kind is int:
            values.append(value)
        elif kind is Decimal:
            values.append(decimal_text(value))
        elif isinstance(value, str):
            values.append(str.__str__(value))  # of a word of a closed set its text
        elif value is None:
            return ready_body(present_fields(fields))
        else:
            has_flags |= kind is bool
            values.append(wire_value(value))
    texts = map(value_text, values) if has_flags else values
    sent = dict(zip(names, values))  # noqa: B905 - there is one value for each name
    return ReadyBody(text % tuple(texts), _encode(sent))


_FIELDS_OF_A_LIMIT_ORDER = 7


def _limit_order(fields: Fields) -> ReadyBody | None:
    """Return the body of an order with these seven fields, sorted here by hand; None for any other set of fields."""
    try:
        client_id, price, quantity = fields["clientId"], fields["price"], fields["quantity"]
        words = (fields["orderType"], fields["side"], fields["symbol"], fields["timeInForce"])
    except KeyError:
        return None
    if type(client_id) is not int or type(price) is not Decimal or type(quantity) is not Decimal:
        return None
    try:
        kind, side, symbol, force = map(_plain, words)
    except TypeError:  # one that cannot be hashed is no word
        return None
    if not (kind and side and symbol and force):
        return None
    price, quantity = decimal_text(price), decimal_text(quantity)
    return ReadyBody(
        f"&clientId={client_id}&orderType={kind}&price={price}&quantity={quantity}"
        f"&side={side}&symbol={symbol}&timeInForce={force}",
        f'{{"clientId":{client_id},"orderType":"{kind}","price":"{price}","quantity":"{quantity}",'
        f'"side":"{side}","symbol":"{symbol}","timeInForce":"{force}"}}'.encode(),
    )


@lru_cache(maxsize=1024)
def _plain(word: Any) -> str:
    """Return the text of a word that JSON writes as it is; empty text for any other."""
    if not isinstance(word, str):
        return ""
    text = str.__str__(word)
    return text if text.replace("_", "").replace(".", "").isalnum() and text.isascii() else ""


@lru_cache(maxsize=256)
def _form(names: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """Return names sorted, and what is signed of their values in this order, each after a `&`."""
    ordered = tuple(sorted(names))
    return ordered, "".join([f"&{name.replace('%', '%%')}=%s" for name in ordered])


def build_request(
    endpoint: Endpoint,
    parameters: Parameters = None,
    *,
    credentials: Credentials | None = None,
    timestamp_ms: int | None = None,
    window_ms: int = DEFAULT_WINDOW_MS,
) -> RestRequest:
    """Return the request of one operation, signed when the operation is.

    Shape:    `parameters` is one mapping, or a sequence of mappings for a batch; or what `ready_body` made of each.
    Raises:   ConfigurationError when credentials or time are missing for a signed operation, or a value cannot be sent.
    Source:   API §1.3, §1.4.
    """
    query: dict[str, str] = {}
    body: bytes | None = None
    if endpoint.method == "GET":  # all others send a body
        query = query_fields(_single(parameters))
        texts = [parameters_text(query)]
    elif endpoint.is_batch:
        bodies = [_ready(fields) for fields in _batch(parameters)]
        body = b"[" + b",".join([one.json for one in bodies]) + b"]"
        texts = [one.signed_text for one in bodies]
    else:
        whole = parameters if type(parameters) is ReadyBody else ready_body(_single(parameters))
        body, texts = whole.json, [whole.signed_text]
    headers: dict[str, str] = {}
    if endpoint.instruction is not None:
        if credentials is None or timestamp_ms is None:
            raise ConfigurationError(f"{endpoint.operation_id} is signed: it needs an API key and the server's time.")
        headers = credentials.headers(endpoint.instruction, texts, timestamp_ms, window_ms)
    if body is not None:
        headers["Content-Type"] = BODY_CONTENT_TYPE
    return RestRequest(endpoint.operation_id, endpoint.method, endpoint.path, query, body, headers)


def _ready(fields: Fields | ReadyBody) -> ReadyBody:
    return fields if isinstance(fields, ReadyBody) else ready_body(fields)


def _single(parameters: Parameters) -> Fields | None:
    if parameters is None or type(parameters) is dict or isinstance(parameters, Mapping):
        return parameters
    raise ConfigurationError("This operation takes one set of parameters, not a list.")


def _batch(parameters: Parameters) -> Sequence[Fields | ReadyBody]:
    if parameters is None or isinstance(parameters, (Mapping, ReadyBody)) or not parameters:
        raise ConfigurationError("This operation takes a list of at least one order.")
    return parameters


def read_response(operation_id: str, status: int, text: str, *, is_json: bool = True) -> Any:
    """Return the data of an answer: decoded JSON, plain text for ping and time, None for an empty answer.

    Units:    as on the wire; JSON numbers with a point become Decimal.
    Raises:   RequestError (a subclass by meaning) for status 300 or more; WireFormatError for unreadable JSON.
    """
    if status >= 300:
        raise error_from_answer(status, _decoded_or_text(text), operation=operation_id)
    if not text.strip():
        return None
    if not is_json:
        return text
    try:
        return _DECODER.decode(text)
    except _UNREADABLE as error:
        raise WireFormatError(f"{operation_id}: the answer is no JSON ({error})") from error


def _decoded_or_text(text: str) -> Any:
    try:
        return _DECODER.decode(text)
    except _UNREADABLE:
        return text


def read_server_time(answer: Any) -> int:
    """Return the milliseconds that get_time answers.

    Raises:   WireFormatError when it is no number, or one that cannot be the time.
    """
    text = str(answer).strip()
    if not (text.isascii() and text.isdigit() and len(text) == _TIME_DIGITS):
        raise WireFormatError(f"get_time: expected milliseconds, got {shown(answer)}")
    return int(text)
