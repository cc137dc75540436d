"""How the guard says what happens."""

import json
from decimal import Decimal

from backpack_connector.guard.reports import Reports


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def new_reports(*, as_json: bool) -> tuple[Reports, list[str], Clock]:
    written: list[str] = []
    clock = Clock()
    reports = Reports(written.append, as_json=as_json, wall_clock=lambda: 1_785_948_047.5, monotonic=clock)
    return reports, written, clock


def test_people_get_a_sentence_with_its_time() -> None:
    reports, written, _ = new_reports(as_json=False)
    reports.say("alarm", "It is silent.", bot="b")
    assert written == ["2026-08-05 16:40:47 It is silent."]


def test_programs_get_one_line_of_json_an_event() -> None:
    reports, written, _ = new_reports(as_json=True)
    reports.say("loss_limit", "Lost.", loss=Decimal("1.50"))
    assert json.loads(written[0]) == {
        "time": "2026-08-05T16:40:47.500+00:00",
        "event": "loss_limit",
        "text": "Lost.",
        "loss": "1.50",
    }


def test_a_trouble_that_lasts_is_told_once_a_minute() -> None:
    reports, written, clock = new_reports(as_json=False)
    for _ in range(120):
        reports.say_at_times("list", "trouble", "It fails.")
        clock.now_s += 1.0
    assert len(written) == 2
    for _ in range(120):
        reports.say_once("list", "trouble", "It fails.")
        clock.now_s += 1.0
    assert len(written) == 2
    assert reports.close("list")
    assert not reports.close("list")
    reports.say_at_times("list", "trouble", "It fails.")
    assert len(written) == 3
