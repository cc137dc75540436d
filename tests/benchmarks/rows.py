"""List the rows of the table: which figure each shows, and what it is to reach. The goals are those of issue 5."""

from collections.abc import Iterable
from dataclasses import dataclass

from tests.benchmarks.contestants import BUILT_IN, CCXT, FLOOR, OURS
from tests.benchmarks.runner import Experiment, Rounds, figure, ratio


@dataclass(frozen=True)
class Goal:
    """What one of our figures is to reach, against another contestant of the same run or a fixed limit."""

    against: str
    """A contestant, or "" for a limit in the row's unit."""
    value: float

    @property
    def text(self) -> str:
        """Return the goal as the table shows it."""
        if not self.against:
            return f"at most {self.value:g}"
        if self.against == FLOOR:
            return f"at most {self.value:g} x floor"
        return f"{self.value:g} x {self.against}"

    def reached(self, rounds: Rounds, row: "Row", ours: str = OURS) -> float | None:
        """Return how well it is met: 1 or more is met, 0.5 is half of the way; None when it was not measured."""
        if not self.against:
            own = figure(rounds.of(ours, row.metric))
            return None if own is None else self.value / own.median if own.median > 0 else 1.0
        if self.against == FLOOR:
            found = ratio(rounds, row.metric, ours, FLOOR)
            return None if found is None else self.value / found.median
        above, below = (ours, self.against) if row.more_is_better else (self.against, ours)
        found = ratio(rounds, row.metric, above, below)
        return None if found is None else found.median / self.value


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    title: str
    experiment: str
    metric: str
    unit: str
    goals: tuple[Goal, ...] = ()
    more_is_better: bool = False


def _built_in(times: float) -> Goal:
    return Goal(BUILT_IN, times)


def _floor(times: float) -> Goal:
    return Goal(FLOOR, times)


def _ccxt(times: float) -> Goal:
    return Goal(CCXT, times)


def _limit(value: float) -> Goal:
    return Goal("", value)


_ORDERS = {"count": 30}
_FEW = {"count": 3}
_TWENTY = {"pairs": 20}

EXPERIMENTS = [
    Experiment("sign", "sign", {"count": 300}, {"count": 5}, rounds=15),
    *(
        Experiment(f"orders-{situation}", "orders", {"situation": situation, **_ORDERS}, _FEW, rounds=11)
        for situation in ("idle", "normal", "hot")
    ),
    Experiment("cancel-normal", "cancel", {"situation": "normal", **_ORDERS}, _FEW, rounds=11),
    Experiment("ten-normal", "ten", {"situation": "normal", "count": 10}, {"count": 1}, rounds=9),
    Experiment("silence", "silence", {"seconds": 20}, {"seconds": 0.1}, rounds=3),
    Experiment("window", "window", {"seconds": 2.0}, {"seconds": 0.1}, rounds=5),
    Experiment("cancel_all", "cancel_all", {"orders": 100}, {"orders": 12}, rounds=7),
    Experiment("books-small", "books", {"size": "small", "count": 20_000, "singles": 2_000, **_TWENTY},
               {"count": 40, "singles": 3, "pairs": 2}, rounds=9),
    Experiment("books-large", "books", {"size": "large", "count": 2_000, "singles": 0, **_TWENTY},
               {"count": 10, "pairs": 2}, rounds=9),
    Experiment("stream-5000", "stream", {"count": 15_000, "rate": 5_000, "burst": 20_000, **_TWENTY},
               {"count": 40, "rate": 2_000, "burst": 40, "pairs": 2}, rounds=5),
    Experiment("stream-1000", "stream", {"count": 10_000, "rate": 1_000, "burst": 0, **_TWENTY},
               {"count": 20, "pairs": 2}, rounds=3),
    Experiment("fills", "fills", {"count": 1_000}, {"count": 5, "crowd": 20}, rounds=9),
    Experiment("balance", "balance", {"count": 100}, {"count": 5, "crowd": 20}, rounds=9),
    *(
        Experiment(f"start-{pairs}", "start", {"pairs": pairs}, {"pairs": 1}, rounds=rounds)
        for pairs, rounds in ((1, 5), (20, 3), (80, 1))
    ),
    Experiment("poll", "poll", {"orders": [1, 20, 100]}, {"orders": [1, 3, 5]}, rounds=3),
    Experiment("garbage", "garbage", rounds=5),
]  # fmt: skip

ROWS = [
    Row("sign and build one order", "sign", "us", "us", (_built_in(5.5), _floor(1.15), _ccxt(3))),
    Row("buy() -> request at the server, idle", "orders-idle", "server_us", "us", (_built_in(2.2), _ccxt(1))),
    Row("the same, normal", "orders-normal", "server_us", "us", (_built_in(6.5), _floor(1.8), _ccxt(1))),
    Row("the same, hot", "orders-hot", "server_us", "us", (_built_in(28), _ccxt(1))),
    Row("buy() -> order OPEN, normal", "orders-normal", "open_us", "us", (_built_in(5.5), _floor(1.7))),
    Row("the same, hot", "orders-hot", "open_us", "us", (_built_in(22),)),
    Row("buy() itself, normal", "orders-normal", "call_us", "us"),
    Row("cancel() -> request at the server, normal", "cancel-normal", "server_us", "us", (_built_in(7.5),)),
    Row("ten orders in one tick, last one at the server, normal", "ten-normal", "last_us", "us",
        (_built_in(11), _ccxt(2))),
    Row("the same in one batch call", "ten-normal", "batch_us", "us", (_built_in(50),)),
    Row("ten orders after 20 s of silence, connections kept, 50 ms round trip, median OPEN", "silence", "open_ms",
        "ms", (_built_in(2.8), _limit(55))),
    Row("rate window full, 20 calls waiting: lateness of a 10 ms timer, median", "window", "p50_ms", "ms"),
    Row("the same, 99th percentile", "window", "p99_ms", "ms", (_limit(1),)),
    Row("the same, CPU", "window", "cpu_pct", "%", (_limit(2),)),
    Row("the same, a cancel waits (measured up to 1 s)", "window", "cancel_ms", "ms", (_limit(1),)),
    Row("cancel_all of 100 orders, 50 ms round trip", "cancel_all", "ms", "ms", (_built_in(4), _limit(60))),
    Row("the same, account declared exclusive", "cancel_all", "exclusive_ms", "ms", (_built_in(4), _limit(60))),
    Row("the same, requests", "cancel_all", "exclusive_calls", "calls", (_limit(1),)),
    Row("depth frame -> book, in process, 20 pairs, up to 3 levels a side", "books-small", "us", "us",
        (_built_in(8.5), _floor(2), _ccxt(7))),
    Row("the same, 50 levels a side", "books-large", "us", "us", (_built_in(3.8), _floor(1.8), _ccxt(3.3))),
    Row("one small depth message through the process", "books-small", "single_us", "us", (_built_in(13), _floor(1.9))),
    Row("through sockets, 5,000 frames/s: CPU per frame", "stream-5000", "cpu_us", "us", (_built_in(2.1), _ccxt(5))),
    Row("through sockets, burst of 20,000 frames", "stream-5000", "burst_per_s", "frames/s", (_built_in(4.5),),
        more_is_better=True),
    Row("CPU at 20 pairs x 50 frames/s", "stream-1000", "cpu_pct", "%", (_built_in(1.9), _ccxt(4.5))),
    Row("fill frame -> OrderFilledEvent, 20 open, 0 cached orders", "fills", "us_20_0", "us",
        (_built_in(3.3), _floor(1.8))),
    Row("the same, 20 open, 60 cached", "fills", "us_20_60", "us", (_built_in(7), _floor(1.8))),
    Row("the same, 40 open, 600 cached", "fills", "us_40_600", "us", (_built_in(38), _floor(1.8))),
    Row("the same, growth from 1 open to 1,000 open and 1,000 cached", "fills", "growth", "times", (_limit(1.15),)),
    Row("get_available_balance, 20 open orders", "balance", "us_20", "us", (_built_in(100), _limit(2))),
    Row("the same, 1,000 open orders", "balance", "us_crowd", "us", (_limit(2),)),
    Row("start -> ready, 50 ms round trip, 1 pair", "start-1", "s", "s", (_built_in(3), _limit(0.45))),
    Row("the same, 20 pairs", "start-20", "s", "s", (_built_in(38), _limit(0.6))),
    Row("the same, 80 pairs", "start-80", "s", "s", (_built_in(100), _limit(0.8))),
    # Five calls in any case, and three where the balance stream tells what the account holds, as it does for ours.
    Row("one status poll, 1 open order: REST calls", "poll", "calls_1", "calls", (_limit(5), _limit(3))),
    Row("the same, 20 open orders", "poll", "calls_2", "calls", (_limit(5), _limit(3))),
    Row("the same, 100 open orders", "poll", "calls_3", "calls", (_limit(5), _limit(3))),
    Row("pause by a full garbage collection", "garbage", "ms", "ms", (_limit(5),)),
]  # fmt: skip


def experiments_of(rows: Iterable[Row]) -> list[Experiment]:
    """Return what has to be run for some rows, in the table's order."""
    names = {row.experiment for row in rows}
    return [experiment for experiment in EXPERIMENTS if experiment.name in names]


def selected(names: str) -> list[Row]:
    """Return the rows whose experiment begins with one of the names, separated by commas; all rows for none.

    Raises:   ValueError for a name that fits no row.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    for name in wanted:
        if not any(row.experiment.startswith(name) for row in ROWS):
            known = ", ".join(experiment.name for experiment in EXPERIMENTS)
            raise ValueError(f"No row is called {name}; there are {known}.")
    return [row for row in ROWS if not wanted or any(row.experiment.startswith(name) for name in wanted)]
