"""Say what happens: one line an event, for people or as JSON, the same thing not again and again."""

import json
import time
from collections.abc import Callable
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

REPEAT_S = 60.0
"""A trouble that lasts is told again after so long."""


class Reports:
    """Writes what happens."""

    def __init__(
        self,
        write: Callable[[str], None],
        *,
        as_json: bool = False,
        wall_clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write = write
        self._as_json = as_json
        self._wall_clock = wall_clock
        self._monotonic = monotonic
        self._told_at: dict[str, float] = {}

    def say(self, event: str, sentence: str, **facts: Any) -> None:
        """Write one event; `facts` appear in the JSON only, so the sentence has to say them too."""
        moment = datetime.fromtimestamp(self._wall_clock(), tz=timezone.utc)
        if self._as_json:
            stamp = moment.isoformat(timespec="milliseconds")
            line = json.dumps({"time": stamp, "event": event, "text": sentence, **facts}, default=_plain)
        else:
            line = f"{moment:%Y-%m-%d %H:%M:%S} {sentence}"
        self._write(line)

    def say_at_times(self, topic: str, event: str, sentence: str, **facts: Any) -> None:
        """Write an event unless this topic was told within the last minute."""
        now = self._monotonic()
        if now - self._told_at.get(topic, -REPEAT_S) >= REPEAT_S:
            self._told_at[topic] = now
            self.say(event, sentence, **facts)

    def say_once(self, topic: str, event: str, sentence: str, **facts: Any) -> None:
        """Write an event unless this topic was told and is not closed."""
        if topic not in self._told_at:
            self.say_at_times(topic, event, sentence, **facts)

    def close(self, topic: str) -> bool:
        """End a topic; return whether it had been told."""
        return self._told_at.pop(topic, None) is not None


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else repr(value)
