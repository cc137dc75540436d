"""Whatever is pasted as key or secret: it works, or one plain sentence names the field and never the value."""

import base64
import logging
import traceback
from typing import Any

import pytest
from hummingbot.client.config.config_helpers import ClientConfigAdapter, ConfigValidationError
from hypothesis import given
from hypothesis import strategies as st

from backpack_connector.backpack_exchange import BackpackExchange
from backpack_connector.backpack_utils import BackpackConfigMap
from backpack_connector.protocol.errors import ConfigurationError
from backpack_connector.protocol.signing import Credentials
from backpack_perpetual_connector.backpack_perpetual_derivative import BackpackPerpetualDerivative
from backpack_perpetual_connector.backpack_perpetual_utils import BackpackPerpetualConfigMap
from tests.fuzz.targets import KEY, SECRET, TARGETS
from tests.protocol.samples import BOUNDED

CONNECTORS = [
    pytest.param(BackpackConfigMap, BackpackExchange, id="spot"),
    pytest.param(BackpackPerpetualConfigMap, BackpackPerpetualDerivative, id="perpetual"),
]
EXPORTED = base64.b64encode(base64.b64decode(SECRET) + base64.b64decode(KEY)).decode()


def odd(text: str) -> dict[str, str]:
    """Return what people and clipboards make of a text."""
    raw = base64.b64decode(text)
    return {
        "in quotes": f'"{text}"',
        "in single quotes": f"'{text}'",
        "in backticks": f"`{text}`",
        "with a comma": f"{text},",
        "with its name": f"BACKPACK_KEY={text}",
        "as JSON": f'{{"key": "{text}"}}',
        "as PEM": f"-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----",
        "hexadecimal": raw.hex(),
        "for URLs": base64.urlsafe_b64encode(b"\xff" * 32).decode(),
        "without padding": text.rstrip("="),
        "with more padding": f"{text}=",
        "twice": text + text,
        "half of it": text[:22],
        "one letter changed": ("B" if text[0] != "B" else "C") + text[1:],
        "one letter left out": text[:5] + text[6:],
        "zero-width space": f"{text[:9]}\u200b{text[9:]}",
        "byte order mark": f"\ufeff{text}",
        "wide letters": "".join(chr(ord(sign) + 0xFEE0) for sign in text),
        "written from right to left": f"\u202e{text}",
        "emoji": "🔑" * 44,
        "zero byte": f"{text}\0",
        "escape sequence": f"\x1b[31m{text}\x1b[0m",
        "a megabyte": text * 24_000,
        "half a surrogate pair": f"{text}\ud800",
        "zeros": base64.b64encode(bytes(32)).decode(),
        "nothing": "",
        "line ends": "\r\n",
    }


GOOD = {
    "as it is": (KEY, SECRET),
    "exported": (KEY, EXPORTED),
    "with line ends": (f"\r\n{KEY}\n", f"{SECRET[:20]}\r\n{SECRET[20:]}\n"),
    "with spaces, hard ones too": (f" {KEY}\u00a0", f"\t{SECRET}\u3000"),
}


def connected(config_map: Any, kind: Any, api_key: str, api_secret: str) -> Any:
    """Connect as Hummingbot does: what was typed goes into the config map, and from there to the connector."""
    config = ClientConfigAdapter(config_map.model_construct())
    config.backpack_api_key, config.backpack_api_secret = api_key, api_secret
    typed = config.backpack_api_key.get_secret_value(), config.backpack_api_secret.get_secret_value()
    return kind(*typed, trading_pairs=[])


@pytest.mark.parametrize(("config_map", "kind"), CONNECTORS)
@pytest.mark.parametrize("how", odd(KEY))
async def test_odd_key_or_secret_is_one_sentence(
    config_map: Any, kind: Any, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for field, api_key, api_secret in (("key", odd(KEY)[how], SECRET), ("secret", KEY, odd(SECRET)[how])):
        with pytest.raises((ConfigurationError, ConfigValidationError)) as caught:
            connected(config_map, kind, api_key, api_secret)
        sentence = str(caught.value)
        if isinstance(caught.value, ConfigurationError):
            assert f"API {field}" in sentence
            assert "paste" in sentence
            assert sentence.endswith(".")
            assert ". " not in sentence
        assert sentence.isprintable()
        assert len(sentence) < 200
        everything = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + caplog.text
        for value in (SECRET, odd(SECRET)[how].strip()):
            assert len(value) < 8 or value not in everything


@pytest.mark.parametrize(("config_map", "kind"), CONNECTORS)
@pytest.mark.parametrize("how", GOOD)
async def test_good_keys_work_however_they_were_pasted(config_map: Any, kind: Any, how: str) -> None:
    connector = connected(config_map, kind, *GOOD[how])
    assert connector.authenticator.account == KEY


@pytest.mark.parametrize(("config_map", "kind"), CONNECTORS)
async def test_swapped_fields_are_named(config_map: Any, kind: Any) -> None:
    with pytest.raises(ConfigurationError, match="The API key and the API secret are swapped"):
        connected(config_map, kind, SECRET, KEY)


PASTED = st.one_of(
    st.text(max_size=100),
    st.text(alphabet="ABab01+/= \n", max_size=100),
    st.binary(max_size=70).map(lambda raw: base64.b64encode(raw).decode()),
    st.sampled_from([KEY, SECRET, EXPORTED, *odd(KEY).values()][:20]),
)


@BOUNDED
@given(PASTED, PASTED)
def test_anything_pasted_is_a_sentence_or_works(api_key: str, api_secret: str) -> None:
    TARGETS["connect_input"](f"{api_key}\0{api_secret}".encode(errors="replace"))


@pytest.mark.parametrize("config_map", [BackpackConfigMap, BackpackPerpetualConfigMap])
def test_error_of_the_config_map_does_not_quote_what_was_typed(config_map: Any) -> None:
    config = ClientConfigAdapter(config_map.model_construct())
    for typed in ([SECRET], {"secret": SECRET}):
        with pytest.raises(ConfigValidationError) as caught:
            config.backpack_api_secret = typed
        assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("value", [None, 5, b"bytes", ["list"]])
def test_what_is_no_text_is_a_sentence_too(value: Any) -> None:
    for api_key, api_secret in ((value, SECRET), (KEY, value)):
        with pytest.raises(ConfigurationError, match=r"^The API (key|secret) .*\.$"):
            Credentials(api_key, api_secret)
