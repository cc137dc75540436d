"""F14, F16, F17, F28: balances are the exchange's net equity and what of it is available, at any moment."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hummingbot.client.settings import ConnectorType
from hummingbot.core.data_type.common import OrderType, PositionAction, TradeType
from hummingbot.core.data_type.trade_fee import AddedToCostTradeFee, DeductedFromReturnsTradeFee

from backpack_connector import order_reconciliation
from backpack_connector.protocol.enums import Side
from backpack_connector.protocol.streams import BALANCE_UPDATES, ORDER_UPDATES, POSITION_UPDATES
from backpack_perpetual_connector import backpack_perpetual_utils
from backpack_perpetual_connector.backpack_perpetual_constants import SIMULATOR_DOMAIN
from tests.perpetual.session import OTHER_SYMBOL, PAIR, SYMBOL, PerpetualWorld, perpetual_world, shown
from tests.spot.hummingbot_settings import let_hummingbot_know, setting_of
from tests.spot.session import stays, until
from tests.spot.stream_double import HANG_UP, UNAVAILABLE, Reply, failure, late_answers
from tests.spot.test_account_holds import Held

ONLY_USDC = {"USDC": Decimal(10_000)}


def figures(connector: Any) -> tuple[Decimal, Decimal]:
    """Return net equity and available equity as the connector has them."""
    return connector.get_balance("USDC"), connector.get_available_balance("USDC")


def truth(here: PerpetualWorld) -> tuple[Decimal, Decimal]:
    """Return the same as the exchange has it."""
    return here.margin("netEquity"), here.margin("netEquityAvailable")


async def open_long(here: PerpetualWorld, connector: Any, quantity: str = "10") -> None:
    here.trade_elsewhere(Side.BID, "150", quantity)
    await until(lambda: shown(connector) == (Decimal(quantity), 150))
    await until(lambda: figures(connector) == truth(here))


# What the exchange reports


async def test_parity_balances_are_net_equity_and_what_is_available_in_usdc() -> None:
    async with perpetual_world() as here:
        here.trade_elsewhere(Side.BID, "150", "10")
        connector = await here.started(PAIR)
        equity, available = truth(here)
        assert available < equity < Decimal(40_000)  # of all assets, each with its weight
        assert connector.get_all_balances() == {"USDC": equity}
        assert connector.available_balances == {"USDC": available}
        assert connector.get_balance("SOL") == 0


async def test_f16_every_event_moves_the_balances_without_a_question() -> None:
    async with perpetual_world(with_double=True, faucet=ONLY_USDC) as here:
        connector = await here.started(PAIR)
        asked = here.double.count("get_collateral")
        events: list[Callable[[], Any]] = [
            lambda: here.order_elsewhere(Side.BID, "149", "3"),
            lambda: here.trade_elsewhere(Side.BID, "150", "2"),
            lambda: here.order_elsewhere(Side.ASK, "160", "1", reduce_only=True),
            lambda: here.order_elsewhere(Side.BID, "2000", "1", symbol=OTHER_SYMBOL),
            lambda: here.simulator.set_index_price(SYMBOL, Decimal("151")),
            lambda: here.simulator.advance_clock(10),
            lambda: here.trade_elsewhere(Side.ASK, "152", "5"),
            lambda: here.order_elsewhere(Side.BID, "100", "1", symbol="SOL_USDC"),
            lambda: here.take(Side.ASK, "149", "2"),
            lambda: here.simulator.advance_clock(3_600),
        ]
        for number, happen in enumerate(events):
            before = truth(here)
            happen()
            assert truth(here) != before or number == 2, number  # a closing order takes nothing
            await until(lambda: figures(connector) == truth(here))
        assert here.double.count("get_collateral") == asked


async def test_f16_order_in_a_market_that_is_not_traded_is_valued_at_its_mark_price() -> None:
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR)
        asked = here.double.count("get_collateral")
        here.order_elsewhere(Side.BID, "2000", "1", symbol=OTHER_SYMBOL)
        await until(lambda: figures(connector) == truth(here))
        here.simulator.set_index_price(OTHER_SYMBOL, Decimal(2800))
        await until(lambda: figures(connector) == truth(here))
        assert here.margin("netEquityLocked") == 280
        assert here.double.count("get_collateral") == asked


async def test_f16_order_from_before_the_start_is_valued_at_its_mark_price() -> None:
    async with perpetual_world() as here:
        here.order_elsewhere(Side.BID, "2000", "1", symbol=OTHER_SYMBOL)
        connector = await here.started(PAIR)
        here.simulator.set_index_price(OTHER_SYMBOL, Decimal(2800))
        await until(lambda: figures(connector) == truth(here))


async def test_f16_order_that_only_the_list_tells_of_is_valued_at_its_mark_price_too() -> None:
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR)
        here.double.on_server_frame = lambda _, frame: [] if frame.get("stream") == ORDER_UPDATES else [frame]
        here.order_elsewhere(Side.BID, "2000", "1", symbol=OTHER_SYMBOL)
        await here.poll(connector)
        await here.heard(connector)
        here.simulator.set_index_price(OTHER_SYMBOL, Decimal(2800))
        await until(lambda: figures(connector) == truth(here))
        assert here.margin("netEquityLocked") == 280


async def test_f16_report_is_the_fallback_when_the_streams_say_nothing() -> None:
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR)
        silent = (ORDER_UPDATES, BALANCE_UPDATES, POSITION_UPDATES)
        here.double.on_server_frame = lambda _, frame: [] if frame.get("stream") in silent else [frame]
        before = figures(connector)
        here.trade_elsewhere(Side.BID, "150", "10")
        await stays(lambda: figures(connector) == before, for_s=0.1)
        await here.poll(connector)
        await until(lambda: figures(connector) == truth(here))
        assert figures(connector) != before


async def test_f16_report_is_asked_for_after_the_private_stream_was_away() -> None:
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR)
        await here.double.private.close()
        await until(lambda: not connector.ready)
        here.trade_elsewhere(Side.BID, "150", "10")
        await until(lambda: connector.ready and figures(connector) == truth(here))


async def test_f16_asset_that_was_not_there_yet_counts_as_soon_as_one_report_has_told_its_value() -> None:
    async with perpetual_world(with_double=True, faucet=ONLY_USDC) as here:
        connector = await here.started(PAIR)
        asked = here.double.count("get_collateral")
        here.trade_elsewhere(Side.BID, "151", "10", symbol="SOL_USDC")
        assert here.margin("netEquity") > Decimal(9_500)  # most of what was paid for it counts
        await until(lambda: figures(connector) == truth(here))
        for _ in range(3):
            here.trade_elsewhere(Side.BID, "151", "1", symbol="SOL_USDC")
        await until(lambda: figures(connector) == truth(here))
        assert here.double.count("get_collateral") == asked + 1


async def test_f16_report_that_an_event_overtakes_does_not_undo_it() -> None:
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR)
        answered, go = late_answers(here.double, "get_collateral")
        await here.poll(connector)
        await answered.wait()
        await open_long(here, connector)
        go.set()
        await here.heard(connector)
        assert figures(connector) == truth(here)


@pytest.mark.parametrize(
    "reply",
    [UNAVAILABLE, Reply("no JSON"), Reply([]), Reply({"netEquity": "5"}), failure(429, "TOO_MANY_REQUESTS", "slow")],
    ids=["503", "no JSON", "list", "half a report", "429"],
)
async def test_f16_failed_report_keeps_the_balances_and_they_go_on(reply: Reply) -> None:
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR)
        here.double.answer("get_collateral", reply)
        await here.poll(connector)
        await here.heard(connector)
        assert figures(connector) == truth(here)
        await open_long(here, connector)
        assert connector.ready


async def test_f32_connector_that_trades_is_not_ready_without_a_report() -> None:
    async with perpetual_world(with_double=True) as here:
        here.double.answer("get_collateral", UNAVAILABLE)
        connector = here.connector(PAIR)
        await connector.start_network()
        await until(lambda: all(ok for name, ok in connector.status_dict.items() if name != "account_balance"))
        await stays(lambda: not connector.ready, for_s=0.3)
        assert figures(connector) == (0, 0)
        here.double.answer("get_collateral", None)
        await here.poll(connector)
        await until(lambda: connector.ready)
        assert figures(connector) == truth(here)


async def test_available_is_zero_and_not_less_when_the_account_is_under_water() -> None:
    async with perpetual_world() as here:
        connector = await here.started(PAIR)
        await open_long(here, connector, "2000")
        here.simulator.set_index_price(SYMBOL, Decimal("140"))
        await until(lambda: connector.account_positions[PAIR].mark_price == 140)
        assert here.margin("netEquityAvailable") < 0
        assert connector.get_available_balance("USDC") == 0
        assert connector.get_balance("USDC") == here.margin("netEquity")


# Orders on their way


async def test_f28_margin_of_an_order_on_its_way_is_not_offered_twice() -> None:
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR)
        before = connector.get_available_balance("USDC")
        held = Held(here)
        connector.buy(PAIR, Decimal(10), OrderType.LIMIT, Decimal(149), position_action=PositionAction.OPEN)
        await held.arrived.wait()
        assert connector.get_available_balance("USDC") == before - 150  # 10 x 150, the mark price, at leverage 10
        held.go.set()
        await until(lambda: here.margin("netEquityAvailable") == before - 150)
        await here.poll(connector)
        await here.heard(connector)
        assert connector.get_available_balance("USDC") == before - 150


@pytest.mark.parametrize("order_type", [OrderType.LIMIT, OrderType.MARKET])
@pytest.mark.parametrize("has_book", [True, False])
async def test_f14_order_on_its_way_leaves_balances_finite(order_type: OrderType, has_book: bool) -> None:
    async with perpetual_world(with_double=True) as here:
        if has_book:
            here.fill_book()
        connector = await here.started(PAIR)
        before = connector.get_available_balance("USDC")
        held = Held(here)
        connector.sell(PAIR, Decimal(2), order_type, Decimal("149"), position_action=PositionAction.OPEN)
        if has_book or order_type is OrderType.LIMIT:
            await held.arrived.wait()
            assert connector.get_available_balance("USDC") == before - 30
        assert all(amount.is_finite() for amount in connector.available_balances.values())
        assert all(amount.is_finite() for amount in connector.get_all_balances().values())
        held.go.set()


async def test_f28_margin_of_a_refused_order_is_offered_again() -> None:
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR)
        before = connector.get_available_balance("USDC")
        here.double.answer("execute_order", failure(400, "INVALID_ORDER", "no"))
        connector.buy(PAIR, Decimal(10), OrderType.LIMIT, Decimal(149), position_action=PositionAction.OPEN)
        await until(lambda: here.double.count("execute_order") and not connector.in_flight_orders)
        assert connector.get_available_balance("USDC") == before


async def test_f28_margin_of_an_order_that_never_arrived_is_offered_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_reconciliation, "CONCLUSIVE_AGE_S", 0.1)
    monkeypatch.setattr(order_reconciliation, "FIRST_SETTLE_PAUSE_S", 0.03)
    monkeypatch.setattr(order_reconciliation, "LONGEST_SETTLE_PAUSE_S", 0.06)
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR)
        before = connector.get_available_balance("USDC")
        here.double.answer("execute_order", HANG_UP)
        connector.buy(PAIR, Decimal(10), OrderType.LIMIT, Decimal(149), position_action=PositionAction.OPEN)
        await until(lambda: here.double.count("execute_order"))
        await until(lambda: connector.in_flight_orders)
        assert connector.get_available_balance("USDC") == before - 150
        await until(lambda: not connector.in_flight_orders)
        assert connector.get_available_balance("USDC") == before


async def test_f14_limit_that_the_user_configured_leaves_what_margin_does_not_lock() -> None:
    async with perpetual_world() as here:
        limits = {SIMULATOR_DOMAIN: {"USDC": Decimal(1_000)}}
        connector = await here.started(PAIR, balance_asset_limit=limits)
        assert connector.get_available_balance("USDC") == 1_000
        here.trade_elsewhere(Side.BID, "150", "10")
        await until(lambda: connector.get_available_balance("USDC") == 850)
        here.trade_elsewhere(Side.BID, "150", "100")
        await until(lambda: connector.get_available_balance("USDC") == 0)


# What an order needs


async def test_f28_closing_needs_no_margin() -> None:
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR)
        await open_long(here, connector)
        before = connector.get_available_balance("USDC")
        assert connector.margin_required(PAIR, TradeType.SELL, Decimal(30), True) == 0
        held = Held(here)
        # More than there is to close: the exchange cuts it, and it needs no margin before that either.
        connector.sell(PAIR, Decimal(30), OrderType.LIMIT, Decimal(160), position_action=PositionAction.CLOSE)
        await held.arrived.wait()
        assert connector.get_available_balance("USDC") == before
        held.go.set()
        await until(lambda: here.simulator.exchange.open_account(here.key).open_orders)
        assert here.margin("netEquityAvailable") == before
        await until(lambda: connector.get_available_balance("USDC") == before)


@pytest.mark.parametrize(
    ("leverage", "quantity", "fraction"),
    [
        (5, "10", Decimal("0.2")),  # the account's limit
        (50, "10", Decimal("0.02")),  # the market's base, although the limit would allow the same
        (100, "10", Decimal("0.02")),
        (50, "1000", None),  # the square root term: 0.000075 x sqrt(150000) = 0.029
    ],
)
async def test_f28_margin_is_the_largest_of_limit_base_and_root(
    leverage: int, quantity: str, fraction: Decimal | None
) -> None:
    async with perpetual_world() as here:
        here.simulator.exchange.open_account(here.key).leverage_limit = Decimal(leverage)
        connector = await here.started(PAIR)
        needed = connector.margin_required(PAIR, TradeType.BUY, Decimal(quantity), False)
        notional = Decimal(quantity) * 150
        if fraction is None:
            fraction = Decimal("0.000075") * notional.sqrt()
            assert fraction > Decimal("0.029")
        assert abs(needed - notional * fraction) < Decimal("0.000001")
        before = connector.get_available_balance("USDC")
        connector.buy(PAIR, Decimal(quantity), OrderType.LIMIT, Decimal(149), position_action=PositionAction.OPEN)
        await until(lambda: here.margin("netEquityLocked"))
        assert abs(before - here.margin("netEquityAvailable") - needed) < Decimal("0.000001")
        await until(lambda: figures(connector)[1] == before - needed)


async def test_second_executor_opens_after_the_first_ones_fill() -> None:
    """The public complaint: 20 USDC, leverage 5, and "Not enough budget to open position" for the second order."""
    async with perpetual_world(faucet={"USDC": Decimal(20)}) as here:
        here.simulator.exchange.open_account(here.key).leverage_limit = Decimal(5)
        connector = await here.started(PAIR)
        for number in (1, 2):
            here.rest(Side.ASK, "150", "0.3")
            needed = connector.margin_required(PAIR, TradeType.BUY, Decimal("0.3"), False)
            assert needed == 9  # 45 / 5
            assert connector.get_available_balance("USDC") >= needed
            connector.buy(PAIR, Decimal("0.3"), OrderType.LIMIT, Decimal(150), position_action=PositionAction.OPEN)
            await until(lambda number=number: shown(connector) == (Decimal("0.3") * number, 150))
            await until(lambda: figures(connector) == truth(here))
        assert connector.get_available_balance("USDC") == 20 - 18 - 2 * Decimal("0.0225")


# Fees


@pytest.fixture
def default_fees(monkeypatch: pytest.MonkeyPatch) -> None:
    setting = setting_of(backpack_perpetual_utils, SIMULATOR_DOMAIN, "backpack_perpetual", ConnectorType.Derivative)
    let_hummingbot_know(setting, monkeypatch)


def fee(connector: Any, action: PositionAction, is_maker: bool | None, order_type: OrderType = OrderType.LIMIT) -> Any:
    return connector.get_fee("SOL", "USDC", order_type, TradeType.BUY, action, Decimal(1), Decimal(150), is_maker)


async def test_f17_fees_are_the_accounts_for_futures_and_follow_the_maker_flag(default_fees: None) -> None:
    async with perpetual_world() as here:
        account = here.simulator.exchange.open_account(here.key)
        account.futures_maker_fee_bps, account.futures_taker_fee_bps = Decimal("-0.5"), Decimal("4.5")
        connector = here.connector(PAIR)
        assert fee(connector, PositionAction.OPEN, True).percent == Decimal("0.0002")
        assert fee(connector, PositionAction.OPEN, False).percent == Decimal("0.0005")
        await connector._update_trading_fees()
        for action, kind in (
            (PositionAction.OPEN, AddedToCostTradeFee),
            (PositionAction.CLOSE, DeductedFromReturnsTradeFee),
        ):
            assert type(fee(connector, action, True)) is kind
            assert fee(connector, action, True).percent == Decimal("-0.00005")
            assert fee(connector, action, False).percent == Decimal("0.00045")
            assert fee(connector, action, None, OrderType.LIMIT_MAKER).percent == Decimal("-0.00005")
            assert fee(connector, action, None, OrderType.MARKET).percent == Decimal("0.00045")
            assert fee(connector, action, False).percent_token == "USDC"


async def test_f17_fees_are_refreshed_with_every_poll_and_kept_when_that_fails(default_fees: None) -> None:
    async with perpetual_world(with_double=True) as here:
        connector = await here.started(PAIR)
        assert fee(connector, PositionAction.OPEN, False).percent == Decimal("0.0005")
        here.simulator.exchange.open_account(here.key).futures_taker_fee_bps = Decimal(3)
        await here.poll(connector)
        await until(lambda: fee(connector, PositionAction.OPEN, False).percent == Decimal("0.0003"))
        here.double.answer("get_account", UNAVAILABLE)
        await here.poll(connector)
        await here.heard(connector)
        assert fee(connector, PositionAction.OPEN, False).percent == Decimal("0.0003")
