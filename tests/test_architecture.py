"""What ARCHITECTURE.md promises about the whole tree: one-way imports, mirrors, sizes, no twins, units in one place."""

import ast
import asyncio
import io
import re
import socket
import sys
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("backpack_connector", "backpack_perpetual_connector")
MOST_LINES = 450
TWIN_LINES = 5
PRODUCT = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
MODULE_IDS = [path.relative_to(ROOT).as_posix() for path in PRODUCT]

SPOT = "backpack_connector"
# The names that Hummingbot's connector needs, and what they share: every module directly in the package but these.
OWN_GROUPS = (
    "protocol",
    "client",
    "guard",
    "simulator",
    "cli",
    "demo",
    "mcp_server",
    "market_service",
    "registration",
    "registration_tables",
    "hummingbot_contract",
    "hummingbot_members",
    "startup",
)
# What the connectors share with the programs that work without Hummingbot.
SHARED = ("hosts", "latency", "order_journal", "reconnect", "request_pools", "single_attempts", "tape_files")
NETWORK = frozenset({"asyncio", "socket", "ssl", "select", "selectors", "http", "urllib", "subprocess", "threading"})
CLOCK_AND_LOG = frozenset({"time", "datetime", "logging", "random", "secrets"})


@dataclass(frozen=True)
class Rule:
    """What the modules of one group may import."""

    groups: frozenset[str]
    """Groups of our own, itself not counted."""
    packages: frozenset[str] = frozenset()
    """Packages that are neither ours nor the standard library's."""
    never: frozenset[str] = frozenset()
    """Modules of the standard library that are out of bounds."""
    exceptions: dict[str, frozenset[str]] = field(default_factory=dict)
    """What a single module may import besides: the last part of its name, and groups, packages or modules."""


def only(*names: str) -> frozenset[str]:
    return frozenset(names)


RULES = {
    # The clock: signing and units get times as arguments, and only convert them.
    "protocol": Rule(
        only(),
        only("msgspec", "nacl"),
        NETWORK | CLOCK_AND_LOG,
        {"units": only("datetime"), "candles": only("datetime"), "rest": only("urllib")},
    ),
    "shared": Rule(only("protocol"), only("msgspec"), exceptions={"single_attempts": only("aiohttp")}),
    "client": Rule(only("protocol", "shared"), only("aiohttp")),
    "guard": Rule(only("protocol", "shared", "client")),
    "simulator": Rule(only("protocol"), only("aiohttp", "msgspec"), exceptions={"replay": only("shared")}),
    "cli": Rule(
        only("protocol", "shared", "client"),
        only("typer", "rich"),
        exceptions={
            "simulate": only("simulator"),
            "status": only("registration"),
            "doctor_machine": only("registration"),
            "guard": only("guard"),
            "chart_files": only("matplotlib"),
            "serve": only("market_service"),
            "export_parquet": only("pyarrow"),
        },
    ),
    "demo": Rule(only("protocol", "client"), only("rich", "psutil")),  # psutil comes with Hummingbot
    "mcp_server": Rule(only("protocol", "shared", "client"), only("mcp", "msgspec", "uvicorn")),
    "market_service": Rule(only("protocol", "client"), only("aiohttp", "msgspec")),
    "startup": Rule(
        only("registration"), never=frozenset(sys.stdlib_module_names) - {"sys", "collections", "importlib", "types"}
    ),
    "registration": Rule(only("startup", "registration_tables", "hummingbot_contract")),
    "registration_tables": Rule(only()),
    "hummingbot_contract": Rule(only("hummingbot_members")),
    "hummingbot_members": Rule(only()),
    "connector": Rule(
        only("protocol", "shared", "hummingbot_contract"),
        only("hummingbot", "aiohttp", "bidict", "pydantic", "msgspec"),
        exceptions={
            "backpack_candles": only("numpy", "pandas"),  # candles are handed to Hummingbot in these
            "picows_stream": only("picows", "aiohappyeyeballs"),  # the extra `fast`; the other comes with aiohttp
            "http_connection": only("httptools"),
            "http_client": only("aiohappyeyeballs"),
        },
    ),
    "perpetual": Rule(
        only("connector", "protocol", "shared"), only("hummingbot", "aiohttp", "bidict", "pydantic", "msgspec")
    ),
}


def group_of(module: str) -> str:
    """Name the group of one of our modules; the package itself, which has only the version, belongs to none."""
    package, _, rest = module.partition(".")
    first = rest.partition(".")[0]
    if package != SPOT:
        return "perpetual"
    if first in SHARED:
        return "shared"
    return first if first in OWN_GROUPS else "connector" if first else ""


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(path: Path) -> Iterator[tuple[int, str]]:
    """Find each import anywhere in a file, as a line and a full module name."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join([*package[: len(package) - node.level + 1], *([node.module] if node.module else [])])
            origin = base if node.level else node.module or ""
            # `from package import module` names a module too; a name that is none has the group of its package.
            inside = [f"{origin}.{alias.name}" for alias in node.names if origin in (*PACKAGES, f"{SPOT}.protocol")]
            yield from ((node.lineno, name) for name in inside or [origin])


def forbidden_imports(path: Path) -> list[str]:
    module = module_name(path)
    group = group_of(module)
    rule = RULES.get(group, Rule(only()))
    more = rule.exceptions.get(module.rpartition(".")[2], frozenset())
    found = []
    for line, name in imported_modules(path):
        top = name.partition(".")[0]
        if top in PACKAGES:
            # The version is for everyone: it belongs to no group.
            imported = "" if name == f"{SPOT}.__version__" else group_of(name)
            is_allowed = imported in {"", group} | rule.groups | more
        elif top in sys.stdlib_module_names:
            is_allowed = top not in rule.never or top in more
        else:
            is_allowed = top in rule.packages | more
        if not is_allowed:
            found.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
    return found


@pytest.mark.parametrize("path", PRODUCT, ids=MODULE_IDS)
def test_imports_point_one_way(path: Path) -> None:
    assert forbidden_imports(path) == []


def test_the_import_table_has_a_row_for_each_group() -> None:
    groups = {group_of(module_name(path)) for path in PRODUCT} - {""}
    assert groups <= set(RULES)


@pytest.mark.parametrize(
    ("file", "code", "complaint"),
    [
        ("protocol/x.py", "import asyncio", "imports asyncio"),
        ("protocol/x.py", "from ..backpack_auth import X", "imports backpack_connector.backpack_auth"),
        ("protocol/x.py", "from backpack_connector import client", "imports backpack_connector.client"),
        ("request_pools.py", "import hummingbot", "imports hummingbot"),
        ("reconnect.py", "from backpack_connector.client.rest import x", "imports backpack_connector.client.rest"),
        ("guard/x.py", "from backpack_connector import backpack_base", "imports backpack_connector.backpack_base"),
        ("cli/main.py", "def f():\n    import hummingbot.client", "imports hummingbot.client"),
        ("cli/main.py", "from backpack_connector.simulator import x", "imports backpack_connector.simulator"),
        ("simulator/x.py", "from backpack_connector.client import x", "imports backpack_connector.client"),
        ("backpack_x.py", "from backpack_connector.cli.main import run", "imports backpack_connector.cli.main"),
        ("registration.py", "import hummingbot", "imports hummingbot"),
        ("startup.py", "import os", "imports os"),
    ],
)
def test_the_import_table_sees_what_it_forbids(
    file: str, code: str, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / SPOT / file
    path.parent.mkdir(parents=True)
    path.write_text(code)
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    (said,) = forbidden_imports(path)
    assert said.endswith(complaint)


def test_each_protocol_module_has_its_test_file() -> None:
    modules = {path.stem for path in (ROOT / SPOT / "protocol").glob("*.py")} - {"__init__"}
    tested = {path.stem.removeprefix("test_") for path in (ROOT / "tests" / "protocol").glob("test_*.py")}
    assert tested == modules


@pytest.mark.parametrize("path", PRODUCT, ids=MODULE_IDS)
def test_files_stay_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


class Anonymous(ast.NodeTransformer):
    """Rename what a function names itself: its arguments and variables, in the order of their appearance."""

    def __init__(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        arguments = [node.arg for node in ast.walk(function.args) if isinstance(node, ast.arg)]
        variables = [
            node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        ]
        self.names = {name: f"v{number}" for number, name in enumerate(dict.fromkeys(arguments + variables))}

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(self.names.get(node.id, node.id), node.ctx)


def normalised_body(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """Write a function's body without its docstring and with neutral names."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    anonymous = Anonymous(function)
    return "\n".join(ast.unparse(anonymous.visit(statement)) for statement in body)


def twins(paths: list[Path]) -> list[list[str]]:
    places = defaultdict(list)
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = normalised_body(node)
                if body.count("\n") + 1 >= TWIN_LINES:
                    places[body].append(f"{path.name}:{node.lineno} {node.name}")
    return [found for found in places.values() if len(found) > 1]


def test_no_function_is_written_twice() -> None:
    assert twins(PRODUCT) == []


def test_twins_are_found_under_other_names(tmp_path: Path) -> None:
    body = "    total = 0\n    for y in x:\n        total += y\n        print(y)\n    return total\n"
    first = f"def a(x):\n    '''One.'''\n{body}"
    second = first.replace("total", "sum_").replace("def a(x)", "async def b(items)").replace("in x", "in items")
    (tmp_path / "one.py").write_text(first)
    (tmp_path / "two.py").write_text(second.replace("'''One.'''", "'''Two.'''"))
    assert twins(sorted(tmp_path.glob("*.py"))) == [["one.py:1 a", "two.py:1 b"]]


@pytest.mark.parametrize("path", PRODUCT, ids=MODULE_IDS)
def test_only_units_converts_times(path: Path) -> None:
    if path.name == "units.py":
        return
    factors = {"1e-3", "1e-6", "1e3", "1e6", "1000000"}
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline)
    found = [
        f"line {token.start[0]}: {token.string}"
        for token in tokens
        if token.type == tokenize.NUMBER and token.string.replace("_", "").lower() in factors
    ]
    assert found == []


def test_every_requirement_has_one_exact_version() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    pattern = re.compile(r"([a-z0-9-]+)==[0-9][0-9A-Za-z.]*")
    assert [pin for pin in pins if not pattern.fullmatch(pin)] == []
    pinned = {pin.partition("==")[0] for pin in pins}
    required = {
        re.split(r"[^A-Za-z0-9-]", text)[0] for text in metadata.requires("backpack-hummingbot-connector") or []
    }
    assert required <= pinned
    assert f"hummingbot=={metadata.version('hummingbot')}" in pins


async def test_other_machines_are_out_of_reach(only_this_machine: list[str]) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket() as outward, pytest.raises(Exception, match="only this machine"):
        outward.connect(("192.0.2.1", 80))  # an address for documentation, which nobody has
    with pytest.raises(Exception, match="only this machine"):
        await loop.getaddrinfo("example.org", 443)
    with pytest.raises(Exception, match="only this machine"):
        await asyncio.open_connection("192.0.2.1", 80)
    assert only_this_machine == ["192.0.2.1", "example.org", "192.0.2.1"]
    only_this_machine.clear()
