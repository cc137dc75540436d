"""F31: what the connector knows of funding, and that each payment is told once."""

import os
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from hummingbot.core.event.event_logger import EventLogger
from hummingbot.core.event.events import FundingPaymentCompletedEvent, MarketEvent

from backpack_connector.protocol.enums import OrderBookState, Side
from backpack_connector.protocol.streams import mark_price_stream
from backpack_perpetual_connector.funding import PAGE
from tests.perpetual.session import OTHER_PAIR, OTHER_SYMBOL, PAIR, SYMBOL, PerpetualWorld, perpetual_world, shown
from tests.spot.session import events_of, stays, until
from tests.spot.stream_double import UNAVAILABLE, Reply, failure

HOUR_S = 3_600


def mute_mark_prices(here: PerpetualWorld) -> None:
    """Deliver no mark prices, so that only answers tell about funding."""
    here.double.on_server_frame = lambda _, frame: (
        [] if str(frame.get("stream", "")).startswith("markPrice.") else [frame]
    )


# Funding info


async def test_f31_info_is_the_row_of_the_symbol() -> None:
    async with perpetual_world(with_double=True) as here:
        mute_mark_prices(here)
        connector = await here.started(PAIR, OTHER_PAIR)
        assert here.double.count("get_mark_prices") == 1  # for all pairs
        rows = {row["symbol"]: row for row in here.simulator._public.operations["get_mark_prices"](_NoQuery())}
        assert len(rows) > 2
        for pair, symbol in ((PAIR, SYMBOL), (OTHER_PAIR, OTHER_SYMBOL)):
            info = connector.get_funding_info(pair)
            assert info.trading_pair == pair
            assert info.mark_price == Decimal(rows[symbol]["markPrice"])
            assert info.index_price == Decimal(rows[symbol]["indexPrice"])
            assert info.rate == Decimal(rows[symbol]["fundingRate"])
            assert info.next_funding_utc_timestamp == rows[symbol]["nextFundingTimestamp"] / 1000


class _NoQuery:
    """A request without parameters."""

    def __getattr__(self, _: str) -> Callable[..., None]:
        return lambda *_, **__: None


@pytest.mark.parametrize(
    "reply",
    [
        UNAVAILABLE,
        Reply("no JSON"),
        Reply(17),
        Reply({"rows": []}),
        failure(429, "TOO_MANY_REQUESTS", "Too many requests"),
    ],
    ids=["503", "no JSON", "number", "object", "429"],
)
async def test_f31_failed_question_is_repeated_and_the_connector_gets_ready(reply: Reply) -> None:
    async with perpetual_world(with_double=True) as here:
        mute_mark_prices(here)
        here.double.answer_once("get_mark_prices", reply)
        connector = await here.started(PAIR)
        assert connector.get_funding_info(PAIR).rate.is_finite()
        assert here.double.count("get_mark_prices") == 2


async def test_f31_stream_alone_is_enough() -> None:
    async with perpetual_world(with_double=True) as here:
        here.double.answer("get_mark_prices", UNAVAILABLE)
        connector = await here.started(PAIR)
        assert connector.get_funding_info(PAIR).mark_price == 150


async def test_f31_failing_question_costs_few_requests() -> None:
    async with perpetual_world(with_double=True) as here:
        mute_mark_prices(here)
        here.double.answer("get_mark_prices", UNAVAILABLE)
        connector = here.connector(PAIR)
        await connector.start_network()
        await stays(lambda: not connector.ready, for_s=2.0)
        assert 2 <= here.double.count("get_mark_prices") <= 4


async def test_f31_odd_row_hides_no_other(caplog: pytest.LogCaptureFixture) -> None:
    async with perpetual_world(with_double=True) as here:
        mute_mark_prices(here)

        def spoil(rows: Any) -> Any:
            return [5, *({**row, "markPrice": "NaN"} if row["symbol"] == SYMBOL else row for row in rows)]

        here.double.alter("get_mark_prices", spoil)
        connector = await here.started(PAIR, OTHER_PAIR)
        assert connector.get_funding_info(OTHER_PAIR).mark_price == 2760
        assert connector.get_funding_info(PAIR).mark_price.is_nan()
        assert "A mark price was left out" in caplog.text


@pytest.mark.parametrize("unit", [1, 1_000], ids=["milliseconds", "microseconds"])
async def test_f31_unit_of_the_next_funding_is_told_by_its_size(unit: int) -> None:
    async with perpetual_world(with_double=True) as here:
        next_funding_s = round(time.time()) // HOUR_S * HOUR_S + HOUR_S
        stamp = next_funding_s * 1_000 * unit
        here.double.alter(
            "get_mark_prices", lambda rows: [{**row, "nextFundingTimestamp": stamp, "markPrice": "7"} for row in rows]
        )
        mute_mark_prices(here)
        connector = await here.started(PAIR)
        info = connector.get_funding_info(PAIR)
        assert (info.mark_price, info.next_funding_utc_timestamp) == (7, next_funding_s)
        data = {"E": 1, "T": 1, "e": "markPrice", "f": "0.1", "i": "8", "n": stamp + 3_600_000 * unit, "p": "9"}
        await here.double.public.send({"stream": mark_price_stream(SYMBOL), "data": {**data, "s": SYMBOL}})
        await until(lambda: connector.get_funding_info(PAIR).mark_price == 9)
        info = connector.get_funding_info(PAIR)
        assert (info.index_price, info.rate) == (8, Decimal("0.1"))
        assert info.next_funding_utc_timestamp == next_funding_s + HOUR_S


async def test_f31_info_follows_the_stream() -> None:
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR)
        asked = here.double.count("get_mark_prices")
        here.simulator.set_index_price(SYMBOL, Decimal("151.5"))
        await until(lambda: connector.get_funding_info(PAIR).mark_price == Decimal("151.5"))
        assert connector.get_funding_info(PAIR).index_price == Decimal("151.5")
        assert here.double.count("get_mark_prices") == asked


@pytest.mark.parametrize("state", [OrderBookState.CLOSED, OrderBookState.CANCEL_ONLY])
async def test_f45_closed_market_has_no_funding_and_holds_nothing_up(state: OrderBookState) -> None:
    async with perpetual_world() as here:
        here.fill_book()
        here.set_state(OTHER_SYMBOL, state)
        connector = here.connector(PAIR, OTHER_PAIR)
        await connector.start_network()
        await until(lambda: connector.ready)
        assert connector.get_funding_info(PAIR).rate.is_finite()
        assert connector.get_funding_info(OTHER_PAIR).rate.is_nan()


async def test_f08_pair_that_is_added_at_run_time_has_funding_info_too() -> None:
    async with perpetual_world() as here:
        here.fill_book()
        connector = await here.started(PAIR)
        assert await connector.add_trading_pair(OTHER_PAIR)
        assert connector.get_funding_info(OTHER_PAIR).mark_price == 2760
        await until(lambda: connector.ready)
        here.simulator.set_index_price(OTHER_SYMBOL, Decimal(2770))
        await until(lambda: connector.get_funding_info(OTHER_PAIR).mark_price == 2770)


# Payments


def payments(connector: Any) -> EventLogger:
    return events_of(connector, MarketEvent.FundingPaymentCompleted)


def amounts(log: EventLogger) -> list[tuple[str, Decimal]]:
    assert all(isinstance(event, FundingPaymentCompletedEvent) for event in log.event_log)
    return [(event.trading_pair, event.amount) for event in log.event_log]


def paid(here: PerpetualWorld, symbol: str = SYMBOL) -> list[Decimal]:
    """Return what the exchange has paid to the account, oldest first."""
    account = here.simulator.exchange.open_account(here.key)
    return [payment.amount for payment in account.funding_payments if payment.symbol == symbol]


def poll_payments(connector: Any) -> None:
    """Ask for payments now, as the clock does every other minute."""
    connector._funding_fee_poll_notifier.set()


def hours_pass(here: PerpetualWorld, connector: Any = None, hours: int = 1) -> None:
    """Let hours pass at the exchange, and let a connector ask for payments then."""
    here.simulator.advance_clock(hours * HOUR_S)
    if connector is not None:
        poll_payments(connector)


async def test_payments_of_one_hour_have_times_of_their_own() -> None:
    async with perpetual_world() as here:
        connector = await here.started(PAIR, OTHER_PAIR)
        log = payments(connector)
        here.trade_elsewhere(Side.BID, "150", "100")
        price = here.simulator.exchange.markets[OTHER_SYMBOL].last_price
        here.trade_elsewhere(Side.BID, str(price), "0.1", symbol=OTHER_SYMBOL)
        await until(lambda: shown(connector) and shown(connector, OTHER_PAIR))
        hours_pass(here, connector)
        await until(lambda: len(log.event_log) == 2)
        # Hummingbot's database keeps one payment for each time, whatever the pair.
        first, second = sorted(event.timestamp for event in log.event_log)
        assert first % HOUR_S == 0
        assert 0 < second - first < 1


async def test_f31_payment_is_told_as_soon_as_it_is_made() -> None:
    async with perpetual_world() as here:
        connector = await here.started(PAIR)
        log = payments(connector)
        here.trade_elsewhere(Side.BID, "150", "100")
        await until(lambda: shown(connector) and connector._interval_ends)
        hours_pass(here)  # nobody asks: the stream of mark prices tells that the interval is over
        await until(lambda: log.event_log)
        (amount,) = paid(here)
        assert amount < 0  # the rate of a quiet market is positive, so longs pay
        assert amounts(log) == [(PAIR, amount)]
        (event,) = log.event_log
        assert event.market == connector.name
        assert event.funding_rate == Decimal("0.0000125")
        assert event.timestamp % HOUR_S == 0


async def test_f31_payment_is_told_once_however_often_it_is_listed() -> None:
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR)
        log = payments(connector)
        here.trade_elsewhere(Side.ASK, "150", "100")
        await until(lambda: shown(connector))
        for hour in range(1, 4):
            hours_pass(here, connector)
            await until(lambda hour=hour: len(log.event_log) == hour)
            asked = here.double.count("get_funding_payments")
            poll_payments(connector)
            await until(lambda asked=asked: here.double.count("get_funding_payments") > asked)
        assert amounts(log) == [(PAIR, amount) for amount in paid(here)]
        assert len(log.event_log) == 3


async def test_f31_payments_of_an_interruption_are_told_once_each() -> None:
    async with perpetual_world() as here:
        connector = await here.started(PAIR)
        log = payments(connector)
        here.trade_elsewhere(Side.BID, "150", "100")
        await until(lambda: shown(connector))
        hours_pass(here, connector)
        await until(lambda: len(log.event_log) == 1)
        await connector.stop_network()
        hours_pass(here, hours=5)
        await connector.start_network()
        await until(lambda: len(log.event_log) == 6)
        assert amounts(log) == [(PAIR, amount) for amount in paid(here)]
        stamps = [event.timestamp for event in log.event_log]
        assert stamps == [stamps[0] + number * HOUR_S for number in range(6)]


async def test_f31_payments_of_an_interruption_right_after_the_start_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with perpetual_world(with_double=True) as here:
        here.trade_elsewhere(Side.BID, "150", "100")
        here.double.answer("get_funding_payments", UNAVAILABLE)
        connector = await here.started(PAIR)
        log = payments(connector)
        await connector.stop_network()
        hours_pass(here, hours=3)
        monkeypatch.setattr(connector, "_time", lambda: time.time() + 3 * HOUR_S)  # the bot's own clock has gone on too
        here.double.answer("get_funding_payments", None)
        await connector.start_network()
        await until(lambda: len(log.event_log) == 3)
        assert amounts(log) == [(PAIR, amount) for amount in paid(here)]


async def test_f31_restarted_bot_tells_no_payments_from_before() -> None:
    async with perpetual_world(with_double=True) as here:
        here.trade_elsewhere(Side.BID, "150", "100")
        hours_pass(here, hours=3)
        connector = here.connector(PAIR)
        log = payments(connector)
        await connector.start_network()
        await until(lambda: here.double.count("get_funding_payments"))
        await until(lambda: connector.ready)
        assert amounts(log) == []
        hours_pass(here, connector)
        await until(lambda: log.event_log)
        assert amounts(log) == [(PAIR, paid(here)[-1])]
        assert len(paid(here)) == 4


@pytest.mark.parametrize("first", [[], [{"odd": "row"}], [5]])
async def test_f31_first_list_that_shows_nothing_makes_old_payments_no_news(first: list[Any]) -> None:
    async with perpetual_world(with_double=True) as here:
        here.trade_elsewhere(Side.BID, "150", "100")
        hours_pass(here, hours=3)
        here.double.answer("get_funding_payments", Reply(first))
        connector = await here.started(PAIR)
        log = payments(connector)
        await until(lambda: here.double.count("get_funding_payments"))
        here.double.answer("get_funding_payments", None)
        asked = here.double.count("get_funding_payments")
        poll_payments(connector)
        await until(lambda: here.double.count("get_funding_payments") > asked)
        hours_pass(here, connector)
        await until(lambda: log.event_log)
        assert amounts(log) == [(PAIR, paid(here)[-1])]
        assert len(paid(here)) == 4


async def test_f31_first_payment_of_an_account_is_told() -> None:
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR)
        log = payments(connector)
        await until(lambda: here.double.count("get_funding_payments"))
        here.trade_elsewhere(Side.BID, "150", "100")
        await until(lambda: shown(connector))
        hours_pass(here, connector)
        await until(lambda: log.event_log)
        assert amounts(log) == [(PAIR, paid(here)[0])]


@pytest.mark.parametrize("page", [None, [{"odd": "row"}] * PAGE])
async def test_f31_list_is_read_no_further_than_it_has_news(page: list[Any] | None) -> None:
    async with perpetual_world(with_double=True) as here:
        here.trade_elsewhere(Side.BID, "150", "100")
        hours_pass(here, hours=PAGE + 1)
        if page is not None:
            here.double.answer("get_funding_payments", Reply(page))
        connector = await here.started(PAIR)
        for number in range(1, 4):
            await until(lambda number=number: here.double.count("get_funding_payments") == number)
            poll_payments(connector)
        await until(lambda: here.double.count("get_funding_payments") == 4)
        await stays(lambda: here.double.count("get_funding_payments") == 4, for_s=0.2)


async def test_f31_payments_of_markets_that_are_not_traded_are_not_told() -> None:
    async with perpetual_world() as here:
        connector = await here.started(PAIR)
        log = payments(connector)
        here.trade_elsewhere(Side.BID, "150", "100")
        here.trade_elsewhere(Side.BID, "2760", "5", symbol=OTHER_SYMBOL)
        await until(lambda: len(connector.account_positions) == 2)
        hours_pass(here, connector)
        await until(lambda: log.event_log)
        assert len(paid(here, OTHER_SYMBOL)) == 1
        assert amounts(log) == [(PAIR, paid(here)[0])]


@pytest.mark.parametrize("reply", [UNAVAILABLE, Reply("no JSON"), Reply({"rows": 5})])
async def test_f33_failing_question_for_payments_is_asked_once_a_time_and_loses_nothing(reply: Reply) -> None:
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR)
        log = payments(connector)
        here.trade_elsewhere(Side.BID, "150", "100")
        await until(lambda: shown(connector))
        mute_mark_prices(here)
        here.double.answer("get_funding_payments", reply)
        hours_pass(here)
        asked = here.double.count("get_funding_payments")
        for number in range(1, 4):
            poll_payments(connector)
            await until(lambda number=number: here.double.count("get_funding_payments") == asked + number)
        await stays(lambda: here.double.count("get_funding_payments") == asked + 3, for_s=0.2)
        here.double.answer("get_funding_payments", None)
        poll_payments(connector)
        await until(lambda: log.event_log)
        assert amounts(log) == [(PAIR, paid(here)[0])]


async def test_f31_odd_row_hides_no_payment(caplog: pytest.LogCaptureFixture) -> None:
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR)
        log = payments(connector)
        here.trade_elsewhere(Side.BID, "150", "100")
        await until(lambda: shown(connector))
        spoil = [5, {"symbol": SYMBOL}]
        here.double.alter("get_funding_payments", lambda data: [*spoil, *data] if isinstance(data, list) else data)
        hours_pass(here, connector)
        await until(lambda: log.event_log)
        assert amounts(log) == [(PAIR, paid(here)[0])]
        assert "A funding payment was left out" in caplog.text


# Last payment, as Hummingbot asks for it


@pytest.fixture
def far_east() -> Iterator[None]:
    """Live where the clock is half a day ahead of UTC."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Pacific/Auckland"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


async def test_parity_no_payment_yet() -> None:
    async with perpetual_world() as here:
        connector = await here.started(PAIR)
        assert await connector._fetch_last_fee_payment(PAIR) == (0, -1, -1)


async def test_parity_time_of_the_last_payment_is_utc(far_east: None) -> None:
    async with perpetual_world() as here:
        here.trade_elsewhere(Side.BID, "150", "100")
        here.trade_elsewhere(Side.BID, "2760", "5", symbol=OTHER_SYMBOL)
        connector = await here.started(PAIR)
        hours_pass(here, connector)
        timestamp, rate, amount = await connector._fetch_last_fee_payment(PAIR)
        now_s = here.simulator.now_ms() / 1_000
        assert timestamp == now_s // HOUR_S * HOUR_S
        assert (rate, amount) == (Decimal("0.0000125"), paid(here)[-1])
