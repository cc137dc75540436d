"""What one order costs on its way out: counted operations, no seconds (issue 5)."""

import copy
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy
import pytest
from hummingbot.connector.time_synchronizer import TimeSynchronizer
from hummingbot.core.data_type.common import OrderType

from backpack_connector import hosts
from backpack_connector.protocol import rest, signing
from backpack_connector.protocol.endpoints import Endpoint
from backpack_connector.protocol.rate_limits import STANDARD_POOL
from backpack_connector.request_sender import ExchangeClock
from tests.spot.session import PAIR, until, world


class Counted:
    """Counts the calls of functions."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.calls: Counter[str] = Counter()

    def watch(self, owner: Any, name: str) -> None:
        """Count the calls of one function from now on."""
        original: Callable[..., Any] = getattr(owner, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.calls[name] += 1
            return original(*args, **kwargs)

        self._monkeypatch.setattr(owner, name, counted)


async def test_an_order_is_rendered_encoded_and_signed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with world() as here:
        here.fill_book()
        connector = await here.started(PAIR)
        counted = Counted(monkeypatch)
        for owner, name in (
            (copy, "deepcopy"),
            (numpy, "median"),
            (hosts, "_is_http_url"),
            (rest, "ready_body"),
            (rest, "decimal_text"),
            (signing, "crypto_sign"),
        ):
            counted.watch(owner, name)
        pool = connector._throttler.pool(STANDARD_POOL)
        sent_before = pool.used
        orders = [connector.buy(PAIR, Decimal(1), OrderType.LIMIT, Decimal(140 - row)) for row in range(3)]
        tracked = connector.order_tracker._in_flight_orders
        await until(lambda: all(name in tracked and tracked[name].is_open for name in orders))
        assert pool.used == sent_before + 3
        assert counted.calls == {"ready_body": 3, "decimal_text": 2 * 3, "crypto_sign": 3}


def test_clock_is_the_one_of_hummingbot_and_averages_only_when_a_sample_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, original = ExchangeClock(), TimeSynchronizer()
    assert abs(ours.time() - original.time()) < 1
    counted = Counted(monkeypatch)
    counted.watch(numpy, "median")
    for sample in (5_000.0, 7_000.0, 4_000.0, 9_000.0, 1_000.0, 2_000.0):
        for clock in (ours, original):
            clock.add_time_offset_ms_sample(sample)
        asked = counted.calls["median"]
        for _ in range(10):
            ours.time()
        assert counted.calls["median"] == asked + 1
        assert ours.time_offset_ms == original.time_offset_ms
    ours.clear_time_offset_ms_samples()
    assert abs(ours.time() - TimeSynchronizer().time()) < 1


async def test_the_time_is_asked_before_a_place_in_the_pool_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    async with world() as here:
        connector = here.connector()
        acquire, take, taken = connector._throttler.acquire, connector._throttler.take, []

        async def noted(limit_id: str) -> None:
            taken.append(limit_id)
            await acquire(limit_id)

        def noted_at_once(row: Endpoint) -> bool:
            taken.append(row.operation_id)
            return take(row)

        monkeypatch.setattr(connector._throttler, "acquire", noted)
        monkeypatch.setattr(connector._throttler, "take", noted_at_once)
        await connector.request("get_balances")
        await connector.request("get_balances")
        assert taken == ["get_time", "get_balances", "get_balances"]
