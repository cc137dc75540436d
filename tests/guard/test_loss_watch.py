"""Reading an account's worth from the exchange: what is asked, and what becomes of answers that fail."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from backpack_connector.client.rest import BackpackClient
from backpack_connector.guard.loss_limit import LossLimit, TransferSum
from backpack_connector.guard.loss_watch import LossWatch
from backpack_connector.guard.reports import Reports
from backpack_connector.protocol.signing import Credentials, generate_key_pair
from backpack_connector.simulator import Simulator
from tests.guard.conftest import SECRET_SEED
from tests.guard.support import Told
from tests.spot.stream_double import UNAVAILABLE, Reply, StreamDouble, failure

NOTHING = Reply([])
REFUSED = failure(403, "FORBIDDEN", "no")


@pytest.fixture
async def double(simulator: Simulator) -> AsyncIterator[StreamDouble]:
    running = StreamDouble(simulator.rest_url, simulator.ws_url)
    await running.start()
    running.answer("get_deposits", NOTHING)
    running.answer("get_withdrawals", NOTHING)
    yield running
    await running.stop()


@pytest.fixture
async def watch(double: StreamDouble, reports: Reports) -> AsyncIterator[LossWatch]:
    """Give a watch that has seen the first value, with a limit of 100 USDC."""
    async with BackpackClient(url=double.url, credentials=Credentials(*generate_key_pair(SECRET_SEED))) as client:
        running = LossWatch(client, reports, LossLimit(Decimal(100)), TransferSum(), monotonic=lambda: Seconds.now_s)
        assert await running.look()
        yield running


class Seconds:
    now_s = 1_000.0


def lose(double: StreamDouble, amount: int) -> None:
    def less(answer: Any) -> Any:
        answer["netEquity"] = str(Decimal(answer["netEquity"]) - amount)
        return answer

    double.alter("get_collateral", less)


def withdrawal(number: int, quantity: str) -> dict[str, Any]:
    return {"id": number, "symbol": "USDC", "quantity": quantity, "status": "pending"}


async def test_worth_is_that_of_everything_at_full_price(watch: LossWatch, simulator: Simulator, told: Told) -> None:
    balances = simulator.exchange.ledger.balances(generate_key_pair(SECRET_SEED)[0])
    last = {asset: simulator.exchange.markets[f"{asset}_USDC"].last_price for asset in balances if asset != "USDC"}
    assert watch.limit.baseline == sum(row.total * last.get(asset, Decimal(1)) for asset, row in balances.items())
    assert told.events == ["baseline"]


async def test_limit_is_reached_after_two_readings(watch: LossWatch, double: StreamDouble, told: Told) -> None:
    lose(double, 100)
    assert not await watch.look()
    assert await watch.look()
    assert watch.limit.is_reached
    assert told.events == ["baseline", "loss_limit"]
    assert "has lost 100 USDC and the limit is 100" in told.of("loss_limit")[0]["text"]


async def test_nothing_is_concluded_while_the_exchange_does_not_answer(
    watch: LossWatch, double: StreamDouble, told: Told
) -> None:
    lose(double, 100)
    await watch.look()
    for operation in ("get_collateral", "get_balances"):
        double.answer(operation, UNAVAILABLE)
        assert not await watch.look()
    assert not watch.limit.is_reached
    assert told.events == ["baseline", "trouble"]
    double.answer("get_balances", None)
    lose(double, 0)
    assert not await watch.look()
    assert told.events == ["baseline", "trouble", "trouble_over"]
    assert watch.limit.loss == 0


@pytest.mark.parametrize("answer", [Reply({}), Reply([]), Reply("<html>"), Reply({"netEquity": "NaN"})])
async def test_answers_that_cannot_be_read_conclude_nothing(
    watch: LossWatch, double: StreamDouble, answer: Reply, told: Told
) -> None:
    for operation in ("get_collateral", "get_balances"):
        double.answer(operation, answer)
        await watch.look()
        await watch.look()
        double.answer(operation, None)
    assert not watch.limit.is_reached


async def test_a_withdrawal_is_found_before_it_counts_as_a_loss(watch: LossWatch, double: StreamDouble) -> None:
    lose(double, 500)
    double.answer("get_withdrawals", Reply([withdrawal(1, "500")]))
    assert await watch.look(), "the transfer is to be remembered"
    for _ in range(3):
        assert not await watch.look()
    assert (watch.limit.loss, watch.transfers.net) == (0, -500)


async def test_transfers_are_asked_each_minute_or_when_they_decide(watch: LossWatch, double: StreamDouble) -> None:
    for _ in range(5):
        await watch.look()
    assert double.count("get_deposits") == 1
    Seconds.now_s += 60.0
    await watch.look()
    assert double.count("get_deposits") == 2
    lose(double, 100)
    await watch.look()
    assert double.count("get_withdrawals") == 3


@pytest.mark.parametrize(("answer", "looks"), [(REFUSED, 2), (UNAVAILABLE, 8), (Reply([{}]), 8)])
async def test_transfers_that_cannot_be_read_delay_the_limit_and_do_not_switch_it_off(
    watch: LossWatch, double: StreamDouble, told: Told, answer: Reply, looks: int
) -> None:
    lose(double, 100)
    double.answer("get_withdrawals", answer)
    readings = [await watch.look() for _ in range(looks)]
    assert readings == [False] * (looks - 1) + [True]
    assert "Transfers cannot be read" in told.of("trouble")[0]["text"]


async def test_an_asset_without_price_is_named_once(watch: LossWatch, double: StreamDouble, told: Told) -> None:
    def more(answer: Any) -> Any:
        return {**answer, "POINTS": {"available": "7", "locked": "0", "staked": "0"}}

    double.alter("get_balances", more)
    for _ in range(3):
        await watch.look()
    assert [row["text"] for row in told.of("trouble")] == ["POINTS has no price and is not counted."]
    assert watch.limit.loss == 0
