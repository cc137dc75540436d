"""Read the files under tests/samples for the tests of the protocol, and bound their property tests."""

import json
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings

FOLDER = Path(__file__).resolve().parents[1] / "samples"

BOUNDED = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
"""Few examples, always the same ones: these tests take a second or two in all."""


def sample(path: str) -> Any:
    """Return a file of the samples folder."""
    return json.loads((FOLDER / path).read_text(encoding="utf-8"))


def body(name: str) -> Any:
    """Return the body of a REST sample, such as `get_fills.spot_buy.200`."""
    return sample(f"rest/{name}.json")["body"]


def frame(name: str) -> Any:
    """Return the frame of a stream sample, such as `order_update.market_fill`."""
    return sample(f"ws/{name}.json")["frame"]


def names(folder: str, beginning: str = "") -> list[str]:
    """Return the names of the samples in `rest` or `ws`, without suffix, that begin with a text."""
    return sorted(path.stem for path in (FOLDER / folder).glob(f"{beginning}*.json"))
