"""Read decoded JSON into frozen structs, or say in one sentence what is wrong with it and where."""

import math
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

import msgspec

from .errors import WireFormatError

WireTime = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""A time in whole units since the epoch; the bounds keep its conversion to float seconds from overflowing."""


class WireStruct(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A payload of the exchange: added fields are ignored, missing ones and wrong kinds are errors.

    msgspec accepts "NaN" and "Infinity" as decimals; no amount of money is either, so they are refused here.
    """

    def __post_init__(self) -> None:
        for name in _decimal_fields_of(type(self)):
            value = getattr(self, name)
            if value is not None and not value.is_finite():
                raise ValueError(f"{name} is {value}")


@cache
def _decimal_fields_of(cls: type) -> tuple[str, ...]:
    return tuple(name for name, hint in get_type_hints(cls).items() if hint is Decimal or Decimal in get_args(hint))


_T = TypeVar("_T")


def read(kind: type[_T], payload: Any, where: str) -> _T:
    """Return a decoded JSON value as the given struct or type.

    Raises:   WireFormatError naming `where` (an operation or a stream) and the path inside the payload.
    """
    try:
        return msgspec.convert(payload, kind)
    except (msgspec.ValidationError, ValueError, TypeError, OverflowError) as error:
        raise WireFormatError(f"{where}: {error}") from error


def finite_number(text: Any, where: str) -> float:
    """Return a price or size level as a float, as order books hold it.

    Raises:   WireFormatError for anything that is not a finite number of zero or more.
    """
    try:
        number = float(text)
    except (TypeError, ValueError, OverflowError) as error:
        raise WireFormatError(f"{where}: expected a number, got {text!r}") from error
    if not math.isfinite(number) or number < 0:
        raise WireFormatError(f"{where}: expected a number of zero or more, got {text!r}")
    return number
