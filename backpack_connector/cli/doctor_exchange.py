"""Look for what is wrong between this machine and the exchange: connections, clocks, the key and what it may do.

Nothing is placed. Whether a key may trade is asked with the cancel of an order that cannot exist: a key that may only
read is refused with UNAUTHORIZED or FORBIDDEN, any other one hears that there is no such order (API §4.4).
"""

import asyncio
import logging
import time

from backpack_connector.cli.doctor_findings import Finding
from backpack_connector.client import stream as stream_module
from backpack_connector.client.credentials import masked
from backpack_connector.client.rest import BackpackClient
from backpack_connector.client.stream import BackpackStream
from backpack_connector.protocol.enums import SystemStatus
from backpack_connector.protocol.errors import (
    AuthenticationRefused,
    BackpackError,
    NoAnswer,
    OrderNotFound,
    RateLimited,
    Refused,
    Unavailable,
)
from backpack_connector.protocol.rest import read_server_time
from backpack_connector.protocol.units import duration_text, seconds_from_ms

TIMEOUT_S = 5.0
TIME_QUESTIONS = 3
"""The quickest of them counts: it says most exactly when the exchange's clock was read."""
CLOCK_WARNING_S, CLOCK_PROBLEM_S = 1.0, 5.0
"""From the second on, a program that signs with this machine's time is refused (API §1.6)."""
TRADED_MARKET, NO_ORDER = "SOL_USDC", str(2**63 - 1)

_UNASKED = ("clock", "stream", "key", "permission")


async def exchange_findings(client: BackpackClient, key_origin: str, *, is_simulator: bool) -> list[Finding]:
    """Return what there is to say about the exchange, and about the key if the client has one."""
    reached, offset = await check_reachable(client, is_simulator=is_simulator)
    if offset is None:
        return [reached, *(Finding(name, "skipped", "There was no answer to go on with.") for name in _UNASKED)]
    findings = [reached, offset, await check_stream(client)]
    if client.credentials is None:
        return findings
    key = await check_key(client, key_origin)
    if key.state != "ok":
        return [*findings, key, Finding("permission", "skipped", "The key is not accepted.")]
    return [*findings, key, await check_permission(client)]


async def check_reachable(client: BackpackClient, *, is_simulator: bool) -> tuple[Finding, Finding | None]:
    """Return whether the exchange answers and works, and how far this machine's clock is from its clock."""
    best_s, offset_s = float("inf"), 0.0
    try:
        for _ in range(TIME_QUESTIONS):
            asked_s, started_s = time.time(), time.monotonic()
            server_s = seconds_from_ms(read_server_time(await client.get_time()))
            taken_s = time.monotonic() - started_s
            if taken_s < best_s:
                best_s, offset_s = taken_s, server_s - asked_s - taken_s / 2
        state = await client.get_status()
    except BackpackError as error:
        return _unreachable(error, client.url, is_simulator=is_simulator), None
    reached = Finding("exchange", "ok", f"{client.url} answers in {duration_text(best_s)}.")
    if state.status is not SystemStatus.OK:
        found = f"{client.url} answers, and says: {state.status.value}, {state.message or 'no reason given'}."
        reached = Finding("exchange", "warning", found, "Wait: orders are refused until it is over.")
    return reached, clock_finding(offset_s, best_s)


def _unreachable(error: BackpackError, url: str, *, is_simulator: bool) -> Finding:
    if is_simulator and isinstance(error, NoAnswer):
        return Finding(
            "exchange",
            "problem",
            f"The simulator does not answer at {url}: {error.message}.",
            "Start it in another terminal with `backpack simulate`, or point BACKPACK_SIMULATOR_URL at it.",
        )
    advice = "Something between here and there answers in its place, such as a proxy or a login page: find it."
    for kind, text in (
        (NoAnswer, "Look at this machine's network: names, proxy, firewall, VPN."),
        (Unavailable, "Wait and ask again; the exchange's status page and channels say how long it takes."),
        (RateLimited, "Other programs of this address use up its requests: stop them, or wait a minute."),
        (Refused, "The exchange does not serve every country and network: leave VPNs, look at its terms."),
    ):
        if isinstance(error, kind):
            advice = text
            break
    return Finding("exchange", "problem", f"{url} cannot be used: {error}.", advice)


def clock_finding(offset_s: float, taken_s: float) -> Finding:
    """Judge the difference of the clocks, of which half the time of the question may be an error of the measurement."""
    off_s = max(0.0, abs(offset_s) - taken_s / 2)
    if off_s <= CLOCK_WARNING_S:
        return Finding("clock", "ok", f"This machine's clock is right to {duration_text(off_s + taken_s / 2)}.")
    return Finding(
        "clock",
        "problem" if off_s >= CLOCK_PROBLEM_S else "warning",
        f"This machine's clock is {duration_text(abs(offset_s))} {'behind' if offset_s > 0 else 'ahead of'} "
        "the exchange's.",
        "Switch on time synchronisation (Linux: timedatectl set-ntp true). This package signs with the exchange's, "
        "but candles, logs and other programs use this one.",
    )


async def check_stream(client: BackpackClient) -> Finding:
    """Tell whether a connection for streams can be opened."""
    log = logging.getLogger(stream_module.__name__)
    was_disabled, log.disabled = log.disabled, True  # the finding says it
    try:
        async with BackpackStream(client) as stream:
            await asyncio.wait_for(stream.wait_connected(), TIMEOUT_S)
    except asyncio.TimeoutError:
        return Finding(
            "stream",
            "problem",
            f"{client.ws_url} does not take a connection within {TIMEOUT_S:.0f} s.",
            "REST works, so look for a proxy or firewall that does not let WebSocket connections through.",
        )
    finally:
        log.disabled = was_disabled
    return Finding("stream", "ok", f"{client.ws_url} takes connections.")


async def check_key(client: BackpackClient, origin: str) -> Finding:
    """Tell whether the exchange accepts the key."""
    assert client.credentials is not None
    name = f"the key {masked(client.credentials.api_key)} from {origin}"
    try:
        await client.get_account()
    except AuthenticationRefused as error:
        return Finding(
            "key",
            "problem",
            f"The exchange does not accept {name}: {error}.",
            "It was deleted or belongs elsewhere, as keys of the simulator do: compare it with Settings > API Keys on "
            "the website, and give the right one with `backpack config set`.",
        )
    except BackpackError as error:
        return Finding("key", "warning", f"It is not known whether {name} is accepted: {error}.", "Try again.")
    return Finding("key", "ok", f"The exchange accepts {name}.")


async def check_permission(client: BackpackClient) -> Finding:
    """Tell whether the key may trade."""
    try:
        await client.cancel_order(TRADED_MARKET, order_id=NO_ORDER)
    except OrderNotFound:
        pass
    except AuthenticationRefused as error:
        return Finding(
            "permission",
            "problem",
            f"The key may read, and not trade: {error}.",
            "Create a key with the permission to trade on the website; bots cannot work with this one.",
        )
    except BackpackError as error:
        found = f"It is not known whether the key may trade: {error}."
        return Finding("permission", "warning", found, "Try again; the website shows what each key may do.")
    # Not found, or accepted to be looked for (202): either way the key was not refused.
    return Finding("permission", "ok", "The key may change orders.")
