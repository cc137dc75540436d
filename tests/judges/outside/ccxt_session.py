"""Trade with ccxt's `backpack` (REST and pro), unmodified but for its URLs, as two users of the exchange would.

Run by tests/judges/test_outside.py in .venv-judges: python ccxt_session.py REST_URL WS_URL '[[KEY, SECRET], ...]'
It ends with status 0 and one JSON object on stdout that says what it has seen, or with ccxt's own traceback.
"""

import asyncio
import json
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

import ccxt.pro as ccxt

SPOT, PERP = "SOL/USDC", "SOL/USDC:USDC"
LIMIT_S = 20


class Watcher:
    """Keep what ccxt's watch methods deliver, and wait for it."""

    def __init__(self) -> None:
        self.seen: dict[str, list[Any]] = defaultdict(list)
        self.tasks: list[asyncio.Task[None]] = []
        self._news = asyncio.Condition()

    def start(self, name: str, watch: Callable[[], Awaitable[Any]]) -> None:
        async def follow() -> None:
            while True:
                delivered = await watch()
                async with self._news:
                    # ccxt goes on changing what it has delivered.
                    rows = delivered if isinstance(delivered, list) else [delivered]
                    self.seen[name] += json.loads(json.dumps(rows, default=str))
                    self._news.notify_all()

        self.tasks.append(asyncio.ensure_future(follow()))

    async def until(self, name: str, is_it: Callable[[Any], bool]) -> Any:
        """Return the first delivery of a watch that is wanted."""

        async def look() -> Any:
            async with self._news:
                while True:
                    for task in self.tasks:
                        if task.done():
                            task.result()
                    for row in self.seen[name]:
                        if is_it(row):
                            return row
                    await self._news.wait()

        try:
            return await asyncio.wait_for(look(), LIMIT_S)
        except asyncio.TimeoutError:
            raise AssertionError(f"{name}: not among {self.seen[name][-5:]}") from None

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


def user(rest_url: str, ws_url: str, key: str, secret: str) -> Any:
    exchange = ccxt.backpack({"apiKey": key, "secret": secret, "enableRateLimit": False})
    exchange.urls["api"] = {
        "public": rest_url,
        "private": rest_url,
        "ws": {"public": ws_url, "private": ws_url},
    }
    return exchange


async def refused(call: Awaitable[Any], error: type[Exception]) -> None:
    try:
        answer = await call
    except error:
        return
    raise AssertionError(f"{error.__name__} expected, not {answer}")


async def look_around(taker: Any) -> dict[str, Any]:
    markets = await taker.load_markets()
    spot, perp = markets[SPOT], markets[PERP]
    assert (spot["spot"], spot["swap"], perp["swap"], perp["linear"]) == (True, False, True, True)
    assert spot["precision"]["price"] == 0.01
    assert perp["settle"] == "USDC"
    assert (await taker.fetch_status())["status"] == "ok"
    # fetch_time is left out: ccxt 4.5.90 takes the first digit of the text for the time (API §2.0: bare text).
    currencies = await taker.fetch_currencies()
    assert {"SOL", "USDC"} <= set(currencies)
    return {"markets": len(markets), "currencies": len(currencies)}


async def make_market(maker: Any) -> None:
    """Put up ten levels on each side of both markets, in batches."""
    for symbol in (SPOT, PERP):
        for side, first, step in (("sell", 150.5, 0.5), ("buy", 149.5, -0.5)):
            orders = [
                {
                    "symbol": symbol,
                    "type": "limit",
                    "side": side,
                    "amount": 3,
                    "price": first + step * level,
                    "params": {"postOnly": True},
                }
                for level in range(10)
            ]
            placed = await maker.create_orders(orders)
            assert [order["status"] for order in placed] == ["open"] * 10, placed


async def trade(taker: Any, maker: Any, watcher: Watcher) -> dict[str, Any]:
    """Take, rest, cancel, and compare what REST and the streams say."""
    seen = {}
    for symbol in (SPOT, PERP):
        book = await taker.fetch_order_book(symbol, 5)
        assert (book["bids"][0], book["asks"][0], len(book["bids"])) == ([149.5, 3.0], [150.5, 3.0], 5)
        bought = await taker.create_order(symbol, "market", "buy", 1)
        assert (bought["status"], bought["filled"], bought["average"]) == ("closed", 1.0, 150.5), bought
        sold = await taker.create_order(symbol, "limit", "sell", 0.4, 149.5, {"timeInForce": "IOC"})
        assert (sold["status"], sold["filled"]) == ("closed", 0.4), sold
        cost = await taker.create_order(symbol, "market", "buy", 0, None, {"cost": 30.1})
        assert cost["filled"] == 0.2, cost
        resting = await taker.create_order(symbol, "limit", "buy", 0.5, 140, {"clientOrderId": 4711})
        assert resting["clientOrderId"] == "4711"
        assert resting["id"] in {order["id"] for order in await taker.fetch_open_orders(symbol)}
        assert (await taker.fetch_open_order(resting["id"], symbol))["remaining"] == 0.5
        cancelled = await taker.cancel_order(resting["id"], symbol)
        assert cancelled["status"] == "canceled", cancelled
        waiting = await taker.create_order(symbol, "market", "sell", 0.3, None, {"triggerPrice": 120})
        assert waiting["id"] in {order["id"] for order in await taker.fetch_open_orders(symbol)}
        await taker.cancel_all_orders(symbol)
        assert await taker.fetch_open_orders(symbol) == []

        history = {order["id"]: order["status"] for order in await taker.fetch_orders(symbol)}
        assert history[bought["id"]] == "closed"
        assert history[resting["id"]] == "canceled"
        fills = await taker.fetch_my_trades(symbol)
        assert sum(fill["amount"] for fill in fills if fill["order"] == bought["id"]) == 1.0
        assert all(fill["fee"]["cost"] > 0 and fill["takerOrMaker"] == "taker" for fill in fills), fills
        assert len(await maker.fetch_my_trades(symbol)) == len(fills)
        assert {row["price"] for row in await taker.fetch_trades(symbol)} == {149.5, 150.5}

        for number, state in ((bought["id"], "closed"), (resting["id"], "canceled"), (waiting["id"], "canceled")):
            await watcher.until("orders", lambda row, i=number, s=state: (row["id"], row["status"]) == (i, s))
        await watcher.until(f"trades {symbol}", lambda row: (row["price"], row["amount"]) == (149.5, 0.4))
        seen[symbol] = [bought["id"], sold["id"], cost["id"], resting["id"], waiting["id"]]
    return seen


async def market_data(taker: Any) -> None:
    ticker = await taker.fetch_ticker(SPOT)
    assert (ticker["high"], ticker["low"]) == (150.5, 149.5)
    assert {SPOT, PERP} <= set(await taker.fetch_tickers())
    (candle,) = await taker.fetch_ohlcv(SPOT, "1h", limit=1)
    assert candle[2:4] == [150.5, 149.5]
    assert (await taker.fetch_funding_rate(PERP))["markPrice"] > 0
    assert (await taker.fetch_open_interest(PERP))["openInterestValue"] == 0.8
    assert await taker.fetch_funding_rate_history(PERP)


async def same_book(taker: Any, maker: Any, watcher: Watcher, symbol: str) -> None:
    """Change the book until ccxt has its snapshot, then compare what it keeps with REST."""
    for level in range(15):
        await maker.create_order(symbol, "limit", "sell", 1, 160 + level, {"postOnly": True})
    book = await taker.fetch_order_book(symbol, 20)
    wanted = [[float(price), float(amount)] for price, amount in book["asks"]]
    await watcher.until(f"book {symbol}", lambda kept: [list(row) for row in kept["asks"]][: len(wanted)] == wanted)


async def hold(taker: Any, watcher: Watcher) -> dict[str, Any]:
    (position,) = await taker.fetch_positions([PERP])
    assert (position["side"], float(position["contracts"])) == ("long", 0.8), position  # ccxt leaves it a text
    assert await taker.fetch_funding_history(PERP) == []
    await watcher.until("positions", lambda row: float(row["contracts"]) == 0.8)
    await watcher.until("balance", lambda row: "USDC" in row["free"])
    await watcher.until("ticker", lambda row: row["last"] is not None)
    await watcher.until("bids and asks", lambda row: row[SPOT]["bid"] == 149.5)
    await watcher.until("candles", lambda row: row[1] is not None)
    closed = await taker.create_order(PERP, "market", "sell", 0.8, None, {"reduceOnly": True})
    assert closed["filled"] == 0.8
    assert await taker.fetch_positions([PERP]) == []
    return {"entry": position["entryPrice"]}


async def errors(taker: Any, stranger: Any) -> None:
    await refused(taker.create_order(SPOT, "limit", "buy", 1_000_000, 149), ccxt.InsufficientFunds)
    await refused(taker.create_order(SPOT, "limit", "buy", 1, 155, {"postOnly": True}), ccxt.InvalidOrder)
    await refused(taker.create_order(SPOT, "limit", "buy", 1, 10_000), ccxt.InvalidOrder)
    await refused(taker.fetch_open_order("1", SPOT), ccxt.ExchangeNotAvailable)  # ccxt's name for RESOURCE_NOT_FOUND
    await refused(taker.cancel_order("1", SPOT), ccxt.BadRequest)
    await refused(stranger.fetch_balance(), ccxt.BadRequest)


async def session(rest_url: str, ws_url: str, keys: list[list[str]]) -> dict[str, Any]:
    maker, taker = (user(rest_url, ws_url, *pair) for pair in keys)
    stranger = user(rest_url, ws_url, keys[0][0], keys[1][1])
    watcher = Watcher()
    try:
        report = await look_around(taker)
        await maker.load_markets()
        before = await taker.fetch_balance()
        for symbol in (SPOT, PERP):
            watcher.start(f"book {symbol}", lambda symbol=symbol: taker.watch_order_book(symbol))
            watcher.start(f"trades {symbol}", lambda symbol=symbol: taker.watch_trades(symbol))
        watcher.start("orders", taker.watch_orders)
        watcher.start("positions", taker.watch_positions)
        watcher.start("balance", taker.watch_balance)
        watcher.start("ticker", lambda: taker.watch_ticker(SPOT))
        watcher.start("bids and asks", lambda: taker.watch_bids_asks([SPOT]))
        watcher.start("candles", lambda: taker.watch_ohlcv(SPOT, "1m"))
        await make_market(maker)
        await same_book(taker, maker, watcher, SPOT)
        await same_book(taker, maker, watcher, PERP)
        report["orders"] = await trade(taker, maker, watcher)
        await market_data(taker)
        report |= await hold(taker, watcher)
        await errors(taker, stranger)
        after = await taker.fetch_balance()
        report["bought"] = after["SOL"]["total"] - before["SOL"]["total"]
        report["balance"] = {asset: after[asset]["free"] for asset in ("SOL", "USDC")}
        report["delivered"] = {name: len(rows) for name, rows in watcher.seen.items()}
        return report
    finally:
        await watcher.stop()
        for exchange in (maker, taker, stranger):
            await exchange.close()


if __name__ == "__main__":
    told = asyncio.run(session(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])))
    sys.stdout.write(json.dumps(told) + "\n")
