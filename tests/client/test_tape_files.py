"""Tapes as files: what is written can be read, whatever ends the writing."""

import gzip
import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from backpack_connector import tape_files
from backpack_connector.protocol.errors import ConfigurationError
from backpack_connector.tape_files import FLUSH_INTERVAL_S, TapeHeader, TapeReader, TapeWriter, stream_of_text

HEADER = TapeHeader(tape=1, source="test", symbols=["SOL_USDC"], started_us=7)


def frame(number: int) -> str:
    return json.dumps({"stream": "trade.SOL_USDC", "data": {"t": number, "p": "150.10"}})


def written(path: Path, count: int = 3, **options: Any) -> Path:
    with TapeWriter(path, HEADER, **options) as tape:
        for number in range(count):
            tape.frame(number, frame(number))
    return path


def numbers(path: Path) -> list[int]:
    return [json.loads(bytes(row.data))["t"] for row in TapeReader(path).rows()]


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.tape.gz"
    with TapeWriter(path, HEADER) as tape:
        tape.answer(1, "get_depth", {"symbol": "SOL_USDC"}, {"bids": [], "rate": Decimal("0.10")})
        tape.frame(2, frame(5))
        tape.note(3, "end")
        assert tape.rows == 3
    reader = TapeReader(path)
    assert reader.header == HEADER
    for _ in range(2):  # as often as wanted
        answer, told, note = reader.rows()
        assert (answer.time_us, answer.operation, answer.query) == (1, "get_depth", {"symbol": "SOL_USDC"})
        assert bytes(answer.body) == b'{"bids":[],"rate":0.10}'
        assert (told.stream, bytes(told.data)) == ("trade.SOL_USDC", b'{"t": 5, "p": "150.10"}')
        assert (note.time_us, note.note) == (3, "end")
    assert gzip.decompress(path.read_bytes()).count(b"\n") == 4


def test_account_data_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "x.tape.gz"
    with TapeWriter(path, HEADER) as tape:
        tape.frame(2, '{"stream": "account.orderUpdate.SOL_USDC", "data": {"c": "a secret"}}')
        assert tape.redacted == 1
    (row,) = TapeReader(path).rows()
    assert (row.stream, row.redacted, bytes(row.data)) == ("account.orderUpdate.SOL_USDC", True, b"")
    assert b"secret" not in gzip.decompress(path.read_bytes())


def test_what_is_no_frame_is_refused(tmp_path: Path) -> None:
    with TapeWriter(tmp_path / "x", HEADER) as tape:
        for text in ("no json", '{"id":null,"error":{}}', "[" * 100_000):
            assert stream_of_text(text) is None
            with pytest.raises(ValueError, match="no frame"):
                tape.frame(1, text)
    assert stream_of_text(frame(1)) == "trade.SOL_USDC"


@pytest.mark.parametrize("seed", range(10))
def test_a_tape_that_was_cut_off_is_read_to_there(tmp_path: Path, seed: int) -> None:
    whole = written(tmp_path / "x", 20_000).read_bytes()
    path = tmp_path / "y"
    path.write_bytes(whole[: random.Random(seed).randint(200, len(whole) - 10)])
    read = numbers(path)
    assert read == list(range(len(read)))
    assert 0 < len(read) < 20_000


def test_a_damaged_tape_ends_where_the_damage_begins(tmp_path: Path) -> None:
    data = bytearray(written(tmp_path / "x", 20_000).read_bytes())
    data[len(data) // 2 : len(data) // 2 + 200] = bytes(200)
    path = tmp_path / "y"
    path.write_bytes(data)
    read = numbers(path)
    assert read == list(range(len(read)))
    assert len(read) < 20_000


def test_what_was_flushed_survives_whoever_wrote_it(tmp_path: Path) -> None:
    now = [0.0]
    path = tmp_path / "x"
    tape = TapeWriter(path, HEADER, monotonic=lambda: now[0])
    tape.frame(1, frame(1))
    assert numbers(path) == []
    now[0] += FLUSH_INTERVAL_S
    tape.frame(2, frame(2))
    tape.frame(3, frame(3))
    assert numbers(path) == [1, 2]
    tape.close()
    tape.close()
    assert numbers(path) == [1, 2, 3]


def test_tapes_can_be_put_one_behind_the_other_and_unpacked(tmp_path: Path) -> None:
    packed = written(tmp_path / "x").read_bytes()
    more = gzip.compress(b'{"t":9,"stream":"trade.SOL_USDC","data":{"t":9}}\n')
    (tmp_path / "y").write_bytes(packed + more)
    (tmp_path / "z").write_bytes(gzip.decompress(packed + more))
    assert numbers(tmp_path / "y") == numbers(tmp_path / "z") == [0, 1, 2, 9]


def test_a_file_is_not_replaced_unless_that_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("precious")
    with pytest.raises(ConfigurationError, match="exists already"):
        written(path)
    assert path.read_text() == "precious"
    assert numbers(written(path, replaces=True)) == [0, 1, 2]
    with pytest.raises(ConfigurationError, match="cannot be written: No such file or directory"):
        written(tmp_path / "none" / "x")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is no tape"),
        (b"\x1f\x8bnonsense", "is no tape"),
        (b'{"apiKey": 1}\n', "is no tape"),
        (b'{"tape":2,"source":"","symbols":[],"startedUs":1}\n', "is a tape of version 2"),
    ],
)
def test_what_is_no_tape_is_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=sentence):
        TapeReader(path)
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        TapeReader(tmp_path / "none")


def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tape_files, "MAX_LINE_BYTES", 1_000_000)
    path = written(tmp_path / "x", 2)
    path.write_bytes(
        path.read_bytes() + gzip.compress(b'{"t":9,"stream":"trade.SOL_USDC","data":{"t":2}}' + b" " * 10**7 + b"\n")
    )
    assert numbers(path) == [0, 1]


def test_a_full_disk_is_remembered(tmp_path: Path) -> None:
    tape = TapeWriter(tmp_path / "x", HEADER)

    class Full:
        closed = False

        def write(self, _: bytes) -> None:
            raise OSError(28, "No space left on device")

        def close(self) -> None:
            self.closed = True

    tape._file.close()
    tape._file = Full()  # type: ignore[assignment]
    with pytest.raises(OSError, match="No space"):
        tape.flush()
    assert tape.failure is not None
    tape.close()
    with pytest.raises(ConfigurationError, match="/dev/full cannot be written: No space left on device"):
        TapeWriter(Path("/dev/full"), HEADER, replaces=True)
