"""Hold the documents to the code: generated parts, commands, targets, files and settings that they name."""

import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import yaml

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Hummingbot's own connectors warn while they load
    from tests import documentation

ROOT = documentation.ROOT
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "conf_templates" / "README.md"]
SETTINGS = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def shell_lines() -> list[str]:
    blocks = [block for path in PAGES for block in re.findall(r"```bash\n(.*?)```", path.read_text(), re.DOTALL)]
    return [line.split("#")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


@pytest.mark.parametrize("name", documentation.DOCUMENTS)
def test_generated_parts_equal_the_code(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert documentation.rendered(text) == text, "run `make docs`"


def test_architecture_has_the_module_map() -> None:
    assert documentation.module_map() in ARCHITECTURE


@pytest.mark.parametrize("path", list(documentation.modules()), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_states_its_job_in_one_sentence(path: Path) -> None:
    sentence = documentation.first_sentence(path)
    assert sentence.endswith((".", "*")), f"{path} has no first sentence"


def test_every_make_target_that_the_pages_name_exists() -> None:
    targets = {line.split()[1] for line in shell_lines() if line.startswith("make ")}
    assert targets
    for target in targets:
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), target


def test_every_command_of_ours_that_the_pages_name_exists() -> None:
    commands = {line.split()[1] for line in shell_lines() if line.startswith("backpack ")}
    assert commands >= {"simulate", "status"}
    for command in commands:
        answer = subprocess.run(
            [sys.executable, "-m", "backpack_connector.cli.main", command, "--help"],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
        )
        assert answer.returncode == 0, answer.stderr


def test_the_settings_table_lists_the_variables_that_the_code_reads() -> None:
    product = "\n".join(path.read_text(encoding="utf-8") for path in documentation.modules())
    read_by_code = set(re.findall(r'"(BACKPACK_[A-Z_]+)"', product))
    listed = set(re.findall(r"^\| `(BACKPACK_[A-Z_]+)` \|", SETTINGS, re.MULTILINE))
    assert listed == read_by_code


def test_numbered_decisions_are_complete_and_cited_ones_exist() -> None:
    numbers = [int(number) for number in re.findall(r"^\*\*D(\d+)\.", ARCHITECTURE, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))
    product = "\n".join(path.read_text(encoding="utf-8") for path in documentation.modules())
    cited = {int(number) for number in re.findall(r"ARCHITECTURE\.md, D(\d+)", product)}
    assert cited <= set(numbers)


@pytest.mark.parametrize("path", sorted((ROOT / "conf_templates").rglob("*.yml")), ids=lambda path: path.name)
def test_templates_are_yaml_and_hold_no_keys(path: Path) -> None:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    assert not [name for name in content if "secret" in name or "api_key" in name]
