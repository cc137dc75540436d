"""Read decoded JSON into frozen structs, or say in one sentence what is wrong with it and where."""

from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from functools import cache
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

import msgspec

from .errors import WireFormatError, plain

WireTime = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""A time in whole units since the epoch; the bounds keep its conversion to float seconds from overflowing."""

WireId = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""A number of an update or a trade; books hold it in 64 bits."""

OrderId = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
"""About 11 digits (API §4.5); what is empty or very long would make an order impossible to find again."""

Positive = Annotated[Decimal, "positive"]
"""A number above zero, such as the price of a fill."""

NotNegative = Annotated[Decimal, "not negative"]
"""A number of zero or more, such as an executed quantity."""

# What the exchange shows has up to 28 places after the point (tests/samples). Far beyond any price or amount of money
# a number only costs memory and time: 1e999999999 is eleven characters, and a gigabyte when it is written out.
_MAX_PLACES = 60
_MAX_MAGNITUDE = 30
_WHERE_LIMIT = 120
_ZERO = Decimal(0)


class WireStruct(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A payload of the exchange: added fields are ignored, missing ones and wrong kinds are errors.

    msgspec accepts "NaN", "Infinity" and "1e999999999" as decimals; no amount of money is one of these, so they are
    refused here, and so are signs that a field cannot have.
    """

    def __post_init__(self) -> None:
        names = _decimal_fields_of(type(self))
        if not names or _are_ordinary(self, names):
            return
        for name, least in names:
            value = getattr(self, name)
            if value is not None and (problem := _problem_of(value, least)) is not None:
                raise ValueError(f"{name} is {problem}")


# Sums exactly, or raises: so the sum has the most places and at least the magnitude of what it was made of.
_EXACT = Context(prec=_MAX_PLACES + _MAX_MAGNITUDE + 2, traps=[Inexact, InvalidOperation, Overflow])


def _are_ordinary(struct: Any, names: tuple[tuple[str, str], ...]) -> bool:
    """Tell of all numbers of a payload at once that `_problem_of` finds nothing; false means that it may find some."""
    add, total = _EXACT.add, _ZERO
    try:
        for name, least in names:
            number = getattr(struct, name)
            if number is None:
                continue
            if least and number.is_signed():
                return False
            if number:
                total = add(total, number if least else number.copy_abs())
            elif least == "positive" or _problem_of(number, "") is not None:
                return False  # a zero leaves no trace in a sum, whatever its exponent
    except ArithmeticError:
        return False
    return _problem_of(total, "") is None


def _problem_of(number: Decimal, least: str) -> str | None:
    if not number.is_finite():
        return str(number)
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    if exponent < -_MAX_PLACES or number.adjusted() >= _MAX_MAGNITUDE:
        return "a number of too many digits"
    if least and (number < 0 or (least == "positive" and not number)):
        return f"{number}, which is not possible"
    return None


@cache
def _decimal_fields_of(cls: type) -> tuple[tuple[str, str], ...]:
    """Return (name, what the number must be at least) of the fields that hold a Decimal, or perhaps hold one."""
    fields: dict[str, str] = {}
    for name, hint in get_type_hints(cls, include_extras=True).items():
        for kind in (hint, *get_args(hint)):
            if kind in (Positive, NotNegative):
                fields[name] = kind.__metadata__[0]
            elif kind is Decimal:
                fields.setdefault(name, "")
    return tuple(fields.items())


_T = TypeVar("_T")


def read(kind: type[_T], payload: Any, where: str, *, is_strict: bool = True) -> _T:
    """Return a decoded JSON value as the given struct or type; numbers out of text only where it is not strict.

    Raises:   WireFormatError naming `where` (an operation or a stream) and the path inside the payload.
    """
    try:
        return msgspec.convert(payload, kind, strict=is_strict)
    except (msgspec.ValidationError, ValueError, TypeError, OverflowError) as error:
        # `from None`: the library's message may quote megabytes of what was sent.
        raise WireFormatError(f"{plain(where, _WHERE_LIMIT)}: {plain(str(error))}") from None
