"""Write what a run found: a table for the screen, and what the documents show of the last complete run."""

import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

from tests.benchmarks.contestants import BPX, BUILT_IN, CCXT, CONTESTANTS, FAST, FLOOR, OURS, PEERS
from tests.benchmarks.misses import REASONS
from tests.benchmarks.results import Results, read_results
from tests.benchmarks.rows import EXPERIMENTS, ROWS, Row
from tests.benchmarks.runner import Figure, Rounds, figure, ratio

EXPERIMENTS_FILE = Path(__file__).parent / "experiments.md"
COLUMNS = (OURS, FAST, BUILT_IN, FLOOR, CCXT, BPX)
NOT_MEASURED, MET = "not measured", "met"
VERSIONS = ("hummingbot", "aiohttp", "msgspec", "PyNaCl", "numpy")


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


def times(rounds: Rounds, row: Row, other: str, ours: str = OURS) -> str:
    """Return how many times better we are than another contestant, or how many times the floor."""
    above, below = (ours, other) if row.more_is_better or other == FLOOR else (other, ours)
    found = ratio(rounds, row.metric, above, below)
    return "" if found is None else f"{number(found.median)} x"


def verdicts(rounds: Rounds, row: Row) -> list[str]:
    """Return one sentence for each goal of a row; one that is missed is also looked at with the options for speed."""
    said = []
    for goal in row.goals:
        verdict = _verdict(goal.reached(rounds, row))
        with_options = _verdict(goal.reached(rounds, row, FAST))
        if verdict not in (MET, NOT_MEASURED) and with_options != NOT_MEASURED:
            verdict += f" (with the options {with_options.replace('*', '')})"
        said.append(f"{goal.text}: {verdict}")
    return said


def _verdict(reached: float | None) -> str:
    if reached is None:
        return NOT_MEASURED
    return MET if reached >= 1 else f"**missed**, {number(1 / reached)} times away"


def table(rows: Sequence[Row], results: Mapping[str, Rounds]) -> str:
    """Return the rows as a table in Markdown."""
    head = [
        "path",
        "unit",
        *COLUMNS,
        "built-in / ours",
        "ours / floor",
        "ccxt / ours",
        "built-in / fast",
        "fast / floor",
        "goals",
    ]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        rounds = results.get(row.experiment, Rounds())
        kind = next(experiment.kind for experiment in EXPERIMENTS if experiment.name == row.experiment)
        cells = [row.title, row.unit]
        for name in COLUMNS:
            absent = rounds.absent.get(name, "") if name in CONTESTANTS[kind] else ""
            cells.append(cell(figure(rounds.of(name, row.metric))) or absent)
        cells += [times(rounds, row, other) for other in (BUILT_IN, FLOOR, CCXT)]
        cells += [times(rounds, row, other, FAST) for other in (BUILT_IN, FLOOR)]
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


def place(command: str, load: float, python_of_peers: Path | None = None) -> list[str]:
    """Return where a run is made, as lines of a list."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in VERSIONS)
    return [
        f"- Machine: {processor()}, {os.cpu_count()} cores, {platform.system()}; load before the run {load:.2f}",
        f"- Versions: Python {platform.python_version()}, {versions}{versions_of_peers(python_of_peers)}",
        f"- Command: `{command}`",
    ]


def missed(rows: Sequence[Row], results: Mapping[str, Rounds]) -> str:
    """Return the goals that were missed, by how much, and why."""
    lines, title = [], ""
    for row in rows:
        title = (
            row.title.replace("the same", title.partition(",")[0], 1) if row.title.startswith("the same") else row.title
        )
        reason = REASONS.get((row.experiment, row.metric), "not looked into yet")
        said = [text for text in verdicts(results.get(row.experiment, Rounds()), row) if "missed" in text]
        lines += [f"- {title}: {text}. {reason}" for text in said]
    return "\n".join(lines) or "None."


def results_text(results: Results | None = None) -> str:
    """Return what BENCHMARKS.md shows of the last complete run."""
    results = results or read_results()
    if results is None:
        return "No complete run yet."
    renewed = ", ".join(f"{name} ({results.made[name]})" for name in sorted(results.renewed))
    lines = [f"- Date: {results.begun}", *results.place, *([f"- Measured again since: {renewed}"] if renewed else [])]
    parts = ["\n".join(lines), summary(ROWS, results.rounds), table(ROWS, results.rounds)]
    return "\n\n".join([*parts, f"### Goals missed, and why\n\n{missed(ROWS, results.rounds)}"])


def experiments(path: Path = EXPERIMENTS_FILE) -> str:
    """Return what was tried and did not help, without its own headline."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    lines = text.strip().splitlines()
    body = "\n".join(lines[1:] if lines and lines[0].startswith("# ") else lines).strip()
    return re.sub(r"^##? ", "### ", body, flags=re.MULTILINE) or "None yet."


def headlines(results: Results | None = None) -> str:
    """Return what docs/speed.md shows of the last complete run: ours, also with options, the built-in's, ratios."""
    results = results or read_results()
    if results is None:
        return "No complete run yet."
    where = results.place[0].removeprefix("- Machine: ").partition(";")[0]
    lines = [f"{results.begun}, {where}: {summary(ROWS, results.rounds)}", ""]
    head = [
        "path",
        "unit",
        "this connector",
        "with the options",
        "Hummingbot's own",
        "times better",
        "with the options",
    ]
    lines += ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in ROWS:
        rounds = results.rounds.get(row.experiment, Rounds())
        ours, fast, others = (figure(rounds.of(who, row.metric)) for who in (OURS, FAST, BUILT_IN))
        if ours is not None and others is not None:
            cells = [row.title, row.unit, number(ours.median), "" if fast is None else number(fast.median)]
            cells += [number(others.median), *(times(rounds, row, BUILT_IN, who) for who in (OURS, FAST))]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
