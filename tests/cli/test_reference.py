"""The reference of commands equals the commands."""

import re

import pytest

from tests.cli import reference


def test_the_reference_is_as_the_commands_are() -> None:
    assert reference.PATH.read_text(encoding="utf-8") == reference.reference(), "run `make docs`"


@pytest.mark.parametrize("name", ["duration", "interval"])
def test_numbers_that_count_time_name_their_unit(name: str) -> None:
    row = rf"^\| `--{name} NUMBER` \| .* In milliseconds\. \|$"
    assert re.search(row, reference.reference(), re.MULTILINE)


def test_every_group_has_its_chapter() -> None:
    text = reference.reference()
    assert text.count("\n### ") > 80
    assert "| `--post-only/--no-post-only` | Refuse it if it would match at once. |" in text
