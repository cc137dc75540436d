"""F15 and F32: lent and borrowed funds are shown, used and kept honestly."""

import asyncio
import time
from decimal import Decimal
from math import inf
from typing import Any

import pytest
from hummingbot.core.data_type.common import OrderType

from backpack_connector import backpack_exchange, stream_evidence
from backpack_connector.backpack_exchange import LOANS_INTERVAL_S, LOANS_PAUSE_S, BackpackExchange
from backpack_connector.protocol.messages import BalanceUpdate
from backpack_connector.protocol.units import us_from_seconds
from tests.spot.session import PAIR, World, until, world
from tests.spot.stream_double import UNAVAILABLE, Reply


def lend(here: World, **quantities: str) -> None:
    """Let the exchange list lent (positive) and borrowed (negative) positions."""
    rows = [{"symbol": asset, "netQuantity": quantity} for asset, quantity in quantities.items()]
    here.double.answer("get_borrow_lend_positions", Reply(rows))


def own(here: World, **quantities: str) -> None:
    """Let the exchange answer that the account has these assets available, and nothing else."""
    rows = {asset: {"available": quantity, "locked": "0", "staked": "0"} for asset, quantity in quantities.items()}
    here.double.answer("get_balances", Reply(rows))


async def polled(here: World, connector: BackpackExchange) -> None:
    """Let the connector ask for its balances once."""
    await here.poll(connector)
    await until(lambda: not connector._poll_notifier.is_set())


async def test_f15_lent_funds_are_part_of_total_and_available() -> None:
    async with world(with_double=True) as here:
        own(here, USDC="100", SOL="1")
        lend(here, USDC="500", ETH="2")
        connector = await here.started()
        assert connector.get_all_balances() == {"USDC": 600, "SOL": 1, "ETH": 2}
        assert connector.available_balances == {"USDC": 600, "SOL": 1, "ETH": 2}


async def test_f15_failing_lend_query_keeps_what_was_known(caplog: pytest.LogCaptureFixture) -> None:
    async with world(with_double=True) as here:
        own(here, USDC="100")
        lend(here, USDC="500")
        connector = await here.started()
        own(here, USDC="120")
        here.double.answer("get_borrow_lend_positions", UNAVAILABLE)
        await polled(here, connector)
        await until(lambda: connector.get_balance("USDC") == 620)
        assert "Lent and borrowed funds could not be asked; the last known ones stay" in caplog.text


async def test_f15_failing_lend_query_at_the_start_does_not_hide_the_capital() -> None:
    async with world(with_double=True) as here:
        own(here, USDC="100")
        here.double.answer("get_borrow_lend_positions", UNAVAILABLE)
        connector = await here.started()
        assert connector.get_balance("USDC") == 100


async def test_f15_redeemed_funds_leave_the_lent_ones() -> None:
    async with world(with_double=True) as here:
        own(here, USDC="100")
        lend(here, USDC="500")
        connector = await here.started()
        own(here, USDC="600")
        lend(here)
        await polled(here, connector)
        assert connector.get_balance("USDC") == 600


async def placed(here: World, connector: BackpackExchange, *, buys: bool, amount: str) -> "dict[str, Any]":
    """Place an order far from the touch, and return the body that the exchange got."""
    before = here.double.count("execute_order")
    place, price = (connector.buy, "140") if buys else (connector.sell, "160")
    place(PAIR, Decimal(amount), OrderType.LIMIT, Decimal(price))
    await until(lambda: here.double.count("execute_order") > before)
    body: dict[str, Any] = here.double.seen("execute_order")[-1].body
    return body


@pytest.mark.parametrize(
    ("buys", "amount", "is_flagged"),
    [(False, "1", False), (False, "1.01", True), (True, "1", False), (True, "1.01", True)],
    ids=["sells what is there", "sells lent base", "buys with what is there", "buys with lent quote"],
)
async def test_f15_orders_that_need_lent_funds_redeem_them_and_only_those(
    buys: bool, amount: str, is_flagged: bool
) -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        own(here, SOL="1", USDC="140")
        lend(here, SOL="10", USDC="1000")
        connector = await here.started(PAIR)
        body = await placed(here, connector, buys=buys, amount=amount)
        assert body.get("autoLendRedeem") is (True if is_flagged else None)


async def test_f15_nothing_lent_nothing_redeemed() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        own(here, SOL="1", USDC="140")
        lend(here, ETH="10")
        connector = await here.started(PAIR)
        assert "autoLendRedeem" not in await placed(here, connector, buys=False, amount="5")


async def test_f15_orders_that_need_lent_funds_only_together_redeem_them() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        own(here, SOL="3")
        lend(here, SOL="10")
        connector = await here.started(PAIR)
        # Two at once: each fits what is there, both do not.
        for price in ("160", "161"):
            connector.sell(PAIR, Decimal(2), OrderType.LIMIT, Decimal(price))
        await until(lambda: here.double.count("execute_order") == 2)
        flags = [seen.body.get("autoLendRedeem", False) for seen in here.double.seen("execute_order")]
        assert flags == [False, True]


async def test_f32_account_that_has_lent_everything_is_ready() -> None:
    async with world(with_double=True) as here:
        here.double.answer("get_balances", Reply({}))
        lend(here, USDC="500")
        connector = await here.started()
        assert connector.get_all_balances() == {"USDC": 500}


async def test_f32_empty_account_is_ready() -> None:
    async with world(with_double=True) as here:
        here.double.answer("get_balances", Reply({}))
        connector = await here.started()
        assert connector.get_all_balances() == {}
        assert connector.get_available_balance("USDC") == 0


async def test_f32_asset_that_was_withdrawn_is_gone() -> None:
    async with world(with_double=True) as here:
        own(here, USDC="100", SOL="1")
        connector = await here.started()
        own(here, USDC="100")
        await polled(here, connector)
        await until(lambda: connector.get_all_balances() == {"USDC": 100})
        assert connector.get_available_balance("SOL") == 0
        here.double.answer("get_balances", Reply({}))
        await polled(here, connector)
        await until(lambda: connector.get_all_balances() == {})


async def test_f15_borrowed_funds_are_not_the_accounts_own_and_are_stated_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with world(with_double=True) as here:
        own(here, USDC="100", SOL="1")
        lend(here, USDC="-60")
        connector = await here.started()
        assert connector.get_balance("USDC") == 40
        assert connector.get_available_balance("USDC") == 100
        assert "The account has borrowed USDC" in caplog.text
        caplog.clear()
        await polled(here, connector)
        assert "borrowed" not in caplog.text


ODD_BALANCES: "dict[str, Any]" = {
    "NaN": {"available": "NaN", "locked": "0", "staked": "0"},
    "text": {"available": "much", "locked": "0", "staked": "0"},
    "missing": {"available": "1"},
    "no object": "1",
    "null": None,
}


@pytest.mark.parametrize("odd", ODD_BALANCES.values(), ids=ODD_BALANCES.keys())
async def test_bad_input_balance_keeps_its_last_known_figure_and_hides_no_other(
    odd: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(with_double=True) as here:
        own(here, USDC="100", SOL="1")
        connector = await here.started()
        good = {"available": "120", "locked": "0", "staked": "0"}
        here.double.answer("get_balances", Reply({"SOL": odd, "USDC": good}))
        await polled(here, connector)
        await until(lambda: connector.get_balance("USDC") == 120)
        assert "get_balances[SOL]" in caplog.text
        assert connector.get_balance("SOL") == 1, "one odd row is no proof that the asset is gone"


@pytest.mark.parametrize("odd", [{"symbol": "SOL", "netQuantity": "NaN"}, {"symbol": "SOL"}, "text", None])
async def test_bad_input_lent_position_keeps_what_was_known_and_hides_no_other(
    odd: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(with_double=True) as here:
        own(here, USDC="100")
        lend(here, USDC="5", SOL="2")
        connector = await here.started()
        rows = [odd, {"symbol": "USDC", "netQuantity": "7"}]
        here.double.answer("get_borrow_lend_positions", Reply(rows))
        await polled(here, connector)
        await until(lambda: connector.get_balance("USDC") == 107)
        assert "A lent or borrowed position was left out" in caplog.text
        assert connector.get_balance("SOL") == 2, "one odd row is no proof that the position is gone"


@pytest.mark.parametrize("answer", [["USDC"], "text", 5])
async def test_bad_input_balances_that_are_no_object_change_nothing(answer: Any) -> None:
    async with world(with_double=True) as here:
        connector = await here.started()
        known = connector.get_all_balances()
        here.double.alter("get_balances", lambda _: answer)
        asked = here.double.count("get_balances")
        await here.poll(connector)
        await until(lambda: here.double.count("get_balances") > asked)
        assert connector.get_all_balances() == known


def told(asset: str, available: str) -> BalanceUpdate:
    """Return what the stream says of the capital now."""
    now_us = us_from_seconds(time.time())
    return BalanceUpdate(
        event_time_us=now_us, asset=asset, available=Decimal(available), locked=Decimal(0), staked=Decimal(0)
    )


async def test_f16_lenders_ask_once_for_many_messages_and_seldom_however_many_come() -> None:
    async with world(with_double=True) as here:
        own(here, USDC="100")
        lend(here, USDC="500")
        connector = await here.started()
        connector._loans_asked_at_s -= LOANS_INTERVAL_S
        for available in ("90", "80", "70"):
            connector._on_account_message(told("USDC", available))
        first, due = here.double.count("get_borrow_lend_positions"), connector._asking_soon
        own(here, USDC="70")
        assert due is not None
        assert due.when() <= asyncio.get_running_loop().time() + LOANS_PAUSE_S
        await until(lambda: here.double.count("get_borrow_lend_positions") == first + 1)
        await until(lambda: connector._asking_soon is None)
        asked_at_s = connector._loans_asked_at_s
        connector._on_account_message(told("USDC", "60"))
        assert connector._asking_soon is not None
        assert connector._asking_soon.when() >= asked_at_s + LOANS_INTERVAL_S
        assert here.double.count("get_borrow_lend_positions") == first + 1


async def test_f16_an_answer_that_may_be_older_than_the_last_message_is_asked_for_once_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backpack_exchange, "LOANS_INTERVAL_S", 0.3)
    monkeypatch.setattr(backpack_exchange, "LOANS_PAUSE_S", 0.05)
    monkeypatch.setattr(stream_evidence, "ANSWER_LAG_S", 1.0)
    async with world(with_double=True) as here:
        own(here, USDC="100")
        lend(here, USDC="500")
        connector = await here.started()
        before = here.double.count("get_borrow_lend_positions")
        own(here, USDC="200")
        connector._loans_asked_at_s = -inf
        connector._on_account_message(told("USDC", "200"))
        await until(lambda: here.double.count("get_borrow_lend_positions") == before + 1)
        lend(here, USDC="400")
        await until(lambda: connector.get_balance("USDC") == 600)
        await until(lambda: connector._asking_soon is None)


async def test_accounts_without_loans_ask_nothing_because_of_messages() -> None:
    async with world(with_double=True) as here:
        own(here, USDC="100")
        lend(here)
        connector = await here.started()
        connector._on_account_message(told("USDC", "90"))
        assert connector._asking_soon is None


async def test_auto_lending_accounts_and_orders_that_borrow_are_known_before_the_first_loan() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        assert not connector._spot_balances.has_loans
        here.simulator.exchange.open_account(here.key).auto_settings["autoLend"] = True
        await connector._update_trading_fees()
        assert connector._spot_balances.has_loans
        connector._spot_balances.has_loans = False
        connector.sell(PAIR, Decimal(1), OrderType.LIMIT, Decimal(160), auto_borrow=True)
        await until(lambda: connector._spot_balances.has_loans)
