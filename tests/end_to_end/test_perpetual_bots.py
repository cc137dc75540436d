"""Perpetual bots in Hummingbot's real engine: a crash with a position, and executors with a triple barrier."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

pytest.importorskip("hummingbot")

from backpack_connector.demo.bots import PERPETUAL_BOT, Bot
from tests.end_to_end.place import Place, place_for, wait_for

pytestmark = pytest.mark.timeout(240)

PAIR, SYMBOL = "SOL-USDC", "SOL_USDC_PERP"


def bot_of(configuration: str, usdc: str) -> Bot:
    return replace(PERPETUAL_BOT, configuration=configuration, faucet=(f"USDC={usdc}",))


def test_a_killed_bot_adopts_its_position_and_its_orders_and_closes_flat(tmp_path: Path) -> None:
    bot = bot_of("holder.yml", "1000")
    with place_for(tmp_path.resolve(), bot) as place:
        # Bids are filled at once, up to the bound; asks are far away, and stay.
        place.configure(
            "scripts",
            "holder.yml",
            script_file_name="backpack_perpetual_market_maker.py",
            connector_name=bot.connector,
            trading_pair=PAIR,
            leverage=5,
            order_amount=2,
            max_position=6,
            bid_spread=0.0001,
            ask_spread=0.03,
            order_levels=3,
            level_spread=0.0001,
            refresh_seconds=60,
            journal_file="data/holder.jsonl",
            journal_snapshot_seconds=1,
        )
        place.store_keys()
        pid = place.start()
        wait_for(lambda: _holds(place, "6") and len(place.open_order_ids()) == 3, 60, "position with three orders")
        wait_for(lambda: len(place.journal().fills) == len(place.truth().fills), 10, "word of every fill")
        place.kill(pid)
        orphans, held = place.account()["openOrders"], place.truth().positions
        assert held[PAIR].amount == 6

        place.start()
        wait_for(lambda: len(place.lines("start")) == 2, 30, "second start")
        adopted = place.lines("start")[1]
        assert {row["order_id"] for row in adopted["orders"]} == {str(row["clientId"]) for row in orphans}
        assert len(adopted["orders"]) == 3
        assert Decimal(adopted["position"]["amount"]) == 6
        assert Decimal(adopted["position"]["entry_price"]) == held[PAIR].entry_price

        place.hbot.stop()
        assert place.truth().positions == {}
        assert place.open_order_ids() == set()
        assert place.differences() == []


def _holds(place: Place, amount: str) -> bool:
    positions = place.truth().positions
    return PAIR in positions and positions[PAIR].amount == Decimal(amount)


class Controlled:
    """A bot whose controller follows a file, so that a test decides when it opens and what the market does then."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._signal = place.home.folder / "data" / "signal"

    def signal(self, text: str) -> None:
        self._signal.write_text(text)

    def wait_for_position(self, sign: int, share: Decimal) -> None:
        """Wait until two executors hold a position, which takes that share of the equity as margin or almost."""
        wait_for(lambda: self._trading() == 2, 30, "second executor with a position")
        (position,) = self.place.truth().positions.values()
        assert position.amount * sign > 0
        margin = self.place.account()["margin"]
        taken = Decimal(margin["netExposureFutures"]) * Decimal(margin["imf"]) / Decimal(margin["netEquity"])
        # Less than the share where the equity has grown before.
        assert share * Decimal("0.8") < taken < 1

    def _trading(self) -> int:
        snapshots = self.place.lines("snapshot")
        return sum(row["is_trading"] for row in snapshots[-1]["executors"]) if snapshots else 0

    def jump(self, fraction: str) -> None:
        """Let the price of the underlying jump by a fraction of what it is."""
        mark = Decimal(self.place.lines("snapshot")[-1]["mark_price"])
        self.place.simulator.set_index_price(SYMBOL, (mark * (1 + Decimal(fraction))).quantize(Decimal("0.01")))

    def closed(self) -> list[str]:
        executors = self.place.lines("snapshot")[-1]["executors"]
        return sorted(f"{row['side']} {row['close_type']}" for row in executors if not row["is_active"])


# The second row is what users of the built-in connector report most: 20 USDC, leverage 5, and a second executor that
# opens after the first one's fill, which was refused there with "Not enough budget to open position". All sizes are
# such that the book can bear them: Hummingbot's executor repeats a market order that was cut short in full.
@pytest.mark.parametrize(
    ("usdc", "leverage", "share"), [("1000", 1, "0.9"), ("20", 5, "0.9"), ("200", 20, "0.6")], ids=str
)
def test_executors_open_scale_and_close_at_their_barriers(tmp_path: Path, usdc: str, leverage: int, share: str) -> None:
    bot = bot_of("controlled.yml", usdc)
    with place_for(tmp_path.resolve(), bot) as place:
        place.install("run_controllers.py")
        place.install("signal_controller.py", "controllers/directional_trading")
        place.configure(
            "controllers",
            "signal.yml",
            id="signal",
            controller_name="signal_controller",
            controller_type="directional_trading",
            connector_name=bot.connector,
            trading_pair=PAIR,
            total_amount_quote=Decimal(usdc) * leverage * Decimal(share),
            max_executors_per_side=2,
            cooldown_time=1,
            leverage=leverage,
            position_mode="ONEWAY",
            take_profit="0.01",
            stop_loss="0.01",
            time_limit=600,
            take_profit_order_type="LIMIT",
        )
        place.configure(
            "scripts",
            "controlled.yml",
            script_file_name="run_controllers.py",
            controllers_config=["signal.yml"],
            connector_name=bot.connector,
            trading_pair=PAIR,
            leverage=leverage,
            liquidation_price_seconds=0,
            journal_file="data/controlled.jsonl",
            journal_snapshot_seconds=1,
        )
        place.store_keys()
        place.start()
        # Controllers work from the first second on, also before the leverage is set.
        wait_for(lambda: place.lines("start"), 30, "leverage")
        controlled = Controlled(place)
        controlled.signal("1")
        controlled.wait_for_position(1, Decimal(share))
        controlled.signal("0")
        controlled.jump("0.013")
        wait_for(lambda: controlled.closed() == ["BUY TAKE_PROFIT"] * 2, 30, "take-profit")
        assert place.truth().positions == {}

        controlled.signal("-1")
        controlled.wait_for_position(-1, Decimal(share))
        controlled.signal("0")
        controlled.jump("0.013")
        ends = ["BUY TAKE_PROFIT"] * 2 + ["SELL STOP_LOSS"] * 2
        wait_for(lambda: controlled.closed() == ends, 30, "stop-loss")
        assert place.truth().positions == {}

        place.hbot.stop()
        assert place.differences() == []
        assert "Not enough budget" not in place.logged()
