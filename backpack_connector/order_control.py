"""Read the options of an order that Hummingbot has no parameter for, and turn them into fields of the request.

Rule 1: an option has the exchange's own name in snake case: `triggerPrice` is `trigger_price` (API §4.1).
Rule 2: whatever is wrong with an option is one sentence, before anything is sent; a name that resembles an option but
        is none is wrong as well, because an order without its stop loss is not the order that was asked for.
Rule 3: what was not asked for is not sent.
"""

import difflib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any

from hummingbot.core.data_type.common import OrderType, TradeType

from backpack_connector.protocol.enums import (
    MarketType,
    SelfTradePrevention,
    SlippageToleranceType,
    TimeInForce,
    TriggerBy,
)
from backpack_connector.protocol.errors import ConfigurationError, plain, shown
from backpack_connector.protocol.units import decimal_text

SELF_TRADE_PREVENTION_VARIABLE = "BACKPACK_SELF_TRADE_PREVENTION"
SLIPPAGE_TOLERANCE_VARIABLE = "BACKPACK_SLIPPAGE_TOLERANCE"

_PERCENTAGE = re.compile(r"[0-9]{1,3}(\.[0-9]+)?%")
_WHOLE = Decimal(100)
_MOST_DIGITS = 30


@dataclass(frozen=True)
class OrderControl:
    """The options of one order; None means that the exchange's own rule counts. Source: API §4.1.

    Units:    prices in quote units, `trigger_quantity` in base units or as a percentage (`"80%"`).
    """

    time_in_force: TimeInForce | None = None
    self_trade_prevention: SelfTradePrevention | None = None
    trigger_price: Decimal | None = None
    trigger_quantity: Decimal | str | None = None
    trigger_by: TriggerBy | None = None
    take_profit_trigger_price: Decimal | None = None
    take_profit_limit_price: Decimal | None = None
    take_profit_trigger_by: TriggerBy | None = None
    stop_loss_trigger_price: Decimal | None = None
    stop_loss_limit_price: Decimal | None = None
    stop_loss_trigger_by: TriggerBy | None = None
    slippage_tolerance: Decimal | None = None
    slippage_tolerance_type: SlippageToleranceType | None = None
    auto_lend: bool | None = None
    auto_lend_redeem: bool | None = None
    auto_borrow: bool | None = None
    auto_borrow_repay: bool | None = None

    @property
    def is_conditional(self) -> bool:
        """Tell whether the order waits at the exchange until a price is reached."""
        return self.trigger_price is not None

    def with_defaults(self, defaults: "OrderControl", order_type: OrderType) -> "OrderControl":
        """Return the control with the user's defaults where the order itself says nothing.

        The slippage tolerance is for market orders that execute now: a stop that fires while prices run must not
        expire because of a default that nobody thought of.
        """
        control = self
        if control.self_trade_prevention is None:
            control = replace(control, self_trade_prevention=defaults.self_trade_prevention)
        if order_type is OrderType.MARKET and not control.is_conditional and control.slippage_tolerance is None:
            control = replace(
                control,
                slippage_tolerance=defaults.slippage_tolerance,
                slippage_tolerance_type=defaults.slippage_tolerance_type,
            )
        return control

    def on_steps(
        self,
        price_on_tick: Callable[[Decimal], Decimal],
        quantity_on_step: Callable[[Decimal], Decimal],
        order_amount: Decimal,
    ) -> "OrderControl":
        """Return the control with its prices on the market's ticks and the order's own amount as trigger quantity.

        Raises:   ConfigurationError for a price below the tick, and for a trigger quantity other than the amount.
        """
        prices: dict[str, Any] = {}
        for name in _PRICES:
            price = getattr(self, name)
            if price is not None:
                prices[name] = price_on_tick(price)
                if prices[name] <= 0:
                    raise ConfigurationError(f"{name} {decimal_text(price)} is below the market's smallest price step.")
        if isinstance(self.trigger_quantity, Decimal) and quantity_on_step(self.trigger_quantity) != order_amount:
            raise ConfigurationError(
                f"trigger_quantity {decimal_text(self.trigger_quantity)} is not the order's amount "
                f"{decimal_text(order_amount)}; leave it out, or give a percentage such as 80%."
            )
        control = replace(self, **prices)
        if self.is_conditional and not isinstance(self.trigger_quantity, str):
            control = replace(control, trigger_quantity=order_amount)
        return control

    def wire_fields(self) -> dict[str, Any]:
        """Return the fields of execute_order that the control adds; an order with a trigger has no quantity."""
        return {
            wire_name: value for name, wire_name in _WIRE_NAMES.items() if (value := getattr(self, name)) is not None
        }


def _wire_name(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


_WIRE_NAMES: dict[str, str] = {field.name: _wire_name(field.name) for field in fields(OrderControl)}
_PRICES = [name for name in _WIRE_NAMES if name.endswith("_price")]

HUMMINGBOT_OPTIONS = frozenset({"position_action", "expiration_ts"})
"""What Hummingbot itself passes to orders; its own code handles them."""

NO_CONTROL = OrderControl()

# Words that only options of order control are made of, and what is meant by names that others use.
_TELLING_WORDS = re.compile(
    r"_(tif|force|gtc|ioc|fok|stp|prevention|trigger|conditional|profit|tp|loss|sl|stop|slippage|tolerance|lend|redeem"
    r"|borrow|repay|post|reduce)_"
)
_OTHER_NAMES = {
    "tif": "time_in_force",
    "stp": "self_trade_prevention",
    "stop_price": "trigger_price",
    "take_profit": "take_profit_trigger_price",
    "take_profit_price": "take_profit_trigger_price",
    "stop_loss": "stop_loss_trigger_price",
    "stop_loss_price": "stop_loss_trigger_price",
    "slippage": "slippage_tolerance",
    "max_slippage": "slippage_tolerance",
    "post_only": "the order type LIMIT_MAKER",
    "reduce_only": "position_action=PositionAction.CLOSE",
}


# Values


def _word(words: type[Enum]) -> Callable[[str, Any], Any]:
    members = {str(member.value).lower(): member for member in words}

    def read_word(name: str, value: Any) -> Any:
        text = str(value.value if isinstance(value, Enum) else value)
        if text.lower() not in members:
            choice = ", ".join(str(member.value) for member in words)
            raise ConfigurationError(f"{name} must be one of {choice}, not {shown(text)}.")
        return members[text.lower()]

    return read_word


def _number(name: str, value: Any) -> Decimal:
    """Return a positive number exactly as it reads: 0.1 is one tenth, whether text, float or Decimal."""
    try:
        number = Decimal(str(value))
    except (InvalidOperation, ValueError):
        number = Decimal("NaN")
    is_usable = number.is_finite() and number > 0 and abs(number.adjusted()) <= _MOST_DIGITS
    if not is_usable or len(number.as_tuple().digits) > 2 * _MOST_DIGITS:
        raise ConfigurationError(f"{name} must be a positive number, not {shown(value)}.")
    return number


def _quantity(name: str, value: Any) -> "Decimal | str":
    if not (isinstance(value, str) and value.endswith("%")):
        return _number(name, value)
    if not _PERCENTAGE.fullmatch(value) or not 0 < Decimal(value[:-1]) <= _WHOLE:
        raise ConfigurationError(f"{name} must be a percentage above 0% and up to 100%, not {shown(value)}.")
    return f"{decimal_text(Decimal(value[:-1]))}%"


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name} must be True or False, not {shown(value)}.")
    return value


def _reader(name: str) -> Callable[[str, Any], Any]:
    words: dict[str, type[Enum]] = {
        "time_in_force": TimeInForce,
        "self_trade_prevention": SelfTradePrevention,
        "slippage_tolerance_type": SlippageToleranceType,
    }
    if name in words:
        return _word(words[name])
    if name.endswith("_by"):
        return _word(TriggerBy)
    if name.startswith("auto_"):
        return _flag
    return _quantity if name == "trigger_quantity" else _number


_READERS = {name: _reader(name) for name in _WIRE_NAMES}


# Options of one order


def read_control(
    options: Mapping[str, Any], order_type: OrderType, trade_type: TradeType, market_type: MarketType
) -> OrderControl:
    """Return the control that the keyword arguments of buy or sell ask for; None counts as not given.

    Raises:   ConfigurationError with one sentence for a bad value, options that do not go together or with this kind
              of order, and a name that looks like an option and is none.
    """
    for name in unknown_options(options):
        if _resembles_an_option(name):
            raise ConfigurationError(f"There is no order option {plain(name, 60)}{_suggestion(name)}.")
    control = OrderControl(
        **{name: read(name, options[name]) for name, read in _READERS.items() if options.get(name) is not None}
    )
    reason = (
        _incomplete(control) or _misplaced(control, order_type, market_type) or _exits_out_of_order(control, trade_type)
    )
    if reason is not None:
        raise ConfigurationError(reason)
    return control


def unknown_options(options: Mapping[str, Any]) -> list[str]:
    """Return the names with a value that are neither options of order control nor Hummingbot's own."""
    return [
        name
        for name, value in options.items()
        if value is not None and name not in _READERS and name not in HUMMINGBOT_OPTIONS
    ]


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _resembles_an_option(name: str) -> bool:
    return bool(_TELLING_WORDS.search(f"_{_snake_case(name)}_") or _close_names(name))


def _close_names(name: str) -> list[str]:
    return difflib.get_close_matches(_snake_case(name), [*_WIRE_NAMES, *HUMMINGBOT_OPTIONS], n=1, cutoff=0.8)


def _suggestion(name: str) -> str:
    meant = _OTHER_NAMES.get(_snake_case(name)) or next(iter(_close_names(name)), None)
    return "" if meant is None else f"; use {meant}"


_NEEDS = {
    "trigger_quantity": "trigger_price",
    "trigger_by": "trigger_price",
    "take_profit_limit_price": "take_profit_trigger_price",
    "take_profit_trigger_by": "take_profit_trigger_price",
    "stop_loss_limit_price": "stop_loss_trigger_price",
    "stop_loss_trigger_by": "stop_loss_trigger_price",
    "slippage_tolerance": "slippage_tolerance_type",
    "slippage_tolerance_type": "slippage_tolerance",
}


def _incomplete(control: OrderControl) -> str | None:
    for name, needed in _NEEDS.items():
        if getattr(control, name) is not None and getattr(control, needed) is None:
            return f"{name} needs {needed} as well."
    return None


def _misplaced(control: OrderControl, order_type: OrderType, market_type: MarketType) -> str | None:
    if control.time_in_force not in (None, TimeInForce.GTC) and order_type is not OrderType.LIMIT:
        return f"time_in_force {control.time_in_force} is for LIMIT orders, not for {order_type.name} ones."
    if control.slippage_tolerance is not None and order_type is not OrderType.MARKET:
        return f"slippage_tolerance is for MARKET orders, not for {order_type.name} ones."
    if market_type is not MarketType.SPOT:
        for name in _WIRE_NAMES:
            if name.startswith("auto_") and getattr(control, name) is not None:
                return f"{name} is for spot margin; a perpetual order cannot have it."
    return None


def _exits_out_of_order(control: OrderControl, trade_type: TradeType) -> str | None:
    take_profit, stop_loss = control.take_profit_trigger_price, control.stop_loss_trigger_price
    if take_profit is None or stop_loss is None:
        return None
    is_buy = trade_type is TradeType.BUY
    if (take_profit > stop_loss) if is_buy else (take_profit < stop_loss):
        return None
    return (
        f"The take profit of a {trade_type.name.lower()} order must be {'above' if is_buy else 'below'} its stop loss: "
        f"{decimal_text(take_profit)} and {decimal_text(stop_loss)} are not."
    )


# Defaults


def default_control() -> OrderControl:
    """Return the user's defaults from the environment, for bots that cannot pass options with their orders.

    Raises:   ConfigurationError when a variable holds something that is no such option.
    """
    prevention = os.environ.get(SELF_TRADE_PREVENTION_VARIABLE, "").strip()
    slippage = os.environ.get(SLIPPAGE_TOLERANCE_VARIABLE, "").split()
    if slippage and len(slippage) != 2:
        raise ConfigurationError(
            f"{SLIPPAGE_TOLERANCE_VARIABLE} must be a number and its unit, such as '0.5 Percent' or '20 TickSize', "
            f"not {' '.join(slippage)!r}."
        )
    read_prevention, read_unit = _word(SelfTradePrevention), _word(SlippageToleranceType)
    if not prevention and not slippage:
        return NO_CONTROL
    return OrderControl(
        self_trade_prevention=read_prevention(SELF_TRADE_PREVENTION_VARIABLE, prevention) if prevention else None,
        slippage_tolerance=_number(SLIPPAGE_TOLERANCE_VARIABLE, slippage[0]) if slippage else None,
        slippage_tolerance_type=read_unit(SLIPPAGE_TOLERANCE_VARIABLE, slippage[1]) if slippage else None,
    )
