"""Describe what operations take and answer, and turn what a user gives into what the wire carries.

Rule 1: a value is refused here with one sentence, before anything is signed or sent.
Rule 2: numbers of money are text, whole numbers or Decimal. A float is refused, because its text would be a guess, and
        so is text that the exchange would not read: an exponent, a comma, NaN.
Rule 3: what is refused is quoted short and printable (`errors.shown`).
Source: API §2.0, §1.4.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from enum import Enum
from typing import Any

from .errors import ConfigurationError, shown
from .units import decimal_text

UINT8, UINT16, UINT32, INT64 = 2**8 - 1, 2**16 - 1, 2**32 - 1, 2**63 - 1

_PLAIN_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_WITH_COMMA = re.compile(r"-?[0-9]+,[0-9]+")
_MAX_NUMBER_TEXT = 60
_MAX_TEXT = 1_000
_NAME_STEP = re.compile(r"(?<!^)(?=[A-Z])")
_TRUE_AND_FALSE = {"true": True, "false": False}


class Kind(Enum):
    """What a parameter is made of."""

    TEXT = "text"
    SYMBOL = "symbol"
    """Letters, digits, `_` and `.`; case matters (API §5.1)."""
    WORD = "word"
    WHOLE = "whole number"
    DECIMAL = "decimal"
    DECIMAL_OR_PERCENT = "decimal or percentage"
    FLAG = "true or false"


@dataclass(frozen=True)
class Parameter:
    """One parameter of an operation, under the name that it has on the wire."""

    name: str
    kind: Kind
    meaning: str
    is_required: bool = False
    words: tuple[str, ...] = ()
    """All words that the exchange takes, of a WORD; of a WHOLE, the numbers as text."""
    least: int = 0
    """Of a WHOLE. A DECIMAL is always above zero: there is no price, quantity or limit of zero."""
    most: int = INT64
    unit: str | None = None
    """Of times `s` or `ms`; of amounts what they are counted in."""

    @property
    def python_name(self) -> str:
        """Return the name in Python: snake case, and of a time with its unit."""
        name = _NAME_STEP.sub("_", self.name).lower()
        return f"{name}_{self.unit}" if self.unit in ("s", "ms") else name

    @property
    def required(self) -> "Parameter":
        """Return the same parameter, required."""
        return replace(self, is_required=True)

    def wire_value(self, value: Any) -> Any:
        """Return a value as the wire carries it.

        Raises:   ConfigurationError with one sentence for a value that the exchange would not take.
        """
        return _READERS[self.kind](self, value)

    def _wrong(self, what: str) -> ConfigurationError:
        return ConfigurationError(f"{self.name} {what}")


def _text(parameter: Parameter, value: Any) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not text.strip():
        raise parameter._wrong(f"has to be text, not {shown(value)}.")
    if len(text) > _MAX_TEXT or not text.isprintable():
        raise parameter._wrong(f"has to be one line of at most {_MAX_TEXT} characters, not {shown(value)}.")
    return text.strip()


def _symbol(parameter: Parameter, value: Any) -> str:
    text = _text(parameter, value)
    if not re.fullmatch(r"[A-Za-z0-9._]{1,64}", text):
        raise parameter._wrong(f"has to be written like SOL_USDC_PERP or SOL, not {shown(value)}.")
    return text


def _word(parameter: Parameter, value: Any) -> str:
    text = str(value.value) if isinstance(value, Enum) else value
    if isinstance(text, str) and text.strip() in parameter.words:
        return text.strip()
    similar = [word for word in parameter.words if isinstance(text, str) and word.lower() == text.strip().lower()]
    hint = f" Did you mean {similar[0]}?" if similar else ""
    raise parameter._wrong(f"has to be one of {', '.join(parameter.words)}, not {shown(value)}.{hint}")


def _whole(parameter: Parameter, value: Any) -> int:
    number = _whole_number(value)
    if number is None:
        raise parameter._wrong(f"has to be a whole number, not {shown(value)}.")
    if parameter.words and str(number) not in parameter.words:
        raise parameter._wrong(f"has to be one of {', '.join(parameter.words)}, not {number}.")
    if not parameter.least <= number <= parameter.most:
        raise parameter._wrong(f"has to be from {parameter.least} to {parameter.most}, not {shown(number)}.")
    return number


def _whole_number(value: Any) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,20}", value.strip()):
        return int(value)
    return None


def _decimal(parameter: Parameter, value: Any) -> str:
    return decimal_text(_above_zero(parameter, value))


def _above_zero(parameter: Parameter, value: Any) -> Decimal:
    number = _number(parameter, value)
    if number <= 0:
        raise parameter._wrong(f"has to be above zero, not {shown(value)}.")
    return number


def _number(parameter: Parameter, value: Any) -> Decimal:
    if isinstance(value, float):
        raise parameter._wrong(f"is a float, which is not exact: give text or Decimal, such as '{value:.12g}'.")
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise parameter._wrong(f"has to be a number such as 0.5, not {shown(value)}.")
    if isinstance(value, str):
        return _number_of_text(parameter, value.strip())
    number = Decimal(value)
    if not number.is_finite():
        raise parameter._wrong(f"has to be a number, not {number}.")
    if len(number.as_tuple().digits) + abs(number.adjusted()) > _MAX_NUMBER_TEXT:
        raise parameter._wrong("has too many digits.")
    return number


def _number_of_text(parameter: Parameter, text: str) -> Decimal:
    if len(text) > _MAX_NUMBER_TEXT:
        raise parameter._wrong("has too many digits.")
    if _PLAIN_NUMBER.fullmatch(text):
        return Decimal(text)
    if _WITH_COMMA.fullmatch(text):
        raise parameter._wrong(f"has to have a point and no comma: {text.replace(',', '.')}, not {shown(text)}.")
    try:
        number = Decimal(text) if text.isascii() and "_" not in text else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite():
        raise parameter._wrong(f"has to be a number such as 0.5, not {shown(text)}.")
    if abs(number.adjusted()) > _MAX_NUMBER_TEXT:
        raise parameter._wrong("has too many digits.")
    raise parameter._wrong(f"has to be written plainly: {decimal_text(number)}, not {shown(text)}.")


def _decimal_or_percent(parameter: Parameter, value: Any) -> str:
    text = value.strip() if isinstance(value, str) else value
    if not isinstance(text, str) or not text.endswith("%"):
        return _decimal(parameter, value)
    percent = _above_zero(parameter, text[:-1])
    if percent > 100:
        raise parameter._wrong(f"has to be at most 100%, not {shown(text)}.")
    return f"{decimal_text(percent)}%"


def _flag(parameter: Parameter, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in _TRUE_AND_FALSE:
        return _TRUE_AND_FALSE[value.strip().lower()]
    raise parameter._wrong(f"has to be true or false, not {shown(value)}.")


_READERS = {
    Kind.TEXT: _text,
    Kind.SYMBOL: _symbol,
    Kind.WORD: _word,
    Kind.WHOLE: _whole,
    Kind.DECIMAL: _decimal,
    Kind.DECIMAL_OR_PERCENT: _decimal_or_percent,
    Kind.FLAG: _flag,
}


@dataclass(frozen=True)
class Operation:
    """What an operation takes and answers, beside its row in `endpoints`."""

    operation_id: str
    group: str
    """Under which heading the official documentation has it."""
    meaning: str
    result: Any
    """The type of what it answers; `str` for plain text, None for an empty answer, Any where no source tells."""
    parameters: tuple[Parameter, ...] = ()
    """Of a batch those of each of its elements."""
    exactly_one: tuple[str, ...] = ()
    """Of these parameters one has to be there, and only one."""
    at_least_one: tuple[str, ...] = ()
    page_limit: int = 0
    """Rows that a page holds at most; 0 for an operation without pages."""
    may_be_empty: bool = False
    """It may answer with an empty body: nothing to show (204), or accepted and not executed yet (202)."""

    def parameter(self, name: str) -> Parameter | None:
        """Return the parameter of a name, of the wire or in Python, or None."""
        return next((row for row in self.parameters if name in (row.name, row.python_name)), None)

    def fields(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return one set of parameters as the wire carries it; what is None is left out.

        Raises:   ConfigurationError with one sentence about the first thing that is wrong.
        """
        fields: dict[str, Any] = {}
        for name, value in given.items():
            row = self.parameter(name)
            if row is None:
                raise self._unknown(name)
            if value is not None:
                fields[row.name] = row.wire_value(value)
        missing = [row.name for row in self.parameters if row.is_required and row.name not in fields]
        if missing:
            raise self._wrong(f"needs {' and '.join(missing)}.")
        self._check_choices(fields)
        return fields

    def _check_choices(self, fields: Mapping[str, Any]) -> None:
        if self.exactly_one and (found := [name for name in self.exactly_one if name in fields]) != found[:1]:
            raise self._wrong(f"takes only one of {' and '.join(self.exactly_one)}.")
        if self.exactly_one and not found:
            raise self._wrong(f"needs {' or '.join(self.exactly_one)}.")
        if self.at_least_one and not any(name in fields for name in self.at_least_one):
            raise self._wrong(f"needs at least one of {', '.join(self.at_least_one)}.")

    def _unknown(self, name: str) -> ConfigurationError:
        names = [row.name for row in self.parameters]
        close = get_close_matches(name, [*names, *(row.python_name for row in self.parameters)], 1)
        known = f"it takes {', '.join(names)}" if names else "it takes none"
        return self._wrong(
            f"has no parameter {shown(name)}" + (f"; did you mean {close[0]}?" if close else f"; {known}.")
        )

    def _wrong(self, what: str) -> ConfigurationError:
        return ConfigurationError(f"{self.operation_id} {what}")
