"""Write what code and benchmarks determine in the documents; `make docs` runs this, a test compares."""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from backpack_connector.mcp_server import tools
from backpack_connector.protocol.endpoints import ENDPOINTS, Effect, endpoint
from backpack_connector.protocol.operations import operation
from backpack_connector.simulator import faults_kinds
from tests import documentation_summaries
from tests.benchmarks import report
from tests.load import stages

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("backpack_connector", "backpack_perpetual_connector")
DOCUMENTS = ("README.md", "ARCHITECTURE.md", "docs/mcp.md", "docs/speed.md", "tests/benchmarks/BENCHMARKS.md")
_BLOCK = re.compile(r"(<!-- generated: (?P<name>[a-z-]+) -->\n)(?P<body>.*?)(<!-- end -->)", re.DOTALL)


def first_sentence(path: Path) -> str:
    """Return the sentence that a module states its single job with."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(docstring.split("\n\n")[0].split())


def modules() -> Iterator[Path]:
    """Yield every module of the product that says something, in reading order."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py"), key=lambda path: (len(path.parts), path)):
            if path.read_text(encoding="utf-8").strip():
                yield path


def module_map() -> str:
    """Return one line a module."""
    rows = [f"| `{path.relative_to(ROOT)}` | {first_sentence(path)} |" for path in modules()]
    return "\n".join(["| module | its job |", "|---|---|", *rows])


def operation_counts() -> str:
    """Return how many operations the catalogue holds, by effect."""
    rows = [f"| {effect.value} | {sum(row.effect is effect for row in ENDPOINTS)} |" for effect in Effect]
    return "\n".join(["| effect | operations |", "|---|---|", *rows])


def fault_kinds() -> str:
    """Return the simulator's faults: what each does, what it can be limited to, and its parameters (* = needed)."""
    rows = []
    for name, sentence in faults_kinds.kind_sentences().items():
        row = faults_kinds.KINDS[faults_kinds.FaultKind(name)]
        needed = [f"`{faults_kinds.WIRE_NAMES[field]}`*" for field in sorted(row.required)]
        further = [f"`{faults_kinds.WIRE_NAMES[field]}`" for field in sorted(row.scope | row.parameters)]
        rows.append(f"| `{name}` | {sentence} | {', '.join(needed + further)} |")
    return "\n".join(["| kind | what happens | scope and parameters |", "|---|---|---|", *rows])


def mcp_tools() -> str:
    """Return the tools of the MCP server: what each needs to be used, and what it is for."""
    needs = {Effect.READS: "", Effect.MOVES_FUNDS: "`--allow-withdrawals`"}
    rows = []
    for tool in tools.TOOLS.values():
        names = [f"`{row.python_name}`" + ("*" if row.is_required else "") for row in tool.parameters]
        key = "key" if tool.operation_id and endpoint(tool.operation_id).is_signed else ""
        allowed = needs.get(tool.effect, "`--allow-trading`")
        need = ", ".join(filter(None, (key, allowed)))
        meaning = tool.meaning or operation(str(tool.operation_id)).meaning
        rows.append(f"| `{tool.name}` | {meaning} | {', '.join(names)} | {need} |")
    return "\n".join(["| tool | what it does | takes (* = needed) | needs |", "|---|---|---|---|", *rows])


def mcp_left_out() -> str:
    """Return the operations that are no tools, and why."""
    rows = [f"| `{name}` | {reason} |" for name, reason in tools.NOT_OFFERED.items()]
    return "\n".join(["| operation | why it is no tool |", "|---|---|", *rows])


GENERATED: dict[str, Callable[[], str]] = {
    "benchmark-experiments": report.experiments,
    "benchmark-results": report.results_text,
    "benchmarks": report.headlines,
    "benchmarks-short": documentation_summaries.benchmarks_short,
    "fault-kinds": fault_kinds,
    "faults-short": documentation_summaries.faults_short,
    "load": stages.results_text,
    "mcp-left-out": mcp_left_out,
    "mcp-tools": mcp_tools,
    "module-map": module_map,
    "operation-counts": operation_counts,
}


def rendered(text: str) -> str:
    """Return a document with its generated blocks as the code has them now."""
    return _BLOCK.sub(lambda match: f"{match[1]}{GENERATED[match['name']]()}\n{match[4]}", text)


def main() -> int:
    """Write all documents."""
    for name in DOCUMENTS:
        path = ROOT / name
        path.write_text(rendered(path.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
