"""Books, trades, pairs and rules of perpetual markets: what the tests of the spot connector say, and what is added.

F04, F05, F06, F07, F08, F18, F21, F29, F37, F45, D13.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from backpack_connector import order_book_tracking
from backpack_connector.protocol.enums import OrderBookState, Side
from tests.perpetual.session import OTHER_PAIR, OTHER_SYMBOL, PAIR, SYMBOL, perpetual_world
from tests.perpetual.taken_over import about_perpetuals, picked_from, streams_of, taken_from
from tests.spot import (
    test_books_bad_frames,
    test_books_gaps,
    test_books_pairs,
    test_books_trades,
    test_markets_prices,
    test_markets_rules,
    test_markets_symbols,
    test_markets_without_keys,
)
from tests.spot.session import book_of, until

globals().update(taken_from(test_books_gaps))
globals().update(taken_from(test_books_trades))
globals().update(taken_from(test_markets_rules))
globals().update(picked_from(test_books_bad_frames, "test_f08_error_frame_of_the_public_stream_is_logged"))
globals().update(
    taken_from(
        test_books_pairs,
        but=(
            # Their names of markets are those of spot markets.
            "test_f08_both_notations_subscribe_to_the_same_streams",
            "test_f45_closed_pair_gets_its_book_when_it_opens",
            "test_f45_opening_pair_misses_nothing_between_snapshot_and_stream",
        ),
    )
)
globals().update(
    picked_from(
        test_markets_prices,
        "test_f29_many_prices_cost_one_request",
        "test_f29_one_price_asks_for_that_market_only",
        "test_f29_market_that_never_traded_has_no_price",
    )
)
globals().update(
    picked_from(
        test_markets_symbols,
        "test_f18_conversions_are_awaited",
        "test_f18_pair_that_is_not_listed_or_closed_is_a_key_error",
        "test_one_odd_market_hides_no_other",
    )
)
globals().update(
    picked_from(
        test_markets_without_keys,
        "test_f37_instance_without_keys_becomes_ready",
        "test_f37_failing_market_list_does_not_keep_it_from_becoming_ready",
    )
)


@pytest.fixture(autouse=True)
def _perpetual() -> Iterator[None]:
    with about_perpetuals(
        test_books_bad_frames,
        test_books_gaps,
        test_books_pairs,
        test_books_trades,
        test_markets_prices,
        test_markets_rules,
        test_markets_symbols,
        test_markets_without_keys,
    ):
        yield


# Pairs


@pytest.mark.parametrize("symbol", ["SOL_USDC", "SOL_USDC_RFQ", "SOL_USDC_2612_DATED", "NOPE_USDC_PERP", "SOL-USDC"])
async def test_f18_symbol_of_another_kind_or_unlisted_is_a_key_error(symbol: str) -> None:
    async with perpetual_world() as here:
        with pytest.raises(KeyError):
            await here.connector().trading_pair_associated_to_exchange_symbol(symbol)


async def test_f18_pairs_are_the_perpetual_markets_that_take_orders_whatever_their_spelling() -> None:
    async with perpetual_world(with_double=True) as here:

        def lowered(rows: Any) -> Any:
            changes = {"symbol": "kPEPE_USDC_PERP", "baseSymbol": "kPEPE"}
            return [{**row, **changes} if row["symbol"] == "BTC_USDC_PERP" else row for row in rows]

        here.double.alter("get_markets", lowered)
        here.set_state(OTHER_SYMBOL, OrderBookState.CANCEL_ONLY)
        connector = here.connector(PAIR)
        assert sorted(await connector.all_trading_pairs()) == ["AAPL.US-USDC", "SOL-USDC", "kPEPE-USDC"]
        assert await connector.exchange_symbol_associated_to_pair("AAPL.US-USDC") == "AAPL.US_USDC_PERP"
        assert here.double.seen("get_markets")[0].query == {"marketType": "PERP"}


async def test_f08_pair_is_listened_to_under_either_notation() -> None:
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR)
        source = connector.order_book_tracker.data_source
        assert await source.subscribe_to_trading_pair(OTHER_PAIR)
        await until(lambda: here.double.public.streams == streams_of(SYMBOL) + streams_of(OTHER_SYMBOL))
        assert await source.unsubscribe_from_trading_pair(OTHER_PAIR)
        await until(lambda: here.double.public.ended_streams == streams_of(OTHER_SYMBOL))


async def test_f45_closed_pair_gets_its_book_when_it_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_book_tracking, "CLOSED_PAIR_PAUSE_S", 0.1)
    async with perpetual_world() as here:
        here.fill_book()
        here.set_state(OTHER_SYMBOL, OrderBookState.CLOSED)
        connector = await here.started(PAIR, OTHER_PAIR)
        assert book_of(connector, OTHER_PAIR) == ({}, {})
        here.set_state(OTHER_SYMBOL, OrderBookState.OPEN)
        here.fill_book(OTHER_SYMBOL, "2760")
        await until(lambda: book_of(connector, OTHER_PAIR) == here.book(OTHER_SYMBOL))
        here.rest(Side.BID, "2700", "1", OTHER_SYMBOL)
        await until(lambda: book_of(connector, OTHER_PAIR) == here.book(OTHER_SYMBOL))
        await until(lambda: connector.get_funding_info(OTHER_PAIR).mark_price.is_finite())


# Rules


async def test_f21_margin_is_counted_in_usdc_and_all_filters_are_mapped() -> None:
    async with perpetual_world() as here:
        connector = await here.started(PAIR)
        rule = connector.trading_rules[PAIR]
        assert (rule.buy_order_collateral_token, rule.sell_order_collateral_token) == ("USDC", "USDC")
        instrument = here.simulator.exchange.markets[SYMBOL].instrument
        assert rule.min_order_size == instrument.min_quantity
        assert rule.min_base_amount_increment == instrument.step_size
        assert rule.min_price_increment == instrument.tick_size


async def test_d13_post_only_market_claims_no_market_orders() -> None:
    async with perpetual_world() as here:
        here.set_state(SYMBOL, OrderBookState.POST_ONLY)
        connector = await here.started(PAIR)
        assert connector.trading_rules[PAIR].supports_limit_orders
        assert not connector.trading_rules[PAIR].supports_market_orders
