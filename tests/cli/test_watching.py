"""Watching a market: a live table on a terminal, lines elsewhere, JSON where it is asked for."""

import json
import os
import pty
import subprocess
import sys

from tests.cli.conftest import Shown, environment

SPOT = "SOL_USDC"


def test_on_a_terminal_it_is_a_live_table(command: Shown, exchange: dict[str, str]) -> None:
    command("order", "create", SPOT, "buy", "limit", "--quantity", "2", "--price", "81")
    ours, theirs = pty.openpty()
    program = [sys.executable, "-m", "backpack_connector.cli.main", "market", "watch", SPOT, "--seconds", "1"]
    process = subprocess.Popen(
        [*program, "--url", exchange["restUrl"]],
        stdout=theirs,
        stderr=subprocess.STDOUT,
        env=environment(TERM="xterm", COLUMNS="100", LINES="40"),
    )
    os.close(theirs)
    screen = b""
    while part := _read(ours):
        screen += part
    assert process.wait(60) == 0
    os.close(ours)
    text = screen.decode(errors="replace")
    assert "bid quantity" in text
    assert "81" in text
    command("order", "cancel-all", SPOT)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except OSError:  # the other end is closed
        return b""


def test_json_is_one_line_for_each_change(command: Shown) -> None:
    command("order", "create", SPOT, "buy", "limit", "--quantity", "2", "--price", "82")
    result = command("market", "watch", SPOT, "--seconds", "0.5", "--json")
    first = json.loads(result.out.splitlines()[0])
    assert (result.code, first["symbol"], first["bids"][0], first["lastTrade"]) == (0, SPOT, ["82", "2"], None)
    command("order", "cancel-all", SPOT)
