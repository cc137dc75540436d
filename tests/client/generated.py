"""Write the typed methods of the client out of the catalogue; `make docs` runs this, a test compares.

python -m tests.client.generated
"""

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any, get_args, get_origin

from backpack_connector.protocol import enums
from backpack_connector.protocol.endpoints import Effect, endpoint
from backpack_connector.protocol.operations import OPERATIONS
from backpack_connector.protocol.parameters import Kind, Operation, Parameter

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "backpack_connector" / "client"
NOTE = "Written by `python -m tests.client.generated` out of the catalogue (`protocol/operations.py`); not by hand."

FILES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "methods_market": (
        "MarketMethods",
        "Ask for what is public: the system, markets, prices, trades, assets, lending rates.",
        ("System", "Markets", "Trades", "Assets", "Borrow Lend Markets"),
    ),
    "methods_orders": (
        "OrderMethods",
        "Place, cancel and look up orders.",
        ("Order",),
    ),
    "methods_positions": (
        "PositionMethods",
        "Look at positions and funding, and run strategies.",
        ("Strategy", "Position"),
    ),
    "methods_account": (
        "AccountMethods",
        "Look after an account: settings, limits, balances, deposits, withdrawals.",
        ("Account", "Capital", "Withdrawal Delays"),
    ),
    "methods_lending": ("LendingMethods", "Lend and borrow.", ("Borrow Lend",)),
    "methods_deals": ("DealMethods", "Trade by requests for quotes, and invest in vaults.", ("RFQ", "Vaults")),
}
ITERATORS = ("iterators", "PageIterators", "Go through lists that the exchange answers in pages, row by row.")

# Words without an enum: the name of their type.
_WORD_NAMES = {
    ("Asc", "Desc"): "SortDirection",
    ("Last", "Index", "Mark"): "KlinePriceType",
    ("1d", "1w"): "TickerInterval",
    ("1d", "1w", "1month", "1year"): "HistoryInterval",
    ("CRYPTO", "STOCK"): "AssetClass",
    ("Open", "Closed"): "OpenOrClosed",
    ("Scheduled",): "StrategyType",
    ("Borrow", "Lend"): "LendSide",
    ("Borrow", "BorrowRepay", "Lend", "LendRedeem"): "LendEvent",
    ("UnrealizedPnl", "BorrowLend"): "InterestSource",
    ("AwaitAccept", "Immediate"): "ExecutionMode",
    ("User", "CollateralConversion"): "RfqFillType",
    ("5", "10", "20", "50", "100", "500", "1000"): "DepthLimit",
}
_LONG_WORD_NAMES = {"User": "FillType", "BackstopLiquidation": "SettlementSource"}
_PAGE = ("limit", "offset")


def enum_of(parameter: Parameter) -> str | None:
    """Return the name of the enum with the words of a parameter, or None."""
    for name, kind in vars(enums).items():
        is_words = isinstance(kind, type) and issubclass(kind, enums.WireEnum)
        if is_words and parameter.words and tuple(member.value for member in kind) == parameter.words:
            return name
    return None


def word_type(parameter: Parameter) -> str:
    """Return the name of the type that a parameter with words has in Python."""
    enum = enum_of(parameter)
    if enum is not None:
        return f"{enum}Word"
    return _WORD_NAMES.get(parameter.words) or _LONG_WORD_NAMES[parameter.words[0]]


def python_type(parameter: Parameter) -> str:
    """Return the type that a parameter has in Python."""
    if parameter.words:
        return word_type(parameter)
    return {
        Kind.TEXT: "str",
        Kind.SYMBOL: "str",
        Kind.WHOLE: "int",
        Kind.DECIMAL: "Amount",
        Kind.DECIMAL_OR_PERCENT: "Amount",
        Kind.FLAG: "bool",
    }[parameter.kind]


def type_text(result: Any) -> tuple[str, set[str]]:
    """Return a result's type as code, and the imports that it needs."""
    if result is None:
        return "None", set()
    if result is Any:
        return "Any", {"from typing import Any"}
    if isinstance(result, type) and not get_args(result):
        needed = set() if result.__module__ == "builtins" else {f"from {result.__module__} import {result.__name__}"}
        return result.__name__, needed
    parts = [type_text(part) for part in get_args(result)]
    needed = set().union(*(needs for _, needs in parts))
    if get_origin(result) in (list, dict):
        return f"{get_origin(result).__name__}[{', '.join(text for text, _ in parts)}]", needed
    return " | ".join(text for text, _ in parts), needed


def arguments(parameters: list[Parameter]) -> list[str]:
    """Return the arguments of a method: required ones by place, all others by name only."""
    required = [f"{row.python_name}: {python_type(row)}" for row in parameters if row.is_required]
    optional = [f"{row.python_name}: {python_type(row)} | None = None" for row in parameters if not row.is_required]
    return [*required, *(["*", *optional] if optional else [])]


def explained(parameters: list[Parameter]) -> list[str]:
    """Return a line for each parameter."""
    lines = []
    for row in parameters:
        unit = f" In {row.unit}." if row.unit and row.kind is not Kind.WHOLE else ""
        lines += textwrap.wrap(
            f"{row.python_name}: {row.meaning}{unit}", 108, initial_indent=" " * 12, subsequent_indent=" " * 16
        )
    return lines


def docstring(operation: Operation, parameters: list[Parameter]) -> list[str]:
    row = endpoint(operation.operation_id)
    effect = {
        Effect.READS: "",
        Effect.TRADES: " Sent once.",
        Effect.CONFIGURES: " Sent once.",
        Effect.MOVES_FUNDS: " Moves funds; sent once.",
    }
    tail = [] if row.effect is Effect.READS else ["", f"        It changes something.{effect[row.effect]}"]
    if not parameters and not tail:
        return [f'        """{operation.meaning}"""']
    told = ["", "        Takes:", *explained(parameters)] if parameters else []
    return [f'        """{operation.meaning}', *tail, *told, '        """']


def method(operation: Operation) -> tuple[str, set[str]]:
    """Return one method, and the imports that it needs."""
    name = operation.operation_id
    result, needed = type_text(operation.result)
    returned = f"{result} | None" if operation.may_be_empty else result
    parameters = list(operation.parameters)
    if name == "execute_order_batch":
        lines = [
            f"    async def {name}(self, orders: Sequence[NewOrder]) -> {returned}:",
            f'        """{operation.meaning}',
            "",
            "        It changes something. Sent once.",
            "",
            "        Takes:",
            "            orders: each with the fields of `execute_order`, under their names on the wire or in Python.",
            '        """',
            f'        result: {returned} = await self.call("{name}", orders)',
            "        return result",
        ]
        return "\n".join(lines), {*needed, "from collections.abc import Sequence", "from .words import NewOrder"}
    for row in parameters:
        needed |= {f"from .words import {python_type(row)}"} - {
            f"from .words import {kind}" for kind in ("str", "int", "bool")
        }
    given = ", ".join(f'"{row.name}": {row.python_name}' for row in parameters)
    call = f'self.call("{name}", {{{given}}})' if given else f'self.call("{name}")'
    ending = [f"        await {call}"]
    if operation.result is not None:
        ending = [f"        result: {returned} = await {call}", "        return result"]
    lines = [
        f"    async def {name}(self, {', '.join(arguments(parameters))}) -> {returned}:".replace("(self, )", "(self)"),
        *docstring(operation, parameters),
        *ending,
    ]
    return "\n".join(lines), needed


def iterator(operation: Operation) -> tuple[str, set[str]]:
    """Return the iterator of an operation with pages, and the imports that it needs."""
    name = operation.operation_id
    result, needed = type_text(get_args(operation.result)[0])
    parameters = [row for row in operation.parameters if row.name not in _PAGE]
    for row in parameters:
        if python_type(row) not in ("str", "int", "bool"):
            needed.add(f"from .words import {python_type(row)}")
    given = ", ".join(f'"{row.name}": {row.python_name}' for row in parameters)
    texts = arguments(parameters)
    texts += ([] if "*" in texts else ["*"]) + ["page_size: int | None = None", "most: int | None = None"]
    sentence = operation.meaning.replace("Return ", "Yield ", 1)
    lines = [
        f"    def {name.replace('get_', 'iterate_', 1)}(self, {', '.join(texts)}) -> AsyncIterator[{result}]:",
        f'        """{sentence}"""',
        f'        return rows_of(self, "{name}", {{{given}}}, page_size=page_size, most=most)',
    ]
    return "\n".join(lines), {*needed, "from collections.abc import AsyncIterator", "from .paging import rows_of"}


def module(sentence: str, class_name: str, parts: list[tuple[str, set[str]]], about: str) -> str:
    imports = set().union(*(needed for _, needed in parts)) | {"from .calls import OperationCalls"}
    body = "\n\n".join(text for text, _ in parts)
    head = f'"""{sentence}\n\n{NOTE}\n"""\n\n' + "\n".join(sorted(imports))
    return f'{head}\n\n\nclass {class_name}(OperationCalls):\n    """{about}"""\n\n{body}\n'


def words() -> str:
    """Return the module that names what parameters may be."""
    lines: dict[str, str] = {}
    used: set[str] = set()
    for operation in OPERATIONS.values():
        for row in operation.parameters:
            if not row.words:
                continue
            literals = ", ".join(word if row.kind is Kind.WHOLE else f'"{word}"' for word in row.words)
            enum = enum_of(row)
            used |= {enum} if enum else set()
            lines[word_type(row)] = f"{enum} | Literal[{literals}]" if enum else f"Literal[{literals}]"
    aliases = "\n".join(f"{name}: TypeAlias = {text}" for name, text in sorted(lines.items()))
    return (
        f'"""Name the types of parameters: words that the exchange takes, and exact numbers.\n\n{NOTE}\n"""\n\n'
        "from collections.abc import Mapping\nfrom decimal import Decimal\n"
        "from typing import Any, Literal, TypeAlias\n\n"
        f"from backpack_connector.protocol.enums import {', '.join(sorted(used))}\n\n"
        "Amount: TypeAlias = Decimal | int | str\n"
        '"""A float is refused: its text would be a guess."""\n\n'
        "NewOrder: TypeAlias = Mapping[str, Any]\n"
        '"""The fields of `execute_order`."""\n\n'
        f"{aliases}\n"
    )


def files() -> dict[Path, str]:
    """Return every generated file with its text."""
    found = {FOLDER / "words.py": words()}
    for name, (class_name, sentence, groups) in FILES.items():
        parts = [method(row) for row in OPERATIONS.values() if row.group in groups]
        found[FOLDER / f"{name}.py"] = module(sentence, class_name, parts, "One method an operation, by official id.")
    name, class_name, sentence = ITERATORS
    parts = [iterator(row) for row in OPERATIONS.values() if row.page_limit]
    about = "One iterator an operation with pages; `page_size` rows are asked for at once, and `most` of them yielded."
    found[FOLDER / f"{name}.py"] = module(sentence, class_name, parts, about)
    return {path: formatted(text) for path, text in found.items()}


def formatted(text: str) -> str:
    """Return code with sorted imports and the project's format."""
    for command in (["check", "--select", "I", "--fix", "--quiet"], ["format", "--quiet"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--stdin-filename", "backpack_connector/client/x.py", "-"],
            input=text,
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=True,
        )
        text = done.stdout
    return text


def main() -> int:
    """Write all files."""
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
