"""Run the guard: look at the journals and at the account's worth, and have cancelled what is to be cancelled.

What happens when something else breaks:
- The exchange cannot be reached: nothing is concluded from it. Cancels of silent bots are tried until they get through.
- The guard itself stood still: silence of that time does not count (`alarms`).
- The folder of the journals cannot be read or written, so that bots cannot give signs of life there: said every
  minute; alarms that are on stay on, and no new one begins.
- An error in the guard's own code: said, and the guard goes on.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from backpack_connector.client.rest import BackpackClient
from backpack_connector.order_journal import Journal
from backpack_connector.protocol.errors import BackpackError

from .alarms import Alarms, Change, Kind, Sighting
from .canceller import Canceller, open_orders
from .folder import JournalFolder, interrupt
from .loss_limit import LossLimit, TransferSum
from .loss_watch import LossWatch
from .memory import Memory
from .preflight import check_key, check_markets
from .reports import Reports

LOOK_S = 1.0
LOSS_LOOK_S = 5.0
CHECK_S = 60.0


@dataclass(frozen=True)
class Options:
    """What the user wants."""

    folder: Path
    heartbeat_s: float
    max_loss: Decimal | None = None
    """USDC."""
    markets: tuple[str, ...] = ()
    """Symbols; all when empty."""
    is_exclusive: bool = False
    is_dry_run: bool = False
    stops_bots: bool = False


class Watchdog:
    """One guard of one account."""

    def __init__(self, options: Options, client: BackpackClient, account: str, reports: Reports) -> None:
        self._options = options
        self._client = client
        self._reports = reports
        self._folder = JournalFolder(options.folder, account, options.markets)
        self._alarms = Alarms(options.heartbeat_s, longest_step_s=2 * LOOK_S)
        self.canceller = Canceller(client, reports, is_exclusive=options.is_exclusive, is_dry_run=options.is_dry_run)
        self._memory = Memory(options.folder, account)
        self._loss: LossWatch | None = None
        self._interrupted: set[tuple[str, int]] = set()
        self._other_accounts: set[str] = set()

    async def run(self, stopped: asyncio.Event) -> None:
        """Guard until `stopped` is set.

        Raises:   ConfigurationError when it makes no sense to begin.
        """
        try:
            self._open_memory()
            await check_markets(self._client, self._options.markets)
            await check_key(self._client, self._reports, is_dry_run=self._options.is_dry_run)
            steps: list[tuple[Callable[[], Awaitable[object]], float]] = [
                (self._look, LOOK_S),
                (self.canceller.run, 1.0),
                (self._check_exchange, CHECK_S),
            ]
            if self._loss is not None:
                steps.append((self._look_at_loss, LOSS_LOOK_S))
            tasks = [asyncio.ensure_future(self._for_ever(step, pause_s)) for step, pause_s in steps]
            try:
                await stopped.wait()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            self._memory.forget()
        finally:
            self._memory.close()
        state = "" if self.canceller.is_idle else " Orders that were to be cancelled may still be open."
        self._reports.say("stopped", f"The guard has stopped; nobody watches the bots now.{state}")

    async def _for_ever(self, step: Callable[[], Awaitable[object]], pause_s: float) -> None:
        while True:
            try:
                await step()
            except Exception as error:  # noqa: BLE001 - a guard that dies of its own error guards nothing
                self._reports.say_at_times(f"bug {error!r}", "trouble", f"Unexpected error in the guard: {error!r}.")
            await asyncio.sleep(pause_s)

    def _open_memory(self) -> None:
        most = self._options.max_loss
        try:
            self._memory.open()
        except OSError as error:
            self._reports.say(
                "trouble", f"Nothing can be written to {self._options.folder}: {error.strerror or error}."
            )
        if most is None:
            return
        remembered = self._memory.load()
        limit, transfers = LossLimit(most), TransferSum()
        if remembered is not None:
            limit = LossLimit(most, remembered.baseline, is_reached=remembered.is_reached)
            transfers = TransferSum(remembered.transferred, set(remembered.known_transfers))
            state = "reached" if remembered.is_reached else "not reached"
            self._reports.say(
                "resumed",
                f"An earlier guard was killed; going on with its account value of {remembered.baseline} USDC, and the "
                f"limit {state}.",
            )
        self._loss = LossWatch(self._client, self._reports, limit, transfers)

    async def _check_exchange(self) -> None:
        try:
            await open_orders(self._client)
        except BackpackError as error:
            self._reports.say_at_times(
                "exchange", "trouble", f"The exchange cannot be asked now, so nothing could be cancelled: {error}."
            )
            return
        if self._reports.close("exchange"):
            self._reports.say("trouble_over", "The exchange can be reached again.")

    async def _look(self) -> None:
        try:
            self._memory.touch()
            ours, strangers = self._folder.look()
        except OSError as error:
            self._reports.say_at_times(
                "folder",
                "trouble",
                f"{self._options.folder} cannot be read and written, so bots are not watched: {error.strerror}.",
            )
            return
        if self._reports.close("folder"):
            self._reports.say("trouble_over", f"{self._options.folder} can be read and written again.")
        self._tell_strangers(strangers)
        journals = {sighting.bot: journal for sighting, journal in ours}
        for change in self._alarms.look(asyncio.get_running_loop().time(), [sighting for sighting, _ in ours]):
            self._tell(change, journals.get(change.sighting.bot))
        if ours:
            self._reports.close("empty")
        else:
            self._reports.say_once(
                "empty", "waiting", f"No bot of this account has a journal in {self._options.folder}; waiting for one."
            )
        self._aim(journals)

    def _aim(self, journals: dict[str, Journal]) -> None:
        silent = self._alarms.alarmed
        others = [sighting for sighting in self._alarms.sightings if sighting not in silent]
        has_lost = self._loss is not None and self._loss.limit.is_reached
        self.canceller.aim(silent, posting=others if has_lost else [], spared=[] if has_lost else others)
        if self._options.stops_bots:
            for sighting in self._alarms.sightings if has_lost else self._alarms.hanging:
                self._interrupt(sighting, journals[sighting.bot])

    def _interrupt(self, sighting: Sighting, journal: Journal) -> None:
        run = (sighting.bot, journal.pid)
        if run not in self._interrupted and sighting.is_alive:
            self._interrupted.add(run)
            done = f"{sighting.bot}: would be stopped." if self._options.is_dry_run else interrupt(journal)
            self._reports.say("stop_bot", done, bot=sighting.bot, pid=journal.pid)

    def _tell(self, change: Change, journal: Journal | None) -> None:
        name, count = change.sighting.bot, len(change.sighting.orders)
        process = f"process {journal.pid} runs" if journal is not None and journal.is_alive else "its process is gone"
        seconds = f"{change.silent_s:.0f} s"
        sentences = {
            Kind.SEEN: f"{name}: watching ({process}; open orders in the journal: {count}).",
            Kind.SILENT: f"{name}: no sign of life for {seconds} ({process}); it has no open orders.",
            Kind.ALARM: f"{name}: no sign of life for {seconds} ({process}); cancelling its orders ({count} known).",
            Kind.BACK: f"{name}: gives signs of life again; watching.",
            Kind.GONE: f"{name}: its journal is closed; it has stopped without open orders, or was started anew.",
        }
        self._reports.say(change.kind.value, sentences[change.kind], bot=name, openOrders=count)

    def _tell_strangers(self, strangers: list[Journal]) -> None:
        for journal in strangers:
            if journal.path.stem not in self._other_accounts:
                self._other_accounts.add(journal.path.stem)
                self._reports.say(
                    "other_account", f"{journal.path.stem}: of another API key, not watched.", bot=journal.path.stem
                )

    async def _look_at_loss(self) -> None:
        if self._loss is None or not await self._loss.look():
            return
        try:
            self._memory.save(self._loss.limit, self._loss.transfers)
        except OSError as error:
            self._reports.say_at_times("memory", "trouble", f"The loss limit cannot be remembered: {error.strerror}.")
