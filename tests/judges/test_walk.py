"""Every operation answers as the official specification says, on one consistent story."""

from backpack_connector.protocol.endpoints import ENDPOINTS
from tests.judges.walk import Judge

# Prediction markets and stocks may answer empty lists of the right form.
MAY_BE_EMPTY = {
    "get_borrow_lend_positions",
    "get_market_sessions",
    "get_prediction_events",
    "get_prediction_tags",
    "get_securities",
    "get_stock_holidays",
    "get_stock_sessions",
}


def test_every_operation_is_asked(judge: Judge) -> None:
    assert set(judge.asked) == {row.operation_id for row in ENDPOINTS}


def test_every_answer_is_as_specified(judge: Judge) -> None:
    assert not judge.found, "\n".join(judge.found)


def test_every_list_was_judged_with_rows_in_it(judge: Judge) -> None:
    empty = {operation for operation in judge.rows if not judge.rows[operation]}
    assert empty - MAY_BE_EMPTY == set()
