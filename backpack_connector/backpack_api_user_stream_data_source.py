"""Listen to the account's private streams, and know whether the subscription works.

The exchange does not acknowledge a subscription; it answers with an error frame when it refuses one (API §3.1, §3.4).
So the subscription counts as working once something arrived after it, at the latest the answer to our ping, and no
error frame did. Until then the stream reports that it has received nothing, which keeps the connector not ready and
its polls frequent (F09).

A Pong is evidence for the connection alone. Whether the streams tell what happens is known by comparison with what
answers tell (`stream_evidence`). A stream that was found silent that way is connected and subscribed anew, and the new
connection is on probation: it counts as working once that stream has said something, or after half a minute in which
nothing was missed.
"""

import asyncio
import time
from typing import TYPE_CHECKING, Any

from hummingbot.core.data_type.user_stream_tracker_data_source import UserStreamTrackerDataSource
from hummingbot.core.web_assistant.connections.data_types import WSJSONRequest
from hummingbot.core.web_assistant.web_assistants_factory import WebAssistantsFactory
from hummingbot.core.web_assistant.ws_assistant import WSAssistant

from backpack_connector import backpack_constants as constants
from backpack_connector.backpack_auth import BackpackAuth
from backpack_connector.backpack_web_utils import deliver_frames, stream_head_start
from backpack_connector.latency import timed
from backpack_connector.protocol.errors import AuthenticationRefused, shown
from backpack_connector.protocol.messages import decoded_frame, quick_account_message, stream_of
from backpack_connector.protocol.streams import subscribe_frame
from backpack_connector.reconnect import first_to_end, keep_connected

if TYPE_CHECKING:
    from backpack_connector.backpack_base import BackpackExchangeBase

PROBATION_S = 30.0


class BackpackAPIUserStreamDataSource(UserStreamTrackerDataSource):
    """The private streams of one account."""

    def __init__(
        self,
        connector: "BackpackExchangeBase",
        auth: BackpackAuth,
        api_factory: WebAssistantsFactory,
        streams: list[str],
        domain: str = constants.DEFAULT_DOMAIN,
    ) -> None:
        super().__init__()
        self._connector = connector
        self._auth = auth
        self._api_factory = api_factory
        self._streams = streams
        self._domain = domain
        self.head_start = stream_head_start(api_factory, domain)
        self._subscribed_at: float | None = None
        self._doubt: asyncio.Future[str] | None = None
        """Done with the reason when somebody has found the present connection not to work."""
        self._doubted_stream: str | None = None
        """The stream that was silent, until it says something on a newer connection."""
        self._probation_ends_s = 0.0
        self._latest_time_us = 0
        """No message up to this time is dated in the future; it lags behind the connector's `latest_time_us`."""

    @property
    def last_recv_time(self) -> float:
        """Return when something last arrived over a working subscription, in seconds; 0 while there is none."""
        if self._ws_assistant is None or self._subscribed_at is None or self._is_on_probation:
            return 0.0
        received = float(self._ws_assistant.last_recv_time)
        return received if received >= self._subscribed_at else 0.0

    @property
    def _is_on_probation(self) -> bool:
        return self._doubted_stream is not None and time.monotonic() < self._probation_ends_s

    def doubt(self, stream: str | None, reason: str) -> None:
        """End a connection that looks alive, because one of its streams is known to be silent, or for another reason.

        The next connection is on probation only if a stream is named.
        """
        if self._doubt is not None and not self._doubt.done():
            self._doubt.set_result(reason)
            self._subscribed_at = None
            self._doubted_stream = stream

    async def listen_for_user_stream(self, output: "asyncio.Queue[Any]") -> None:
        """Put every frame of the private streams into the queue, over as many connections as it takes."""

        async def session() -> None:
            await self._listen_once(output)

        await keep_connected(session, "the private stream", self.logger(), self._sleep)

    async def _listen_once(self, output: "asyncio.Queue[Any]") -> None:
        doubt = self._doubt = asyncio.get_running_loop().create_future()
        try:
            self._ws_assistant = await self._connected_websocket_assistant()
            await self._subscribe_channels(self._ws_assistant)
            await self._send_ping(self._ws_assistant)
            self._connector.on_user_stream_subscribed()
            await first_to_end(self._process_websocket_messages(self._ws_assistant, output), _raise_when_told(doubt))
        finally:
            self._subscribed_at = None
            self._connector.on_user_stream_interrupted()
            assistant, self._ws_assistant = self._ws_assistant, None
            await self._on_user_stream_interruption(assistant)

    async def _connected_websocket_assistant(self) -> WSAssistant:
        return await self.head_start.take()

    async def _subscribe_channels(self, websocket_assistant: WSAssistant) -> None:
        # The clock may have been stepped while the connection was away, and a signature is only as good as its time.
        await self._connector._update_time_synchronizer(pass_on_non_cancelled_error=True)
        frame = subscribe_frame(self._streams, self._auth.subscription_signature())
        await websocket_assistant.send(WSJSONRequest(payload=frame))
        self._subscribed_at = time.time()
        self._latest_time_us = self._connector.latest_time_us
        self._probation_ends_s = time.monotonic() + PROBATION_S

    async def _process_websocket_messages(self, websocket_assistant: WSAssistant, queue: "asyncio.Queue[Any]") -> None:
        def take(text: str) -> None:
            if not self._is_heard_at_once(text, queue):
                self._on_frame(decoded_frame(text), queue)

        await deliver_frames(websocket_assistant, take)

    def _is_heard_at_once(self, text: str, queue: "asyncio.Queue[Any]") -> bool:
        """Pass a message on without queue and task, where the connector listens and has heard all before it.

        Whoever listens to a queue of his own finds every frame there, as Hummingbot has it.
        """
        if queue is not self._connector.followed_queue or not queue.empty() or self._doubted_stream is not None:
            return False
        self._connector.latency.frame_came()
        message = quick_account_message(text, self._latest_time_us)
        if message is None:
            self._latest_time_us = self._connector.latest_time_us
            return False
        self._connector.hear_at_once(message)
        return True

    def _on_frame(self, event_message: Any, queue: "asyncio.Queue[Any]") -> None:
        if isinstance(event_message, dict) and event_message.get("error") is not None:
            self._subscribed_at = None  # at once: the session ends a moment later
            raise AuthenticationRefused(f"the exchange refused the subscription: {shown(event_message['error'])}")
        if self._doubted_stream is not None and stream_of(event_message) == self._doubted_stream:
            self._doubted_stream = None
        # Whatever it is, the listener says in one sentence what it cannot read.
        queue.put_nowait(timed(event_message))


async def _raise_when_told(doubt: "asyncio.Future[str]") -> None:
    raise ConnectionError(await doubt)
