"""`hbot start` on a Hummingbot whose order tracker changed: the user reads one sentence, and no order is sent."""

from pathlib import Path

import pytest

pytest.importorskip("hummingbot")

from backpack_connector.demo.processes import ProgramError
from backpack_connector.hummingbot_members import TESTED_VERSION
from tests.bare_hummingbot import make_environment, site_packages
from tests.end_to_end.place import place_for

pytestmark = pytest.mark.timeout(180)

TOLD = f"made for Hummingbot {TESTED_VERSION}: ClientOrderTracker has no _cached_orders. Install "


def test_the_sentence_is_what_hbot_start_shows(tmp_path: Path) -> None:
    environment = tmp_path.resolve() / "venv"
    make_environment(environment)
    connectors = site_packages(environment) / "hummingbot" / "connector"
    text = (connectors / "client_order_tracker.py").read_text(encoding="utf-8")
    (connectors / "client_order_tracker.py").unlink()
    (connectors / "client_order_tracker.py").write_text(text.replace("_cached_orders", "_done_orders"))
    home = tmp_path.resolve() / "home"
    home.mkdir()
    with place_for(home, environment=environment) as place:
        place.store_keys()
        with pytest.raises(ProgramError) as caught:
            place.start()
        assert "Failed to create connector backpack_simulator: Hummingbot" in str(caught.value)
        assert TOLD in str(caught.value)
        assert "Traceback" not in str(caught.value)
        assert "has no _cached_orders" in " ".join(place.typed("connect").replace("|", " ").split())
        assert place.simulator.api_key not in place.simulator.whole_truth()["accounts"], "a request was sent"
