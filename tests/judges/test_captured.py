"""Every captured answer and frame of the real exchange has the keys and kinds of value of one of the simulator's."""

from typing import Any

import pytest

from tests.judges.walk import Judge
from tests.protocol.samples import names, sample


def differs(ours: Any, real: Any, place: str = "") -> str | None:
    """Say the first difference in keys or kinds of value; null on either side fits anything."""
    if ours is None or real is None:
        return None
    if type(ours) is not type(real):
        return f"{place}: {ours!r} instead of {real!r}"
    if isinstance(real, dict):
        if set(ours) != set(real):
            return f"{place}: only ours {sorted(set(ours) - set(real))}, only real {sorted(set(real) - set(ours))}"
        return next(filter(None, (differs(ours[key], real[key], f"{place}.{key}") for key in real)), None)
    if isinstance(real, list) and ours and real:
        return differs(ours[0], real[0], f"{place}[0]")
    return None


def elements(name: str, body: Any) -> list[Any]:
    """Return the rows of an answer; balances are a map of them."""
    if name.startswith("get_balances"):
        return list(body.values())
    return body if isinstance(body, list) else [body]


def reduced(row: Any, keys: set[str] | None) -> Any:
    """Leave out what the captured row leaves out."""
    return row if keys is None else {key: value for key, value in row.items() if key in keys}


def kind_of(frame: dict[str, Any]) -> tuple[str, str | None]:
    """Return what a frame is: the stream without its market, and the event."""
    if "error" in frame:
        return "error", str(frame["error"]["code"])
    parts = frame["stream"].split(".")
    return ".".join(parts[:2] if parts[0] == "account" else parts[:1]), frame["data"].get("e")


# Samples that say something else than the exchange does today, or that need a fault.
DIFFERENT = {
    "cancel_order.accepted.202": "only a fault makes the simulator late (tests/simulator/test_faults_requests.py)",
    "get_depth.number_id.200": "test data of the official client, which accepts both kinds of id (API §2.3)",
    "get_market.closed_spot.200": "test data of the official client, older than some fields (API §2.2)",
    "get_market.post_only_stock.200": "the same",
    "get_market.without_newer_fields.200": "the same",
    "kline.integer_seconds": "test data of the official client, outdated: times are ISO text (API §6, conflict 6)",
    "rfq_update.active_system": "the exchange itself asks for no quotes in the simulator, so `o` is never sent",
}
REST = [name for name in names("rest") if name not in DIFFERENT]
WS = [name for name in names("ws") if name not in DIFFERENT]


@pytest.mark.parametrize("name", REST)
def test_an_answer(name: str, judge: Judge) -> None:
    real = sample(f"rest/{name}.json")
    ours = judge.answers[name.split(".")[0], real["status"]]
    assert ours, "no such answer in the walk"
    for row in elements(name, real["body"]):
        kept = set(row) if "fields" in real.get("left_out", "") else None
        candidates = [candidate for body in ours for candidate in elements(name, body)]
        found = [differs(reduced(candidate, kept), row) for candidate in candidates]
        assert None in found, set(found)


@pytest.mark.parametrize("name", WS)
def test_a_frame(name: str, judge: Judge) -> None:
    real = sample(f"ws/{name}.json")["frame"]
    ours = [frame for frame in judge.frames if kind_of(frame) == kind_of(real)]
    assert ours, "no such frame in the walk"
    found = [differs(frame, real) for frame in ours]
    assert None in found, set(found)
