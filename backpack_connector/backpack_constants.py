"""State what Hummingbot wants to know about the connector as constants, derived from `protocol`."""

import os

from backpack_connector.protocol.endpoints import endpoint
from backpack_connector.protocol.errors import ConfigurationError, shown

EXCHANGE_NAME = "backpack"
DEFAULT_DOMAIN = "backpack"
SIMULATOR_DOMAIN = "backpack_simulator"

BROKER_ID_VARIABLE = "BACKPACK_BROKER_ID"
DEFAULT_BROKER_ID = "2200"
"""Hummingbot Foundation's: its fee share comes out of the exchange's fee, not out of the user's money."""
_MAX_BROKER_ID = 65_535
EXCLUSIVE_ACCOUNT_VARIABLE = "BACKPACK_EXCLUSIVE_ACCOUNT"
GARBAGE_VARIABLE = "BACKPACK_GC_FREEZE"
WARM_CONNECTIONS_VARIABLE = "BACKPACK_WARM_CONNECTIONS"
_MOST_WARM_CONNECTIONS = 50
WEBSOCKET_VARIABLE = "BACKPACK_WEBSOCKET"
HTTP_VARIABLE = "BACKPACK_HTTP"
_NO_BROKER_WORDS = ("none", "off", "no")

SERVER_TIME_PATH_URL = endpoint("get_time").path
NETWORK_STATUS_PATH_URL = endpoint("get_status").path
MARKETS_PATH_URL = endpoint("get_markets").path

MAX_ORDER_ID_LENGTH = 10
"""Digits of the largest 32-bit number: client ids are uint32 on the wire (API §2.0)."""
HBOT_ORDER_ID_PREFIX = ""

REQUEST_TIMEOUT_S = 10.0
"""After this an answer counts as lost, and the outcome of an order as unknown."""


def broker_id() -> str | None:
    """Return the broker id to send on order placement, or None when the user wants none.

    Raises:   ConfigurationError when the variable holds neither a 16-bit number nor a word for none.
    """
    text = os.environ.get(BROKER_ID_VARIABLE, DEFAULT_BROKER_ID).strip()
    if not text or text.lower() in _NO_BROKER_WORDS:
        return None
    if text.isascii() and text.isdigit() and int(text) <= _MAX_BROKER_ID:
        return text
    raise ConfigurationError(f"{BROKER_ID_VARIABLE} must be a number up to {_MAX_BROKER_ID} or none, not {text!r}.")


def is_account_exclusive() -> bool:
    """Tell whether the user declares that nobody else places orders in the account.

    Raises:   ConfigurationError for a word that is neither yes nor no.
    """
    return _is_yes(EXCLUSIVE_ACCOUNT_VARIABLE)


def is_garbage_set_aside() -> bool:
    """Tell whether the user wants garbage collections to leave out what the process holds when it is ready.

    Raises:   ConfigurationError for a word that is neither yes nor no.
    """
    return _is_yes(GARBAGE_VARIABLE)


def _is_yes(variable: str) -> bool:
    word = os.environ.get(variable, "").strip().lower()
    if word not in ("", "yes", "no"):
        raise ConfigurationError(f"{variable} must be yes or no, not {word!r}.")
    return word == "yes"


def warm_connections() -> int:
    """Return how many connections the user wants to be kept open between orders; none unless asked for.

    Raises:   ConfigurationError for anything but a small whole number.
    """
    text = os.environ.get(WARM_CONNECTIONS_VARIABLE, "").strip() or "0"
    if not (text.isascii() and text.isdigit() and len(text) <= 2 and int(text) <= _MOST_WARM_CONNECTIONS):
        raise ConfigurationError(
            f"{WARM_CONNECTIONS_VARIABLE} must be a whole number from 0 to {_MOST_WARM_CONNECTIONS}, not {shown(text)}."
        )
    return int(text)


def is_picows_wanted() -> bool:
    """Tell whether the user wants the streams to be read with picows instead of aiohttp.

    Raises:   ConfigurationError for any other word.
    """
    word = os.environ.get(WEBSOCKET_VARIABLE, "").strip().lower() or "aiohttp"
    if word not in ("aiohttp", "picows"):
        raise ConfigurationError(f"{WEBSOCKET_VARIABLE} must be aiohttp or picows, not {shown(word)}.")
    return word == "picows"


def is_http_fast() -> bool:
    """Tell whether the user wants requests to go past aiohttp (`http_client`).

    Raises:   ConfigurationError for any other word.
    """
    word = os.environ.get(HTTP_VARIABLE, "").strip().lower() or "aiohttp"
    if word not in ("aiohttp", "fast"):
        raise ConfigurationError(f"{HTTP_VARIABLE} must be aiohttp or fast, not {shown(word)}.")
    return word == "fast"
