"""Write docs/reliability.md's table of survived faults: our connectors beside Hummingbot's own, as the runs saw them.

Both peers get the same workload, which is what both can do, the same faults, seeds and invariants. `builtin_bots` says
what the built-in connectors are forgiven.
"""

import os
import re
import subprocess
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib import metadata
from pathlib import Path

from backpack_connector import __version__
from tests.chaos.fault_plans import MIXTURE, NONE
from tests.chaos.runs import COMMON, Outcome, Plan, variables_of

ROOT = Path(__file__).resolve().parents[2]
PLACE = ROOT / "docs" / "reliability.md"
OURS, BUILTIN = PEERS = ("ours", "builtin")
DEFAULT_RUNS = 10
WIDTH = 120

IN_WORDS: Mapping[str, str] = {
    NONE: "nothing",
    "request_delayed": "requests arrive late",
    "answer_delayed": "answers arrive late",
    "request_lost": "requests are lost",
    "answer_lost": "answers are lost; what was asked is done",
    "answer_truncated": "answers break off in the middle",
    "answer_html": "502 with a page of the CDN, asked or done",
    "rate_limited": "429, asked or done",
    "timed_out": "500 TIMEOUT, asked or done",
    "unavailable": "503, asked or done",
    "cancel_deferred": "cancels are accepted now and executed later (202)",
    "depth_lags": "order books over REST are seconds old",
    "history_lags": "order and fill histories are seconds old",
    "account_lags": "balances and positions over REST are seconds old",
    "maintenance": "maintenance: whatever trades is refused",
    "key_revoked": "the key is revoked, and works again later",
    "clock_skewed": "the exchange's clock is off",
    "market_state": "a market is closed, post-only, limit-only or cancel-only for a while",
    "market_unlisted": "a market disappears and is listed again",
    "socket_dropped": "connections end without a word",
    "socket_closed": "connections are closed by the exchange",
    "socket_silent": "connections stay open and say nothing",
    "socket_slow": "streams fall behind",
    "socket_refused": "new connections are refused",
    "frame_dropped": "messages of streams are lost",
    "frame_duplicated": "messages of streams come twice",
    "frame_reordered": "messages of streams come in the wrong order",
    "frame_delayed": "messages of streams come late, REST overtakes them",
    "subscription_refused": "subscriptions are refused",
    "subscription_ignored": "subscriptions are ignored in silence",
    "order_cancelled": "the exchange cancels orders by itself",
    "price_traded": "the price runs through resting orders",
    "position_liquidated": "positions are liquidated",
    MIXTURE: "several of these at the same time",
}

# What a sentence of the invariants is about; the first pattern that fits counts.
_SUBJECTS: Mapping[str, str] = {
    r"The funding payment of": "funding payments wrong",
    r"was sent \d+ times|orders with the client id": "orders sent twice",
    r"reported failed": "orders wrongly called failed",
    r"the exchange never had it|nobody has placed it": "orders shown that do not exist",
    r"it rests as|it ended as|not announced|but the bot has it as": "order states wrong",
    r"was not told": "fills missed",
    r"but is not so": "fills wrong",
    r"differs from the exchange's|no book of": "books wrong",
    r"The position in": "positions wrong",
    r"The leverage in": "leverage wrong",
    r"The balance of|are available|The net equity|The available margin": "balances wrong",
    r"not ready|did not get ready": "not ready",
    r"beyond the exchange's request pools": "request limits exceeded",
    r"The connector trades": "pairs wrong",
    r"has grown|tasks .*at the start": "more and more memory used",
    r"A task is left|does not end within": "tasks left behind",
    r"The run itself broke off": "the connector breaks down",
}

_BLOCK = re.compile(r"(<!-- measured: faults-survived -->\n)(?P<body>.*?)(<!-- end -->)", re.DOTALL)


@dataclass(frozen=True)
class Measurement:
    """How a table came about."""

    day: date
    runs: int
    """For each kind of fault and each peer."""
    seed: int
    commit: str | None = None
    """What was measured, where the files are those of a clone."""

    @property
    def command(self) -> str:
        """Return what a shell needs to write the table again."""
        return f"make chaos-table RUNS={self.runs} SEED={self.seed}"


def commit(folder: Path = ROOT) -> str | None:
    """Return the short name of the commit that a clone is at, with a note if files differ from it; None elsewhere."""
    if not (folder / ".git").exists():
        return None
    try:
        name = _git(folder, "rev-parse", "--short", "HEAD")
        is_changed = bool(_git(folder, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{name} with changes" if is_changed else name


def _git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def subject(sentence: str) -> str:
    """Return what a sentence of the invariants is about, in few words."""
    return next((words for pattern, words in _SUBJECTS.items() if re.search(pattern, sentence)), "something else")


def plans(runs: int, seed: int) -> list[Plan]:
    """Return all runs of a table, one peer after the other."""
    variables = variables_of(os.environ)
    return [
        Plan(seed + number, fault, peer=peer, workload=COMMON, variables=variables)
        for peer in PEERS
        for fault in IN_WORDS
        for number in range(runs)
    ]


def text(outcomes: Iterable[Outcome], measurement: Measurement) -> str:
    """Return the table with the sentences that say how it was made."""
    cells: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in outcomes:
        cells.setdefault((outcome.plan.fault, outcome.plan.peer), []).append(outcome)
    rows = [
        f"| {words} | {' | '.join(_cell(cells[fault, peer]) for peer in PEERS)} |" for fault, words in IN_WORDS.items()
    ]
    hummingbot = metadata.version("hummingbot")
    some = next(iter(cells.values()))[0].plan
    version = __version__ if measurement.commit is None else f"{__version__} (commit {measurement.commit})"
    head = (
        f"Made on {measurement.day.isoformat()} by `{measurement.command}`: version {version} beside Hummingbot "
        f"{hummingbot}, {measurement.runs} runs for each cell, {some.duration_s:g} s of trading in each run."
    )
    columns = f"| what breaks | this connector | Hummingbot {hummingbot}'s own |"
    return "\n".join([*textwrap.wrap(head, WIDTH), "", columns, "|---|---|---|", *rows, ""])


def write(body: str, path: Path = PLACE) -> None:
    """Put a table into the document.

    Raises:   ValueError if the document has no place for it.
    """
    check_place(path)
    document = path.read_text(encoding="utf-8")
    path.write_text(_BLOCK.sub(lambda match: f"{match[1]}{body}{match[3]}", document), encoding="utf-8")


def check_place(path: Path = PLACE) -> None:
    """Check that the document has a place for the table.

    Raises:   ValueError.
    """
    count = len(_BLOCK.findall(path.read_text(encoding="utf-8")))
    if count != 1:
        raise ValueError(f"{path.name} has {count} places for the table instead of one.")


def written(path: Path = PLACE) -> str:
    """Return the table as it is in the document; empty if there is none."""
    match = _BLOCK.search(path.read_text(encoding="utf-8"))
    return match["body"] if match else ""


def _cell(outcomes: Sequence[Outcome]) -> str:
    wrong = [outcome for outcome in outcomes if outcome.violations]
    subjects = Counter(words for outcome in wrong for words in {subject(sentence) for sentence in outcome.violations})
    most_first = sorted(subjects.items(), key=lambda item: (-item[1], item[0]))
    told = ", ".join(f"{words} ({count})" for words, count in most_first)
    return f"{len(wrong)} of {len(outcomes)}{f': {told}' if told else ''}"
