"""The comparison that decides the demo's exit code: pure, so that every kind of difference can be tried."""

from dataclasses import replace
from decimal import Decimal

import pytest

from backpack_connector.demo.comparison import compare_books, compare_equity, fees_text, plain
from backpack_connector.demo.figures import Balance, Books, Fill, FundingPayment, Position

BUY = Fill("11", "901", "BUY", Decimal("142.31"), Decimal("0.5"), {"SOL": Decimal("0.0004")})
SELL = Fill("12", "902", "SELL", Decimal("142.40"), Decimal("0.25"), {"USDC": Decimal("0.02848")})
BALANCES = {
    "SOL": Balance(Decimal("100.2496"), Decimal("100.2496")),
    "USDC": Balance(Decimal("9964.41652"), Decimal("9964.41652")),
}


def books(*fills: Fill, open_orders: int = 0, **balances: str) -> Books:
    changed = {asset: Balance(Decimal(text), Decimal(text)) for asset, text in balances.items()}
    return Books(list(fills or (BUY, SELL)), {**BALANCES, **changed}, open_orders)


def recorded(*fills: Fill, funding: list[FundingPayment] | None = None) -> Books:
    return Books([replace(fill, order_id="") for fill in fills or (BUY, SELL)], funding=funding or [])


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
    assert compare_books(books(small), Books([cut]), books(small)) == []
    wrong = replace(cut, price=Decimal("0.000013"))
    assert compare_books(books(small), Books([wrong]), books(small)) == [
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


PAID = FundingPayment(1795240800.0, Decimal("-0.0123"), Decimal("0.0000125"))


def with_funding(*payments: FundingPayment) -> Books:
    return replace(books(), funding=list(payments))


def test_equal_funding_is_no_difference() -> None:
    longer = replace(PAID, amount=Decimal("-0.012300"))
    assert compare_books(with_funding(longer), recorded(funding=[PAID]), with_funding(PAID)) == []


@pytest.mark.parametrize(
    ("payment", "sentence"),
    [
        (None, "none"),
        (replace(PAID, amount=Decimal("0.0123")), "0.0123 at rate 0.0000125"),
        (replace(PAID, rate=Decimal("0.0000126")), "-0.0123 at rate 0.0000126"),
    ],
)
def test_a_funding_payment_that_differs_or_is_missing_is_told(payment: FundingPayment | None, sentence: str) -> None:
    ours = [] if payment is None else [payment]
    has = "-0.0123 at rate 0.0000125"
    assert compare_books(with_funding(*ours), recorded(funding=[PAID]), with_funding(PAID)) == [
        f"bot: the funding payment of 1795240800 is {sentence}, the simulator has {has}."
    ]
    assert compare_books(with_funding(PAID), recorded(funding=ours), with_funding(PAID)) == [
        f"trades database: the funding payment of 1795240800 is {sentence}, the simulator has {has}."
    ]


def test_a_funding_payment_that_the_exchange_did_not_make_is_told() -> None:
    (sentence, _) = compare_books(with_funding(PAID), recorded(funding=[PAID]), books())
    assert sentence.endswith("is -0.0123 at rate 0.0000125, the simulator has none.")


def test_a_funding_payment_that_is_recorded_twice_is_told() -> None:
    assert compare_books(with_funding(PAID, PAID), recorded(funding=[PAID]), with_funding(PAID)) == [
        "bot: a funding payment is recorded twice."
    ]


@pytest.mark.parametrize(
    ("ours", "sentence"),
    [
        ({"SOL-USDC": Position(Decimal("-2.0"), Decimal("150.5"))}, None),
        ({"SOL-USDC": Position(Decimal(2), Decimal("150.5"))}, "2 at 150.5"),
        ({"SOL-USDC": Position(Decimal(-2), Decimal("150.51"))}, "-2 at 150.51"),
        ({}, "none"),
    ],
)
def test_a_position_that_differs_in_side_size_or_price_is_told(ours: dict[str, Position], sentence: str | None) -> None:
    truth = replace(books(), positions={"SOL-USDC": Position(Decimal(-2), Decimal("150.5"))})
    differences = compare_books(replace(books(), positions=ours), recorded(), truth)
    told = f"bot: the position in SOL-USDC is {sentence}, the simulator has -2 at 150.5."
    assert differences == ([] if sentence is None else [told])


ROUND_TRIP = [
    Fill("1", "1", "BUY", Decimal(150), Decimal(2), {"USDC": Decimal("0.06")}),
    Fill("2", "2", "SELL", Decimal("150.5"), Decimal(2), {"USDC": Decimal("0.0602")}),
]


def equity(amount: str) -> Books:
    held = {"USDC": Balance(Decimal(amount), Decimal(amount))}
    return Books(ROUND_TRIP, held, funding=[PAID])


def test_fills_fees_and_funding_explain_the_net_equity() -> None:
    assert compare_equity(Decimal(1000), equity("1000.8675"), "USDC") == []


def test_a_net_equity_that_nothing_explains_is_told() -> None:
    assert compare_equity(Decimal(1000), equity("1000.867500000001"), "USDC") == [
        "bot: the net equity is 1000.867500000001, but fills, fees and funding explain 1000.8675."
    ]


def test_a_position_that_is_left_is_told() -> None:
    left = replace(equity("1000.8675"), positions={"SOL-USDC": Position(Decimal(1), Decimal(150))})
    assert compare_equity(Decimal(1000), left, "USDC") == ["bot: a position is still open after the stop."]
