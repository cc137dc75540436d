"""The commands `backpack export`: the rows of all pages, in files that appear whole or not at all."""

import asyncio
import csv
import os
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from backpack_connector.cli import group_export
from backpack_connector.cli.export_files import Column, Kind, new_file
from backpack_connector.cli.export_parquet import MISSING, value_of
from backpack_connector.cli.groups import LazyGroup
from backpack_connector.client.rest import BackpackClient
from backpack_connector.protocol.errors import ConfigurationError
from backpack_connector.protocol.signing import Credentials, generate_key_pair
from tests.cli.conftest import Shown, environment
from tests.cli.terminal import on_a_terminal

SPOT, PERP = "SOL_USDC", "SOL_USDC_PERP"
COLUMNS = (Column("name"), Column("price", Kind.AMOUNT), Column("is", Kind.FLAG))
ROWS = [{"name": "a\x1b[31m", "price": "1.50", "is": True, "more": 1}, {"name": None, "price": Decimal("2E+1")}]


def rows_in(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write(path: Path, rows: Any = ROWS, *, replaces: bool = False) -> None:
    with new_file(path, COLUMNS, replaces=replaces) as writer:
        for row in rows:
            writer.write(row)


@pytest.fixture
def traded(command: Shown, exchange: dict[str, str]) -> None:
    """Let the account place five orders, of which somebody else takes two and a half."""
    for price in ("101", "101.1", "101.2", "101.3", "101.4"):
        command("order", "create", SPOT, "sell", "limit", "--quantity", "0.1", "--price", price)
    asyncio.run(buy(exchange["restUrl"]))
    command("order", "cancel-all", SPOT)


async def buy(url: str) -> None:
    async with BackpackClient(url=url, credentials=Credentials(*generate_key_pair())) as other:
        await other.execute_order(SPOT, "Bid", "Limit", quantity="0.25", price="101.2", time_in_force="IOC")


def test_candles_of_several_requests_are_one_file(command: Shown, tmp_path: Path) -> None:
    path = tmp_path / "candles.csv"
    span = ("--start", "2026-01-01T00:00", "--end", "2026-01-03T00:00")  # 2,880 minutes, a request holds 2,000
    result = command("export", "klines", SPOT, "1m", str(path), *span)
    rows = rows_in(path)
    assert (result.code, result.out, result.err) == (0, f"{path}: {len(rows)} rows.\n", "")
    assert list(rows[0]) == [column.name for column in group_export._KLINES]
    starts = [row["start"] for row in rows]
    assert starts == sorted(set(starts))
    shown = list(csv.DictReader(command("market", "klines", SPOT, "1m", *span, "--format", "csv").out.splitlines()))
    assert len(rows) >= 2_880
    assert rows == shown
    assert os.listdir(tmp_path) == ["candles.csv"]


def test_orders_of_several_pages_oldest_first(
    command: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, traded: None
) -> None:
    monkeypatch.setattr(group_export, "_LARGEST_PAGE", 2)
    path = tmp_path / "orders.csv"
    assert command("export", "orders", str(path), "--symbol", SPOT).code == 0
    rows = rows_in(path)
    assert [row["createdAt"] for row in rows] == sorted(row["createdAt"] for row in rows)
    assert len({row["id"] for row in rows}) == len(rows) >= 5
    assert sum(Decimal(row["executedQuantity"]) for row in rows[-5:]) == Decimal("0.25")
    limited = tmp_path / "limited.csv"
    assert command("export", "orders", str(limited), "--symbol", SPOT, "--limit", "3").out == f"{limited}: 3 rows.\n"
    assert rows_in(limited) == rows[:3]


def test_fills_and_trades_are_the_same_deals(command: Shown, tmp_path: Path, traded: None) -> None:
    assert command("export", "fills", str(tmp_path / "fills.csv"), "--symbol", SPOT).code == 0
    assert command("export", "trades", SPOT, str(tmp_path / "trades.csv")).code == 0
    fills, trades = rows_in(tmp_path / "fills.csv"), rows_in(tmp_path / "trades.csv")[::-1]
    assert [row["tradeId"] for row in fills] == [row["id"] for row in trades]
    expected = [("101", "0.1"), ("101.1", "0.1"), ("101.2", "0.05")]
    assert [(row["price"], row["quantity"]) for row in fills[-3:]] == expected
    assert {row["isMaker"] for row in fills[-3:]} == {"true"}
    path, start = tmp_path / "days.csv", str(int(time.time()) - 2 * 86_400)
    assert command("export", "klines", SPOT, "1d", str(path), "--start", start).code == 0
    volume = sum(Decimal(row["quoteVolume"]) for row in rows_in(path))
    assert volume == sum(Decimal(row["quoteQuantity"]) for row in trades) > 0


@pytest.mark.parametrize(
    "text",
    [
        f"trades {SPOT} FILE",
        "fills FILE --from 2026-01-01",
        "orders FILE",
        "funding FILE",
        f"funding-rates {PERP} FILE --limit 1",
        f"klines {PERP} 1h FILE --start 2026-11-01 --end 2026-11-02 --price-type Mark",
    ],
)
def test_every_export_runs(command: Shown, tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.csv"
    result = command("export", *(str(path) if word == "FILE" else word for word in text.split()))
    count = len(rows_in(path))
    assert (result.code, result.out) == (0, f"{path}: {count} {'row' if count == 1 else 'rows'}.\n")
    first = path.read_text().splitlines()[0]
    assert first.split(",")[0] in ("timestamp", "createdAt", "intervalEndTimestamp", "start")
    if "funding-rates" in text or "klines" in text:
        assert count > 0


def test_the_list_above_has_every_export() -> None:
    names = LazyGroup(name="export").list_commands(None)
    assert names == ["klines", "trades", "fills", "orders", "funding", "funding-rates"]


@pytest.mark.parametrize(
    ("text", "code", "sentence"),
    [
        ("orders x.txt", 2, "The name of the file has to end in .csv or .parquet, not 'x.txt'."),
        ("orders no/folder/x.csv", 2, "There is no folder no/folder."),
        ("orders there.csv", 2, "there.csv exists; use --force to replace it."),
        ("orders folder.csv --force", 2, "folder.csv is a folder."),
        (f"klines {SPOT} 7m x.csv --start 2026-01-01", 2, "interval has to be one of 1s, 1m,"),
        (f"klines {SPOT} 1m x.csv --start soon", 2, "--start has to be a UTC time such as"),
        (f"klines {SPOT} 1m x.csv --start 2026-02-01 --end 2026-01-01", 2, "get_klines: the end of the time is before"),
        (f"klines {SPOT} 1m x.csv", 2, "Missing option '--start'"),
        ("trades SOL/USDC x.csv", 2, "symbol has to be written like SOL_USDC_PERP"),
        ("fills x.csv --limit 0", 2, "Invalid value for '--limit'"),
        ("trades NOPE_USDC x.csv", 1, "get_historical_trades: Invalid market symbol"),
    ],
)
def test_wrong_input_is_explained_and_nothing_is_written(
    command: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, code: int, sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.csv").write_text("mine")
    (tmp_path / "folder.csv").mkdir()
    before = sorted(os.listdir(tmp_path))
    result = command("export", *text.split())
    assert (result.code, result.out, result.err.count("\n")) == (code, "", 1)
    assert result.err.startswith(sentence)
    assert sorted(os.listdir(tmp_path)) == before
    assert (tmp_path / "there.csv").read_text() == "mine"


def test_a_file_that_exists_is_noticed_before_anything_is_asked(command: Shown, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("mine")
    result = command("export", "trades", SPOT, str(path), "--url", "http://127.0.0.1:9", simulator=False)
    assert (result.code, result.err) == (2, f"{path} exists; use --force to replace it.\n")


def test_force_replaces_a_file(command: Shown, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("mine")
    assert command("export", "funding-rates", PERP, str(path), "--limit", "1", "--force").code == 0
    assert path.read_text().startswith("intervalEndTimestamp,symbol,fundingRate\n")


def test_csv_is_what_the_exchange_wrote(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    write(path)
    assert path.read_bytes() == b"name,price,is\na?[31m,1.50,true\n,20,\n"


def test_until_the_last_row_nothing_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("mine")

    def rows() -> Any:
        yield ROWS[0]
        assert path.read_text() == "mine"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(path, rows(), replaces=True)
    assert path.read_text() == "mine"
    assert os.listdir(tmp_path) == ["x.csv"]


@pytest.mark.parametrize("has_links", [True, False])
def test_a_file_that_somebody_makes_meanwhile_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    if not has_links:
        monkeypatch.setattr(os, "link", no_links)
    path = tmp_path / "x.csv"

    def rows() -> Any:
        yield ROWS[0]
        path.write_text("theirs")

    with pytest.raises(ConfigurationError, match=r"x\.csv exists; use --force"):
        write(path, rows())
    assert path.read_text() == "theirs"
    assert os.listdir(tmp_path) == ["x.csv"]


def test_a_file_system_without_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", no_links)
    write(tmp_path / "x.csv")
    assert len(rows_in(tmp_path / "x.csv")) == 2
    assert os.listdir(tmp_path) == ["x.csv"]


def no_links(*_: Any) -> None:
    raise PermissionError(1, "Operation not permitted")


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    def rows() -> Any:
        yield ROWS[0]
        raise OSError(28, "No space left on device")

    with pytest.raises(ConfigurationError, match=r"x\.csv cannot be written: No space left on device\."):
        write(tmp_path / "x.csv", rows())
    assert os.listdir(tmp_path) == []


def test_killed_in_the_middle_it_leaves_no_file_under_the_name(exchange: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    program = [sys.executable, "-m", "backpack_connector.cli.main", "export", "klines", SPOT, "1s", str(path)]
    process = subprocess.Popen(
        [*program, "--start", "2026-01-01", "--end", "2026-02-01", "--url", exchange["restUrl"]],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not os.listdir(tmp_path):
        assert process.poll() is None, "it ended before it wrote"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    assert not path.exists()


def test_on_a_terminal_a_bar_shows_how_far_it_is(exchange: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "candles.csv"
    arguments = ("export", "klines", SPOT, "1m", str(path), "--start", "2026-01-01", "--end", "2026-01-02")
    screen = on_a_terminal(*arguments, "--url", exchange["restUrl"], is_error_shown=True, COLUMNS="100")
    assert screen.code == 0
    assert "/1440" in screen.text
    assert screen.other.startswith(f"{path}: ")


def test_without_pyarrow_parquet_is_refused_before_anything_is_asked(
    command: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    result = command("export", "trades", "NOPE_USDC", str(tmp_path / "x.parquet"))
    assert (result.code, result.out, result.err) == (1, "", f"{MISSING}\n")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (Kind.AMOUNT, "1.50", Decimal("1.5")),
        (Kind.RATE, "-0.0000117704808946259223127855", Decimal("-0.0000117704808946259223127855")),
        (Kind.WHOLE, "12", 12),
        (Kind.FLAG, False, False),
        (Kind.TIME, "2026-01-01 00:00:01.5", 1_767_225_601_500),
        (Kind.TIME, 1_767_225_601_500, 1_767_225_601_500),
        (Kind.TEXT, 7, "7"),
        (Kind.AMOUNT, None, None),
    ],
)
def test_values_of_parquet_are_exact(kind: Kind, value: Any, expected: Any) -> None:
    assert value_of(Column("x", kind), value) == expected


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Kind.AMOUNT, "1e-19"),
        (Kind.AMOUNT, "1" + "0" * 25),
        (Kind.AMOUNT, "NaN"),
        (Kind.WHOLE, "x"),
        (Kind.TIME, "soon"),
    ],
)
def test_what_parquet_cannot_hold_exactly_is_an_error(kind: Kind, value: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^price '.*' does not fit into a Parquet file as it is; write a \."):
        value_of(Column("price", kind), value)
