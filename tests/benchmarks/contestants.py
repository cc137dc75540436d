"""Name who takes part in which experiment, and where the code of each is."""

OURS, FAST, BUILT_IN, FLOOR, CCXT, BPX = "ours", "fast", "built-in", "floor", "ccxt", "bpx-py"
PEERS = (CCXT, BPX)

FAST_ENVIRONMENT = {"BACKPACK_HTTP": "fast", "BACKPACK_WEBSOCKET": "picows"}
"""The options that a user may switch on for speed (docs/speed.md); `FAST` is our connector with all of them."""

_CONNECTORS = (OURS, BUILT_IN)


def _both(place: str, **others: str) -> dict[str, str]:
    return {**dict.fromkeys(_CONNECTORS, place), **others}


def _all(place: str, **others: str) -> dict[str, str]:
    return {**_both(place, **others), FAST: place}


CONTESTANTS: dict[str, dict[str, str]] = {
    "sign": _both("order_path:Signing", floor="floors:Signing", ccxt="peers:CcxtSigning") | {BPX: "peers:BpxSigning"},
    "orders": _all("order_path:Orders", floor="floors:Orders", ccxt="peers:CcxtOrders") | {BPX: "peers:BpxOrders"},
    "cancel": _all("order_path:Cancels"),
    "ten": _all("order_path:TenOrders", floor="floors:TenOrders", ccxt="peers:CcxtTenOrders"),
    "silence": _all("connections:AfterSilence"),
    "window": _both("order_path:FullWindow", floor="floors:Timer"),
    "cancel_all": _both("connections:CancelAll"),
    "start": _both("connections:Start"),
    "poll": _both("connections:Poll"),
    "books": _both("books:InProcess", floor="floors_streams:Books", ccxt="peers:CcxtBooks"),
    "stream": _all("books:Sockets", floor="floors_streams:Stream", ccxt="peers:CcxtStream"),
    "fills": _both("account:Fills", floor="floors_streams:Fills"),
    "balance": _both("account:Balance", floor="floors_streams:Balance"),
    "garbage": _both("account:Garbage"),
}
