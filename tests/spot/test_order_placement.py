from tests.spot.exchange_double import Bot, until
import time

async def test_smoke(bot: Bot) -> None:
    order = await bot.open_buy("1", "149")
    print(order, bot.double.counts())

async def test_smoke2(bot: Bot) -> None:
    order = await bot.open_buy("1", "149")
