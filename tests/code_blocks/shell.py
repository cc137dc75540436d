"""Turn the bash blocks of a page into one script that a machine can run: no prompts, no real exchange, no fixed ports.

A page is one story: its blocks run in their order, in one shell, in a fresh Hummingbot folder, with a simulator.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.code_blocks.blocks import Block


@dataclass(frozen=True)
class Substitution:
    """What the test runs in place of what the page says, and why."""

    pattern: str
    replacement: str
    reason: str


SUBSTITUTIONS: Sequence[Substitution] = (
    Substitution(
        r"^(python -m hummingbot\.cli\.main|hbot) connect (backpack(?:_perpetual)?)( --replace)?$",
        r"\1 connect \2_simulator\3",
        "no test talks to the real exchange",
    ),
    Substitution(
        r"^(python -m hummingbot\.cli\.main|hbot) connect (\w+)( --replace)?$",
        r"\1 connect \2 --replace --keys-stdin <keys.\2.json",
        "the two keys are typed by a person",
    ),
    Substitution(r"^backpack config set$", "backpack config set <keys.txt", "the two keys are typed by a person"),
    Substitution(r"^(backpack guard\b.*)$", r"\1 <keys.txt", "the two keys are typed by a person"),
    Substitution(
        r"^(backpack (?:doctor|guard|serve|(?:market|order|chart|export|account|position) [\w-]+))(?!.*--simulator)",
        r"\1 --simulator",
        "no test talks to the real exchange",
    ),
    Substitution(
        r"^(backpack capture .*) --seconds \d+$",
        r'\1 --seconds 3 --url "$BACKPACK_SIMULATOR_URL"',
        "no test talks to the real exchange, or waits for an hour",
    ),
    Substitution(r"^(backpack (?:simulate|serve))\b", r"\1 --port 0", "tests use free ports"),
    Substitution(r"^(backpack simulate .*) --open\b", r"\1", "a test opens no window"),
)

UNTIL_INTERRUPTED: Mapping[str, str] = {
    r"^backpack simulate\b": "http://",
    r"^backpack serve\b": "http://",
    r"^backpack market watch\b": r"\d",
    r"^backpack guard (?!.*--check)": "The account is worth",
}
"""Programs that run until Ctrl-C, and what they say before it is pressed."""

EXPECTED: Mapping[str, str] = {
    r"^backpack status$": r"backpack: this plugin, .+\nbackpack_perpetual: this plugin, ",
    r"^(python -m hummingbot\.cli\.main|hbot) connect$": r"\| backpack_simulator +\| yes +\| yes ",
    r"^python -m hummingbot\.cli\.main status$": r"(?i)running",
    r"^backpack templates install$": r"\d+ copied",
    r" config rate_oracle_source\.name backpack$": r"value: backpack\n",
    r" config global_token\.global_token_name USDC$": r"value: USDC\n",
    r"^backpack capture market\.tape\.gz ": r"market\.tape\.gz: [1-9]\d* frames .*, [1-9]\d* snapshots",
    r"^backpack order list --format json$": r"\[",
    r"^backpack order create .*--dry-run$": r"orderExecute|/api/v1/order",
    r"generate_key_pair": r"^\S{43}=\n\S{43}=\n$",
}
"""What a line has to print, besides ending well."""

BEFORE: Mapping[str, str] = {
    "docs/guard.md": "mkdir data/backpack_journal",  # a bot has run
    "docker/README.md": "mkdir docker",  # the reader is in the root of the repository
}
"""What has happened before a page is read."""

FRESH_CLONE = (".ci/environment", "--constraint constraints.txt")
WITHOUT_DOCKER = (
    "docker build --file docker/Dockerfile --tag hummingbot-backpack .",
    'docker run --rm --volume "$PWD/bot:/bot" hummingbot-backpack backpack templates install /bot',
    "docker compose up --detach simulator",
    "docker compose logs simulator",
    "docker compose run --rm bot python -m hummingbot.cli.main connect backpack_simulator",
    "docker compose up --detach",
    "docker compose exec bot backpack status",
)
"""What these lines run is run by a test that needs no Docker."""

ELSEWHERE: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(
        WITHOUT_DOCKER, ("tests/docker/test_docker.py", "def test_the_lines_of_the_page_name_what_there_is")
    ),
    "make demo": ("tests/end_to_end/test_demo.py", "def test_a_run_ends_with_equal_books_and_leaves_nothing"),
    "make check": ("Makefile", "check: lint test"),
    "make test": (".ci/run", "make test"),
    "make bench": ("tests/benchmarks/test_runs.py", "def test_"),
    "make chaos": ("tests/chaos/test_chaos.py", "def test_"),
    "make fuzz": ("tests/fuzz/test_parsers.py", "def test_"),
    "python3.12 -m venv venv && . venv/bin/activate": FRESH_CLONE,
    "pip install --constraint constraints.txt '.[hummingbot]'": FRESH_CLONE,
    "backpack export orders orders.parquet": ("tests/cli/test_export.py", "def test_values_of_parquet_are_exact"),
}
"""Lines that another test runs: which one, and a text by which it is found. CI starts from a fresh clone."""


def lines_of(text: str) -> list[str]:
    """Return the commands of a block, one a line, without comments."""
    joined = re.sub(r"\\\n\s*", " ", text)
    bare = (re.sub(r"(^|\s)#.*$", "", line).strip() for line in joined.splitlines())
    return [line for line in bare if line]


def substituted(line: str) -> str:
    """Return what is run in place of a line."""
    for row in SUBSTITUTIONS:
        line = re.sub(row.pattern, row.replacement, line)
    for pattern, said in UNTIL_INTERRUPTED.items():
        if re.search(pattern, line):
            return f"until_said '{said}' {line}"
    return line


def expected_of(line: str) -> list[str]:
    """Return what the output of a line has to match."""
    return [pattern for start, pattern in EXPECTED.items() if re.search(start, line)]


def script_of(blocks: Sequence[Block]) -> tuple[str, list[str]]:
    """Return the script of a page, and the lines as the page has them; line n writes what it prints into `out.n`."""
    lines = [line for block in blocks for line in lines_of(block.text) if line not in ELSEWHERE]
    rows = [f'{{ {substituted(line)}\n}} >"$SAID"/out.{number} 2>&1' for number, line in enumerate(lines)]
    return "\n".join(["set -euo pipefail", 'SAID="$PWD"', *rows, ""]), lines
