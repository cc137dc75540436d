"""Which fields of a new order contradict each other."""

from typing import Any

import pytest

from backpack_connector.protocol.order_rules import order_problem

LIMIT = {"symbol": "SOL_USDC", "side": "Bid", "orderType": "Limit", "price": "100", "quantity": "1"}
MARKET = {"symbol": "SOL_USDC", "side": "Bid", "orderType": "Market", "quantity": "1"}
TRIGGER = {"triggerPrice": "90", "triggerQuantity": "80%"}


def without(fields: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in names}


@pytest.mark.parametrize(
    "fields",
    [
        LIMIT,
        {**LIMIT, "postOnly": True, "timeInForce": "GTC"},
        {**LIMIT, "postOnly": False, "timeInForce": "IOC"},
        MARKET,
        {**without(MARKET, "quantity"), "quoteQuantity": "50"},
        {**without(MARKET, "quantity"), **TRIGGER, "triggerBy": "MarkPrice"},
        {**without(LIMIT, "quantity"), **TRIGGER},
        {**LIMIT, "takeProfitTriggerPrice": "120", "takeProfitLimitPrice": "119", "stopLossTriggerPrice": "80"},
        {**MARKET, "slippageTolerance": "1", "slippageToleranceType": "Percent"},
    ],
)
def test_orders_that_make_sense(fields: dict[str, Any]) -> None:
    assert order_problem(fields) is None


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (without(LIMIT, "price"), "A limit order needs a price."),
        (without(LIMIT, "quantity"), "A limit order needs a quantity."),
        ({**LIMIT, "quoteQuantity": "5"}, "quoteQuantity is for market orders; a limit order needs a quantity."),
        (
            {**LIMIT, "postOnly": True, "timeInForce": "FOK"},
            "A post-only order rests in the book, so it cannot be FOK.",
        ),
        ({**MARKET, "price": "1"}, "A market order has no price; make it a limit order, or leave the price out."),
        ({**MARKET, "postOnly": True}, "A market order cannot be post-only."),
        (without(MARKET, "quantity"), "A market order needs either a quantity or a quoteQuantity."),
        ({**MARKET, "quoteQuantity": "5"}, "A market order needs either a quantity or a quoteQuantity."),
        ({**LIMIT, "triggerPrice": "1"}, "A conditional order needs both triggerPrice and triggerQuantity."),
        ({**LIMIT, "triggerQuantity": "1"}, "A conditional order needs both triggerPrice and triggerQuantity."),
        (
            {**LIMIT, "triggerBy": "LastPrice"},
            "triggerBy belongs to a conditional order, which has a triggerPrice and a triggerQuantity.",
        ),
        ({**LIMIT, **TRIGGER}, "A conditional order has a triggerQuantity in place of a quantity."),
        (
            {**LIMIT, "stopLossLimitPrice": "1"},
            "stopLossLimitPrice belongs to a stop-loss, which needs a stopLossTriggerPrice.",
        ),
        (
            {**LIMIT, "takeProfitTriggerBy": "LastPrice"},
            "takeProfitTriggerBy belongs to a take-profit, which needs a takeProfitTriggerPrice.",
        ),
        ({**LIMIT, "slippageTolerance": "1"}, "slippageTolerance and slippageToleranceType go together."),
    ],
)
def test_orders_that_contradict_themselves(fields: dict[str, Any], sentence: str) -> None:
    assert order_problem(fields) == sentence
