"""The rate oracle's source of our name comes and goes with the connector, because it is built on it."""

from typing import Any

ASK = """
import json
from backpack_connector import registration

def source():
    from hummingbot.core.rate_oracle.rate_oracle import RATE_ORACLE_SOURCES
    return RATE_ORACLE_SOURCES["backpack"].__module__

facts = {}
BEFORE
facts["registered"] = source()
registration.unregister()
facts["unregistered"] = source()
registration.register()
facts["again"] = source()
print(json.dumps(facts))
"""
OURS = "backpack_connector.backpack_rate_source"
BUILT_IN = "hummingbot.core.rate_oracle.sources.backpack_rate_source"


def test_the_source_is_ours_while_the_connector_is(home: Any) -> None:
    assert home.ask(ASK.replace("BEFORE", "")) == {"registered": OURS, "unregistered": BUILT_IN, "again": OURS}


def test_registering_by_hand_after_the_oracle_is_loaded_changes_its_source(home: Any) -> None:
    before = "facts['before'] = source(); registration.register()"
    facts = home.ask(ASK.replace("BEFORE", before), BACKPACK_CONNECTOR="off")
    assert facts == {"before": BUILT_IN, "registered": OURS, "unregistered": BUILT_IN, "again": OURS}


def test_switched_off_the_built_in_source_stays(home: Any) -> None:
    facts = home.ask(
        ASK.replace("BEFORE", "").split("registration.unregister()")[0] + "print(json.dumps(facts))",
        BACKPACK_CONNECTOR="off",
    )
    assert facts == {"registered": BUILT_IN}
