"""Decide whether a connector's requests may take the quick way, and say in one sentence why not."""

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

if TYPE_CHECKING:
    from backpack_connector.http_client import HttpClient


def fast_client(base_url: str, warn: Callable[[str], object]) -> "HttpClient | None":
    """Return a client for the requests to a host, or None where they are left to aiohttp; `warn` is told why."""
    try:
        from backpack_connector.http_client import HttpClient, can_be_asked
    except ModuleNotFoundError as error:
        if error.name != "httptools":
            raise
        warn(
            "BACKPACK_HTTP=fast needs the package httptools: install it with `pip install httptools`. aiohttp is used."
        )
        return None
    if _has_proxy(base_url):
        warn("BACKPACK_HTTP=fast knows no proxies, and the environment names one. aiohttp is used.")
        return None
    if not can_be_asked(base_url):
        warn("BACKPACK_HTTP=fast takes plain base URLs only. aiohttp is used.")
        return None
    return HttpClient(base_url)


def _has_proxy(base_url: str) -> bool:
    parts = urlsplit(base_url)
    proxies = getproxies()
    is_named = bool(proxies.get(parts.scheme) or proxies.get("all"))
    return is_named and not proxy_bypass(parts.netloc.rpartition("@")[2])
