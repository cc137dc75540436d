"""Positions from REST rows and stream messages: which of two is newer, and what profit is."""

from decimal import Decimal
from typing import Any

import pytest
from hummingbot.core.data_type.common import PositionSide

from backpack_connector import stream_evidence
from backpack_connector.protocol.futures import Position
from backpack_connector.protocol.messages import PositionUpdate
from backpack_connector.protocol.units import MICROSECONDS_PER_SECOND
from backpack_perpetual_connector.positions import BackpackPosition, Correction, Positions

SOL, BTC = "SOL_USDC_PERP", "BTC_USDC_PERP"


def row(symbol: str = SOL, quantity: str = "2", entry: str = "100", mark: str = "110") -> Position:
    return Position(
        symbol=symbol,
        net_quantity=Decimal(quantity),
        entry_price=Decimal(entry),
        mark_price=Decimal(mark),
        net_exposure_quantity=abs(Decimal(quantity)),
        pnl_realized=Decimal("19"),
        pnl_unrealized=Decimal("1"),
        position_id="7",
    )


def update(quantity: str, second: int, symbol: str = SOL, entry: str = "100", mark: str = "110") -> PositionUpdate:
    return PositionUpdate(
        event_time_us=second * MICROSECONDS_PER_SECOND,
        engine_time_us=second * MICROSECONDS_PER_SECOND,
        symbol=symbol,
        net_quantity=Decimal(quantity),
        mark_price=Decimal(mark),
        entry_price=Decimal(entry),
    )


def quantities(positions: Positions) -> dict[str, Decimal]:
    return {position.symbol: position.quantity for position in positions}


def answer(positions: Positions, *rows: Position, **options: Any) -> None:
    positions.replace(rows, positions.mark(), **options)


def test_f44_unrealized_profit_is_what_the_quantity_gained_since_entry() -> None:
    positions = Positions()
    answer(positions, row(mark="110"))
    shown = positions.get(SOL)
    assert shown is not None
    # The exchange's own figure, 1, is what is left since it last settled.
    assert (shown.unrealized, shown.realized) == (Decimal(20), Decimal(19))
    assert positions.apply_mark(SOL, Decimal("95"))
    shown = positions.get(SOL)
    assert shown is not None
    assert shown.unrealized == Decimal(-10)


def test_marks_of_markets_without_position_change_nothing() -> None:
    positions = Positions()
    answer(positions, row(mark="110"))
    assert not positions.apply_mark(BTC, Decimal(5))
    assert not positions.apply_mark(SOL, Decimal("110"))


@pytest.mark.parametrize(("quantity", "side"), [("-2", PositionSide.SHORT), ("2", PositionSide.LONG)])
def test_f40_a_short_has_a_negative_amount(quantity: str, side: PositionSide) -> None:
    positions = Positions()
    answer(positions, row(quantity=quantity))
    shown = positions.get(SOL)
    assert shown is not None
    position = BackpackPosition("SOL-USDC", shown, Decimal(5))
    assert (position.amount, position.position_side, position.leverage) == (Decimal(quantity), side, Decimal(5))
    assert position.unrealized_pnl == Decimal(quantity) * 10
    assert (position.realized_pnl, position.mark_price) == (Decimal(19), Decimal(110))


def test_f03_a_position_that_a_complete_answer_does_not_list_is_closed() -> None:
    positions = Positions()
    answer(positions, row(SOL), row(BTC))
    answer(positions, row(BTC))
    assert quantities(positions) == {BTC: Decimal(2)}
    answer(positions, is_complete=False)
    assert quantities(positions) == {BTC: Decimal(2)}
    answer(positions, row(BTC, quantity="0"))
    assert quantities(positions) == {}


def test_what_the_stream_reported_after_the_request_was_sent_stays() -> None:
    positions = Positions()
    asked_at = positions.mark()
    positions.apply_update(update("3", 1))
    positions.replace([row(SOL, "2"), row(BTC, "1")], asked_at)
    assert quantities(positions) == {SOL: Decimal(3), BTC: Decimal(1)}
    positions.replace([], asked_at)
    assert quantities(positions) == {SOL: Decimal(3)}


@pytest.mark.parametrize("quantity", ["3", "0"])
def test_what_the_stream_reported_just_before_the_request_stays_because_answers_may_lag(
    quantity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_evidence, "ANSWER_LAG_S", 60.0)
    positions = Positions()
    positions.apply_update(update("9", 1))
    positions.apply_update(update(quantity, 2))
    known = quantities(positions)
    asked = positions.mark()
    assert positions.better_known(asked) == {SOL}
    assert positions.replace([row(SOL, "2")], asked) == []
    assert positions.replace([], asked) == []
    assert quantities(positions) == known


def test_answers_tell_what_they_have_changed_but_the_first_one() -> None:
    positions = Positions()
    assert positions.replace([row(SOL, "2"), row(BTC, "1")], positions.mark()) == []
    assert positions.replace([row(SOL, "2", entry="101"), row(BTC, "1")], positions.mark()) == []
    assert positions.replace([row(SOL, "-3")], positions.mark()) == [
        Correction(BTC, Decimal(1), Decimal(0)),
        Correction(SOL, Decimal(2), Decimal(-3)),
    ]


def test_a_close_by_the_stream_is_not_undone_by_an_older_answer() -> None:
    positions = Positions()
    answer(positions, row(SOL))
    asked_at = positions.mark()
    positions.apply_update(update("0", 5))
    positions.replace([row(SOL)], asked_at)
    assert quantities(positions) == {}
    answer(positions, row(SOL, "1"))
    assert quantities(positions) == {SOL: Decimal(1)}


def test_older_messages_do_not_replace_newer_ones() -> None:
    positions = Positions()
    assert positions.apply_update(update("3", 10))
    assert not positions.apply_update(update("1", 9))
    assert quantities(positions) == {SOL: Decimal(3)}
    assert positions.apply_update(update("0", 11))
    assert not positions.apply_update(update("3", 10))
    assert quantities(positions) == {}
    # An answer in between has no time of its own and does not let older messages in again.
    answer(positions, row(SOL, "4"))
    answer(positions, row(SOL, "5"))
    assert quantities(positions) == {SOL: Decimal(5)}


def test_one_message_turns_a_long_into_a_short() -> None:
    positions = Positions()
    positions.apply_update(update("3", 1))
    positions.apply_update(update("-2", 2, entry="120", mark="119"))
    shown = positions.get(SOL)
    assert shown is not None
    assert (shown.quantity, shown.entry_price, shown.unrealized) == (Decimal(-2), Decimal(120), Decimal(2))
