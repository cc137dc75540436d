"""Record the exchange from the command `backpack`."""

import asyncio
import logging
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from backpack_connector.cli.session import checked
from backpack_connector.client.capture import Capture, CaptureOptions, CaptureReport
from backpack_connector.hosts import checked_url
from backpack_connector.protocol.errors import BackpackError, ConfigurationError


def run_capture(*, path: str, symbols: Sequence[str], seconds: float | None, url: str, replaces: bool) -> None:
    """Record until the time is up or somebody interrupts, and say what is on the tape.

    Raises:   a usage error for a market, a file or an address that cannot be used; BackpackError for what cannot be
              recorded.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    names = [name.strip() for text in symbols for name in text.split(",") if name.strip()]
    options = CaptureOptions(Path(path), names, checked(lambda: checked_url(url, "--url")), replaces)
    try:
        report = checked(lambda: asyncio.run(_capture(options, seconds)))
    except BackpackError:
        raise
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror or error}.") from None
    print(summary(path, report))


async def _capture(options: CaptureOptions, seconds: float | None) -> CaptureReport:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    if seconds is not None:
        loop.call_later(seconds, stopped.set)
    return await Capture(options, _now_us).run(stopped)


def _now_us() -> int:
    return time.time_ns() // 1_000


def summary(path: str, report: CaptureReport) -> str:
    """Say in a few words what was recorded."""
    if not report.connections:
        return "Nothing was recorded: it was stopped before the exchange had answered."
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(report.streams.items())) or "none"
    troubles = [
        text
        for count, text in (
            (report.gaps, f"{report.gaps} gaps, each followed by a new snapshot"),
            (report.connections - 1, f"{report.connections - 1} reconnections"),
            (report.unreadable, f"{report.unreadable} messages that could not be read"),
        )
        if count > 0
    ]
    size = Path(path).stat().st_size
    first = f"{path}: {report.frames} frames ({kinds}), {report.snapshots} snapshots, {size} bytes."
    return first + (f" {'; '.join(troubles)}." if troubles else "")
