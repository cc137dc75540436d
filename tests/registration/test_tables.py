"""Candles and rate source come and go with the connectors, also where Hummingbot ships none of them."""

from typing import Any

import pytest

ASK = """
import json, sys
from backpack_connector import registration

def candles():
    from hummingbot.data_feed.candles_feed.candles_factory import CandlesFactory
    return {name: cls.__module__ for name, cls in CandlesFactory._candles_map.items() if "backpack" in name}

def sources():
    from hummingbot.core.rate_oracle.rate_oracle import RATE_ORACLE_SOURCES
    return {name: cls.__module__ for name, cls in RATE_ORACLE_SOURCES.items() if "backpack" in name}

def choice(name):
    from hummingbot.client.config.client_config_map import ClientConfigMap
    try:
        chosen = ClientConfigMap(rate_oracle_source=name).rate_oracle_source
        again = ClientConfigMap(rate_oracle_source={"name": name}).rate_oracle_source
        assert type(again) is type(chosen), again
        source = chosen.build_rate_source()
        assert source.name == name, source.name
        return type(source).__module__
    except Exception as error:
        assert isinstance(error, KeyError) and str(error) == repr(name), repr(error)
        return None

def choices():
    return {name: choice(name) for name in ("backpack", "backpack_simulator") if choice(name)}

def everything():
    return [candles(), sources(), choices()]

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
OUR_SOURCES = {"backpack": OUR_SOURCE, "backpack_simulator": OUR_SOURCE}
OURS = [OUR_CANDLES, OUR_SOURCES, OUR_SOURCES]
FEEDS = "hummingbot.data_feed.candles_feed"
THEIR_CANDLES = {
    "backpack": f"{FEEDS}.backpack_spot_candles.backpack_spot_candles",
    "backpack_perpetual": f"{FEEDS}.backpack_perpetual_candles.backpack_perpetual_candles",
}
THEIR_SOURCES = {"backpack": "hummingbot.core.rate_oracle.sources.backpack_rate_source"}
THEIRS = [THEIR_CANDLES, THEIR_SOURCES, THEIR_SOURCES]
NOTHING: list[Any] = [{}, {}, {}]


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
    before = "facts['before'] = [candles(), sources()]; registration.register()"
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
