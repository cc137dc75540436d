"""Watching a market: a live table on a terminal, lines elsewhere, JSON where it is asked for."""

import json

from tests.cli.conftest import Shown
from tests.cli.terminal import on_a_terminal

SPOT = "SOL_USDC"


def test_on_a_terminal_it_is_a_live_table(command: Shown, exchange: dict[str, str]) -> None:
    command("order", "create", SPOT, "buy", "limit", "--quantity", "2", "--price", "81")
    screen = on_a_terminal("market", "watch", SPOT, "--seconds", "1", "--url", exchange["restUrl"], COLUMNS="100")
    assert (screen.code, screen.other) == (0, "")
    assert "bid quantity" in screen.text
    assert "81" in screen.text
    command("order", "cancel-all", SPOT)


def test_json_is_one_line_for_each_change(command: Shown) -> None:
    command("order", "create", SPOT, "buy", "limit", "--quantity", "2", "--price", "82")
    result = command("market", "watch", SPOT, "--seconds", "0.5", "--json")
    first = json.loads(result.out.splitlines()[0])
    assert (result.code, first["symbol"], first["bids"][0], first["lastTrade"]) == (0, SPOT, ["82", "2"], None)
    command("order", "cancel-all", SPOT)
