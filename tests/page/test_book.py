"""The page's order book decides about each update as `protocol.depth` does, and ends with the same levels."""

import json
import random
from typing import Any

import pytest

from backpack_connector.protocol.depth import DepthSequence
from tests.page.conftest import Watched

pytestmark = pytest.mark.asyncio(loop_scope="module")

RUNS = 300
STEPS = 25

REPLAY = """async text => {
    const { Book } = await import('/simulator/page/book.js');
    return JSON.stringify(JSON.parse(text).map(steps => {
        const book = new Book();
        return steps.map(([name, message]) => {
            const verdict = book[name](message);
            return [verdict, book.lastId, Object.fromEntries(book.best('bids')), Object.fromEntries(book.best('asks'))];
        });
    }));
}"""


class Model:
    """A book made of `DepthSequence` and dictionaries."""

    def __init__(self) -> None:
        self.sequence: DepthSequence[dict[str, Any]] = DepthSequence()
        self.levels: dict[str, dict[float, str]] = {"b": {}, "a": {}}

    def update(self, frame: dict[str, Any]) -> str:
        verdict = self.sequence.update(frame["U"], frame["u"], frame).value
        if verdict == "apply":
            self.apply(frame)
        elif verdict == "gap":
            self.levels = {"b": {}, "a": {}}
        return verdict

    def snapshot(self, answer: dict[str, Any]) -> bool:
        replay = self.sequence.snapshot(int(answer["lastUpdateId"]))
        if replay is None:
            if not self.sequence.is_synchronized:
                self.levels = {"b": {}, "a": {}}
            return False
        self.levels = {
            key: {float(price): text for price, text in answer[name]} for key, name in (("b", "bids"), ("a", "asks"))
        }
        for frame in replay:
            self.apply(frame)
        return True

    def apply(self, frame: dict[str, Any]) -> None:
        for key, levels in self.levels.items():
            for price, text in frame[key]:
                if float(text) == 0:
                    levels.pop(float(price), None)
                else:
                    levels[float(price)] = text

    def state(self) -> list[Any]:
        return [self.sequence.last_update_id, self.levels["b"], self.levels["a"]]


def steps_of(chance: random.Random) -> list[tuple[str, dict[str, Any]]]:
    """Return updates and snapshots of one book, some lost, late or twice, some snapshots old."""
    steps: list[tuple[str, dict[str, Any]]] = []
    now = 10
    for _ in range(STEPS):
        if chance.random() < 0.25:
            levels = {name: rows_of(chance, 2) for name in ("bids", "asks")}
            steps.append(("snapshot", {"lastUpdateId": str(max(1, now - chance.choice((0, 0, 0, 1, 2, 5)))), **levels}))
            continue
        first = now + 1 + (chance.random() < 0.1) * chance.randint(1, 3)
        now = first + chance.choice((0, 0, 1, 3))
        step = ("update", {"U": first, "u": now, "b": rows_of(chance, 2), "a": rows_of(chance, 1)})
        steps += [step] * chance.choice((1, 1, 1, 1, 2))
    return steps


def rows_of(chance: random.Random, count: int) -> list[list[str]]:
    prices = chance.sample(["99", "99.0", "100.5", "101", "101.00", "102.25"], count)
    return [[price, chance.choice(["0", "0.00", "1", "2.50"])] for price in prices]


async def test_the_page_and_the_connectors_keep_books_alike(watched: Watched) -> None:
    await watched.open()
    runs = [steps_of(random.Random(seed)) for seed in range(RUNS)]
    theirs = json.loads(await watched.page.evaluate(REPLAY, json.dumps(runs)))
    verdicts = set()
    for steps, answers in zip(runs, theirs, strict=True):
        model = Model()
        for (name, message), answer in zip(steps, answers, strict=True):
            verdict = getattr(model, name)(message)
            verdicts.add(verdict)
            last_id, bids, asks = model.state()
            shown = [{float(price): text for price, text in side.items()} for side in answer[2:]]
            assert [answer[0], answer[1], *shown] == [verdict, last_id, bids, asks], message
    assert verdicts == {"apply", "buffer", "drop", "gap", True, False}
