"""The order journal: what is written before an order is sent, and who may read it."""

import os
import threading
import time
from pathlib import Path

import pytest

from backpack_connector import order_journal, order_journal_writer
from backpack_connector.order_journal import (
    Identity,
    journal_folder,
    read_journals,
)
from backpack_connector.order_journal_writer import OrderJournal
from tests.spot.journals import IDENTITY, KEY, Start, die, journals_in, only, record


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "journals"


@pytest.fixture
def start(folder: Path) -> Start:
    return journals_in(folder)


# What is written


def test_an_order_is_in_the_file_as_soon_as_it_is_written_down_and_gone_when_it_has_ended(
    folder: Path, start: Start
) -> None:
    journal = start()
    closing = record(
        2, "BTC_USDC_PERP", order_type="MARKET", price=None, position_action="CLOSE", leverage=7, is_conditional=True
    )
    journal.sent(record(1))
    journal.sent(closing)
    found = only(folder)
    assert found.open_orders == (record(1), closing)
    assert found.markets == {"SOL_USDC", "BTC_USDC_PERP"}
    assert (found.identity, found.pid, found.path) == (IDENTITY, os.getpid(), journal.path)
    assert time.time() - found.started_s < 60
    journal.ended("1")
    assert only(folder).open_orders == (closing,)
    assert "1" not in journal
    assert "2" in journal


def test_an_order_that_was_never_sent_leaves_no_line(folder: Path, start: Start) -> None:
    journal = start()
    journal.sent(record(1))
    assert journal.path is not None
    before = journal.path.read_bytes()
    journal.ended("2")
    assert journal.path.read_bytes() == before


def test_the_file_is_for_its_owner_and_does_not_give_the_key_away(folder: Path, start: Start) -> None:
    journal = start()
    journal.sent(record(1))
    assert journal.path is not None
    assert journal.path.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert KEY not in journal.path.name + journal.path.read_text()


def test_an_order_costs_one_write_when_it_is_sent_and_one_when_it_has_ended(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = start()
    journal.sent(record(0))
    calls: list[str] = []
    for name in ("write", "open", "fsync", "stat", "utime"):
        real = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda *words, name=name, real=real, **more: calls.append(name) or real(*words, **more)
        )
    for number in range(1, 101):
        journal.sent(record(number))
        journal.ended(str(number))
    assert calls == ["write"] * 200


def test_the_file_does_not_grow_with_the_orders_that_have_ended(folder: Path, start: Start) -> None:
    journal = start()
    journal.sent(record(0))
    for number in range(1, 5_000):
        journal.sent(record(number))
        journal.ended(str(number))
    journal.sent(record(5_000))
    found = only(folder)
    assert found.path.read_bytes().count(b"\n") <= 1_001
    assert [order.client_order_id for order in found.open_orders] == ["0", "5000"]
    assert found.is_alive


def test_many_open_orders_do_not_make_it_write_everything_again_and_again(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    replaced = []
    replace = order_journal_writer._replace
    monkeypatch.setattr(order_journal_writer, "_replace", lambda *words: replaced.append(1) or replace(*words))
    journal = start()
    for number in range(10_000):
        journal.sent(record(number))
    assert len(replaced) <= 4


# Whose it is


def test_without_a_folder_nothing_is_remembered() -> None:
    journal = OrderJournal(lambda: None, lambda: IDENTITY)
    journal.sent(record(1))
    journal.beat()
    journal.close()
    assert journal.take_left_behind() == []
    assert "1" not in journal


@pytest.mark.parametrize(
    ("word", "folder"),
    [
        ("off", None),
        (" OFF ", None),
        ("", Path("/data/backpack_journal")),
        ("/elsewhere", Path("/elsewhere")),
        ("~/journal", Path("~/journal").expanduser()),
    ],
)
def test_the_environment_names_the_folder_or_switches_the_journal_off(
    monkeypatch: pytest.MonkeyPatch, word: str, folder: Path | None
) -> None:
    monkeypatch.setenv("BACKPACK_JOURNAL", word)
    assert journal_folder(lambda: "/data") == folder


def test_the_next_process_of_a_bot_gets_what_the_dead_one_left_and_no_one_else_does(folder: Path, start: Start) -> None:
    first = start()
    first.sent(record(1))
    first.sent(record(2))
    first.ended("2")
    others = [Identity("other account", "backpack", "one"), Identity(IDENTITY.account, "backpack_perpetual", "one")]
    others.append(Identity(IDENTITY.account, "backpack", "two"))
    die(first)
    for other in others:
        assert start(other).take_left_behind() == []
    second = start()
    assert second.take_left_behind() == [record(1)]
    assert second.take_left_behind() == []
    second.sent(record(3))
    die(second)
    third = start()
    assert third.take_left_behind() == [record(1), record(3)]
    third.ended("1")
    die(third)
    assert start().take_left_behind() == [record(3)]


def test_a_bot_that_lives_keeps_its_orders_for_itself(folder: Path, start: Start) -> None:
    first = start()
    first.sent(record(1))
    second = start()
    assert second.take_left_behind() == []
    second.sent(record(2))
    assert [journal.open_orders for journal in read_journals(folder)] == [(record(1),), (record(2),)]
    for number in range(3, 1_500):  # its lock also holds while it writes its file anew
        first.sent(record(number))
        first.ended(str(number))
    assert start().take_left_behind() == []
    die(first)
    die(second)
    third = start()
    assert third.take_left_behind() == [record(1), record(2)]
    assert [journal.path for journal in read_journals(folder) if journal.is_alive] == [third.path]
    assert [journal.open_orders for journal in read_journals(folder)] == [(record(1), record(2))]


def test_a_reader_at_the_wrong_moment_does_not_pass_for_an_owner(folder: Path, start: Start) -> None:
    first = start()
    first.sent(record(1))
    die(first)
    (path,) = folder.iterdir()
    descriptor = os.open(path, os.O_RDONLY)
    order_journal.fcntl.flock(descriptor, order_journal.fcntl.LOCK_SH)
    release = threading.Timer(0.02, os.close, [descriptor])
    release.start()
    second = start()
    assert second.take_left_behind() == [record(1)]
    assert second.path == path
    release.join()


def test_a_regular_end_removes_the_file_unless_orders_are_open(folder: Path, start: Start) -> None:
    first = start()
    first.sent(record(1))
    first.close()
    found = only(folder)
    assert not found.is_alive
    assert found.open_orders == (record(1),)
    first.ended("1")  # the answer to a cancel came late
    assert only(folder).is_alive
    assert first.take_left_behind() == []
    first.close()
    first.close()
    assert list(folder.iterdir()) == []


def test_a_forgotten_journal_frees_its_lock(folder: Path, start: Start) -> None:
    start().sent(record(1))
    assert not only(folder).is_alive


# Signs of life


def test_the_age_of_the_last_beat_tells_a_process_that_hangs(folder: Path, start: Start) -> None:
    journal = start()
    journal.beat()
    assert journal.path is not None
    os.utime(journal.path, (time.time() - 60, time.time() - 60))
    found = only(folder)
    assert found.is_alive
    assert 59 < found.beat_age_s < 70
    journal._beat_at = 0.0
    journal.beat()
    assert only(folder).beat_age_s < 10


def test_beats_are_no_more_often_than_needed(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    beats = []
    journal = start()
    journal.beat()
    monkeypatch.setattr(os, "utime", beats.append)
    for _ in range(100):
        journal.beat()
    assert beats == []


def test_without_locks_the_beat_alone_tells_who_lives(
    folder: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_journal, "fcntl", None)
    monkeypatch.setattr(order_journal_writer, "fcntl", None)
    journal = start()
    journal.sent(record(1))
    assert journal.path is not None
    assert only(folder).is_alive
    os.utime(journal.path, (time.time() - 60, time.time() - 60))
    assert not only(folder).is_alive
    assert start().take_left_behind() == [record(1)]


# What a reader may find


def test_a_reader_skips_what_is_no_line_of_ours(folder: Path, start: Start) -> None:
    journal = start()
    journal.sent(record(1))
    assert journal.path is not None
    with journal.path.open("ab") as file:
        file.write(b'\n[]\n{"sent":{}}\n\xff\xfe\n' + b'{"odd":' + b"[" * 100_000 + b'\n{"sent":{"client_order_id":"9"')
    (folder / "empty.jsonl").touch()
    (folder / "foreign.jsonl").write_text('{"ended":"1"}\n')
    (folder / "folder.jsonl").mkdir()
    (folder / "other.txt").write_text("other")
    os.mkfifo(folder / "pipe.jsonl")
    assert only(folder).open_orders == (record(1),)


def test_a_process_that_was_killed_in_the_middle_of_a_line_spoils_nothing(folder: Path, start: Start) -> None:
    first = start()
    first.sent(record(1))
    assert first.path is not None
    with first.path.open("ab") as file:
        file.write(b'{"sent":{"client_order_id":"2",')
    die(first)
    second = start()
    second.sent(record(3))
    assert set(only(folder).open_orders) == {record(1), record(3)}


def test_a_folder_that_is_not_there_has_no_journals(folder: Path) -> None:
    assert read_journals(folder) == []
