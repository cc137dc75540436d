"""A tape as the market: what it shows, when, and what happens at its end."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from backpack_connector.protocol.enums import Side
from backpack_connector.protocol.errors import ConfigurationError
from backpack_connector.simulator.background import STEP_US, Background
from backpack_connector.simulator.engine import Exchange
from backpack_connector.simulator.markets import load_instruments
from backpack_connector.simulator.replay import Replay, Tape, TapeOptions
from tests.simulator.support import FakeClock, assert_sound, levels, limit
from tests.simulator.tapes import build

SYMBOL = "SOL_USDC_PERP"
T0 = 1_791_043_256_000_000
SECOND = 1_000_000


def test_the_sample_tape_is_what_its_script_makes_of_the_samples() -> None:
    assert build.TAPE.read_text(encoding="utf-8") == build.text()


def depth(first: int, last: int, bids: Any = (), asks: Any = (), symbol: str = SYMBOL) -> dict[str, Any]:
    data = {"e": "depth", "E": T0, "T": T0, "s": symbol, "U": first, "u": last, "b": list(bids), "a": list(asks)}
    return {"stream": f"depth.{symbol}", "data": data}


def snapshot(last: int, bids: Any, asks: Any, symbol: str = SYMBOL) -> dict[str, Any]:
    body = {"bids": list(bids), "asks": list(asks), "lastUpdateId": str(last), "timestamp": T0}
    return {"operation": "get_depth", "query": {"symbol": symbol}, "body": body}


def trade(price: str, quantity: str, symbol: str = SYMBOL) -> dict[str, Any]:
    data = {"e": "trade", "E": T0, "T": T0, "s": symbol, "p": price, "q": quantity, "t": 1, "m": True}
    return {"stream": f"trade.{symbol}", "data": data}


def mark(price: str, index: str, rate: str = "0.0001") -> dict[str, Any]:
    data = {"e": "markPrice", "E": T0, "s": SYMBOL, "p": price, "i": index, "f": rate, "n": 1}
    return {"stream": f"markPrice.{SYMBOL}", "data": data}


class Play:
    """A tape of some rows, a second between each and the next, and an exchange that replays it."""

    def __init__(
        self, folder: Path, rows: list[dict[str, Any]], *, symbols: tuple[str, ...] = (SYMBOL,), **options: Any
    ) -> None:
        path = folder / "tape.jsonl"
        header = {"tape": 1, "source": "test", "symbols": symbols, "startedUs": T0}
        timed = [{"t": T0 + number * SECOND, **row} for number, row in enumerate(rows)]
        path.write_text("".join(json.dumps(row) + "\n" for row in [header, *timed]), encoding="utf-8")
        self.clock = FakeClock()
        tape = Tape(TapeOptions(path, **options))
        self.exchange = Exchange(tape.instruments(load_instruments()), clock=self.clock, first_id=1)
        self.replay = Replay(tape, self.exchange, self.clock())

    def run(self, seconds: float, steps: int = 10) -> None:
        self.advance()
        for _ in range(steps):
            self.clock.advance_s(seconds / steps)
            self.advance()

    def advance(self) -> None:
        list(self.replay.advance(self.clock()))
        assert_sound(self.exchange)

    @property
    def book(self) -> Any:
        return levels(self.exchange, SYMBOL)


FIRST = snapshot(10, [("149.00", "1.00"), ("150.00", "2.00")], [("151.00", "3.00")])


def test_rows_come_at_their_time(tmp_path: Path) -> None:
    play = Play(tmp_path, [FIRST, depth(11, 11, [("150.00", "5.00")]), depth(12, 13, [], [("151.00", "0.00")])])
    play.run(0)
    assert play.book == ([("149.00", "1.00"), ("150.00", "2.00")], [("151.00", "3.00")])
    play.run(0.99)
    assert play.book[0][-1] == ("150.00", "2.00")
    play.run(0.02)
    assert play.book[0][-1] == ("150.00", "5.00")
    assert not play.replay.is_over
    play.run(1)
    assert play.book[1] == []
    assert play.replay.is_over


@pytest.mark.parametrize(("speed", "seconds"), [(2.0, 0.5), (0.5, 2.0), (100.0, 0.01)])
def test_the_speed_is_that_of_the_tape(tmp_path: Path, speed: float, seconds: float) -> None:
    play = Play(tmp_path, [FIRST, depth(11, 11, [("150.00", "5.00")])], speed=speed)
    play.run(seconds * 0.99)
    assert play.book[0][-1] == ("150.00", "2.00")
    play.run(seconds * 0.02)
    assert play.book[0][-1] == ("150.00", "5.00")


def test_after_a_gap_the_book_waits_for_the_next_snapshot(tmp_path: Path) -> None:
    rows = [
        FIRST,
        depth(13, 13, [("150.00", "9.00")]),
        snapshot(11, [("140.00", "1.00")], []),
        snapshot(12, [("150.00", "7.00")], []),
    ]
    play = Play(tmp_path, rows)
    play.run(1.5)
    assert play.book[0][-1] == ("150.00", "2.00")
    play.run(1)  # a snapshot from before the gap
    assert play.book[0][-1] == ("150.00", "2.00")
    play.run(1)
    assert play.book == ([("150.00", "9.00")], [])


def test_at_the_end_the_book_stays_or_the_tape_begins_again(tmp_path: Path) -> None:
    rows = [FIRST, depth(11, 11, [("150.00", "5.00")])]
    play = Play(tmp_path, rows)
    play.run(30)
    assert (play.replay.rounds, play.replay.is_over, play.book[0][-1]) == (1, True, ("150.00", "5.00"))
    play = Play(tmp_path, rows, loops=True)
    play.run(1.5, steps=15)
    assert (play.replay.rounds, play.book[0][-1]) == (1, ("150.00", "2.00"))
    play.run(1, steps=10)
    assert (play.replay.rounds, play.book[0][-1]) == (2, ("150.00", "2.00"))


def test_a_pause_is_not_made_up_for(tmp_path: Path) -> None:
    play = Play(tmp_path, [FIRST, *(depth(11 + step, 11 + step, [("150.00", str(step))]) for step in range(1, 60))])
    play.advance()
    play.clock.advance_s(3_600)
    play.advance()
    assert play.replay.position_s == pytest.approx(1.0)
    assert not play.replay.is_over


def test_mark_prices_and_funding_are_the_tapes(tmp_path: Path) -> None:
    play = Play(tmp_path, [FIRST, mark("150.10", "150.05")])
    play.run(1.1)
    list(play.exchange.on_second(play.clock()))
    market = play.exchange.markets[SYMBOL]
    assert (market.mark_price, market.index_price, market.funding_rate) == (
        Decimal("150.10"),
        Decimal("150.05"),
        Decimal("0.0001"),
    )
    # Other markets of the same assets follow.
    spot = play.exchange.markets["SOL_USDC"]
    assert round(spot.underlying.price, 8) == Decimal("150.05")


def test_without_a_perpetual_market_the_trades_lead(tmp_path: Path) -> None:
    book = snapshot(10, [("149.00", "1.00")], [("151.00", "3.00")], "SOL_USDC")
    play = Play(tmp_path, [book, trade("157.50", "1", "SOL_USDC")], symbols=("SOL_USDC",))
    play.run(1.5)
    assert round(play.exchange.markets[SYMBOL].underlying.price, 8) == Decimal("157.5")


def test_the_background_trades_where_the_tape_does_not_and_follows_it(tmp_path: Path) -> None:
    play = Play(tmp_path, [FIRST, mark("153.00", "153.00")])
    background = Background(play.exchange, 1, play.clock(), play.replay.symbols)
    for _ in range(60):
        play.advance()
        list(background.advance(play.clock()))
        play.clock.now_us += STEP_US
    assert play.book == ([("149.00", "1.00"), ("150.00", "2.00")], [("151.00", "3.00")])
    bid, ask = play.exchange.markets["SOL_USDC"].book.touch
    assert bid is not None
    assert ask is not None
    assert Decimal(152) < bid[0] < ask[0] < Decimal(154)


@pytest.mark.parametrize(
    "row",
    [
        {"stream": f"depth.{SYMBOL}", "data": {"s": SYMBOL}},
        {"stream": f"trade.{SYMBOL}", "data": 7},
        depth(11, 11, [("150.00", "many")]),
        depth(11, 11, [("-150.00", "1")]),
        {"operation": "get_depth", "query": {"symbol": SYMBOL}, "body": []},
        depth(11, 11, [("1e999999999", "1")]),
        depth(11, 11, [("150.00", "1e-999999999")]),
        depth(11, 11, [("0", "1")]),
        trade("150." + "1" * 50, "0." + "1" * 50),
        trade("1e25", "1"),
        mark("0", "150"),
        {"stream": f"trade.{SYMBOL}", "data": json.loads("[" * 400 + "]" * 400)},
    ],
)
def test_what_cannot_be_read_is_left_out(tmp_path: Path, row: dict[str, Any]) -> None:
    play = Play(tmp_path, [FIRST, row, depth(11, 11, [("150.00", "5.00")])])
    play.run(3)
    assert play.replay.payload() == {
        "isOver": True,
        "positionSeconds": 3.0,
        "rounds": 1,
        "symbols": [SYMBOL],
        "unreadable": 1,
    }
    assert play.book[0][-1] == ("150.00", "5.00")


def test_frames_that_the_simulator_makes_itself_do_nothing(tmp_path: Path) -> None:
    rows = [
        FIRST,
        {"stream": f"ticker.{SYMBOL}", "data": {}},
        {"stream": "account.orderUpdate", "redacted": True},
        {"stream": "depth.OTHER_USDC", "data": depth(1, 1, symbol="OTHER_USDC")["data"]},
        {"note": "end"},
    ]
    play = Play(tmp_path, rows)
    play.run(5)
    assert (play.replay.unreadable, play.replay.is_over) == (0, True)
    assert play.book == ([("149.00", "1.00"), ("150.00", "2.00")], [("151.00", "3.00")])


def test_the_sample_tape_plays() -> None:
    clock = FakeClock()
    tape = Tape(TapeOptions(build.TAPE))
    exchange = Exchange(tape.instruments(load_instruments()), clock=clock, first_id=1)
    replay = Replay(tape, exchange, clock())
    while not replay.is_over:
        list(replay.advance(clock()))
        clock.advance_s(0.1)
    assert replay.unreadable == 0
    market = exchange.markets["BTC_USDC_PERP"]
    list(exchange.on_second(clock()))
    assert market.instrument.seed_price == Decimal("86781.45")
    assert [len(levels(exchange, market.symbol)[place]) for place in (0, 1)] == [5, 5]
    assert (market.last_price, market.mark_price) == (Decimal("86642.9"), Decimal("84827.7"))
    (printed,) = market.trades
    assert printed.quantity == Decimal("0.07206")
    assert_sound(exchange)


@pytest.mark.parametrize("speed", [0.0, -1.0, 1e9, float("nan")])
def test_an_impossible_speed_is_refused(speed: float) -> None:
    with pytest.raises(ConfigurationError, match="speed"):
        TapeOptions(build.TAPE, speed)


def test_a_tape_without_a_book_or_of_an_unknown_market_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="has no order book"):
        Play(tmp_path, [trade("1", "1")])
    with pytest.raises(ConfigurationError, match="does not describe the market 'NEW_USDC'"):
        Play(tmp_path, [snapshot(1, [("1", "1")], [("2", "1")], "NEW_USDC")], symbols=("NEW_USDC",))


@pytest.mark.parametrize("field", ["openInterestLimit", "orderBookState", "filters"])
@pytest.mark.parametrize("value", [None, "odd", "1e999999999"])
def test_a_market_that_the_tape_describes_oddly_is_the_packaged_one_or_refused(
    tmp_path: Path, field: str, value: str | None
) -> None:
    (own,) = (row for row in load_instruments() if row.symbol == SYMBOL)
    for symbol in (SYMBOL, "NEW_USDC"):
        listing = {**own.listing, "symbol": symbol, field: value}
        rows = [{"operation": "get_markets", "query": {}, "body": [listing]}]
        rows.append(snapshot(1, [("150", "1")], [("151", "1")], symbol))
        if symbol == SYMBOL:
            assert Play(tmp_path, rows).exchange.markets[SYMBOL].instrument.tick_size == own.tick_size
        else:
            with pytest.raises(ConfigurationError, match="does not describe the market 'NEW_USDC'"):
                Play(tmp_path, rows, symbols=(symbol,))


def test_a_first_book_with_figures_that_cannot_be_is_no_first_book(tmp_path: Path) -> None:
    odd = snapshot(5, [("9e999999", "1")], [("9e999999", "1")])
    assert Play(tmp_path, [odd, FIRST]).exchange.markets[SYMBOL].instrument.seed_price == Decimal("150.5")


def test_a_users_order_meets_the_tape(tmp_path: Path) -> None:
    play = Play(tmp_path, [FIRST, trade("150.00", "2.50"), depth(11, 11, [("150.00", "0.00")])])
    play.advance()
    order_id = play.exchange.place("user", limit("Bid", "150.00", "1", symbol=SYMBOL)).order.order_id
    play.run(3)
    account = play.exchange.open_account("user")
    assert str(account.orders[order_id].executed_quantity) == "0.50"
    assert play.exchange.net_quantity("user", SYMBOL) == Decimal("0.5")
    assert play.book[0] == [("149.00", "1.00"), ("150.00", "0.50")]
    assert account.fills[0].side is Side.BID
