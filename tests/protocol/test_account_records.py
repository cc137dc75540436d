"""The structs of `account_records` against the official OpenAPI file."""

import pytest

from backpack_connector.protocol import account_records
from tests.protocol.schemas import check_answers_of, operations_in


@pytest.mark.parametrize("operation_id", operations_in(account_records))
def test_each_answer_has_every_field_of_its_schema(operation_id: str) -> None:
    check_answers_of(operation_id)
