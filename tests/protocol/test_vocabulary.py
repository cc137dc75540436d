"""The shared parameters: each says what it means, and words are words of the official OpenAPI file."""

import pytest

from backpack_connector.protocol import vocabulary
from backpack_connector.protocol.parameters import Kind, Parameter

ALL = [
    parameter
    for value in vars(vocabulary).values()
    for parameter in (value if isinstance(value, tuple) else (value,))
    if isinstance(parameter, Parameter)
]


@pytest.mark.parametrize("parameter", ALL, ids=lambda parameter: parameter.name)
def test_each_parameter_says_in_a_sentence_what_it_means(parameter: Parameter) -> None:
    assert parameter.meaning.endswith(".")
    assert bool(parameter.words) or parameter.kind is not Kind.WORD
    assert parameter.unit or parameter.kind is not Kind.DECIMAL
    assert not parameter.is_required  # the row of an operation says it


def test_the_limit_says_its_most() -> None:
    row = vocabulary.limit(500, 20)
    assert (row.least, row.most, row.meaning) == (1, 500, "How many rows; 20 when it is absent, at most 500.")
