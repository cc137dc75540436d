"""The page's files and what it asks the simulator for: what is answered, to whom, and with which policy."""

import re
from collections.abc import Iterator
from importlib import resources
from typing import Any

import aiohttp
import pytest

from backpack_connector.simulator import Simulator
from backpack_connector.simulator.faults_kinds import FaultKind
from tests.page.screenshot import PICTURE
from tests.simulator.support import Client, trade

FILES = sorted(file.name for file in resources.files("backpack_connector.simulator").joinpath("web").iterdir())
ADMIN = (
    ("GET", "/simulator/truth"),
    ("GET", "/simulator/overview"),
    ("GET", "/simulator/fault-kinds"),
    ("GET", "/simulator/faults"),
    ("POST", "/simulator/faults"),
    ("DELETE", "/simulator/faults"),
    ("POST", "/simulator/clock"),
    ("POST", "/simulator/price"),
    ("POST", "/simulator/deposit"),
    ("POST", "/simulator/session"),
    ("GET", "/simulator/vaults"),
)
OWN_PAGES = [("GET", "/"), ("GET", "/simulator/page/app.js")]


async def ask(
    simulator: Simulator, http: aiohttp.ClientSession, method: str, path: str, **headers: str
) -> tuple[int, Any, Any]:
    async with http.request(method, simulator.rest_url + path, headers=headers, data=b"[]") as response:
        return response.status, response.headers, await response.text()


def local_names(simulator: Simulator) -> Iterator[str]:
    for name in ("127.0.0.1", "localhost", "[::1]", "127.0.0.2"):
        yield f"{name}:{simulator.port}"


@pytest.mark.parametrize("name", FILES)
async def test_each_file_comes_with_its_type_and_the_policy(
    name: str, simulator: Simulator, http: aiohttp.ClientSession
) -> None:
    status, headers, text = await ask(simulator, http, "GET", f"/simulator/page/{name}")
    assert (status, bool(text)) == (200, True)
    kinds = {"css": "text/css", "html": "text/html", "js": "text/javascript", "svg": "image/svg+xml"}
    assert headers["Content-Type"] == f"{kinds[name.rpartition('.')[2]]}; charset=utf-8"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Access-Control-Allow-Origin" not in headers
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["connect-src"] == f"'self' ws://127.0.0.1:{simulator.port}"
    assert "unsafe" not in headers["Content-Security-Policy"]


@pytest.mark.parametrize("name", FILES)
def test_files_work_offline_and_make_nothing_from_markup(name: str) -> None:
    text = resources.files("backpack_connector.simulator").joinpath("web", name).read_text(encoding="utf-8")
    addresses = re.findall(r"https?://[^\s\"'`<)]+", text)
    assert [address for address in addresses if address != "http://www.w3.org/2000/svg"] == []
    assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text) == []
    assert re.findall(r"\bstyle=|<style|<script(?! type=\"module\" src=)|\son[a-z]+=\"", text) == []
    assert len(text.splitlines()) <= 450


async def test_the_start_page_is_where_the_streams_are(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    status, headers, text = await ask(simulator, http, "GET", "/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert text.startswith("<!doctype html>")
    async with http.ws_connect(simulator.ws_url) as stream:
        await stream.send_str("?")
        assert (await stream.receive_json(timeout=5))["error"]["code"] == 4002


@pytest.mark.parametrize("name", ["nothing.js", "..%2Fserver.py", "%2e%2e%2fserver.py", "markets.json", "INDEX.html"])
async def test_no_other_file_is_served(name: str, simulator: Simulator, http: aiohttp.ClientSession) -> None:
    assert (await ask(simulator, http, "GET", f"/simulator/page/{name}"))[0] == 404


@pytest.mark.parametrize(("method", "path"), [*ADMIN, *OWN_PAGES])
async def test_a_foreign_host_name_is_refused(
    method: str, path: str, simulator: Simulator, http: aiohttp.ClientSession
) -> None:
    for host in (
        "example.org",
        f"example.org:{simulator.port}",
        "127.0.0.1.example.org",
        "localhost.",
        "[",
        "x:y:z",
        "127.0.0.1:1; script-src *",
        "a@127.0.0.1",
        "[::1",
        "0.0.0.0",
    ):
        status, _, text = await ask(simulator, http, method, path, Host=host)
        assert (status, text) == (403, "only a name of this machine leads here"), host
    for host in local_names(simulator):
        assert (await ask(simulator, http, method, path, Host=host))[0] != 403, host


@pytest.mark.parametrize(("method", "path"), [*ADMIN, *OWN_PAGES])
async def test_a_page_from_elsewhere_is_refused(
    method: str, path: str, simulator: Simulator, http: aiohttp.ClientSession
) -> None:
    for origin in ("https://example.org", "null", f"http://localhost:{simulator.port}", "http://127.0.0.1:1", ""):
        status, headers, text = await ask(simulator, http, method, path, Origin=origin)
        assert (status, text) == (403, "pages from elsewhere may not do this"), origin
        assert "Access-Control-Allow-Origin" not in headers
    assert (await ask(simulator, http, method, path, Origin=simulator.rest_url))[0] != 403


async def test_a_refused_request_changes_nothing(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    fault = '[{"kind": "socket_refused"}]'
    for headers in ({"Origin": "https://example.org"}, {"Host": "example.org"}):
        async with http.post(f"{simulator.rest_url}/simulator/faults", data=fault, headers=headers) as response:
            assert response.status == 403
    async with http.options(f"{simulator.rest_url}/simulator/faults", headers={"Origin": "https://x.org"}) as response:
        assert response.status == 405
    assert not simulator.faults.is_set


async def test_the_page_takes_nothing_from_the_limits_of_clients(
    simulator: Simulator, http: aiohttp.ClientSession
) -> None:
    path = f"/api/v1/klines?symbol=SOL_USDC&interval=1d&startTime={simulator.now_ms() // 1000 - 60}"
    own = {"Sec-Fetch-Site": "same-origin"}
    assert {(await ask(simulator, http, "GET", path, **own))[0] for _ in range(40)} == {200}
    asked = [(await ask(simulator, http, "GET", path))[0] for _ in range(31)]
    assert asked == [200] * 30 + [429]
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert (await ask(simulator, http, "GET", path, **foreign))[0] == 429


async def test_the_catalogue_has_every_kind_with_its_fields(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{simulator.rest_url}/simulator/fault-kinds") as response:
        rows = {row["kind"]: row for row in await response.json()}
    assert list(rows) == [kind.value for kind in FaultKind]
    assert all(row["sentence"] for row in rows.values())
    lost = rows["answer_lost"]
    assert (lost["scope"], lost["required"], lost["hasOccasions"]) == (["account", "market", "operations"], [], True)
    assert "execute_order" in lost["operations"]
    assert (rows["market_state"]["required"], rows["market_state"]["hasOccasions"]) == (["market", "state"], False)
    assert rows["socket_dropped"]["defaultCount"] == 1


async def test_the_overview_shows_an_account_and_no_secret(
    simulator: Simulator, http: aiohttp.ClientSession, alice: Client
) -> None:
    url = f"{simulator.rest_url}/simulator/overview"
    async with http.get(url) as response:
        assert response.headers["Cache-Control"] == "no-store"
        empty = await response.json()
    assert (empty["account"], empty["accounts"], empty["faults"], empty["connections"]) == (None, [], [], 0)
    trade(simulator)
    order = {"symbol": "SOL_USDC", "side": "Bid", "orderType": "Limit", "price": "100", "quantity": "2"}
    status, placed = await alice.call("execute_order", order)
    assert status == 200
    assert (await alice.call("execute_order", {**order, "price": "50", "quantity": "1"}))[0] == 200
    async with http.get(url, params={"account": alice.key}) as response:
        text = await response.text()
        shown = await response.json()
    assert alice.key in [row["account"] for row in shown["accounts"]]
    account = shown["account"]
    assert [row["price"] for row in account["openOrders"]] == ["50", "100"]
    assert account["orders"][1]["orderId"] == placed["id"]
    balances = {row["asset"]: row for row in account["balances"]}
    assert balances["USDC"]["locked"] == "250"
    assert alice.secret not in text


async def test_the_overview_is_bounded(simulator: Simulator, http: aiohttp.ClientSession, alice: Client) -> None:
    orders = [
        {"symbol": "SOL_USDC", "side": "Bid", "orderType": "Limit", "price": "50", "quantity": "1", "postOnly": True}
    ] * 20
    for _ in range(7):
        assert (await alice.call("execute_order_batch", orders))[0] == 200
    for _ in range(20):
        simulator.faults.end(simulator.faults.inject(*_refusing())[0])
    async with http.get(f"{simulator.rest_url}/simulator/overview", params={"account": alice.key}) as response:
        shown = await response.json()
    assert (len(shown["account"]["openOrders"]), len(shown["account"]["orders"])) == (100, 100)
    assert shown["account"]["openOrderCount"] == 140
    assert [row["id"] for row in shown["faults"]] == list(range(20, 10, -1))


def _refusing() -> list[Any]:
    from backpack_connector.simulator.faults_kinds import Fault

    return [Fault(kind=FaultKind.SOCKET_REFUSED)]


def test_readme_shows_a_small_picture_of_the_page() -> None:
    assert 50_000 < PICTURE.stat().st_size < 300_000
    readme = (PICTURE.parents[1] / "README.md").read_text(encoding="utf-8")
    assert f"]({PICTURE.relative_to(PICTURE.parents[1]).as_posix()})" in readme
