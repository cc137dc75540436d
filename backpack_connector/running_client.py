"""Ask the Hummingbot client that runs in this process what its configuration says, where there is one.

Hummingbot hands its setting `rate_limits_share_pct` to connectors of a sub-domain only, such as `backpack_simulator`;
those that trade with money are made without it (`ConnectorSetting.conn_init_parameters` of 20260922). Two bots on one
account would then each use the whole of the account's limits. So the connectors look the setting up by themselves.
"""

import sys
from decimal import Decimal
from typing import Any

_CLIENT_MODULE = "hummingbot.client.hummingbot_application"


def running_configuration() -> Any | None:
    """Return the configuration of the client or engine that runs here; None in scripts and notebooks.

    Only a running client has loaded the module that is asked; nobody else must pay for its import.
    """
    module = sys.modules.get(_CLIENT_MODULE)
    application = module.HummingbotApplication._main_app if module is not None else None
    return None if application is None else application.client_config_map


def share_of_rate_limits(given: Decimal) -> Decimal:
    """Return which share of the account's request limits a connector may use: the smaller of what two places say.

    Units: percent. `given` is what the connector was made with, which is 100 where Hummingbot says nothing.
    """
    configuration = running_configuration()
    configured = getattr(configuration, "rate_limits_share_pct", None)
    return given if configured is None else min(given, Decimal(configured))
