"""Decide from the signs of life in the journals which bots have fallen silent; no clock, no files, no network.

Rule 1: a sign of life is a change. How old one is by the clock of the machine does not matter, so that nobody falls
        silent because a clock was put forward.
Rule 2: silence is counted in looks that were really taken. Between two looks at most one ordinary interval counts: when
        the guard itself did not run (suspended, stopped, starved), it cannot know who was silent meanwhile.
Rule 3: silence without open orders is no alarm, whether the bot was stopped, killed or hangs: there is nothing to
        cancel.
Rule 4: steady signs of life end the alarm, if the process that gives them holds the journal's lock. A file that
        somebody copies or touches is no bot, and a bot that hangs may still write down that the guard has cancelled
        its orders, which is one burst of signs and no life.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from backpack_connector.order_journal import OrderRecord

STEADY_S = 3.0
"""A silent bot is back when it has given signs of life for so long."""
LONGEST_GAP_S = 2.5
"""Signs of life, of which there is one a second, are steady without a gap of this length."""


@dataclass(frozen=True)
class Sighting:
    """What one look at a journal has shown."""

    bot: str
    """The name of its journal."""
    beat: int
    """Anything that changes with every sign of life."""
    is_alive: bool
    """Whether a running process holds the journal."""
    orders: tuple[OrderRecord, ...] = ()
    """Orders that may be open, of the markets that are guarded."""


class Kind(Enum):
    """What can happen to a bot, as the guard sees it."""

    SEEN = "bot_seen"
    SILENT = "bot_silent"
    ALARM = "alarm"
    BACK = "bot_back"
    GONE = "bot_gone"


@dataclass(frozen=True)
class Change:
    """One thing that has happened to a bot."""

    kind: Kind
    sighting: Sighting
    silent_s: float = 0.0


@dataclass
class _Watched:
    sighting: Sighting
    silent_s: float = 0.0
    steady_s: float | None = None
    """How long ago a silent bot began to give signs of life again."""
    phase: Kind = Kind.SEEN


class Alarms:
    """The bots of one folder, and which of them have fallen silent."""

    def __init__(self, heartbeat_s: float, longest_step_s: float) -> None:
        self._heartbeat_s = heartbeat_s
        self._longest_step_s = longest_step_s
        self._bots: dict[str, _Watched] = {}
        self._looked_at: float | None = None

    @property
    def sightings(self) -> list[Sighting]:
        """Return what the last look has shown."""
        return [bot.sighting for bot in self._bots.values()]

    @property
    def alarmed(self) -> list[Sighting]:
        """Return the silent bots whose orders are to be cancelled."""
        return [bot.sighting for bot in self._bots.values() if bot.phase is Kind.ALARM]

    @property
    def hanging(self) -> list[Sighting]:
        """Return the alarmed bots whose processes run and give no sign of life, not those that come back just now."""
        return [
            bot.sighting
            for bot in self._bots.values()
            if bot.phase is Kind.ALARM and bot.sighting.is_alive and bot.silent_s >= self._heartbeat_s
        ]

    def look(self, now_s: float, sightings: Iterable[Sighting]) -> list[Change]:
        """Take what a look at the folder has shown, and return what has changed.

        Units:    `now_s` in seconds of a clock that nobody can set.
        """
        step_s = 0.0 if self._looked_at is None else min(now_s - self._looked_at, self._longest_step_s)
        self._looked_at = now_s
        changes: list[Change] = []
        before, self._bots = self._bots, {}
        for sighting in sightings:
            bot = before.pop(sighting.bot, None)
            if bot is None:
                bot = _Watched(sighting)
                changes.append(Change(Kind.SEEN, sighting))
            else:
                changes += self._compare(bot, sighting, step_s)
            self._bots[sighting.bot] = bot
        changes += [Change(Kind.GONE, bot.sighting, bot.silent_s) for bot in before.values()]
        return changes

    def _compare(self, bot: _Watched, sighting: Sighting, step_s: float) -> list[Change]:
        is_sign_of_life = sighting.is_alive and sighting.beat != bot.sighting.beat
        bot.silent_s = 0.0 if is_sign_of_life else bot.silent_s + step_s
        bot.sighting = sighting
        phase = bot.phase
        if phase is not Kind.SEEN and self._is_back(bot, step_s, is_sign_of_life):
            bot.phase, bot.steady_s = Kind.SEEN, None
            return [Change(Kind.BACK, sighting)]
        if bot.silent_s < self._heartbeat_s or phase is Kind.ALARM:
            return []
        bot.phase = Kind.ALARM if sighting.orders else Kind.SILENT
        return [Change(bot.phase, sighting, bot.silent_s)] if bot.phase is not phase else []

    def _is_back(self, bot: _Watched, step_s: float, is_sign_of_life: bool) -> bool:
        if bot.steady_s is not None:
            bot.steady_s = bot.steady_s + step_s if bot.silent_s < LONGEST_GAP_S else None
        elif is_sign_of_life:
            bot.steady_s = 0.0
        return is_sign_of_life and bot.steady_s is not None and bot.steady_s >= STEADY_S
