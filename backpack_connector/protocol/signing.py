"""Sign requests and subscriptions with an ED25519 key, and verify such signatures.

Rule 1: what is signed is `instruction=…`, the parameters sorted by name, `timestamp=…` and `window=…`, joined by `&`.
Rule 2: values appear as they are sent, without URL encoding; only booleans are written `true` and `false`.
Rule 3: absent parameters (None) are neither sent nor signed.
Rule 4: in a batch each order carries its own instruction, and one time stamp ends the whole.
Rule 5: keys are parsed once, and no `repr`, message or traceback shows a secret.
Source: API §1.2 to §1.7.
"""

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from typing import Any

from nacl.bindings import crypto_sign, crypto_sign_BYTES, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from .errors import ConfigurationError
from .units import decimal_text

DEFAULT_WINDOW_MS = 5_000
MAX_WINDOW_MS = 60_000
SUBSCRIBE_INSTRUCTION = "subscribe"

_KEY_BYTES = 32
_EXPORTED_KEY_BYTES = 64

Fields = Mapping[str, Any]


def value_text(value: Any) -> str:
    """Return the text of one parameter as it is signed and as a query carries it.

    Raises:   ConfigurationError for a float or any other type whose text on the wire would be a guess.
    """
    if type(value) is str:  # most are, and this is on the way of every order
        return value
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int)):
        return str(value)
    if isinstance(value, Decimal):
        return decimal_text(value)
    raise ConfigurationError(f"A parameter of type {type(value).__name__} cannot be sent; use text or Decimal.")


def present_fields(fields: Fields | None) -> dict[str, Any]:
    """Return the fields without those that are None, sorted by name."""
    return {name: fields[name] for name in sorted(fields) if fields[name] is not None} if fields else {}


def signing_text(instruction: str, fields: Fields | None, timestamp_ms: int, window_ms: int) -> str:
    """Return the text that a signature covers for one request."""
    return text_to_sign(instruction, [parameters_text(present_fields(fields))], timestamp_ms, window_ms)


def batch_signing_text(instruction: str, batch: Sequence[Fields], timestamp_ms: int, window_ms: int) -> str:
    """Return the text that a signature covers for a list of orders."""
    texts = [parameters_text(present_fields(fields)) for fields in batch]
    return text_to_sign(instruction, texts, timestamp_ms, window_ms)


def parameters_text(fields: Fields) -> str:
    """Return what is signed of parameters that are sorted and present, each after a `&`."""
    return "".join([f"&{name}={value_text(value)}" for name, value in fields.items()])


def text_to_sign(
    instruction: str, parameters_texts: Iterable[str], timestamp_ms: int | str, window_ms: int | str
) -> str:
    """Return the text that a signature covers, from the `parameters_text` of each order, or of the whole request."""
    parts = f"&instruction={instruction}".join(parameters_texts)
    return f"instruction={instruction}{parts}&timestamp={timestamp_ms}&window={window_ms}"


class Credentials:
    """An API key with its secret, parsed once and ready to sign.

    Raises:   ConfigurationError with one sentence that names the field and says what to paste.
    """

    __slots__ = ("_secret", "api_key")

    def __init__(self, api_key: str, api_secret: str) -> None:
        public_key = _key_bytes(api_key, "API key", "the key that Backpack lists, 44 characters ending in =")
        secret = _key_bytes(api_secret, "API secret", "the secret that Backpack showed once, 44 characters ending in =")
        derived, self._secret = crypto_sign_seed_keypair(secret[:_KEY_BYTES])
        if derived != public_key:
            if bytes(SigningKey(public_key[:_KEY_BYTES]).verify_key) == secret[:_KEY_BYTES]:
                raise ConfigurationError("The API key and the API secret are swapped; paste each into the other field.")
            raise ConfigurationError(
                "The API secret does not belong to this API key; paste the two values that Backpack showed together."
            )
        self.api_key = base64.b64encode(derived).decode()

    def __repr__(self) -> str:
        return "Credentials(<hidden>)"

    def sign(self, text: str) -> str:
        """Return the base64 signature of a text."""
        # The binding under SigningKey.sign, which would copy message and signature once more.
        signature = crypto_sign(text.encode(), self._secret)[:crypto_sign_BYTES]
        return binascii.b2a_base64(signature, newline=False).decode()

    def headers(
        self,
        instruction: str,
        parameters_texts: Iterable[str],
        timestamp_ms: int,
        window_ms: int = DEFAULT_WINDOW_MS,
    ) -> dict[str, str]:
        """Return the four authentication headers for the `parameters_text` of a request, or of each of its orders.

        Source:   API §1.3, §1.4.
        """
        stamp, window = str(timestamp_ms), str(window_ms)
        return {
            "X-API-Key": self.api_key,
            "X-Signature": self.sign(text_to_sign(instruction, parameters_texts, stamp, window)),
            "X-Timestamp": stamp,
            "X-Window": window,
        }

    def subscription_signature(self, timestamp_ms: int, window_ms: int = DEFAULT_WINDOW_MS) -> list[str]:
        """Return the four texts that a SUBSCRIBE to private streams carries. Source: API §1.7."""
        text = signing_text(SUBSCRIBE_INSTRUCTION, None, timestamp_ms, window_ms)
        return [self.api_key, self.sign(text), str(timestamp_ms), str(window_ms)]


def is_signed_by(public_key: str, signature: str, text: str) -> bool:
    """Tell whether a base64 signature of a text was made with the secret of a base64 public key."""
    try:
        verify_key = VerifyKey(base64.b64decode(public_key, validate=True))
        verify_key.verify(text.encode(), base64.b64decode(signature, validate=True))
    except (BadSignatureError, binascii.Error, ValueError, TypeError):
        return False
    return True


def generate_key_pair(seed: bytes | None = None) -> "tuple[str, str]":
    """Return a new base64 key pair, (API key, API secret); 32 bytes of seed make it reproducible."""
    signing_key = SigningKey(seed) if seed is not None else SigningKey.generate()
    public_key = base64.b64encode(bytes(signing_key.verify_key)).decode()
    return public_key, base64.b64encode(bytes(signing_key)).decode()


def _key_bytes(text: Any, field: str, what_to_paste: str) -> bytes:
    if text is None or (isinstance(text, str) and not text.strip()):
        raise ConfigurationError(f"The {field} is empty; paste {what_to_paste}.")
    if not isinstance(text, str):
        raise ConfigurationError(f"The {field} is not text; paste {what_to_paste}.")
    try:
        key = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        # `from None`: the library's message could quote the text.
        raise ConfigurationError(f"The {field} is not base64 text; paste {what_to_paste}.") from None
    if len(key) == _KEY_BYTES or (len(key) == _EXPORTED_KEY_BYTES and field == "API secret"):
        return key
    raise ConfigurationError(
        f"The {field} holds {len(key)} bytes instead of {_KEY_BYTES}; paste {what_to_paste}, complete."
    )
