"""Liquidation and auto-deleveraging: the position changes, the bot's orders end, and the user is told once."""

from decimal import Decimal

import pytest
from hummingbot.core.data_type.common import OrderType, PositionAction
from hummingbot.core.event.events import MarketEvent, MarketOrderFailureEvent, OrderCancelledEvent

from backpack_connector.protocol.enums import Side
from backpack_connector.simulator.liquidation import BACKSTOP_ACCOUNT
from tests.perpetual.session import PAIR, SYMBOL, PerpetualWorld, perpetual_world, shown
from tests.spot.session import events_of, until


def told(caplog: pytest.LogCaptureFixture, words: str) -> list[str]:
    """Return the lines with these words, of all levels."""
    return [record.getMessage() for record in caplog.records if words in record.getMessage()]


def held(here: PerpetualWorld) -> Decimal:
    """Return the position that the exchange has."""
    return here.simulator.exchange.net_quantity(here.key, SYMBOL)


async def test_liquidation_on_the_book_changes_the_position_and_is_told_once_an_order(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    async with perpetual_world() as here:
        connector = await here.started(PAIR)
        here.trade_elsewhere(Side.BID, "150", "2000")
        await until(lambda: shown(connector) == (2000, 150))
        here.rest(Side.BID, "132.3", "50")  # the first order has two fills
        here.rest(Side.BID, "132.2", "5000")
        here.simulator.set_index_price(SYMBOL, Decimal("132.5"))
        here.simulator.advance_clock(1)
        await until(lambda: held(here) < 2000)

        def is_told() -> bool:
            # Each step of a tenth is an order of its own; the exchange's clock decides how many there were.
            lines = told(caplog, "because of a liquidation")
            return shown(connector) == (held(here), 150) and len(lines) == (2000 - held(here)) / 200

        await until(is_told)
        here.simulator.advance_clock(1)
        await until(is_told)
        first, *others = told(caplog, "because of a liquidation")
        sentence = f"The exchange trades {SYMBOL} in this account because of a liquidation: Ask 200.00 at "
        assert first == f"{sentence}132.30."
        assert set(others) == {f"{sentence}132.20."}


async def test_liquidation_ends_resting_orders_and_refuses_new_ones() -> None:
    async with perpetual_world() as here:
        connector = await here.started(PAIR)
        ends = events_of(connector, MarketEvent.OrderCancelled, MarketEvent.OrderFailure)
        here.trade_elsewhere(Side.BID, "150", "2000")
        resting = connector.buy(PAIR, Decimal(1), OrderType.LIMIT, Decimal(120), position_action=PositionAction.OPEN)
        await until(lambda: (order := connector.in_flight_orders.get(resting)) and order.exchange_order_id)
        here.rest(Side.BID, "132.3", "5000")
        here.simulator.set_index_price(SYMBOL, Decimal("132.5"))
        here.simulator.advance_clock(1)
        (cancelled,) = await until(lambda: ends.event_log)
        assert isinstance(cancelled, OrderCancelledEvent)
        assert cancelled.order_id == resting
        refused = connector.buy(PAIR, Decimal(1), OrderType.LIMIT, Decimal(120), position_action=PositionAction.OPEN)
        _, failure = await until(lambda: len(ends.event_log) == 2 and ends.event_log)
        assert isinstance(failure, MarketOrderFailureEvent)
        assert failure.order_id == refused
        assert "Account is being liquidated" in failure.error_message


async def test_liquidation_by_a_backstop_provider_closes_the_position(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with perpetual_world() as here:
        connector = await here.started(PAIR)
        here.trade_elsewhere(Side.BID, "150", "2000")
        await until(lambda: shown(connector))
        here.simulator.set_index_price(SYMBOL, Decimal("131"))
        here.simulator.advance_clock(1)
        await until(lambda: PAIR not in connector.account_positions)
        assert held(here) == 0
        assert here.simulator.exchange.net_quantity(BACKSTOP_ACCOUNT, SYMBOL) == 2000
        (line,) = told(caplog, "taken over by a backstop provider")
        assert line.endswith("Ask 2000.00 at 131.00.")


async def test_auto_deleveraging_of_a_winner_changes_its_position_and_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    async with perpetual_world() as here:
        connector = await here.started(PAIR)
        exchange = here.simulator.exchange
        exchange.liquidations.backstop_capacity = Decimal(0)
        # The bot sells to somebody who cannot bear what follows.
        here.order_elsewhere(Side.BID, "150", "2000", account="loser")
        here.order_elsewhere(Side.ASK, "150", "500")
        here.take(Side.ASK, "150", "1500")
        await until(lambda: shown(connector) == (-500, 150))
        closing = connector.buy(PAIR, Decimal(500), OrderType.LIMIT, Decimal(100), position_action=PositionAction.CLOSE)
        await until(lambda: (order := connector.in_flight_orders.get(closing)) and order.exchange_order_id)
        here.simulator.set_index_price(SYMBOL, Decimal("131"))
        here.simulator.advance_clock(1)
        await until(lambda: shown(connector) != (-500, 150))
        await until(lambda: (shown(connector) or (0,))[0] == held(here))
        assert held(here) > -500
        (line,) = told(caplog, "auto-deleveraging")
        assert line.startswith(f"The exchange trades {SYMBOL} in this account because of an auto-deleveraging: Bid ")
