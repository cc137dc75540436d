"""Orders in a perpetual market: what the tests of the spot connector say of orders in any market, and what is added.

F01, F10, F11, F12, F13, F19, F20, F27, F29, F30, F35, F36, F39, F42, D6.7. What closing orders have of their own is in
`test_perpetual_closing`.
"""

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from unittest import mock

import pytest
from hummingbot.core.data_type.common import OrderType, PositionAction

from backpack_connector.protocol.enums import Side
from tests.perpetual.session import PAIR, shown
from tests.perpetual.taken_over import picked_from, taken_from
from tests.spot import (
    test_order_cancelling,
    test_order_events,
    test_order_outcomes,
    test_order_placement,
    test_orders_over_rest,
    test_orders_under_faults,
    test_unknown_orders,
)
from tests.spot.people import Bot, Venue, until
from tests.spot.test_orders_under_faults import live_through_faults

globals().update(taken_from(test_order_cancelling))
globals().update(taken_from(test_order_outcomes))
globals().update(picked_from(test_orders_under_faults, "sooner"))
globals().update(taken_from(test_unknown_orders))
globals().update(
    taken_from(
        test_order_events,
        but=("test_f13_a_fill_event_has_the_trading_pair_the_role_and_the_fee",),  # fees: test_perpetual_closing
    )
)
globals().update(
    taken_from(
        test_order_placement,
        but=(
            # What an order takes from the balances is another matter with margin: test_perpetual_balances.
            "test_f14_a_market_order_on_its_way_leaves_finite_balances",
            "test_f14_also_when_the_book_has_nothing_to_estimate_with",
            "test_an_order_that_the_account_cannot_pay_fails_at_once",
            "test_the_broker_id_travels_with_placements_alone",  # asks for spot balances
            "test_a_broker_id_that_is_none_is_refused_with_one_sentence",  # has no market
        ),
    )
)
globals().update(
    taken_from(
        test_orders_over_rest,
        but=(
            "test_f13_a_listed_fill_has_the_trading_pair_the_role_and_the_fee",  # fees: test_perpetual_closing
            "test_f13_a_rebate_is_a_negative_fee",
            "test_f29_a_poll_of_many_changed_orders_costs_no_more",  # fills at prices outside of the bands
        ),
    )
)


@pytest.fixture(autouse=True)
def _strangers_of_a_perpetual_order() -> Iterator[None]:
    of_other_markets = {
        "another market": {"s": "BTC_USDC_PERP"},
        "another kind of market of the same name": {"s": "SOL_USDC"},
    }
    assert set(of_other_markets) < set(test_order_events.STRANGERS)
    with mock.patch.dict(test_order_events.STRANGERS, of_other_markets):
        yield


@pytest.mark.parametrize("seed", range(4))
async def test_f11_after_any_mixture_of_faults_orders_and_position_are_those_of_the_exchange(
    bot: Bot, venue: Venue, seed: int, sooner: None
) -> None:
    await live_through_faults(bot, venue, seed)
    exchange = venue.simulator.exchange
    differences: list[Decimal] = []
    for _ in range(5):
        # A mark price that moves while the report is on its way is told a moment later.
        await bot.connector._update_positions()
        await bot.connector._update_balances()
        quantity = exchange.net_quantity(bot.account, venue.kind.symbol)
        assert (shown(bot.connector) or (Decimal(0), None))[0] == quantity
        margin = exchange.risk.margin(exchange.open_account(bot.account))
        differences = [
            abs(bot.connector.get_balance("USDC") - margin.net_equity),
            abs(bot.connector.get_available_balance("USDC") - margin.available),
        ]
        if max(differences) < Decimal("0.00001"):
            return
        await asyncio.sleep(0.2)
    pytest.fail(f"net equity and available are off by {differences}")
    charged = sum(fill.fee for fill in exchange.open_account(bot.account).fills)
    fees = [fee for _, event in bot.events if hasattr(event, "trade_fee") for fee in event.trade_fee.flat_fees]
    assert {fee.token for fee in fees} == {"USDC"}
    assert sum(fee.amount for fee in fees) == charged


async def test_f01_ids_of_spot_and_perpetual_orders_do_not_meet(bot: Bot, venue: Venue) -> None:
    from backpack_connector.backpack_exchange import BackpackExchange

    spot = BackpackExchange("", "", trading_pairs=[PAIR], trading_required=False)
    ids: list[str] = []
    with mock.patch.object(spot, "_create_order", mock.AsyncMock()):
        for _ in range(100):
            ids.append(spot.buy(PAIR, Decimal(1), OrderType.LIMIT, Decimal(1)))
            ids.append(await bot.buy("0.01", "149"))
    assert len(set(ids)) == 200
    assert all(0 < int(order_id) < 2**32 for order_id in ids)


async def test_f36_a_fill_in_the_spot_market_does_not_touch_a_perpetual_order_of_the_same_client_id(
    bot: Bot, venue: Venue
) -> None:
    order = await bot.open_buy("1", "149")
    spot = venue.place(
        Side.BID, "149", "1", symbol="SOL_USDC", account=bot.account, client_id=int(order.client_order_id)
    )
    venue.place(Side.ASK, "149", "1", symbol="SOL_USDC")
    await until(lambda: len(bot.double.order_events(spot.order_id)) == 2, "the spot order's fill is told")
    await bot.rest()
    assert bot.names(order.client_order_id) == ["BuyOrderCreated"]
    assert order.is_open
    assert shown(bot.connector) is None


async def test_an_order_beyond_the_margin_fails_at_once_with_a_sentence(bot: Bot) -> None:
    order_id = await bot.buy("10000", "149")
    await until(lambda: bot.names(order_id), "the strategy hears of it")
    assert bot.names(order_id) == ["OrderFailure"]
    (failure,) = bot.of(order_id, "OrderFailure")
    assert failure.error_type == "InsufficientFunds"
    assert bot.double.count("execute_order") == 1
    assert bot.connector.get_available_balance("USDC") == bot.connector.get_balance("USDC")


async def test_parity_a_restored_order_still_closes(bot: Bot, venue: Venue, start_bot: object) -> None:
    venue.place(Side.ASK, "150", "2")
    await bot.buy("2", "150")
    await until(lambda: shown(bot.connector), "the position is there")
    order_id = await bot.sell("2", "151", position_action=PositionAction.CLOSE)
    await until(lambda: bot.names(order_id), "the order rests")
    states = bot.connector.tracking_states
    await bot.connector.stop_network()
    restarted = await start_bot(tracking_states=states)  # type: ignore[operator]
    assert shown(restarted.connector) == (2, 150)
    assert restarted.order(order_id).position is PositionAction.CLOSE
    venue.place(Side.BID, "151", "2")
    await until(lambda: "SellOrderCompleted" in restarted.names(order_id), "the order is complete")
    assert restarted.fills(order_id) == [(151, 2)]
    await until(lambda: shown(restarted.connector) is None, "the position is closed")
