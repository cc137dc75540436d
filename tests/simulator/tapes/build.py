"""Build the small tape of captured samples: `python -m tests.simulator.tapes.build`.

Every body and every frame is what the exchange sent (tests/samples), in the order below. They were captured on
different days, so the times of arrival are made up: a tenth of a second apart. Between the snapshot and the depth frame
many updates are missing, which the tape's reader has to notice.
"""

import json
from pathlib import Path
from typing import Any

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
TAPE = Path(__file__).with_name("captured_samples.tape.jsonl")
_START_US = 1_791_043_256_000_000
_STEP_US = 100_000

_MARKETS = ("get_market.btc_perpetual.200", "get_market.sol_perpetual.200")
_SNAPSHOT = "get_depth.200"
_FRAMES = (
    *(f"mark_price.subscription_{number}" for number in range(1, 4)),
    "book_ticker.subscription_1",
    "trade",
    *(f"mark_price.subscription_{number}" for number in range(4, 7)),
    "depth",
    "ticker",
)


def sample(folder: str, name: str) -> Any:
    return json.loads((SAMPLES / folder / f"{name}.json").read_text(encoding="utf-8"))


def rows() -> list[dict[str, Any]]:
    """Return the rows of the tape without their times."""
    snapshot = sample("rest", _SNAPSHOT)
    return [
        {"operation": "get_markets", "query": {}, "body": [sample("rest", name)["body"] for name in _MARKETS]},
        {"operation": "get_depth", "query": {"symbol": "BTC_USDC_PERP"}, "body": snapshot["body"]},
        *(sample("ws", name)["frame"] for name in _FRAMES),
        {"note": "end"},
    ]


def text() -> str:
    """Return the whole tape."""
    source = "https://api.backpack.exchange"
    header = {"tape": 1, "source": source, "symbols": ["BTC_USDC_PERP"], "startedUs": _START_US}
    timed = [{"t": _START_US + number * _STEP_US, **row} for number, row in enumerate(rows())]
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in [header, *timed])


if __name__ == "__main__":
    TAPE.write_text(text(), encoding="utf-8")
