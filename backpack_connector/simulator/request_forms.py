"""Read query parameters and bodies into what the engine takes, or fail in the exchange's plain-text form.

Source: API §4.1 (fields), §4.4 (texts of parse failures).
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import Enum
from typing import Any, TypeVar

import msgspec

from backpack_connector.protocol.enums import (
    OrderType,
    SelfTradePrevention,
    Side,
    SlippageToleranceType,
    TimeInForce,
    TriggerBy,
)
from backpack_connector.protocol.errors import shown
from backpack_connector.protocol.rest import BROKER_HEADER

from .orders import NO_SPOT_MARGIN, ExitTrigger, NewOrder, SpotMargin, Trigger
from .refusals import ParseFailure, invalid_request

MAX_CLIENT_ID = 2**32 - 1
MAX_BATCH = 50
"""Source: API §2.1, §6 conflict 13."""
MAX_TEXT = 255
"""Characters of a free text such as a client id (schema AccountWithdrawalPayload) or an address (choice)."""

_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_PLAIN_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_MAX_DECIMAL_DIGITS = 28
_ID = re.compile(r"[0-9]{1,20}")
_MAX_INTEGER_DIGITS = 30
_SYMBOL = re.compile(r"[A-Za-z0-9.]{1,40}(_[A-Za-z0-9.]{1,40}){1,3}")
_PERCENT_SIGN = "%"
_MAX_BROKER_ID = 2**16 - 1

_E = TypeVar("_E", bound=Enum)


def check_broker_id(headers: Mapping[str, str]) -> None:
    """Check the header that names a broker, if it is there; it changes nothing else.

    Raises:   ParseFailure. Source: API §1.3 (16 bits, unsigned); the text is that of other parameters.
    """
    if BROKER_HEADER in headers:
        Query([(BROKER_HEADER, headers[BROKER_HEADER])]).integer(BROKER_HEADER, maximum=_MAX_BROKER_ID)


def decode_body(body: bytes) -> Any:
    """Return the JSON value of a body.

    Raises:   ParseFailure.
    """
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, ArithmeticError, RecursionError) as error:
        raise ParseFailure(f"parse request payload error: {error}") from error


class Payload:
    """One JSON object of a request, read field by field."""

    def __init__(self, value: Any, name: str) -> None:
        self._name = name
        if not isinstance(value, dict):
            raise ParseFailure(f'parse request payload error: failed to parse "{name}": Expected input type "object"')
        self.fields: dict[str, Any] = value

    def failure(self, kind: str, what: str) -> ParseFailure:
        """Return the failure for one field."""
        return ParseFailure(
            f'parse request payload error: failed to parse "{kind}": {what} (occurred while parsing "{self._name}")'
        )

    def symbol(self) -> str:
        """Return the required market symbol."""
        symbol = self.fields.get("symbol")
        if not isinstance(symbol, str) or not _SYMBOL.fullmatch(symbol):
            raise self.failure("MarketSymbol", "Invalid market symbol")
        return symbol

    def text(self, field: str, *, longest: int = MAX_TEXT) -> str | None:
        """Return a text, or None when it is absent."""
        text = self.fields.get(field)
        if text is not None and not isinstance(text, str):
            raise self.failure("string", f'Expected input type "string", found {shown(text)}.')
        if text is not None and len(text) > longest:
            raise self.failure("string", f"`{field}` must not be longer than {longest}.")
        return text

    def required_text(self, field: str, kind: str = "string") -> str:
        """Return a text that is not empty."""
        text = self.text(field)
        if not text:
            raise self.failure(kind, f"`{field}` is missing or empty.")
        return text

    def required_decimal(self, field: str) -> Decimal:
        """Return a decimal that was sent as text."""
        number = self.decimal(field)
        if number is None:
            raise self.failure("string_decimal", f"`{field}` is missing.")
        return number

    def uint32(self, field: str) -> int:
        """Return a whole number of 32 bits."""
        number = self.fields.get(field)
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= MAX_CLIENT_ID:
            raise self.failure("integer_uint32", "Expected an integer of 32 bits.")
        return number

    def decimal(self, field: str) -> Decimal | None:
        """Return a decimal that was sent as text, or None when it is absent."""
        text = self.fields.get(field)
        if text is None:
            return None
        if not isinstance(text, str) or not is_plain_decimal(text):
            raise self.failure("string_decimal", "Invalid decimal")
        return Decimal(text)

    def percent_or_decimal(self, field: str) -> tuple[Decimal, bool] | None:
        """Return a number that was sent as text and whether a percent sign followed, or None when it is absent."""
        text = self.fields.get(field)
        if text is None:
            return None
        number = text.removesuffix(_PERCENT_SIGN) if isinstance(text, str) else ""
        if not is_plain_decimal(number):
            raise self.failure("string_decimal", "Invalid decimal")
        return Decimal(number), number != text

    def optional_word(self, field: str, words: type[_E]) -> _E | None:
        """Return a member of a closed set, or None when it is absent."""
        return None if self.fields.get(field) is None else self.word(field, words)

    def word(self, field: str, words: type[_E], default: _E | None = None) -> _E:
        """Return a member of a closed set; without a default it is required."""
        word = self.fields.get(field)
        if word is None and default is not None:
            return default
        try:
            return words(word)
        except ValueError:
            raise self.failure(words.__name__, "Expect a valid enumeration value.") from None

    def flag(self, field: str) -> bool | None:
        """Return true, false, or None when it is absent."""
        flag = self.fields.get(field)
        if flag is not None and not isinstance(flag, bool):
            raise self.failure("boolean", f'Expected input type "boolean", found {shown(flag)}.')
        return flag

    def client_id(self) -> int | None:
        """Return the client id, an integer of 32 bits, or None when it is absent."""
        return None if self.fields.get("clientId") is None else self.uint32("clientId")

    def order_id(self) -> str | None:
        """Return the order id, which may be text or a number (API §2.3), or None when it is absent."""
        order_id = self.fields.get("orderId")
        if order_id is None:
            return None
        if isinstance(order_id, bool) or not isinstance(order_id, (str, int)) or not _ID.fullmatch(str(order_id)):
            raise self.failure("string", "Invalid order id")
        return str(order_id)


def is_plain_decimal(text: str) -> bool:
    """Tell whether a text is a decimal in plain notation of a length that the engine computes exactly."""
    return bool(_PLAIN_DECIMAL.fullmatch(text)) and sum(map(str.isdigit, text)) <= _MAX_DECIMAL_DIGITS


def read_new_order(value: Any, name: str = "OrderExecutePayload") -> NewOrder:
    """Read one order of POST /order or POST /orders.

    Raises:   ParseFailure, or Refusal for fields that do not go together.
    """
    payload = Payload(value, name)
    order = NewOrder(
        symbol=payload.symbol(),
        side=payload.word("side", Side),
        order_type=payload.word("orderType", OrderType),
        price=payload.decimal("price"),
        quantity=payload.decimal("quantity"),
        quote_quantity=payload.decimal("quoteQuantity"),
        time_in_force=payload.word("timeInForce", TimeInForce, TimeInForce.GTC),
        post_only=bool(payload.flag("postOnly")),
        reduce_only=payload.flag("reduceOnly"),
        self_trade_prevention=payload.word(
            "selfTradePrevention", SelfTradePrevention, SelfTradePrevention.REJECT_TAKER
        ),
        client_id=payload.client_id(),
        trigger=_trigger(payload),
        take_profit=_exit_trigger(payload, "takeProfit"),
        stop_loss=_exit_trigger(payload, "stopLoss"),
        slippage_tolerance=payload.decimal("slippageTolerance"),
        slippage_tolerance_type=payload.optional_word("slippageToleranceType", SlippageToleranceType),
        spot_margin=_spot_margin(payload),
    )
    if (order.slippage_tolerance is None) != (order.slippage_tolerance_type is None):
        raise invalid_request("Must specify both `slippageTolerance` and `slippageToleranceType` or neither")
    return order


def _spot_margin(payload: Payload) -> SpotMargin:
    """Read the four fields of spot margin. Source: API §4.1."""
    spot_margin = SpotMargin(
        auto_borrow=bool(payload.flag("autoBorrow")),
        auto_borrow_repay=bool(payload.flag("autoBorrowRepay")),
        auto_lend=bool(payload.flag("autoLend")),
        auto_lend_redeem=bool(payload.flag("autoLendRedeem")),
    )
    return NO_SPOT_MARGIN if spot_margin == NO_SPOT_MARGIN else spot_margin


def _trigger(payload: Payload) -> Trigger | None:
    """Read the three trigger fields. Source: API §4.1, §4.4 (text)."""
    price, quantity = payload.decimal("triggerPrice"), payload.percent_or_decimal("triggerQuantity")
    trigger_by = payload.optional_word("triggerBy", TriggerBy)
    if (price is None) != (quantity is None):
        raise invalid_request("Must specify both `triggerPrice` and `triggerQuantity` or neither")
    if price is None or quantity is None:
        if trigger_by is not None:
            raise invalid_request("Must specify `triggerPrice` with `triggerBy`")
        return None
    amount, is_percent = quantity
    return Trigger(price=price, quantity=amount, is_percent=is_percent, by=trigger_by)


def _exit_trigger(payload: Payload, name: str) -> ExitTrigger | None:
    """Read the fields of a take-profit or stop-loss. Source: API §4.1."""
    price, limit_price = payload.decimal(f"{name}TriggerPrice"), payload.decimal(f"{name}LimitPrice")
    trigger_by = payload.optional_word(f"{name}TriggerBy", TriggerBy)
    if price is not None:
        return ExitTrigger(price=price, limit_price=limit_price, by=trigger_by)
    if limit_price is not None or trigger_by is not None:
        raise invalid_request(f"Must specify `{name}TriggerPrice` with the other `{name}` fields")
    return None


class Query:
    """The parameters of a query, read one by one."""

    def __init__(self, parameters: Sequence[tuple[str, str]]) -> None:
        self._pairs = parameters
        self._parameters = dict(parameters)

    @property
    def fields(self) -> Mapping[str, str]:
        """Return all parameters, as a signature covers them; of a repeated one the last."""
        return self._parameters

    def failure(self, name: str, kind: str, what: str) -> ParseFailure:
        """Return the failure for one parameter."""
        return ParseFailure(f'failed to parse parameter `{name}`: failed to parse "{kind}": {what}')

    def text(self, name: str) -> str | None:
        """Return a parameter as it came, or None."""
        return self._parameters.get(name)

    def _required(self, name: str, kind: str) -> str:
        text = self._parameters.get(name)
        if text is None:
            raise ParseFailure(f'failed to parse parameter `{name}`: Type "{kind}" expects an input value.')
        return text

    def required_text(self, name: str) -> str:
        """Return a parameter as it came."""
        return self._required(name, "string")

    def symbol(self) -> str:
        """Return the required market symbol."""
        symbol = self._required("symbol", "string")
        if not _SYMBOL.fullmatch(symbol):
            raise self.failure("symbol", "MarketSymbol", "Invalid market symbol")
        return symbol

    def decimal(self, name: str) -> Decimal | None:
        """Return a decimal, or None when it is absent."""
        text = self._parameters.get(name)
        if text is not None and not is_plain_decimal(text):
            raise self.failure(name, "string_decimal", "Invalid decimal")
        return None if text is None else Decimal(text)

    def word(self, name: str, words: type[_E]) -> _E | None:
        """Return a member of a closed set, or None when it is absent."""
        word = self._parameters.get(name)
        if word is None:
            return None
        try:
            return words(word)
        except ValueError:
            raise self.failure(name, words.__name__, "Expect a valid enumeration value.") from None

    def required_word(self, name: str, words: type[_E]) -> _E:
        """Return a member of a closed set."""
        self._required(name, words.__name__)
        word = self.word(name, words)
        assert word is not None
        return word

    def words(self, name: str, words: type[_E]) -> list[_E]:
        """Return all members of a closed set under one name, which may be repeated."""
        return [
            word for pair in self._pairs if pair[0] == name and (word := Query([pair]).word(name, words)) is not None
        ]

    def required_integer(self, name: str, *, maximum: int | None = None, is_signed: bool = False) -> int:
        """Return a whole number, of zero or more unless it is signed."""
        self._required(name, "integer")
        number = self.integer(name, maximum=maximum, is_signed=is_signed)
        assert number is not None
        return number

    def integer(
        self, name: str, default: int | None = None, *, maximum: int | None = None, is_signed: bool = False
    ) -> int | None:
        """Return a whole number of 64 bits, of zero or more unless it is signed, or the default when it is absent."""
        text = self._parameters.get(name)
        if text is None:
            return default
        digits = text.removeprefix("-") if is_signed else text
        if not (digits.isascii() and digits.isdigit()):
            raise self.failure(name, "integer", "invalid digit found in string")
        # Python refuses to read thousands of digits; these many are too large already.
        number = int(text) if len(digits) <= _MAX_INTEGER_DIGITS else None
        least, most = (-(2**63), 2**63 - 1) if is_signed else (0, 2**64 - 1)
        if number is None or not least <= number <= most:
            which = "small" if text.startswith("-") else "large"
            raise self.failure(name, "integer", f"number too {which} to fit in target type")
        if maximum is not None and number > maximum:
            raise self.failure(name, "integer", f"Value must not exceed {maximum}.")
        return number

    def flag(self, name: str) -> bool | None:
        """Return true, false, or None when it is absent."""
        text = self._parameters.get(name)
        if text not in (None, "true", "false"):
            raise self.failure(name, "boolean", "not `true` or `false`")
        return None if text is None else text == "true"

    def client_id(self) -> int | None:
        """Return the client id, or None."""
        return self.integer("clientId", maximum=MAX_CLIENT_ID)
