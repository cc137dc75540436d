"""The newest candles stay without a gap, whatever REST and the stream say in whatever order."""

from collections import deque
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backpack_connector.candle_series import CandleSeries
from backpack_connector.protocol.candles import Candle, flat
from backpack_connector.protocol.enums import KlineInterval
from backpack_connector.protocol.messages import KlineUpdate
from backpack_connector.protocol.units import iso_from_us, us_from_seconds

START = 1_790_164_800
NO_TRADES: dict[str, None] = dict.fromkeys(("open", "high", "low", "close"))


def at(place: int) -> int:
    return START + 60 * place


def candle(place: int, close: int, trades: int = 1) -> Candle:
    price = Decimal(close)
    return Candle(at(place), price, price, price, price, Decimal(trades), trades * price, trades)


def update(place: int, close: int, trades: int = 1) -> KlineUpdate:
    prices: dict[str, Any] = dict.fromkeys(NO_TRADES, Decimal(close)) if trades else NO_TRADES
    return KlineUpdate(
        event_time_us=us_from_seconds(at(place) + 30),
        symbol="SOL_USDC",
        start=iso_from_us(us_from_seconds(at(place))),
        volume=Decimal(trades),
        trades=trades,
        **prices,
    )


class Scene:
    """A series of one-minute candles, and what Hummingbot sees of it."""

    def __init__(self, most: int = 5) -> None:
        self.shown: deque[tuple[float, ...]] = deque(maxlen=most)
        self.series = CandleSeries(KlineInterval.MINUTE_1, self.shown)

    def merge(self, *candles: Candle | int, close_before: int | None = None) -> None:
        """Take rows from REST; a number is the place of a bucket without trades."""
        rows = {
            at(row) if isinstance(row, int) else row.start_s: None if isinstance(row, int) else row for row in candles
        }
        self.series.merge(rows, None if close_before is None else Decimal(close_before))

    @property
    def seen(self) -> list[tuple[int, float, int]]:
        """Place, close and number of trades of each candle."""
        return [(int(row[0] - START) // 60, row[4], int(row[7])) for row in self.shown]


@pytest.fixture
def scene() -> Scene:
    scene = Scene()
    scene.merge(candle(0, 10), candle(1, 11), candle(2, 12))
    return scene


def test_columns_are_those_of_hummingbot(scene: Scene) -> None:
    assert scene.shown[0] == (float(START), 10.0, 10.0, 10.0, 10.0, 1.0, 10.0, 1.0, 0.0, 0.0)


def test_an_unfinished_candle_is_replaced_and_the_next_one_appended(scene: Scene) -> None:
    assert scene.series.take(update(2, 13, trades=2))
    assert scene.series.take(update(3, 14))
    assert scene.seen == [(0, 10, 1), (1, 11, 1), (2, 13, 2), (3, 14, 1)]


def test_an_older_message_that_was_overtaken_changes_nothing(scene: Scene) -> None:
    scene.series.take(update(2, 13, trades=5))
    assert scene.series.take(update(2, 12, trades=4))
    assert scene.series.take(update(2, 0, trades=0))
    assert scene.seen[-1] == (2, 13, 5)


def test_f24_an_empty_bucket_is_flat_and_follows_a_late_correction(scene: Scene) -> None:
    scene.series.take(update(3, 0, trades=0))
    scene.series.roll(at(4))
    assert scene.seen[2:] == [(2, 12, 1), (3, 12, 0), (4, 12, 0)]
    scene.series.take(update(2, 15, trades=2))
    assert scene.seen[2:] == [(2, 15, 2), (3, 15, 0), (4, 15, 0)]


def test_time_adds_candles_only_for_buckets_that_have_begun(scene: Scene) -> None:
    scene.series.roll(at(3) - 0.001)
    assert len(scene.seen) == 3
    scene.series.roll(at(3))
    assert scene.seen[-1] == (3, 12, 0)


def test_a_message_beyond_a_gap_waits_for_rest(scene: Scene) -> None:
    assert not scene.series.take(update(5, 20))
    assert scene.seen[-1][0] == 2
    scene.merge(candle(2, 12), candle(3, 16), 4, 5)
    assert scene.seen == [(1, 11, 1), (2, 12, 1), (3, 16, 1), (4, 16, 0), (5, 20, 1)]


def test_a_message_before_any_history_waits_too() -> None:
    scene = Scene()
    assert not scene.series.take(update(1, 20, trades=3))
    assert scene.seen == []
    scene.merge(candle(0, 10), candle(1, 11))
    assert scene.seen == [(0, 10, 1), (1, 20, 3)]


def test_messages_go_before_answers_until_the_stream_is_subscribed_to_anew(scene: Scene) -> None:
    scene.series.take(update(2, 13, trades=4))
    scene.merge(candle(2, 99, trades=3))
    assert scene.seen[-1] == (2, 13, 4)
    scene.series.begin_stream()
    scene.merge(candle(2, 14, trades=6))
    assert scene.seen[-1] == (2, 14, 6)


def test_messages_that_came_while_rest_was_asked_continue_its_answer(scene: Scene) -> None:
    scene.series.begin_stream()
    scene.series.take(update(3, 13))
    scene.series.take(update(4, 14))
    scene.merge(candle(2, 12))
    assert scene.seen == [(0, 10, 1), (1, 11, 1), (2, 12, 1), (3, 13, 1), (4, 14, 1)]


def test_an_answer_that_does_not_continue_the_candles_replaces_them(scene: Scene) -> None:
    scene.merge(8, candle(9, 30), close_before=25)
    assert scene.seen == [(8, 25, 0), (9, 30, 1)]


def test_an_empty_answer_changes_nothing(scene: Scene) -> None:
    before = scene.seen
    scene.merge()
    assert scene.seen == before


def test_the_oldest_candles_go_and_the_first_empty_one_keeps_its_close() -> None:
    scene = Scene(most=2)
    scene.merge(candle(0, 10), 1)
    scene.series.roll(at(2))
    assert scene.seen == [(1, 10, 0), (2, 10, 0)]
    scene.series.take(update(2, 11))
    scene.series.take(update(1, 12))  # late, and shown anew
    scene.series.take(update(3, 13))
    scene.series.take(update(0, 9))  # no longer there
    assert scene.seen == [(2, 11, 1), (3, 13, 1)]


def test_before_the_first_trade_of_all_there_is_nothing_to_show() -> None:
    scene = Scene()
    scene.merge(0, 1)
    scene.series.roll(at(2))
    assert scene.seen == []
    scene.series.take(update(2, 10))
    scene.series.roll(at(3))
    assert scene.seen == [(2, 10, 1), (3, 10, 0)]


def test_the_quote_volume_grows_by_what_was_traded_since_the_last_message(scene: Scene) -> None:
    scene.series.take(update(2, 20, trades=3))
    assert scene.shown[-1][6] == 1 * 12 + 2 * 20


@pytest.mark.parametrize(("time_s", "place"), [(at(1) + 59.9, 1), (at(99), 2), (at(-1), 0)])
def test_the_bucket_of_a_time(scene: Scene, time_s: float, place: int) -> None:
    assert scene.series.start_at(time_s) == at(place)
    assert Scene().series.start_at(time_s) is None


def test_trades_are_told_by_bucket(scene: Scene) -> None:
    scene.series.take(update(3, 0, trades=0))
    assert [scene.series.trades_at(at(place)) for place in (2, 3, 4)] == [1, 0, 0]


def test_a_message_of_a_candle_that_has_left_corrects_the_flat_ones_after_it() -> None:
    scene = Scene(most=3)
    scene.merge(candle(0, 10), candle(1, 11), 2)
    for place in (3, 4):
        scene.series.roll(at(place))
    assert scene.seen == [(2, 11, 0), (3, 11, 0), (4, 11, 0)]
    for late, close in ((update(1, 13, trades=3), 13), (update(1, 12, trades=2), 13), (update(0, 9, trades=9), 13),
                        (update(1, 0, trades=0), 13), (update(1, 14, trades=4), 14)):  # fmt: skip
        assert scene.series.take(late)
        assert scene.seen == [(place, close, 0) for place in (2, 3, 4)]
    assert not scene.series._streamed
    scene.merge(candle(8, 20), 9, 10)  # what left before a gap counts no longer
    assert scene.series.take(update(1, 15, trades=5))
    assert scene.seen == [(8, 20, 1), (9, 20, 0), (10, 20, 0)]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=14), st.randoms(use_true_random=False))
def test_whatever_comes_in_whatever_order_ends_as_the_truth(trades: list[int], chance: Any) -> None:
    """`trades` are those of each bucket; each trade is told or not, late or not, and REST is asked where it must."""
    scene = Scene(most=6)
    scene.merge(candle(-1, 5))
    told = [(place, number) for place, count in enumerate(trades) for number in range(1, count + 1)]
    messages = [update(place, 10 + place + number, number) for place, number in told]
    for index in range(len(messages) - 1):
        if chance.random() < 0.2:
            messages[index], messages[index + 1] = messages[index + 1], messages[index]
    truth = [
        candle(place, 10 + place + count, count) if count else flat(at(place), Decimal(0))
        for place, count in enumerate(trades)
    ]
    for message in messages:
        if not scene.series.take(message):
            place = int(message.start_timestamp - START) // 60
            scene.merge(candle(-1, 5), *(row if row.trades else index for index, row in enumerate(truth[: place + 1])))
    scene.series.roll(at(len(trades) - 1))
    expected, close = [(-1, 5.0, 1)], 5.0
    for place, count in enumerate(trades):
        close = float(10 + place + count) if count else close
        expected.append((place, close, count))
    assert scene.seen == expected[-6:]
