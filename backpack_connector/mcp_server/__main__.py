"""Run the server without the command: python -m backpack_connector.mcp_server."""

import sys

from .main import main

if __name__ == "__main__":
    sys.exit(main())
