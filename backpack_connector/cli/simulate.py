"""Start the simulator from the command `backpack`."""

from typing import Any

import typer

from backpack_connector.simulator.__main__ import Options, run


def run_simulator(**options: Any) -> None:
    """Run until interrupted; the simulator says itself what went wrong."""
    code = run(Options(**options))
    if code:
        raise typer.Exit(code)
