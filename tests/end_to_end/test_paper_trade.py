"""Paper trading: spot with the real order book, by Hummingbot's own V1 market maker; a perpetual on a tape."""

import re
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

pytest.importorskip("hummingbot")

from backpack_connector.demo.bots import PERPETUAL_BOT, SPOT_BOT
from backpack_connector.demo.home import find_templates
from tests.end_to_end.place import Place, place_for, wait_for
from tests.simulator.tapes.build import TAPE

pytestmark = pytest.mark.timeout(180)

EXCHANGE = "backpack_simulator_paper_trade"
BEST_ASK = Decimal("86781.5")  # of the tape, as it stays; the simulator on its own is elsewhere
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


def test_a_perpetual_bot_trades_on_a_tape_at_the_prices_of_its_book(tmp_path: Path) -> None:
    bot = replace(PERPETUAL_BOT, configuration="backpack_controllers.yml")
    with place_for(tmp_path.resolve(), bot, ("--tape", str(TAPE), "--loop")) as place:
        controller = Path("controllers", "generic", "backpack_twap.py")
        (place.home.folder / controller).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(find_templates() / controller, place.home.folder / controller)
        place.configure(
            "scripts",
            bot.configuration,
            script_file_name="backpack_controllers.py",
            controllers_config=["twap.yml"],
        )
        place.configure(
            "controllers",
            "twap.yml",
            id="twap",
            controller_name="backpack_twap",
            controller_type="generic",
            connector_name=bot.connector,
            trading_pair="BTC-USDC",
            action="BUY",
            total_amount_quote=400,
            total_duration_seconds=2,
            order_interval_seconds=2,
            leverage=2,
        )
        place.store_keys()
        place.start()
        wait_for(lambda: len(place.truth().fills) == 2, 90, "fill of both parts")
        assert {fill.price for fill in place.truth().fills} == {BEST_ASK}
        assert place.truth().positions["BTC-USDC"].amount == sum(fill.amount for fill in place.truth().fills) > 0
        assert "Traceback" not in place.logged()
        place.hbot.stop()
