"""What the client's configuration says about a bot's share of the request limits reaches every connector."""

import sys
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from backpack_connector.protocol.rate_limits import HISTORICAL_POOL, STANDARD_POOL
from backpack_connector.running_client import running_configuration, share_of_rate_limits

CLIENT = "hummingbot.client.hummingbot_application"
CONNECTORS = ("backpack", "backpack_perpetual", "backpack_simulator", "backpack_perpetual_simulator")


def run_client(monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
    application = SimpleNamespace(client_config_map=SimpleNamespace(**settings))
    module = SimpleNamespace(HummingbotApplication=SimpleNamespace(_main_app=application))
    monkeypatch.setitem(sys.modules, CLIENT, module)


@pytest.mark.parametrize("name", CONNECTORS)
async def test_f29_hummingbot_makes_each_connector_with_the_share_that_its_user_has_set(
    name: str, key_pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    application = pytest.importorskip(CLIENT).HummingbotApplication
    from hummingbot.client.config.client_config_map import ClientConfigMap
    from hummingbot.client.config.config_helpers import ClientConfigAdapter
    from hummingbot.core.connector_manager import ConnectorManager

    configuration = ClientConfigAdapter(ClientConfigMap(rate_limits_share_pct=Decimal(25)))
    monkeypatch.setattr(application, "_main_app", SimpleNamespace(client_config_map=configuration))
    # The perpetual simulator's keys have the names of its parent, as Hummingbot's prompts name them.
    prefix = name if name == "backpack_simulator" else "backpack"
    keys = dict(zip((f"{prefix}_api_key", f"{prefix}_api_secret"), key_pair, strict=True))
    connector = ConnectorManager(configuration).create_connector(name, ["SOL-USDC"], api_keys=keys)
    assert connector._throttler.pool(STANDARD_POOL).limit == 500
    assert connector._throttler.pool(HISTORICAL_POOL).limit == 7


@pytest.mark.parametrize(("given", "set_to", "share"), [(100, 40, 40), (40, 100, 40), (100, 100, 100), (10, 50, 10)])
def test_f29_the_smaller_share_counts(given: int, set_to: int, share: int, monkeypatch: pytest.MonkeyPatch) -> None:
    run_client(monkeypatch, rate_limits_share_pct=Decimal(set_to))
    assert share_of_rate_limits(Decimal(given)) == share


def test_f29_a_client_without_the_setting_takes_what_the_connector_was_made_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run_client(monkeypatch, instance_id="abc")
    assert share_of_rate_limits(Decimal(30)) == 30


@pytest.mark.parametrize("module", [None, SimpleNamespace(HummingbotApplication=SimpleNamespace(_main_app=None))])
def test_without_a_running_client_there_is_no_configuration(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, CLIENT, raising=False)
    if module is not None:
        monkeypatch.setitem(sys.modules, CLIENT, module)
    assert running_configuration() is None
    assert share_of_rate_limits(Decimal(100)) == 100
