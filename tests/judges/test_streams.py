"""Every frame has the keys that the official text about streams gives its event, and every event is seen.

The text is part of the OpenAPI file (tag "Streams"): one block of JSON with comments for each event. Where the exchange
sends something else, a row below says so, with the section of the API facts.
"""

import re
from collections import defaultdict
from functools import cache
from typing import Any

import pytest

from tests.judges.specification import specification
from tests.judges.walk import Judge

Keys = frozenset[str]

ORDER_EVENTS = (
    "orderAccepted",
    "orderCancelled",
    "orderExpired",
    "orderFill",
    "orderModified",
    "triggerFailed",
    "triggerPlaced",
)
POSITION_EVENTS = ("positionAdjusted", "positionClosed", "positionOpened")
# Since 2026-08, so not in the file. Source: API §3.4.
BALANCE_UPDATE = frozenset("eEaALST")
# Keys that a frame may lack. Those of orders depend on the order (the text's own list; `Q` comes with ordinary orders
# too, though not with every waiting one: API §6, conflict 7, and the captured order_update.trigger_cancelled). In a
# request for quotes either quantity may be missing, and a client id where the user gave none.
OF_SOME_ORDERS = frozenset("cqQpPBabjkdgYRtlLmnNIHy")
OF_SOME_QUOTES = frozenset("CqQ")
ONLY_IN = {
    # On triggerFailed too: an inference that simulator/frames.py explains.
    ("orderExpired", "triggerFailed"): frozenset("R"),
    ("orderFill",): frozenset("lLmnN"),
}
# Keys that the text does not have: `r` since 2025-02 and the deprecated `l` of positions. Source: API §3.4.
ALSO_SENT = {
    **dict.fromkeys(ORDER_EVENTS, frozenset("r")),
    **dict.fromkeys(POSITION_EVENTS, frozenset("l")),
    # "Either `q` or `Q` will be present": the examples have one of them.
    **dict.fromkeys(("rfqActive", "rfqCancelled", "rfqFilled"), frozenset("qQ")),
}


@cache
def documented() -> dict[str, list[Keys]]:
    """Return the sets of keys that the text gives an event."""
    (text,) = (tag["description"] for tag in specification()["tags"] if tag["name"] == "Streams")
    found: dict[str, list[Keys]] = defaultdict(list)
    for block in re.findall(r"^\{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL):
        event = re.search(r'^  "e": "(\w+)"', block, re.MULTILINE)
        if event is not None:
            found[event[1]].append(frozenset(re.findall(r'^  "(\w+)":', block, re.MULTILINE)))
    found |= {event: found["orderAccepted"] for event in ORDER_EVENTS}
    found |= {event: found["positionOpened"] for event in POSITION_EVENTS}
    return {**found, "balanceUpdate": [BALANCE_UPDATE]}


def optional(event: str) -> Keys:
    if event in ORDER_EVENTS:
        return OF_SOME_ORDERS
    return OF_SOME_QUOTES if event.startswith(("rfq", "quote")) else frozenset()


def complaints(data: dict[str, Any]) -> list[str]:
    """Say in which keys a frame's data differs from every form that the text gives its event."""
    # The first frame of a position has no event (API §3.4).
    event = data.get("e", "positionOpened")
    keys = frozenset(data) | {"e"}
    if event not in documented():
        return [f"{event} is not documented"]
    found = [
        f"{event}: {sorted(keys - form - also)} not documented, {sorted(form - keys - optional(event))} missing"
        for form in documented()[event]
        for also in [ALSO_SENT.get(event, frozenset())]
        if keys - form - also or form - keys - optional(event)
    ]
    wrong = [
        f"{event} has {sorted(keys & own)}, which belong to {owners}"
        for owners, own in ONLY_IN.items()
        if event in ORDER_EVENTS and event not in owners and keys & own
    ]
    return wrong + (found if len(found) == len(documented()[event]) else [])


def test_every_frame_has_the_keys_of_its_event(judge: Judge) -> None:
    found = {text for frame in judge.frames if "data" in frame for text in complaints(frame["data"])}
    assert not found, "\n".join(sorted(found))


def test_every_documented_event_is_seen(judge: Judge) -> None:
    seen = {frame["data"].get("e") for frame in judge.frames if "data" in frame}
    assert set(documented()) - seen == set()
    assert None in seen, "no first frame of a position"


@pytest.mark.parametrize(
    "data",
    [
        {"e": "openInterest", "E": 1, "s": "SOL_USDC_PERP"},
        {"e": "openInterest", "E": 1, "s": "SOL_USDC_PERP", "o": "1", "T": 1},
        {"e": "nothing"},
        dict.fromkeys((*documented()["orderAccepted"][0], "r"), 1) | {"e": "orderAccepted"},
    ],
)
def test_wrong_frames_are_seen(data: dict[str, Any]) -> None:
    assert complaints(data)
