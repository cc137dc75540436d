"""Write what the stand-in exchange says: markets, books, depth frames, orders and fills. Source: API §2.3, §3.3, §3.4.

Only the standard library is used here: the server, our connector, the floors and the peers all read these texts.
"""

import json
import random
import time
from collections.abc import Iterator
from typing import Any

BEST_BID_TICKS = 11_000
"""Price of the best bid in ticks of 0.01; the best ask is one tick above."""
SNAPSHOT_LEVELS = 1_000
SMALL, LARGE = "small", "large"


def pairs(count: int) -> list[str]:
    """Return Hummingbot's names of so many spot markets."""
    return [f"A{number:02d}-USDC" for number in range(count)]


def symbol_of(pair: str) -> str:
    """Return the exchange's name of a pair's market."""
    return pair.replace("-", "_")


def price_text(ticks: int) -> str:
    """Return a price as the exchange writes it."""
    return f"{ticks // 100}.{ticks % 100:02d}"


def market(symbol: str) -> dict[str, Any]:
    """Return one row of the list of markets."""
    base, quote = symbol.split("_")
    price = {"minPrice": "0.01", "maxPrice": None, "tickSize": "0.01"}
    quantity = {"minQuantity": "0.01", "maxQuantity": None, "stepSize": "0.01"}
    return {
        "baseSymbol": base,
        "createdAt": "2025-01-21T06:34:54.691858",
        "filters": {"price": price, "quantity": quantity},
        "fundingInterval": None,
        "fundingRateLowerBound": None,
        "fundingRateUpperBound": None,
        "imfFunction": None,
        "marketType": "SPOT",
        "mmfFunction": None,
        "openInterestLimit": "0",
        "orderBookState": "Open",
        "quoteSymbol": quote,
        "symbol": symbol,
        "visible": True,
    }


def snapshot_levels() -> str:
    """Return the part of a depth answer that is the same for all markets: 2,000 levels."""
    bids = [[price_text(BEST_BID_TICKS - back), "5.00"] for back in reversed(range(SNAPSHOT_LEVELS))]
    asks = [[price_text(BEST_BID_TICKS + 1 + on), "5.00"] for on in range(SNAPSHOT_LEVELS)]
    return f'"asks":{json.dumps(asks)},"bids":{json.dumps(bids)}'


def depth_answer(levels: str, update_id: int) -> bytes:
    """Return the answer of get_depth at an update id."""
    return f'{{{levels},"lastUpdateId":"{update_id}","timestamp":{time.time_ns() // 1000}}}'.encode()


def levels_of_frames(size: str, count: int = 199, seed: int = 1) -> list[tuple[str, str]]:
    """Return so many (asks, bids) as JSON, near the best prices; a tenth of the rows removes its level.

    Small frames have up to three levels a side, as the live ones have (one level alone, three and three); large ones
    have 50 a side. An odd number of them, so that markets which take turns do not each see a part of them only.
    """
    chance = random.Random(f"{seed}/{size}")

    def side(direction: int, best: int, levels: int) -> str:
        places = chance.sample(range(200), levels)
        sizes = ["0.00" if chance.random() < 0.1 else f"{chance.uniform(0.01, 50):.2f}" for _ in places]
        rows = [[price_text(best + direction * place), size] for place, size in zip(places, sizes, strict=True)]
        return json.dumps(rows, separators=(",", ":"))

    texts = []
    for _ in range(count):
        asks = 50 if size == LARGE else chance.randint(0, 3)
        bids = 50 if size == LARGE else chance.randint(0 if asks else 1, 3)
        texts.append((side(1, BEST_BID_TICKS + 1, asks), side(-1, BEST_BID_TICKS, bids)))
    return texts


def depth_frame(symbol: str, update_id: int, levels: tuple[str, str], now_us: int) -> str:
    """Return one depth frame, keys in the exchange's order."""
    asks, bids = levels
    return (
        f'{{"data":{{"E":{now_us},"T":{now_us - 100},"U":{update_id},"a":{asks},"b":{bids},"e":"depth",'
        f'"s":"{symbol}","u":{update_id}}},"stream":"depth.{symbol}"}}'
    )


def depth_frames(symbols: list[str], last_ids: dict[str, int], count: int, size: str) -> Iterator[tuple[str, str]]:
    """Yield so many (symbol, frame), markets in turn, each continuing its sequence; `last_ids` moves on."""
    texts = levels_of_frames(size)
    now_us = time.time_ns() // 1000
    for number in range(count):
        symbol = symbols[number % len(symbols)]
        last_ids[symbol] += 1
        yield symbol, depth_frame(symbol, last_ids[symbol], texts[number % len(texts)], now_us)


def order(order_id: int, fields: dict[str, Any], status: str = "New") -> dict[str, Any]:
    """Return an order as the exchange shows it."""
    absent = dict.fromkeys(
        ["reduceOnly", "relatedOrderId", "strategyId", "triggerBy", "triggerPrice", "triggerQuantity", "triggeredAt"]
        + [f"{exit_}{part}" for exit_ in ("stopLoss", "takeProfit") for part in _EXIT_PARTS]
    )
    return {
        **absent,
        "clientId": fields.get("clientId"),
        "createdAt": time.time_ns() // 1_000_000,
        "executedQuantity": "0",
        "executedQuoteQuantity": "0",
        "id": str(order_id),
        "orderType": fields.get("orderType", "Limit"),
        "postOnly": fields.get("postOnly", False),
        "price": fields.get("price"),
        "quantity": fields.get("quantity"),
        "selfTradePrevention": "RejectTaker",
        "side": fields.get("side", "Bid"),
        "status": status,
        "symbol": fields.get("symbol"),
        "timeInForce": "GTC",
    }


_EXIT_PARTS = ("LimitPrice", "TriggerBy", "TriggerPrice")


def fill_frame(symbol: str, client_id: str, order_id: str, trade_id: int, executed: str) -> str:
    """Return the frame of one partial fill of 0.01 of a limit order of 1000."""
    now_us = time.time_ns() // 1000
    data = {
        "E": now_us,
        "L": "100.00",
        "N": symbol.split("_")[0],
        "O": "USER",
        "S": "Bid",
        "T": now_us - 100,
        "V": "RejectTaker",
        "X": "PartiallyFilled",
        "Z": "1.00",
        "c": int(client_id),
        "e": "orderFill",
        "f": "GTC",
        "i": order_id,
        "l": "0.01",
        "m": True,
        "n": "0.000008",
        "o": "LIMIT",
        "p": "100.00",
        "q": "1000.00",
        "r": False,
        "s": symbol,
        "t": trade_id,
        "z": executed,
    }
    return json.dumps({"data": data, "stream": "account.orderUpdate"}, separators=(",", ":"))
