"""What tests of the spot connector get: a module that Hummingbot lacks, and a bot on a scripted exchange."""

import asyncio
import os
import sys
import types
import unittest
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from backpack_connector.simulator import running_simulator


class IsolatedAsyncioWrapperTestCase(unittest.IsolatedAsyncioTestCase):
    """What Hummingbot's connector suites expect of their base class; the published package lacks the module with it."""

    @property
    def local_event_loop(self) -> asyncio.AbstractEventLoop:
        return self._asyncioRunner.get_loop()  # type: ignore[attr-defined]

    def run_async_with_timeout(self, awaitable: Awaitable[Any], timeout: float = 1.0) -> Any:
        """Let a synchronous test wait for something asynchronous."""
        return self.local_event_loop.run_until_complete(asyncio.wait_for(awaitable, timeout))


def _provide(name: str, **members: Any) -> None:
    if name not in sys.modules:
        module = types.ModuleType(name)
        vars(module).update(members)
        sys.modules[name] = module


# `test` is also a package of Python's own, so only the missing submodule is added where that package exists.
try:
    import test  # noqa: F401
except ImportError:
    _provide("test", __path__=[])
_provide(
    "test.isolated_asyncio_wrapper_test_case",
    IsolatedAsyncioWrapperTestCase=IsolatedAsyncioWrapperTestCase,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what Hummingbot's own modules say when they are imported the first time
    from hummingbot.core.web_assistant.connections.connections_factory import ConnectionsFactory

    from backpack_connector import backpack_exchange  # noqa: F401

from backpack_connector import order_reconciliation, stream_evidence  # noqa: E402
from backpack_connector.protocol import rate_limits  # noqa: E402
from tests.spot.exchange_double import ExchangeDouble  # noqa: E402
from tests.spot.people import PAIR, SPOT, Bot, Kind, Venue  # noqa: E402

StartBot = Callable[..., Awaitable[Bot]]


@pytest.fixture(autouse=True)
def no_session_outlives_its_loop() -> Iterator[None]:
    """Close Hummingbot's shared HTTP session, which the conformance suite leaves to the next test's event loop."""
    yield
    factory = ConnectionsFactory()
    if factory._shared_client is not None:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(factory.close())
        loop.close()


@pytest.fixture(autouse=True)
def answers_are_current(monkeypatch: pytest.MonkeyPatch) -> None:
    """Believe an answer although a message came just before the question; the simulator's answers do not lag."""
    monkeypatch.setattr(stream_evidence, "ANSWER_LAG_S", 0.0)


@pytest.fixture
def folder() -> Path:
    """Give the folder in which connectors keep their journals."""
    return Path(os.environ["BACKPACK_JOURNAL"])


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask about orders more often than a real bot does, and let the shared limits allow it."""
    monkeypatch.setattr(order_reconciliation, "FIRST_SETTLE_PAUSE_S", 0.03)
    monkeypatch.setattr(order_reconciliation, "LONGEST_SETTLE_PAUSE_S", 0.06)
    generous = rate_limits.RatePool("tests", 100_000, 60.0)
    monkeypatch.setattr(rate_limits, "_CLIENT_POOLS", dict.fromkeys(rate_limits._CLIENT_POOLS, generous))


@pytest.fixture
def no_settling(monkeypatch: pytest.MonkeyPatch, quick: None) -> None:
    """Leave everything to the polls that the test makes."""
    monkeypatch.setattr(order_reconciliation, "FIRST_SETTLE_PAUSE_S", 60.0)
    monkeypatch.setattr(order_reconciliation, "LONGEST_SETTLE_PAUSE_S", 60.0)


@pytest.fixture
def soon_conclusive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Believe in an order's absence while it is young."""
    monkeypatch.setattr(order_reconciliation, "CONCLUSIVE_AGE_S", 0.2)


@asynccontextmanager
async def open_venue(monkeypatch: pytest.MonkeyPatch, kind: Kind = SPOT, **options: Any) -> AsyncIterator[Venue]:
    """Run an exchange without other traders, behind a proxy that tests can script."""
    async with (
        running_simulator(background=False, **options) as simulator,
        ExchangeDouble(simulator.rest_url) as double,
    ):
        monkeypatch.setenv("BACKPACK_SIMULATOR_URL", double.url)
        try:
            yield Venue(simulator, double, kind)
        finally:
            await ConnectionsFactory().close()  # one per process, and its sessions belong to this test's event loop


@pytest.fixture
def kind() -> Kind:
    """Give the kind of market that `venue` and `bot` are about; tests of another kind replace it."""
    return SPOT


@pytest.fixture
async def venue(monkeypatch: pytest.MonkeyPatch, kind: Kind) -> AsyncIterator[Venue]:
    """Give an exchange as `open_venue` describes it."""
    async with open_venue(monkeypatch, kind) as venue:
        yield venue


@pytest.fixture
async def start_bot(venue: Venue, quick: None, key_pair: tuple[str, str]) -> AsyncIterator[StartBot]:
    """Give a function that starts a connector on the venue; it is stopped after the test."""
    async with AsyncExitStack() as stack:

        async def start(**options: Any) -> Bot:
            return await stack.enter_async_context(Bot(venue, key_pair, **options))

        yield start


@pytest.fixture
async def bot(start_bot: StartBot) -> Bot:
    """Give a connector that is ready to trade SOL-USDC."""
    return await start_bot()


@pytest.fixture
async def alone(start_bot: StartBot, monkeypatch: pytest.MonkeyPatch) -> Bot:
    """Give a bot whose user declares that nobody else trades the account."""
    monkeypatch.setenv("BACKPACK_EXCLUSIVE_ACCOUNT", "Yes")
    return await start_bot(trading_pairs=(PAIR, "BTC-USDC"))
