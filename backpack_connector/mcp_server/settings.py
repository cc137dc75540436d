"""Read how the server is started: the command line says what it may do, and nothing else does."""

import argparse
import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NoReturn

from backpack_connector import __version__
from backpack_connector.hosts import REST_URL, checked_url, simulator_url
from backpack_connector.protocol.errors import ConfigurationError, WireFormatError, shown
from backpack_connector.protocol.units import decimal_from_text

from .limits import Limits
from .tools import GROUPS, USUAL_GROUPS

TOKEN_VARIABLE = "BACKPACK_MCP_TOKEN"
LEAST_TOKEN_SIGNS = 16
DEFAULT_PORT = 8711
_DEFAULT = Limits()


@dataclass(frozen=True)
class Settings:
    """How one run of the server was started."""

    url: str = REST_URL
    allows_trading: bool = False
    allows_withdrawals: bool = False
    addresses: frozenset[str] = frozenset()
    """The only addresses that may be withdrawn to."""
    limits: Limits = field(default_factory=Limits)
    groups: tuple[str, ...] = USUAL_GROUPS
    share: Decimal = Decimal("0.5")
    """Of the account's request pools; the rest is left to bots."""
    http_port: int | None = None
    """None for stdio."""
    host: str = "127.0.0.1"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigurationError(f"{message[:1].upper()}{message[1:]}.")


def read_settings(arguments: Sequence[str] | None = None) -> Settings:
    """Read the command line.

    Raises:   ConfigurationError with one sentence for what makes no sense; SystemExit after --help and --version.
    """
    given = _parser().parse_args(arguments)
    if given.url is not None and given.simulator:
        raise ConfigurationError("Give either --url or --simulator, not both.")
    if given.allow_withdrawals and not given.withdrawal_address:
        raise ConfigurationError("--allow-withdrawals needs at least one --withdrawal-address.")
    if given.withdrawal_address and not given.allow_withdrawals:
        raise ConfigurationError("--withdrawal-address has no effect without --allow-withdrawals.")
    if not ipaddress.ip_address(given.host).is_loopback:
        raise ConfigurationError("--host has to be a loopback address such as 127.0.0.1; use a tunnel from elsewhere.")
    return Settings(
        url=simulator_url() if given.simulator else REST_URL if given.url is None else checked_url(given.url, "--url"),
        allows_trading=given.allow_trading,
        allows_withdrawals=given.allow_withdrawals,
        addresses=frozenset(given.withdrawal_address),
        limits=Limits(
            order_notional=given.max_order,
            session_notional=given.max_session,
            withdrawal_notional=given.max_withdrawals,
            orders_per_minute=given.max_orders_per_minute,
            calls_per_minute=given.max_calls_per_minute,
            quantities=_quantities(given.max_quantity),
            markets=frozenset(given.market),
        ),
        groups=_groups(given.groups),
        share=Decimal(given.share) / 100,
        http_port=given.port if given.http else None,
        host=given.host,
    )


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="backpack-mcp",
        description="Offer Backpack to agents over the Model Context Protocol: read-only unless you allow more."
        " Keys come from BACKPACK_API_KEY and BACKPACK_SECRET_KEY, or from the file that `backpack config set` writes.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--version", action="version", version=f"backpack-mcp {__version__}")
    add("--url", help="another address of the REST interface")
    add("--simulator", action="store_true", help="talk to the local simulator")
    add(
        "--allow-trading", action="store_true", help="let agents place and cancel orders, lend, borrow, change settings"
    )
    add("--allow-withdrawals", action="store_true", help="let agents withdraw, to the listed addresses only")
    add("--withdrawal-address", action="append", default=[], metavar="ADDRESS", help="can be repeated")
    add("--max-order", type=_amount, default=_DEFAULT.order_notional, metavar="USDC", help=_most("one order"))
    add("--max-session", type=_amount, default=_DEFAULT.session_notional, metavar="USDC", help=_most("all orders"))
    add(
        "--max-withdrawals",
        type=_amount,
        default=_DEFAULT.withdrawal_notional,
        metavar="USDC",
        help=_most("all withdrawals"),
    )
    add(
        "--max-quantity",
        type=_quantity,
        action="append",
        default=[],
        metavar="NAME=AMOUNT",
        help="of one order, for a market or an asset, such as SOL=2; can be repeated",
    )
    add("--market", action="append", default=[], metavar="SYMBOL", help="orders in this market only; can be repeated")
    add("--max-orders-per-minute", type=_count, default=_DEFAULT.orders_per_minute, metavar="N", help="default 10")
    add("--max-calls-per-minute", type=_count, default=_DEFAULT.calls_per_minute, metavar="N", help="default 120")
    add("--share", type=_percent, default=50, metavar="PERCENT", help="of the account's request limits; default 50")
    add("--groups", default=",".join(USUAL_GROUPS), help=f"tools to offer: all, or some of {', '.join(GROUPS)}")
    add("--http", action="store_true", help=f"serve streamable HTTP, with the token in {TOKEN_VARIABLE}; else stdio")
    add("--host", type=_address, default="127.0.0.1", help="a loopback address, for --http")
    add("--port", type=_port, default=DEFAULT_PORT, help="for --http; 0 takes any free port; default %(default)s")
    return parser


def _most(what: str) -> str:
    return f"worth of {what} at most; default %(default)s"


def _amount(text: str) -> Decimal:
    try:
        amount = decimal_from_text(text)
    except WireFormatError:
        amount = Decimal(-1)
    if amount <= 0:
        raise argparse.ArgumentTypeError(f"has to be an amount above zero such as 250, not {shown(text)}")
    return amount


def _quantity(text: str) -> tuple[str, Decimal]:
    name, separator, amount = text.partition("=")
    if not separator or not re.fullmatch(r"[A-Za-z0-9._]{1,64}", name):
        raise argparse.ArgumentTypeError(f"is written like SOL=2 or SOL_USDC=2, not {shown(text)}")
    return name, _amount(amount)


def _quantities(given: Sequence[tuple[str, Decimal]]) -> dict[str, Decimal]:
    names = [name for name, _ in given]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigurationError(f"--max-quantity names {twice} twice; which of them holds?")
    return dict(given)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= 10_000 or len(text) > 9:
        raise argparse.ArgumentTypeError(f"has to be a whole number from 1 to 10000, not {shown(text)}")
    return int(text)


def _percent(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:4]) <= 100:
        raise argparse.ArgumentTypeError(f"has to be a whole number from 1 to 100, not {shown(text)}")
    return int(text)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text[:6]) > 65_535:
        raise argparse.ArgumentTypeError(f"has to be a port from 0 to 65535, not {shown(text)}")
    return int(text)


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address("127.0.0.1" if text == "localhost" else text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"has to be an address such as 127.0.0.1, not {shown(text)}") from None


def _groups(text: str) -> tuple[str, ...]:
    if text == "all":
        return GROUPS
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in GROUPS]
    if unknown or not names:
        raise ConfigurationError(f"--groups takes all, or some of {', '.join(GROUPS)}, not {shown(text)}.")
    return tuple(name for name in GROUPS if name in names)
