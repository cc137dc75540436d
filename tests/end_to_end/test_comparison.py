"""The comparison that decides the demo's exit code: pure, so that every kind of difference can be tried."""

from dataclasses import replace
from decimal import Decimal

import pytest

from backpack_connector.demo.comparison import compare_books, fees_text, plain
from backpack_connector.demo.figures import Balance, Books, Fill

BUY = Fill("11", "901", "BUY", Decimal("142.31"), Decimal("0.5"), {"SOL": Decimal("0.0004")})
SELL = Fill("12", "902", "SELL", Decimal("142.40"), Decimal("0.25"), {"USDC": Decimal("0.02848")})
BALANCES = {
    "SOL": Balance(Decimal("100.2496"), Decimal("100.2496")),
    "USDC": Balance(Decimal("9964.41652"), Decimal("9964.41652")),
}


def books(*fills: Fill, open_orders: int = 0, **balances: str) -> Books:
    changed = {asset: Balance(Decimal(text), Decimal(text)) for asset, text in balances.items()}
    return Books(list(fills or (BUY, SELL)), {**BALANCES, **changed}, open_orders)


def recorded(*fills: Fill) -> list[Fill]:
    return [replace(fill, order_id="") for fill in fills or (BUY, SELL)]


def test_equal_books_have_no_difference() -> None:
    assert compare_books(books(), recorded(), books()) == []


def test_the_way_a_number_is_written_is_no_difference() -> None:
    longer = replace(BUY, price=Decimal("142.3100"), fees={"SOL": Decimal("4E-4")})
    assert compare_books(books(longer, SELL), recorded(), books(USDC="9964.4165200")) == []


def test_an_asset_that_only_one_side_names_is_equal_when_it_is_zero() -> None:
    assert compare_books(books(BTC="0"), recorded(), books(BONK="0.0")) == []


def test_the_order_of_the_fills_is_no_difference() -> None:
    assert compare_books(books(SELL, BUY), recorded(SELL, BUY), books(BUY, SELL)) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"side": "SELL"}, "bot: trade 11 has side SELL, the simulator has BUY."),
        ({"order_id": "7"}, "bot: trade 11 has order 7, the simulator has 901."),
        (
            {"price": Decimal("142.3100000001")},
            "bot: trade 11 has price 142.3100000001, the simulator has 142.31.",
        ),
        ({"amount": Decimal("0.500000000001")}, "bot: trade 11 has amount 0.500000000001, the simulator has 0.5."),
        ({"fees": {"SOL": Decimal("0.0005")}}, "bot: trade 11 has fee 0.0005 SOL, the simulator has 0.0004 SOL."),
        ({"fees": {"USDC": Decimal("0.0004")}}, "bot: trade 11 has fee 0.0004 USDC, the simulator has 0.0004 SOL."),
        ({"fees": {}}, "bot: trade 11 has fee none, the simulator has 0.0004 SOL."),
        ({"estimated_fee": Decimal("0.0008")}, "bot: trade 11 has an estimated fee of 0.0008."),
    ],
)
def test_one_changed_figure_of_a_fill_is_told(change: dict[str, object], sentence: str) -> None:
    changed = replace(BUY, **change)  # type: ignore[arg-type]
    assert compare_books(books(changed, SELL), recorded(), books()) == [sentence]


@pytest.mark.parametrize("figure", ["price", "amount"])
def test_a_digit_that_the_bot_lost_is_told(figure: str) -> None:
    longer = replace(BUY, **{figure: Decimal("0.500000000001")})
    cut = replace(longer, **{figure: Decimal("0.5")})
    (sentence,) = compare_books(books(cut, SELL), recorded(cut, SELL), books(longer, SELL))
    assert sentence == f"bot: trade 11 has {figure} 0.5, the simulator has 0.500000000001."


def test_a_fill_that_the_bot_missed_is_told() -> None:
    assert compare_books(books(BUY), recorded(), books()) == [
        "bot: trade 12 (SELL 0.25 at 142.4) is missing.",
    ]


def test_a_fill_that_the_exchange_does_not_know_is_told() -> None:
    assert compare_books(books(), recorded(), books(BUY)) == [
        "bot: trade 12 (SELL 0.25 at 142.4) is unknown to the simulator.",
        "trades database: trade 12 (SELL 0.25 at 142.4) is unknown to the simulator.",
    ]


def test_a_fill_recorded_twice_is_told() -> None:
    assert compare_books(books(BUY, BUY, SELL), recorded(), books()) == ["bot: trade 11 is recorded 2 times."]


def test_the_trades_database_is_held_to_the_digits_that_it_keeps() -> None:
    small = replace(BUY, price=Decimal("0.0000123456"), amount=Decimal("1000000"))
    cut = replace(small, price=Decimal("0.000012"), order_id="")
    assert compare_books(books(small), [cut], books(small)) == []
    wrong = replace(cut, price=Decimal("0.000013"))
    assert compare_books(books(small), [wrong], books(small)) == [
        "trades database: trade 11 has price 0.000013, the simulator has 0.000012."
    ]


@pytest.mark.parametrize("missing", ["fill", "fee"])
def test_the_trades_database_must_be_complete(missing: str) -> None:
    rows = recorded(BUY) if missing == "fill" else recorded(BUY, replace(SELL, fees={}))
    (sentence,) = compare_books(books(), rows, books())
    assert sentence.startswith("trades database: trade 12 ")


def test_a_balance_that_differs_in_its_last_digit_is_told() -> None:
    assert compare_books(books(USDC="9964.41652000001"), recorded(), books()) == [
        "bot: balance of USDC is 9964.41652000001, the simulator has 9964.41652.",
        "bot: available balance of USDC is 9964.41652000001, the simulator has 9964.41652.",
    ]


def test_funds_that_stay_locked_are_told() -> None:
    locked = Books([BUY, SELL], {**BALANCES, "SOL": Balance(Decimal("100.2496"), Decimal("99"))})
    assert compare_books(locked, recorded(), books()) == [
        "bot: available balance of SOL is 99, the simulator has 100.2496."
    ]


def test_an_asset_that_the_bot_does_not_know_is_told() -> None:
    (total, available) = compare_books(books(), recorded(), books(BTC="0.1"))
    assert total == "bot: balance of BTC is 0, the simulator has 0.1."
    assert available == "bot: available balance of BTC is 0, the simulator has 0.1."


def test_open_orders_after_the_stop_are_told() -> None:
    assert compare_books(books(open_orders=2), recorded(), books(open_orders=1)) == [
        "bot: 2 orders are still open after the stop.",
        "simulator: 1 orders are still open after the stop.",
    ]


@pytest.mark.parametrize(
    ("number", "text"),
    [("1E+3", "1000"), ("1E-8", "0.00000001"), ("-0.0", "0"), ("1.50", "1.5"), ("100", "100"), ("-2.10", "-2.1")],
)
def test_numbers_are_written_plainly(number: str, text: str) -> None:
    assert plain(Decimal(number)) == text


def test_fees_of_several_assets_are_written_in_one_order() -> None:
    assert fees_text({"USDC": Decimal("0.10"), "SOL": Decimal("2"), "BTC": Decimal(0)}) == "2 SOL + 0.1 USDC"
