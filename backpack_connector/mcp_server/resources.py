"""Offer streams as resources of the Model Context Protocol: listed, read, and subscribed to in both of its ways."""

import logging
from typing import Any

import mcp.types as types
from mcp.server.context import ServerRequestContext
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourceUpdated
from mcp.shared.exceptions import MCPError

from backpack_connector.protocol.errors import BackpackError

from .answers import error_of, text_of
from .live import BOOK_LEVELS, KINDS, MESSAGES_KEPT, PRIVATE_STREAMS, SCHEME, LiveData

Context = ServerRequestContext[Any]
JSON = "application/json"
_PRIVATE_MEANINGS = {
    "account.orderUpdate": "What happens to the account's orders",
    "account.balanceUpdate": "Changes of the account's balances",
    "account.positionUpdate": "Changes of the account's positions",
}


class Resources:
    """The resources of one server, for all who are connected to it."""

    def __init__(self, live: LiveData) -> None:
        self._live = live
        self._bus = InMemorySubscriptionBus()
        self._listen = ListenHandler(self._bus)
        self._subscribers: dict[str, list[Any]] = {}
        live.publish = self._publish

    async def list_resources(self, context: Context, request: Any) -> types.ListResourcesResult:
        """List what needs no name of a market."""
        return types.ListResourcesResult(
            resources=[
                types.Resource(
                    uri=f"{SCHEME}stream/{name}",
                    name=name,
                    description=f"{_PRIVATE_MEANINGS[name]}: the last {MESSAGES_KEPT} messages. Needs an API key.",
                    mime_type=JSON,
                )
                for name in PRIVATE_STREAMS
            ]
        )

    async def list_templates(self, context: Context, request: Any) -> types.ListResourceTemplatesResult:
        """List what there is for each market."""
        book = types.ResourceTemplate(
            uri_template=f"{SCHEME}book/{{symbol}}",
            name="book",
            description=f"The order book of a market, live: {BOOK_LEVELS} levels of each side, best first.",
            mime_type=JSON,
        )
        streams = [
            types.ResourceTemplate(
                uri_template=f"{SCHEME}stream/{kind}.{'{interval}.' if kind == 'kline' else ''}{{symbol}}",
                name=kind,
                description=f"The last {MESSAGES_KEPT} messages of the stream {kind} of a market, oldest first.",
                mime_type=JSON,
            )
            for kind in KINDS
        ]
        return types.ListResourceTemplatesResult(resource_templates=[book, *streams])

    async def read(self, context: Context, request: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        """Return what is known of a stream or a book now."""
        uri = str(request.uri)
        try:
            answer = await self._live.read(uri)
        except BackpackError as error:
            raise _error(error) from None
        return types.ReadResourceResult(
            contents=[types.TextResourceContents(uri=uri, mime_type=JSON, text=text_of(answer))]
        )

    async def subscribe(self, context: Context, request: types.SubscribeRequestParams) -> types.EmptyResult:
        """Tell a client of changes, in the way of the protocol up to 2025."""
        uri = str(request.uri)
        await self._follow(uri)
        subscribers = self._subscribers.setdefault(uri, [])
        if context.session not in subscribers:
            subscribers.append(context.session)
        return types.EmptyResult()

    async def unsubscribe(self, context: Context, request: types.UnsubscribeRequestParams) -> types.EmptyResult:
        """Tell a client no more."""
        subscribers = self._subscribers.get(str(request.uri), [])
        if context.session in subscribers:
            subscribers.remove(context.session)
        return types.EmptyResult()

    async def listen(
        self, context: Context, request: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        """Tell a client of changes, in the way of the protocol since 2026."""
        for uri in request.notifications.resource_subscriptions or []:
            await self._follow(str(uri))
        return await self._listen(context, request)

    async def _follow(self, uri: str) -> None:
        try:
            await self._live.follow(uri)
        except BackpackError as error:
            raise _error(error) from None

    async def _publish(self, uri: str) -> None:
        await self._bus.publish(ResourceUpdated(uri))
        for session in list(self._subscribers.get(uri, [])):
            try:
                await session.send_resource_updated(uri)
            except Exception as error:  # noqa: BLE001 - a client that is gone says so in many ways
                logging.getLogger(__name__).debug("A subscriber is gone: %s", type(error).__name__)
                self._subscribers[uri].remove(session)


def _error(error: BackpackError) -> MCPError:
    told = error_of(error)
    return MCPError(types.INVALID_PARAMS, told["error"]["message"], told)
