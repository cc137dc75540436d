"""F17 and F43: fees are the account's own, and come out of the asset that is charged."""

from decimal import Decimal

import pytest
from hummingbot.client.settings import ConnectorType
from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.core.data_type.trade_fee import DeductedFromReturnsTradeFee, TradeFeeBase
from hummingbot.core.event.events import MarketEvent

from backpack_connector import backpack_utils
from backpack_connector.backpack_constants import SIMULATOR_DOMAIN
from backpack_connector.backpack_exchange import BackpackExchange
from tests.spot.hummingbot_settings import let_hummingbot_know, setting_of
from tests.spot.session import PAIR, World, events_of, until, world
from tests.spot.stream_double import UNAVAILABLE, Reply


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    let_hummingbot_know(setting_of(backpack_utils, SIMULATOR_DOMAIN, "backpack", ConnectorType.Exchange), monkeypatch)


def fee(
    connector: BackpackExchange,
    order_type: OrderType = OrderType.LIMIT,
    side: TradeType = TradeType.BUY,
    is_maker: bool | None = None,
) -> TradeFeeBase:
    return connector.get_fee("SOL", "USDC", order_type, side, Decimal(1), Decimal(150), is_maker)


def set_fees(here: World, maker_bps: str, taker_bps: str) -> None:
    account = here.simulator.exchange.open_account(here.key)
    account.spot_maker_fee_bps, account.spot_taker_fee_bps = Decimal(maker_bps), Decimal(taker_bps)


async def connector_with_fees(here: World, maker_bps: str, taker_bps: str) -> BackpackExchange:
    set_fees(here, maker_bps, taker_bps)
    connector = here.connector()
    await connector._update_trading_fees()
    return connector


@pytest.mark.parametrize(
    ("order_type", "is_maker", "expected"),
    [
        (OrderType.LIMIT_MAKER, None, "0.0007"),
        (OrderType.LIMIT, None, "0.0009"),
        (OrderType.MARKET, None, "0.0009"),
        (OrderType.LIMIT, True, "0.0007"),
        (OrderType.MARKET, True, "0.0007"),
        (OrderType.LIMIT_MAKER, False, "0.0009"),
    ],
)
async def test_f17_accounts_fee_and_the_callers_maker_flag_are_used(
    order_type: OrderType, is_maker: bool | None, expected: str
) -> None:
    async with world() as here:
        connector = await connector_with_fees(here, "7", "9")
        assert fee(connector, order_type, is_maker=is_maker).percent == Decimal(expected)


async def test_f17_rebate_is_a_negative_fee() -> None:
    async with world() as here:
        connector = await connector_with_fees(here, "-0.5", "2.5")
        assert fee(connector, is_maker=True).percent == Decimal("-0.00005")
        assert fee(connector, is_maker=False).percent == Decimal("0.00025")


async def test_f17_published_fees_are_used_until_the_accounts_are_known() -> None:
    async with world() as here:
        connector = here.connector()
        assert fee(connector, is_maker=True).percent == Decimal("0.0008")
        assert fee(connector, is_maker=False).percent == Decimal("0.0010")


async def test_f17_fees_are_refreshed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BackpackExchange, "TRADING_FEES_INTERVAL", 0.05)
    async with world() as here:
        connector = await here.started()
        await until(lambda: fee(connector, is_maker=True).percent == Decimal("0.0008"))
        set_fees(here, "6.5", "9")
        await until(lambda: fee(connector, is_maker=True).percent == Decimal("0.00065"))


@pytest.mark.parametrize("reply", [UNAVAILABLE, Reply({"spotMakerFee": "NaN"}), Reply([])])
async def test_f17_failing_question_keeps_the_known_fees(reply: Reply, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BackpackExchange, "TRADING_FEES_INTERVAL", 0.05)
    async with world(with_double=True) as here:
        set_fees(here, "7", "9")
        connector = await here.started()
        await until(lambda: fee(connector, is_maker=True).percent == Decimal("0.0007"))
        asked = here.double.count("get_account")
        here.double.answer("get_account", reply)
        await until(lambda: here.double.count("get_account") > asked)
        assert fee(connector, is_maker=True).percent == Decimal("0.0007")
        assert connector.ready


async def test_f43_fee_of_a_buy_comes_out_of_the_base_and_of_a_sell_out_of_the_quote() -> None:
    async with world() as here:
        connector = await connector_with_fees(here, "8", "10")
        assert isinstance(fee(connector, side=TradeType.BUY), DeductedFromReturnsTradeFee)
        assert isinstance(fee(connector, side=TradeType.SELL), DeductedFromReturnsTradeFee)


@pytest.mark.parametrize(("buys", "token", "amount"), [(True, "SOL", "0.002"), (False, "USDC", "0.29998")])
async def test_f43_fill_carries_the_fee_that_was_charged(buys: bool, token: str, amount: str) -> None:
    async with world() as here:
        here.fill_book()
        connector = await here.started(PAIR)
        log = events_of(connector, MarketEvent.OrderFilled)
        place, price = (connector.buy, "150.01") if buys else (connector.sell, "149.99")
        place(PAIR, Decimal(2), OrderType.LIMIT, Decimal(price))
        (fill,) = await until(lambda: log.event_log)
        assert isinstance(fill.trade_fee, DeductedFromReturnsTradeFee)
        ((fee_token, fee_amount),) = [(flat.token, flat.amount) for flat in fill.trade_fee.flat_fees]
        assert (fee_token, fee_amount) == (token, Decimal(amount))


async def test_f43_base_of_a_buy_can_be_sold_in_full_right_after_the_fill() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        log = events_of(connector, MarketEvent.OrderFilled)
        asked = here.double.count("get_balances")
        before = connector.get_available_balance("SOL")
        connector.buy(PAIR, Decimal(2), OrderType.LIMIT, Decimal("150.01"))
        (fill,) = await until(lambda: log.event_log)
        received = fill.amount - fill.trade_fee.flat_fees[0].amount
        await until(lambda: connector.get_available_balance("SOL") == before + received)
        assert connector.get_balance("SOL") == before + received
        assert here.double.count("get_balances") == asked
        sellable = connector.quantize_order_amount(PAIR, connector.get_available_balance("SOL"))
        sold = events_of(connector, MarketEvent.SellOrderCreated, MarketEvent.OrderFailure)
        connector.sell(PAIR, sellable, OrderType.LIMIT, Decimal(160))
        (event,) = await until(lambda: sold.event_log)
        assert event.amount == sellable
