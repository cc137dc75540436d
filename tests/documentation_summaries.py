"""Write README's short tables out of the long ones: faults by group from docs/reliability.md, some paths of speed."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tests.benchmarks.contestants import BUILT_IN, OURS
from tests.benchmarks.report import number, times
from tests.benchmarks.results import Results, read_results
from tests.benchmarks.rows import ROWS
from tests.benchmarks.runner import Rounds, figure

RELIABILITY = Path(__file__).parents[1] / "docs" / "reliability.md"

FAULT_GROUPS: Mapping[str, Sequence[str]] = {
    "nothing": ("nothing",),
    "requests and answers are late or lost": (
        "requests arrive late",
        "answers arrive late",
        "requests are lost",
        "answers are lost; what was asked is done",
        "answers break off in the middle",
    ),
    "502, 429, 500 TIMEOUT, 503, asked or done": (
        "502 with a page of the CDN, asked or done",
        "429, asked or done",
        "500 TIMEOUT, asked or done",
        "503, asked or done",
    ),
    "cancels deferred, REST seconds behind": (
        "cancels are accepted now and executed later (202)",
        "order books over REST are seconds old",
        "order and fill histories are seconds old",
        "balances and positions over REST are seconds old",
    ),
    "maintenance, key revoked, clock off, market closed or gone": (
        "maintenance: whatever trades is refused",
        "the key is revoked, and works again later",
        "the exchange's clock is off",
        "a market is closed, post-only, limit-only or cancel-only for a while",
        "a market disappears and is listed again",
    ),
    "connections drop, close, fall silent, lag, are refused": (
        "connections end without a word",
        "connections are closed by the exchange",
        "connections stay open and say nothing",
        "streams fall behind",
        "new connections are refused",
    ),
    "messages of streams are lost, doubled, in the wrong order, late": (
        "messages of streams are lost",
        "messages of streams come twice",
        "messages of streams come in the wrong order",
        "messages of streams come late, REST overtakes them",
    ),
    "subscriptions are refused or ignored": (
        "subscriptions are refused",
        "subscriptions are ignored in silence",
    ),
    "the exchange cancels, sweeps through prices, liquidates": (
        "the exchange cancels orders by itself",
        "the price runs through resting orders",
        "positions are liquidated",
    ),
    "several of these at the same time": ("several of these at the same time",),
}
"""README's rows, and the rows of docs/reliability.md in each."""

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
    measured = RELIABILITY.read_text(encoding="utf-8") if text is None else text
    cells = {match["what"]: (match["ours"], match["builtin"]) for match in _ROW.finditer(measured)}
    columns = re.search(r"^\| what breaks \|.*$", measured, re.MULTILINE)
    assert columns is not None, "docs/reliability.md has no table"
    assert sorted(cells) == sorted(row for rows_of in FAULT_GROUPS.values() for row in rows_of), "name each row once"
    rows = [
        f"| {name} | {' | '.join(_sum(cells[row][side] for row in rows_of) for side in (0, 1))} |"
        for name, rows_of in FAULT_GROUPS.items()
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
