"""Shell completion: commands, and commands of groups that are not loaded yet."""

import subprocess
import sys

import pytest

from tests.cli.conftest import environment

PROGRAM = "import sys; sys.argv = ['backpack']; from backpack_connector.cli.main import main; main()"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("backpack mark", ["market"]),
        ("backpack order can", ["cancel", "cancel-all"]),
        ("backpack market kli", ["klines"]),
    ],
)
def test_names_are_completed(line: str, expected: list[str]) -> None:
    words = str(len(line.split()) - 1)
    asked = {"_BACKPACK_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": words}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment(**asked), check=False
    )
    assert done.stdout.split() == expected, done.stderr
