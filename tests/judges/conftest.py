"""Walk once for all tests that judge what was seen on the way."""

import asyncio

import aiohttp
import pytest

from backpack_connector.simulator import running_simulator
from tests.judges.walk import Judge, walk
from tests.simulator.support import assert_sound


@pytest.fixture(scope="session")
def judge() -> Judge:
    async def told() -> Judge:
        async with running_simulator(background=False) as simulator, aiohttp.ClientSession() as session:
            judge = Judge(simulator, session)
            await walk(judge)
            assert_sound(simulator.exchange)
            return judge

    return asyncio.run(told())
