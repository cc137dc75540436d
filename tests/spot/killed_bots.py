"""Play the death of a bot: everything is dropped but the journal's file. Real deaths are in tests/kills."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from backpack_connector.order_journal import Journal, read_journals
from tests.spot.exchange_double import hold_answer
from tests.spot.people import Bot, until


def journal_of(bot: Bot, folder: Path) -> Journal:
    (found,) = [journal for journal in read_journals(folder) if journal.identity.connector == bot.connector.name]
    return found


def open_ids(bot: Bot, folder: Path) -> list[str]:
    return [order.client_order_id for order in journal_of(bot, folder).open_orders]


async def killed_before_the_answer(bot: Bot, order: Callable[[], Awaitable[str]]) -> str:
    """Let the exchange accept an order, and kill the bot before it hears of that."""
    answered = asyncio.Event()
    bot.double.drop_frames()
    bot.double.script("execute_order", hold_answer(answered))
    order_id = await order()
    await until(lambda: any(str(row.client_id) == order_id for row in bot.truth()), "the exchange has the order")
    await killed(bot)
    answered.set()
    bot.double.behave()
    bot.double.edit_frame = lambda frame: [frame]
    return order_id


async def killed(bot: Bot) -> None:
    """Leave nothing of a bot but its journal."""
    bot.connector._journal._let_go()
    bot.connector._journal._is_off = True
    await bot.connector.stop_network()
