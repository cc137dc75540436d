"""What tests of candles get: the quiet import of Hummingbot, and what those of the spot connector get."""

import warnings

from tests.spot.conftest import no_session_outlives_its_loop, quick  # noqa: F401

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what Hummingbot's own modules say when they are imported the first time
    import hummingbot.strategy_v2.backtesting.backtesting_data_provider
    import hummingbot.strategy_v2.controllers.directional_trading_controller_base  # noqa: F401
