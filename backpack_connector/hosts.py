"""Know where the exchange is reached, and where the local simulator is."""

import os
from functools import lru_cache
from urllib.parse import urlsplit

from backpack_connector.protocol.errors import ConfigurationError

REST_URL = "https://api.backpack.exchange"
WS_URL = "wss://ws.backpack.exchange"

SIMULATOR_URL_VARIABLE = "BACKPACK_SIMULATOR_URL"
DEFAULT_SIMULATOR_URL = "http://127.0.0.1:8700"


def simulator_url() -> str:
    """Return the base URL of the local simulator, without a trailing slash.

    Raises:   ConfigurationError when the variable is no http URL.
    """
    url = os.environ.get(SIMULATOR_URL_VARIABLE, "").strip() or DEFAULT_SIMULATOR_URL
    return checked_url(url, SIMULATOR_URL_VARIABLE)


@lru_cache(maxsize=16)  # every request asks; what raises is not kept
def checked_url(url: str, name: str) -> str:
    """Return a base URL without a trailing slash; `name` is what the user calls it.

    Raises:   ConfigurationError when it is no http URL.
    """
    if not _is_http_url(url):
        raise ConfigurationError(f"{name} must be a URL such as {DEFAULT_SIMULATOR_URL}, not {url!r}.")
    return url.rstrip("/")


def _is_http_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return is_url and not any(character.isspace() for character in text)
