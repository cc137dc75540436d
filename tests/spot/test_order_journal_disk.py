"""What a bad disk does to the order journal: one warning, and no order is held up or forgotten."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from backpack_connector import order_journal_writer
from backpack_connector.order_journal import (
    Identity,
    read_journals,
)
from backpack_connector.order_journal_writer import OrderJournal
from tests.spot.journals import Start, die, journals_in, only, record, warnings_in


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "journals"


@pytest.fixture
def start(folder: Path) -> Start:
    return journals_in(folder)


def test_a_folder_that_cannot_be_made_costs_one_warning_and_is_made_later(
    folder: Path, start: Start, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.parent.mkdir(parents=True)
    folder.write_text("a file in its place")
    journal = start()
    tries = []
    monkeypatch.setattr(
        journal, "_open_files", lambda path: tries.append(path) or OrderJournal._open_files(journal, path)
    )
    for number in range(3):
        journal.sent(record(number))
    journal.ended("0")
    journal.beat()
    assert len(warnings_in(caplog)) == 1
    assert tries == [folder]  # orders do not pay for it again and again
    assert journal.path is None
    folder.unlink()
    monkeypatch.setattr(journal, "_try_again_at", 0.0)
    monkeypatch.setattr(journal, "_beat_at", 0.0)
    journal.beat()
    assert only(folder).open_orders == (record(1), record(2))


def test_an_identity_that_cannot_be_found_does_not_hinder_an_order(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> Identity:
        raise RuntimeError("no identity")

    journal = OrderJournal(lambda: folder, broken)
    journal.sent(record(1))
    assert len(warnings_in(caplog)) == 1


def full_disk(descriptor: int, text: bytes) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def half_full_disk(descriptor: int, text: bytes) -> int:
    return WRITE(descriptor, text[: len(text) // 2])


WRITE = os.write


@pytest.mark.parametrize("write", [full_disk, half_full_disk])
def test_a_full_disk_costs_one_warning_and_the_file_is_whole_again_when_there_is_room(
    folder: Path,
    start: Start,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    write: Callable[[int, bytes], int],
) -> None:
    journal = start()
    journal.sent(record(1))
    monkeypatch.setattr(os, "write", write)
    journal.sent(record(2))
    journal.ended("1")
    journal.beat()
    journal._beat_at = 0.0
    journal.beat()
    assert len(warnings_in(caplog)) == 1
    assert only(folder).open_orders[0] == record(1)
    assert [path.suffix for path in folder.iterdir()] == [".jsonl"]
    monkeypatch.setattr(os, "write", WRITE)
    journal.sent(record(3))
    assert record(3) in only(folder).open_orders
    journal._beat_at = 0.0
    journal.beat()
    assert only(folder).open_orders == (record(2), record(3))
    assert len(warnings_in(caplog)) == 1


def test_a_disk_that_is_full_at_the_start_keeps_what_earlier_processes_wrote(
    folder: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = [start(), start()]
    for number, journal in enumerate(earlier):
        journal.sent(record(number))
    for journal in earlier:
        die(journal)
    monkeypatch.setattr(os, "write", full_disk)
    second = start()
    assert second.take_left_behind() == [record(0), record(1)]
    monkeypatch.setattr(os, "write", WRITE)
    die(second)
    assert start().take_left_behind() == [record(0), record(1)]


def test_a_file_that_its_owner_replaces_at_that_moment_stays_its_owners(
    folder: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = start()
    first.sent(record(1))
    lock = order_journal_writer._lock

    def lock_too_late(descriptor: int) -> bool:
        monkeypatch.setattr(order_journal_writer, "_lock", lock)
        first._compact()  # what was opened is no journal any more, and nobody holds its lock
        return lock(descriptor)

    monkeypatch.setattr(order_journal_writer, "_lock", lock_too_late)
    second = start()
    assert second.take_left_behind() == []
    second.sent(record(2))
    assert [journal.open_orders for journal in read_journals(folder)] == [(record(1),), (record(2),)]


def test_a_file_that_somebody_removes_comes_back(folder: Path, start: Start) -> None:
    journal = start()
    journal.sent(record(1))
    (path,) = folder.iterdir()
    path.unlink()
    journal._beat_at = 0.0
    journal.beat()
    assert only(folder).open_orders == (record(1),)
    assert only(folder).is_alive
    path.unlink()
    journal.ended("1")
    journal.close()  # of a file that is gone
    assert read_journals(folder) == []
