"""The options of an order: what is read, what is refused with which words, and which defaults there are."""

import dataclasses
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hummingbot.core.data_type.common import OrderType, PositionAction, TradeType

from backpack_connector.backpack_exchange import BackpackExchange
from backpack_connector.order_control import OrderControl, default_control, read_control
from backpack_connector.protocol.enums import MarketType, SelfTradePrevention, TriggerBy
from backpack_connector.protocol.errors import ConfigurationError
from backpack_connector.protocol.rest import body_fields

LIMIT, LIMIT_MAKER, MARKET = OrderType.LIMIT, OrderType.LIMIT_MAKER, OrderType.MARKET


def control_of(
    order_type: OrderType = LIMIT,
    trade_type: TradeType = TradeType.BUY,
    market_type: MarketType = MarketType.SPOT,
    **options: Any,
) -> OrderControl:
    return read_control(options, order_type, trade_type, market_type)


def sent(control: OrderControl, amount: str = "2") -> Any:
    """Return the fields as they stand in the JSON body, prices cut to cents."""
    fitted = control.on_steps(
        lambda price: price // Decimal("0.01") * Decimal("0.01"), lambda size: size, Decimal(amount)
    )
    return body_fields(fitted.wire_fields())


# What is read


def test_an_order_without_options_adds_nothing() -> None:
    assert sent(control_of()) == {}
    assert not control_of().is_conditional


OPTIONS: dict[str, tuple[OrderType, dict[str, Any], dict[str, Any]]] = {
    "immediate or cancel": (LIMIT, {"time_in_force": "IOC"}, {"timeInForce": "IOC"}),
    "fill or kill": (LIMIT, {"time_in_force": "fok"}, {"timeInForce": "FOK"}),
    "good till cancelled": (LIMIT_MAKER, {"time_in_force": "GTC"}, {"timeInForce": "GTC"}),
    "self trade prevention": (
        LIMIT,
        {"self_trade_prevention": SelfTradePrevention.REJECT_MAKER},
        {"selfTradePrevention": "RejectMaker"},
    ),
    "trigger": (MARKET, {"trigger_price": "140.129"}, {"triggerPrice": "140.12", "triggerQuantity": "2"}),
    "trigger with everything": (
        LIMIT,
        {"trigger_price": 140, "trigger_quantity": "80.0%", "trigger_by": "markprice"},
        {"triggerPrice": "140", "triggerQuantity": "80%", "triggerBy": "MarkPrice"},
    ),
    "trigger quantity that is the amount": (
        LIMIT,
        {"trigger_price": 140, "trigger_quantity": 2.0},
        {"triggerPrice": "140", "triggerQuantity": "2"},
    ),
    "take profit": (LIMIT, {"take_profit_trigger_price": 160.5}, {"takeProfitTriggerPrice": "160.5"}),
    "stop loss": (MARKET, {"stop_loss_trigger_price": Decimal("140.10")}, {"stopLossTriggerPrice": "140.1"}),
    "both with everything": (
        LIMIT,
        {
            "take_profit_trigger_price": "160",
            "take_profit_limit_price": "159.999",
            "take_profit_trigger_by": TriggerBy.INDEX_PRICE,
            "stop_loss_trigger_price": "140",
            "stop_loss_limit_price": "139",
            "stop_loss_trigger_by": "LastPrice",
        },
        {
            "takeProfitTriggerPrice": "160",
            "takeProfitLimitPrice": "159.99",
            "takeProfitTriggerBy": "IndexPrice",
            "stopLossTriggerPrice": "140",
            "stopLossLimitPrice": "139",
            "stopLossTriggerBy": "LastPrice",
        },
    ),
    "slippage": (
        MARKET,
        {"slippage_tolerance": 0.1, "slippage_tolerance_type": "percent"},
        {"slippageTolerance": "0.1", "slippageToleranceType": "Percent"},
    ),
    "spot margin": (
        LIMIT,
        {"auto_lend": True, "auto_lend_redeem": False, "auto_borrow": True, "auto_borrow_repay": False},
        {"autoLend": True, "autoLendRedeem": False, "autoBorrow": True, "autoBorrowRepay": False},
    ),
    "nothing, in many words": (LIMIT, {"time_in_force": None, "trigger_price": None, "stop_loss": None}, {}),
    "what hummingbot passes": (LIMIT, {"position_action": PositionAction.OPEN, "expiration_ts": 1.5}, {}),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_an_option_becomes_a_field_of_the_request(case: str) -> None:
    order_type, options, fields = OPTIONS[case]
    assert sent(control_of(order_type, **options)) == fields


def test_every_field_of_an_order_that_the_exchange_knows_is_an_option_or_the_connectors_own() -> None:
    # Schema OrderExecutePayload of the official file, 2026-05-24.
    published = (
        "autoLend autoLendRedeem autoBorrow autoBorrowRepay selfTradePrevention stopLossLimitPrice stopLossTriggerBy "
        "stopLossTriggerPrice takeProfitLimitPrice takeProfitTriggerBy takeProfitTriggerPrice timeInForce triggerBy "
        "triggerPrice triggerQuantity slippageTolerance slippageToleranceType"
    )
    names = [field.name for field in dataclasses.fields(OrderControl)]
    everything: dict[str, Any] = dict.fromkeys(names, True)
    assert set(OrderControl(**everything).wire_fields()) == set(published.split())


def test_the_page_lists_every_option() -> None:
    page = (Path(__file__).parents[2] / "docs" / "order-control.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    listed = [name for row in rows for name in re.findall(r"`([a-z_]+)`", row)]
    assert sorted(listed) == sorted(field.name for field in dataclasses.fields(OrderControl))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1, "0.1"), (0.30000000000000004, "0.30000000000000004"), (7, "7"), ("1e-7", "0.0000001"),
     (Decimal("1.10"), "1.1"), (np.float64("0.1"), "0.1"), (np.int64(3), "3")],
)  # fmt: skip
def test_numbers_travel_exactly_as_they_read(value: Any, text: str) -> None:
    control = control_of(MARKET, slippage_tolerance=value, slippage_tolerance_type="Percent")
    assert sent(control)["slippageTolerance"] == text


# What is refused

TRIGGER = {"trigger_price": 140}


BAD: dict[str, tuple[OrderType, dict[str, Any], str]] = {
    "unknown time in force": (
        LIMIT,
        {"time_in_force": "DAY"},
        "time_in_force must be one of GTC, IOC, FOK, not 'DAY'.",
    ),
    "post-only at once": (
        LIMIT_MAKER,
        {"time_in_force": "IOC"},
        "time_in_force IOC is for LIMIT orders, not for LIMIT_MAKER ones.",
    ),
    "market at once": (
        MARKET,
        {"time_in_force": "FOK"},
        "time_in_force FOK is for LIMIT orders, not for MARKET ones.",
    ),
    "unknown prevention": (
        LIMIT,
        {"self_trade_prevention": "Allow"},
        "self_trade_prevention must be one of RejectTaker, RejectMaker, RejectBoth, not 'Allow'.",
    ),
    "unknown reference": (
        LIMIT,
        {**TRIGGER, "trigger_by": "MidPrice"},
        "trigger_by must be one of LastPrice, MarkPrice, IndexPrice, not 'MidPrice'.",
    ),
    "reference without trigger": (LIMIT, {"trigger_by": "LastPrice"}, "trigger_by needs trigger_price as well."),
    "quantity without trigger": (LIMIT, {"trigger_quantity": 1}, "trigger_quantity needs trigger_price as well."),
    "limit without take profit": (
        LIMIT,
        {"take_profit_limit_price": 1},
        "take_profit_limit_price needs take_profit_trigger_price as well.",
    ),
    "reference without take profit": (
        LIMIT,
        {"take_profit_trigger_by": "LastPrice"},
        "take_profit_trigger_by needs take_profit_trigger_price as well.",
    ),
    "limit without stop loss": (
        LIMIT,
        {"stop_loss_limit_price": 1},
        "stop_loss_limit_price needs stop_loss_trigger_price as well.",
    ),
    "reference without stop loss": (
        LIMIT,
        {"stop_loss_trigger_by": "LastPrice"},
        "stop_loss_trigger_by needs stop_loss_trigger_price as well.",
    ),
    "tolerance without unit": (
        MARKET,
        {"slippage_tolerance": 1},
        "slippage_tolerance needs slippage_tolerance_type as well.",
    ),
    "unit without tolerance": (
        MARKET,
        {"slippage_tolerance_type": "Percent"},
        "slippage_tolerance_type needs slippage_tolerance as well.",
    ),
    "unknown unit": (
        MARKET,
        {"slippage_tolerance": 1, "slippage_tolerance_type": "bps"},
        "slippage_tolerance_type must be one of TickSize, Percent, not 'bps'.",
    ),
    "tolerance of a limit order": (
        LIMIT,
        {"slippage_tolerance": 1, "slippage_tolerance_type": "Percent"},
        "slippage_tolerance is for MARKET orders, not for LIMIT ones.",
    ),
    "flag as text": (LIMIT, {"auto_borrow": "true"}, "auto_borrow must be True or False, not 'true'."),
    "flag as number": (LIMIT, {"auto_lend": 1}, "auto_lend must be True or False, not 1."),
    "take profit on the stop loss's side": (
        LIMIT,
        {"take_profit_trigger_price": 140, "stop_loss_trigger_price": 160},
        "The take profit of a buy order must be above its stop loss: 140 and 160 are not.",
    ),
    "price below the tick": (
        LIMIT,
        {"stop_loss_trigger_price": "0.001"},
        "stop_loss_trigger_price 0.001 is below the market's smallest price step.",
    ),
    "trigger quantity that is not the amount": (
        LIMIT,
        {**TRIGGER, "trigger_quantity": "1.5"},
        "trigger_quantity 1.5 is not the order's amount 2; leave it out, or give a percentage such as 80%.",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_options_that_do_not_fit_are_one_sentence(case: str) -> None:
    order_type, options, sentence = BAD[case]
    with pytest.raises(ConfigurationError) as error:
        sent(control_of(order_type, **options))
    assert str(error.value) == sentence


@pytest.mark.parametrize(
    "value", [0, -1, "-0.5", "abc", "", float("nan"), float("inf"), "NaN", Decimal("-Infinity"), True, [1]]
)
@pytest.mark.parametrize("name", ["trigger_price", "take_profit_trigger_price", "stop_loss_trigger_price"])
def test_bad_input_a_price_must_be_a_positive_number(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError) as error:
        control_of(**{name: value})
    assert str(error.value) == f"{name} must be a positive number, not {value!r}."


@pytest.mark.parametrize("value", ["0%", "0.0%", "100.1%", "-5%", "%", "a%", "1e1%", "8\u0660%", " 5%"])
def test_bad_input_a_percentage_must_be_one(value: str) -> None:
    with pytest.raises(ConfigurationError, match="trigger_quantity must be a percentage above 0% and up to 100%"):
        control_of(trigger_price=140, trigger_quantity=value)


def test_bad_input_exits_at_one_price_are_none() -> None:
    with pytest.raises(ConfigurationError, match="The take profit of a buy order must be above its stop loss"):
        control_of(take_profit_trigger_price=140, stop_loss_trigger_price=140)


@pytest.mark.parametrize("price", [140, 141])
def test_bad_input_a_short_takes_profit_below_its_stop_loss(price: int) -> None:
    with pytest.raises(ConfigurationError, match="The take profit of a sell order must be below its stop loss"):
        control_of(trade_type=TradeType.SELL, take_profit_trigger_price=price, stop_loss_trigger_price=140)
    control_of(trade_type=TradeType.SELL, take_profit_trigger_price=139, stop_loss_trigger_price=140)


@pytest.mark.parametrize("name", ["auto_lend", "auto_lend_redeem", "auto_borrow", "auto_borrow_repay"])
def test_bad_input_spot_margin_is_not_for_perpetuals(name: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        control_of(market_type=MarketType.PERP, **{name: False})
    assert str(error.value) == f"{name} is for spot margin; a perpetual order cannot have it."


MISSPELT = {
    "time_in_forse": "; use time_in_force",
    "timeInForce": "; use time_in_force",
    "tif": "; use time_in_force",
    "stp": "; use self_trade_prevention",
    "selfTradePrevention": "; use self_trade_prevention",
    "trigger": None,
    "triger_price": "; use trigger_price",
    "stop_price": "; use trigger_price",
    "take_profit": "; use take_profit_trigger_price",
    "stop_loss": "; use stop_loss_trigger_price",
    "stoploss_trigger_price": "; use stop_loss_trigger_price",
    "slippage": "; use slippage_tolerance",
    "max_slippage": "; use slippage_tolerance",
    "autoBorrow": "; use auto_borrow",
    "auto_borow": "; use auto_borrow",
    "lend": None,
    "post_only": "; use the order type LIMIT_MAKER",
    "reduceOnly": "; use position_action=PositionAction.CLOSE",
    "positionaction": "; use position_action",
}


@pytest.mark.parametrize("name", MISSPELT)
def test_bad_input_a_name_that_looks_like_an_option_is_not_dropped(name: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        control_of(**{name: "IOC"})
    suggestion = MISSPELT[name]
    text = str(error.value)
    assert text == f"There is no order option {name}{suggestion}." if suggestion else text.startswith("There is no")


# Defaults


def test_defaults_are_empty_and_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BACKPACK_SELF_TRADE_PREVENTION", "BACKPACK_SLIPPAGE_TOLERANCE"):
        monkeypatch.delenv(name, raising=False)
    assert default_control() == OrderControl()
    monkeypatch.setenv("BACKPACK_SLIPPAGE_TOLERANCE", " ")
    assert default_control() == OrderControl()


@pytest.mark.parametrize(
    ("order_type", "options", "fields"),
    [
        (LIMIT, {}, {"selfTradePrevention": "RejectMaker"}),
        (LIMIT, {"self_trade_prevention": "RejectBoth"}, {"selfTradePrevention": "RejectBoth"}),
        (
            MARKET,
            {},
            {"selfTradePrevention": "RejectMaker", "slippageTolerance": "0.5", "slippageToleranceType": "Percent"},
        ),
        (
            MARKET,
            {"slippage_tolerance": 3, "slippage_tolerance_type": "TickSize"},
            {"selfTradePrevention": "RejectMaker", "slippageTolerance": "3", "slippageToleranceType": "TickSize"},
        ),
        # A stop that fires must not expire because of a default.
        (
            MARKET,
            {"trigger_price": 140},
            {"selfTradePrevention": "RejectMaker", "triggerPrice": "140", "triggerQuantity": "2"},
        ),
    ],
)
def test_defaults_fill_what_the_order_leaves_open(
    monkeypatch: pytest.MonkeyPatch, order_type: OrderType, options: dict[str, Any], fields: dict[str, str]
) -> None:
    monkeypatch.setenv("BACKPACK_SELF_TRADE_PREVENTION", "rejectmaker")
    monkeypatch.setenv("BACKPACK_SLIPPAGE_TOLERANCE", "0.50 percent")
    assert sent(control_of(order_type, **options).with_defaults(default_control(), order_type)) == fields


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        (
            "BACKPACK_SELF_TRADE_PREVENTION",
            "Allow",
            "must be one of RejectTaker, RejectMaker, RejectBoth, not 'Allow'.",
        ),
        ("BACKPACK_SLIPPAGE_TOLERANCE", "0.5", "must be a number and its unit, such as '0.5 Percent' or '20 TickSize'"),
        ("BACKPACK_SLIPPAGE_TOLERANCE", "0 Percent", "must be a positive number, not '0'."),
        ("BACKPACK_SLIPPAGE_TOLERANCE", "5 bps", "must be one of TickSize, Percent, not 'bps'."),
        ("BACKPACK_EXCLUSIVE_ACCOUNT", "true", "must be yes or no, not 'true'."),
        ("BACKPACK_GC_FREEZE", "1", "must be yes or no, not '1'."),
        ("BACKPACK_WARM_CONNECTIONS", "51", "must be a whole number from 0 to 50, not '51'."),
        ("BACKPACK_WARM_CONNECTIONS", "-1", "must be a whole number from 0 to 50, not '-1'."),
        ("BACKPACK_WARM_CONNECTIONS", "9" * 5_000, "must be a whole number from 0 to 50, not '999"),
    ],
)
def test_bad_input_defaults_stop_the_connector_with_one_sentence(
    key_pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as error:
        BackpackExchange(*key_pair)
    assert str(error.value).startswith(f"{name} {sentence}")
