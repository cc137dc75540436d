"""The command line of the demo: `python -m backpack_connector.demo --seconds 60`."""

import argparse
import sys

from rich.console import Console

from backpack_connector.demo.bots import PERPETUAL_BOT, SPOT_BOT
from backpack_connector.demo.story import Options, tell

LONGEST_S = 7 * 24 * 3600


def positive(text: str) -> float:
    """Read a number of seconds."""
    number = float(text)
    if not 0 < number <= LONGEST_S:
        raise ValueError(text)
    return number


def port(text: str) -> int:
    """Read a port number that a program may listen on."""
    number = int(text)
    if not 0 < number <= 65535:
        raise ValueError(text)
    return number


def read_options(arguments: list[str]) -> Options:
    """Read the command line; a mistake ends the program with one sentence and code 2."""
    parser = argparse.ArgumentParser(
        prog="python -m backpack_connector.demo",
        description="Run a real Hummingbot bot against the simulator and compare their books.",
        epilog="Exit code 0: equal books; 1: they differ; 3: the demo could not finish.",
    )
    parser.add_argument(
        "--seconds", type=positive, default=Options.seconds, help="how long the bot trades (default 60)"
    )
    parser.add_argument("--seed", type=int, default=Options.seed, help="seed of the simulated market (default 7)")
    parser.add_argument("--port", type=port, help="port of the simulator (default: 8700 when free, else any)")
    parser.add_argument("--perp", action="store_true", help="trade perpetual futures instead of spot")
    parser.add_argument("--keep", action="store_true", help="keep the folder with logs, journal and database")
    chosen = parser.parse_args(arguments)
    bot = PERPETUAL_BOT if chosen.perp else SPOT_BOT
    return Options(chosen.seconds, chosen.seed, chosen.port, chosen.keep, bot)


def main() -> int:
    """Run the demo with the arguments of this process."""
    return tell(read_options(sys.argv[1:]), Console(highlight=False))


if __name__ == "__main__":
    sys.exit(main())
