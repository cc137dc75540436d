"""Name the groups of commands, and load one only when it is used, so that the command line answers at once."""

import importlib
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup

GROUPS: dict[str, str] = {
    "config": "Keep the API key: set, show masked, forget.",
    "system": "Ask whether the exchange works, and for its time and wallets.",
    "market": "Look at markets: prices, books, candles, trades, rates.",
    "chart": "Draw prices, depth and funding, in the terminal or into a file.",
    "order": "Place, cancel and look up orders.",
    "position": "Look at positions.",
    "account": "Look at the account: balances, margin, limits, settings.",
    "capital": "Look at deposits and withdrawals, and withdraw.",
    "funding": "Look at funding rates and payments.",
    "borrow": "Lend and borrow.",
    "strategy": "Run scheduled strategies.",
    "rfq": "Request quotes, and quote.",
    "vault": "Invest in vaults.",
    "export": "Write candles, trades, fills, orders and funding into files.",
}
"""Each is the app in the module `group_<name>`."""


class LazyGroup(TyperGroup):
    """A group of commands whose module is imported when one of them, or their list, is asked for."""

    _group: Any = None

    def _loaded(self) -> Any:
        if self._group is None:
            self._group = typer.main.get_group(importlib.import_module(f"backpack_connector.cli.group_{self.name}").app)
        return self._group

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the group's commands."""
        names: list[str] = self._loaded().list_commands(ctx)
        return names

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return one command of the group, or None."""
        return self._loaded().get_command(ctx, cmd_name)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Show the help when no command is named."""
        return super().parse_args(ctx, args or ["--help"])


class Root(TyperGroup):
    """The commands of `backpack`, and its groups."""

    _groups: ClassVar[dict[str, LazyGroup]] = {}

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of commands, then of groups."""
        return [*super().list_commands(ctx), *GROUPS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command or a group, or None."""
        if cmd_name not in GROUPS:
            return super().get_command(ctx, cmd_name)
        if cmd_name not in self._groups:
            self._groups[cmd_name] = LazyGroup(name=cmd_name, help=GROUPS[cmd_name], rich_markup_mode=None)
        return self._groups[cmd_name]
