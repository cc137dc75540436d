"""One account, both connectors: a bot that holds spot against a perpetual position, and is paid funding for it."""

from decimal import Decimal
from pathlib import Path

import pytest

pytest.importorskip("hummingbot")

from backpack_connector.demo.bots import PERPETUAL_BOT, SPOT_BOT, Bot
from backpack_connector.demo.comparison import compare_books, compare_positions
from backpack_connector.demo.exchange import HOUR_S
from backpack_connector.demo.figures import Books
from backpack_connector.demo.hbot import Hbot
from backpack_connector.demo.records import Journal, read_trades_database
from backpack_connector.protocol.enums import MarketType
from tests.end_to_end.place import Place, place_for, wait_for

pytestmark = pytest.mark.timeout(240)

PAIR = "SOL-USDC"
START_USDC = Decimal(5000)
MOVE_OF_SOL_USDC = Decimal(50)
"""A thirtieth of the 10 SOL."""


def journal_of(place: Place, bot: Bot) -> Journal:
    journal = Journal(place.home.folder / "data" / f"{bot.connector}.jsonl")
    journal.read()
    return journal


def test_both_legs_equal_the_exchange_to_the_last_digit(tmp_path: Path) -> None:
    carry = Bot(
        MarketType.PERP, PERPETUAL_BOT.connector, "carry.yml", PERPETUAL_BOT.key_fields, (f"USDC={START_USDC}",)
    )
    with place_for(tmp_path.resolve(), carry) as place:
        place.install("carry.py")
        place.configure("scripts", "carry.yml", script_file_name="carry.py", trading_pair=PAIR, order_amount=10)
        place.store_keys()
        Hbot(place.programs, SPOT_BOT).store_keys(place.simulator.api_key, place.simulator.api_secret)
        place.simulator.put_hour_into(HOUR_S / 2)  # it ends when both legs are there, however long starting takes
        place.start()

        def shows_hedge() -> bool:
            latest = journal_of(place, PERPETUAL_BOT).latest
            return latest is not None and latest.futures is not None and latest.futures.position is not None

        wait_for(shows_hedge, 60, "second leg")
        perpetual, spot = journal_of(place, PERPETUAL_BOT).books(), journal_of(place, SPOT_BOT).books()
        # 10 SOL were bought, and the fee of 0.1 % was paid in SOL.
        assert perpetual.positions[PAIR].amount == Decimal("-9.99")
        assert spot.balances["SOL"].total == Decimal("9.99")
        assert compare_positions(perpetual.positions, place.simulator.truth(MarketType.PERP).positions) == []
        wait_for(lambda: shows_equal_equity(place), 20, "value of SOL in the equity")

        place.simulator.put_hour_into(5)
        wait_for(lambda: journal_of(place, PERPETUAL_BOT).funding, 60, "funding payment")
        wait_for(lambda: not place.simulator.truth(MarketType.PERP).positions, 20, "end of the round")
        place.hbot.stop()

        ends: dict[Bot, Books] = {}
        for bot in (SPOT_BOT, PERPETUAL_BOT):
            journal = journal_of(place, bot)
            assert journal.stopped
            ends[bot] = journal.books()
            recorded = read_trades_database(place.home.trades_database, bot.connector)
            assert compare_books(ends[bot], recorded, place.simulator.truth(bot.market_type)) == []
        spot, perpetual = ends[SPOT_BOT], ends[PERPETUAL_BOT]
        assert len(perpetual.funding) == 1
        # Fills, fees and funding explain every digit of the money, and both connectors show the same money.
        earned = spot.cash() + perpetual.cash() + perpetual.funding_sum()
        paid = sum((books.fees().get("USDC", Decimal(0)) for books in ends.values()), Decimal(0))
        assert spot.balances["USDC"].total == START_USDC + earned - paid
        assert spot.balances["SOL"].total == 0
        assert perpetual.balances["USDC"] == spot.balances["USDC"]


def shows_equal_equity(place: Place) -> bool:
    """Tell whether the bot's latest net equity is the exchange's, but for what the price of 10 SOL moves meanwhile.

    The value of SOL as collateral is known from the last report only; everything else is compared to the last digit at
    the end, and in the tests of the margin model.
    """
    ours = journal_of(place, PERPETUAL_BOT).books().balances["USDC"]
    theirs = place.simulator.truth(MarketType.PERP).balances["USDC"]
    differences = (ours.total - theirs.total, ours.available - theirs.available)
    return all(abs(difference) < MOVE_OF_SOL_USDC for difference in differences)
