"""Closed sets of words: their texts, and the few questions that they answer."""

import pytest

from backpack_connector.protocol import enums
from backpack_connector.protocol.enums import (
    CancelOrderType,
    ExpiryReason,
    KlineInterval,
    MarketType,
    OrderBookState,
    OrderEvent,
    OrderOrigin,
    OrderStatus,
    OrderType,
    PositionEvent,
    SelfTradePrevention,
    Side,
    SlippageToleranceType,
    SystemOrderType,
    SystemStatus,
    TimeInForce,
    TriggerBy,
    WireEnum,
)

# API §2.0, §2.3, §3.4, §4.1, §4.2, §5.1
WORDS = [
    (MarketType, "SPOT PERP IPERP DATED PREDICTION RFQ"),
    (Side, "Bid Ask"),
    (OrderType, "Limit Market"),
    (TimeInForce, "GTC IOC FOK"),
    (OrderStatus, "New PartiallyFilled Filled Cancelled Expired TriggerPending TriggerFailed"),
    (SelfTradePrevention, "RejectTaker RejectMaker RejectBoth"),
    (OrderBookState, "Open Closed CancelOnly LimitOnly PostOnly"),
    (OrderEvent, "orderAccepted orderCancelled orderExpired orderFill orderModified triggerPlaced triggerFailed"),
    (SystemStatus, "Ok Maintenance"),
    (
        OrderOrigin,
        "USER LIQUIDATION_AUTOCLOSE ADL_AUTOCLOSE COLLATERAL_CONVERSION SETTLEMENT_AUTOCLOSE"
        " BACKSTOP_LIQUIDITY_PROVIDER",
    ),
    (
        SystemOrderType,
        "CollateralConversion FutureExpiry LiquidatePositionOnAdl LiquidatePositionOnBook LiquidatePositionOnBackstop"
        " OrderBookClosed",
    ),
    (PositionEvent, "positionOpened positionAdjusted positionClosed"),
    (CancelOrderType, "RestingLimitOrder ConditionalOrder"),
    (TriggerBy, "LastPrice MarkPrice IndexPrice"),
    (SlippageToleranceType, "TickSize Percent"),
    (KlineInterval, "1s 1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d 3d 1w 1month"),
    (
        ExpiryReason,
        "AccountTradingSuspended BorrowRequiresLendRedeem FillOrKill InsufficientBorrowableQuantity InsufficientFunds"
        " InsufficientLiquidity InvalidPrice InvalidQuantity ImmediateOrCancel InsufficientMargin Liquidation"
        " NegativeEquity PostOnlyMode PostOnlyTaker PriceOutOfBounds ReduceOnlyNotReduced SelfTradePrevention"
        " StopWithoutPosition PriceImpact Unknown UserPermissions MaxStopOrdersPerPosition PositionLimit"
        " SlippageToleranceExceeded",
    ),
]


@pytest.mark.parametrize(("kind", "words"), WORDS, ids=[kind.__name__ for kind, _ in WORDS])
def test_the_words_are_those_of_the_documentation(kind: type[WireEnum], words: str) -> None:
    assert {member.value for member in kind} == set(words.split())


def test_every_closed_set_is_in_this_table() -> None:
    defined = {
        kind
        for kind in vars(enums).values()
        if isinstance(kind, type) and issubclass(kind, WireEnum) and kind is not WireEnum
    }
    assert defined == {kind for kind, _ in WORDS}


def test_a_member_is_its_word_wherever_text_is_written() -> None:
    word: str = Side.BID
    assert word == "Bid"
    assert (str(Side.BID), f"{Side.BID}", "{}".format(Side.BID)) == ("Bid", "Bid", "Bid")  # noqa: UP032


@pytest.mark.parametrize(("side", "opposite"), [(Side.BID, Side.ASK), (Side.ASK, Side.BID)])
def test_a_side_knows_its_opposite(side: Side, opposite: Side) -> None:
    assert side.opposite is opposite


@pytest.mark.parametrize("status", OrderStatus)
def test_only_four_states_of_an_order_are_final(status: OrderStatus) -> None:
    assert status.is_final == (status in {"Filled", "Cancelled", "Expired", "TriggerFailed"})


@pytest.mark.parametrize("state", OrderBookState)
def test_a_closed_or_cancel_only_book_accepts_no_orders(state: OrderBookState) -> None:
    assert state.accepts_new_orders == (state not in {"Closed", "CancelOnly"})
