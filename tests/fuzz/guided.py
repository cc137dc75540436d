"""Run one target under atheris; `tests.fuzz` starts this as a process, because libFuzzer never gives it back."""

import sys
from typing import Any


def main() -> None:
    """Fuzz the target that the first argument names; the others are libFuzzer's."""
    import atheris

    name = sys.argv.pop(1)
    with atheris.instrument_imports(include=["backpack_connector"]):
        from tests.fuzz.targets import TARGETS

    target = TARGETS[name]

    def run(data: bytes) -> Any:
        target(data)

    atheris.Setup(sys.argv, run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
