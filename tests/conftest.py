"""What every test gets: no network beyond this machine, journals of its own, a key pair, and an order of running."""

import base64
import ipaddress
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

TESTS = Path(__file__).parent
JOURNAL = "BACKPACK_JOURNAL"

# Section 7.1, test 1 of RFC 8032: published, so that no money can ever hang on it.
RFC_8032_SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
RFC_8032_PUBLIC_KEY = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")

# Fast and pure tests fail first; those with a real Hummingbot come later, whole processes last.
LATER = [
    "registration",
    "spot",
    "perpetual",
    "candles",
    "fuzz",
    "guard",
    "chaos",
    "benchmarks",
    "page",
    "demo",
    "judges",
    "end_to_end",
    "kills",
]


def pytest_configure(config: pytest.Config) -> None:
    """Keep journals of what runs outside of every test, such as a module's fixture, away from those of real bots."""
    folder, before = mkdtemp(), os.environ.get(JOURNAL)
    os.environ[JOURNAL] = folder

    def restore() -> None:
        os.environ.pop(JOURNAL)
        if before is not None:
            os.environ[JOURNAL] = before
        shutil.rmtree(folder, ignore_errors=True)

    config.add_cleanup(restore)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    folder = item.path.relative_to(TESTS).parts[0]
    return LATER.index(folder) + 1 if folder in LATER else 0


class NetworkForbidden(Exception):
    """A test tried to reach another machine."""


@pytest.fixture(autouse=True)
def only_this_machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Refuse connections and name look-ups beyond loopback; also fail a test that swallows the refusal."""
    attempts: list[str] = []

    def check(host: Any) -> None:
        if not _is_loopback(host):
            attempts.append(str(host))
            raise NetworkForbidden(f"A test tried to reach {host}; only this machine is allowed.")

    def guarded(name: str) -> Callable[..., Any]:
        original = getattr(socket.socket, name)

        def connect(self: socket.socket, address: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6):
                check(address[0])
            return original(self, address)

        return connect

    look_up = socket.getaddrinfo

    def guarded_look_up(host: Any, *rest: Any, **options: Any) -> Any:
        check(host)
        return look_up(host, *rest, **options)

    monkeypatch.setattr(socket.socket, "connect", guarded("connect"))
    monkeypatch.setattr(socket.socket, "connect_ex", guarded("connect_ex"))
    monkeypatch.setattr(socket, "getaddrinfo", guarded_look_up)
    yield attempts
    assert not attempts, f"The test tried to reach {', '.join(attempts)}."


@pytest.fixture(autouse=True)
def own_order_journals(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Give each test's connectors an empty folder for their order journals, so that none adopts another's orders."""
    monkeypatch.setenv(JOURNAL, str(tmp_path / "order_journals"))


def _is_loopback(host: Any) -> bool:
    if host in (None, "", "localhost", "0.0.0.0", "::"):  # none of them leaves this machine
        return True
    text = host.decode() if isinstance(host, bytes) else str(host)
    try:
        return ipaddress.ip_address(text).is_loopback
    except ValueError:
        return False


@pytest.fixture(scope="session")
def key_pair() -> tuple[str, str]:
    """Give the public key and the seed of RFC 8032 as Backpack writes them: base64."""
    return base64.b64encode(RFC_8032_PUBLIC_KEY).decode(), base64.b64encode(RFC_8032_SEED).decode()


@pytest.fixture(params=["aiohttp", "picows"])
def each_reader_of_streams(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test once with each library that may read the streams."""
    library: str = request.param
    if library == "picows":
        pytest.importorskip("picows")
    monkeypatch.setenv("BACKPACK_WEBSOCKET", library)
    return library


@pytest.fixture(params=["aiohttp", "fast"])
def each_way_of_requests(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test once with each transport that may carry the connector's requests."""
    way: str = request.param
    if way == "fast":
        pytest.importorskip("httptools")
    monkeypatch.setenv("BACKPACK_HTTP", way)
    return way
