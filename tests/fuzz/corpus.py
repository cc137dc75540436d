"""Give each target inputs to begin with: what the samples hold, and what is odd in itself."""

import gzip
import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from backpack_connector.protocol.operations import OPERATIONS
from tests.fuzz.mutations import unexpected_values
from tests.fuzz.targets import CLIENT_OPERATIONS, KEY, SECRET, encoded
from tests.protocol.samples import body, frame, names
from tests.protocol.schemas import answer_schema, example, official_operations

ORDER = {"symbol": "SOL_USDC", "side": "Bid", "orderType": "Limit", "price": "100", "quantity": "1", "clientId": 5}
FAULT = [{"kind": "answer_lost", "operations": ["execute_order"], "probability": 0.5, "count": 1, "seed": 1}]
OPTIONS = (
    {"trigger_price": "151.2", "trigger_quantity": "80%", "trigger_by": "MarkPrice", "time_in_force": "IOC"},
    {"take_profit_trigger_price": 160, "stop_loss_trigger_price": 140.5, "self_trade_prevention": "RejectMaker"},
    {"slippage_tolerance": "1", "slippage_tolerance_type": "Percent", "auto_lend": True, "position_action": "OPEN"},
    {"stop_loss": 1, "tif": "GTC", "unknown": None},
)
TEXTS = ("2025-09-11T20:10:40.699", "2025-09-11 20:10:00", "-0.00001177", "1E-8", "AAPL.US_USDC_PERP", "SOL_USDC")
STREAMS = ("depth.200ms.AAPL.US_USDC_PERP", "account.orderUpdate.SOL_USDC", "kline.1m.SOL_USDC", "trade.SOL_USDC")


def inputs_of(target: str) -> Iterator[bytes]:
    """Yield the first inputs of a target."""
    for value in unexpected_values().values():
        text = encoded(value if isinstance(value, (str, int, float, list, dict)) else None)
        if len(text) <= 1_000:
            yield text
    yield from _INPUTS[target]()


def _answers() -> Iterator[bytes]:
    for name in names("rest"):
        yield encoded(body(name))


def _frames() -> Iterator[bytes]:
    for name in names("ws"):
        yield encoded(frame(name))


def _client_answers() -> Iterator[bytes]:
    for number, operation_id in enumerate(CLIENT_OPERATIONS):
        schema = answer_schema(operation_id) if operation_id in official_operations() else None
        if schema is not None:
            yield bytes([number]) + encoded(example(schema, has_optional=True))


def _client_inputs() -> Iterator[bytes]:
    for number, row in enumerate(OPERATIONS.values()):
        words = {one.name: one.words[0] if one.words else "7" for one in row.parameters}
        given = [words] if row.operation_id == "execute_order_batch" else words
        yield bytes([number]) + encoded(given)
    order = {"symbol": "SOL_USDC", "side": "Bid", "orderType": "Limit", "price": "1e-8", "quantity": "0,5"}
    yield bytes([CLIENT_OPERATIONS.index("execute_order")]) + encoded(order)


def _keys() -> Iterator[bytes]:
    yield f"{KEY}\0{SECRET}".encode()
    yield f"{SECRET}\0{KEY}".encode()


def _texts() -> Iterator[bytes]:
    for text in (*TEXTS, *STREAMS):
        yield text.encode()


def _requests() -> Iterator[bytes]:
    for value in (ORDER, [ORDER], FAULT, {"advanceSeconds": 1.5}, {"symbol": "SOL_USDC_PERP", "indexPrice": "151.2"}):
        yield encoded(value)


def _commands() -> Iterator[bytes]:
    for method in ("SUBSCRIBE", "UNSUBSCRIBE"):
        yield json.dumps({"method": method, "params": list(STREAMS), "signature": [KEY, "x", "1", "5000"]}).encode()


def _options() -> Iterator[bytes]:
    for options in OPTIONS:
        yield encoded(options)


def _journals() -> Iterator[bytes]:
    identity = {"account": "a1b2", "connector": "backpack", "bot": "bot"}
    order = {"client_order_id": "5", "symbol": "SOL_USDC", "trading_pair": "SOL-USDC", "trade_type": "BUY"}
    order |= {"order_type": "LIMIT", "quantity": "1.5", "created_s": 1.5, "price": "150"}
    lines = {"header": {"identity": identity, "pid": 1, "started_s": 1.5}}, {"sent": order}, {"ended": "5"}
    texts = [encoded(line) for line in lines]
    yield from texts
    yield b"\n".join(texts[:2])
    yield b"\n".join(texts)


def _tapes() -> Iterator[bytes]:
    listing, depth = body("get_market.btc_perpetual.200"), body("get_depth.200")
    query = {"symbol": listing["symbol"]}
    lines: list[Any] = [
        {"tape": 1, "source": "https://api.backpack.exchange", "symbols": [listing["symbol"]], "startedUs": 1},
        {"t": 1, "operation": "get_markets", "query": {}, "body": [listing]},
        {"t": 2, "operation": "get_depth", "query": query, "body": depth},
        {"t": 3, "stream": "depth", "data": frame("depth")["data"]},
        {"t": 4, "note": "end"},
    ]
    texts = [encoded(line) for line in lines]
    yield texts[0]
    yield b"\n".join(texts)
    yield gzip.compress(b"\n".join([*texts, b""]), mtime=0)
    yield gzip.compress(texts[0] + b"\n", mtime=0) + gzip.compress(b"\n".join(texts[1:]), mtime=0)[:-9]


_INPUTS = {
    "client_answer": _client_answers,
    "client_frame": _frames,
    "client_input": _client_inputs,
    "order_options": _options,
    "journal_file": _journals,
    "tape_file": _tapes,
    "rest_answer": _answers,
    "stream_frame": _frames,
    "connect_input": _keys,
    "small_texts": _texts,
    "simulator_request": _requests,
    "simulator_frame": _commands,
}


def write_corpus(target: str, folder: Path) -> None:
    """Write the first inputs of a target into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for data in inputs_of(target):
        (folder / sha256(data).hexdigest()[:16]).write_bytes(data)
