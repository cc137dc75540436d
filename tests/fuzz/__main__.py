"""Fuzz every parser, guided by coverage: `python -m tests.fuzz --seconds 60`, or `make fuzz SECONDS=60 TARGET=name`.

What breaks a target is kept in `regressions`, where every later test run tries it again. What was found to reach new
code is kept in `.fuzz`, so that the next run goes on from there.
"""

import argparse
import importlib.util
import subprocess
import sys
from pathlib import Path

from tests.fuzz.corpus import write_corpus
from tests.fuzz.targets import TARGETS

ROOT = Path(__file__).resolve().parents[2]
REGRESSIONS = Path(__file__).parent / "regressions"
FOUND = ROOT / ".fuzz"
MISSING = "atheris is not installed; it exists for Linux on x86-64: pip install atheris"

LONGEST_INPUT = 20_000
SLOWEST_S = 10
MOST_MEMORY_MB = 1_024


def main(arguments: "list[str] | None" = None) -> int:
    """Fuzz the targets one after the other; return 1 when one of them broke."""
    options = _options(arguments)
    if importlib.util.find_spec("atheris") is None:
        sys.stderr.write(f"{MISSING}\n")
        return 2
    names = [options.target] if options.target else list(TARGETS)
    seconds = max(1, options.seconds // len(names))
    broken = [name for name in names if not _fuzz(name, seconds, options.runs, options.found)]
    for name in broken:
        sys.stderr.write(f"{name} broke; its input is in {REGRESSIONS.relative_to(ROOT)}.\n")
    return 1 if broken else 0


def _options(arguments: "list[str] | None") -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.fuzz", description="Fuzz every parser, guided by coverage.")
    parser.add_argument("--seconds", type=int, default=60, help="in all, shared among the targets")
    parser.add_argument("--runs", type=int, default=-1, help="inputs for each target at most")
    parser.add_argument("--target", choices=list(TARGETS), help="one of them only")
    parser.add_argument("--found", type=Path, default=FOUND, help="folder of inputs that reached new code")
    return parser.parse_args(arguments)


def _fuzz(name: str, seconds: int, runs: int, found: Path) -> bool:
    corpus = found / name
    write_corpus(name, corpus)
    command = [sys.executable, "-m", "tests.fuzz.guided", name, str(corpus)]
    limits = {
        "max_total_time": seconds,
        "runs": runs,
        "max_len": LONGEST_INPUT,
        "timeout": SLOWEST_S,
        "rss_limit_mb": MOST_MEMORY_MB,
        "print_final_stats": 1,
    }
    command += [f"-{option}={value}" for option, value in limits.items()]
    command.append(f"-artifact_prefix={REGRESSIONS}/{name}-")
    sys.stderr.write(f"{name}: {seconds} s\n")
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
