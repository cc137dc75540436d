"""What `backpack status` says about the bots that run on this machine."""

import json
import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from backpack_connector import order_journal_writer
from backpack_connector.cli import status
from backpack_connector.cli.main import run
from backpack_connector.latency import LatencyRecorder
from backpack_connector.order_journal import Identity, OrderRecord, latency_of, latency_path, read_journals
from backpack_connector.order_journal_writer import OrderJournal

ORDER = OrderRecord("1", "SOL_USDC", "SOL-USDC", "BUY", "LIMIT", Decimal(1), 1.0, Decimal(149))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[OrderJournal]:
    journal = OrderJournal(lambda: tmp_path, lambda: Identity("a" * 12, "backpack", "one"))
    journal.sent(ORDER)
    yield journal
    journal.ended("1")
    journal.close()


@pytest.fixture
def recorder() -> LatencyRecorder:
    recorder = LatencyRecorder()
    recorder.book_changed(0.0021)
    return recorder


def test_a_running_bot_is_shown_with_its_latencies(
    tmp_path: Path, journal: OrderJournal, recorder: LatencyRecorder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["status", "--journal", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert f"A bot runs backpack in process {os.getpid()}: 1 open order, last sign of life " in shown
    assert "Latency" not in shown
    journal.show(lambda: recorder.report("backpack"))
    assert run(["status", "--journal", str(tmp_path)]) == 0
    assert "depth frame -> book (1 in 16)         1   2.10 ms" in capsys.readouterr().out


def test_a_running_bot_as_json(
    tmp_path: Path,
    journal: OrderJournal,
    recorder: LatencyRecorder,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    journal.show(lambda: recorder.report("backpack"))
    monkeypatch.setenv("BACKPACK_JOURNAL", str(tmp_path))
    assert run(["status", "--json"]) == 0
    (bot,) = json.loads(capsys.readouterr().out)["bots"]
    assert (bot["connector"], bot["pid"], bot["open_orders"]) == ("backpack", os.getpid(), 1)
    assert bot["latency"]["latencies"][3]["max_s"] == 0.0021


@pytest.mark.parametrize(("folder", "looks"), [("off", 0), (" OFF ", 0), ("/no/such/folder", 1)])
def test_without_journals_no_bot_is_shown(
    folder: str, looks: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    looked: list[Path] = []
    monkeypatch.setattr(status, "read_journals", lambda folder: looked.append(folder) or read_journals(folder))
    assert run(["status", "--json", "--journal", folder]) == 0
    assert json.loads(capsys.readouterr().out)["bots"] == []
    assert len(looked) == looks


def test_the_folder_is_hummingbots_own_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("BACKPACK_JOURNAL", raising=False)
    looked: list[Path] = []
    monkeypatch.setattr(status, "read_journals", lambda folder: looked.append(folder) or [])
    assert run(["status"]) == 0
    assert looked == [Path(str(status.registration.status().hummingbot_location)).parent / "data" / "backpack_journal"]


def test_what_an_earlier_process_has_shown_is_not_believed(
    tmp_path: Path, journal: OrderJournal, recorder: LatencyRecorder
) -> None:
    journal.show(lambda: recorder.report("backpack"))
    (found,) = read_journals(tmp_path)
    assert latency_of(found) is not None
    shown = latency_path(found.path)
    text = shown.read_text()
    for other in (text.replace(f'"pid":{os.getpid()}', '"pid":1'), text[:-5], "[" * 100_000, ""):
        assert other != text
        shown.write_text(other)
        assert latency_of(found) is None
    shown.unlink()
    assert latency_of(found) is None


def test_latencies_are_shown_every_few_seconds_and_end_with_the_journal(
    tmp_path: Path, recorder: LatencyRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    journal = OrderJournal(lambda: tmp_path, lambda: Identity("a" * 12, "backpack", "one"))

    def show() -> None:
        journal.show(lambda: asked.append(1) or recorder.report("backpack"))

    show()
    assert not asked, "no journal, no latencies"
    journal.sent(ORDER)
    show()
    show()
    assert asked == [1]
    monkeypatch.setattr(order_journal_writer, "SHOW_S", 0.0)
    journal._show_at = 0.0
    show()
    show()
    assert asked == [1, 1, 1]
    assert [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()] == [0o600, 0o600]
    journal.close()
    assert [path.suffix for path in tmp_path.iterdir()] == [".jsonl"], "its order is open"


def test_a_disk_that_takes_nothing_costs_one_warning(
    tmp_path: Path, journal: OrderJournal, recorder: LatencyRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / f"{journal.path.stem if journal.path else ''}.draft").mkdir()
    for _ in range(3):
        journal._show_at = 0.0
        journal.show(lambda: recorder.report("backpack"))
    assert len([record for record in caplog.records if "cannot be written" in record.message]) == 1
