"""Every command of the groups, against a running simulator: what it prints, and with which exit code."""

import asyncio
import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from backpack_connector.cli.groups import GROUPS, LazyGroup
from backpack_connector.cli.main import run
from backpack_connector.protocol.endpoints import ENDPOINTS, Effect, endpoint
from tests.cli.conftest import Shown
from tests.spot.stream_double import Reply, StreamDouble

SPOT, PERP = "SOL_USDC", "SOL_USDC_PERP"
DONE, REFUSED = 0, 1
FORMS = ("table", "json", "csv")
FILE_GROUPS = ("config", "export")  # what they write is tested in files of their own

# In this order, on one account. The second value is the exit code.
STORY: list[tuple[str, int]] = [
    ("system status", DONE),
    ("system ping", DONE),
    ("system time", DONE),
    ("system wallets", DONE),
    ("market list", DONE),
    ("market list perp", DONE),
    (f"market info {SPOT}", DONE),
    (f"market ticker {SPOT}", DONE),
    ("market tickers", DONE),
    (f"market depth {SPOT} --levels 3", DONE),
    (f"market klines {SPOT} 1m --count 3", DONE),
    ("market mark-prices", DONE),
    (f"market mark-prices {PERP}", DONE),
    (f"market open-interest {PERP}", DONE),
    (f"market funding-rates {PERP} --limit 3", DONE),
    (f"market trades {SPOT}", DONE),
    (f"market trade-history {SPOT} --all --limit 5", DONE),
    ("market assets", DONE),
    ("market collateral", DONE),
    ("market securities", DONE),
    ("market sessions", DONE),
    ("market holidays", DONE),
    ("market stock-quote AAPL.US buy 1", DONE),
    ("market prediction-events", DONE),
    ("market prediction-tags", DONE),
    (f"market watch {SPOT} --seconds 0.3", DONE),
    (f"order create {SPOT} buy limit --quantity 1.5 --price 100 --post-only --client-id 7", DONE),
    ("order list", DONE),
    (f"order get {SPOT} --client-id 7", DONE),
    (f"order cancel {SPOT} --client-id 7", DONE),
    (f"order get {SPOT} --client-id 7", REFUSED),
    (f"order create {SPOT} ask Limit --quantity 1 --price 200", DONE),
    (f"order cancel-all {SPOT}", DONE),
    ("order batch {orders}", DONE),
    ("order history --all", DONE),
    ("order fills --from 2026-01-01", DONE),
    ("position list", DONE),
    (f"position get {PERP}", DONE),
    ("position history", DONE),
    ("account info", DONE),
    ("account balances", DONE),
    ("account collateral", DONE),
    (f"account max-order {SPOT} buy --price 100", DONE),
    ("account max-borrow SOL", DONE),
    ("account max-withdrawal USDC", DONE),
    ("account update --leverage-limit 5", DONE),
    ("capital deposits", DONE),
    ("capital deposit-address Solana", DONE),
    ("capital withdrawals", DONE),
    ("capital withdraw So11111111111111111111111111111111111111112 Solana 10 USDC --dry-run", DONE),
    ("capital convert-dust", DONE),
    ("capital dust-history", DONE),
    ("capital settlements", DONE),
    (f"funding rates {PERP} --all --limit 2", DONE),
    ("funding history", DONE),
    ("borrow execute 10 lend USDC", DONE),
    ("borrow positions", DONE),
    ("borrow markets", DONE),
    ("borrow markets-history 1d", DONE),
    ("borrow apy", DONE),
    ("borrow history", DONE),
    ("borrow interest-history", DONE),
    ("borrow position-history", DONE),
    ("borrow liquidation-price e30=", REFUSED),
    (f"strategy create buy {SPOT} 1 --price 100 --duration 600000 --interval 60000 --client-strategy-id 3", DONE),
    ("strategy list", DONE),
    (f"strategy get {SPOT} --client-strategy-id 3", DONE),
    (f"strategy cancel {SPOT} --client-strategy-id 3", DONE),
    (f"strategy cancel-all {SPOT}", DONE),
    ("strategy history", DONE),
    ("rfq submit SOL_USDC_RFQ buy --quantity 10 --client-id 11", DONE),
    ("rfq list", DONE),
    ("rfq quote 123456 149 151", REFUSED),
    ("rfq accept 123456 --client-id 11", REFUSED),
    ("rfq refresh 123456", REFUSED),
    ("rfq cancel --client-id 11", DONE),
    ("rfq history", DONE),
    ("rfq quotes", DONE),
    ("rfq fills", DONE),
    ("rfq quote-fills", DONE),
    ("vault list", DONE),
    ("vault history 1d", DONE),
    ("vault mint 1 USDC 100", DONE),
    ("vault mints", DONE),
    ("vault redeem 1 --vault-token-quantity 1", DONE),
    ("vault redeems", DONE),
    ("vault redeem-cancel 1", DONE),
    ("vault pending 1", REFUSED),
    ("vault nav", REFUSED),
    (f"chart price {PERP} 1m", DONE),
    (f"chart depth {SPOT}", DONE),
    (f"chart funding {PERP}", DONE),
]


def parts(text: str, orders: Path) -> list[str]:
    return [str(orders) if word == "{orders}" else word for word in text.split()]


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    """Give a file with two orders."""
    one = {"symbol": SPOT, "side": "Bid", "orderType": "Limit", "price": "90.5", "quantity": 1}
    path = tmp_path / "orders.json"
    path.write_text(json.dumps([one, {**one, "price": 91.25}]))
    return path


def test_every_command_runs(command: Shown, orders: Path) -> None:
    found = []
    for number, (text, code) in enumerate(STORY):
        words = parts(text, orders)
        form = "table" if words[1] == "watch" else FORMS[number % len(FORMS)]
        result = command(*words, *([] if words[1] == "watch" else ["--format", form]))
        found += [f"{text}: {problem}" for problem in problems(result, code, form)]
    assert found == []


def problems(result: Any, code: int, form: str) -> list[str]:
    """Say what is wrong with what a command printed."""
    if result.code != code:
        return [f"exit code {result.code}, {result.err}"]
    if code != DONE:
        is_sentence = result.out == "" and result.err.count("\n") == 1 and result.err.endswith(".\n")
        return [] if is_sentence else [f"no sentence: {result.err!r}"]
    if form == "json":
        json.loads(result.out)
    if form == "csv":
        rows = list(csv.reader(io.StringIO(result.out)))
        return ["rows of different lengths"] if len({len(row) for row in rows}) > 1 else []
    if form == "table" and not (result.out.strip() or result.err.strip()):
        return ["said nothing"]
    return []


def test_the_story_has_every_command() -> None:
    ran = {tuple(text.split()[:2]) for text, _ in STORY}
    there_are = {
        (group, name)
        for group in GROUPS
        if group not in FILE_GROUPS
        for name in LazyGroup(name=group).list_commands(None)
    }
    assert ran == there_are


async def test_all_pages_have_more_rows_than_one_page(
    double: StreamDouble, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trade = {"isBuyerMaker": True, "price": "1", "quantity": "1", "quoteQuantity": "1", "timestamp": 1_700_000_000_000}
    rows = [{"id": number, **trade} for number in range(2_000, 0, -1)]
    double.answer_once("get_historical_trades", Reply(rows[:1_000]), Reply(rows[1_000:]))
    words = f"market trade-history {SPOT} --all --limit 1001 --format json --url {double.url}"
    assert await asyncio.to_thread(run, words.split()) == 0
    assert json.loads(capsys.readouterr().out) == rows[:1_001]


WITHOUT_COMMAND = {"create_withdrawal_delay", "update_withdrawal_delay"}
CHANGING = {row.operation_id for row in ENDPOINTS if row.effect is not Effect.READS} - WITHOUT_COMMAND


def has_dry_run(text: str) -> bool:
    group, name = text.split()[:2]
    return any(one.name == "dry_run" for one in LazyGroup(name=group).get_command(None, name).params)


async def test_whatever_changes_something_can_be_tried_without_sending_it(
    double: StreamDouble,
    home: Path,
    orders: Path,
    key_pair: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in zip(("BACKPACK_API_KEY", "BACKPACK_SECRET_KEY"), key_pair, strict=True):
        monkeypatch.setenv(name, value)
    shown = set()
    for text in dict.fromkeys(text.removesuffix(" --dry-run") for text, _ in STORY if has_dry_run(text)):
        words = [*parts(text, orders), "--dry-run", "--format", "json", "--url", double.url]
        assert await asyncio.to_thread(run, words) == 0, (text, capsys.readouterr().err)
        request = json.loads(capsys.readouterr().out)
        assert (request["isSent"], bool(request["X-Signature"])) == (False, True), text
        shown.add((request["method"], request["url"].removeprefix(double.url)))
    assert shown == {(endpoint(name).method, endpoint(name).path) for name in CHANGING}
    assert not CHANGING & {request.operation_id for request in double.requests}


def test_json_is_what_the_exchange_said(command: Shown) -> None:
    command("order", "create", SPOT, "buy", "limit", "--quantity", "1.50", "--price", "80.10")
    order = json.loads(command("order", "list", "--format", "json").out)[-1]
    assert (order["quantity"], order["price"], order["postOnly"]) == ("1.5", "80.1", False)
    assert order["triggerPrice"] is None
    assert command("order", "cancel-all", SPOT).code == 0


def test_a_table_shows_best_prices_first(command: Shown) -> None:
    command("order", "cancel-all", SPOT)
    for price in ("80", "81"):
        command("order", "create", SPOT, "buy", "limit", "--quantity", "2", "--price", price)
    lines = command("market", "depth", SPOT).out.splitlines()
    assert lines[0].split() == ["bidQuantity", "bidPrice", "askPrice", "askQuantity"]
    assert [line.split()[:2] for line in lines[1:3]] == [["2", "81"], ["2", "80"]]
    book = json.loads(command("market", "depth", SPOT, "--format", "json", "--levels", "1").out)
    assert book["bids"] == [["81", "2"]]
    command("order", "cancel-all", SPOT)


@pytest.mark.parametrize("words", ["market funding-rates SOL_USDC", "funding rates SOL_USDC"])
def test_a_market_without_funding_says_so(words: str, command: Shown) -> None:
    result = command(*words.split())
    said = "No rates: only perpetual markets have funding, such as SOL_USDC_PERP.\n"
    assert (result.code, result.out, result.err) == (0, "", said)
    assert command(*words.split(), "--format", "json").out == "[]\n"


def test_a_market_without_orders_says_so(command: Shown) -> None:
    result = command("order", "list")
    assert (result.code, result.out, result.err) == (0, "", "Nothing to show.\n")
    assert command("order", "list", "--format", "json").out == "[]\n"
    assert command("order", "list", "--format", "csv").out == ""
