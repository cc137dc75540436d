"""Look once, and say what the guard would do; nothing is changed."""

import json
from collections.abc import Callable
from decimal import Decimal

from backpack_connector.client.rest import BackpackClient
from backpack_connector.order_journal import Journal
from backpack_connector.protocol.errors import ConfigurationError, WireFormatError
from backpack_connector.protocol.models import OrderHead
from backpack_connector.protocol.units import decimal_text

from .alarms import Sighting
from .canceller import Canceller, key_of, open_orders, rows_of
from .folder import JournalFolder
from .loss_limit import LossLimit, TransferSum
from .loss_watch import LossWatch
from .preflight import check_markets
from .reports import Reports
from .watchdog import Options


async def check(
    options: Options, client: BackpackClient, account: str, write: Callable[[str], None], *, as_json: bool
) -> bool:
    """Write what every bot is doing and which orders would be cancelled; return whether there are any.

    The age of a sign of life is taken from the clock of this machine, as a single look has nothing else to compare.

    Raises:   RequestError or WireFormatError when the exchange does not tell; ConfigurationError for the folder.
    """
    try:
        ours, _ = JournalFolder(options.folder, account, options.markets).look()
    except OSError as error:
        raise ConfigurationError(f"{options.folder} cannot be read: {error.strerror or error}.") from None
    await check_markets(client, options.markets)
    rows, is_complete = await open_orders(client)
    if not is_complete:
        raise WireFormatError("get_open_orders: an order cannot be read.")
    worth = await _worth(client)
    silent = {sighting.bot for sighting, journal in ours if _is_silent(sighting, journal, options.heartbeat_s)}
    canceller = Canceller(client, Reports(lambda _: None), is_exclusive=options.is_exclusive, is_dry_run=True)
    canceller.aim([], posting=[], spared=[sighting for sighting, _ in ours if sighting.bot not in silent])
    found = []
    for sighting, journal in ours:
        records = {key_of(record): record for record in sighting.orders}
        own = canceller.own_rows(records, rows) if sighting.bot in silent else rows_of(records, rows)
        found.append((sighting, journal, own))
    if as_json:
        bots = [_as_json(*one, is_silent=one[0].bot in silent) for one in found]
        write(json.dumps({"bots": bots, "openOrders": len(rows), "worth": decimal_text(worth)}))
    else:
        write(f"The account is worth {decimal_text(worth)} USDC and has {len(rows)} open orders.")
        for one in found:
            write(_as_text(*one, is_silent=one[0].bot in silent))
        if not found:
            write(f"No bot of this account has a journal in {options.folder}.")
    return any(own for sighting, _, own in found if sighting.bot in silent)


def _is_silent(sighting: Sighting, journal: Journal, heartbeat_s: float) -> bool:
    return bool(sighting.orders) and journal.beat_age_s >= heartbeat_s


async def _worth(client: BackpackClient) -> Decimal:
    watch = LossWatch(client, Reports(lambda _: None), LossLimit(Decimal(1)), TransferSum(known=set()))
    return (await watch.value()).amount


def _as_json(sighting: Sighting, journal: Journal, own: list[OrderHead], *, is_silent: bool) -> dict[str, object]:
    return {
        "bot": sighting.bot,
        "pid": journal.pid,
        "isAlive": sighting.is_alive,
        "beatAgeSeconds": round(journal.beat_age_s, 3),
        "isSilent": is_silent,
        "openOrders": [{"orderId": row.id, "symbol": row.symbol, "side": row.side} for row in own],
    }


def _as_text(sighting: Sighting, journal: Journal, own: list[OrderHead], *, is_silent: bool) -> str:
    process = f"process {journal.pid} runs" if sighting.is_alive else "its process is gone"
    fate = "would be cancelled" if is_silent else "are left alone"
    orders = f"{len(own)} of its orders are open and {fate}" if own else "none of its orders is open"
    return f"{sighting.bot}: {process}, last sign of life {journal.beat_age_s:.0f} s ago; {orders}."
