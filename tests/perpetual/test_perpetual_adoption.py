"""Orders of a dead process, in a perpetual market: what the tests of the spot connector say of orders in any market."""

from tests.perpetual.taken_over import taken_from
from tests.spot import test_order_adoption, test_order_adoption_database

globals().update(
    taken_from(
        test_order_adoption,
        but=("test_a_connector_that_does_not_trade_has_no_journal",),  # without keys: the same code
    )
)
globals().update(taken_from(test_order_adoption_database))
