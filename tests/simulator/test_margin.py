"""Margin by the formulas of API §5.5, by hand; and what the engine takes and refuses because of it."""

from decimal import Decimal
from typing import Any

import pytest

from backpack_connector.protocol.enums import Side
from backpack_connector.simulator.collateral import CollateralAsset
from backpack_connector.simulator.engine import Exchange
from backpack_connector.simulator.ledger import Balance
from backpack_connector.simulator.margin import AccountMargin, exposures_of, liquidation_price, margin_of
from backpack_connector.simulator.markets import load_instruments
from backpack_connector.simulator.positions import Position
from backpack_connector.simulator.refusals import Refusal
from tests.simulator.support import FakeClock, assert_sound, instrument, limit, market, new_exchange

SOL, BTC = "SOL_USDC_PERP", "BTC_USDC_PERP"
MARKS = {SOL: Decimal(150), BTC: Decimal(100_000)}


def position(symbol: str, quantity: str, entry: str, realized: str = "0") -> Position:
    return Position(
        position_id="1",
        symbol=symbol,
        opened_us=0,
        quantity=Decimal(quantity),
        cash=-Decimal(quantity) * Decimal(entry),
        entry_price=Decimal(entry),
        realized=Decimal(realized),
    )


def margin(
    usdc: str,
    positions: list[Position] | None = None,
    orders: list[tuple[str, str, str]] | None = None,
    *,
    leverage: str = "10",
    locked: str = "0",
    sol: str = "0",
    unsettled: str = "0",
) -> AccountMargin:
    assets = [
        CollateralAsset("USDC", Balance(Decimal(usdc), Decimal(locked)), Decimal(1)),
        CollateralAsset("SOL", Balance(Decimal(sol)), Decimal(150)),
    ]
    exposures = exposures_of(
        {row.symbol: row for row in positions or []},
        [(symbol, Side(side), Decimal(quantity)) for symbol, side, quantity in orders or []],
        lambda symbol: (instrument(symbol), MARKS[symbol]),
        Decimal(leverage),
    )
    return margin_of(assets, exposures, Decimal(leverage), Decimal(unsettled))


@pytest.mark.parametrize(
    ("quantity", "orders", "exposure"),
    [
        pytest.param("0", [], "0", id="nothing"),
        pytest.param("3", [], "3", id="long"),
        pytest.param("-3", [], "3", id="short"),
        pytest.param("3", [("Bid", "2")], "5", id="long, buying more"),
        pytest.param("3", [("Ask", "2")], "3", id="long, selling some"),
        pytest.param("3", [("Ask", "5")], "3", id="long, turning into a smaller short"),
        pytest.param("3", [("Ask", "8")], "5", id="long, turning into a larger short"),
        pytest.param("3", [("Ask", "3"), ("Ask", "5"), ("Bid", "1")], "5", id="the worse of both directions"),
        pytest.param("-3", [("Bid", "4")], "3", id="short, buying back"),
        pytest.param("-3", [("Ask", "1"), ("Ask", "1")], "5", id="short, selling more"),
        pytest.param("0", [("Bid", "4"), ("Ask", "6")], "6", id="quotes on both sides"),
    ],
)
def test_exposure_is_the_largest_position_that_orders_can_lead_to(
    quantity: str, orders: list[tuple[str, str]], exposure: str
) -> None:
    positions = [position(SOL, quantity, "150")] if quantity != "0" else []
    result = margin("1000", positions, [(SOL, side, amount) for side, amount in orders])
    assert result.exposure_quantity(SOL) == Decimal(exposure)
    assert result.exposure == Decimal(exposure) * 150


@pytest.mark.parametrize(
    ("leverage", "symbol", "quantity", "imf", "mmf"),
    [
        pytest.param("1", SOL, "10", "1", "0.0135", id="leverage 1: the account's limit"),
        pytest.param("10", SOL, "10", "0.1", "0.0135", id="leverage 10"),
        pytest.param("50", SOL, "10", "0.02", "0.0135", id="leverage 50 is the market's base"),
        pytest.param("75", SOL, "10", "0.02", "0.0135", id="leverage 75 is more than the market gives"),
        # 1,500,000 USDC: 0.000075 x sqrt(1,500,000) = 0.0918..., 0.0000375 x sqrt = 0.0459...
        pytest.param("20", SOL, "10000", "0.0918558653543692", "0.0459279326771846", id="the root of a large position"),
        # 250,000 USDC: sqrt = 500, x 0.00002494 = 0.01247 < base; x 0.00001496 = 0.00748 > 0.00666667
        pytest.param("100", BTC, "2.5", "0.01333333", "0.00748", id="below the knee of the initial margin"),
        # 360,000 USDC: sqrt = 600, x 0.00002494 = 0.014964
        pytest.param("100", BTC, "3.6", "0.014964", "0.008976", id="above the knee"),
    ],
)
def test_fractions_are_the_largest_of_base_leverage_and_root(
    leverage: str, symbol: str, quantity: str, imf: str, mmf: str
) -> None:
    result = margin("1000", [position(symbol, quantity, str(MARKS[symbol]))], leverage=leverage)
    row = result.exposures[symbol]
    assert abs(row.imf - Decimal(imf)) < Decimal("1e-15")
    assert abs(row.mmf - Decimal(mmf)) < Decimal("1e-15")
    assert abs(result.initial_margin - row.notional * Decimal(imf)) < Decimal("1e-6")


def test_an_account_with_everything_by_hand() -> None:
    # Worth: 1000 + 50 USDC, 2 SOL at 150 with weight 0.9 = 270; SOL long 4 from 145: +20, of which 12 was paid out;
    # BTC short 0.01 from 101,000: +10; it owes 3. Net equity = 1050 + 270 + 8 + 10 - 3 = 1335.
    # Exposure: SOL 4 + 2 bids = 6 x 150 = 900 at 1/5; BTC 0.01 x 100,000 = 1000 at 1/5. Locked: 380 + 50.
    result = margin(
        "1000",
        [position(SOL, "4", "145", realized="12"), position(BTC, "-0.01", "101000")],
        [(SOL, "Bid", "2"), (SOL, "Ask", "1")],
        leverage="5",
        locked="50",
        sol="2",
        unsettled="-3",
    )
    assert (result.collateral_value, result.pnl_unrealized) == (1320, 18)
    assert (result.net_equity, result.locked, result.available) == (1335, 430, 905)
    assert (result.exposure, result.imf) == (1900, Decimal("0.2"))
    assert result.maintenance_margin == 900 * Decimal("0.0135") + 1000 * Decimal("0.00666667")
    assert abs(result.mmf - Decimal("18.81667") / 1900) < Decimal("1e-20")
    assert result.margin_fraction is not None
    assert abs(result.margin_fraction - Decimal(1335) / 1900) < Decimal("1e-20")


def test_an_account_without_exposure_has_no_margin_fraction() -> None:
    result = margin("100", leverage="5")
    assert (result.margin_fraction, result.mmf, result.imf) == (None, 0, Decimal("0.2"))
    assert (result.available, result.is_liquidatable) == (100, False)


def test_the_account_of_the_live_sample() -> None:
    """API §5.5: net equity 79.14, position margin 25.78, open-order margin 14.92, available 38.44."""
    # 25.78 at 1/10 is a position of 257.80; orders of 149.20 come on top.
    quantity, ordered = Decimal("257.80") / 150, Decimal("149.20") / 150
    result = margin("79.14", [position(SOL, str(quantity), "150")], [(SOL, "Bid", str(ordered))])
    assert result.net_equity.quantize(Decimal("0.01")) == Decimal("79.14")
    assert result.locked.quantize(Decimal("0.01")) == Decimal("25.78") + Decimal("14.92")
    assert result.available.quantize(Decimal("0.01")) == Decimal("38.44")
    without_orders = margin("79.14", [position(SOL, str(quantity), "150")])
    assert without_orders.available.quantize(Decimal("0.01")) == Decimal("79.14") - Decimal("25.78")


@pytest.mark.parametrize(("usdc", "is_liquidatable"), [("20.26", False), ("20.25", True), ("20.24", True)])
def test_an_account_is_liquidated_when_maintenance_margin_reaches_net_equity(usdc: str, is_liquidatable: bool) -> None:
    # 10 SOL at 150 need 1500 x 0.0135 = 20.25.
    assert margin(usdc, [position(SOL, "10", "150")]).is_liquidatable is is_liquidatable


@pytest.mark.parametrize(
    ("usdc", "positions", "orders", "symbol", "price"),
    [
        # 200 + 10 (p - 150) = 0.0135 x 10 p: p = 1300 / 9.865 = 131.77901...; the first tick below.
        pytest.param("200", [position(SOL, "10", "150")], [], SOL, "131.77", id="long"),
        # 200 - 10 (p - 150) = 0.0135 x 10 p: p = 1700 / 10.135 = 167.73556...; the first tick above.
        pytest.param("200", [position(SOL, "-10", "150")], [], SOL, "167.74", id="short"),
        # Orders count: 200 + 10 (p - 150) = 0.0135 x 20 p: p = 1300 / 9.73 = 133.6074...
        pytest.param("200", [position(SOL, "10", "150")], [(SOL, "Bid", "10")], SOL, "133.60", id="with an order"),
        # The other market needs 0.01 x 100,000 x 0.00666667 = 6.66667 and has gained 10.
        # 210 - 6.66667 + 10 (p - 150) = 0.135 p: p = 1296.66667 / 9.865 = 131.4411...
        pytest.param(
            "200",
            [position(SOL, "10", "150"), position(BTC, "0.01", "99000")],
            [],
            SOL,
            "131.44",
            id="with another position",
        ),
        pytest.param("1500", [position(SOL, "10", "150")], [], SOL, None, id="paid in full: not even at zero"),
        pytest.param("2000", [position(SOL, "10", "150")], [], SOL, None, id="paid in full and more"),
        pytest.param("20", [position(SOL, "10", "150")], [], SOL, "150", id="now"),
        pytest.param("200", [], [(SOL, "Bid", "1")], SOL, None, id="no position"),
        pytest.param("200", [position(SOL, "10", "150")], [], BTC, None, id="elsewhere"),
        # 1,500,000 x 0.0000375 x sqrt(1,500,000) = 68,892 are needed.
        pytest.param("40000", [position(SOL, "10000", "150")], [], SOL, "150", id="now, by the root"),
    ],
)
def test_liquidation_price(
    usdc: str, positions: list[Position], orders: list[tuple[str, str, str]], symbol: str, price: str | None
) -> None:
    found = liquidation_price(margin(usdc, positions, orders), symbol)
    assert found == (None if price is None else Decimal(price))


@pytest.mark.parametrize("quantity", ["10000", "-10000", "0.01"])
def test_the_liquidation_price_is_the_first_tick_that_liquidates(
    quantity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = [position(SOL, quantity, "150")]
    usdc = "100000" if len(quantity) > 4 else "1.40"
    price = liquidation_price(margin(usdc, held), SOL)
    assert price is not None
    towards_safety = Decimal("0.01") if Decimal(quantity) > 0 else Decimal("-0.01")
    for mark, expected in ((price, True), (price + towards_safety, False)):
        monkeypatch.setitem(MARKS, SOL, mark)
        assert margin(usdc, held).is_liquidatable is expected


# --- The engine


def usdc_exchange(usdc: str = "1000") -> Exchange:
    """Return an exchange whose accounts have USDC alone, and a stranger's quotes of 1,000 SOL at 149.90 and 150.10."""
    exchange = Exchange(load_instruments(), clock=FakeClock(), first_id=1, faucet={"USDC": Decimal(usdc)})
    exchange.accounts.open_background("stranger", 0, {"USDC": Decimal(10) ** 9})
    exchange.place("stranger", limit("Bid", "149.90", "1000", symbol=SOL))
    exchange.place("stranger", limit("Ask", "150.10", "1000", symbol=SOL))
    return exchange


def available(exchange: Exchange, account_id: str = "a") -> Decimal:
    return exchange.risk.margin(exchange.open_account(account_id)).available


def refusal(exchange: Exchange, order: Any, account_id: str = "a") -> tuple[str, str]:
    with pytest.raises(Refusal) as caught:
        exchange.place(account_id, order)
    return caught.value.code.value, caught.value.message


NO_MARGIN = ("INSUFFICIENT_MARGIN", "Insufficient margin")


def test_a_resting_order_needs_margin_at_the_mark_and_locks_no_asset() -> None:
    exchange = usdc_exchange()
    exchange.place("a", limit("Bid", "140.00", "2", symbol=SOL))
    assert available(exchange) == 1000 - 2 * 150 / Decimal(10)
    assert exchange.ledger.balance("a", "USDC") == Balance(Decimal(1000))
    exchange.cancel_all("a", SOL)
    assert available(exchange) == 1000


def test_a_fill_costs_its_fee_and_the_distance_to_the_mark() -> None:
    exchange = usdc_exchange()
    exchange.place("a", market("Bid", "4", symbol=SOL))
    # 4 x 150.10 at 5 bps = 0.3002; bought 0.10 above the mark of 150.
    assert exchange.ledger.balance("a", "USDC").available == Decimal("999.6998")
    assert available(exchange) == Decimal("999.6998") - Decimal("0.40") - 60
    (fill,) = exchange.open_account("a").fills
    assert (fill.fee, fill.fee_symbol) == (Decimal("0.3002"), "USDC")


def test_fees_are_rounded_up_to_millionths() -> None:
    exchange = usdc_exchange()
    exchange.place("a", limit("Bid", "150.03", "0.01", symbol=SOL))
    exchange.place("stranger", limit("Ask", "150.03", "0.01", symbol=SOL))
    # 1.5003 at 2 bps = 0.00030006
    assert exchange.open_account("a").fills[0].fee == Decimal("0.000301")


def test_a_rebate_is_paid_out() -> None:
    exchange = usdc_exchange()
    exchange.open_account("a").futures_maker_fee_bps = Decimal(-1)
    exchange.place("a", limit("Bid", "150.00", "1", symbol=SOL))
    exchange.place("stranger", limit("Ask", "150.00", "1", symbol=SOL))
    assert exchange.ledger.balance("a", "USDC").available == Decimal("1000.015")
    assert_sound(exchange)


def test_an_order_is_taken_up_to_the_last_cent_of_margin() -> None:
    exchange = usdc_exchange("150")
    # 10 SOL at the mark of 150 and leverage 10 need 150.
    assert refusal(exchange, limit("Bid", "149", "10.01", symbol=SOL)) == NO_MARGIN
    exchange.place("a", limit("Bid", "149", "10", symbol=SOL))
    assert available(exchange) == 0
    assert refusal(exchange, limit("Bid", "149", "0.01", symbol=SOL)) == NO_MARGIN
    exchange.place("a", limit("Ask", "151", "10", symbol=SOL))  # the other side costs nothing more
    assert refusal(exchange, limit("Ask", "151", "0.01", symbol=SOL)) == NO_MARGIN


def test_fees_and_losses_of_the_fills_count_before_the_order_is_taken() -> None:
    exchange = usdc_exchange("150")
    assert refusal(exchange, market("Bid", "9.90", symbol=SOL)) == NO_MARGIN
    # 9.8: 147 margin + 0.98 above the mark + 0.735490 fee = 148.71549
    exchange.place("a", market("Bid", "9.80", symbol=SOL))
    assert available(exchange) == Decimal("1.28451")


def test_orders_that_reduce_are_taken_without_margin() -> None:
    exchange = usdc_exchange("150")
    exchange.place("a", market("Bid", "9.80", symbol=SOL))
    exchange.prices.set_index(SOL, Decimal("149.85"), 0)
    assert available(exchange) < 0
    assert refusal(exchange, limit("Bid", "148", "0.01", symbol=SOL)) == NO_MARGIN
    assert refusal(exchange, limit("Ask", "149.90", "19.70", symbol=SOL)) == NO_MARGIN  # a larger short
    exchange.place("a", limit("Ask", "151", "9.80", symbol=SOL))
    exchange.place("a", market("Ask", "3", symbol=SOL, reduce_only=True))
    assert exchange.net_quantity("a", SOL) == Decimal("6.80")


def test_turning_around_needs_no_more_margin_than_before() -> None:
    exchange = usdc_exchange("150")
    exchange.place("a", market("Bid", "9", symbol=SOL))
    exchange.place("a", market("Ask", "18", symbol=SOL))
    assert exchange.net_quantity("a", SOL) == -9
    # Two fees (0.67545 + 1.3491), 9 SOL bought at 150.10 and sold at 149.90, and the short is at the bid.
    paid = Decimal("0.67545") + Decimal("1.34910")
    assert exchange.ledger.balance("a", "USDC").available == 150 - paid - Decimal("1.80")
    assert available(exchange) == 150 - paid - Decimal("1.80") - Decimal("0.90") - 135


def test_spot_orders_and_positions_share_the_margin() -> None:
    exchange = usdc_exchange("1000")
    exchange.place("a", market("Bid", "50", symbol=SOL))
    left = available(exchange)
    assert 240 < left < 250
    assert refusal(exchange, limit("Bid", "149", "2")) == NO_MARGIN
    exchange.place("a", limit("Bid", "149", "1"))
    assert available(exchange) == left - 149
    assert refusal(exchange, limit("Bid", "149", "7")) == ("INSUFFICIENT_FUNDS", "Insufficient funds")


def test_assets_other_than_usdc_carry_positions() -> None:
    exchange = new_exchange()
    exchange.place("stranger", limit("Ask", "150.10", "100", symbol=SOL))
    account = exchange.open_account("a")
    exchange.place("a", limit("Bid", "151", "66"))  # locks nearly all USDC
    before = exchange.risk.margin(account).available
    exchange.place("a", market("Bid", "50", symbol=SOL))
    after = exchange.risk.margin(account)
    # 750 margin, 5 above the mark, 3.7525 fee.
    assert before - after.available == Decimal(750) + 5 + Decimal("3.7525")


def test_the_largest_number_that_a_request_can_carry_is_too_much_risk() -> None:
    assert refusal(usdc_exchange(), limit("Bid", "150.01", "9" * 26 + ".01", symbol=SOL)) == NO_MARGIN


@pytest.mark.parametrize(("limit_text", "left"), [("10", "10"), ("12.5", "40"), ("20", "85"), ("75", "130")])
def test_the_leverage_limit_holds_for_what_is_open(limit_text: str, left: str) -> None:
    exchange = usdc_exchange("160")
    exchange.place("a", limit("Bid", "149", "10", symbol=SOL))
    exchange.set_leverage_limit("a", Decimal(limit_text))
    assert exchange.open_account("a").leverage_limit == Decimal(limit_text)
    assert available(exchange) == Decimal(left)


def test_the_leverage_limit_cannot_go_below_what_is_open() -> None:
    exchange = usdc_exchange("160")
    exchange.place("a", limit("Bid", "149", "10", symbol=SOL))
    with pytest.raises(Refusal, match="Leverage limit is too low for open positions and orders") as caught:
        exchange.set_leverage_limit("a", Decimal("9.37"))
    assert caught.value.code.value == "INSUFFICIENT_MARGIN"
    assert exchange.open_account("a").leverage_limit == 10


def test_more_leverage_is_never_refused() -> None:
    exchange = usdc_exchange("150")
    exchange.place("a", market("Bid", "9.80", symbol=SOL))
    exchange.prices.set_index(SOL, Decimal("145"), 0)
    exchange.set_leverage_limit("a", Decimal(11))
    assert available(exchange) < 0
    with pytest.raises(Refusal):
        exchange.set_leverage_limit("a", Decimal("10.9"))


def test_closing_is_taken_even_where_resting_orders_then_stand_alone() -> None:
    exchange = usdc_exchange("150")
    exchange.place("a", market("Bid", "5", symbol=SOL))
    exchange.place("a", limit("Ask", "151", "14", symbol=SOL))
    # The position gone, the ask of 14 needs 210; an ordinary order is refused for that, a reduce-only one is not.
    assert refusal(exchange, market("Ask", "5", symbol=SOL)) == NO_MARGIN
    exchange.place("a", market("Ask", "5", symbol=SOL, reduce_only=True))
    assert exchange.net_quantity("a", SOL) == 0
    assert available(exchange) < 0


def test_a_fee_that_usdc_does_not_cover_counts_too() -> None:
    """The account has 1 SOL (135 USDC of collateral) and no USDC: what it owes is known before the order is taken."""
    exchange = usdc_exchange()
    exchange.accounts.faucet = {"SOL": Decimal(1)}
    # 8.9: 133.50 of margin + 0.89 above the mark + 0.667945 of fee = 135.057945.
    assert refusal(exchange, market("Bid", "8.90", symbol=SOL)) == NO_MARGIN
    exchange.place("a", market("Bid", "8.80", symbol=SOL))
    assert exchange.ledger.unsettled("a") == Decimal("-0.66044")
    assert available(exchange) == Decimal("135") - Decimal("0.66044") - Decimal("0.88") - 132
    assert_sound(exchange)


def test_who_owes_cannot_bind_what_is_left_in_spot_orders() -> None:
    exchange = usdc_exchange()
    exchange.accounts.faucet = {"SOL": Decimal(10)}
    exchange.place("a", market("Bid", "50", symbol=SOL))
    exchange.prices.set_index(SOL, Decimal(120), 0)
    exchange.cancel_all("stranger", SOL)
    exchange.place("stranger", limit("Bid", "120", "100", symbol=SOL))
    exchange.place("a", market("Ask", "50", symbol=SOL))
    assert exchange.net_quantity("a", SOL) == 0
    assert available(exchange) < 0
    assert refusal(exchange, limit("Ask", "151", "1")) == NO_MARGIN


def test_open_interest_counts_one_side() -> None:
    exchange = usdc_exchange()
    exchange.place("a", market("Bid", "4", symbol=SOL))
    exchange.place("b", market("Bid", "3", symbol=SOL))
    exchange.place("b", market("Ask", "5", symbol=SOL))
    # a has 4, b -2, the stranger -2.
    assert exchange.open_interest(SOL) == 4
