"""Every command that a text of the repository names is one that the command line has, with the options it names."""

from pathlib import Path

import pytest

from tests.cli.named_commands import ROOT, commands_in, fault_of, texts

ALL = {
    path: commands_in(path.read_text(encoding="utf-8"), path.suffix)
    for path in texts()
    if path != Path(__file__)  # names some that do not exist
}


def test_every_command_that_a_text_names_exists() -> None:
    faults = [
        f"{path.relative_to(ROOT)}: {fault}" for path, rows in ALL.items() for row in rows if (fault := fault_of(row))
    ]
    assert faults == []


@pytest.mark.parametrize(
    "name", ["README.md", "docs/guard.md", "docker/compose.yml", "backpack_connector/cli/doctor.py"]
)
def test_commands_are_found_in_every_kind_of_text(name: str) -> None:
    assert ALL[ROOT / name]


@pytest.mark.parametrize(
    ("text", "kind", "rows"),
    [
        ("# above the smallest order (`backpack markets` lists it)\na: 1\n", ".yml", [["markets"]]),
        ("# written by `backpack\n# market list`, or `backpack`\n", ".py", [["market", "list"]]),
        ("`backpack` and `backpack_perpetual`, `backpack-mcp --http`", ".md", []),
        ("Prose: backpack there\n```bash\nx | backpack order list --all \\\n  --wide; backpack status\n```\n", ".md",
         [["order", "list", "--all", "--wide"], ["status"]]),
        ("test: [CMD, backpack, system, ping]\nrun: exec backpack guard\nexchanges: [backpack]\n", ".yml",
         [["system", "ping"], ["guard"]]),
    ],
)  # fmt: skip
def test_commands_are_found_where_they_are_quoted_or_typed(text: str, kind: str, rows: list[list[str]]) -> None:
    assert commands_in(text, kind) == rows


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("market list", None),
        ("order create --dry-run --price=5", None),
        ("COMMAND --help", None),
        ("chart … --save FILE", None),
        ("--version", None),
        ("markets", "there is no command `backpack markets`"),
        ("market lists", "there is no command `backpack market lists`"),
        ("order list --everything", "`backpack order list` has no option --everything"),
        ("--journal x", "`backpack` has no option --journal"),
    ],
)
def test_what_is_wrong_with_a_command_is_said(line: str, fault: str | None) -> None:
    assert fault_of(line.split()) == fault
