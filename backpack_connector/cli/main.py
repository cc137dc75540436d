"""Read the command line of `backpack`, load the one command that is asked for, and turn mistakes into exit codes.

Exit codes: 0 done; 1 the command could not do it, or its user said no; 2 the command line is wrong; 130 interrupted.
Errors are one sentence on stderr.
"""

import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Literal

import typer

from backpack_connector import __version__
from backpack_connector.cli.groups import Root
from backpack_connector.protocol.errors import BackpackError, shown

# The parser's own errors. Typer carries the parser inside itself since 0.20 and imported it as `click` before, so that
# this class has one name, and two places.
_USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[2]

app = typer.Typer(
    name="backpack",
    cls=Root,
    help="Backpack exchange connectors for Hummingbot.",
    rich_markup_mode=None,
    # What older Typer adds to a traceback are the local variables, and among them are keys.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Backpack exchange connectors for Hummingbot."""
    if version:
        print(f"backpack {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    journal: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", envvar="BACKPACK_JOURNAL", help="Where the bots keep their order journals."),
    ] = None,
) -> None:
    """Tell which implementation of each connector Hummingbot uses here, the versions, and how the running bots do."""
    from backpack_connector.cli.status import show_status

    show_status(as_json, journal)


@app.command()
def simulate(
    host: Annotated[str, typer.Option(help="An address of this machine.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free port.")] = 8700,
    seed: Annotated[int, typer.Option(help="Seed of the background traders.")] = 1,
    seed_key: Annotated[
        str | None, typer.Option(help="Base64 secret of the key pair to print; a new one by default.")
    ] = None,
    background: Annotated[bool, typer.Option(help="Let other traders keep the books alive.")] = True,
    taker_delay: Annotated[bool, typer.Option(help="Hold taking orders back as the exchange does.")] = True,
    faucet: Annotated[
        list[str] | None,
        typer.Option(metavar="ASSET=AMOUNT", help="What a new account gets, such as USDC=20; can be repeated."),
    ] = None,
    faults: Annotated[str | None, typer.Option(metavar="FILE", help="A JSON list of faults to begin with.")] = None,
    tape: Annotated[
        str | None, typer.Option(metavar="FILE", help="A recording of the exchange to replay as the market.")
    ] = None,
    speed: Annotated[float, typer.Option(help="Seconds of the tape in a second.")] = 1.0,
    loop: Annotated[bool, typer.Option("--loop", help="Begin the tape again at its end.")] = False,
    opens_page: Annotated[bool, typer.Option("--open", help="Show the simulator in the browser.")] = False,
    state: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Keep the exchange in a folder over restarts.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON when ready.")] = False,
) -> None:
    """Run a local Backpack with play money; print its addresses and a ready key pair."""
    from backpack_connector.cli.simulate import run_simulator

    run_simulator(
        host=host,
        port=port,
        seed=seed,
        seed_key=seed_key,
        has_background=background,
        has_taker_delay=taker_delay,
        faucet=tuple(faucet or ()),
        prints_json=as_json,
        faults_file=faults,
        tape_file=tape,
        tape_speed=speed,
        loops_tape=loop,
        opens_page=opens_page,
        state_folder=state,
    )


@app.command()
def capture(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The tape to write.")],
    symbols: Annotated[
        list[str], typer.Option(metavar="SYMBOLS", help="Markets, separated by commas; can be repeated.")
    ],
    seconds: Annotated[float | None, typer.Option(min=0.1, help="How long; until Ctrl-C by default.")] = None,
    url: Annotated[str, typer.Option(help="Another address of the REST interface.")] = "https://api.backpack.exchange",
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Record the public data of some markets; `backpack simulate --tape` replays it."""
    from backpack_connector.cli.capture import run_capture

    run_capture(path=file, symbols=symbols, seconds=seconds, url=url, replaces=force)


@app.command()
def guard(
    journal: Annotated[
        str, typer.Option(metavar="FOLDER", envvar="BACKPACK_JOURNAL", help="Where the bots keep their order journals.")
    ],
    heartbeat: Annotated[
        float, typer.Option(metavar="SECONDS", min=3, max=86_400, help="A bot silent for so long counts as gone.")
    ] = 15.0,
    max_loss: Annotated[
        str | None, typer.Option(metavar="USDC", help="Cancel when the account has lost this since the start.")
    ] = None,
    market: Annotated[
        list[str] | None, typer.Option(metavar="SYMBOL", help="Only orders of this market; can be repeated.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Look once, say what would be cancelled, change nothing.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Watch, but cancel nothing.")] = False,
    exclusive: Annotated[
        bool, typer.Option("--exclusive", help="Cancel whole markets: nobody else trades in the bots' markets.")
    ] = False,
    stop_bot: Annotated[bool, typer.Option("--stop-bot", help="Also interrupt the bot's process (SIGINT).")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON an event.")] = False,
    url: Annotated[str | None, typer.Option(help="Another address of the REST interface.")] = None,
    simulator: Annotated[bool, typer.Option("--simulator", help="Guard bots on the local simulator.")] = False,
) -> None:
    """Cancel a bot's orders when it gives no sign of life, or when the account has lost too much.

    Keys come from BACKPACK_API_KEY and BACKPACK_SECRET_KEY, a prompt, or two lines of input.
    """
    from backpack_connector.cli.guard import run_guard

    run_guard(
        journal=journal,
        heartbeat_s=heartbeat,
        max_loss=max_loss,
        markets=tuple(market or ()),
        checks_only=check,
        is_dry_run=dry_run,
        is_exclusive=exclusive,
        stops_bots=stop_bot,
        as_json=as_json,
        url=url,
        uses_simulator=simulator,
    )


@app.command()
def doctor(
    form: Annotated[
        Literal["table", "json", "csv"], typer.Option("--format", help="How to print the answer.")
    ] = "table",
    url: Annotated[str | None, typer.Option(help="Another address of the REST interface.")] = None,
    simulator: Annotated[bool, typer.Option("--simulator", help="Talk to the local simulator.")] = False,
    journal: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", envvar="BACKPACK_JOURNAL", help="Where the bots keep their order journals."),
    ] = None,
    hummingbot: Annotated[bool, typer.Option(help="Whether Hummingbot should be in this Python.")] = True,
    offline: Annotated[bool, typer.Option("--offline", help="Send nothing: look at this machine only.")] = False,
) -> None:
    """Find out what is wrong here, and what to do about it; ends with 1 when something is.

    Whether a key may trade is asked with the cancel of an order that cannot exist; nothing is placed or changed.
    """
    from backpack_connector.cli.doctor import run_doctor

    run_doctor(
        form=form,
        url=url,
        uses_simulator=simulator,
        journal=journal,
        expects_hummingbot=hummingbot,
        is_offline=offline,
    )


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Where to listen; by default only programs of this machine can ask.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free port.")] = 8710,
    url: Annotated[str | None, typer.Option(help="Another address of the REST interface.")] = None,
    simulator: Annotated[bool, typer.Option("--simulator", help="Serve the local simulator's markets.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON when ready.")] = False,
) -> None:
    """Serve public market data over HTTP, read-only and without keys; /openapi.json describes it."""
    from backpack_connector.cli.serve import run_service

    run_service(host=host, port=port, url=url, uses_simulator=simulator, prints_json=as_json)


templates = typer.Typer(help="Ready files for Hummingbot: scripts, controllers, strategies and their values.")
app.add_typer(templates, name="templates")


@templates.command("install")
def templates_install(
    folder: Annotated[
        str | None, typer.Argument(metavar="[FOLDER]", help="Hummingbot's folder; by default that of this Python.")
    ] = None,
) -> None:
    """Copy the templates into a Hummingbot folder; a file that is there already is kept."""
    from backpack_connector.cli.templates import install_templates

    install_templates(folder)


@templates.command("list")
def templates_list() -> None:
    """Show the templates and their places in a Hummingbot folder."""
    from backpack_connector.cli.templates import list_templates

    list_templates()


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        code = app(arguments, standalone_mode=False)
        sys.stdout.flush()
    except _USAGE_ERROR as error:
        words = sys.argv[1:] if arguments is None else arguments
        return _complain(_sentence(_usage_text(error.format_message(), words)), 2)  # type: ignore[attr-defined]
    except BackpackError as error:
        from backpack_connector.cli.session import advice

        return _complain(_sentence(str(error)) + advice(error), 1)
    except typer.Abort:
        return _complain("Interrupted.", 130)
    except OSError as error:
        return _complain(_sentence(_file_text(error)), 1)
    return code if isinstance(code, int) else 0


def main() -> None:
    """Run the command line of this process."""
    sys.exit(run())


def _complain(sentence: str, code: int) -> int:
    with suppress(OSError):  # there may be no room for that either
        print(sentence, file=sys.stderr)
    return code


def _usage_text(text: str, arguments: Sequence[str]) -> str:
    """Return the parser's sentence, or another one where it took a negative number for an option."""
    if re.match(r"No such option: -[.\d]", text):
        number = next((word for word in arguments if re.match(r"-\.?\d", word)), text.partition(": ")[2])
        return f"A number has to be above zero, not {shown(number)}."
    return text


def _file_text(error: OSError) -> str:
    """Return what could not be read or written, and why; an error without a name is about the output."""
    reason = error.strerror or type(error).__name__
    if error.filename:
        return f"{error.filename} cannot be used: {reason}"
    with suppress(OSError, ValueError):  # else Python tries once more at the end, and complains in its own words
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return f"The output cannot be written: {reason}"


def _sentence(text: str) -> str:
    line = " ".join(text.split())
    return line if line.endswith((".", "?", "!")) else line + "."


if __name__ == "__main__":
    main()
