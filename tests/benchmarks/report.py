"""Write what a run found: a table for the screen, and BENCHMARKS.md with the place, the date and the goals missed."""

import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

from tests.benchmarks.contestants import BPX, BUILT_IN, CCXT, CONTESTANTS, FLOOR, OURS, PEERS
from tests.benchmarks.rows import EXPERIMENTS, Row
from tests.benchmarks.runner import Figure, Rounds, figure, ratio

DOCUMENT = Path(__file__).parent / "BENCHMARKS.md"
COLUMNS = (OURS, BUILT_IN, FLOOR, CCXT, BPX)
VERSIONS = ("hummingbot", "aiohttp", "msgspec", "PyNaCl", "numpy")
_BEGIN, _END = "<!-- results -->", "<!-- end of results -->"


def number(value: float) -> str:
    """Return a figure with three significant digits, and separators for thousands."""
    if value >= 100:
        return f"{value:,.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}"


def cell(found: Figure | None) -> str:
    """Return a figure with its spread."""
    if found is None:
        return ""
    return f"{number(found.median)} ({number(found.least)}-{number(found.greatest)})"


def times(rounds: Rounds, row: Row, other: str) -> str:
    """Return how many times better we are than another contestant, or how many times the floor."""
    above, below = (OURS, other) if row.more_is_better or other == FLOOR else (other, OURS)
    found = ratio(rounds, row.metric, above, below)
    return "" if found is None else f"{number(found.median)} x"


def verdicts(rounds: Rounds, row: Row) -> list[str]:
    """Return one sentence for each goal of a row."""
    said = []
    for goal in row.goals:
        reached = goal.reached(rounds, row)
        if reached is None:
            said.append(f"{goal.text}: not measured")
        elif reached >= 1:
            said.append(f"{goal.text}: met")
        else:
            said.append(f"{goal.text}: **missed**, {number(1 / reached)} times away")
    return said


def table(rows: Sequence[Row], results: Mapping[str, Rounds]) -> str:
    """Return the rows as a table in Markdown."""
    head = ["path", "unit", *COLUMNS, "built-in / ours", "ours / floor", "ccxt / ours", "goals"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        rounds = results.get(row.experiment, Rounds())
        kind = next(experiment.kind for experiment in EXPERIMENTS if experiment.name == row.experiment)
        cells = [row.title, row.unit]
        for name in COLUMNS:
            absent = rounds.absent.get(name, "") if name in CONTESTANTS[kind] else ""
            cells.append(cell(figure(rounds.of(name, row.metric))) or absent)
        cells += [times(rounds, row, other) for other in (BUILT_IN, FLOOR, CCXT)]
        cells.append("; ".join(verdicts(rounds, row)))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def summary(rows: Sequence[Row], results: Mapping[str, Rounds]) -> str:
    """Return how many goals were met, missed and not measured."""
    said = [text for row in rows for text in verdicts(results.get(row.experiment, Rounds()), row)]
    missed = sum("missed" in text for text in said)
    unknown = sum("not measured" in text for text in said)
    return f"{len(said) - missed - unknown} goals met, {missed} missed, {unknown} not measured."


def processor() -> str:
    """Return the name of the processor, or of the architecture where the system does not tell."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.machine()


def versions_of_peers(python: Path | None) -> str:
    """Return the peers' versions, as their own environment tells them."""
    if python is None:
        return ""
    code = "from importlib import metadata as m; print(', '.join(f'{n} {m.version(n)}' for n in %r))"
    names = [*PEERS, "orjson", "aiohttp"]
    done = subprocess.run([python, "-c", code % names], check=True, capture_output=True, text=True)
    return f"; peers: {done.stdout.strip()}"


def place(command: str, load: float, python_of_peers: Path | None = None) -> str:
    """Return where and when the run was made."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in VERSIONS)
    now = datetime.now(timezone.utc)
    return "\n".join(
        [
            f"- Date: {now:%Y-%m-%d %H:%M} UTC",
            f"- Machine: {processor()}, {os.cpu_count()} cores, {platform.system()}; load before the run {load:.2f}",
            f"- Versions: Python {platform.python_version()}, {versions}{versions_of_peers(python_of_peers)}",
            f"- Command: `{command}`",
        ]
    )


def write(body: str, document: Path = DOCUMENT) -> None:
    """Put new results into the document; what is written by hand around them stays."""
    text = document.read_text(encoding="utf-8")
    before, rest = text.split(_BEGIN)
    _, after = rest.split(_END)
    document.write_text(f"{before}{_BEGIN}\n{body}\n{_END}{after}", encoding="utf-8")


def headlines(document: Path = DOCUMENT) -> str:
    """Return what README shows of the last complete run: path, unit, ours, the built-in's, and the ratio."""
    text = document.read_text(encoding="utf-8")
    results = text.split(_BEGIN)[1].split(_END)[0]
    rows = [line.strip("| ").split(" | ") for line in results.splitlines() if line.startswith("| ")]
    if not rows:
        return "No complete run yet."
    places = [rows[0].index(name) for name in ("path", "unit", OURS, BUILT_IN, f"{BUILT_IN} / {OURS}")]
    head = ["path", "unit", "this connector", "Hummingbot's own", "times better"]
    lines = [head] + [[row[place].split(" (")[0] for place in places] for row in rows[1:] if row[places[3]].strip()]
    text_lines = ["| " + " | ".join(cells) + " |" for cells in lines]
    return "\n".join([text_lines[0], "|" + "---|" * len(head), *text_lines[1:]])
