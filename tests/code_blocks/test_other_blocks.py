"""Every block that is not shell is read by what it is meant for; one that nobody reads fails here."""

import ast
import json
import re
from collections.abc import Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
import yaml
from hummingbot.client.config.client_config_map import PaperTradeConfigMap
from hummingbot.core.data_type.common import OrderType
from hummingbot.core.event.events import MarketEvent
from hummingbot.data_feed.candles_feed.candles_factory import CandlesFactory

from backpack_connector import hummingbot_contract
from backpack_connector.backpack_spot_candles import BackpackSpotCandles
from backpack_connector.cli import status
from backpack_connector.client.rest import BackpackClient
from backpack_connector.latency import LatencyRecorder, as_text
from backpack_connector.market_service.server import running_service
from backpack_connector.mcp_server.main import read_settings
from backpack_connector.protocol.enums import Side
from backpack_connector.protocol.signing import Credentials
from backpack_connector.registration import ActiveConnector, Status
from backpack_perpetual_connector.backpack_perpetual_candles import BackpackPerpetualCandles
from tests.code_blocks.blocks import ROOT, Block, blocks, indented_code, page_name, pages
from tests.spot.session import events_of, until, world

RUN_ELSEWHERE = {
    ("docs/python.md", "python"): "tests/client/test_python_page.py",
    ("docs/fleet.md", "yaml"): "tests/end_to_end/test_fleet.py",
    ("docs/fleet.md", "conf"): "tests/end_to_end/test_fleet.py",
    ("docs/fleet.md", "json"): "tests/end_to_end/test_fleet.py",
    ("docs/fleet.md", "python"): "tests/end_to_end/test_fleet.py",
}
"""Pages and languages whose blocks another test takes from the page and uses."""


def block(page: str, language: str, number: int = 0) -> str:
    return [found.text for found in blocks() if (found.page, found.language) == (page, language)][number]


async def candles_of_market_data() -> None:
    names: dict[str, Any] = {}
    exec(block("docs/market-data.md", "python"), names)
    feed = CandlesFactory.get_candle(names["config"])
    assert isinstance(feed, BackpackPerpetualCandles)
    assert not isinstance(feed, BackpackSpotCandles)


async def order_with_control() -> None:
    """The order is placed by the real connector, and ends at once, because nobody sells at this price."""
    async with world() as here:
        connector = await here.started("SOL-USDC")
        log = events_of(connector, MarketEvent.OrderCancelled)
        strategy = SimpleNamespace(connectors={"backpack": connector})
        exec(block("docs/order-control.md", "python"), {"self": strategy, "Decimal": Decimal, "OrderType": OrderType})
        await until(lambda: log.event_log)
        async with BackpackClient(
            url=here.simulator.rest_url, credentials=Credentials(here.key, here.secret)
        ) as client:
            (order,) = await client.get_order_history(symbol="SOL_USDC")
        assert order.time_in_force == "IOC"


async def paper_trade_settings() -> None:
    settings = yaml.safe_load(block("docs/market-data.md", "yaml"))["paper_trade"]
    read = PaperTradeConfigMap(**settings)
    assert set(settings) <= set(PaperTradeConfigMap.model_fields)
    assert read.paper_trade_exchanges == ["backpack"]
    assert read.paper_trade_account_balance == {"SOL": 10.0, "USDC": 1000.0}


async def settings_of_an_agent() -> None:
    server = json.loads(block("docs/mcp.md", "json"))["mcpServers"]["backpack"]
    assert f'"{server["command"]} = backpack_connector.mcp_server.main:main"' in (ROOT / "setup.py").read_text()
    read = read_settings(server["args"])
    assert (read.allows_trading, read.allows_withdrawals) == (True, False)
    assert set(server["env"]) == {"BACKPACK_API_KEY", "BACKPACK_SECRET_KEY"}


async def answer_of_the_service() -> None:
    shown = json.loads(block("docs/command-line.md", "json"))
    async with (
        world() as here,
        BackpackClient(url=here.simulator.rest_url) as client,
        running_service(client, "127.0.0.1", 0) as url,
        aiohttp.ClientSession() as session,
    ):
        here.rest(Side.ASK, "150", "1")
        here.take(Side.BID, "150", "1")
        async with session.get(f"{url}/v1/trades?symbol=SOL_USDC&limit=1") as answer:
            real = await answer.json()
    assert shape(shown) == shape(real)


def shape(value: Any) -> Any:
    """Return what kind of thing everything is, the keys in their order."""
    if isinstance(value, dict):
        return [(key, shape(inner)) for key, inner in value.items()]
    if isinstance(value, list):
        return [shape(inner) for inner in value[:1]]
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


async def text_of_status() -> None:
    """The text is what `backpack status` says of such a place."""
    shown = block("README.md", "text")
    site = "/home/you/venv/lib/python3.12/site-packages"
    connectors = [
        ActiveConnector(name, "plugin", f"{site}/{name}_connector") for name in ("backpack", "backpack_perpetual")
    ]
    version = re.search(r"^Backpack connectors (\S+)$", shown, re.MULTILINE)
    hummingbot = re.search(r"^Hummingbot (\d+) in", shown, re.MULTILINE)
    assert version is not None
    assert hummingbot is not None
    found = Status(
        version=version[1],
        hummingbot_version=hummingbot[1],
        hummingbot_location=f"{site}/hummingbot",
        is_switched_on=True,
        is_start_up_file_active=True,
        connectors=tuple(connectors),
        simulator_key_files=(),
    )
    assert status.describe(found) == shown.rstrip("\n")


async def latencies_of_a_bot() -> None:
    """The figures are those of one run; everything around them is what the program writes."""
    told = as_text(LatencyRecorder().report("backpack_simulator"))
    told_rows = {line[:30].strip() for line in told.splitlines()[2:]}
    shown = block("docs/speed.md", "text").splitlines()
    assert {line[:30].strip() for line in shown[3:]} == told_rows
    assert shown[2].split() == told.splitlines()[1].split()


Check = Callable[[], Any]


async def sentence_of_a_hummingbot_that_does_not_fit() -> None:
    told = hummingbot_contract.sentence(["ClientOrderTracker has no process_order_not_found"])
    assert " ".join(block("docs/versions.md", "text").split()) == re.sub(
        r"^Hummingbot \S+", "Hummingbot 20270101", told
    )


CHECKS: dict[tuple[str, str, int], Check] = {
    ("docs/market-data.md", "python", 0): candles_of_market_data,
    ("docs/order-control.md", "python", 0): order_with_control,
    ("docs/market-data.md", "yaml", 0): paper_trade_settings,
    ("docs/mcp.md", "json", 0): settings_of_an_agent,
    ("docs/command-line.md", "json", 0): answer_of_the_service,
    ("README.md", "text", 0): text_of_status,
    ("docs/versions.md", "text", 0): sentence_of_a_hummingbot_that_does_not_fit,
    ("docs/speed.md", "text", 0): latencies_of_a_bot,
}
"""Page, language, and the how-many-th block of that language on the page."""


@pytest.mark.parametrize("check", CHECKS.values(), ids=lambda check: check.__name__)
async def test_a_block_is_what_it_is_meant_for(check: Check) -> None:
    await check()


def others() -> list[tuple[str, str, int]]:
    """Return all blocks but shell, as the table names them."""
    found: list[tuple[str, str, int]] = []
    for row in blocks():
        if row.language != "bash":
            number = sum((row.page, row.language) == name[:2] for name in found)
            found.append((row.page, row.language, number))
    return found


def test_every_block_has_a_check() -> None:
    assert {name for name in others() if name[:2] not in RUN_ELSEWHERE} == set(CHECKS)


@pytest.mark.parametrize(("names", "test"), RUN_ELSEWHERE.items())
def test_what_is_run_elsewhere_is_run_there(names: tuple[str, str], test: str) -> None:
    assert any(name[:2] == names for name in others())
    page, language = names
    code = (ROOT / test).read_text(encoding="utf-8")
    assert re.search(rf'["/]{re.escape(page.rpartition("/")[2])}"', code)
    assert re.search(rf'(?:"|```){language}\b', code)


@pytest.mark.parametrize("row", blocks(), ids=lambda row: row.place)
def test_every_block_has_a_language(row: Block) -> None:
    assert row.language, "write the language behind the backticks"
    if row.language == "python":
        ast.parse(row.text)


@pytest.mark.parametrize("path", pages(), ids=page_name)
def test_code_is_fenced(path: Any) -> None:
    text = path.read_text(encoding="utf-8")
    if "Written by `python -m " not in text:  # what is generated is compared with the code instead
        assert indented_code(text) == []
    assert len(re.findall(r"^ {0,3}`{3,}", text, re.MULTILINE)) == 2 * len(
        [b for b in blocks() if b.page == page_name(path)]
    )
