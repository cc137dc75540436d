"""The rows of `operations_market` against the official OpenAPI file."""

from backpack_connector.protocol import operations_market
from tests.protocol.operation_rows import check_rows


def test_the_rows_are_as_in_the_official_file() -> None:
    check_rows(operations_market.ROWS)
