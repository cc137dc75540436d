"""The commands `backpack vault`."""

import typer

from backpack_connector.cli.operation_commands import Command, add

app = typer.Typer(name="vault", rich_markup_mode=None, add_completion=False)
add(
    app,
    Command("list", "get_vaults"),
    Command("history", "get_vault_history"),
    Command("mint", "vault_mint", done="The money is in the vault: see `backpack vault mints`."),
    Command("mints", "get_vault_mint_history"),
    Command("redeem", "vault_redeem", done="The redemption is requested: see `backpack vault redeems`."),
    Command("redeem-cancel", "vault_redeem_cancel", done="The request is taken back."),
    Command("redeems", "get_vault_redeem_history"),
    Command("pending", "get_vault_pending_redeems"),
    Command("nav", "get_vault_nav"),
)
