"""Streams of the client against the real simulator: messages, reconnection, gaps, and a listener that is too slow."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from backpack_connector.client.rest import BackpackClient
from backpack_connector.client.stream import BackpackStream, event_of
from backpack_connector.client.stream_events import Disconnected, Event, Gap, Received, Refused, Unreadable
from backpack_connector.hosts import REST_URL, WS_URL
from backpack_connector.protocol.errors import ConfigurationError
from backpack_connector.protocol.market_messages import BookTicker
from backpack_connector.protocol.messages import DepthUpdate, OrderUpdate
from backpack_connector.protocol.streams import ORDER_UPDATES, book_ticker_stream, depth_stream, trade_stream
from backpack_connector.reconnect import Backoff
from tests.simulator.faults_support import until
from tests.spot.stream_double import StreamDouble, error_frame, failure

SYMBOL = "SOL_USDC"
DEPTH = depth_stream(SYMBOL)
LIMIT_S = 10.0


@pytest.fixture
async def stream(recorded: BackpackClient) -> AsyncIterator[BackpackStream]:
    """Give a stream through the double, that connects again at once."""
    async with BackpackStream(recorded, backoff=Backoff(0.01, 0.02)) as running:
        yield running


async def next_event(stream: BackpackStream) -> Event:
    return await asyncio.wait_for(anext(stream), LIMIT_S)


async def subscribed(stream: BackpackStream, double: StreamDouble, *names: str) -> None:
    """Subscribe, and wait until the exchange has been told."""
    await stream.subscribe(*names)
    await until(lambda: double.connections and set(names) <= set(double.connections[-1].streams))


async def place(client: BackpackClient, client_id: int) -> None:
    await client.execute_order(SYMBOL, "Bid", "Limit", quantity="1", price="100", client_id=client_id, post_only=True)


async def test_public_and_private_messages_come_as_structs(
    stream: BackpackStream, recorded: BackpackClient, double: StreamDouble
) -> None:
    await subscribed(stream, double, DEPTH, book_ticker_stream(SYMBOL), ORDER_UPDATES)
    await place(recorded, 7)
    events = [await next_event(stream) for _ in range(3)]
    messages = {type(event.message): event.message for event in events if isinstance(event, Received)}
    assert set(messages) == {DepthUpdate, BookTicker, OrderUpdate}
    assert messages[OrderUpdate].client_id_text == "7"


async def test_a_lost_connection_is_told_and_everything_subscribed_again(
    stream: BackpackStream, recorded: BackpackClient, double: StreamDouble
) -> None:
    await subscribed(stream, double, DEPTH, ORDER_UPDATES)
    first = double.connections[-1]
    first.cut()
    assert isinstance(await next_event(stream), Disconnected)
    gap = await next_event(stream)
    assert isinstance(gap, Gap)
    assert gap.streams == (DEPTH, ORDER_UPDATES)
    await until(lambda: set(double.connections[-1].streams) == {DEPTH, ORDER_UPDATES})
    assert double.connections[-1] is not first
    await place(recorded, 8)
    assert isinstance(await next_event(stream), Received)


async def test_what_is_ended_is_not_subscribed_again(stream: BackpackStream, double: StreamDouble) -> None:
    await subscribed(stream, double, DEPTH, trade_stream(SYMBOL))
    await stream.unsubscribe(DEPTH, "depth.OTHER_USDC")
    await until(lambda: double.connections[-1].ended_streams == [DEPTH])
    double.connections[-1].cut()
    await until(lambda: len(double.connections) == 2 and double.connections[-1].streams)
    assert double.connections[-1].streams == [trade_stream(SYMBOL)]
    assert stream.streams == (trade_stream(SYMBOL),)


async def test_a_slow_listener_loses_the_past_and_is_told(recorded: BackpackClient, double: StreamDouble) -> None:
    async with BackpackStream(recorded, max_queued=3) as stream:
        await subscribed(stream, double, DEPTH)
        for number in range(5):
            await place(recorded, number)
        await until(lambda: any(isinstance(event, Gap) for event in stream._events))
        gap = await next_event(stream)
        assert isinstance(gap, Gap)
        assert gap.reason == "the listener was too slow: 3 events were dropped"
        assert isinstance(await next_event(stream), Received)


async def test_closing_ends_the_iteration(recorded: BackpackClient) -> None:
    async with BackpackStream(recorded) as stream:
        listening = asyncio.ensure_future(anext(stream, None))
        await asyncio.sleep(0)
    assert await listening is None
    assert not stream.is_connected


async def test_private_streams_are_signed_with_the_exchanges_time_at_each_connection(
    stream: BackpackStream, double: StreamDouble
) -> None:
    await subscribed(stream, double, ORDER_UPDATES)
    asked = double.count("get_time")
    double.connections[-1].cut()
    await until(lambda: len(double.connections) == 2 and double.connections[-1].streams)
    assert double.count("get_time") == asked + 1


async def test_a_private_subscription_that_cannot_be_signed_is_tried_again(
    stream: BackpackStream, double: StreamDouble
) -> None:
    await subscribed(stream, double, DEPTH)
    double.answer_once("get_time", *[failure(503, "MAINTENANCE", "later")] * 2)
    await stream.subscribe(ORDER_UPDATES)
    await until(lambda: ORDER_UPDATES in double.connections[-1].streams)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("depht.SOL_USDC", "There is no stream 'depht.SOL_USDC'"), ("trade", "needs a market")],
)
async def test_a_wrong_name_is_refused_at_once(name: str, sentence: str, stream: BackpackStream) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        await stream.subscribe(DEPTH, name)
    assert stream.streams == ()


async def test_private_streams_need_keys(new_client: Callable[..., BackpackClient], double: StreamDouble) -> None:
    async with BackpackStream(new_client(credentials=None, url=double.url)) as stream:
        with pytest.raises(ConfigurationError, match=r"account\.orderUpdate is private: it needs an API key"):
            await stream.subscribe(ORDER_UPDATES)


def test_frames_become_events() -> None:
    assert event_of('{"stream": "stockPrice.AAPL", "data": {"x": 1}}') == Received("stockPrice.AAPL", {"x": 1})
    assert event_of('{"id": null, "error": {"code": 4006, "message": "Invalid stream"}}') == Refused(
        4006, "Invalid stream"
    )
    unreadable = event_of('{"stream": "depth.SOL_USDC", "data": {"s": 1}}')
    assert isinstance(unreadable, Unreadable)
    assert unreadable.stream == "depth.SOL_USDC"
    assert isinstance(event_of("nonsense"), Unreadable)


async def test_a_refusal_is_an_event(stream: BackpackStream, double: StreamDouble) -> None:
    await subscribed(stream, double, ORDER_UPDATES)
    await double.connections[-1].send(error_frame())
    assert await next_event(stream) == Refused(4003, "Invalid signature")


def test_no_secret_is_shown_and_addresses_fit(client: BackpackClient, key_pair: tuple[str, str]) -> None:
    stream = BackpackStream(client)
    assert not any(secret in repr(stream) for secret in key_pair)
    assert stream.url.startswith("ws://127.0.0.1:")
    assert BackpackClient(url=REST_URL).ws_url == WS_URL
