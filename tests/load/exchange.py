"""The simulator with many markets, whose depth streams tell as many frames a second as its standard input asks for.

A line of JSON with the addresses comes first. Then each line of input is a number, the frames a second from now on, and
is answered by a line with what was told since the last one: frames, seconds, CPU seconds of this process.
"""

import asyncio
import contextlib
import copy
import itertools
import json
import sys
import time

from backpack_connector.simulator import Simulator
from backpack_connector.simulator.background import STEP_US, Background
from backpack_connector.simulator.clock import wall_clock_us
from backpack_connector.simulator.events import LevelChanged
from backpack_connector.simulator.markets import Instrument, instrument_of, load_instruments

MODEL = "SOL_USDC_PERP"
TURN_S, PAUSE_S = 0.004, 0.001
"""So long the other traders act at a time, and so long everybody else has their turn then at least."""
MOST_BEHIND_S = 0.1


def instruments(count: int) -> list[Instrument]:
    """Return perpetual markets that are like one of the simulator's own, and the spot markets beside them."""
    listed = load_instruments()
    model = next(instrument for instrument in listed if instrument.symbol == MODEL)
    made = []
    for number in range(count):
        base = f"L{number:02d}"
        listing = {**copy.deepcopy(dict(model.listing)), "symbol": f"{base}_USDC_PERP", "baseSymbol": base}
        made.append(instrument_of(listing, model.seed_price))
    return made


class Pace:
    """Lets the other traders act market by market, so often that the asked number of depth frames comes of it."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        background = Background(simulator.exchange, 1, wall_clock_us())
        self._flows = itertools.cycle(background._flows)
        self._underlyings = background._underlyings
        self.frames_per_s = 0.0
        self.told = 0

    async def run(self) -> None:
        """Go on for ever."""
        credit, then, moved = 0.0, time.perf_counter(), 0.0
        while True:
            await asyncio.sleep(PAUSE_S)
            now = time.perf_counter()
            credit = min(credit + (now - then) * self.frames_per_s, self.frames_per_s * MOST_BEHIND_S)
            then = now
            if now - moved >= STEP_US / 10**6:
                moved = now
                for underlying in self._underlyings:
                    underlying.step()
            while credit > 0 and time.perf_counter() - now < TURN_S:
                credit -= self._one_market()

    def _one_market(self) -> int:
        count = 0
        for execution in next(self._flows).step():
            count += sum(type(event) is LevelChanged for event in execution.events)
            self._simulator.publish(execution)
        self.told += count
        return count or 1


async def main(count: int) -> None:
    """Serve until the standard input ends."""
    simulator = Simulator(port=0, background=False, taker_delay_s=0.0, instruments=instruments(count))
    await simulator.start()
    pace = Pace(simulator)
    running = asyncio.ensure_future(pace.run())
    symbols = list(simulator.exchange.markets)
    print(json.dumps({"rest": simulator.rest_url, "ws": simulator.ws_url, "symbols": symbols}), flush=True)
    begun, cpu_s = time.perf_counter(), time.process_time()
    while line := await asyncio.to_thread(sys.stdin.readline):
        if running.done():
            running.result()
        now, cpu_now_s = time.perf_counter(), time.process_time()
        told = {"frames": pace.told, "seconds": now - begun, "cpuSeconds": cpu_now_s - cpu_s}
        pace.frames_per_s, pace.told, begun, cpu_s = float(line), 0, now, cpu_now_s
        print(json.dumps(told), flush=True)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    await simulator.stop()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
