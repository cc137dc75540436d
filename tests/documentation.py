"""Write what code and benchmarks determine in the documents; `make docs` runs this, a test compares."""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from backpack_connector.protocol.endpoints import ENDPOINTS, Effect
from backpack_connector.simulator import faults_kinds
from tests.benchmarks import report
from tests.load import stages

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("backpack_connector", "backpack_perpetual_connector")
DOCUMENTS = ("README.md", "ARCHITECTURE.md", "tests/benchmarks/BENCHMARKS.md")
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


GENERATED: dict[str, Callable[[], str]] = {
    "benchmark-experiments": report.experiments,
    "benchmark-results": report.results_text,
    "benchmarks": report.headlines,
    "fault-kinds": fault_kinds,
    "load": stages.results_text,
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
