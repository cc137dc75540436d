"""Write README's short tables out of the long ones: faults by group from docs/reliability.md, some paths of speed."""

import re
from collections.abc import Iterable, Mapping, Sequence

from tests.benchmarks.contestants import BUILT_IN, OURS
from tests.benchmarks.report import number, times
from tests.benchmarks.results import Results, read_results
from tests.benchmarks.rows import ROWS
from tests.benchmarks.runner import Rounds, figure
from tests.chaos import table
from tests.chaos.fault_plans import MIXTURE, NONE

FAULT_GROUPS: Mapping[str, Sequence[str]] = {
    "nothing": (NONE,),
    "requests and answers are late or lost": (
        "request_delayed", "answer_delayed", "request_lost", "answer_lost", "answer_truncated",
    ),
    "502, 429, 500 TIMEOUT, 503, asked or done": ("answer_html", "rate_limited", "timed_out", "unavailable"),
    "cancels deferred, REST seconds behind": ("cancel_deferred", "depth_lags", "history_lags", "account_lags"),
    "maintenance, key revoked, clock off, market closed or gone": (
        "maintenance", "key_revoked", "clock_skewed", "market_state", "market_unlisted",
    ),
    "connections drop, close, fall silent, lag, are refused": (
        "socket_dropped", "socket_closed", "socket_silent", "socket_slow", "socket_refused",
    ),
    "messages of streams are lost, doubled, in the wrong order, late": (
        "frame_dropped", "frame_duplicated", "frame_reordered", "frame_delayed",
    ),
    "subscriptions are refused or ignored": ("subscription_refused", "subscription_ignored"),
    "the exchange cancels, sweeps through prices, liquidates": (
        "order_cancelled", "price_traded", "position_liquidated",
    ),
    "several of these at the same time": (MIXTURE,),
}  # fmt: skip
"""README's rows, and the kinds of fault of each."""

PATHS: Mapping[tuple[str, str], str] = {
    ("orders-normal", "server_us"): "`buy()` until the request is at the server",
    ("orders-normal", "call_us"): "`buy()` itself, which sends before it returns",
    ("cancel-normal", "server_us"): "`cancel()` until the request is at the server",
    ("ten-normal", "batch_us"): "ten orders in one batch call, the last one at the server",
    ("cancel_all", "ms"): "`cancel_all` of 100 orders, 50 ms round trip",
    ("books-small", "us"): "a depth frame until the book has it, 20 pairs",
    ("fills", "us_20_60"): "a fill frame until its event, 20 orders open, 60 ended",
    ("start-20", "s"): "start until ready, 20 pairs, 50 ms round trip",
    ("poll", "calls_2"): "requests of a status poll, 20 open orders",
    ("garbage", "ms"): "pause by a full garbage collection, with `BACKPACK_GC_FREEZE=yes`",
}
"""README's rows by experiment and metric; the worst ratio is among them."""

_ROW = re.compile(r"^\| (?P<what>[^|]+) \| (?P<ours>\d+ of \d+)[^|]* \| (?P<builtin>\d+ of \d+)[^|]* \|$", re.MULTILINE)


def faults_short(text: str | None = None) -> str:
    """Return in how many runs something was wrong, by group of faults."""
    measured = table.written() if text is None else text
    cells = {match["what"]: (match["ours"], match["builtin"]) for match in _ROW.finditer(measured)}
    columns = re.search(r"^\| what breaks \|.*$", measured, re.MULTILINE)
    assert columns is not None, "docs/reliability.md has no table"
    rows = [
        f"| {name} | {' | '.join(_sum(cells[table.IN_WORDS[kind]][side] for kind in kinds) for side in (0, 1))} |"
        for name, kinds in FAULT_GROUPS.items()
    ]
    return "\n".join([columns[0], "|---|---|---|", *rows])


def benchmarks_short(results: Results | None = None) -> str:
    """Return some paths of the last complete run of the benchmarks."""
    results = results or read_results()
    assert results is not None, "there is no complete run of the benchmarks"
    lines = ["| path | this connector | Hummingbot's own | times better |", "|---|---|---|---|"]
    for row in ROWS:
        name = PATHS.get((row.experiment, row.metric))
        rounds = results.rounds.get(row.experiment, Rounds())
        ours, builtin = figure(rounds.of(OURS, row.metric)), figure(rounds.of(BUILT_IN, row.metric))
        if name is not None and ours is not None and builtin is not None:
            unit = "" if row.unit == "calls" else f" {row.unit}"
            shown = [f"{number(found.median)}{unit}" for found in (ours, builtin)]
            lines.append(f"| {name} | {shown[0]} | {shown[1]} | {times(rounds, row, BUILT_IN)} |")
    return "\n".join(lines)


def _sum(cells: Iterable[str]) -> str:
    pairs = [tuple(map(int, cell.split(" of "))) for cell in cells]
    return f"{sum(pair[0] for pair in pairs)} of {sum(pair[1] for pair in pairs)}"
