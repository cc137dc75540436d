"""What tests of the perpetual connector get: what those of the spot connector get, about a perpetual market."""

import pytest

from tests.spot.conftest import (  # noqa: F401
    alone,
    answers_are_current,
    bot,
    folder,
    no_session_outlives_its_loop,
    no_settling,
    quick,
    soon_conclusive,
    start_bot,
    venue,
)
from tests.spot.people import Kind


@pytest.fixture
def kind() -> Kind:
    """Give the kind of market that `venue` and `bot` are about."""
    from tests.perpetual.people import PERPETUAL  # Hummingbot's first import warns, and the spot conftest deals with it

    return PERPETUAL
