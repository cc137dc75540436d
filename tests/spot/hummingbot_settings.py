"""What Hummingbot knows of a connector from its utils module, once the registration has told it."""

from types import ModuleType

import pytest
from hummingbot.client.settings import AllConnectorSettings, ConnectorSetting, ConnectorType


def setting_of(utils: ModuleType, name: str, parent_name: str | None, kind: ConnectorType) -> ConnectorSetting:
    """Return the setting of a connector; with a parent, it is a sub-domain of that one."""
    return ConnectorSetting(
        name=name,
        type=kind,
        example_pair=utils.EXAMPLE_PAIR,
        centralised=utils.CENTRALIZED,
        use_ethereum_wallet=False,
        trade_fee_schema=utils.DEFAULT_FEES,
        config_keys=None,
        is_sub_domain=parent_name is not None,
        parent_name=parent_name,
        domain_parameter=utils.OTHER_DOMAINS_PARAMETER.get(name),
        use_eth_gas_lookup=False,
    )


def let_hummingbot_know(setting: ConnectorSetting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Hummingbot know a connector's default fees; in a user's process the registration does it."""
    monkeypatch.setitem(AllConnectorSettings.get_connector_settings(), setting.name, setting)
