"""Looking at the journals of an account."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from backpack_connector.guard import folder as module
from backpack_connector.guard.folder import JournalFolder, interrupt
from backpack_connector.order_journal import Journal, fingerprint
from tests.guard.bot import new_journal, record

ACCOUNT = fingerprint("key")


def look(folder: Path) -> Journal:
    ((_, journal),) = JournalFolder(folder, ACCOUNT).look()[0]
    return journal


def test_a_folder_that_is_not_there_is_no_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="away"):
        JournalFolder(tmp_path / "away", ACCOUNT).look()


def test_what_is_no_journal_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text("garbage")
    (tmp_path / "y.jsonl").mkdir()
    (tmp_path / "guard-x.json").write_text("{}")
    assert JournalFolder(tmp_path, ACCOUNT).look() == ([], [])


def test_orders_of_other_markets_are_cut_off(tmp_path: Path) -> None:
    journal = new_journal(tmp_path, "key", "bot")
    journal.sent(record(1))
    journal.sent(record(2, symbol="ETH_USDC"))
    ((sighting, _),) = JournalFolder(tmp_path, ACCOUNT, ["ETH_USDC"]).look()[0]
    assert [order.client_order_id for order in sighting.orders] == ["2"]
    assert sighting.is_alive
    beat = sighting.beat
    path = journal.path
    assert path is not None
    os.utime(path, (1, 1))
    ((sighting, _),) = JournalFolder(tmp_path, ACCOUNT).look()[0]
    assert sighting.beat != beat
    journal.close()
    ((sighting, _),) = JournalFolder(tmp_path, ACCOUNT).look()[0]
    assert not sighting.is_alive


def test_nobody_is_interrupted_in_place_of_the_bot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda *call: killed.append(call))
    journal = new_journal(tmp_path, "key", "bot")
    journal.sent(record(1))
    seen = look(tmp_path)
    assert "stop the bot by hand" in interrupt(seen), "it is this process, which is the guard"
    assert "stop the bot by hand" in interrupt(replace(seen, pid=os.getppid()))
    assert "stop the bot by hand" in interrupt(replace(seen, pid=1))
    assert "stop the bot by hand" in interrupt(replace(seen, pid=2**22 - 1))
    assert "no process is left" in interrupt(replace(seen, is_alive=False))
    assert killed == []
    monkeypatch.setattr(os, "getpid", lambda: 0)
    assert "was asked to stop" in interrupt(seen)
    assert killed == [(seen.pid, signal.SIGINT)]
    monkeypatch.setattr(module, "_holds", lambda *_: True)

    def refuse(*_: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "kill", refuse)
    assert "cannot be stopped: Operation not permitted" in interrupt(seen)
    journal.close()
