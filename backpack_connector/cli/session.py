"""Open the client that a command uses, and turn what goes wrong into one sentence and an exit code."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar
from urllib.parse import urlsplit

import typer

from backpack_connector import hosts
from backpack_connector.client.credentials import API_KEY_VARIABLE, SECRET_KEY_VARIABLE, Found, find_credentials
from backpack_connector.protocol.errors import BackpackError, ConfigurationError, NoAnswer, RequestError
from backpack_connector.protocol.signing import Credentials

if TYPE_CHECKING:
    from backpack_connector.client.rest import BackpackClient

UrlOption = Annotated[str | None, typer.Option("--url", help="Another address of the REST interface.")]
SimulatorOption = Annotated[bool, typer.Option("--simulator", help="Talk to the local simulator.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Print the signed request, and do not send it.")]

# The parser's own error, of which BadParameter is one kind.
UsageError: type[Exception] = typer.BadParameter.__mro__[1]

MISSING = (
    "API credentials are not configured. Try: backpack config set; "
    f"or set {API_KEY_VARIABLE} and {SECRET_KEY_VARIABLE} in the environment."
)

_T = TypeVar("_T")
_LOCAL = ("127.0.0.1", "::1", "localhost")


class Declined(BackpackError):
    """Something that was not done, because its user said no."""


def base_url(url: str | None, is_simulator: bool) -> str:
    """Return the address that a command talks to.

    Raises:   a usage error when both ways of naming it are used, or it is no URL.
    """
    if url is not None and is_simulator:
        raise UsageError("Give either --url or --simulator, not both.")
    try:
        if is_simulator:
            return hosts.simulator_url()
        return hosts.REST_URL if url is None else hosts.checked_url(url, "--url")
    except ConfigurationError as error:
        raise UsageError(str(error)) from None


def is_local(url: str) -> bool:
    """Tell whether an address is on this machine, so that no real money is behind it."""
    return urlsplit(url).hostname in _LOCAL


def run_with_client(
    use: "Callable[[BackpackClient], Awaitable[_T]]", url: str, *, credentials: Credentials | None = None
) -> _T:
    """Open a client, hand it over, and return what comes of it."""
    from backpack_connector.client.rest import BackpackClient

    async def run() -> _T:
        async with BackpackClient(url=url, credentials=credentials) as client:
            return await use(client)

    return asyncio.run(run())


def required_keys() -> Found:
    """Return the key pair that is configured, and where it is from.

    Raises:   ConfigurationError saying how to configure one, when there is none.
    """
    found = find_credentials()
    if found is None:
        raise ConfigurationError(MISSING)
    return found


def credentials_for(*, is_signed: bool) -> Credentials | None:
    """Return the keys for a signed operation, None for a public one.

    Raises:   ConfigurationError when there are none.
    """
    return required_keys().credentials if is_signed else None


def checked(check: Callable[[], _T]) -> _T:
    """Return what a check returns.

    Raises:   a usage error with its sentence when the input is wrong.
    """
    try:
        return check()
    except ConfigurationError as error:
        raise UsageError(str(error)) from None


def confirm(question: str, *, yes: bool, url: str) -> None:
    """Ask on a terminal before something real is done; on this machine, with --yes, or without a terminal, do not.

    Raises:   Declined when the answer is no.
    """
    if yes or is_local(url) or not sys.stdin.isatty():
        return
    ask(f"{question} at {url}?")


def confirm_withdrawal(question: str, url: str) -> None:
    """Ask before money leaves, always, and on a terminal only: nothing that runs by itself may answer.

    Raises:   Declined when the answer is no; a usage error without a terminal.
    """
    if not sys.stdin.isatty():
        raise UsageError("A withdrawal is confirmed on a terminal, by you. There is no option to leave that out.")
    ask(f"{question} at {url}?")


def ask(question: str) -> None:
    """Ask on a terminal.

    Raises:   Declined when the answer is no.
    """
    if not typer.confirm(question, err=True):
        raise Declined("Nothing was done: you said no.")


_NO_ANSWER = "See whether you are connected, and `backpack doctor`."
_BY_CLASS = {
    "AuthenticationRefused": "Look at `backpack config get`, and at what the key may do on the website.",
    "ClockSkew": "See `backpack doctor`, which compares the clocks.",
    "InsufficientFunds": "See `backpack account balances` and `backpack account max-order`.",
    "OrderNotFound": "It may have ended: see `backpack order history`.",
    "OutcomeUnknown": "See `backpack order list` and `backpack order history`.",
    "RateLimited": "An account has 2000 requests a minute, and 30 of those that ask for a past time; wait a minute.",
    "Unavailable": "See `backpack system status`, and try again later.",
}
_BY_CODE = {
    "INVALID_ASSET": "See `backpack market assets`; capitals count.",
    "INVALID_TWO_FACTOR_CODE": "Only an address on the account's list that needs no second factor can be withdrawn to "
    "from here: add it on the website.",
}
_BY_WORDS = {
    "market symbol": "See `backpack market list`; names are written as there, such as SOL_USDC, and capitals count.",
    "`blockchain`": "Networks are written like Solana or Ethereum; `backpack market assets --format json` has all.",
    "failed to parse": "See the command's --help for how it is written.",
}


def advice(error: BackpackError) -> str:
    """Return what to do about an error, as one more sentence, or nothing."""
    if isinstance(error, NoAnswer):
        is_here = any(name in str(error) for name in _LOCAL)
        text = "If the simulator does not run, `backpack simulate` starts it." if is_here else _NO_ANSWER
    else:
        code, words = (error.code or "", error.message) if isinstance(error, RequestError) else ("", "")
        by_words = (text for part, text in _BY_WORDS.items() if part in words.lower())
        text = _BY_CODE.get(code) or _BY_CLASS.get(type(error).__name__) or next(by_words, "")
    return f" {text}" if text else ""
