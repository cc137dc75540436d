"""The simulator as the demo uses it: a program on a free port, a key pair that it prints, and its truth."""

import json
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import ProxyHandler, build_opener

from backpack_connector.demo.figures import Balance, Books, Fill
from backpack_connector.demo.processes import ProgramError, Programs

HOST = "127.0.0.1"
DEFAULT_PORT = 8700
START_TIMEOUT_S = 30.0
ANSWER_TIMEOUT_S = 10.0
SIDES = {"Bid": "BUY", "Ask": "SELL"}


@dataclass(frozen=True)
class Simulator:
    """A running simulator and the account that it made for us; the secret stays out of every output."""

    process: "subprocess.Popen[str]"
    url: str
    api_key: str
    api_secret: str

    def __repr__(self) -> str:
        return f"Simulator({self.url})"

    def truth(self) -> Books:
        """Ask what the account's books are on the exchange's side."""
        # Without proxies: a proxy of the user's environment must not see a request to this machine.
        opener = build_opener(ProxyHandler({}))
        address = f"{self.url}/simulator/truth?account={quote(self.api_key, safe='')}"
        with opener.open(address, timeout=ANSWER_TIMEOUT_S) as answer:
            return read_truth(json.loads(answer.read()), self.api_key)


def start_simulator(programs: Programs, *, port: int, seed: int, log: Path) -> Simulator:
    """Start the simulator as a program of its own and wait until it says where it listens."""
    command = [sys.executable, "-m", "backpack_connector.simulator", "--port", str(port), "--seed", str(seed), "--json"]
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


def read_truth(answer: Mapping[str, Any], api_key: str) -> Books:
    """Read what the simulator answers about one account."""
    account = answer["accounts"].get(api_key)
    if account is None:
        raise ProgramError("The simulator does not know the bot's account.")
    return Books(
        fills=[_read_fill(row) for row in account["fills"]],
        balances={
            asset: Balance(Decimal(row["available"]) + Decimal(row["locked"]), Decimal(row["available"]))
            for asset, row in account["balances"].items()
        },
        open_orders=len(account["openOrders"]),
    )


def _read_fill(row: Mapping[str, Any]) -> Fill:
    return Fill(
        trade_id=str(row["tradeId"]),
        order_id=str(row["orderId"]),
        side=SIDES[row["side"]],
        price=Decimal(row["price"]),
        amount=Decimal(row["quantity"]),
        fees={row["feeSymbol"]: Decimal(row["fee"])},
    )
