"""F26: a wrong key is one sentence that names the field and what to paste, before any request."""

import base64
import traceback
from collections.abc import Callable

import pytest

from backpack_connector.backpack_exchange import BackpackExchange
from backpack_connector.protocol.errors import ConfigurationError
from backpack_connector.protocol.signing import generate_key_pair
from tests.spot.session import until, world

KEY, SECRET = generate_key_pair(bytes(range(32)))
OTHER_KEY, OTHER_SECRET = generate_key_pair(bytes(range(1, 33)))
EXPORTED_SECRET = base64.b64encode(base64.b64decode(SECRET) + base64.b64decode(KEY)).decode()


def connect(api_key: str, api_secret: str) -> BackpackExchange:
    return BackpackExchange(api_key, api_secret, domain="backpack_simulator")


def short(text: str, length: int) -> str:
    return base64.b64encode(base64.b64decode(text)[:length]).decode()


WRONG: "dict[str, tuple[str, str, str]]" = {
    "key empty": ("", SECRET, "The API key is empty"),
    "secret empty": (KEY, "", "The API secret is empty"),
    "key blank": ("  ", SECRET, "The API key is empty"),
    "secret blank": (KEY, "\n", "The API secret is empty"),
    "key cut": (KEY[:-4], SECRET, "The API key"),
    "key without its end": (KEY[:-1], SECRET, "The API key"),
    "secret cut": (KEY, SECRET[:-4], "The API secret"),
    "secret without its end": (KEY, SECRET[:-1], "The API secret"),
    "secret of 31 bytes": (KEY, short(SECRET, 31), "The API secret holds 31 bytes instead of 32"),
    "secret of 33 bytes": (KEY, base64.b64encode(bytes(33)).decode(), "The API secret holds 33 bytes"),
    "secret of 63 bytes": (KEY, short(EXPORTED_SECRET, 63), "The API secret holds 63 bytes"),
    "key of 64 bytes": (EXPORTED_SECRET, SECRET, "The API key holds 64 bytes instead of 32"),
    "secret is words": (KEY, "my secret, which is long enough to be one", "The API secret is not base64 text"),
    "key is hexadecimal": (base64.b64decode(KEY).hex(), SECRET, "The API key"),
    "key is not ASCII": ("schlüssel" + KEY, SECRET, "The API key is not base64 text"),
    "swapped": (SECRET, KEY, "The API key and the API secret are swapped"),
    "secret of another key": (KEY, OTHER_SECRET, "The API secret does not belong to this API key"),
    "exported secret of another key": (
        OTHER_KEY,
        EXPORTED_SECRET,
        "The API secret does not belong to this API key",
    ),
    "key twice": (KEY, KEY, "The API secret does not belong to this API key"),
    "secret twice": (SECRET, SECRET, "The API"),
}


@pytest.mark.parametrize(("api_key", "api_secret", "sentence"), WRONG.values(), ids=WRONG.keys())
async def test_f26_wrong_keys_are_one_sentence_before_any_request(api_key: str, api_secret: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        connect(api_key, api_secret)
    text = str(caught.value)
    assert text.startswith(sentence)
    assert "paste" in text
    assert text.endswith(".")
    assert ". " not in text, "one sentence"
    assert "\n" not in text


@pytest.mark.parametrize(("api_key", "api_secret", "sentence"), WRONG.values(), ids=WRONG.keys())
async def test_f26b_neither_key_nor_secret_is_in_the_error(api_key: str, api_secret: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        connect(api_key, api_secret)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    for value in (api_key, api_secret):
        if len(value) > 8:
            assert value not in shown
    assert caught.value.__cause__ is None


GOOD: "dict[str, Callable[[], tuple[str, str]]]" = {
    "as shown": lambda: (KEY, SECRET),
    "exported secret of 64 bytes": lambda: (KEY, EXPORTED_SECRET),
    "with spaces and line ends": lambda: (f" {KEY}\n", f"{SECRET[:20]}\n{SECRET[20:]} "),
}


@pytest.mark.parametrize("keys", GOOD.values(), ids=GOOD.keys())
async def test_f26_good_keys_work_however_they_were_pasted(keys: "Callable[[], tuple[str, str]]") -> None:
    api_key, api_secret = keys()
    async with world(with_double=True) as here:
        connector = here.connector(backpack_api_key=api_key, backpack_api_secret=api_secret)
        assert "USDC" in await connector.request("get_balances")
        assert here.double.seen("get_balances")[0].headers["X-API-Key"] == KEY


async def test_f26_empty_keys_construct_and_ask_for_nothing_private() -> None:
    async with world() as here:
        here.fill_book()
        connector = await here.started("SOL-USDC", backpack_api_key="", backpack_api_secret="", trading_required=False)
        with pytest.raises(ConfigurationError, match="needs an API key and an API secret"):
            await connector.request("get_balances")
        await until(lambda: connector.ready)


async def test_f26_keys_that_the_exchange_refuses_are_said_to_be_refused(caplog: pytest.LogCaptureFixture) -> None:
    from tests.spot.stream_double import failure

    async with world(with_double=True) as here:
        here.double.answer("get_balances", failure(401, "UNAUTHORIZED", "Unauthorized"))
        connector = here.connector()
        await connector.start_network()
        await until(lambda: "get_balances: Unauthorized (401, UNAUTHORIZED)" in caplog.text)
        assert not connector.ready
