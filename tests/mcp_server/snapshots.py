"""Write down how each tool looks to an agent: one file a tool; a test compares.

python -m tests.mcp_server.snapshots
"""

import json
import sys
from pathlib import Path

from backpack_connector.mcp_server.server import described
from backpack_connector.mcp_server.session import Session
from backpack_connector.mcp_server.settings import read_settings
from backpack_connector.mcp_server.tools import TOOLS

FOLDER = Path(__file__).parent / "snapshots"


def snapshots() -> dict[str, str]:
    """Return the text of each tool's file, by the tool's name."""
    options = ["--simulator", "--groups", "all", "--allow-trading", "--allow-withdrawals", "--withdrawal-address", "a"]
    session = Session(read_settings(options), find=lambda: None)
    return {
        name: json.dumps(described(session, tool).model_dump(mode="json", by_alias=True, exclude_none=True), indent=2)
        + "\n"
        for name, tool in TOOLS.items()
    }


def main() -> int:
    """Write all files, and delete those of tools that are no more."""
    FOLDER.mkdir(exist_ok=True)
    texts = snapshots()
    for path in FOLDER.glob("*.json"):
        if path.stem not in texts:
            path.unlink()
    for name, text in texts.items():
        (FOLDER / f"{name}.json").write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
