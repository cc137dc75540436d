"""Keep what runs of the benchmarks found, so that documents can be written from it and a run can be gone on with."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tests.benchmarks.runner import Rounds

FINISHED = Path(__file__).parent / "results.json"
"""The last complete run, from which BENCHMARKS.md, docs/speed.md and README's table are written."""
UNFINISHED = Path(__file__).parent / "results.unfinished.json"
"""The run that is going on, or was interrupted."""


@dataclass
class Results:
    """The rounds of experiments, each with the time when it was made, and where that was."""

    place: list[str] = field(default_factory=list)
    """Lines about machine, versions and command."""
    begun: str = ""
    rounds: dict[str, Rounds] = field(default_factory=dict)
    """By experiment."""
    made: dict[str, str] = field(default_factory=dict)
    renewed: set[str] = field(default_factory=set)
    """Experiments that were measured again after the complete run."""

    def put(self, experiment: str, rounds: Rounds, *, is_renewed: bool = False) -> None:
        """Keep what an experiment has found, in the place of what it found before."""
        self.rounds[experiment] = rounds
        self.made[experiment] = now()
        if is_renewed:
            self.renewed.add(experiment)

    def save(self, path: Path) -> None:
        """Write everything to a file."""
        experiments = {
            name: {"made": self.made[name], "values": rounds.values, "absent": rounds.absent}
            for name, rounds in self.rounds.items()
        }
        facts: dict[str, Any] = {"place": self.place, "begun": self.begun, "renewed": sorted(self.renewed)}
        text = json.dumps(facts | {"experiments": experiments}, indent=1, default=str)
        path.write_text(text + "\n", encoding="utf-8")


def now() -> str:
    """Return the time as documents show it."""
    return f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC"


def read_results(path: Path = FINISHED) -> Results | None:
    """Return what a file has; None when there is no such file."""
    if not path.exists():
        return None
    facts = json.loads(path.read_text(encoding="utf-8"))
    experiments = facts["experiments"]
    return Results(
        place=facts["place"],
        begun=facts["begun"],
        rounds={name: Rounds(one["values"], one["absent"]) for name, one in experiments.items()},
        made={name: one["made"] for name, one in experiments.items()},
        renewed=set(facts["renewed"]),
    )
