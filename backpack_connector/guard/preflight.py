"""Find out before the watch begins whether the guard could do what it is for."""

from collections.abc import Iterable

from backpack_connector.client.rest import BackpackClient
from backpack_connector.protocol.errors import BackpackError, ConfigurationError, RequestError
from backpack_connector.protocol.models import MarketName, read_rows

from .canceller import is_refusal_of_key, open_orders
from .reports import Reports

_NO_ORDER = "0"


async def check_key(client: BackpackClient, reports: Reports, *, is_dry_run: bool) -> None:
    """Ask whether the key may look and cancel. An exchange that cannot be reached is reported, and no reason to stop.

    Raises:   ConfigurationError when the exchange refuses the key.
    """
    try:
        await open_orders(client)
        if not is_dry_run:
            # An order that cannot exist: a key that may cancel is told so, a key that may not is refused.
            await client.request("cancel_order", {"symbol": "SOL_USDC", "orderId": _NO_ORDER})
    except BackpackError as error:
        if is_refusal_of_key(error):
            raise ConfigurationError(f"The exchange refuses this key, so it could cancel nothing: {error}") from error
        if not (isinstance(error, RequestError) and error.outcome_known):
            reports.say_at_times("exchange", "trouble", f"The exchange cannot be reached now: {error}.")


async def check_markets(client: BackpackClient, symbols: Iterable[str]) -> None:
    """Look for misspelt markets: guarding one that does not exist would guard nothing.

    Raises:   ConfigurationError for a symbol that the exchange does not list.
    """
    symbols = list(symbols)
    if not symbols:
        return
    try:
        rows, _ = read_rows(MarketName, await client.request("get_markets"), "get_markets")
    except BackpackError:
        return  # what cannot be checked now is taken as it is
    listed = {row.symbol for row in rows}
    for symbol in symbols:
        if symbol not in listed:
            raise ConfigurationError(
                f"{symbol!r} is no market of the exchange; its names look like SOL_USDC and SOL_USDC_PERP."
            )
