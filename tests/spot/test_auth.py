"""Requests and subscriptions are signed with the verb of their operation and the exchange's time."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hummingbot.connector.time_synchronizer import TimeSynchronizer
from hummingbot.core.web_assistant.connections.data_types import RESTMethod, RESTRequest, WSJSONRequest

from backpack_connector.backpack_auth import BackpackAuth
from backpack_connector.backpack_web_utils import rest_url
from backpack_connector.protocol.errors import ConfigurationError
from backpack_connector.protocol.signing import is_signed_by

NOW_MS = 1_790_000_000_123


class FixedTime(TimeSynchronizer):
    """Knows the exchange's time exactly."""

    def __init__(self) -> None:
        super().__init__()
        self.add_time_offset_ms_sample(0.0)

    def time(self) -> float:
        return NOW_MS / 1000


@pytest.fixture
def auth(key_pair: "tuple[str, str]") -> BackpackAuth:
    return BackpackAuth(*key_pair, FixedTime())


def request(method: RESTMethod, path: str, data: Any = None, params: "Mapping[str, str] | None" = None) -> RESTRequest:
    return RESTRequest(
        method=method,
        url=rest_url(path),
        data=None if data is None else json.dumps(data),
        params=params,
        headers={"Content-Type": "application/json"},
        is_auth_required=True,
    )


CASES = [
    (RESTMethod.GET, "/api/v1/capital", None, None, "instruction=balanceQuery"),
    (
        RESTMethod.GET,
        "/api/v1/orders",
        None,
        {"symbol": "SOL_USDC", "marketType": "SPOT"},
        "instruction=orderQueryAll&marketType=SPOT&symbol=SOL_USDC",
    ),
    (
        RESTMethod.POST,
        "/api/v1/order",
        {"symbol": "SOL_USDC", "side": "Bid", "price": "1.50", "postOnly": True, "clientId": 7},
        None,
        "instruction=orderExecute&clientId=7&postOnly=true&price=1.50&side=Bid&symbol=SOL_USDC",
    ),
    (
        RESTMethod.DELETE,
        "/api/v1/order",
        {"symbol": "SOL_USDC", "orderId": "9"},
        None,
        "instruction=orderCancel&orderId=9&symbol=SOL_USDC",
    ),
    (RESTMethod.GET, "/wapi/v1/history/fills", None, {"limit": "9"}, "instruction=fillHistoryQueryAll&limit=9"),
]


@pytest.mark.parametrize(("method", "path", "data", "params", "text"), CASES, ids=[case[4][12:30] for case in CASES])
async def test_request_is_signed_with_the_verb_of_its_operation(
    auth: BackpackAuth, method: RESTMethod, path: str, data: Any, params: Any, text: str
) -> None:
    signed = await auth.rest_authenticate(request(method, path, data, params))
    headers = signed.headers
    assert headers is not None
    assert headers["X-API-Key"] == auth.account
    assert (headers["X-Timestamp"], headers["X-Window"]) == (str(NOW_MS), "5000")
    assert is_signed_by(auth.account, headers["X-Signature"], f"{text}&timestamp={NOW_MS}&window=5000")


async def test_f26b_only_booleans_are_lower_cased(auth: BackpackAuth) -> None:
    data = {"symbol": "TrueUSD_USDC", "side": "Bid", "reduceOnly": False, "note": "True or False"}
    headers = (await auth.rest_authenticate(request(RESTMethod.POST, "/api/v1/order", data))).headers
    assert headers is not None
    text = "instruction=orderExecute&note=True or False&reduceOnly=false&side=Bid&symbol=TrueUSD_USDC"
    assert is_signed_by(auth.account, headers["X-Signature"], f"{text}&timestamp={NOW_MS}&window=5000")


async def test_headers_of_the_caller_are_kept(auth: BackpackAuth) -> None:
    unsigned = request(RESTMethod.POST, "/api/v1/order", {"symbol": "SOL_USDC"})
    assert unsigned.headers is not None
    unsigned.headers["X-BROKER-ID"] = "2200"
    headers = (await auth.rest_authenticate(unsigned)).headers
    assert headers is not None
    assert headers["X-BROKER-ID"] == "2200"
    assert headers["Content-Type"].startswith("application/json")


async def test_body_is_sent_as_it_was(auth: BackpackAuth) -> None:
    unsigned = request(RESTMethod.POST, "/api/v1/order", {"symbol": "SOL_USDC", "quantity": "1.10"})
    body = unsigned.data
    assert (await auth.rest_authenticate(unsigned)).data == body


async def test_request_without_headers_gets_some(auth: BackpackAuth) -> None:
    unsigned = RESTRequest(method=RESTMethod.GET, url=rest_url("/api/v1/capital"))
    assert "X-Signature" in ((await auth.rest_authenticate(unsigned)).headers or {})


@pytest.mark.parametrize(("method", "path"), [(RESTMethod.GET, "/api/v1/nothing"), (RESTMethod.PUT, "/api/v1/order")])
async def test_path_outside_the_catalogue_is_not_signed(auth: BackpackAuth, method: RESTMethod, path: str) -> None:
    with pytest.raises(ConfigurationError, match="is not in the catalogue"):
        await auth.rest_authenticate(request(method, path))


async def test_subscription_is_signed(auth: BackpackAuth) -> None:
    frame = WSJSONRequest(payload={"method": "SUBSCRIBE", "params": ["account.orderUpdate"]}, is_auth_required=True)
    payload = dict((await auth.ws_authenticate(frame)).payload)
    key, signature, stamp, window = payload.pop("signature")
    assert payload == {"method": "SUBSCRIBE", "params": ["account.orderUpdate"]}
    assert (key, stamp, window) == (auth.account, str(NOW_MS), "5000")
    assert is_signed_by(key, signature, f"instruction=subscribe&timestamp={NOW_MS}&window=5000")


def test_subscription_can_be_stamped_by_the_caller(auth: BackpackAuth) -> None:
    key, signature, stamp, window = auth.subscription_signature(7)
    assert stamp == "7"
    assert is_signed_by(key, signature, f"instruction=subscribe&timestamp=7&window={window}")


async def test_f26_empty_keys_construct_and_complain_only_when_something_must_be_signed() -> None:
    auth = BackpackAuth("", "", FixedTime())
    assert auth.account == ""
    with pytest.raises(ConfigurationError, match="needs an API key and an API secret"):
        await auth.rest_authenticate(request(RESTMethod.GET, "/api/v1/capital"))
    with pytest.raises(ConfigurationError, match="needs an API key and an API secret"):
        auth.subscription_signature()


def test_account_is_the_public_key(auth: BackpackAuth, key_pair: "tuple[str, str]") -> None:
    assert auth.account == key_pair[0]
