"""Walk through every operation of the exchange with valid calls, and hold each answer against the specification.

The walk is one story of two accounts on one simulator: they trade, hold a position over a funding hour, lend, borrow,
deposit, withdraw, ask for quotes, run a strategy and own a vault's tokens; then every list and history is read, so that
the rows in them are judged too. A `Judge` asks and remembers; what is wrong is collected, not raised.
"""

import asyncio
import base64
import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import aiohttp

from backpack_connector.protocol.endpoints import endpoint
from backpack_connector.protocol.rest import build_request
from backpack_connector.protocol.signing import Credentials, generate_key_pair
from backpack_connector.simulator.server import DEPOSIT_PATH, SESSION_PATH, Simulator
from backpack_connector.simulator.vaults import key_pair
from backpack_connector.simulator.web_sessions import SESSION_HEADER
from tests.judges.specification import complaints, documented_headers

Parameters = dict[str, Any] | list[Any] | None

SPOT, PERP, RFQ = "SOL_USDC", "SOL_USDC_PERP", "SOL_USDC_RFQ"
HOUR_S = 3_600
PARSE_ERROR = 4002
VAULT = 3
"""Who has the vault's own key."""
WRONG_WINDOW = '{"method":"SUBSCRIBE","params":["depth.100ms.SOL_USDC"]}'
# The form of an address on Solana; nobody has its key.
JUDGES_ADDRESS = "So11111111111111111111111111111111111111112"


class Judge:
    """Ask a running simulator in the name of several accounts, and note what is not as specified."""

    def __init__(self, simulator: Simulator, session: aiohttp.ClientSession) -> None:
        self.simulator = simulator
        self.found: list[str] = []
        self.asked: Counter[str] = Counter()
        self.rows: Counter[str] = Counter()
        self.answers: dict[tuple[str, int], list[Any]] = defaultdict(list)
        self.frames: list[dict[str, Any]] = []
        self._session = session
        self._last_stamp_ms = 0
        self._credentials = [Credentials(*generate_key_pair(bytes([seed]) * 32)) for seed in (41, 42, 43)]
        self._credentials.append(Credentials(*key_pair(1)))

    def _next_stamp_ms(self) -> int:
        """Return the time, or a little later: an equal command in the same millisecond would be a repetition."""
        self._last_stamp_ms = max(self.simulator.now_ms(), self._last_stamp_ms + 1)
        return self._last_stamp_ms

    async def ask(
        self,
        operation_id: str,
        parameters: Parameters = None,
        *,
        who: int = 0,
        status: int = 200,
        session: str | None = None,
    ) -> Any:
        """Return the body of an answer, or None when it is empty or refused."""
        row = endpoint(operation_id)
        request = build_request(
            row,
            parameters,
            credentials=self._credentials[who] if row.is_signed else None,
            timestamp_ms=self._next_stamp_ms(),
        )
        self.asked[operation_id] += 1
        async with self._session.request(
            request.method,
            self.simulator.rest_url + request.path,
            params=request.query,
            data=request.body,
            headers=request.headers if session is None else {**request.headers, SESSION_HEADER: session},
        ) as response:
            text = await response.text()
            kind = response.headers.get("Content-Type", "")
            body = json.loads(text) if kind.startswith("application/json") else text or None
            headers = set(response.headers)
        if response.status != status:
            self.found.append(f"{operation_id} {parameters}: {response.status} instead of {status}, {text[:200]}")
            return None
        self.found += complaints(operation_id, response.status, body, kind if body is not None else None)
        lacking = [name for name in documented_headers(operation_id, status) if name.title() not in _titles(headers)]
        self.found += [f"{operation_id}: the header {name} is missing" for name in lacking]
        self.answers[operation_id, status].append(body)
        if isinstance(body, (list, dict)):
            self.rows[operation_id] += len(body)
        return body if status == 200 else None

    async def control(self, path: str, body: dict[str, Any], *, who: int = 0) -> Any:
        """Ask the simulator itself for something that concerns an account; return its answer."""
        named = {"account": self._credentials[who].api_key, **body}
        async with self._session.post(self.simulator.rest_url + path, json=named) as response:
            response.raise_for_status()
            return await response.json()

    @asynccontextmanager
    async def listening(self, *streams: str) -> AsyncIterator[None]:
        """Keep all frames of some streams, the private ones of the first account."""
        async with self._session.ws_connect(self.simulator.ws_url) as socket:
            signature = self._credentials[0].subscription_signature(self.simulator.now_ms())
            await socket.send_json({"method": "SUBSCRIBE", "params": streams, "signature": signature})

            is_over = asyncio.Event()

            async def read() -> None:
                async for message in socket:
                    self.frames.append(message.json())
                    if self.frames[-1].get("error", {}).get("code") == PARSE_ERROR:
                        is_over.set()

            reading = asyncio.ensure_future(read())
            yield
            # Errors come in the order of what they answer, and after every frame that was sent before.
            for wrong in ('{"method":"SUBSCRIBE","params":["nope.SOL_USDC"]}', WRONG_WINDOW, "not JSON"):
                await socket.send_str(wrong)
            await is_over.wait()
            reading.cancel()


def _titles(names: set[str]) -> set[str]:
    return {name.title() for name in names}


def _id(body: Any, key: str) -> str:
    """Return an id out of an answer; any id where the answer is missing, so that the walk goes on."""
    return str(body[key]) if isinstance(body, dict) else "1"


def limit(side: str, price: str, quantity: str, symbol: str = SPOT, **more: Any) -> dict[str, Any]:
    return {"orderType": "Limit", "price": price, "quantity": quantity, "side": side, "symbol": symbol, **more}


def market(side: str, symbol: str = SPOT, **more: Any) -> dict[str, Any]:
    return {"orderType": "Market", "side": side, "symbol": symbol, **more}


async def system(judge: Judge) -> None:
    for operation in ("get_status", "ping", "get_time", "get_wallets"):
        await judge.ask(operation)


async def trading(judge: Judge) -> None:
    """Fill, rest, cancel, trigger and expire orders on both markets of one asset."""
    for symbol in (SPOT, PERP):
        await judge.ask("execute_order", limit("Ask", "151", "4", symbol, postOnly=True), who=1)
        await judge.ask("execute_order", limit("Bid", "149", "4", symbol, postOnly=True, clientId=77), who=1)
        await judge.ask("execute_order", market("Bid", symbol, quantity="1"))
        if symbol == SPOT:
            # It fires with the next order, and is refused then.
            beyond_all_means = {"triggerPrice": "150", "triggerQuantity": "90000"}
            await judge.ask("execute_order", market("Ask", symbol, **beyond_all_means))
        await judge.ask("execute_order", market("Ask", symbol, quantity="0.3"))
        await judge.ask("execute_order", market("Bid", symbol, quoteQuantity="20"))
        resting = await judge.ask("execute_order", limit("Bid", "148", "1", symbol, clientId=5))
        await judge.ask("get_order", {"symbol": symbol, "clientId": 5})
        await judge.ask("get_order", {"symbol": symbol, "orderId": _id(resting, "id")})
        await judge.ask("execute_order", limit("Ask", "150", "1", symbol, timeInForce="IOC"))
        await judge.ask("execute_order", limit("Ask", "140", "50", symbol, timeInForce="FOK"))
        waiting = {**market("Ask", symbol), "triggerPrice": "100", "triggerQuantity": "50%", "triggerBy": "MarkPrice"}
        await judge.ask("execute_order", waiting)
        stop = {"orderType": "Limit", "side": "Ask", "symbol": symbol, "price": "99"}
        await judge.ask("execute_order", {**stop, "triggerPrice": "99.5", "triggerQuantity": "0.2"})
        await judge.ask("execute_order", {**limit("Ask", "160", "1", symbol), "stopLossTriggerPrice": "200"})
        await judge.ask(
            "execute_order_batch",
            [limit("Bid", "147", "1", symbol), limit("Bid", "149.123456789", "1", symbol)],
        )
        await judge.ask("get_open_orders", {"symbol": symbol})
        await judge.ask("cancel_order", {"symbol": symbol, "clientId": 5})
        await judge.ask("cancel_open_orders", {"symbol": symbol, "orderType": "ConditionalOrder"})
    await judge.ask("get_open_orders")
    await judge.ask("get_order", {"symbol": SPOT, "orderId": "1"}, status=404)
    await judge.ask("cancel_order", {"symbol": SPOT, "orderId": "1"}, status=400)


async def positions(judge: Judge) -> None:
    """Hold a position over two hours, then close it and open the next."""
    await judge.ask("get_positions")
    await judge.ask("get_positions", {"symbol": PERP})
    judge.simulator.advance_clock(2 * HOUR_S)
    # A reduce-only order shrinks with the position; one of all of it closes it; selling one more opens a short.
    held = await judge.ask("get_positions", {"symbol": PERP})
    await judge.ask("execute_order", limit("Ask", "160", held[0]["netQuantity"], PERP, reduceOnly=True))
    await judge.ask("execute_order", market("Ask", PERP, quantity="0.1"))
    await judge.ask("cancel_open_orders", {"symbol": PERP})
    held = await judge.ask("get_positions", {"symbol": PERP})
    await judge.ask("execute_order", limit("Bid", "149.5", "5", PERP, postOnly=True), who=1)
    await judge.ask("execute_order", market("Ask", PERP, quantity=held[0]["netQuantity"], reduceOnly=True))
    await judge.ask("execute_order", market("Ask", PERP, quantity="1"))


async def market_data(judge: Judge) -> None:
    now_s = judge.simulator.now_ms() // 1_000
    await judge.ask("get_markets")
    for kind in ("SPOT", "PERP", "PREDICTION"):
        await judge.ask("get_markets", {"marketType": kind})
    for symbol in (SPOT, PERP):
        await judge.ask("get_market", {"symbol": symbol})
        await judge.ask("get_depth", {"symbol": symbol})
        await judge.ask("get_depth", {"symbol": symbol, "limit": 5})
        await judge.ask("get_ticker", {"symbol": symbol})
        await judge.ask("get_recent_trades", {"symbol": symbol})
        await judge.ask("get_historical_trades", {"symbol": symbol, "limit": 2, "offset": 1})
    for interval, seconds in (("1m", HOUR_S), ("1h", 2 * HOUR_S), ("1month", 40 * 24 * HOUR_S)):
        times = {"startTime": now_s - 3 * seconds, "endTime": now_s}
        await judge.ask("get_klines", {"symbol": SPOT, "interval": interval, **times})
        for price_type in ("Last", "Index", "Mark"):
            await judge.ask("get_klines", {"symbol": PERP, "interval": interval, "priceType": price_type, **times})
    await judge.ask("get_tickers", {"interval": "1w"})
    await judge.ask("get_mark_prices")
    await judge.ask("get_mark_prices", {"symbol": PERP})
    await judge.ask("get_open_interest")
    await judge.ask("get_funding_interval_rates", {"symbol": PERP, "limit": 2})
    await judge.ask("get_funding_interval_rates", {"symbol": "NOPE_USDC_PERP"})
    await judge.ask("get_assets")
    await judge.ask("get_assets", {"country": "DE"})
    await judge.ask("get_collateral_parameters")
    for operation in (
        "get_prediction_events",
        "get_prediction_tags",
        "get_market_sessions",
        "get_securities",
        "get_stock_sessions",
        "get_stock_holidays",
    ):
        await judge.ask(operation)
    await judge.ask("get_market", {"symbol": "NOPE_USDC"}, status=400)
    await judge.ask("get_mark_prices", {"symbol": "NOPE_USDC_PERP"}, status=400)
    await judge.ask("get_depth", {"symbol": SPOT, "limit": 7}, status=400)
    await judge.ask("get_depth", {"symbol": "NOPE_USDC"}, status=400)
    await judge.ask("get_depth", {"symbol": "WEN_USDC"}, status=404)


async def account(judge: Judge) -> None:
    await judge.ask("get_account")
    await judge.ask("update_account_settings", {"leverageLimit": "5", "autoLend": False})
    await judge.ask("get_account")
    await judge.ask("get_balances")
    await judge.ask("get_collateral")
    await judge.ask("get_max_borrow_quantity", {"symbol": "SOL"})
    for symbol in (SPOT, PERP):
        await judge.ask("get_max_order_quantity", {"symbol": symbol, "side": "Bid", "price": "150"})
        await judge.ask("get_max_order_quantity", {"symbol": symbol, "side": "Ask"})
    await judge.ask("get_max_withdrawal_quantity", {"symbol": "USDC", "autoBorrow": False})


async def capital(judge: Judge) -> None:
    """Deposit, withdraw with and without delay, to outside and inside, and convert dust."""
    for blockchain in ("Solana", "Ethereum", "Bitcoin"):
        await judge.ask("get_deposit_address", {"blockchain": blockchain})
    inside = await judge.ask("get_deposit_address", {"blockchain": "Solana"}, who=1)
    # 0.06 HNT are less than can be traded.
    for symbol, quantity in (("USDC", "120"), ("HNT", "0.06"), ("SOL", "0.001")):
        await judge.control(DEPOSIT_PATH, {"blockchain": "Solana", "symbol": symbol, "quantity": quantity})
    await judge.ask("get_deposits")
    judge.simulator.advance_clock(30)
    await judge.ask("get_deposits", {"excludePlatform": True, "from": 1, "to": judge.simulator.now_ms()})
    withdrawal = {"address": JUDGES_ADDRESS, "blockchain": "Solana", "quantity": "25", "symbol": "USDC"}
    await judge.ask("request_withdrawal", withdrawal, status=400)
    for address, is_whitelisted in ((JUDGES_ADDRESS, False), (inside["address"], True)):
        known = {"address": address, "blockchain": "Solana", "whitelisted": is_whitelisted}
        await judge.control(SESSION_PATH, {"address": known})
    await judge.ask("request_withdrawal", {**withdrawal, "clientId": "w-1"})
    await judge.control(SESSION_PATH, {"withdrawalDelayHours": 24})
    await judge.ask("request_withdrawal", {**withdrawal, "clientId": "w-2"})
    await judge.ask("request_withdrawal", {**withdrawal, "address": inside["address"]})
    judge.simulator.advance_clock(30)
    await judge.ask("get_withdrawals")
    await judge.ask("get_withdrawals", {"clientId": "w-2"})
    await judge.ask("get_deposits", who=1)
    await judge.ask("convert_dust", {})
    await judge.ask("convert_dust", {"symbol": "SOL"}, status=400)
    # Only a web session may do this (API §2.2, note 2).
    day = {"twoFactorToken": "123456", "withdrawalDelayHours": 24}
    session = (await judge.control(SESSION_PATH, {}, who=1))["session"]
    for operation, status, named in (
        ("get_withdrawal_delay", 401, None),
        ("create_withdrawal_delay", 401, None),
        ("update_withdrawal_delay", 401, None),
        ("get_withdrawal_delay", 204, session),
        ("update_withdrawal_delay", 404, session),
        ("create_withdrawal_delay", 200, session),
        ("create_withdrawal_delay", 409, session),
        ("update_withdrawal_delay", 200, session),
        ("get_withdrawal_delay", 200, session),
    ):
        parameters = None if operation.startswith("get") else day
        await judge.ask(operation, parameters, who=1, status=status, session=named)


async def borrow_lend(judge: Judge) -> None:
    """Lend and borrow one asset over two hours of interest, then give back."""
    await judge.ask("execute_borrow_lend", {"quantity": "2000", "side": "Lend", "symbol": "USDC"})
    await judge.ask("execute_borrow_lend", {"quantity": "20", "side": "Lend", "symbol": "SOL"}, who=1)
    await judge.ask("execute_borrow_lend", {"quantity": "2", "side": "Borrow", "symbol": "SOL"})
    judge.simulator.advance_clock(2 * HOUR_S)
    await judge.ask("get_borrow_lend_positions")
    await judge.ask("get_collateral")
    await judge.ask("execute_borrow_lend", {"quantity": "1", "side": "Lend", "symbol": "SOL"})
    await judge.ask("execute_borrow_lend", {"quantity": "500", "side": "Borrow", "symbol": "USDC"})
    planned = '{"quantity":"1","side":"Borrow","symbol":"SOL"}'
    await judge.ask("get_borrow_lend_estimated_liquidation_price", {"borrow": base64_text(planned)}, status=401)
    await judge.ask("get_borrow_lend_markets")
    for interval in ("1d", "1w", "1month", "1year"):
        await judge.ask("get_borrow_lend_markets_history", {"interval": interval})
    await judge.ask("get_borrow_lend_markets_history", {"interval": "1d", "symbol": "SOL"})
    await judge.ask("get_apy_rates")


async def strategies(judge: Judge) -> None:
    plan = {"duration": 600_000, "interval": 60_000, "quantity": "1", "side": "Ask", "strategyType": "Scheduled"}
    for number in (1, 2, 3):
        running = await judge.ask("strategy_create", {**plan, "symbol": SPOT, "clientStrategyId": number})
    priced = {"price": "149", "reduceOnly": False, "postOnly": False, "randomizedIntervalQuantity": True}
    await judge.ask("strategy_create", {**plan, **priced, "symbol": PERP, "side": "Bid", "clientStrategyId": 4})
    await judge.ask("get_strategy", {"symbol": SPOT, "strategyId": _id(running, "id")})
    await judge.ask("get_strategy", {"symbol": SPOT, "clientStrategyId": 1})
    for query in ({}, {"symbol": PERP}, {"marketType": "SPOT"}, {"strategyType": "Scheduled"}):
        await judge.ask("get_open_strategies", query)
    await judge.ask("cancel_strategy", {"symbol": SPOT, "clientStrategyId": 1})
    await judge.ask("cancel_open_strategies", {"symbol": SPOT})
    await judge.ask("get_strategy", {"symbol": SPOT, "clientStrategyId": 1}, status=404)
    await judge.ask("cancel_strategy", {"symbol": SPOT, "clientStrategyId": 1}, status=400)
    # Its price is not met, so that it ends with its time.
    judge.simulator.advance_clock(601)
    await judge.ask("get_strategies_history")
    await judge.ask("get_order_history", {"strategyId": _id(running, "id")})
    await judge.ask("get_fills", {"strategyId": _id(running, "id")})


async def quotes(judge: Judge) -> None:
    """One request for quotes is filled, one refreshed and cancelled, one expires; both accounts ask and quote."""
    wanted = {"side": "Bid", "symbol": RFQ, "quantity": "10"}
    first = await judge.ask("submit_rfq", {**wanted, "clientId": 11})
    prices = {"bidPrice": "149", "askPrice": "151"}
    quote = await judge.ask("submit_quote", {"rfqId": _id(first, "rfqId"), **prices, "clientId": 12}, who=1)
    await judge.ask("get_open_rfqs")
    await judge.ask("accept_quote", {"rfqId": _id(first, "rfqId"), "quoteId": _id(quote, "quoteId")})
    second = await judge.ask("submit_rfq", wanted)
    await judge.ask("submit_quote", {"rfqId": _id(second, "rfqId"), **prices}, who=1)
    await judge.ask("refresh_rfq", {"rfqId": _id(second, "rfqId")})
    await judge.ask("cancel_rfq", {"rfqId": _id(second, "rfqId")})
    third = await judge.ask("submit_rfq", {"side": "Ask", "symbol": RFQ, "quoteQuantity": "300"}, who=1)
    for bid in ("148", "149"):
        quote = {"rfqId": _id(third, "rfqId"), "bidPrice": bid, "askPrice": "151", "clientId": 13}
        await judge.ask("submit_quote", quote)
    await judge.ask("get_open_rfqs", {"symbol": RFQ, "rfqId": _id(third, "rfqId")}, who=1)
    await judge.ask("submit_rfq", {**wanted, "executionMode": "Immediate", "price": "150"}, who=1)
    judge.simulator.advance_clock(121)
    await judge.ask("submit_rfq", {**wanted, "symbol": SPOT}, status=400)
    await judge.ask("accept_quote", {"quoteId": "1"}, status=400)
    for operation, who in (
        ("get_rfq_history", 0),
        ("get_rfq_fill_history", 0),
        ("get_quote_history", 1),
        ("get_quote_fill_history", 1),
    ):
        await judge.ask(operation, {"limit": 10}, who=who)


async def vaults(judge: Judge) -> None:
    """Mint, redeem, cancel; the vault's own key sees what others do not."""
    (vault,) = await judge.ask("get_vaults")
    one = {"vaultId": vault["id"]}
    await judge.ask("vault_mint", {**one, "symbol": vault["symbol"], "quantity": "1000"})
    await judge.ask("vault_redeem", {**one, "vaultTokenQuantity": "1"})
    await judge.ask("get_vault_pending_redeems", one, who=VAULT)
    await judge.ask("get_vault_pending_redeems", one, status=403)
    await judge.ask("vault_redeem_cancel", one)
    await judge.ask("vault_redeem_cancel", one, status=400)
    await judge.ask("vault_redeem", {**one, "vaultTokenQuantity": "2"})
    judge.simulator.advance_clock(2 * HOUR_S)
    await judge.ask("get_vault_nav", who=VAULT)
    await judge.ask("get_vault_nav", status=401)
    for interval in ("1d", "1w", "1month", "1year"):
        await judge.ask("get_vault_history", {"interval": interval})
    await judge.ask("get_vault_history", {"interval": "1d", **one})
    await judge.ask("get_vault_mint_history")
    await judge.ask("get_vault_redeem_history", {"limit": 10, **one})


async def stocks(judge: Judge) -> None:
    await judge.ask("get_stock_indicative_quote", {"symbol": "AAPL.US", "side": "Bid", "quantity": "1"})


async def ruin(judge: Judge) -> None:
    """A third account buys as much as it can, and the price falls."""
    await judge.ask("execute_order", limit("Ask", "151", "1800", PERP, postOnly=True), who=1)
    await judge.ask("execute_order", market("Bid", PERP, quantity="1800"), who=2)
    judge.simulator.set_index_price(PERP, Decimal(130))
    judge.simulator.advance_clock(10)


async def histories(judge: Judge) -> None:
    for operation in (
        "get_fills",
        "get_order_history",
        "get_position_history",
        "get_funding_payments",
        "get_settlement_history",
        "get_borrow_lend_history",
        "get_borrow_lend_position_history",
        "get_interest_history",
        "get_dust_history",
    ):
        await judge.ask(operation)
        await judge.ask(operation, {"limit": 2, "offset": 1, "sortDirection": "Asc"})
    await judge.ask("get_fills", {"fillType": "User", "marketType": "PERP", "from": 1, "to": judge.simulator.now_ms()})
    await judge.ask("get_position_history", {"state": "Closed"})


def base64_text(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


STORY: tuple[Callable[[Judge], Awaitable[None]], ...] = (
    system,
    trading,
    positions,
    market_data,
    account,
    capital,
    borrow_lend,
    strategies,
    quotes,
    vaults,
    stocks,
    ruin,
    histories,
)


STREAMS = (
    *(
        f"{kind}.{symbol}"
        for symbol in (SPOT, PERP)
        for kind in ("bookTicker", "depth", "depth.200ms", "trade", "ticker", "kline.1m")
    ),
    f"markPrice.{PERP}",
    f"openInterest.{PERP}",
    "liquidation",
    "account.orderUpdate",
    "account.positionUpdate",
    "account.balanceUpdate",
    "account.rfqUpdate",
)


async def walk(judge: Judge) -> None:
    """Tell the whole story, and listen to it; the first frame of a position comes when it is there already."""
    async with judge.listening(*STREAMS):
        for chapter in STORY:
            await chapter(judge)
            if chapter is trading:
                async with judge.listening("account.positionUpdate"):
                    pass
