"""Orders of a killed bot, where Hummingbot's own database knows some of them: each is told once, and none is lost."""

import json
import warnings
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from backpack_connector.backpack_base import BackpackExchangeBase
from backpack_connector.protocol.enums import Side
from tests.spot.conftest import StartBot
from tests.spot.killed_bots import journal_of, killed, killed_before_the_answer, open_ids
from tests.spot.people import Bot, Venue, until

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what Hummingbot's own modules say when they are imported the first time
    from hummingbot.client.config.client_config_map import ClientConfigMap
    from hummingbot.client.config.config_helpers import ClientConfigAdapter
    from hummingbot.connector.markets_recorder import MarketsRecorder
    from hummingbot.model.sql_connection_manager import SQLConnectionManager, SQLConnectionType

RecorderOf = Callable[[Bot, str], Any]


@pytest.fixture
def recorder_of(tmp_path: Path) -> RecorderOf:
    configuration = ClientConfigAdapter(ClientConfigMap())
    database = SQLConnectionManager(
        configuration, SQLConnectionType.TRADE_FILLS, db_path=str(tmp_path / "trades.sqlite")
    )

    def start(bot: Bot, name: str) -> MarketsRecorder:
        recorder = MarketsRecorder(database, [bot.connector], name, name, configuration.market_data_collection)
        recorder.start()
        return recorder

    return start


@pytest.fixture(autouse=True)
def no_recorder_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MarketsRecorder, "_shared_instance", None)


async def test_what_hummingbot_restores_is_not_told_twice(start_bot: StartBot, venue: Venue, folder: Path) -> None:
    first = await start_bot()
    order = await first.open_buy("1", "149")
    venue.place(Side.ASK, "149", "0.25")
    await until(lambda: first.fills(order.client_order_id), "the first fill is told")
    states = json.loads(json.dumps(first.connector.tracking_states))
    await killed(first)
    venue.place(Side.ASK, "149", "0.5")
    second = await start_bot(tracking_states=states)
    await until(lambda: second.fills(order.client_order_id), "the second fill is told")
    await second.poll()
    assert second.fills(order.client_order_id) == [(Decimal(149), Decimal("0.5"))]
    assert second.names(order.client_order_id) == ["OrderFilled"]
    assert open_ids(second, folder) == [order.client_order_id]


async def test_an_order_whose_end_is_told_before_the_network_starts_is_nobodys_inheritance(
    start_bot: StartBot, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await start_bot()
    order = await first.open_buy("1", "149")
    states = json.loads(json.dumps(first.connector.tracking_states))
    await killed(first)
    start_network = BackpackExchangeBase.start_network

    async def start_after_a_cancel(connector: Any) -> None:
        if connector.in_flight_orders:  # restored, and the strategy wants none of it
            connector.cancel(order.trading_pair, order.client_order_id)
            await until(lambda: not connector.in_flight_orders, "the cancel is told")
        await start_network(connector)

    monkeypatch.setattr(BackpackExchangeBase, "start_network", start_after_a_cancel)
    second = await start_bot(tracking_states=states)
    assert second.names(order.client_order_id) == ["OrderCancelled"]
    assert open_ids(second, folder) == []
    await killed(second)
    third = await start_bot()
    await third.poll()
    assert third.names(order.client_order_id) == []


async def test_what_hummingbot_restores_is_in_the_journal_from_then_on(start_bot: StartBot, folder: Path) -> None:
    first = await start_bot()
    order = await first.open_buy("1", "149")
    states = json.loads(json.dumps(first.connector.tracking_states))
    await killed(first)
    journal_of(first, folder).path.unlink()  # as when the version before had no journal
    second = await start_bot(tracking_states=states)
    assert open_ids(second, folder) == [order.client_order_id]


async def test_a_saved_order_with_an_impossible_pair_does_not_keep_the_bot_from_starting(start_bot: StartBot) -> None:
    first = await start_bot()
    order = await first.open_buy("1", "149")
    states = json.loads(json.dumps(first.connector.tracking_states))
    await killed(first)
    second = await start_bot(
        tracking_states={"5": {**states[order.client_order_id], "client_order_id": "5", "trading_pair": "-"}}
    )
    assert second.connector.ready


async def test_an_order_whose_end_the_database_has_is_not_told_again(
    venue: Venue, quick: None, key_pair: tuple[str, str], folder: Path, recorder_of: RecorderOf
) -> None:
    first = Bot(venue, key_pair)
    recorder_of(first, "one.yml")
    async with first:
        filled, lost = await first.open_buy("1", "149"), await first.open_buy("1", "148")
        records = first.connector._journal.open_orders
        venue.place(Side.ASK, "149", "1")
        await until(lambda: "BuyOrderCompleted" in first.names(filled.client_order_id), "the order is complete")
        first.connector._journal.sent(records[0])  # killed before the journal's last line was written
        await killed(first)
    second = Bot(venue, key_pair)
    recorder = recorder_of(second, "one.yml")
    recorder.restore_market_states("one.yml", second.connector)
    async with second:
        for _ in range(3):
            await second.poll()
        assert second.events == []
        assert open_ids(second, folder) == [lost.client_order_id]


async def test_what_hummingbot_does_not_restore_is_restored_here(
    venue: Venue, quick: None, key_pair: tuple[str, str], folder: Path, recorder_of: RecorderOf
) -> None:
    first = Bot(venue, key_pair)
    recorder_of(first, "one.yml")
    async with first:
        order = await first.open_buy("1", "149")
        venue.place(Side.ASK, "149", "0.25")
        await until(lambda: first.fills(order.client_order_id), "the first fill is told")
        await killed(first)
    venue.place(Side.ASK, "149", "0.5")
    second = Bot(venue, key_pair)
    recorder = recorder_of(second, "one.yml")
    async with second:
        await until(lambda: second.fills(order.client_order_id), "the second fill is told")
        await second.poll()
        assert second.names(order.client_order_id) == ["OrderFilled"]
        assert open_ids(second, folder) == [order.client_order_id]
        # Late, and as always what the database has: nothing is told again.
        recorder.restore_market_states("one.yml", second.connector)
        await second.poll()
        assert second.fills(order.client_order_id) == [(Decimal(149), Decimal("0.5"))]


async def test_an_order_that_the_database_does_not_know_is_told_to_it(
    venue: Venue, quick: None, key_pair: tuple[str, str], recorder_of: RecorderOf
) -> None:
    first = Bot(venue, key_pair)
    recorder_of(first, "one.yml")
    async with first:
        order_id = await killed_before_the_answer(first, lambda: first.buy("1", "149"))
    venue.place(Side.ASK, "149", "1")
    second = Bot(venue, key_pair)
    recorder = recorder_of(second, "one.yml")
    recorder.restore_market_states("one.yml", second.connector)
    async with second:
        await until(lambda: "BuyOrderCompleted" in second.names(order_id), "the order is told")
    (row,) = recorder.get_orders_for_config_and_market("one.yml", second.connector)
    assert (row.id, row.last_status) == (order_id, "BuyOrderCompleted")
    (fill,) = recorder.get_trades_for_config("one.yml")
    assert (fill.order_id, fill.amount, fill.price) == (order_id, Decimal(1), Decimal(149))


async def test_a_bot_with_another_configuration_leaves_the_orders_alone(
    venue: Venue, quick: None, key_pair: tuple[str, str], recorder_of: RecorderOf
) -> None:
    first = Bot(venue, key_pair)
    recorder_of(first, "one.yml")
    async with first:
        await killed_before_the_answer(first, lambda: first.buy("1", "149"))
    second = Bot(venue, key_pair)
    recorder_of(second, "two.yml")
    async with second:
        await second.poll()
        assert second.connector.in_flight_orders == {}


async def test_a_database_that_cannot_be_asked_does_not_keep_the_bot_from_starting(
    venue: Venue, quick: None, key_pair: tuple[str, str], recorder_of: RecorderOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Bot(venue, key_pair)
    recorder_of(first, "one.yml")
    async with first:
        order_id = await killed_before_the_answer(first, lambda: first.buy("1", "149"))
    second = Bot(venue, key_pair)
    recorder = recorder_of(second, "one.yml")

    def locked() -> None:
        raise OSError("database is locked")

    monkeypatch.setattr(recorder.sql_manager, "get_new_session", locked)
    async with second:
        assert order_id in second.connector.in_flight_orders
