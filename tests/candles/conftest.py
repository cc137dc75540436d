"""What tests of candles get: the quiet import of Hummingbot, and what those of the spot connector get."""

from tests.spot.conftest import no_session_outlives_its_loop, quick  # noqa: F401
