"""Keep the programs of a place off the internet, and know whom they wanted to ask."""

import os

import yaml

from tests.end_to_end.place import Place

# Python imports a module of this name before it runs anything.
GUARD = """
import os
import socket

real = socket.getaddrinfo


def only_this_machine(host, *words, **names):
    if host in (None, "", "localhost", "127.0.0.1", "::1"):
        return real(host, *words, **names)
    with open(os.path.join(os.path.dirname(__file__), "asked"), "a") as file:
        file.write(f"{host}\\n")
    raise socket.gaierror(socket.EAI_NONAME, "this test keeps off the internet")


socket.getaddrinfo = only_this_machine
"""


def keep_alone(place: Place) -> None:
    """Let every program that starts from now on reach this machine only; rates come from the simulator."""
    folder = place.home.folder / "guard"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(GUARD)
    environment = dict(place.programs.environment)
    searched = [str(folder), environment.get("PYTHONPATH", "")]
    place.programs.environment = environment | {"PYTHONPATH": os.pathsep.join(filter(None, searched))}
    file = place.home.folder / "conf" / "conf_client.yml"
    configuration = yaml.safe_load(file.read_text())
    configuration |= {
        "rate_oracle_source": {"name": "backpack_simulator"},
        "global_token": {"global_token_name": "USDC", "global_token_symbol": "$"},
        # The client asks the exchanges that can be traded on paper for their markets.
        "paper_trade": {"paper_trade_exchanges": []},
    }
    file.write_text(yaml.safe_dump(configuration))


def asked_hosts(place: Place) -> set[str]:
    """Return the names of other machines that programs wanted to reach."""
    file = place.home.folder / "guard" / "asked"
    return set(file.read_text().split()) if file.exists() else set()
