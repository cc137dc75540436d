"""Let only programs and pages of this machine at what is no part of the exchange: the page, the truth, the controls.

A program on another machine is told by its address. A browser on this machine can be sent here by any web site: a
request that names another host (DNS rebinding), and one that a page from elsewhere has made, are refused.
"""

import ipaddress
import re

from aiohttp import web

# Nothing else than a host and a port, because the page's policy repeats it.
_HOST = re.compile(r"(localhost|[0-9.]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?")


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine and nothing else."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_is_local(request: web.Request) -> None:
    """Check who asks, under which name, and for which page.

    Raises:   HTTPNotFound for other machines, HTTPForbidden for other names and for pages from elsewhere.
    """
    if not is_loopback(request.remote or ""):
        raise web.HTTPNotFound
    if not _is_own_name(request.host):
        raise web.HTTPForbidden(reason="Only a name of this machine leads here")
    # Browsers say where a page is from with everything that is not a plain GET; programs say nothing.
    origin = request.headers.get("Origin")
    if origin is not None and origin != f"http://{request.host}":
        raise web.HTTPForbidden(reason="Pages from elsewhere may not do this")


def is_from_own_page(request: web.Request) -> bool:
    """Tell whether the simulator's page asks: it looks on, and takes nothing from the request limits of the clients."""
    # Browsers set this header themselves, and for other pages to something else.
    return request.headers.get("Sec-Fetch-Site") == "same-origin"


def _is_own_name(host: str) -> bool:
    found = _HOST.fullmatch(host)
    return found is not None and is_loopback(found[1].strip("[]"))
