"""The reference of operations equals the catalogue."""

from backpack_connector.protocol.endpoints import ENDPOINTS
from tests.client import reference


def test_the_reference_is_as_the_catalogue_is() -> None:
    assert reference.PATH.read_text(encoding="utf-8") == reference.reference(), "run `make docs`"


def test_every_operation_has_its_row() -> None:
    text = reference.reference()
    assert all(f"\n| `{row.operation_id}`" in text for row in ENDPOINTS)
    assert "`start_time_s`*" in text
