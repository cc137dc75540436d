"""Check who sent a request: headers, time window and signature, with the exchange's own answers.

The signing text is rebuilt from the parsed values, so that JSON white space and key order do not matter (API §1.4).
"""

import base64
import binascii
import heapq
from collections.abc import Mapping, Sequence
from typing import Any

from backpack_connector.protocol.endpoints import Endpoint
from backpack_connector.protocol.errors import ConfigurationError, ErrorCode
from backpack_connector.protocol.signing import (
    DEFAULT_WINDOW_MS,
    MAX_WINDOW_MS,
    SUBSCRIBE_INSTRUCTION,
    batch_signing_text,
    is_signed_by,
    signing_text,
)
from backpack_connector.protocol.units import MILLISECONDS_PER_SECOND

from .refusals import UNAUTHORIZED, Refusal, invalid_request

Fields = Mapping[str, Any]

_KEY_BYTES = 32
_SIGNATURE_BYTES = 64
_MAX_CLOCK_DIFFERENCE_MS = 10 * 60 * MILLISECONDS_PER_SECOND
_MAX_DIGITS = 20
_USED = "Request has been received before"
_AUTHENTICATION_HEADERS = ("X-API-Key", "X-Signature", "X-Timestamp")


def authenticate_request(
    headers: Mapping[str, str], endpoint: Endpoint, fields: Fields | Sequence[Fields], now_ms: int
) -> str:
    """Return the public key that signed a request.

    Shape:    `fields` are the parsed query or body, a list of them for a batch.
    Raises:   Refusal. Source: API §1.4, §1.6, §4.4.
    """
    assert endpoint.instruction is not None
    if not any(name in headers for name in _AUTHENTICATION_HEADERS):
        raise Refusal(ErrorCode.UNAUTHORIZED, "Unauthorized", UNAUTHORIZED)
    public_key, signature = _key_and_signature(headers.get("X-API-Key", ""), headers.get("X-Signature", ""))
    timestamp_ms, window_ms = _check_times(
        headers.get("X-Timestamp", ""), headers.get("X-Window", str(DEFAULT_WINDOW_MS)), now_ms
    )
    try:
        if isinstance(fields, Mapping):
            text = signing_text(endpoint.instruction, _effective(fields), timestamp_ms, window_ms)
        else:
            text = batch_signing_text(endpoint.instruction, fields, timestamp_ms, window_ms)
    except ConfigurationError:
        # A value that no signature can cover, such as a nested object.
        raise invalid_request("Invalid signature") from None
    return _checked(public_key, signature, text)


class UsedSignatures:
    """The signatures of commands whose time window is still open; each commands once.

    Whoever has read a request cannot send it again. An equal command needs another time stamp, because equal texts have
    equal signatures. Questions change nothing and may be repeated, and so may subscriptions (API §1.7).
    """

    def __init__(self) -> None:
        self._used: set[bytes] = set()
        self._ends: list[tuple[int, bytes]] = []

    def __len__(self) -> int:
        return len(self._used)

    def use(self, endpoint: Endpoint, headers: Mapping[str, str], now_ms: int) -> None:
        """Use the signature of an authenticated request.

        Raises:   Refusal when it has been used. The rule and its text are choices (ARCHITECTURE.md, D91).
        """
        if endpoint.is_safe_to_repeat:
            return
        while self._ends and self._ends[0][0] < now_ms:
            self._used.remove(heapq.heappop(self._ends)[1])
        # The bytes, because base64 can be spelled in several ways.
        signature = base64.b64decode(headers["X-Signature"])
        if signature in self._used:
            raise invalid_request(_USED)
        end_ms = int(headers["X-Timestamp"]) + int(headers.get("X-Window", DEFAULT_WINDOW_MS))
        self._used.add(signature)
        heapq.heappush(self._ends, (end_ms, signature))


def authenticate_subscription(signature: Any, now_ms: int) -> str:
    """Return the public key that signed a SUBSCRIBE to private streams.

    Raises:   Refusal. Source: API §1.7: four texts - key, signature, time stamp, window.
    """
    if not isinstance(signature, list) or len(signature) != 4 or not all(isinstance(text, str) for text in signature):
        raise invalid_request("Invalid signature")
    timestamp_ms, window_ms = _check_times(signature[2], signature[3], now_ms)
    return _checked(signature[0], signature[1], signing_text(SUBSCRIBE_INSTRUCTION, None, timestamp_ms, window_ms))


def _effective(fields: Fields) -> Fields:
    # API §1.4: with both ids the order id counts and the client id is not part of what is verified, so that a
    # signature over both fails.
    if "orderId" in fields and "clientId" in fields:
        return {name: value for name, value in fields.items() if name != "clientId"}
    return fields


def _key_and_signature(public_key: str, signature: str) -> tuple[str, str]:
    if not _is_base64_of(public_key, _KEY_BYTES):
        raise invalid_request("Invalid X-API-Key Header")
    if not _is_base64_of(signature, _SIGNATURE_BYTES):
        raise invalid_request("Invalid X-Signature Header")
    return public_key, signature


def _is_base64_of(text: str, length: int) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == length
    except (binascii.Error, ValueError):
        return False


def _check_times(timestamp: str, window: str, now_ms: int) -> tuple[int, int]:
    timestamp_ms = _whole_number(timestamp, "X-Timestamp")
    window_ms = _whole_number(window, "X-Window")
    if abs(now_ms - timestamp_ms) > _MAX_CLOCK_DIFFERENCE_MS:
        raise invalid_request("Invalid timestamp: must be within 10 minutes of current time")
    if window_ms > MAX_WINDOW_MS:
        raise invalid_request(f"Invalid window: must not exceed {MAX_WINDOW_MS}")
    if now_ms > timestamp_ms + window_ms:
        raise invalid_request("Request has expired")
    return timestamp_ms, window_ms


def _whole_number(text: str, header: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise invalid_request(f"Invalid {header} Header")
    return int(text)


def _checked(public_key: str, signature: str, text: str) -> str:
    if not is_signed_by(public_key, signature, text):
        raise invalid_request("Invalid signature")
    # One account per key, whichever way its base64 was spelled.
    return base64.b64encode(base64.b64decode(public_key)).decode()
