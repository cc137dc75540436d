"""Choose the faults of a run out of its seed: one kind alone, or a mixture."""

import random
from collections.abc import Callable
from typing import Any

from backpack_connector.protocol.enums import OrderBookState
from backpack_connector.simulator.faults_kinds import Fault, FaultKind
from tests.chaos.hurry import LONGEST_LAG_S
from tests.chaos.venue import Venue

NONE, MIXTURE = "none", "mixture"
FAULTS = (*(kind.value for kind in FaultKind), NONE, MIXTURE)
"""What `--fault` takes."""

HOLDING = ("maintenance", "key_revoked", "clock_skewed", "market_state", "market_unlisted", "socket_slow")
"""These hold for a time instead of striking."""

_ORDERS = ("execute_order", "execute_order_batch")
_CANCELS = ("cancel_order",)
_LISTS = ("get_open_orders", "get_order_history", "get_fills")
_ACCOUNT = ("get_balances", "get_collateral", "get_positions")
_OPERATIONS = ((), _ORDERS, _ORDERS, _CANCELS, _LISTS, _ACCOUNT, ("get_depth",))
_STREAMS = (("account",), ("account.orderUpdate",), ("depth",), ())
_ACTS = (FaultKind.ORDER_CANCELLED, FaultKind.PRICE_TRADED, FaultKind.POSITION_LIQUIDATED)

Parameters = Callable[[random.Random, Venue], dict[str, Any]]


def _requests(chance: random.Random, _: Venue) -> dict[str, Any]:
    return {"operations": chance.choice(_OPERATIONS), "probability": chance.uniform(0.15, 0.6)}


def _late_requests(chance: random.Random, venue: Venue) -> dict[str, Any]:
    return {**_requests(chance, venue), "delay_s": 0.05, "jitter_s": chance.uniform(0.1, LONGEST_LAG_S - 0.05)}


def _errors(chance: random.Random, venue: Venue) -> dict[str, Any]:
    return {**_requests(chance, venue), "is_executed": chance.random() < 0.5}


def _late_cancels(chance: random.Random, _: Venue) -> dict[str, Any]:
    return {"delay_s": chance.uniform(0.05, LONGEST_LAG_S), "probability": chance.choice([0.5, 1.0])}


def _lag(chance: random.Random, _: Venue) -> dict[str, Any]:
    return {"delay_s": chance.uniform(0.2, LONGEST_LAG_S)}


def _lasting(chance: random.Random, _: Venue) -> dict[str, Any]:
    return {"duration_s": chance.uniform(0.3, 1.2)}


def _key(chance: random.Random, venue: Venue) -> dict[str, Any]:
    return {**_lasting(chance, venue), "account": venue.key}


def _clock(chance: random.Random, _: Venue) -> dict[str, Any]:
    return {"offset_s": chance.choice([-1, 1]) * chance.uniform(1, 20)}


def _closed_market(chance: random.Random, venue: Venue) -> dict[str, Any]:
    states = [OrderBookState.CLOSED, OrderBookState.POST_ONLY, OrderBookState.CANCEL_ONLY, OrderBookState.LIMIT_ONLY]
    return {**_unlisted(chance, venue), "state": chance.choice(states)}


def _unlisted(chance: random.Random, venue: Venue) -> dict[str, Any]:
    return {**_lasting(chance, venue), "market": chance.choice(venue.symbols)}


def _socket(chance: random.Random, venue: Venue) -> dict[str, Any]:
    return {"count": chance.randint(1, 4)} | ({"account": venue.key} if chance.random() < 0.5 else {})


def _slow_socket(chance: random.Random, _: Venue) -> dict[str, Any]:
    return {"delay_s": chance.uniform(0.005, 0.03)}


def _refused_socket(chance: random.Random, _: Venue) -> dict[str, Any]:
    return {"count": chance.randint(1, 4)}


def _frames(chance: random.Random, _: Venue) -> dict[str, Any]:
    return {"streams": chance.choice(_STREAMS), "probability": chance.uniform(0.05, 0.5)}


def _late_frames(chance: random.Random, venue: Venue) -> dict[str, Any]:
    return {**_frames(chance, venue), "delay_s": 0.02, "jitter_s": chance.uniform(0.1, LONGEST_LAG_S - 0.02)}


def _act(chance: random.Random, venue: Venue) -> dict[str, Any]:
    return {"account": venue.key, "count": 1}


_PARAMETERS: dict[FaultKind, Parameters] = {
    FaultKind.REQUEST_DELAYED: _late_requests,
    FaultKind.ANSWER_DELAYED: _late_requests,
    FaultKind.REQUEST_LOST: _requests,
    FaultKind.ANSWER_LOST: _requests,
    FaultKind.ANSWER_TRUNCATED: _requests,
    FaultKind.ANSWER_HTML: _errors,
    FaultKind.RATE_LIMITED: _errors,
    FaultKind.TIMED_OUT: _errors,
    FaultKind.UNAVAILABLE: _errors,
    FaultKind.CANCEL_DEFERRED: _late_cancels,
    FaultKind.DEPTH_LAGS: _lag,
    FaultKind.HISTORY_LAGS: _lag,
    FaultKind.ACCOUNT_LAGS: _lag,
    FaultKind.MAINTENANCE: _lasting,
    FaultKind.KEY_REVOKED: _key,
    FaultKind.CLOCK_SKEWED: _clock,
    FaultKind.MARKET_STATE: _closed_market,
    FaultKind.MARKET_UNLISTED: _unlisted,
    FaultKind.SOCKET_DROPPED: _socket,
    FaultKind.SOCKET_CLOSED: _socket,
    FaultKind.SOCKET_SILENT: _socket,
    FaultKind.SOCKET_SLOW: _slow_socket,
    FaultKind.SOCKET_REFUSED: _refused_socket,
    FaultKind.FRAME_DROPPED: _frames,
    FaultKind.FRAME_DUPLICATED: _frames,
    FaultKind.FRAME_REORDERED: _frames,
    FaultKind.FRAME_DELAYED: _late_frames,
    FaultKind.SUBSCRIPTION_REFUSED: _refused_socket,
    FaultKind.SUBSCRIPTION_IGNORED: _refused_socket,
    FaultKind.ORDER_CANCELLED: _act,
    FaultKind.PRICE_TRADED: _act,
    FaultKind.POSITION_LIQUIDATED: _act,
}

# These come into play only when a connection is made, or a book is asked for after that, so a run also ends those
# that are there.
_NEED_A_NEW_CONNECTION = (
    FaultKind.SOCKET_REFUSED,
    FaultKind.SUBSCRIPTION_REFUSED,
    FaultKind.SUBSCRIPTION_IGNORED,
    FaultKind.DEPTH_LAGS,
)
_MIXTURE_SIZE = (3, 6)
_SCOPE = ("operations", "streams")


def planned_faults(fault: str, chance: random.Random, venue: Venue, duration_s: float) -> list[tuple[float, Fault]]:
    """Return the faults of a run, each with the time after the start at which it is set, in seconds."""
    if fault == NONE:
        return []
    if fault == MIXTURE:
        kinds = chance.sample(sorted(_PARAMETERS), chance.randint(*_MIXTURE_SIZE))
    else:
        kinds = [FaultKind(fault)] * chance.randint(2, 3)
    plan = []
    for kind in kinds:
        begins_s = chance.uniform(0.2, duration_s * 0.7)
        if kind in _NEED_A_NEW_CONNECTION:
            plan.append((begins_s + 0.01, _made(FaultKind.SOCKET_DROPPED, {"count": 4}, chance)))
        for _ in range(6 if kind in _ACTS else 1):
            parameters = _PARAMETERS[kind](chance, venue)
            if fault != MIXTURE and not plan:
                # The first one begins early and strikes everywhere, so that it surely strikes.
                begins_s = 0.1
                parameters = {name: value for name, value in parameters.items() if name not in _SCOPE}
            plan.append((begins_s, _made(kind, parameters, chance)))
            begins_s = chance.uniform(0.2, duration_s * 0.9)
    return sorted(plan, key=lambda entry: entry[0])


def _made(kind: FaultKind, parameters: dict[str, Any], chance: random.Random) -> Fault:
    return Fault(kind=kind, seed=chance.randrange(2**31), **parameters)
