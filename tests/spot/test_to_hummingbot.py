"""Every translation into Hummingbot's vocabulary, with nothing left out."""

from decimal import Decimal
from typing import Any

import pytest
from hummingbot.core.data_type.common import OrderType as HummingbotOrderType
from hummingbot.core.data_type.common import PositionAction, TradeType
from hummingbot.core.data_type.in_flight_order import InFlightOrder, OrderState, TradeUpdate
from hummingbot.core.data_type.order_book_message import OrderBookMessageType
from hummingbot.core.data_type.trade_fee import AddedToCostTradeFee, DeductedFromReturnsTradeFee, TradeFeeBase
from hummingbot.core.event.events import OrderFilledEvent

from backpack_connector.protocol.enums import OrderStatus, OrderType, Side
from backpack_connector.protocol.errors import WireFormatError
from backpack_connector.protocol.messages import OrderUpdate, PublicTrade
from backpack_connector.protocol.models import Fill, Market
from backpack_connector.protocol.wire import read
from backpack_connector.simulator.markets import load_instruments
from backpack_connector.to_hummingbot import (
    ORDER_STATES,
    ORDER_TYPES,
    SIDES,
    expiry_note,
    fill_of_message,
    filled_event,
    spot_fill_fee,
    trade_message,
    trade_update_of_fill,
    trade_update_of_message,
    trading_rule,
)

PAIR = "SOL-USDC"
FEE = spot_fill_fee(TradeType.BUY, PAIR, Decimal("0.002"), "SOL")


def an_order() -> InFlightOrder:
    return InFlightOrder(
        client_order_id="17",
        trading_pair=PAIR,
        order_type=HummingbotOrderType.LIMIT,
        trade_type=TradeType.BUY,
        amount=Decimal(2),
        price=Decimal(150),
        creation_timestamp=1.0,
    )


def test_f19_every_status_has_a_state_and_none_fails_an_order_that_lived() -> None:
    assert set(ORDER_STATES) == set(OrderStatus)
    failing = {status for status, state in ORDER_STATES.items() if state is OrderState.FAILED}
    assert failing == {OrderStatus.TRIGGER_FAILED}
    assert ORDER_STATES[OrderStatus.EXPIRED] is OrderState.CANCELED


def test_order_types_and_sides() -> None:
    assert ORDER_TYPES == {
        HummingbotOrderType.LIMIT: OrderType.LIMIT,
        HummingbotOrderType.LIMIT_MAKER: OrderType.LIMIT,
        HummingbotOrderType.MARKET: OrderType.MARKET,
    }
    assert SIDES == {TradeType.BUY: Side.BID, TradeType.SELL: Side.ASK}


def a_market(**changes: Any) -> Market:
    listing = next(entry.listing for entry in load_instruments() if entry.symbol == "SOL_USDC")
    quantity = {**listing["filters"]["quantity"], **changes.pop("quantity", {})}
    row = {**listing, "filters": {**listing["filters"], "quantity": quantity}, **changes}
    return read(Market, row, "get_markets")


@pytest.mark.parametrize(("maximum", "is_mapped"), [("7.5", True), (None, False)])
def test_f21_trading_rule(maximum: str | None, is_mapped: bool) -> None:
    rule = trading_rule(a_market(quantity={"maxQuantity": maximum}), PAIR)
    assert rule.trading_pair == PAIR
    assert rule.min_order_size == Decimal("0.01")
    assert (rule.max_order_size == Decimal("7.5")) is is_mapped
    assert (rule.supports_limit_orders, rule.supports_market_orders) == (True, True)


@pytest.mark.parametrize(
    ("trade_type", "symbol", "kind"),
    [
        (TradeType.BUY, "SOL", DeductedFromReturnsTradeFee),
        (TradeType.SELL, "USDC", DeductedFromReturnsTradeFee),
        (TradeType.BUY, "USDC", AddedToCostTradeFee),
        (TradeType.SELL, "SOL", AddedToCostTradeFee),
        (TradeType.BUY, "BP", AddedToCostTradeFee),
    ],
)
def test_f43_fee_class_follows_the_asset_that_is_charged(
    trade_type: TradeType, symbol: str, kind: "type[TradeFeeBase]"
) -> None:
    fee = spot_fill_fee(trade_type, PAIR, Decimal("-0.5"), symbol)
    assert type(fee) is kind
    assert [(flat.token, flat.amount) for flat in fee.flat_fees] == [(symbol, Decimal("-0.5"))]
    assert fee.percent_token == symbol


def a_fill(**changes: Any) -> Fill:
    row = {
        "orderId": "9",
        "symbol": "SOL_USDC",
        "side": "Bid",
        "price": "150.5",
        "quantity": "2",
        "fee": "0.002",
        "feeSymbol": "SOL",
        "isMaker": True,
        "timestamp": "2025-09-11T20:10:40.699",
        "tradeId": 77,
        **changes,
    }
    return read(Fill, row, "get_fills")


def test_f13_row_of_the_fill_history() -> None:
    update = trade_update_of_fill(an_order(), a_fill(), FEE)
    assert update.trade_id == "77"
    assert (update.client_order_id, update.exchange_order_id) == ("17", "9")
    assert update.trading_pair == PAIR
    assert (update.fill_price, update.fill_base_amount, update.fill_quote_amount) == (Decimal("150.5"), 2, 301)
    assert update.fill_timestamp == 1757621440.699
    assert update.is_taker is False
    assert update.fee is FEE


def test_fill_without_a_trade_id_has_an_id_of_its_own() -> None:
    update = trade_update_of_fill(an_order(), a_fill(tradeId=None), FEE)
    assert update.trade_id == "9-2025-09-11T20:10:40.699"


def a_message(**changes: Any) -> OrderUpdate:
    data = {
        "e": "orderFill",
        "E": 1_790_000_000_000_001,
        "T": 1_790_000_000_000_000,
        "s": "SOL_USDC",
        "i": "9",
        "X": "Filled",
        "S": "Bid",
        "t": 77,
        "L": "150.5",
        "l": "2",
        "n": "0.002",
        "N": "SOL",
        "m": True,
        **changes,
    }
    return read(OrderUpdate, data, "account.orderUpdate")


def update_of(message: OrderUpdate) -> TradeUpdate:
    return trade_update_of_message(an_order(), message, fill_of_message(message), FEE)


def test_what_is_made_by_places_has_each_value_at_its_name() -> None:
    order, update = an_order(), update_of(a_message())
    assert update == TradeUpdate(
        trade_id="77",
        client_order_id="17",
        exchange_order_id="9",
        trading_pair=order.trading_pair,
        fill_timestamp=1_790_000_000,
        fill_price=Decimal("150.5"),
        fill_base_amount=Decimal(2),
        fill_quote_amount=Decimal(301),
        fee=FEE,
        is_taker=False,
    )
    assert filled_event(order, update, 5.0) == OrderFilledEvent(
        timestamp=5.0,
        order_id="17",
        trading_pair=order.trading_pair,
        trade_type=order.trade_type,
        order_type=order.order_type,
        price=Decimal("150.5"),
        amount=Decimal(2),
        trade_fee=FEE,
        exchange_trade_id="77",
        exchange_order_id="9",
        leverage=1,
        position=PositionAction.NIL.value,
    )


def test_f13_fill_message() -> None:
    update = update_of(a_message())
    assert (update.trade_id, update.exchange_order_id, update.client_order_id) == ("77", "9", "17")
    assert update.fill_timestamp == 1_790_000_000
    assert (update.fill_price, update.fill_base_amount, update.fill_quote_amount) == (Decimal("150.5"), 2, 301)
    assert update.is_taker is False


def test_stream_and_history_give_one_fill_one_id() -> None:
    from_stream = update_of(a_message())
    assert from_stream.trade_id == trade_update_of_fill(an_order(), a_fill(), FEE).trade_id


def test_taker_fill_message() -> None:
    assert update_of(a_message(m=False)).is_taker is True
    assert update_of(a_message(m=None)).is_taker is True


@pytest.mark.parametrize("name", ["t", "L", "l", "n", "N"])
def test_bad_input_incomplete_fill_message_names_the_order(name: str) -> None:
    with pytest.raises(WireFormatError, match="the fill of order 9 is incomplete"):
        fill_of_message(a_message(**{name: None}))


@pytest.mark.parametrize(("is_buyer_maker", "trade_type"), [(True, TradeType.SELL), (False, TradeType.BUY)])
def test_f04_public_trade(is_buyer_maker: bool, trade_type: TradeType) -> None:
    data = {
        "E": 1_790_000_000_000_001,
        "T": 1_790_000_000_000_000,
        "s": "SOL_USDC",
        "p": "150.5",
        "q": "2",
        "t": 7,
        "m": is_buyer_maker,
    }
    message = trade_message(read(PublicTrade, data, "trade"), PAIR)
    assert message.type is OrderBookMessageType.TRADE
    assert message.timestamp == 1_790_000_000
    assert message.trading_pair == PAIR
    assert message.trade_id == 7
    assert message.content["trade_type"] == float(trade_type.value)
    assert (message.content["price"], message.content["amount"]) == (Decimal("150.5"), 2)


@pytest.mark.parametrize(
    ("status", "reason", "note"),
    [
        (OrderStatus.EXPIRED, "PostOnlyTaker", "PostOnlyTaker"),
        (OrderStatus.EXPIRED, None, "no reason given"),
        (OrderStatus.CANCELLED, None, None),
        (OrderStatus.CANCELLED, "Liquidation", "Liquidation"),
        (None, None, None),
    ],
)
def test_f19_reason_of_an_expiry(status: OrderStatus | None, reason: str | None, note: str | None) -> None:
    assert expiry_note(status, reason) == note
