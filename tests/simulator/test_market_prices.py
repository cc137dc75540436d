"""The exchange second by second: who is called when, what is published, and what setting a price does."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest

from backpack_connector.protocol.enums import OrderBookState
from backpack_connector.simulator.clock import HOUR_US
from backpack_connector.simulator.engine import Exchange
from backpack_connector.simulator.events import Event, Execution, MarkPricePublished
from backpack_connector.simulator.market_prices import underlyings_of
from backpack_connector.simulator.refusals import Refusal
from tests.simulator.support import START_US, SYMBOL, FakeClock, instrument, limit, new_exchange

PERP = "SOL_USDC_PERP"
PERPETUALS = ["BTC_USDC_PERP", "SOL_USDC_PERP", "ETH_USDC_PERP", "AAPL.US_USDC_PERP"]
HOUR_END_US = (START_US // HOUR_US + 1) * HOUR_US


class Witness:
    """A part that notes when it was called and whether prices were there first."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.calls: list[tuple[int, int]] = []

    def on_second(self, now_us: int) -> Iterator[Execution]:
        self.calls.append((now_us, len(self.exchange.markets[PERP].settled_funding)))
        yield from ()


def events_of(executions: Iterator[Execution]) -> list[Event]:
    return [event for execution in executions for event in execution.events]


def published(exchange: Exchange, now_us: int) -> list[MarkPricePublished]:
    return [event for event in events_of(exchange.on_second(now_us)) if isinstance(event, MarkPricePublished)]


def test_every_open_perpetual_is_published_each_second_also_unchanged() -> None:
    exchange = new_exchange()
    for second in (1, 2):
        now_us = START_US + second * 10**6
        events = published(exchange, now_us)
        assert [event.symbol for event in events] == PERPETUALS
        assert {event.time_us for event in events} == {now_us}
        (sol,) = [event for event in events if event.symbol == PERP]
        assert (sol.mark_price, sol.index_price, sol.funding_rate) == (150, 150, Decimal("0.0000125"))
        assert sol.next_funding_ms == HOUR_END_US // 1000
    assert published(exchange, now_us) == []


def test_only_open_and_posting_markets_are_published_but_all_that_are_not_closed_go_on() -> None:
    exchange = new_exchange()
    exchange.set_market_state(PERP, OrderBookState.CANCEL_ONLY)
    exchange.set_market_state("ETH_USDC_PERP", OrderBookState.POST_ONLY)
    exchange.set_market_state("BTC_USDC_PERP", OrderBookState.CLOSED)
    for symbol in (PERP, "BTC_USDC_PERP"):
        exchange.markets[symbol].underlying.drift = Decimal("0.001")
    symbols = [event.symbol for event in published(exchange, START_US + 10**6)]
    assert symbols == ["ETH_USDC_PERP", "AAPL.US_USDC_PERP"]
    assert exchange.markets[PERP].mark_price == Decimal("150.15")
    assert exchange.markets["BTC_USDC_PERP"].mark_price == 86_700


def test_a_market_pays_no_funding_for_hours_in_which_it_was_closed() -> None:
    exchange = new_exchange()
    exchange.set_market_state(PERP, OrderBookState.CLOSED)
    list(exchange.on_second(HOUR_END_US + 3 * HOUR_US))
    exchange.set_market_state(PERP, OrderBookState.OPEN)
    assert [event.symbol for event in published(exchange, HOUR_END_US + 3 * HOUR_US + 10**6)] == PERPETUALS
    assert exchange.markets[PERP].settled_funding == []
    list(exchange.on_second(HOUR_END_US + 4 * HOUR_US))
    assert [row.end_us for row in exchange.markets[PERP].settled_funding] == [HOUR_END_US + 4 * HOUR_US]


def test_parts_are_called_at_each_full_hour_of_a_pause_and_then_for_now() -> None:
    exchange = new_exchange()
    witness = Witness(exchange)
    exchange.parts.append(witness)
    pause_end_us = HOUR_END_US + 2 * HOUR_US + 17
    for now_us in (START_US + 1, HOUR_END_US - 1, HOUR_END_US + 5, pause_end_us):
        list(exchange.on_second(now_us))
    # Beside each time stands how many intervals were over: the prices were there first.
    assert witness.calls == [
        (START_US + 1, 0),
        (HOUR_END_US - 1, 0),
        (HOUR_END_US, 1),
        (HOUR_END_US + 5, 1),
        (HOUR_END_US + HOUR_US, 2),
        (HOUR_END_US + 2 * HOUR_US, 3),
        (pause_end_us, 3),
    ]


def test_a_call_at_the_very_hour_is_one_call() -> None:
    exchange = new_exchange()
    witness = Witness(exchange)
    exchange.parts.append(witness)
    list(exchange.on_second(HOUR_END_US))
    assert witness.calls == [(HOUR_END_US, 1)]


def test_an_hour_that_was_done_is_not_done_again() -> None:
    exchange = new_exchange()
    witness = Witness(exchange)
    exchange.parts.append(witness)
    times_us = (HOUR_END_US + 1, HOUR_END_US + 1, HOUR_END_US - 5, HOUR_END_US + 2)
    for now_us in times_us:
        list(exchange.on_second(now_us))
    assert [now_us for now_us, _ in witness.calls] == [HOUR_END_US, *times_us]


def test_the_first_market_of_an_asset_says_where_its_underlying_begins() -> None:
    spot, perpetual = instrument(SYMBOL), replace(instrument(PERP), seed_price=Decimal(151))
    for rows, price in (([spot, perpetual], 150), ([perpetual, spot], 151)):
        underlyings = underlyings_of([*rows, instrument("BTC_USDC")])
        assert {pair: row.price for pair, row in underlyings.items()} == {
            ("SOL", "USDC"): price,
            ("BTC", "USDC"): 86_700,
        }


def test_a_price_that_is_set_is_published_and_spot_and_perpetual_share_it() -> None:
    exchange = new_exchange()
    execution = exchange.prices.set_index(SYMBOL, Decimal("141.237"), START_US)
    (event,) = execution.events
    assert isinstance(event, MarkPricePublished)
    assert (event.symbol, event.mark_price, event.index_price) == (PERP, Decimal("141.24"), Decimal("141.237"))
    assert exchange.markets[PERP].mark_price == Decimal("141.24")
    assert exchange.markets["BTC_USDC_PERP"].mark_price == 86_700
    for second in range(1, 30):
        list(exchange.on_second(START_US + second * 10**6))
    assert exchange.markets[PERP].mark_price == Decimal("141.24")


def test_the_mark_price_follows_the_mid_price_of_its_book() -> None:
    clock = FakeClock()
    exchange = new_exchange(clock)
    exchange.place("maker", limit("Bid", "150.90", "1", symbol=PERP))
    exchange.place("maker", limit("Ask", "151.10", "1", symbol=PERP))
    assert exchange.markets[PERP].mid_price == 151
    for _ in range(300):
        clock.advance_s(1)
        list(exchange.on_second(clock()))
    assert exchange.markets[PERP].mark_price == 151
    assert exchange.markets[PERP].index_price == 150


@pytest.mark.parametrize(
    ("symbol", "price", "sentence"),
    [
        ("NOPE_USDC_PERP", "1", "Invalid market symbol"),
        (PERP, "0", "The price must be from 0.01 to 10000000"),
        (PERP, "-1", "The price must be from 0.01 to 10000000"),
        (PERP, "10000001", "The price must be from 0.01 to 10000000"),
    ],
)
def test_impossible_prices_are_refused(symbol: str, price: str, sentence: str) -> None:
    exchange = new_exchange()
    with pytest.raises(Refusal, match=sentence):
        exchange.prices.set_index(symbol, Decimal(price), START_US)
    assert exchange.markets[PERP].index_price == 150
