"""Turn an operation with its parameters into a request, and an answer into data or a typed error."""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from enum import Enum
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

    Raises:   ConfigurationError when a value cannot be sent.
    """
    present = body_fields(fields)
    return ReadyBody(parameters_text(present), _encode(present))


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
    if not endpoint.sends_body:
        query = query_fields(_single(parameters))
        texts = [parameters_text(query)]
    elif endpoint.is_batch:
        bodies = [_ready(fields) for fields in _batch(parameters)]
        body = b"[" + b",".join([one.json for one in bodies]) + b"]"
        texts = [one.signed_text for one in bodies]
    else:
        whole = parameters if isinstance(parameters, ReadyBody) else ready_body(_single(parameters))
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
    if parameters is None or isinstance(parameters, Mapping):
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
