"""What the tests with a hostile peer get: what those of the spot connector get."""

import pytest

from tests.spot.conftest import answers_are_current, no_session_outlives_its_loop, quick  # noqa: F401


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch, quick: None) -> None:  # noqa: F811
    """Connect again at once, however often the connection was lost."""
    from backpack_connector.reconnect import Backoff

    monkeypatch.setattr(Backoff, "next_pause_s", lambda self: 0.02)
