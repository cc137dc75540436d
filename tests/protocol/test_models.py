"""Answers of REST operations read into models."""

from decimal import Decimal
from typing import Any

import pytest

from backpack_connector.protocol import models
from backpack_connector.protocol.enums import MarketType, OrderStatus, OrderType, Side
from backpack_connector.protocol.errors import InsufficientFunds, WireFormatError
from backpack_connector.protocol.models import is_market_type, read_balances, read_rows
from backpack_connector.protocol.wire import read
from tests.protocol.samples import body, names

MODELS: dict[str, Any] = {
    "get_status": models.SystemState,
    "get_market": models.Market,
    "get_depth": models.DepthSnapshot,
    "get_ticker": models.Ticker,
    "get_mark_prices": list[models.MarkPrice],
    "get_klines": list[models.Kline],
    "get_balances": dict[str, models.Balance],
    "execute_order": models.Order,
    "get_order_history": list[models.HistoricalOrder],
    "get_fills": list[models.Fill],
}
CAPTURED = [name for name in names("rest") if name.split(".")[0] in MODELS and name.endswith(".200")]


@pytest.mark.parametrize("name", CAPTURED)
def test_every_captured_answer_is_read_by_its_model(name: str) -> None:
    read(MODELS[name.split(".")[0]], body(name), name)


def test_every_model_here_has_a_captured_answer() -> None:
    assert {name.split(".")[0] for name in CAPTURED} == set(MODELS)


@pytest.mark.parametrize("name", names("rest", "get_market."))
def test_captured_markets_are_read(name: str) -> None:
    market = read(models.Market, body(name), name)
    assert market.filters.price.tick_size > 0
    assert market.filters.quantity.step_size > 0


def test_filters_and_margin_of_a_market_are_exact() -> None:
    market = read(models.Market, body("get_market.btc_perpetual.200"), "x")
    assert (market.filters.price.tick_size, market.filters.quantity.min_quantity) == (
        Decimal("0.1"),
        Decimal("0.00001"),
    )
    assert market.filters.quantity.max_quantity is None
    assert market.imf_function is not None
    assert market.imf_function.factor == Decimal("0.00002494")


def test_a_perpetual_market_tells_how_its_prices_may_move() -> None:
    market = read(models.Market, body("get_market.btc_perpetual.200"), "x")
    rules = market.filters.price
    assert rules.mean_mark_price_band == models.PriceBand(
        max_multiplier=Decimal("1.04"), min_multiplier=Decimal("0.96")
    )
    assert rules.mean_premium_band == models.PremiumBand(tolerance_pct=Decimal("0.05"))
    assert (rules.max_price_update_multiplier, rules.min_price_update_multiplier) == (
        Decimal("1.0025"),
        Decimal("0.9975"),
    )
    assert (market.funding_rate_lower_bound, market.funding_rate_upper_bound) == (-100, 100)
    assert market.rwa_market_type is None
    assert read(models.Market, body("get_market.post_only_stock.200"), "x").rwa_market_type == "STOCK"


def margin_function(base: str, factor: str) -> models.MarginFunction:
    return models.MarginFunction(type="sqrt", base=Decimal(base), factor=Decimal(factor))


@pytest.mark.parametrize(
    ("notional", "leverage", "fraction"),
    [
        ("0", None, "0.01333333"),
        ("10000", None, "0.01333333"),
        # API §5.5: the root overtakes the base of BTC at about 285,800 USDC.
        ("285000", None, "0.01333333"),
        ("1000000", None, "0.02494"),
        ("10000", "10", "0.1"),
        ("10000", "100", "0.01333333"),
        # (0.1 / 0.00002494)² = 16,077,200: beyond it the size counts more than a leverage of ten.
        ("25000000", "10", "0.1247"),
    ],
)
def test_margin_fractions_follow_the_published_formula(notional: str, leverage: str | None, fraction: str) -> None:
    limit = None if leverage is None else Decimal(leverage)
    assert margin_function("0.01333333", "0.00002494").fraction(Decimal(notional), limit) == Decimal(fraction)


@pytest.mark.parametrize(
    ("state", "accepts_new", "accepts_takers"),
    [
        ("Open", True, True),
        ("PostOnly", True, False),
        ("LimitOnly", True, False),
        ("CancelOnly", False, False),
        ("Closed", False, False),
        ("SomethingNew", False, False),
    ],
)
def test_f21_states_of_a_market_say_what_it_takes(state: str, accepts_new: bool, accepts_takers: bool) -> None:
    row = {**body("get_market.btc_perpetual.200"), "orderBookState": state}
    market = read(models.Market, row, "x")
    assert (market.accepts_new_orders, market.accepts_taker_orders) == (accepts_new, accepts_takers)


@pytest.mark.parametrize("name", ["get_depth.text_id.200", "get_depth.number_id.200", "get_depth.200"])
def test_depth_ids_are_numbers_however_they_are_written(name: str) -> None:
    snapshot = read(models.DepthSnapshot, body(name), name)
    assert isinstance(snapshot.update_id, int)


@pytest.mark.parametrize("update_id", ["abc", "", "-5", "1.5", "1" * 30, None, 1.5])
def test_a_depth_id_that_is_no_number_is_an_error(update_id: Any) -> None:
    with pytest.raises(WireFormatError, match="lastUpdateId"):
        read(models.DepthSnapshot, {**body("get_depth.200"), "lastUpdateId": update_id}, "get_depth")


@pytest.mark.parametrize("timestamp", [-1, 10**400, "now", 1.5])
def test_a_time_that_no_float_can_hold_is_an_error(timestamp: Any) -> None:
    with pytest.raises(WireFormatError, match="timestamp"):
        read(models.DepthSnapshot, {**body("get_depth.200"), "timestamp": timestamp}, "get_depth")


def test_orders_of_an_answer() -> None:
    order = read(models.Order, body("execute_order.limit_resting.200"), "x")
    assert (order.status, order.order_type, order.side) == (OrderStatus.NEW, OrderType.LIMIT, Side.BID)
    assert (order.client_id_text, order.executed_quantity) == (None, Decimal(0))
    assert order.created_timestamp == 1757621440.699


def test_orders_of_the_history_have_another_time_format() -> None:
    (row,) = body("get_order_history.cancelled.200")
    order = read(models.HistoricalOrder, row, "x")
    assert order.status is OrderStatus.CANCELLED
    assert order.created_timestamp == 1757621440.699


def test_absent_quantities_stay_absent() -> None:
    row = {**body("get_order_history.cancelled.200")[0]}
    for name in ("executedQuantity", "quantity", "price"):
        row.pop(name)
    order = read(models.HistoricalOrder, row, "x")
    assert (order.executed_quantity, order.quantity, order.price) == (None, None, None)


@pytest.mark.parametrize("client_id", [55555, "55555"])
def test_client_ids_are_text_here_whatever_they_are_on_the_wire(client_id: Any) -> None:
    order = read(models.Order, {**body("execute_order.limit_resting.200"), "clientId": client_id}, "x")
    fill = read(models.Fill, {**body("get_fills.spot_buy.200")[0], "clientId": client_id}, "x")
    assert (order.client_id_text, fill.client_id_text) == ("55555", "55555")


def test_f13_fills_tell_maker_fee_and_time() -> None:
    fill = read(models.Fill, body("get_fills.spot_buy.200")[0], "x")
    assert (fill.fee, fill.fee_symbol, fill.is_maker, fill.client_id_text) == (Decimal("0.000001"), "ETH", False, None)
    assert fill.fill_timestamp == 1755105961.197


@pytest.mark.parametrize("status", ["Elsewhere", "", None, 5])
def test_unknown_order_status_is_an_error(status: Any) -> None:
    with pytest.raises(WireFormatError, match="status"):
        read(models.Order, {**body("execute_order.limit_resting.200"), "status": status}, "x")


def test_candles_of_empty_buckets_have_no_prices() -> None:
    candle = read(models.Kline, body("get_klines.200")[0], "x")
    assert candle.start_timestamp == 1757604780.0
    empty = {
        "start": "2025-09-11 15:33:00",
        "end": "2025-09-11 15:34:00",
        "volume": "0",
        "quoteVolume": "0",
        "trades": "0",
    }
    assert read(models.Kline, empty, "x").close is None


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (models.SystemState, {"status": "Ok", "message": None}),
        (models.Ticker, body("get_ticker.200")),
        (models.MarkPrice, body("get_mark_prices.200")[0]),
        (models.BorrowLendPosition, {"symbol": "USDC", "netQuantity": "-5"}),
        (models.OrderResult, {"operation": "Err", "code": "INVALID_ORDER", "message": "x"}),
    ],
)
def test_other_payloads_are_read(kind: type, payload: Any) -> None:
    assert isinstance(read(kind, payload, "x"), kind)


def test_fees_of_the_account_are_basis_points_and_may_be_rebates() -> None:
    row = {
        "spotMakerFee": "-1",
        "spotTakerFee": "10",
        "futuresMakerFee": "2",
        "futuresTakerFee": "5",
        "leverageLimit": "10",
    }
    assert read(models.AccountSummary, row, "x").spot_maker_fee == Decimal(-1)


@pytest.mark.parametrize(
    ("row", "answer"), [({"marketType": "SPOT"}, True), ({"marketType": "MONAD"}, False), ({}, False), ("SPOT", False)]
)
def test_rows_of_other_market_types_are_simply_not_of_this_type(row: Any, answer: bool) -> None:
    assert is_market_type(row, MarketType.SPOT) is answer


def test_one_odd_row_hides_no_other_and_is_named() -> None:
    good = body("get_fills.spot_buy.200")[0]
    rows, complaints = read_rows(models.Fill, [good, {**good, "price": "NaN"}, "text", good], "get_fills")
    assert len(rows) == 2
    assert [complaint.split(":")[0] for complaint in complaints] == ["get_fills[ETH_USDC]", "get_fills[2]"]


def test_one_odd_asset_hides_no_other_and_is_named() -> None:
    good = {"available": "1", "locked": "0", "staked": "0"}
    balances, complaints = read_balances({"USDC": good, "SOL": {**good, "locked": "x"}})
    assert list(balances) == ["USDC"]
    assert complaints[0].startswith("get_balances[SOL]: ")


def test_captured_balances_are_read() -> None:
    balances, complaints = read_balances(body("get_balances.200"))
    assert balances["USDC"].available == Decimal("112.847976936")
    assert not complaints


@pytest.mark.parametrize("payload", [None, {}, "text"])
def test_an_answer_that_is_no_list_is_an_error(payload: Any) -> None:
    with pytest.raises(WireFormatError, match="get_fills"):
        read_rows(models.Fill, payload, "get_fills")
    with pytest.raises(WireFormatError, match="get_balances"):
        read_balances([])


def test_a_batch_answers_for_each_order() -> None:
    order = {**body("execute_order.limit_resting.200"), "operation": "Ok"}
    rows = [
        order,
        {"operation": "Err", "code": "INSUFFICIENT_FUNDS", "message": "No money"},
        {"operation": "Maybe"},
        {"code": "INVALID_ORDER"},
        {"operation": "Ok", "id": "7"},
        None,
    ]
    accepted, refused, *unreadable = models.read_order_results(rows)
    assert isinstance(accepted, models.Order)
    assert accepted.id == order["id"]
    assert isinstance(refused, InsufficientFunds)
    for position, error in enumerate(unreadable, start=2):
        assert isinstance(error, WireFormatError)
        assert str(error).startswith(f"execute_order_batch[{position}]: ")


def test_a_batch_whose_answer_is_no_list_is_a_format_error() -> None:
    with pytest.raises(WireFormatError, match="execute_order_batch"):
        models.read_order_results({"operation": "Ok"})


@pytest.mark.parametrize("field", ["tickSize", "stepSize"])
@pytest.mark.parametrize("value", ["0", "-0.01"])
def test_a_market_whose_steps_are_not_positive_is_refused(field: str, value: str) -> None:
    market = body("get_market.sol_perpetual.200")
    side = "price" if field == "tickSize" else "quantity"
    market["filters"][side][field] = value
    with pytest.raises(WireFormatError, match="which is not possible"):
        read(models.Market, market, "get_markets")


def test_one_row_with_an_odd_time_hides_no_other() -> None:
    (fill,) = body("get_fills.spot_buy.200")
    (ended,) = body("get_order_history.cancelled.200")
    for kind, row, field in ((models.Fill, fill, "timestamp"), (models.HistoricalOrder, ended, "createdAt")):
        structs, complaints = read_rows(kind, [row, {**row, field: "soon"}, row], "here")
        assert len(structs) == 2
        assert "expected a UTC time" in complaints[0]


@pytest.mark.parametrize("client_id", [7, "7", None])
def test_the_head_of_an_order_is_read_whatever_else_its_row_says(client_id: Any) -> None:
    row = {"id": "1", "symbol": "SOL_USDC", "side": "Sideways", "clientId": client_id, "status": "Resting", "price": {}}
    head = read(models.OrderHead, row, "get_open_orders")
    assert (head.id, head.symbol, head.side, head.client_id) == ("1", "SOL_USDC", "Sideways", client_id)


@pytest.mark.parametrize(("status", "is_confirmed"), [("confirmed", True), ("pending", False), ("expired", False)])
def test_a_transfer_is_complete_when_it_is_confirmed(status: str, is_confirmed: bool) -> None:
    row = {"id": 7, "symbol": "USDC", "quantity": "10.5", "status": status, "createdAt": "2026-01-01T00:00:00"}
    transfer = read(models.Transfer, row, "get_deposits")
    assert (transfer.quantity, transfer.is_confirmed) == (Decimal("10.5"), is_confirmed)


@pytest.mark.parametrize(
    "row", [None, 1, "SOL_USDC", [], {}, {"symbol": ["SOL_USDC"]}, {"symbol": {}}, {"symbol": "X"}]
)
def test_a_row_of_another_kind_is_no_row_of_a_symbol(row: Any) -> None:
    assert not models.is_row_of(row, {"SOL_USDC": 1})
    assert models.is_row_of({"symbol": "SOL_USDC"}, {"SOL_USDC": 1})


def test_the_name_of_a_market_is_read_whatever_else_its_row_says() -> None:
    rows, complaints = models.read_rows(models.MarketName, [{"symbol": "A_B", "filters": 7}, {}], "get_markets")
    assert ([row.symbol for row in rows], len(complaints)) == (["A_B"], 1)
