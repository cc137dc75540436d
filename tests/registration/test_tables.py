"""Candles and rate source come and go with the connectors, also where Hummingbot ships none of them."""

from typing import Any

import pytest

ASK = """
import json, sys
from backpack_connector import registration

def candles():
    from hummingbot.data_feed.candles_feed.candles_factory import CandlesFactory
    return {name: cls.__module__ for name, cls in CandlesFactory._candles_map.items() if "backpack" in name}

def source():
    from hummingbot.core.rate_oracle.rate_oracle import RATE_ORACLE_SOURCES
    return getattr(RATE_ORACLE_SOURCES.get("backpack"), "__module__", None)

def choice():
    from hummingbot.client.config.client_config_map import ClientConfigMap
    try:
        chosen = ClientConfigMap(rate_oracle_source="backpack").rate_oracle_source
        again = ClientConfigMap(rate_oracle_source={"name": "backpack"}).rate_oracle_source
        assert type(again) is type(chosen), again
        return type(chosen.build_rate_source()).__module__
    except Exception as error:
        assert isinstance(error, KeyError) and str(error) == "'backpack'", repr(error)
        return None

def everything():
    return [candles(), source(), choice()]

facts = {}
BEFORE
facts["registered"] = everything()
registration.unregister()
facts["unregistered"] = everything()
try:
    registration.register()
    facts["again"] = everything()
except registration.RegistrationError:  # the configuration has loaded Hummingbot's own connectors
    facts["again"] = None
from hummingbot.client.config.client_config_map import ClientConfigMap
facts["others"] = ClientConfigMap(rate_oracle_source="binance").rate_oracle_source.name
print(json.dumps(facts))
"""
SPOT, PERPETUAL = "backpack_connector.backpack_spot_candles", "backpack_perpetual_connector.backpack_perpetual_candles"
OUR_CANDLES = {
    "backpack": SPOT,
    "backpack_simulator": SPOT,
    "backpack_perpetual": PERPETUAL,
    "backpack_perpetual_simulator": PERPETUAL,
}
OUR_SOURCE = "backpack_connector.backpack_rate_source"
OURS = [OUR_CANDLES, OUR_SOURCE, OUR_SOURCE]
FEEDS = "hummingbot.data_feed.candles_feed"
THEIR_CANDLES = {
    "backpack": f"{FEEDS}.backpack_spot_candles.backpack_spot_candles",
    "backpack_perpetual": f"{FEEDS}.backpack_perpetual_candles.backpack_perpetual_candles",
}
THEIR_SOURCE = "hummingbot.core.rate_oracle.sources.backpack_rate_source"
THEIRS = [THEIR_CANDLES, THEIR_SOURCE, THEIR_SOURCE]
NOTHING = [{}, None, None]


@pytest.mark.parametrize(("which", "shipped"), [("home", THEIRS), ("bare_home", NOTHING)])
def test_tables_hold_ours_while_the_connectors_are_ours(
    which: str, shipped: list[Any], request: pytest.FixtureRequest
) -> None:
    facts = request.getfixturevalue(which).ask(ASK.replace("BEFORE", ""))
    again = OURS if which == "bare_home" else None
    assert facts == {"registered": OURS, "unregistered": shipped, "again": again, "others": "binance"}


@pytest.mark.parametrize(("which", "shipped"), [("home", THEIRS), ("bare_home", NOTHING)])
def test_registering_by_hand_fills_tables_that_are_loaded(
    which: str, shipped: list[Any], request: pytest.FixtureRequest
) -> None:
    before = "facts['before'] = [candles(), source()]; registration.register()"
    facts = request.getfixturevalue(which).ask(ASK.replace("BEFORE", before), BACKPACK_CONNECTOR="off")
    assert (facts["before"], facts["registered"], facts["unregistered"]) == (shipped[:2], OURS, shipped)


def test_candles_imported_by_name_are_those_of_the_table(home: Any) -> None:
    script = """
import json
from hummingbot.data_feed.candles_feed.backpack_perpetual_candles import BackpackPerpetualCandles
from hummingbot.data_feed.candles_feed.backpack_spot_candles import BackpackSpotCandles
from hummingbot.data_feed.candles_feed.candles_factory import CandlesFactory
rows = CandlesFactory._candles_map
print(json.dumps([rows["backpack"] is BackpackSpotCandles, rows["backpack_perpetual"] is BackpackPerpetualCandles]))
"""
    assert home.ask(script) == [True, True]
