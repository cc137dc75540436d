"""F03, F23, F40, F44, D9: the positions that the connector shows are those of the exchange."""

import asyncio
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hummingbot.core.data_type.common import OrderType, PositionAction, PositionSide

from backpack_connector.protocol.enums import Side
from backpack_connector.protocol.streams import POSITION_UPDATES
from backpack_connector.protocol.units import us_from_seconds
from tests.perpetual.session import (
    OTHER_PAIR,
    OTHER_SYMBOL,
    PAIR,
    SYMBOL,
    PerpetualWorld,
    perpetual_world,
    shown,
)
from tests.spot.session import stays, until
from tests.spot.stream_double import UNAVAILABLE, Reply, failure, late_answers

Row = dict[str, Any]
SOON_US = us_from_seconds(time.time() + 3_600)
"""Newer than what the simulator tells during a test, and not so far ahead that it could not be a time of this day."""


def position_frame(symbol: str = SYMBOL, **changes: Any) -> Row:
    """Return a message about a position; None leaves a key out."""
    data = {
        "B": "150",
        "E": SOON_US,
        "M": "150",
        "P": "0",
        "Q": "1",
        "T": SOON_US,
        "b": "150",
        "e": "positionAdjusted",
        "f": "0.02",
        "i": 28563667732,
        "l": "0",
        "m": "0.0135",
        "n": "150",
        "p": "0",
        "q": "1",
        "s": symbol,
        **changes,
    }
    return {"stream": POSITION_UPDATES, "data": {key: value for key, value in data.items() if value is not None}}


def mute_positions(here: PerpetualWorld) -> None:
    """Deliver no more messages about positions."""
    here.double.on_server_frame = lambda _, frame: [] if frame.get("stream") == POSITION_UPDATES else [frame]


def delivered_positions(here: PerpetualWorld) -> list[Row]:
    """Return the list to which the data of every message about positions is added from now on."""
    seen: list[Row] = []

    def note(_: Any, frame: Any) -> list[Any]:
        if frame.get("stream") == POSITION_UPDATES:
            seen.append(frame["data"])
        return [frame]

    here.double.on_server_frame = note
    return seen


# What the account does itself


@pytest.mark.parametrize(("side", "sign"), [(Side.BID, 1), (Side.ASK, -1)])
async def test_f40_position_is_the_exchanges_and_a_short_is_negative(side: Side, sign: int) -> None:
    async with perpetual_world() as here:
        here.fill_book()
        connector = await here.started(PAIR)
        place = connector.buy if side is Side.BID else connector.sell
        place(PAIR, Decimal(2), OrderType.MARKET, Decimal("NaN"), position_action=PositionAction.OPEN)
        await until(lambda: shown(connector))
        position, truth = connector.account_positions[PAIR], here.truth()["positions"][SYMBOL]
        assert position.amount == Decimal(truth["netQuantity"]) == 2 * sign
        assert position.entry_price == Decimal(truth["entryPrice"])
        assert position.position_side is (PositionSide.LONG if sign > 0 else PositionSide.SHORT)
        assert position.trading_pair == PAIR
        assert position.leverage == 10  # the account's


async def test_one_message_flips_a_long_into_a_short() -> None:
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR)
        here.trade_elsewhere(Side.BID, "150", "2")
        await until(lambda: shown(connector) == (2, 150))
        messages, asked = delivered_positions(here), here.double.count("get_positions")
        here.trade_elsewhere(Side.ASK, "149", "5")
        await until(lambda: shown(connector) == (-3, 149))
        assert connector.account_positions[PAIR].position_side is PositionSide.SHORT
        assert [data["q"] for data in messages] == ["-3.00"]
        assert here.double.count("get_positions") == asked


async def test_positions_from_before_the_start_are_there_when_the_connector_is_ready() -> None:
    async with perpetual_world() as here:
        here.trade_elsewhere(Side.ASK, "150", "2")
        connector = await here.started(PAIR)
        assert shown(connector) == (-2, 150)


async def test_first_message_without_event_is_enough_to_know_a_position() -> None:
    async with perpetual_world(with_double=True) as here:
        here.trade_elsewhere(Side.ASK, "150", "2")
        here.double.answer("get_positions", UNAVAILABLE)
        messages = delivered_positions(here)
        connector = here.connector(PAIR)
        await connector.start_network()
        await until(lambda: shown(connector) == (-2, 150))
        assert "e" not in messages[0]


# Profit


async def test_f44_profit_is_since_entry_although_the_exchange_settles_every_ten_seconds() -> None:
    async with perpetual_world() as here:
        connector = await here.started(PAIR)
        here.trade_elsewhere(Side.ASK, "150", "2")
        await until(lambda: shown(connector))
        here.simulator.set_index_price(SYMBOL, Decimal(140))
        await until(lambda: connector.account_positions[PAIR].unrealized_pnl == 20)
        here.simulator.advance_clock(10)  # the exchange moves the profit into the balance, and the position stays
        await until(lambda: connector.account_positions[PAIR].realized_pnl == 20)
        assert Decimal(here.truth()["positions"][SYMBOL]["pnlUnrealized"]) == 0
        assert connector.account_positions[PAIR].unrealized_pnl == 20
        here.simulator.set_index_price(SYMBOL, Decimal(145))
        await until(lambda: connector.account_positions[PAIR].unrealized_pnl == 10)


async def test_f44_profit_of_a_position_in_a_market_that_is_not_traded_follows_its_mark_price() -> None:
    async with perpetual_world() as here:
        connector = await here.started(PAIR)
        here.trade_elsewhere(Side.BID, "2760", "2", symbol=OTHER_SYMBOL)
        await until(lambda: shown(connector, OTHER_PAIR) == (2, 2760))
        here.simulator.set_index_price(OTHER_SYMBOL, Decimal(2770))
        await until(lambda: connector.account_positions[OTHER_PAIR].unrealized_pnl == 20)
        assert PAIR not in connector.account_positions


async def test_f44_position_from_before_the_start_follows_its_mark_price_whatever_the_market() -> None:
    async with perpetual_world(with_double=True) as here:
        here.trade_elsewhere(Side.BID, "2760", "2", symbol=OTHER_SYMBOL)
        here.double.answer("get_open_orders", UNAVAILABLE)
        connector = await here.started(PAIR)
        here.simulator.set_index_price(OTHER_SYMBOL, Decimal(2770))
        await until(lambda: connector.account_positions[OTHER_PAIR].unrealized_pnl == 20)


async def test_mark_prices_of_markets_that_are_not_traded_are_subscribed_once_and_again_after_a_reconnect() -> None:
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR)
        here.trade_elsewhere(Side.BID, "2760", "2", symbol=OTHER_SYMBOL)
        here.trade_elsewhere(Side.BID, "2760", "1", symbol=OTHER_SYMBOL)
        await until(lambda: shown(connector, OTHER_PAIR) == (3, 2760))
        followed = f"markPrice.{OTHER_SYMBOL}"
        await until(lambda: followed in here.double.public.streams)
        assert here.double.public.streams.count(followed) == 1
        await here.double.public.close()
        await until(lambda: not connector.ready)
        await until(lambda: connector.ready)
        await until(lambda: here.double.public.streams.count(followed) == 1)
        here.simulator.set_index_price(OTHER_SYMBOL, Decimal(2770))
        await until(lambda: connector.account_positions[OTHER_PAIR].unrealized_pnl == 30)


# Ends


async def test_f03_position_that_is_closed_elsewhere_is_gone_at_once() -> None:
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR)
        here.trade_elsewhere(Side.BID, "150", "2")
        await until(lambda: shown(connector))
        asked = here.double.count("get_positions")
        here.trade_elsewhere(Side.ASK, "151", "2", reduce_only=True)
        await until(lambda: PAIR not in connector.account_positions)
        assert here.double.count("get_positions") == asked


async def test_a_trade_and_its_position_need_neither_queue_nor_task() -> None:
    async with perpetual_world() as here:
        connector = await here.started(PAIR)
        queue = connector._user_stream_tracker.user_stream
        await until(queue.empty)
        put: list[Any] = []
        queue.put_nowait = put.append
        here.trade_elsewhere(Side.BID, "150", "2")
        await until(lambda: shown(connector))
        assert put == []


async def test_f03_position_that_is_closed_unheard_is_gone_after_the_next_poll() -> None:
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR)
        here.trade_elsewhere(Side.BID, "150", "2")
        here.trade_elsewhere(Side.BID, "2760", "1", symbol=OTHER_SYMBOL)
        await until(lambda: len(connector.account_positions) == 2)
        mute_positions(here)
        here.trade_elsewhere(Side.ASK, "150", "2", reduce_only=True)
        await stays(lambda: shown(connector) == (2, 150), for_s=0.1)
        await here.poll(connector)
        await until(lambda: PAIR not in connector.account_positions)
        assert shown(connector, OTHER_PAIR) == (1, 2760)


async def test_f03_position_that_is_opened_unheard_is_there_after_the_next_poll() -> None:
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR)
        mute_positions(here)
        here.trade_elsewhere(Side.ASK, "150", "2")
        await here.poll(connector)
        await until(lambda: shown(connector) == (-2, 150))


@pytest.mark.parametrize(
    "answer",
    [UNAVAILABLE, failure(429, "TOO_MANY_REQUESTS", "Too many requests"), Reply("no JSON"), Reply({"rows": []})],
    ids=["503", "429", "no JSON", "no list"],
)
async def test_f03_failed_answer_closes_nothing(answer: Reply) -> None:
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR)
        here.trade_elsewhere(Side.BID, "150", "2")
        await until(lambda: shown(connector))
        here.double.answer("get_positions", answer)
        asked = here.double.count("get_collateral")
        await here.poll(connector)
        await until(lambda: here.double.count("get_collateral") > asked)  # the last question of a poll
        assert shown(connector) == (2, 150)
        assert here.double.count("get_positions") >= 2


async def test_f03_answer_that_no_position_was_found_closes_all() -> None:
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR)
        here.trade_elsewhere(Side.BID, "150", "2")
        await until(lambda: shown(connector))
        here.double.answer("get_positions", failure(404, "RESOURCE_NOT_FOUND", "Position not found"))
        await here.poll(connector)
        await until(lambda: not connector.account_positions)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda row: {**row, "netQuantity": "NaN"},
        lambda row: {**row, "netQuantity": "much"},
        lambda row: {key: value for key, value in row.items() if key != "entryPrice"},
        lambda row: 5,
    ],
    ids=["NaN", "text", "no entry price", "no object"],
)
async def test_f03_odd_row_is_reported_and_hides_no_other(
    spoil: Callable[[Row], Any], caplog: pytest.LogCaptureFixture
) -> None:
    async with perpetual_world(with_double=True) as here:
        here.trade_elsewhere(Side.BID, "150", "2")
        here.trade_elsewhere(Side.ASK, "2760", "1", symbol=OTHER_SYMBOL)
        mute_positions(here)
        here.double.alter(
            "get_positions", lambda rows: [spoil(row) if row["symbol"] == SYMBOL else row for row in rows]
        )
        connector = await here.started(PAIR)
        assert shown(connector, OTHER_PAIR) == (-1, 2760)
        assert PAIR not in connector.account_positions
        assert "A position was left out because it cannot be read: get_positions[" in caplog.text
        here.double.answer("get_positions", None)
        await here.poll(connector)
        await until(lambda: shown(connector) == (2, 150))
        # Now it is known, and a row that cannot be read is no proof that it is closed.
        here.double.alter("get_positions", lambda rows: [spoil(row) for row in rows])
        asked = here.double.count("get_collateral")
        await here.poll(connector)
        await until(lambda: here.double.count("get_collateral") > asked)
        assert (shown(connector), shown(connector, OTHER_PAIR)) == ((2, 150), (-1, 2760))


@pytest.mark.parametrize("symbol", ["SOL_USDC_2612_DATED", "SOL_USDC_PREDICTION", "SOL_USDC", "SOL", ""])
async def test_d9_positions_in_markets_of_other_kinds_are_ignored(
    symbol: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with perpetual_world(with_double=True) as here:
        here.trade_elsewhere(Side.BID, "150", "2")
        here.double.alter("get_positions", lambda rows: [*rows, *({**row, "symbol": symbol} for row in rows)])
        connector = await here.started(PAIR)
        assert list(connector.account_positions) == [PAIR]
        await here.double.private.send(position_frame(symbol))
        await here.double.private.send(position_frame(OTHER_SYMBOL))
        await until(lambda: shown(connector, OTHER_PAIR))
        assert set(connector.account_positions) == {PAIR, OTHER_PAIR}
        assert "skipped" not in caplog.text


# Messages


async def test_f23_position_is_built_from_the_message_alone_whatever_the_market() -> None:
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR)
        requests = len(here.double.requests)
        for number, symbol in enumerate((SYMBOL, OTHER_SYMBOL, "BTC_USDC_PERP", "NOPE_USDC_PERP", "SOL_USDC"), 1):
            await here.double.private.send(position_frame(symbol, q=str(number)))
        await until(lambda: shown(connector, "NOPE-USDC"))
        assert {pair: position.amount for pair, position in connector.account_positions.items()} == {
            PAIR: 1,
            OTHER_PAIR: 2,
            "BTC-USDC": 3,
            "NOPE-USDC": 4,
        }
        assert len(here.double.requests) == requests


async def test_f23_json_numbers_are_exact_decimals() -> None:
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR)
        await here.double.private.send(position_frame(q=-0.29, B=126.97, M=120.96, p=0.1, P=0.0009))
        await until(lambda: shown(connector))
        position = connector.account_positions[PAIR]
        assert shown(connector) == (Decimal("-0.29"), Decimal("126.97"))
        assert position.unrealized_pnl == Decimal("1.7429")
        assert (position.mark_price, position.realized_pnl) == (Decimal("120.96"), Decimal("0.1"))


BAD = {
    "quantity is NaN": {"q": "NaN"},
    "quantity is text": {"q": "much"},
    "quantity is null": {"q": None},
    "no entry price": {"B": None},
    "symbol is a number": {"s": 5},
    "time is text": {"T": "yesterday"},
}


@pytest.mark.parametrize("changes", BAD.values(), ids=BAD.keys())
async def test_f23_bad_message_is_reported_and_skipped_at_once(changes: Row, caplog: pytest.LogCaptureFixture) -> None:
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR)
        connections, requests = len(here.double.connections), len(here.double.requests)
        started_s = asyncio.get_running_loop().time()
        await here.double.private.send(position_frame(**changes))
        await here.double.private.send(position_frame(q="7"))
        await until(lambda: shown(connector) == (7, 150))
        assert asyncio.get_running_loop().time() - started_s < 1.0
        assert f"A message of the private stream was skipped: {POSITION_UPDATES}" in caplog.text
        assert (len(here.double.connections), len(here.double.requests)) == (connections, requests)


async def test_answer_that_was_asked_before_a_message_does_not_overwrite_it() -> None:
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR)
        answered, go = late_answers(here.double, "get_positions")
        await here.poll(connector)
        await answered.wait()
        here.trade_elsewhere(Side.BID, "150", "2")
        await until(lambda: shown(connector) == (2, 150))
        asked = here.double.count("get_collateral")
        go.set()
        await until(lambda: here.double.count("get_collateral") > asked)
        assert shown(connector) == (2, 150)


async def test_positions_are_asked_again_after_the_private_stream_was_away() -> None:
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR)
        mute_positions(here)
        await here.double.private.close()
        await until(lambda: not connector.ready)
        here.trade_elsewhere(Side.BID, "150", "2")
        await until(lambda: shown(connector) == (2, 150))
