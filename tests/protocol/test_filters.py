"""Orders are checked against their market's rules as the exchange would check them. Source: API §5.1, §5.2."""

from decimal import Decimal
from typing import Any

import pytest

from backpack_connector.protocol.enums import OrderType
from backpack_connector.protocol.filters import active_price, refusal, rule_refusal
from backpack_connector.protocol.models import Market
from backpack_connector.protocol.wire import read

PRICE = {
    "tickSize": "0.01",
    "minPrice": "1",
    "maxPrice": "1000",
    "maxMultiplier": "1.25",
    "minMultiplier": "0.75",
}
QUANTITY = {"stepSize": "0.1", "minQuantity": "0.5", "maxQuantity": "20"}


def market(
    state: str = "Open", price: "dict[str, Any] | None" = None, quantity: "dict[str, Any] | None" = None
) -> Market:
    row = {
        "symbol": "SOL_USDC",
        "baseSymbol": "SOL",
        "quoteSymbol": "USDC",
        "marketType": "SPOT",
        "orderBookState": state,
        "filters": {"price": {**PRICE, **(price or {})}, "quantity": {**QUANTITY, **(quantity or {})}},
    }
    return read(Market, row, "get_markets")


def limit(
    price: str | None = "100",
    quantity: str = "1",
    *,
    of: Market | None = None,
    post_only: bool = False,
    active: str | None = None,
) -> str | None:
    return refusal(
        of or market(),
        OrderType.LIMIT,
        Decimal(quantity),
        None if price is None else Decimal(price),
        post_only=post_only,
        reference_price=None if active is None else Decimal(active),
    )


@pytest.mark.parametrize(
    ("bid", "ask", "last", "expected"),
    [
        ("99", "101", "90", "99"),
        ("99", "101", "100", "100"),
        ("99", "101", "110", "101"),
        ("99", "101", None, "100"),
        (None, "101", "90", "95.5"),
        (None, None, "90", "90"),
        ("99", None, None, "99"),
    ],
)
def test_active_price_is_the_median_of_what_there_is(
    bid: str | None, ask: str | None, last: str | None, expected: str
) -> None:
    prices = [None if text is None else Decimal(text) for text in (bid, ask, last)]
    assert active_price(*prices) == Decimal(expected)


def test_active_price_of_nothing_is_nothing() -> None:
    assert active_price(None, None, None) is None


@pytest.mark.parametrize(("price", "quantity"), [("100", "1"), ("1", "0.5"), ("1000", "20"), ("99.99", "1.30")])
def test_order_within_all_rules_is_not_refused(price: str, quantity: str) -> None:
    assert limit(price, quantity) is None


STATES = [
    ("Open", True, True, True),
    ("PostOnly", False, True, False),
    ("LimitOnly", True, True, False),
    ("CancelOnly", False, False, False),
    ("Closed", False, False, False),
    ("Paused", False, False, False),
]


@pytest.mark.parametrize(
    ("state", "takes_limit", "takes_post_only", "takes_market"), STATES, ids=[row[0] for row in STATES]
)
def test_d67_state_of_the_market_decides_which_orders_it_takes(
    state: str, takes_limit: bool, takes_post_only: bool, takes_market: bool
) -> None:
    answers = [
        limit(of=market(state)),
        limit(of=market(state), post_only=True),
        refusal(market(state), OrderType.MARKET, Decimal(1)),
    ]
    assert [answer is None for answer in answers] == [takes_limit, takes_post_only, takes_market]
    for answer in answers:
        assert answer is None or (answer.startswith("SOL_USDC takes") and answer.endswith("."))


def test_d67_limit_order_in_a_post_only_market_says_what_to_use() -> None:
    assert limit(of=market("PostOnly")) == "SOL_USDC takes only post-only orders now; use LIMIT_MAKER."


REFUSALS = [
    ("100", "0", "The quantity must be a positive number, not 0."),
    ("100", "-1", "The quantity must be a positive number, not -1."),
    ("100", "NaN", "The quantity must be a positive number, not NaN."),
    ("100", "Infinity", "The quantity must be a positive number, not Infinity."),
    ("100", "0.4", "The quantity 0.4 is below the minimum 0.5 of SOL_USDC."),
    ("100", "20.1", "The quantity 20.1 is above the maximum 20 of SOL_USDC."),
    ("100", "1.25", "The quantity 1.25 is not a multiple of the step 0.1 of SOL_USDC; the nearest are 1.2 and 1.3."),
    ("0.99", "1", "The price 0.99 is below the minimum 1 of SOL_USDC."),
    ("1000.01", "1", "The price 1000.01 is above the maximum 1000 of SOL_USDC."),
    (
        "100.005",
        "1",
        "The price 100.005 is not a multiple of the tick 0.01 of SOL_USDC; the nearest are 100 and 100.01.",
    ),
    (None, "1", "A limit order needs a positive price, not None."),
    ("NaN", "1", "A limit order needs a positive price, not NaN."),
    ("-Infinity", "1", "A limit order needs a positive price, not -Infinity."),
    ("0", "1", "A limit order needs a positive price, not 0."),
]


@pytest.mark.parametrize(("price", "quantity", "sentence"), REFUSALS, ids=[row[2][:40] for row in REFUSALS])
def test_d67_violation_is_one_plain_sentence(price: str | None, quantity: str, sentence: str) -> None:
    assert limit(price, quantity) == sentence


@pytest.mark.parametrize(
    ("price", "sentence"),
    [
        ("125", None),
        ("125.01", "The price 125.01 is above the price band's 125 of SOL_USDC."),
        ("75", None),
        ("74.99", "The price 74.99 is below the price band's 75 of SOL_USDC."),
    ],
)
def test_d67_price_band_around_the_active_price(price: str, sentence: str | None) -> None:
    assert limit(price, active="100") == sentence


def test_d67_without_an_active_price_there_is_no_band() -> None:
    assert limit("1000") is None


@pytest.mark.parametrize("name", ["maxMultiplier", "minMultiplier"])
def test_d67_side_of_the_band_that_is_not_published_does_not_bind(name: str) -> None:
    price = "1000" if name == "maxMultiplier" else "1"
    assert limit(price, active="100", of=market(price={name: None})) is None


def test_d67_maxima_that_are_not_published_do_not_bind() -> None:
    free = market(price={"maxPrice": None}, quantity={"maxQuantity": None})
    assert limit("5000", "500", of=free) is None


def test_market_order_is_not_checked_for_price() -> None:
    assert refusal(market(), OrderType.MARKET, Decimal(1), None, reference_price=Decimal(100)) is None
    assert refusal(market(), OrderType.MARKET, Decimal(1), Decimal("NaN")) is None


WAITING = {"triggerPrice": "100", "triggerQuantity": "1"}


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"quantity": "1", "price": "100"}, None),
        ({"quoteQuantity": "1.23456789", "slippageTolerance": "0.123456"}, None),
        (WAITING | {"triggerQuantity": "80%"}, None),
        ({"quantity": "20.1", "price": "100"}, "The quantity 20.1 is above the maximum 20 of SOL_USDC."),
        ({"price": "0.99"}, "The price 0.99 is below the minimum 1 of SOL_USDC."),
        ({"triggerPrice": "1000.5"}, "The trigger price 1000.5 is above the maximum 1000 of SOL_USDC."),
        (
            WAITING | {"triggerPrice": "100.001"},
            "The trigger price 100.001 is not a multiple of the tick 0.01 of SOL_USDC; the nearest are 100 and 100.01.",
        ),
        (
            WAITING | {"triggerQuantity": "1.05"},
            "The trigger quantity 1.05 is not a multiple of the step 0.1 of SOL_USDC; the nearest are 1 and 1.1.",
        ),
        ({"takeProfitTriggerPrice": "9.001"}, "The trigger price of the take-profit 9.001 is not a multiple of the"),
        ({"takeProfitLimitPrice": "9.001"}, "The limit price of the take-profit 9.001 is not a multiple of the"),
        ({"stopLossTriggerPrice": "9.001"}, "The trigger price of the stop-loss 9.001 is not a multiple of the"),
        ({"stopLossLimitPrice": "9.001"}, "The limit price of the stop-loss 9.001 is not a multiple of the"),
    ],
)
def test_every_price_and_quantity_is_held_to_the_filters_whatever_the_state_of_the_market(
    fields: dict[str, str], sentence: str | None
) -> None:
    told = rule_refusal(market("Closed"), fields)
    assert told is None if sentence is None else str(told).startswith(sentence)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"quantity": "2000", "price": "0.5"}, None),
        ({"quantity": "0.1"}, None),
        ({"quantity": "2000.01"}, "The quantity 2000.01 is not a multiple of the step 0.1 of SOL_USDC;"),
        ({"price": "100.001"}, "The price 100.001 is not a multiple of the tick 0.01 of SOL_USDC;"),
    ],
)
def test_what_is_no_order_is_held_to_tick_and_step_only(fields: dict[str, str], sentence: str | None) -> None:
    told = rule_refusal(market(), fields, is_order=False)
    assert told is None if sentence is None else str(told).startswith(sentence)
