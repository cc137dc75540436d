"""Find a program that a test needs and this package does not bring."""

import os
import shutil
from collections.abc import Iterable

import pytest


def needed_program(names: Iterable[str], sentence: str, more_folders: str = "") -> str:
    """Return where the first of some programs is; without one, CI fails and everybody else skips with the sentence."""
    path = f"{os.environ.get('PATH', '')}{more_folders}"
    found = next((place for name in names if (place := shutil.which(name, path=path))), None)
    if found is not None:
        return found
    if os.environ.get("CI"):
        pytest.fail(sentence)
    pytest.skip(sentence)
