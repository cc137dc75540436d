"""The spot template: what it does to a connector, tick by tick, without an exchange."""

import json
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("hummingbot")

from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.strategy.strategy_v2_base import StrategyV2Base

from backpack_connector.demo.home import find_templates, make_home
from backpack_connector.latency import LatencyRecorder, as_text
from tests.end_to_end.makers import PAIR, Connector, Order, journal, load_script, maker_of, tick, without_engine


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script("backpack_market_maker")


@pytest.fixture
def connector() -> Connector:
    return Connector()


@pytest.fixture
def maker(script: ModuleType, connector: Connector, tmp_path: Path) -> Iterator[Any]:
    config = script.BackpackMarketMakerConfig(
        connector_name="backpack_simulator",
        order_levels=2,
        bid_spread=Decimal("0.001"),
        ask_spread=Decimal("0.001"),
        refresh_seconds=10,
        journal_file=str(tmp_path / "journal" / "j.jsonl"),
        journal_snapshot_seconds=1,
    )
    with without_engine(script):
        yield maker_of(script.BackpackMarketMaker, connector, config)


def test_orders_are_post_only_on_both_sides_at_the_configured_distances(maker: Any) -> None:
    tick(maker, 1000)
    tick(maker, 1001)
    assert maker.placed == [
        (TradeType.BUY, Decimal("142.16"), Decimal("0.1"), OrderType.LIMIT_MAKER),
        (TradeType.SELL, Decimal("142.45"), Decimal("0.1"), OrderType.LIMIT_MAKER),
        (TradeType.BUY, Decimal("142.02"), Decimal("0.1"), OrderType.LIMIT_MAKER),
        (TradeType.SELL, Decimal("142.59"), Decimal("0.1"), OrderType.LIMIT_MAKER),
    ]


def test_no_order_crosses_the_book_even_without_a_spread(maker: Any) -> None:
    maker.config.bid_spread = maker.config.ask_spread = Decimal(0)
    maker.config.order_levels = 1
    maker.connector.best_bid, maker.connector.best_ask = Decimal("142.31"), Decimal("142.32")
    tick(maker, 1000)
    tick(maker, 1001)
    assert [(side, price) for side, price, _, _ in maker.placed] == [
        (TradeType.BUY, Decimal("142.31")),
        (TradeType.SELL, Decimal("142.32")),
    ]


def test_new_orders_wait_until_the_old_ones_are_gone(maker: Any) -> None:
    tick(maker, 1000)
    tick(maker, 1001)
    tick(maker, 1005)
    assert maker.connector.cancelled == []
    tick(maker, 1010)
    assert maker.connector.cancelled == ["order-0", "order-1", "order-2", "order-3"]
    tick(maker, 1011)
    assert len(maker.placed) == 4
    maker.connector.in_flight_orders.clear()
    tick(maker, 1012)
    assert len(maker.placed) == 8


def test_orders_of_a_previous_run_are_cancelled_first(maker: Any) -> None:
    maker.connector.in_flight_orders["old"] = Order("old", TradeType.BUY, Decimal(140), Decimal(1))
    tick(maker, 1000)
    tick(maker, 1001)
    assert maker.connector.cancelled == ["old"]
    assert maker.placed == []


def test_orders_of_other_markets_and_finished_ones_are_left_alone(maker: Any) -> None:
    orders = maker.connector.in_flight_orders
    orders["other"] = Order("other", TradeType.BUY, Decimal(1), Decimal(1), trading_pair="BTC-USDC")
    orders["done"] = Order("done", TradeType.BUY, Decimal(1), Decimal(1), is_done=True)
    tick(maker, 1000)
    assert maker.connector.cancelled == []


def test_a_book_without_one_side_gets_no_orders(maker: Any) -> None:
    maker.connector.best_bid = Decimal("NaN")
    tick(maker, 1000)
    tick(maker, 1001)
    assert maker.placed == []


@pytest.mark.parametrize(("affordable", "amounts"), [("0.057", ["0.05"] * 4), ("0.009", [])])
def test_an_order_is_no_larger_than_the_balance(maker: Any, affordable: str, amounts: list[str]) -> None:
    maker.connector.affordable = Decimal(affordable)
    tick(maker, 1000)
    tick(maker, 1001)
    assert [amount for _, _, amount, _ in maker.placed] == [Decimal(text) for text in amounts]


async def test_stopping_cancels_again_until_nothing_is_open(maker: Any) -> None:
    tick(maker, 1000)
    tick(maker, 1001)
    maker.connector.cancels_needed = 3
    await maker.on_stop()
    assert maker.connector.in_flight_orders == {}
    assert maker.connector.cancels_needed == 0
    assert maker.base_was_stopped
    assert journal(maker)[-1]["kind"] == "stop"
    assert journal(maker)[-1]["orders"] == []
    before = len(journal(maker))
    tick(maker, 1020)
    assert len(journal(maker)) == before


async def test_stopping_waits_for_late_balances(
    maker: Any, script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "QUIET_S", 0.15)
    moving = [Decimal(text) for text in ("100", "100", "100.1", "100.2", "100.3", "100.4")]
    reads = iter([*moving, *[Decimal("100.5")] * 1000])
    monkeypatch.setattr(maker.connector, "get_all_balances", lambda: {"SOL": next(reads)})
    await maker.on_stop()
    assert journal(maker)[-1]["balances"]["SOL"]["total"] == "100.5"


def test_a_fill_is_written_with_every_digit(maker: Any) -> None:
    fee = SimpleNamespace(flat_fees=[SimpleNamespace(token="SOL", amount=Decimal("1E-10"))], percent=Decimal(0))
    maker.did_fill_order(
        SimpleNamespace(
            exchange_trade_id="11",
            order_id="4711",
            exchange_order_id="901",
            trading_pair=PAIR,
            trade_type=TradeType.BUY,
            price=Decimal("0.000012345678901234"),
            amount=Decimal("123456789.123456789"),
            trade_fee=fee,
        )
    )
    (line,) = journal(maker)
    assert Decimal(line["price"]) == Decimal("0.000012345678901234")
    assert Decimal(line["amount"]) == Decimal("123456789.123456789")
    assert Decimal(line["fees"][0]["amount"]) == Decimal("1E-10")


def test_the_status_and_the_journal_show_latencies_of_a_connector_that_tells_them(
    maker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StrategyV2Base, "format_status", lambda self: "  Balances: ...")
    assert maker.format_status() == "  Balances: ...\n\n  Fills since start: 0; fees: none"
    tick(maker, 1000)
    assert journal(maker)[-1]["latency"] == []
    recorder = LatencyRecorder()
    recorder.book_changed(0.25)
    maker.connector.latency_report = lambda: recorder.report("backpack")
    maker.connector.latency_text = lambda: as_text(recorder.report("backpack"))
    assert "depth frame -> book" in maker.format_status()
    assert maker.format_status().endswith("\n\n  Fills since start: 0; fees: none")
    tick(maker, 1001)
    row = journal(maker)[-1]["latency"][3]
    assert (row["what"], row["count"], row["max_s"]) == ("depth frame -> book (1 in 16)", 1, 0.25)


def fill_of(trade_id: str) -> SimpleNamespace:
    return SimpleNamespace(
        exchange_trade_id=trade_id,
        order_id="4711",
        exchange_order_id="901",
        trading_pair=PAIR,
        trade_type=TradeType.BUY,
        price=Decimal("142.31"),
        amount=Decimal("0.5"),
        trade_fee=SimpleNamespace(flat_fees=[], percent=Decimal(0)),
    )


def test_a_fill_that_a_killed_run_had_written_is_not_written_again(maker: Any, script: ModuleType) -> None:
    maker.did_fill_order(fill_of("11"))
    with Path(maker.config.journal_file).open("a") as file:
        file.write('{"kind": "fill", "trade')  # where the process was killed
    maker._journal = script.Journal(maker.config.journal_file)
    maker.did_fill_order(fill_of("11"))
    maker.did_fill_order(fill_of("12"))
    maker.did_fill_order(fill_of("12"))
    lines = Path(maker.config.journal_file).read_text().splitlines()
    assert [json.loads(line)["trade_id"] for line in (lines[0], *lines[2:])] == ["11", "12", "12"]


def test_without_a_journal_nothing_is_written(script: ModuleType, tmp_path: Path) -> None:
    script.Journal("").write("fill", price=1)
    assert list(tmp_path.iterdir()) == []


def test_each_configuration_is_accepted_by_hummingbot(tmp_path: Path) -> None:
    make_home(tmp_path)
    names = sorted(path.name for path in find_templates().glob("scripts/*.yml"))
    assert len(names) >= 4
    code = (
        "import sys; from hummingbot.cli.strategy_configs import read_yaml, resolve_script_config_class\n"
        "from hummingbot.client.settings import SCRIPT_STRATEGY_CONF_DIR_PATH as folder\n"
        "for name in sys.argv[1:]:\n"
        "    data = read_yaml(folder / name)\n"
        "    config = resolve_script_config_class(data['script_file_name'])(**data)\n"
        "    assert set(data) <= set(type(config).model_fields), data\n"
        "    print(type(config).__name__, getattr(config, 'trading_pair', 'none'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *names], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    kinds = {
        "backpack_controllers": ["BackpackControllersConfig", "none"],
        "backpack_funding_harvest": ["BackpackCarryConfig", PAIR],
        "backpack_market_maker": ["BackpackMarketMakerConfig", PAIR],
        "backpack_perpetual_market_maker": ["BackpackPerpetualMarketMakerConfig", PAIR],
        "backpack_spot_perpetual_arbitrage": ["BackpackCarryConfig", PAIR],
    }
    assert [line.split() for line in done.stdout.splitlines()] == [
        kinds[name.removesuffix(".yml").removesuffix("_simulator")] for name in names
    ]
