"""The simulator as the demo uses it: a program on a free port, a key pair that it prints, and its truth."""

import json
import queue
import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import ProxyHandler, Request, build_opener

from backpack_connector.demo.bots import SPOT_BOT, Bot
from backpack_connector.demo.figures import Balance, Books, Fill, FundingPayment, Position
from backpack_connector.demo.processes import ProgramError, Programs
from backpack_connector.protocol.enums import MarketType
from backpack_connector.protocol.symbols import trading_pair_of
from backpack_connector.protocol.units import seconds_from_us

HOST = "127.0.0.1"
DEFAULT_PORT = 8700
START_TIMEOUT_S = 30.0
ANSWER_TIMEOUT_S = 10.0
HOUR_S = 3600
SIDES = {"Bid": "BUY", "Ask": "SELL"}
PERPETUAL = "_PERP"
COLLATERAL = "USDC"


@dataclass(frozen=True)
class Simulator:
    """A running simulator and the account that it made for us; the secret stays out of every output."""

    process: "subprocess.Popen[str]"
    url: str
    api_key: str
    api_secret: str

    def __repr__(self) -> str:
        return f"Simulator({self.url})"

    def truth(self, market_type: MarketType = MarketType.SPOT) -> Books:
        """Ask what the account's books are on the exchange's side, as far as one kind of market is concerned."""
        return read_truth(self.whole_truth(), self.api_key, market_type)

    def whole_truth(self) -> Any:
        """Ask everything about the account."""
        return self._ask(f"truth?account={quote(self.api_key, safe='')}")

    def set_index_price(self, symbol: str, price: Decimal) -> None:
        """Let the price of a market's underlying jump."""
        self._ask("price", {"symbol": symbol, "indexPrice": str(price)})

    def put_hour_into(self, seconds: float) -> None:
        """Put the exchange's clock forward, so that the next full hour, with its funding, is that many seconds away."""
        to_hour_s = HOUR_S - seconds_from_us(self.whole_truth()["timeUs"]) % HOUR_S
        self._ask("clock", {"advanceSeconds": round((to_hour_s - seconds) % HOUR_S, 3)})

    def _ask(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        # Without proxies: a proxy of the user's environment must not see a request to this machine.
        opener = build_opener(ProxyHandler({}))
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.url}/simulator/{path}", data, {"Content-Type": "application/json"})
        with opener.open(request, timeout=ANSWER_TIMEOUT_S) as answer:
            return json.loads(answer.read())


def start_simulator(
    programs: Programs, *, port: int, seed: int, log: Path, options: Sequence[str] = (), bot: Bot = SPOT_BOT
) -> Simulator:
    """Start the simulator as a program of its own and wait until it says where it listens."""
    command = [programs.python, "-m", "backpack_connector.simulator", "--port", str(port), "--seed", str(seed)]
    command += ["--json", *options, *(word for amount in bot.faucet for word in ("--faucet", amount))]
    process = programs.start(command, log=log)
    line = _first_line(process)
    if not line.startswith("{"):
        raise ProgramError(f"The simulator did not start:\n{line}{log.read_text(encoding='utf-8')[-2000:]}")
    said = json.loads(line)
    return Simulator(process, said["restUrl"].rstrip("/"), said["apiKey"], said["apiSecret"])


def _first_line(process: "subprocess.Popen[str]") -> str:
    """Read one line, and keep reading in the background, so that the simulator never waits for a full pipe."""
    lines: queue.Queue[str] = queue.Queue()
    output = process.stdout
    assert output is not None

    def read() -> None:
        try:
            for line in output:
                lines.put(line)
        except ValueError:  # the pipe was closed at the end of the demo
            pass
        lines.put("")

    threading.Thread(target=read, daemon=True).start()
    try:
        return lines.get(timeout=START_TIMEOUT_S)
    except queue.Empty:
        return ""


def usual_port() -> int:
    """Answer the simulator's usual port when nobody listens there, else 0, with which it takes any free one."""
    with socket.socket() as candidate:
        # As servers do: a port whose last connections are still being forgotten is free.
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((HOST, DEFAULT_PORT))
        except OSError:
            return 0
    return DEFAULT_PORT


def read_truth(answer: Mapping[str, Any], api_key: str, market_type: MarketType) -> Books:
    """Read what the simulator answers about one account."""
    account = answer["accounts"].get(api_key)
    if account is None:
        raise ProgramError("The simulator does not know the bot's account.")
    fills, orders = (
        [row for row in account[name] if row["symbol"].endswith(PERPETUAL) is (market_type is MarketType.PERP)]
        for name in ("fills", "openOrders")
    )
    books = Books(fills=[_read_fill(row) for row in fills], open_orders=len(orders))
    if market_type is MarketType.PERP:
        _add_futures(books, account)
    else:
        books.balances = {
            asset: Balance(Decimal(row["available"]) + Decimal(row["locked"]), Decimal(row["available"]))
            for asset, row in account["balances"].items()
        }
    return books


def _add_futures(books: Books, account: Mapping[str, Any]) -> None:
    margin = account["margin"]
    books.balances = {COLLATERAL: Balance(Decimal(margin["netEquity"]), Decimal(margin["netEquityAvailable"]))}
    books.positions = {
        trading_pair_of(symbol, MarketType.PERP): Position(Decimal(row["netQuantity"]), Decimal(row["entryPrice"]))
        for symbol, row in account["positions"].items()
    }
    books.funding = [
        FundingPayment(seconds_from_us(row["intervalEndUs"]), Decimal(row["quantity"]), Decimal(row["fundingRate"]))
        for row in account["fundingPayments"]
    ]


def _read_fill(row: Mapping[str, Any]) -> Fill:
    return Fill(
        trade_id=str(row["tradeId"]),
        order_id=str(row["orderId"]),
        side=SIDES[row["side"]],
        price=Decimal(row["price"]),
        amount=Decimal(row["quantity"]),
        fees={row["feeSymbol"]: Decimal(row["fee"])},
    )
