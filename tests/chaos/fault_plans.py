"""Choose the faults of a run out of its seed: one kind alone, or a mixture."""

import random
from collections.abc import Callable
from typing import Any

from backpack_connector.protocol.enums import OrderBookState
from backpack_connector.simulator.faults_kinds import Fault, FaultKind
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

LONGEST_LAG_S = 8.0
"""The latest that lists and deferred cancels are; below the age at which an order that no list shows is absent."""
LONGEST_DELAY_S = 12.0
"""Beyond the window in which a request is valid, and beyond the time that the connector waits for an answer."""
LONGEST_DELAY_OF_READS_S = 2.5
"""Requests of the small pool must not arrive so much later than they are sent that the exchange counts more of them
in a minute than the connector has sent in one; the connector's margin is three seconds."""

LONGEST_SKEW_S = 20.0

Parameters = Callable[[random.Random, Venue], dict[str, Any]]


def _requests(chance: random.Random, _: Venue) -> dict[str, Any]:
    return {"operations": chance.choice(_OPERATIONS), "probability": chance.uniform(0.15, 0.6)}


def _late_requests(chance: random.Random, _: Venue) -> dict[str, Any]:
    operations = chance.choice((_ORDERS, _CANCELS, ()))
    longest_s = LONGEST_DELAY_S if operations else LONGEST_DELAY_OF_READS_S
    return {
        "operations": operations,
        "probability": chance.uniform(0.15, 0.6),
        "delay_s": 0.05,
        "jitter_s": chance.uniform(0.1, longest_s),
    }


def _late_answers(chance: random.Random, venue: Venue) -> dict[str, Any]:
    return {**_requests(chance, venue), "delay_s": 0.05, "jitter_s": chance.uniform(0.1, LONGEST_DELAY_S)}


def _errors(chance: random.Random, venue: Venue) -> dict[str, Any]:
    return {**_requests(chance, venue), "is_executed": chance.random() < 0.5}


def _late_cancels(chance: random.Random, _: Venue) -> dict[str, Any]:
    return {"delay_s": chance.uniform(0.1, LONGEST_LAG_S), "probability": chance.choice([0.5, 1.0])}


def _lag(chance: random.Random, _: Venue) -> dict[str, Any]:
    return {"delay_s": chance.uniform(0.5, LONGEST_LAG_S)}


def _late_history(chance: random.Random, venue: Venue) -> dict[str, Any]:
    return {**_lag(chance, venue), "is_ended_only": chance.random() < 0.5}


def _lasting(chance: random.Random, _: Venue) -> dict[str, Any]:
    return {"duration_s": chance.uniform(3, 90)}


def _key(chance: random.Random, venue: Venue) -> dict[str, Any]:
    return {**_lasting(chance, venue), "account": venue.key}


def _clock(chance: random.Random, _: Venue) -> dict[str, Any]:
    return {"offset_s": chance.choice([-1, 1]) * chance.uniform(1, LONGEST_SKEW_S)}


def _closed_market(chance: random.Random, venue: Venue) -> dict[str, Any]:
    states = [OrderBookState.CLOSED, OrderBookState.POST_ONLY, OrderBookState.CANCEL_ONLY, OrderBookState.LIMIT_ONLY]
    return {**_unlisted(chance, venue), "state": chance.choice(states)}


def _unlisted(chance: random.Random, venue: Venue) -> dict[str, Any]:
    return {**_lasting(chance, venue), "market": chance.choice(venue.symbols)}


def _socket(chance: random.Random, venue: Venue) -> dict[str, Any]:
    return {"count": chance.randint(1, 4)} | ({"account": venue.key} if chance.random() < 0.5 else {})


def _slow_socket(chance: random.Random, _: Venue) -> dict[str, Any]:
    return {"delay_s": chance.uniform(0.05, 1.0)}


def _refused_socket(chance: random.Random, _: Venue) -> dict[str, Any]:
    return {"count": chance.randint(1, 4)}


def _frames(chance: random.Random, _: Venue) -> dict[str, Any]:
    return {"streams": chance.choice(_STREAMS), "probability": chance.uniform(0.05, 0.5)}


def _late_frames(chance: random.Random, venue: Venue) -> dict[str, Any]:
    return {**_frames(chance, venue), "delay_s": 0.02, "jitter_s": chance.uniform(0.1, LONGEST_LAG_S)}


def _act(chance: random.Random, venue: Venue) -> dict[str, Any]:
    return {"account": venue.key, "count": 1}


_PARAMETERS: dict[FaultKind, Parameters] = {
    FaultKind.REQUEST_DELAYED: _late_requests,
    FaultKind.ANSWER_DELAYED: _late_answers,
    FaultKind.REQUEST_LOST: _requests,
    FaultKind.ANSWER_LOST: _requests,
    FaultKind.ANSWER_TRUNCATED: _requests,
    FaultKind.ANSWER_HTML: _errors,
    FaultKind.RATE_LIMITED: _errors,
    FaultKind.TIMED_OUT: _errors,
    FaultKind.UNAVAILABLE: _errors,
    FaultKind.CANCEL_DEFERRED: _late_cancels,
    FaultKind.DEPTH_LAGS: _lag,
    FaultKind.HISTORY_LAGS: _late_history,
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
    plan: list[tuple[float, Fault]] = []
    for kind in kinds:
        begins_s = chance.uniform(0.05, 0.7) * duration_s
        if kind in _NEED_A_NEW_CONNECTION:
            plan.append((begins_s + 0.5, _made(FaultKind.SOCKET_DROPPED, {"count": 4}, chance)))
        for _ in range(6 if kind in _ACTS else 1):
            parameters = _PARAMETERS[kind](chance, venue)
            if fault != MIXTURE and not plan:
                begins_s = 0.02 * duration_s
                parameters = _sure_to_strike(kind, parameters)
            elif kind not in HOLDING and chance.random() < 0.5:
                parameters["duration_s"] = chance.uniform(0.05, 0.5) * duration_s
            plan.append((begins_s, _made(kind, parameters, chance)))
            begins_s = chance.uniform(0.05, 0.9) * duration_s
    return sorted(plan, key=lambda entry: entry[0])


def _sure_to_strike(kind: FaultKind, parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of a fault that strikes everywhere."""
    everywhere = {name: value for name, value in parameters.items() if name not in _SCOPE}
    if kind is FaultKind.REQUEST_DELAYED:
        everywhere["jitter_s"] = min(everywhere["jitter_s"], LONGEST_DELAY_OF_READS_S)
    return everywhere


def distance(chance: random.Random) -> list[Fault]:
    """Return what makes the exchange as far away as it really is: every message takes some hundredths of a second."""
    to_s, back_s, stream_s = (chance.uniform(0.002, 0.08) for _ in range(3))
    return [
        _made(FaultKind.REQUEST_DELAYED, {"delay_s": to_s, "jitter_s": to_s}, chance),
        _made(FaultKind.ANSWER_DELAYED, {"delay_s": back_s, "jitter_s": back_s}, chance),
        _made(FaultKind.FRAME_DELAYED, {"delay_s": stream_s, "jitter_s": stream_s}, chance),
    ]


def _made(kind: FaultKind, parameters: dict[str, Any], chance: random.Random) -> Fault:
    return Fault(kind=kind, seed=chance.randrange(2**31), **parameters)
