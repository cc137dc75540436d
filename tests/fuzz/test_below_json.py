"""Answers that are odd below JSON: each is one error of ours in bounded time and memory, and goes nowhere else."""

import asyncio
import tracemalloc
from typing import Any

import pytest
from hummingbot.core.web_assistant.connections.connections_factory import ConnectionsFactory

from backpack_connector import backpack_constants, single_attempts
from backpack_connector.backpack_constants import SIMULATOR_DOMAIN
from backpack_connector.backpack_exchange import BackpackExchange
from backpack_connector.client.rest import BackpackClient
from backpack_connector.hosts import SIMULATOR_URL_VARIABLE
from backpack_connector.protocol.errors import NoAnswer, RequestError, WireFormatError
from tests.fuzz import garbage as garbage_of
from tests.fuzz.garbage import ODD_ANSWERS, Garbage, garbage_server
from tests.fuzz.hostile import check_log
from tests.fuzz.targets import check_error


async def _connector_asks(url: str) -> None:
    connector = BackpackExchange("", "", trading_pairs=[], trading_required=False, domain=SIMULATOR_DOMAIN)
    try:
        await connector.request("get_status")
    finally:
        await ConnectionsFactory().close()


async def _client_asks(url: str) -> None:
    async with BackpackClient(url=url, timeout_s=backpack_constants.REQUEST_TIMEOUT_S) as client:
        await client.request("get_status")


@pytest.mark.parametrize("asker", [_connector_asks, _client_asks], ids=["connector", "client"])
@pytest.mark.parametrize("answer", ODD_ANSWERS, ids=lambda answer: answer.__name__)
async def test_no_answer_below_json_escapes_or_fills_the_memory(
    asker: Any, answer: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(backpack_constants, "REQUEST_TIMEOUT_S", 3.0 if answer is not garbage_of.slow else 0.3)
    monkeypatch.setattr(single_attempts, "MAX_ANSWER_BYTES", 1_000_000)
    garbage = Garbage(answer)
    async with garbage_server(garbage) as url:
        monkeypatch.setenv(SIMULATOR_URL_VARIABLE, url)
        tracemalloc.start()
        try:
            with pytest.raises((RequestError, WireFormatError)) as caught:
                await asker(url)
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        check_error(caught.value)
        if answer in (garbage_of.endless, garbage_of.endless_error, garbage_of.slow, garbage_of.bomb):
            assert isinstance(caught.value, NoAnswer)
            await asyncio.wait_for(garbage.are_gone.wait(), 3.0)
        assert peak_bytes < 100_000_000
        assert garbage.sent_bytes < 50_000_000
        assert garbage.asked == 1 or answer is garbage_of.cut or answer is garbage_of.no_http, (
            "asked again, or at another place"
        )
    check_log(caplog)
