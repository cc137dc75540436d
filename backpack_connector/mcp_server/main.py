"""Run `backpack-mcp`: read how it is started, and serve until it is stopped or its client is gone.

Exit codes: 0 done; 1 it could not be started; 2 the command line is wrong. Both errors are one sentence on stderr.
"""

import asyncio
import sys
from collections.abc import Sequence

from backpack_connector.protocol.errors import BackpackError, ConfigurationError

from .settings import Settings, read_settings

NOT_INSTALLED = "backpack-mcp needs the package mcp: run pip install 'mcp>=2.3,<3' uvicorn in this environment."


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve, and return the exit code."""
    try:
        settings = read_settings(arguments)
    except ConfigurationError as error:
        return _complain(str(error), 2)
    try:
        asyncio.run(_serve(settings))
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("mcp", "mcp_types", "uvicorn"):
            raise
        return _complain(NOT_INSTALLED, 1)
    except BackpackError as error:
        return _complain(str(error), 1)
    except KeyboardInterrupt:
        return 130
    return 0


async def _serve(settings: Settings) -> None:
    from .session import Session
    from .transports import serve

    async with Session(settings) as session:
        await serve(session)


def _complain(sentence: str, code: int) -> int:
    sys.stderr.write(" ".join(sentence.split()) + "\n")
    return code
