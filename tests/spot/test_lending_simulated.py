"""F15: the connector against an exchange that really lends."""

from decimal import Decimal

from hummingbot.core.data_type.common import OrderType

from backpack_connector.simulator.lending_positions import LoanSide
from tests.spot.session import PAIR, until, world


async def test_f15_lent_funds_count_and_an_order_that_needs_them_redeems_them() -> None:
    async with world() as here:
        here.fill_book()
        here.publish(here.simulator.exchange.lending.execute(here.key, LoanSide.LEND, "SOL", Decimal(45)))
        connector = await here.started(PAIR)
        await until(lambda: connector.get_balance("SOL") == 50)
        assert connector.get_available_balance("SOL") == 50
        connector.sell(PAIR, Decimal(20), OrderType.LIMIT, Decimal(160))
        account = here.simulator.exchange.open_account(here.key)
        await until(lambda: account.open_orders)
        loan = here.simulator.exchange.ledger.loans.get(here.key, "SOL")
        assert loan is not None
        assert loan.quantity == 30
        # Nobody polls: what is redeemed has left the loan as soon as the capital has it (F16).
        await until(lambda: connector.get_balance("SOL") == 50)
        await until(lambda: connector.get_available_balance("SOL") == 30)


async def test_f16_proceeds_that_are_lent_at_once_stay_in_the_total() -> None:
    async with world() as here:
        here.fill_book()
        account = here.simulator.exchange.open_account(here.key)
        account.auto_settings["autoLend"] = True
        here.simulator.advance_clock(1)
        connector = await here.started(PAIR)
        await until(lambda: connector.get_balance("SOL") == 50)
        connector.sell(PAIR, Decimal(2), OrderType.LIMIT, Decimal("149.99"))
        await until(lambda: not connector.in_flight_orders)
        here.simulator.advance_clock(1)
        assert here.simulator.exchange.ledger.balance(here.key, "USDC").available == 0
        await until(lambda: connector.get_balance("USDC") > 10_299 and connector.get_balance("SOL") == 48)


async def test_f15_auto_lent_and_borrowed_funds_are_told_as_they_are() -> None:
    async with world() as here:
        account = here.simulator.exchange.open_account(here.key)
        here.publish(here.simulator.exchange.lending.execute(here.key, LoanSide.BORROW, "ETH", Decimal(1)))
        account.auto_settings["autoLend"] = True
        here.simulator.advance_clock(1)
        connector = await here.started(PAIR)
        await until(lambda: connector.get_balance("USDC") == 10_000)
        assert here.simulator.exchange.ledger.balance(here.key, "USDC").available == 0
        assert Decimal("1.999") < connector.get_balance("ETH") < 2
        assert connector.get_available_balance("ETH") == 3
