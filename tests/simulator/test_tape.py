"""The background flow: deterministic, alive, and good to market makers."""

from decimal import Decimal

import pytest

from backpack_connector.protocol.enums import OrderBookState
from backpack_connector.simulator.engine import Exchange
from backpack_connector.simulator.events import Event
from backpack_connector.simulator.refusals import Refusal
from backpack_connector.simulator.tape import STEP_US, Tape
from tests.simulator.support import START_US, SYMBOL, FakeClock, assert_sound, limit, new_exchange

OPEN_SPOT = ["BTC_USDC", "ETH_USDC", "SOL_USDC", "USDT_USDC", "kBONK_USDC"]


def play(seed: int, steps: int, *, with_user: bool = False) -> tuple[Exchange, list[Event]]:
    """Run the flow for some steps, optionally with a user who quotes both sides of SOL every second."""
    clock = FakeClock()
    exchange = new_exchange(clock)
    tape = Tape(exchange, seed, clock())
    events: list[Event] = []
    for number in range(steps):
        for execution in tape.advance(clock()):
            events += execution.events
        if with_user and number % 4 == 0:
            events += quote(exchange)
        clock.now_us += STEP_US
    return exchange, events


def quote(exchange: Exchange) -> list[Event]:
    events = list(exchange.cancel_all("bot", SYMBOL).events)
    bid, ask = exchange.markets[SYMBOL].book.touch
    if bid is None or ask is None:
        return events
    middle = (bid[0] + ask[0]) / 2
    for side, sign in (("Bid", -1), ("Ask", 1)):
        price = (middle * (1 + sign * Decimal("0.001"))).quantize(Decimal("0.01"))
        try:
            events += exchange.place("bot", limit(side, str(price), "0.5", post_only=True)).events
        except Refusal:
            continue
    return events


def test_same_seed_and_same_requests_give_the_same_events() -> None:
    assert play(7, 60, with_user=True)[1] == play(7, 60, with_user=True)[1]


def test_another_seed_gives_other_events() -> None:
    assert play(7, 20)[1] != play(8, 20)[1]


def test_every_open_book_has_several_orders_on_each_side_and_trades() -> None:
    exchange, _ = play(1, 120)
    for symbol in OPEN_SPOT:
        row = exchange.markets[symbol]
        assert len(row.book.bids) >= 5, symbol
        assert len(row.book.asks) >= 5, symbol
        assert len(row.trades) > 10, symbol
        assert abs(row.last_price / row.instrument.seed_price - 1) < Decimal("0.05"), symbol
    assert_sound(exchange)


def test_markets_that_are_not_open_stay_empty() -> None:
    exchange, _ = play(1, 8)
    for symbol in ("WEN_USDC", "HNT_USDC", "SPCX.US_USDC", "SOL_USDC_PERP"):
        assert exchange.markets[symbol].book.touch == (None, None)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_bot_that_quotes_a_tenth_of_a_percent_away_is_filled_several_times_a_minute(seed: int) -> None:
    exchange, _ = play(seed, 240, with_user=True)
    fills = exchange.open_account("bot").fills
    assert len({fill.order_id for fill in fills}) >= 6
    assert {fill.side.value for fill in fills} == {"Bid", "Ask"}
    assert_sound(exchange)


def test_an_order_that_the_price_has_passed_is_taken() -> None:
    clock = FakeClock()
    exchange = new_exchange(clock)
    tape = Tape(exchange, 1, clock())
    order = exchange.place("bot", limit("Bid", "152", "1")).order
    list(tape.advance(clock()))
    assert order.order_id not in exchange.open_account("bot").open_orders


def test_a_pause_is_not_made_up_for() -> None:
    clock = FakeClock()
    exchange = new_exchange(clock)
    tape = Tape(exchange, 1, clock())
    list(tape.advance(clock()))
    before = exchange.markets[SYMBOL].book.update_id
    clock.advance_s(3600)
    list(tape.advance(clock()))
    assert exchange.markets[SYMBOL].book.update_id - before < 200
    assert list(tape.advance(clock())) == []
    assert clock() == START_US + 3600 * 10**6


def test_a_closing_market_does_not_stop_the_flow() -> None:
    clock = FakeClock()
    exchange = new_exchange(clock)
    tape = Tape(exchange, 1, clock())
    list(tape.advance(clock()))
    exchange.set_market_state(SYMBOL, OrderBookState.CLOSED)
    for _ in range(20):
        clock.now_us += STEP_US
        list(tape.advance(clock()))
    assert_sound(exchange)


def test_background_accounts_keep_no_history() -> None:
    exchange, _ = play(1, 8)
    assert all(not account.orders and not account.fills for account in exchange.accounts)
