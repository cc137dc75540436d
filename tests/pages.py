"""Read the code blocks of a page of the documentation, so that tests run what users copy."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def code_blocks(page: str, language: str) -> list[str]:
    """Return the texts of a page's blocks in one language, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
