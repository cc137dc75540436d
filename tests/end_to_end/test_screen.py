"""What the screen shows of the figures: profit, the live view, the line of a log."""

import io
import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from rich.console import Console

from backpack_connector.demo.figures import (
    Balance,
    Fill,
    FundingPayment,
    Futures,
    Latency,
    OpenOrder,
    Position,
    Snapshot,
)
from backpack_connector.demo.money import profit
from backpack_connector.demo.screen import View, live_view, log_line


def snapshot(bid: str, ask: str, sol: str, usdc: str) -> Snapshot:
    held = {"SOL": Balance(Decimal(sol), Decimal(sol)), "USDC": Balance(Decimal(usdc), Decimal(usdc))}
    return Snapshot(0.0, "SOL-USDC", Decimal(bid), Decimal(ask), (), held)


@pytest.mark.parametrize(
    ("latest", "gain"),
    [
        (snapshot("99", "101", "10", "1000"), "0"),
        (snapshot("199", "201", "10", "1000"), "0"),  # the market moved, nothing was traded
        (snapshot("99", "101", "11", "899"), "-1"),
        (snapshot("109", "111", "11", "899"), "9"),
    ],
)
def test_profit_is_against_holding_the_start_balances(latest: Snapshot, gain: str) -> None:
    assert profit(snapshot("99", "101", "10", "1000"), latest) == Decimal(gain)


def test_the_view_says_that_it_waits_before_the_first_snapshot() -> None:
    view = View(None, None, [], 1.0, 60.0)
    assert "waiting" in log_line(view)
    assert "waiting" in str(live_view(view, 30).renderable)  # type: ignore[attr-defined]


FUTURES = Futures(
    leverage=5,
    mark_price=Decimal("142.4"),
    funding_rate=Decimal("0.0000125"),
    funding_due_s=75.5,
    position=Position(Decimal("-2.5"), Decimal("143.123456789")),
    liquidation_price=Decimal("512.01"),
)


def futures_view(fills: list[Fill], funding: list[FundingPayment]) -> View:
    held = {"USDC": Balance(Decimal("10001.5"), Decimal("9900.25"))}
    start = Snapshot(
        0.0, "SOL-USDC", Decimal("142.3"), Decimal("142.5"), (), {"USDC": Balance(Decimal(10000), Decimal(10000))}
    )
    return View(start, replace(start, balances=held, futures=FUTURES), fills, 12.0, 60.0, funding)


def shown(view: View, width: int, height: int) -> str:
    console = Console(width=width, height=height, record=True, file=io.StringIO())
    console.print(live_view(view, height))
    return console.export_text()


SOLD = Fill("1", "1", "SELL", Decimal("143.12"), Decimal("2.5"), {"USDC": Decimal("0.0715")})
PAID = FundingPayment(1795240800.0, Decimal("-0.0044"), Decimal("0.0000125"))


@pytest.mark.parametrize(
    "row",
    [
        r"leverage 5",
        r"position +-2\.5 +SOL short",
        r"entry price +143\.12 ",
        r"mark price +142\.40",
        r"liquidation +512\.01",
        r"net equity +10001\.5000 +USDC",
        r"available +9900\.2500 +USDC",
        r"locked +101\.2500 +USDC",
        r"funding rate +\+0\.00125 % +in 1:15",
        r"funding +-0\.0044 +USDC",
        r"unrealised +\+1\.8086 +USDC",
        r"realised +-0\.0086 +USDC",
        r"fees +-0\.0715 +USDC",
        r"profit +\+1\.5000 +USDC",
    ],
)
def test_the_view_of_a_perpetual_bot_shows(row: str) -> None:
    assert re.search(row, shown(futures_view([SOLD], [PAID]), 120, 40))


LATENCIES = (
    Latency("order: call -> sent", 9, 0.000314, 0.001),
    Latency("order: sent -> accepted", 9, 0.00124, 0.002),
    Latency("cancel: begun -> cancelled", 9, 0.00124, 0.002),
    Latency("depth frame -> book (1 in 16)", 9, 0.0000451, 0.001),
    Latency("fill frame -> event told", 0, 0.0, 0.0),
)


def test_the_view_and_the_log_show_medians_of_what_has_happened() -> None:
    view = spot_view([SOLD], [])
    assert view.latest is not None
    view = replace(view, latest=replace(view.latest, latencies=LATENCIES))
    text = "median latency: sent 314 us, accepted 1.24 ms, book 45.1 us"
    assert f" {text} " in shown(view, 80, 24)
    assert log_line(view).endswith(text)


def spot_view(fills: list[Fill], funding: list[FundingPayment]) -> View:
    start, latest = snapshot("142.3", "142.5", "50", "10000"), snapshot("142.3", "142.5", "49.9988", "10225.029832001")
    return View(start, latest, fills, 12.0, 60.0, funding)


@pytest.mark.parametrize(("width", "height"), [(120, 40), (80, 24)])
@pytest.mark.parametrize("count", [1, 30])
@pytest.mark.parametrize("view_of", [spot_view, futures_view])
def test_the_view_fits_the_terminal(
    width: int, height: int, count: int, view_of: Callable[[list[Fill], list[FundingPayment]], View]
) -> None:
    orders = tuple(OpenOrder(side, Decimal(140), Decimal(2), Decimal(0)) for side in ("BUY", "SELL") for _ in range(3))
    view = view_of([SOLD] * count, [PAID])
    assert view.latest is not None
    latest = replace(view.latest, orders=orders, latencies=LATENCIES)
    lines = shown(replace(view, latest=latest), width, height).splitlines()
    assert len(lines) < height
    assert "…" not in "".join(lines)


def test_the_profit_of_a_perpetual_account_needs_no_book() -> None:
    view = futures_view([], [])
    assert view.first is not None
    assert view.latest is not None
    assert profit(view.first, replace(view.latest, best_bid=None)) == Decimal("1.5")


def test_a_fill_that_is_newer_than_the_position_waits_for_it() -> None:
    newer = replace(SOLD, trade_id="2", time=1.0)
    text = shown(futures_view([SOLD, newer], [PAID]), 120, 40)
    assert re.search(r"fees +-0\.0715 ", text)
    assert "Latest fills of 2" in text


def test_a_position_without_a_mark_price_has_no_profit_yet() -> None:
    assert replace(FUTURES, mark_price=None).unrealized == 0


def test_a_line_of_the_log_names_position_and_net_equity() -> None:
    line = log_line(futures_view([SOLD], [PAID]))
    assert "position -2.5 SOL  net equity 10001.5000 USDC  profit +1.5000 USDC" in line


def test_a_market_order_is_shown_as_one() -> None:
    view = futures_view([SOLD], [])
    assert view.latest is not None
    order = OpenOrder("SELL", None, Decimal(2), Decimal(0))
    text = shown(replace(view, latest=replace(view.latest, orders=(order,))), 120, 40)
    assert re.search(r"our sell +market +2", text)
