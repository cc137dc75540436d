"""Start the simulator from the command line: python -m backpack_connector.simulator."""

import argparse
import asyncio
import base64
import binascii
import errno
import json
import signal
import sys
import threading
import webbrowser
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from urllib.parse import urlencode

from backpack_connector.protocol.errors import ConfigurationError
from backpack_connector.protocol.signing import generate_key_pair

from .accounts import DEFAULT_FAUCET
from .faults_kinds import Fault, read_faults
from .refusals import Refusal
from .replay import Tape, TapeOptions
from .sequencer import DEFAULT_TAKER_DELAY_S
from .server import DEFAULT_HOST, DEFAULT_PORT, Simulator, serve

_SEED_BYTES = 32
_FAILURE, _WRONG_OPTIONS = 1, 2


@dataclass(frozen=True)
class Options:
    """How to start the simulator."""

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    seed: int = 1
    has_background: bool = True
    has_taker_delay: bool = True
    seed_key: str | None = None
    """Secret of the key pair to print, base64; a new one when absent."""
    faucet: tuple[str, ...] = ()
    """What each new account gets instead of the usual amounts, such as `USDC=20`."""
    prints_json: bool = False
    faults_file: str | None = None
    """A JSON file with a list of faults (faults_kinds)."""
    tape_file: str | None = None
    """A tape to replay as the market (replay)."""
    tape_speed: float = 1.0
    loops_tape: bool = False
    opens_page: bool = False
    """Show the page in the user's browser as soon as it is there."""
    state_folder: str | None = None
    """Where the exchange is kept over restarts (kept_state)."""


def run(options: Options) -> int:
    """Run the simulator until it is interrupted, and return the exit code."""
    try:
        api_key, api_secret = generate_key_pair(_seed_bytes(options.seed_key))
        simulator = Simulator(
            host=options.host,
            port=options.port,
            seed=options.seed,
            taker_delay_s=DEFAULT_TAKER_DELAY_S if options.has_taker_delay else 0.0,
            background=options.has_background,
            faucet=_amounts(options.faucet) or DEFAULT_FAUCET,
            tape=_tape(options),
            state_folder=None if options.state_folder is None else Path(options.state_folder),
        )
        faults = _faults(options.faults_file)
    except ConfigurationError as error:
        _complain(str(error))
        return _WRONG_OPTIONS
    ready_text = _json_text if options.prints_json else _plain_text

    def on_ready() -> None:
        _say(ready_text(simulator, api_key, api_secret))
        if options.opens_page:
            _open_page(f"{simulator.rest_url}/#{urlencode({'account': api_key})}")

    try:
        asyncio.run(_serve(simulator, faults, on_ready))
    except Refusal as refusal:
        _complain(f"{refusal.message} ({options.faults_file}).")
        return _WRONG_OPTIONS
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return _fail(f"Port {options.port} of {options.host} is taken; choose another one with --port.")
        return _fail(f"Port {options.port} of {options.host} cannot be used: {error.strerror or error}.")
    return 0


async def _serve(simulator: Simulator, faults: Sequence[Fault], on_ready: Callable[[], None]) -> None:
    simulator.faults.inject(*faults)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    await serve(simulator, stopped, lambda _: on_ready())


def _open_page(url: str) -> None:
    """Have the browser started beside the simulator, because some browsers return only when they are closed."""

    def start() -> None:
        if not webbrowser.open(url):
            _complain(f"No browser could be started; open {url} yourself.")

    threading.Thread(target=start, daemon=True).start()


def _seed_bytes(seed_key: str | None) -> bytes | None:
    if seed_key is None:
        return None
    try:
        seed = base64.b64decode(seed_key, validate=True)
    except (binascii.Error, ValueError):
        raise ConfigurationError("The seed key is not base64 text.") from None
    if len(seed) != _SEED_BYTES:
        raise ConfigurationError(f"The seed key holds {len(seed)} bytes instead of {_SEED_BYTES}.")
    return seed


def _amounts(texts: Sequence[str]) -> Mapping[str, Decimal]:
    amounts = {}
    for text in texts:
        asset, separator, number = text.partition("=")
        try:
            amount = Decimal(number)
        except InvalidOperation:
            amount = Decimal("NaN")
        if not (asset and separator and amount.is_finite() and amount >= 0):
            raise ConfigurationError(f"{text!r} is no faucet amount; write it as in USDC=1000.")
        amounts[asset] = amount
    return amounts


def _tape(options: Options) -> Tape | None:
    if options.tape_file is None:
        if options.loops_tape or options.tape_speed != Options.tape_speed:
            raise ConfigurationError("There is no tape to loop or to speed up; name one with --tape.")
        return None
    return Tape(TapeOptions(Path(options.tape_file), options.tape_speed, options.loops_tape))


def _faults(name: str | None) -> list[Fault]:
    if name is None:
        return []
    try:
        text = Path(name).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"The faults cannot be read from {name}: {error.strerror or error}.") from None
    try:
        return read_faults(text)
    except Refusal as refusal:
        raise ConfigurationError(f"{refusal.message} ({name}).") from None


def _json_text(simulator: Simulator, api_key: str, api_secret: str) -> str:
    return json.dumps(
        {
            "apiKey": api_key,
            "apiSecret": api_secret,
            "restUrl": simulator.rest_url,
            "seed": simulator.seed,
            "wsUrl": simulator.ws_url,
        }
    )


def _plain_text(simulator: Simulator, api_key: str, api_secret: str) -> str:
    return "\n".join(
        (
            "A simulated Backpack exchange is running; stop it with Ctrl-C.",
            f"  REST        {simulator.rest_url}",
            f"  WebSocket   {simulator.ws_url}",
            f"  Truth       {simulator.rest_url}/simulator/truth",
            f"  Page        {simulator.rest_url}/",
            "A key pair with play money (any other ED25519 key pair works as well):",
            f"  API key     {api_key}",
            f"  API secret  {api_secret}",
        )
    )


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _complain(sentence: str) -> None:
    sys.stderr.write(sentence + "\n")
    sys.stderr.flush()


def _fail(sentence: str) -> int:
    _complain(sentence)
    return _FAILURE


def parse_options(arguments: Sequence[str] | None = None) -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m backpack_connector.simulator", description=__doc__)
    parser.add_argument("--host", default=DEFAULT_HOST, help="an address of this machine (default: %(default)s)")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 takes any free port (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the background flow (default: %(default)s)")
    parser.add_argument("--no-background", action="store_true", help="leave the books empty")
    parser.add_argument("--no-taker-delay", action="store_true", help="do not hold orders back for 100 ms")
    parser.add_argument("--seed-key", help="base64 secret of the key pair to print; a new one by default")
    parser.add_argument(
        "--faucet",
        action="append",
        default=[],
        metavar="ASSET=AMOUNT",
        help="what a new account gets, instead of the usual amounts; may be given several times",
    )
    parser.add_argument("--faults", metavar="FILE", help="a JSON list of faults to begin with")
    parser.add_argument("--tape", metavar="FILE", help="a recording of the exchange to replay as the market")
    parser.add_argument("--speed", type=float, default=1.0, help="seconds of the tape in a second (default: 1)")
    parser.add_argument("--loop", action="store_true", help="begin the tape again at its end")
    parser.add_argument("--open", action="store_true", help="show the simulator in the browser")
    parser.add_argument("--state", metavar="FOLDER", help="keep the exchange in a folder over restarts")
    parser.add_argument("--json", action="store_true", help="print one line of JSON when ready")
    parsed = parser.parse_args(arguments)
    return Options(
        host=parsed.host,
        port=parsed.port,
        seed=parsed.seed,
        has_background=not parsed.no_background,
        has_taker_delay=not parsed.no_taker_delay,
        seed_key=parsed.seed_key,
        faucet=tuple(parsed.faucet),
        prints_json=parsed.json,
        faults_file=parsed.faults,
        tape_file=parsed.tape,
        tape_speed=parsed.speed,
        loops_tape=parsed.loop,
        opens_page=parsed.open,
        state_folder=parsed.state,
    )


if __name__ == "__main__":
    sys.exit(run(parse_options()))
