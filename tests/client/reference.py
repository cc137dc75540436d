"""Write docs/operations.md, the operations of the client, out of the catalogue; `make docs` runs this, a test compares.

python -m tests.client.reference
"""

import sys
from pathlib import Path

from backpack_connector.protocol.endpoints import Effect, Pool, endpoint
from backpack_connector.protocol.operations import GROUPS, OPERATIONS
from backpack_connector.protocol.parameters import Kind, Operation, Parameter
from tests.client.generated import type_text

PATH = Path(__file__).resolve().parents[2] / "docs" / "operations.md"

HEAD = """# Operations

Written by `python -m tests.client.reference`; not by hand. Each operation is a method of `BackpackClient` under its
id; what it takes, in Python names (`*` = required), and what it answers. Times have their unit in the name; prices,
quantities and limits are exact numbers (`Decimal`, whole numbers or text).

| column | meaning |
|---|---|
| effect | `reads` is asked again when no answer comes; everything else is sent once, and may raise `OutcomeUnknown` |
| pool | which request limit counts: 2,000 a minute (standard) or 30 (historical); `unstated` is counted as historical |
| pages | there is an iterator too, `iterate_…` in place of `get_…` |
"""


def reference() -> str:
    """Return the whole document."""
    parts = [HEAD]
    for group in GROUPS:
        parts.append(f"\n## {group}\n\n| operation | effect | pool | takes | answers |\n|---|---|---|---|---|\n")
        parts += [_row(operation) for operation in OPERATIONS.values() if operation.group == group]
    return "".join(parts)


def _row(operation: Operation) -> str:
    row = endpoint(operation.operation_id)
    answers = type_text(operation.result)[0] + (" or None" if operation.may_be_empty else "")
    pool = {Pool.STANDARD: "standard", Pool.HISTORICAL: "historical", Pool.UNSTATED: "unstated"}[row.pool]
    needs = "" if row.is_signed or row.needs_session else ", public"
    name = f"`{operation.operation_id}`{' (pages)' if operation.page_limit else ''}"
    effect = f"{row.effect.value}{needs if row.effect is Effect.READS else ''}"
    takes = ", ".join(map(_parameter, operation.parameters)) or "nothing"
    cells = [f"{name}<br>{operation.meaning}", effect, pool, takes, f"`{answers}`"]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _parameter(parameter: Parameter) -> str:
    star = "*" if parameter.is_required else ""
    unit = f" ({parameter.unit})" if parameter.unit and parameter.kind is not Kind.WHOLE else ""
    return f"`{parameter.python_name}`{star}{unit}"


def main() -> int:
    """Write the document."""
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_text(reference(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
