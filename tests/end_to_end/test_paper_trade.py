"""Paper trading with Backpack's real order book, by Hummingbot's own V1 market maker in its real engine."""

import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

pytest.importorskip("hummingbot")

from backpack_connector.demo.bots import SPOT_BOT
from tests.end_to_end.place import Place, place_for, wait_for

pytestmark = pytest.mark.timeout(180)

EXCHANGE = "backpack_simulator_paper_trade"
START = {"SOL": Decimal(10), "USDC": Decimal(1000)}
PAPER = f"""
paper_trade:
  paper_trade_exchanges:
  - backpack_simulator
  paper_trade_account_balance:
    SOL: {START["SOL"]}
    USDC: {START["USDC"]}
"""
CHANGES = {
    "exchange: backpack": f"exchange: {EXCHANGE}",
    "bid_spread: 0.2": "bid_spread: 0.01",
    "ask_spread: 0.2": "ask_spread: 0.01",
    "order_refresh_time: 15.0": "order_refresh_time: 3.0",
}
AMOUNTS = re.compile(r"Total Balance +([\d.]+) +([\d.]+)")


def fills(place: Place) -> list[tuple[str, Decimal]]:
    """Return side and amount of what Hummingbot wrote down about the bot's fills."""
    if not place.home.trades_database.exists():
        return []
    with closing(sqlite3.connect(place.home.trades_database)) as database:
        rows = database.execute("SELECT trade_type, amount FROM TradeFill ORDER BY timestamp").fetchall()
    return [(side, Decimal(amount).scaleb(-6)) for side, amount in rows]


def shown_balance(place: Place) -> dict[str, Decimal]:
    """Return what `hbot status` shows; empty while it shows none."""
    found = AMOUNTS.search(place.typed("status"))
    return {} if found is None else dict(zip(START, map(Decimal, found.groups()), strict=True))


def test_paper_orders_are_filled_from_the_real_book_and_change_the_paper_balance(tmp_path: Path) -> None:
    bot = replace(SPOT_BOT, configuration="paper.yml")
    with place_for(tmp_path.resolve(), bot) as place:
        client = place.home.folder / "conf" / "conf_client.yml"
        client.write_text(client.read_text() + PAPER)
        place.take_template("strategies/backpack_pure_market_making.yml", CHANGES)
        place.start()

        def shows_all_fills() -> bool:
            before, balance, after = fills(place), shown_balance(place), fills(place)
            if not before or before != after or not balance:
                return False
            moved = sum(amount if side == "BUY" else -amount for side, amount in before)
            return balance["SOL"] == (START["SOL"] + moved).quantize(Decimal("0.0001"))

        wait_for(shows_all_fills, 60, "paper balance that equals the paper fills")
        place.hbot.stop()
        assert place.simulator.api_key not in place.simulator.whole_truth()["accounts"], "no order left this machine"
