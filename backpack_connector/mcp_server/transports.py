"""Serve a session over stdio: one client, which has started this process."""

from mcp.server.stdio import stdio_server

from .server import new_server
from .session import Session


async def serve(session: Session) -> None:
    """Serve until the client closes the input."""
    server = new_server(session)
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())
