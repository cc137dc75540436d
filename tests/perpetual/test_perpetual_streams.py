"""What the perpetual connector has beyond spot when streams are silent, answers lag, and pairs come and go."""

from typing import Any

import pytest

from backpack_connector import readiness, reconnect, silence_watch, stream_evidence
from backpack_connector.protocol.enums import OrderBookState, Side
from backpack_connector.protocol.streams import BALANCE_UPDATES, POSITION_UPDATES, mark_price_stream
from backpack_connector.simulator.faults_kinds import Fault, FaultKind
from backpack_perpetual_connector import backpack_perpetual_api_order_book_data_source as marks_module
from tests.perpetual.session import OTHER_PAIR, OTHER_SYMBOL, PAIR, SYMBOL, PerpetualWorld, perpetual_world, shown
from tests.spot.session import stays, until

GRACE_S = 0.4


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for messages as long as a test can, and come back soon."""
    monkeypatch.setattr(stream_evidence, "GRACE_S", GRACE_S)
    monkeypatch.setattr(reconnect.Backoff.__init__, "__defaults__", (0.05, 0.2))
    monkeypatch.setattr(silence_watch, "SILENCE_CHECK_S", 0.1)


def inject(here: PerpetualWorld, kind: FaultKind, **options: Any) -> int:
    (fault_id,) = here.simulator.faults.inject(Fault(kind=kind, **options))
    return fault_id


def connections(here: PerpetualWorld, *, private: bool) -> int:
    return sum(bool(row.streams) and row.is_private is private for row in here.double.connections)


async def test_f09_position_stream_that_is_silent_is_noticed_by_the_next_poll(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with perpetual_world(with_double=True) as here:
        here.fill_book()
        fault_id = inject(here, FaultKind.SUBSCRIPTION_IGNORED, streams=(POSITION_UPDATES,))
        connector = await here.started(PAIR)
        here.trade_elsewhere(Side.BID, "150", "3")
        await here.poll(connector)
        here.simulator.faults.end(fault_id)
        await until(lambda: connections(here, private=True) == 2)
        assert f"the position in {SYMBOL} was 0 here and is 3 according to the exchange" in caplog.text
        # The message that every open position gets after a subscription is the evidence that it works.
        await until(lambda: connector.ready)
        assert shown(connector) == (3, 150)


async def test_f16_balance_stream_that_is_silent_is_noticed_by_the_next_poll(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with perpetual_world(with_double=True) as here:
        here.fill_book()
        fault_id = inject(here, FaultKind.SUBSCRIPTION_IGNORED, streams=(BALANCE_UPDATES,))
        connector = here.connector(PAIR)
        await connector.start_network()
        await until(lambda: connector.ready)
        await here._has_polled(connector)
        here.trade_elsewhere(Side.BID, "150", "3", symbol="SOL_USDC")  # in the spot market, which shares the collateral
        await here.poll(connector)
        here.simulator.faults.end(fault_id)
        await until(lambda: connections(here, private=True) == 2)
        assert "the balance of USDC was " in caplog.text


async def test_answers_that_lag_hide_no_position_that_the_stream_has_just_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(stream_evidence, "ANSWER_LAG_S", 1.5)
    async with perpetual_world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        inject(here, FaultKind.ACCOUNT_LAGS, delay_s=5.0)
        here.trade_elsewhere(Side.BID, "150", "3")
        await until(lambda: shown(connector) == (3, 150))
        asked = here.double.count("get_positions")
        await here.poll(connector)
        await until(lambda: here.double.count("get_positions") > asked)
        await here._has_polled(connector)
        assert shown(connector) == (3, 150)


async def test_answer_is_believed_again_when_the_message_is_older_than_any_lag(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream_evidence, "ANSWER_LAG_S", 0.2)
    async with perpetual_world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        here.trade_elsewhere(Side.BID, "150", "3")
        await until(lambda: shown(connector) == (3, 150))
        here.double.on_server_frame = lambda _, frame: [] if frame["stream"].startswith("account") else [frame]
        here.trade_elsewhere(Side.ASK, "150", "3")
        await until(lambda: not connector._positions.better_known(connector._positions.mark()))
        await here.poll(connector)
        await until(lambda: shown(connector) is None)


async def test_mark_price_that_is_overdue_is_subscribed_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(marks_module, "MARKS_OVERDUE_S", 1.5)
    async with perpetual_world(with_double=True) as here:
        here.fill_book()
        here.fill_book(OTHER_SYMBOL, "3000")
        fault_id = inject(here, FaultKind.SUBSCRIPTION_IGNORED, streams=(mark_price_stream(SYMBOL),))
        await here.started(PAIR, OTHER_PAIR)
        here.simulator.faults.end(fault_id)
        await until(lambda: f"No mark price of {SYMBOL} has come for 1.5 s" in caplog.text)
        await until(lambda: here.simulator.hub.is_wanted((None, mark_price_stream(SYMBOL))))
        assert OTHER_SYMBOL not in caplog.text
        assert connections(here, private=False) == 1


async def test_connection_without_any_mark_price_is_made_anew(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(marks_module, "MARKS_OVERDUE_S", 1.2)
    async with perpetual_world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        here.double.on_server_frame = lambda _, frame: [] if frame["stream"].startswith("markPrice") else [frame]
        await until(lambda: connections(here, private=False) == 2)
        assert "although one is due every second" in caplog.text
        here.double.on_server_frame = None
        await until(lambda: connector.ready)
        await stays(lambda: connector.ready and connections(here, private=False) == 2, for_s=1.5)


async def test_mark_price_of_a_market_that_has_closed_is_not_missed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with perpetual_world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        here.set_state(SYMBOL, OrderBookState.CLOSED)
        await connector._update_trading_rules()
        monkeypatch.setattr(marks_module, "MARKS_OVERDUE_S", 0.3)
        await stays(lambda: "No mark price" not in caplog.text, for_s=1.0)


async def test_f08_added_and_followed_markets_are_subscribed_again_after_a_reconnect() -> None:
    async with perpetual_world(with_double=True) as here:
        here.fill_book()
        here.fill_book(OTHER_SYMBOL, "3000")
        connector = await here.started(PAIR)
        assert await connector.add_trading_pair(OTHER_PAIR)
        here.rest(Side.ASK, "86700", "0.01", "BTC_USDC_PERP")
        here.order_elsewhere(Side.BID, "86700", "0.01", symbol="BTC_USDC_PERP")  # a position where no pair is traded
        btc = mark_price_stream("BTC_USDC_PERP")
        await until(lambda: btc in here.double.public.streams)
        wanted = sorted(here.double.public.streams)
        await here.double.public.close()
        await until(lambda: connections(here, private=False) == 2)
        await until(lambda: sorted(here.double.public.streams) == wanted)
        await until(lambda: connector.ready)
        assert f"depth.{OTHER_SYMBOL}" in wanted


async def test_exchange_without_an_open_market_is_not_ready_and_says_why_until_one_opens(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(readiness, "PATIENCE_S", 0.1)
    async with perpetual_world() as here:
        symbols = [symbol for symbol in here.simulator.exchange.markets if symbol.endswith("_PERP")]
        for symbol in symbols:
            here.set_state(symbol, OrderBookState.CLOSED)
        connector = here.connector(PAIR)
        await connector.start_network()
        await until(lambda: connector._markets and connector._leverage_limit and connector._positions_received)

        async def says_why() -> bool:
            await connector.check_network()
            return "markets are closed, nothing can be traded" in caplog.text

        while not await says_why():
            assert not connector.ready
        for _ in range(3):
            await connector.check_network()
        assert caplog.text.count("is not ready") == 1
        assert f"all {len(symbols)} PERP markets are closed" in caplog.text
        here.set_state(SYMBOL, OrderBookState.OPEN)
        await until(lambda: connector.trading_pair_symbol_map_ready())
        await connector._update_trading_rules()
        assert connector.status_dict["symbols_mapping_initialized"]
        assert connector.status_dict["trading_rule_initialized"]


async def test_parts_that_are_missing_are_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(readiness, "PATIENCE_S", 0.0)
    async with perpetual_world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        here.double.refuses_streams = True
        await here.double.public.close()
        await here.double.private.close()
        await until(lambda: not any(connector.status_dict[part] for part in STREAM_PARTS))
        await connector.check_network()
        assert f"the order books are not complete ({PAIR}); the private stream does not work" in caplog.text
        here.double.refuses_streams = False
        await until(lambda: connector.ready)
        await connector.check_network()
        assert "backpack_perpetual_simulator is ready now." in caplog.text


STREAM_PARTS = ("order_books_initialized", "user_stream_initialized")
