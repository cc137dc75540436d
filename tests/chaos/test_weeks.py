"""The long form: hours with outages pass, and objects that only ever grow in number are seen."""

import warnings
from collections import Counter
from unittest import mock

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what Hummingbot's own modules say when they are imported the first time
    from tests.chaos import weeks
    from tests.chaos.pool import new_pool
    from tests.chaos.runs import Outcome


def _two_hours() -> tuple[Outcome, list[str]]:
    lines: list[str] = []
    with mock.patch.object(weeks, "HOURS_A_DAY", 1), mock.patch.object(weeks, "OUTAGES_A_DAY", 1):
        return weeks.run_days(2, 1, lines.append), lines


def test_hours_pass_and_nothing_is_lost() -> None:
    with new_pool(1) as pool:
        outcome, lines = pool.submit(_two_hours).result()
    assert outcome.violations == []
    assert [line.split(":")[0] for line in lines] == ["day 1", "day 2"]
    assert outcome.orders > 20
    assert outcome.strikes


def test_objects_that_pile_up_are_told() -> None:
    first, now = Counter({"hummingbot.Order": 10, "hummingbot.Event": 10}), Counter({"hummingbot.Order": 200})
    assert list(weeks.more_objects(first, now, 0)) == [
        "There are 200 objects hummingbot.Order, and there were 10 in the first night."
    ]
    assert list(weeks.more_objects(first, now, 100)) == []
