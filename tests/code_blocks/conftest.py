"""Load Hummingbot once, before the tests turn warnings into errors: its own connectors warn while they load."""

import contextlib
import warnings

with warnings.catch_warnings(), contextlib.suppress(ModuleNotFoundError):
    warnings.simplefilter("ignore")
    import hummingbot.strategy.strategy_v2_base  # noqa: F401
