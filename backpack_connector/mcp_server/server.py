"""Speak the Model Context Protocol for a session, with the official SDK."""

from typing import Any

import mcp.types as types
from mcp.server import Server
from mcp.server.context import ServerRequestContext

from backpack_connector import __version__
from backpack_connector.protocol.endpoints import Effect

from .answers import ORIGIN, text_of
from .live import LiveData
from .resources import Resources
from .session import Session
from .tools import Tool

INSTRUCTIONS = (
    "Tools for the Backpack exchange. Amounts are exact text such as '0.25'. Times that are numbers are milliseconds "
    "since 1970, of order books and streams microseconds. "
    f"Whatever stands under data or exchange_said: {ORIGIN} "
    "An error with executed 'unknown' may have been done: look before you repeat it. "
    "Limits and permissions belong to the person who runs this server; auth_config_get tells them."
)
Context = ServerRequestContext[Any]


def new_server(session: Session, live: LiveData) -> Server[Any]:
    """Return a server with the tools of a session and the resources of its streams."""
    resources = Resources(live)

    async def list_tools(context: Context, request: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[described(session, tool) for tool in session.tools])

    async def call_tool(context: Context, request: types.CallToolRequestParams) -> types.CallToolResult:
        answer, is_error = await session.call(request.name, request.arguments or {})
        return types.CallToolResult(
            content=[types.TextContent(type="text", text=text_of(answer))],
            structured_content=answer,
            is_error=is_error,
        )

    return Server(
        "backpack",
        version=__version__,
        title="Backpack exchange",
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=resources.list_resources,
        on_list_resource_templates=resources.list_templates,
        on_read_resource=resources.read,
        on_subscribe_resource=resources.subscribe,
        on_unsubscribe_resource=resources.unsubscribe,
        on_subscriptions_listen=resources.listen,
    )


def described(session: Session, tool: Tool) -> types.Tool:
    """Return a tool as a client of the protocol sees it."""
    prohibition = session.prohibition(tool)
    is_own = tool.operation_id is None
    return types.Tool(
        name=tool.name,
        description=tool.description if prohibition is None else f"{tool.description} Refused here: {prohibition}",
        input_schema=tool.input_schema,
        annotations=types.ToolAnnotations(
            read_only_hint=tool.effect is Effect.READS and tool.name not in ("auth_config_set", "auth_config_clear"),
            destructive_hint=tool.is_destructive,
            idempotent_hint=tool.is_repeatable,
            open_world_hint=not is_own,
        ),
    )
