"""The perpetual template: what it adds to the spot template, tick by tick, without an exchange."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("hummingbot")

from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.core.data_type.order_candidate import PerpetualOrderCandidate

from tests.end_to_end.makers import PAIR, Connector, Order, journal, load_script, maker_of, tick, without_engine

BUY, SELL = TradeType.BUY, TradeType.SELL


@dataclass
class PerpetualConnector(Connector):
    """What the script uses of the perpetual connector; a market order is filled as far as `depth` goes."""

    leverage: int = 10
    accepts_leverage: bool = True
    leverage_calls: list[int] = field(default_factory=list)
    account_positions: dict[str, Any] = field(default_factory=dict)
    depth: Decimal = Decimal(100)
    clock_offset_s: float = 0.0
    candidates: list[PerpetualOrderCandidate] = field(default_factory=list)
    liquidation_answer: Any = Decimal("612.5")
    liquidation_questions: int = 0

    def get_leverage(self, pair: str) -> int:
        return self.leverage

    def set_leverage(self, pair: str, leverage: int) -> None:
        self.leverage_calls.append(leverage)
        if self.accepts_leverage:
            self.leverage = leverage

    def get_funding_info(self, pair: str) -> Any:
        return SimpleNamespace(
            mark_price=Decimal("142.31"), rate=Decimal("0.0000125"), next_funding_utc_timestamp=4_000_000_000
        )

    def adjust_candidates(self, candidates: list[Any], all_or_none: bool) -> list[Any]:
        self.candidates = candidates
        return super().adjust_candidates(candidates, all_or_none)

    async def liquidation_price(self, pair: str) -> Decimal | None:
        self.liquidation_questions += 1
        if isinstance(self.liquidation_answer, Exception):
            raise self.liquidation_answer
        return self.liquidation_answer  # type: ignore[no-any-return]

    def hold(self, amount: str) -> None:
        self.account_positions[PAIR] = SimpleNamespace(
            amount=Decimal(amount), entry_price=Decimal(142), unrealized_pnl=Decimal("0.3")
        )

    def place(self, order: Order) -> None:
        if not order.price.is_nan():
            super().place(order)
            return
        assert not self.in_flight_orders, "a quote could be filled while the position is being closed"
        filled = min(order.amount, self.depth)
        held = self.account_positions[PAIR].amount + (filled if order.trade_type is BUY else -filled)
        if held:
            self.hold(str(held))
        else:
            del self.account_positions[PAIR]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script("backpack_perpetual_market_maker")


@pytest.fixture
def connector() -> PerpetualConnector:
    return PerpetualConnector()


@pytest.fixture
def maker(script: ModuleType, connector: PerpetualConnector, tmp_path: Path) -> Iterator[Any]:
    config = script.BackpackPerpetualMarketMakerConfig(
        connector_name="backpack_perpetual_simulator",
        leverage=5,
        order_amount=Decimal("0.1"),
        max_position=Decimal("0.25"),
        order_levels=2,
        refresh_seconds=10,
        journal_file=str(tmp_path / "j.jsonl"),
        liquidation_price_seconds=0,
    )
    with without_engine(script.spot):
        yield maker_of(script.BackpackPerpetualMarketMaker, connector, config)


def placed_amounts(maker: Any) -> dict[TradeType, list[str]]:
    return {side: [str(row[2]) for row in maker.placed if row[0] is side] for side in (BUY, SELL)}


def start_quoting(maker: Any) -> None:
    """Let it set the leverage, cancel nothing, and place."""
    for second in (1000, 1001, 1002):
        tick(maker, second)


def test_the_leverage_limit_is_set_before_the_first_order(maker: Any) -> None:
    maker.connector.accepts_leverage = False
    for second in range(1000, 1040):
        tick(maker, second)
    assert maker.connector.leverage_calls == [5, 5]
    assert maker.placed == []
    maker.connector.leverage = 5
    tick(maker, 1040)
    tick(maker, 1041)
    assert len(maker.placed) == 4


def test_a_leverage_of_zero_leaves_the_accounts_limit(maker: Any) -> None:
    maker.config.leverage = 0
    tick(maker, 1000)
    tick(maker, 1001)
    assert maker.connector.leverage_calls == []
    assert len(maker.placed) == 4


def test_candidates_are_perpetual_and_know_the_leverage(maker: Any) -> None:
    start_quoting(maker)
    assert [type(candidate) for candidate in maker.connector.candidates] == [PerpetualOrderCandidate] * 4
    assert {candidate.leverage for candidate in maker.connector.candidates} == {Decimal(5)}
    assert maker.closing == []


@pytest.mark.parametrize(
    ("held", "bids", "asks"),
    [
        (None, ["0.10", "0.10"], ["0.10", "0.10"]),
        ("0", ["0.10", "0.10"], ["0.10", "0.10"]),
        ("0.1", ["0.10", "0.05"], ["0.10", "0.10"]),
        ("0.25", [], ["0.10", "0.10"]),
        ("-0.1", ["0.10", "0.10"], ["0.10", "0.05"]),
        ("-0.4", ["0.10", "0.10"], []),
    ],
)
def test_quotes_end_where_they_could_lead_beyond_the_bound(
    maker: Any, held: str | None, bids: list[str], asks: list[str]
) -> None:
    if held:
        maker.connector.hold(held)
    start_quoting(maker)
    assert placed_amounts(maker) == {BUY: bids, SELL: asks}
    assert all(candidate.amount > 0 for candidate in maker.connector.candidates)


@pytest.mark.parametrize(
    ("held", "bid", "ask"), [(None, "142.16", "142.45"), ("0.25", None, "142.31"), ("-0.25", "142.31", None)]
)
def test_quotes_lean_against_the_position_and_never_trade_at_once(
    maker: Any, held: str | None, bid: str | None, ask: str | None
) -> None:
    maker.config.inventory_skew = Decimal("0.002")
    if held:
        maker.connector.hold(held)
    start_quoting(maker)
    first = {side: next((str(row[1]) for row in maker.placed if row[0] is side), None) for side in (BUY, SELL)}
    assert first == {BUY: bid, SELL: ask}


def test_half_a_position_leans_half_as_far(maker: Any) -> None:
    maker.config.inventory_skew = Decimal("0.001")
    maker.connector.hold("0.125")
    start_quoting(maker)
    bid = next(row[1] for row in maker.placed if row[0] is BUY)
    assert bid == (Decimal("142.16") * (1 - Decimal("0.0005"))).quantize(Decimal("0.01"), "ROUND_FLOOR")


@pytest.mark.parametrize(
    ("held", "closing"), [(None, []), ("0.2", [SELL, SELL]), ("0.15", [SELL]), ("-0.1", [BUY]), ("-0.05", [])]
)
def test_exits_are_reduce_only_as_far_as_the_position_reaches(
    maker: Any, held: str | None, closing: list[TradeType]
) -> None:
    maker.config.reduce_only_exits = True
    if held:
        maker.connector.hold(held)
    start_quoting(maker)
    sides = {f"order-{number}": row[0] for number, row in enumerate(maker.placed)}
    assert [sides[name] for name in maker.closing] == closing
    exits = [candidate for candidate in maker.connector.candidates if candidate.position_close]
    assert [candidate.order_side for candidate in exits] == closing


@pytest.mark.parametrize(("held", "side"), [("0.2", SELL), ("-0.2", BUY)])
async def test_stopping_cancels_first_and_closes_with_reduce_only(maker: Any, held: str, side: TradeType) -> None:
    maker.connector.in_flight_orders["old"] = Order("old", BUY, Decimal(140), Decimal(1))
    maker.connector.hold(held)
    await maker.on_stop()
    assert maker.connector.in_flight_orders == {}
    (order,) = maker.placed
    assert (order[0], order[2], order[3]) == (side, Decimal("0.2"), OrderType.MARKET)
    assert maker.closing == ["order-0"]
    assert maker.connector.account_positions == {}
    assert journal(maker)[-1]["position"] is None


async def test_what_a_market_order_has_left_is_closed_by_the_next(maker: Any) -> None:
    maker.connector.hold("0.2")
    maker.connector.depth = Decimal("0.15")
    await maker.on_stop()
    assert [str(amount) for _, _, amount, _ in maker.placed] == ["0.2", "0.05"]


async def test_a_position_that_cannot_be_closed_is_told(
    maker: Any, script: ModuleType, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(script, "CLOSE_TIMEOUT_S", 0.2)
    monkeypatch.setattr(script, "CLOSE_PATIENCE_S", 0.1)
    maker.connector.hold("0.2")
    maker.connector.depth = Decimal(0)
    await maker.on_stop()
    assert "The position of 0.2 in SOL-USDC could not be closed in time; it is still open." in caplog.text
    assert journal(maker)[-1]["position"]["amount"] == "0.2"


async def test_without_close_on_stop_the_position_stays(maker: Any) -> None:
    maker.config.close_on_stop = False
    maker.connector.hold("0.2")
    await maker.on_stop()
    assert maker.placed == []
    assert maker.connector.account_positions[PAIR].amount == Decimal("0.2")


async def test_the_liquidation_price_is_asked_now_and_then_while_there_is_a_position(maker: Any) -> None:
    maker.config.liquidation_price_seconds = 3
    for second in range(1000, 1004):
        tick(maker, second)
    assert maker.connector.liquidation_questions == 0
    maker.connector.hold("-0.2")
    for second in range(1010, 1017):
        tick(maker, second)
        await asyncio.sleep(0)
    assert maker.connector.liquidation_questions == 3
    assert maker._state()["position"]["liquidation_price"] == Decimal("612.5")
    maker.connector.account_positions.clear()
    tick(maker, 1018)
    maker.connector.hold("0.1")
    assert maker._state()["position"]["liquidation_price"] is None


async def test_no_answer_about_the_liquidation_price_is_a_warning(maker: Any, caplog: pytest.LogCaptureFixture) -> None:
    maker.config.liquidation_price_seconds = 3
    maker.connector.liquidation_answer = OSError("the exchange did not answer")
    maker.connector.hold("0.2")
    tick(maker, 1000)
    tick(maker, 1001)
    await asyncio.sleep(0)
    assert "The liquidation price could not be asked: the exchange did not answer" in caplog.text


def test_a_position_of_nothing_is_none(maker: Any) -> None:
    maker.connector.hold("0")
    assert maker._state()["position"] is None


def test_funding_is_written_with_every_digit(maker: Any) -> None:
    for pair in (PAIR, "BTC-USDC"):
        maker.did_complete_funding_payment(
            SimpleNamespace(
                trading_pair=pair,
                amount=Decimal("-0.000000000123"),
                funding_rate=Decimal("0.0000125"),
                timestamp=1795240800.0,
            )
        )
    (line,) = journal(maker)
    assert line["kind"] == "funding"
    assert Decimal(line["amount"]) == Decimal("-0.000000000123")
    assert (line["payment_time"], line["rate"]) == (1795240800.0, "0.0000125")


def test_the_journal_knows_position_leverage_and_funding(maker: Any) -> None:
    maker.connector.hold("-0.2")
    maker.connector.leverage = 5
    tick(maker, 1000)
    line = journal(maker)[0]
    assert (line["leverage"], line["mark_price"], line["funding_rate"]) == (5, "142.31", "0.0000125")
    assert line["funding_due_seconds"] > 0
    assert line["position"] == {
        "amount": "-0.2",
        "entry_price": "142",
        "unrealized_pnl": "0.3",
        "liquidation_price": None,
    }
