"""The commands `backpack config`: keep the API key, show it masked, forget it."""

import sys
from typing import Annotated

import typer

from backpack_connector.cli.output import FormatOption, print_answer
from backpack_connector.cli.session import ask, required_keys
from backpack_connector.client.credentials import clear_credentials, credentials_file, masked, store_credentials

app = typer.Typer(name="config", rich_markup_mode=None, add_completion=False)


@app.command("set")
def set_keys() -> None:
    """Keep an API key and its secret in a file that only you can read.

    They are asked for, or read from two lines of input; never from the command line, which others can see.
    """
    if sys.stdin.isatty():
        api_key = typer.prompt("API key", err=True)
        secret = typer.prompt("API secret", hide_input=True, err=True)
    else:
        api_key, secret = sys.stdin.readline().strip(), sys.stdin.readline().strip()
    path = store_credentials(api_key, secret)
    print(f"The key {masked(api_key.strip())} is kept in {path}.")


@app.command("get")
def get_keys(form: FormatOption = "table") -> None:
    """Show which API key is used, masked, and where it comes from."""
    found = required_keys()
    key = masked(found.credentials.api_key)
    print_answer({"apiKey": key, "secretKey": "kept, not shown", "source": found.origin}, form)


@app.command()
def clear(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Forget the API key that was kept."""
    if sys.stdin.isatty() and not yes:
        ask(f"Remove {credentials_file()}?")
    print("The key is forgotten." if clear_credentials() else "There was no key to forget.")
