"""Wait for the first import below Hummingbot, then have the connectors registered.

The start-up file, a line in site-packages, calls `install()` at every start of Python, also for programs that have
nothing to do with Hummingbot. Rules:

1. It imports nothing that the interpreter has not loaded already.
2. Nothing is decided before Hummingbot is imported: a script or a notebook may set BACKPACK_CONNECTOR first.
3. From that moment on failures are loud. Falling back in silence would trade with another connector than the one
   that was installed.
"""

import sys

TYPE_CHECKING = False  # typing's constant, without loading typing
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType


class HummingbotWatcher:
    """An import finder that finds nothing; it calls the registration when Hummingbot arrives."""

    has_decided = False

    def find_spec(
        self, fullname: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        """Let the registration answer for the first name below `hummingbot`, then keep out of the way."""
        if self.has_decided or not fullname.startswith("hummingbot."):
            return None
        from backpack_connector import registration

        finder = registration.start()
        # Only now: after a failure the next import must fail as well, and not get the built-in connector.
        self.has_decided = True
        return finder.find_spec(fullname, path, target) if finder is not None else None


def install() -> None:
    """Watch for Hummingbot, once per process."""
    if not any(isinstance(finder, HummingbotWatcher) for finder in sys.meta_path):
        sys.meta_path.insert(0, HummingbotWatcher())
