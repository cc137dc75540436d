"""Clients and a tester that others wrote agree with the simulator; each runs in .venv-judges, against a server here."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from backpack_connector.protocol.signing import generate_key_pair
from backpack_connector.simulator import Simulator, running_simulator
from tests.judges.specification import PATH, operations
from tests.simulator.support import assert_sound

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-judges" / "bin" / "python"
SESSIONS = Path(__file__).parent / "outside"
KEYS = [generate_key_pair(bytes([seed]) * 32) for seed in (51, 52)]
# Enough to meet every branch of every answer's form several times over all operations; a minute.
EXAMPLES = 12
LENT_USDC = 100
# Operations that nothing made up can fulfil; the walk (walk.py) does. All others must accept what is allowed.
NEVER_ACCEPTED = {
    # They need the id of something that there is.
    "accept_quote",
    "cancel_order",
    "cancel_rfq",
    "cancel_strategy",
    "get_order",
    "get_strategy",
    "refresh_rfq",
    "submit_quote",
    "vault_mint",
    "vault_redeem",
    "vault_redeem_cancel",
    # They need a web session, a vault's own key, an address in the address book, or the market of a request for quotes.
    "create_withdrawal_delay",
    "get_vault_nav",
    "get_vault_pending_redeems",
    "get_withdrawal_delay",
    "request_withdrawal",
    "submit_rfq",
    "update_withdrawal_delay",
    # They need fields that fit together in ways that the specification only tells people.
    "get_borrow_lend_estimated_liquidation_price",
    "strategy_create",
}


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with running_simulator(background=False) as running:
        for key, _ in KEYS:  # profits would move into the balance between a session's last look at it and the test's
            running.exchange.open_account(key).auto_settings["autoRealizePnl"] = False
        yield running
        assert_sound(running.exchange)


async def run(session: str, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Run a session in the other environment; return its status, its report and what it complained about."""
    assert PYTHON.exists(), "The outside judges are not installed; `make judges` does it, or .ci/judges-environment."
    process = await asyncio.create_subprocess_exec(
        PYTHON,
        SESSIONS / session,
        *arguments,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        told, complaint = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, json.loads(told or b"{}"), complaint.decode()


def funds(simulator: Simulator, key: str) -> dict[str, float]:
    balances = simulator.exchange.ledger.balances(key)
    return {asset: float(balances[asset].available) for asset in ("SOL", "USDC")}


async def test_ccxt_trades(simulator: Simulator) -> None:
    status, report, complaint = await run("ccxt_session.py", simulator.rest_url, simulator.ws_url, json.dumps(KEYS))
    assert status == 0, complaint
    assert report["balance"] == pytest.approx(funds(simulator, KEYS[1][0]))
    known = simulator.exchange.open_account(KEYS[1][0]).orders
    assert {number for ids in report["orders"].values() for number in ids} <= set(known)
    assert all(report["delivered"].values())


async def test_bpx_py_trades(simulator: Simulator) -> None:
    status, report, complaint = await run("bpx_session.py", simulator.rest_url, json.dumps(KEYS))
    assert status == 0, complaint
    balances = {asset: float(report["balance"][asset]) for asset in ("SOL", "USDC")}
    balances["USDC"] -= LENT_USDC  # after it has read its balance
    assert balances == pytest.approx(funds(simulator, KEYS[1][0]))


@pytest.mark.timeout(600)
async def test_schemathesis_finds_nothing(simulator: Simulator) -> None:
    status, report, complaint = await run("schemathesis_session.py", simulator.rest_url, str(PATH), str(EXAMPLES))
    assert report, complaint
    assert not report["complaints"], "\n".join(report["complaints"])
    assert status == 0, complaint
    asked = {line.partition(" ")[0] for line in report["statuses"]}
    assert asked == set(operations())
    assert {name for name in asked if not report["accepted"].get(name)} <= NEVER_ACCEPTED


def test_the_judges_have_exact_versions() -> None:
    lines = (Path(__file__).parent / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert [pin for pin in pins if not re.fullmatch(r"[a-z0-9-]+==[0-9][0-9A-Za-z.]*", pin)] == []
    assert {"bpx-py", "ccxt", "schemathesis"} <= {pin.partition("==")[0] for pin in pins}
