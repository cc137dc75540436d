"""Hold the documents to the code: generated parts, commands, targets, files and settings that they name."""

import html
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests import documentation, product_texts

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


def test_every_variable_that_a_block_sets_is_a_setting() -> None:
    named = {name for line in shell_lines() for name in re.findall(r"\b(BACKPACK_[A-Z_]+)=", line)}
    assert named
    assert named <= set(re.findall(r"^\| `(BACKPACK_[A-Z_]+)` \|", SETTINGS, re.MULTILINE))


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


def links() -> list[tuple[str, str]]:
    found = []
    for path in [*PAGES, ROOT / "ARCHITECTURE.md", ROOT / "CHANGELOG.md"]:
        text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
        found += [(path.relative_to(ROOT).as_posix(), target) for target in re.findall(r"\]\(([^)\s]+)\)", text)]
    return found


@pytest.mark.parametrize(("page", "target"), links(), ids=lambda text: text)
def test_every_link_leads_to_something(page: str, target: str) -> None:
    if target.startswith("https://"):
        assert target in {"https://backpack.exchange", "https://hummingbot.org"}, "no test can follow this link"
        return
    name, _, anchor = target.partition("#")
    place = (ROOT / page).parent / name if name else ROOT / page
    assert place.exists()
    if anchor:
        assert anchor in {anchor_of(line) for line in place.read_text(encoding="utf-8").splitlines()}


def anchor_of(line: str) -> str | None:
    """Return what GitHub makes of a headline."""
    if not line.startswith("#"):
        return None
    return re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-")


def test_every_page_is_linked_from_the_readme() -> None:
    linked = {target for page, target in links() if page == "README.md"}
    assert {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md")} <= linked


def messages() -> list[tuple[str, str]]:
    """Return the messages of docs/troubleshooting.md, and under which headline each stands."""
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    found, headline = [], ""
    for line in page.splitlines():
        headline = line.removeprefix("## ") if line.startswith("## ") else headline
        found += [(headline, text) for text in re.findall(r'^\| "(.+?)" \|', line)]
    return found


@pytest.mark.parametrize(("headline", "message"), messages())
def test_what_troubleshooting_explains_is_said(headline: str, message: str) -> None:
    is_ours = headline != "What Hummingbot and pip say"
    roots = [ROOT / name for name in documentation.PACKAGES] if is_ours else hummingbot_folders()
    assert product_texts.is_said(message, product_texts.texts(*roots))


def hummingbot_folders() -> list[Path]:
    spec = importlib.util.find_spec("hummingbot")
    assert spec is not None
    assert spec.origin is not None
    return [Path(spec.origin).parent / name for name in ("cli", "strategy")]


def test_troubleshooting_has_messages_of_every_kind() -> None:
    assert len({headline for headline, _ in messages()}) == 5
    assert len(messages()) > 30


def test_the_product_names_no_host_but_the_exchange_and_this_machine() -> None:
    """No telemetry: whatever is contacted is named in the code, or by the user."""
    said = product_texts.texts(*(ROOT / name for name in documentation.PACKAGES))
    named = {host for text in said for host in re.findall(r"\b(?:https?|wss?)://([\w.-]+)", text)}
    assert named <= {"api.backpack.exchange", "ws.backpack.exchange", "127.0.0.1", "www.w3.org"}


def test_the_picture_of_the_demo_is_of_this_demo() -> None:
    picture = (ROOT / "docs" / "demo.svg").read_text(encoding="utf-8")
    shown = html.unescape(re.sub(r"<[^>]+>", "", picture)).replace("\xa0", " ")
    assert "The bot's books equal the simulator's to the last digit." in shown
    assert "Order book top and our orders" in shown
    assert not re.search(r"(?:href|src|url\()\W*https?:", picture)
    assert len(picture) < 150_000
    assert ("README.md", "docs/demo.svg") in links()
