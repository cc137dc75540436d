"""Signing: vectors of others, the rules of the signed text, and keys that never show."""

import base64
import traceback
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backpack_connector.protocol.enums import Side
from backpack_connector.protocol.errors import ConfigurationError
from backpack_connector.protocol.signing import (
    Credentials,
    batch_signing_text,
    generate_key_pair,
    is_signed_by,
    parameters_text,
    present_fields,
    signing_text,
    value_text,
)
from tests.protocol.samples import BOUNDED, sample

VECTORS = sample("signing_vectors.json")
K1 = VECTORS["key_pairs"]["K1"]
K2 = VECTORS["key_pairs"]["K2"]
FIELDS = st.dictionaries(
    st.text("abcXYZ", min_size=1, max_size=4),
    st.none() | st.booleans() | st.integers(0, 10**9) | st.text("aTrue.1_", max_size=6) | st.just(Decimal("1E-8")),
    max_size=5,
)


def credentials(pair: dict[str, str] = K1) -> Credentials:
    return Credentials(pair["api_key"], pair["api_secret"])


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: vector["case"])
def test_signatures_equal_those_of_another_library(vector: dict[str, Any]) -> None:
    parameters = vector["parameters"]
    build = batch_signing_text if isinstance(parameters, list) else signing_text
    text = build(vector["instruction"], parameters, vector["timestamp_ms"], vector["window_ms"])
    assert text == vector["text"]
    signer = credentials(VECTORS["key_pairs"][vector["key_pair"]])
    assert signer.sign(text) == vector["signature"]
    assert is_signed_by(signer.api_key, vector["signature"], text)


@pytest.mark.parametrize("name", ["K1", "K2"])
def test_secrets_belong_to_their_printed_keys(name: str) -> None:
    pair = VECTORS["key_pairs"][name]
    assert credentials(pair).api_key == pair["api_key"]


@BOUNDED
@given(FIELDS)
def test_order_of_fields_is_irrelevant_and_absent_ones_are_not_signed(fields: dict[str, Any]) -> None:
    turned = dict(reversed(list(fields.items())))
    text = signing_text("x", fields, 1, 2)
    assert text == signing_text("x", turned, 1, 2)
    assert text == signing_text("x", present_fields(fields), 1, 2)
    assert "None" not in text


def test_f26b_only_booleans_are_written_in_lower_case() -> None:
    text = signing_text("x", {"flag": True, "other": False, "name": "True_FalseTrue"}, 1, 2)
    assert text == "instruction=x&flag=true&name=True_FalseTrue&other=false&timestamp=1&window=2"


def test_words_of_closed_sets_and_decimals_are_written_as_on_the_wire() -> None:
    assert value_text(Side.BID) == "Bid"
    assert value_text(Decimal("1E-8")) == "0.00000001"
    assert value_text("12.300") == "12.300"


class Colour(str, Enum):
    """A closed set whose `str()` is not its word."""

    RED = "Red"


class Level(IntEnum):
    """A closed set of numbers."""

    HIGH = 3


@pytest.mark.parametrize(("value", "text"), [(Colour.RED, "Red"), (Level.HIGH, "3")])
def test_a_member_of_any_closed_set_is_signed_by_its_value(value: Any, text: str) -> None:
    assert value_text(value) == text


@BOUNDED
@given(st.lists(FIELDS, min_size=1, max_size=4))
def test_a_batch_is_each_order_with_its_instruction_and_one_time(batch: list[dict[str, Any]]) -> None:
    end = "&timestamp=1&window=2"
    orders = [signing_text("orderExecute", fields, 1, 2).removesuffix(end) for fields in batch]
    assert batch_signing_text("orderExecute", batch, 1, 2) == "&".join(orders) + end


@BOUNDED
@given(st.text(max_size=12))
def test_a_text_is_signed_as_it_is(value: str) -> None:
    assert signing_text("x", {"name": value}, 1, 2) == f"instruction=x&name={value}&timestamp=1&window=2"


@pytest.mark.parametrize("value", [0.1, None, [], {}])
def test_values_whose_text_would_be_a_guess_are_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="cannot be sent"):
        value_text(value)


@BOUNDED
@given(st.text(max_size=20), st.binary(min_size=32, max_size=32))
def test_any_text_is_verified_and_any_change_breaks_it(text: str, seed: bytes) -> None:
    api_key, secret = generate_key_pair(seed)
    signature = Credentials(api_key, secret).sign(text)
    assert is_signed_by(api_key, signature, text)
    assert not is_signed_by(api_key, signature, text + "x")
    assert not is_signed_by(K2["api_key"], signature, text)


@BOUNDED
@given(st.text(max_size=20), st.integers(0, 64 * 8 - 1))
def test_any_changed_bit_of_a_signature_breaks_it(text: str, bit: int) -> None:
    signature = bytearray(base64.b64decode(credentials().sign(text)))
    signature[bit // 8] ^= 1 << bit % 8
    assert not is_signed_by(K1["api_key"], base64.b64encode(signature).decode(), text)


@BOUNDED
@given(st.text("aB=&1", min_size=1, max_size=20), st.data())
def test_any_changed_character_of_the_text_breaks_its_signature(text: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(text) - 1))
    changed = f"{text[:place]}#{text[place + 1 :]}"
    assert not is_signed_by(K1["api_key"], credentials().sign(text), changed)


@pytest.mark.parametrize(
    ("key", "signature"),
    [("", ""), ("not base64", "x"), (K1["api_key"], "short"), (K1["api_key"][:20], K1["api_key"]), ("é", "é")],
)
def test_malformed_keys_and_signatures_verify_nothing(key: str, signature: str) -> None:
    assert not is_signed_by(key, signature, "text")


def test_generated_pairs_are_new_unless_a_seed_is_given() -> None:
    assert generate_key_pair() != generate_key_pair()
    assert generate_key_pair(bytes(32)) == generate_key_pair(bytes(32))


def test_headers_and_subscriptions_carry_key_signature_time_and_window() -> None:
    signer = credentials()
    headers = signer.headers("balanceQuery", [""], 1614550000000)
    assert headers["X-API-Key"] == K1["api_key"]
    assert (headers["X-Timestamp"], headers["X-Window"]) == ("1614550000000", "5000")
    assert signer.subscription_signature(1614550000000) == [
        K1["api_key"],
        signer.sign("instruction=subscribe&timestamp=1614550000000&window=5000"),
        "1614550000000",
        "5000",
    ]
    batch = signer.headers("orderExecute", [parameters_text({"a": "1"}), parameters_text({"a": "2"})], 7)
    assert batch["X-Signature"] == signer.sign(
        "instruction=orderExecute&a=1&instruction=orderExecute&a=2&timestamp=7&window=5000"
    )


def test_f26_exports_of_64_bytes_are_taken_by_their_first_half() -> None:
    exported = base64.b64encode(base64.b64decode(K1["api_secret"]) + base64.b64decode(K2["api_key"])).decode()
    assert Credentials(K1["api_key"], exported).sign("x") == credentials().sign("x")


def test_white_space_around_and_inside_pasted_keys_is_ignored() -> None:
    key, secret = K1["api_key"], K1["api_secret"]
    assert Credentials(f" {key}\n", f"{secret[:20]} \n{secret[20:]}").sign("x") == credentials().sign("x")


BAD_PAIRS = {
    "empty key": ("", K1["api_secret"], "API key is empty"),
    "empty secret": (K1["api_key"], "  ", "API secret is empty"),
    "key is no base64": ("!!!!", K1["api_secret"], "API key is not base64"),
    "secret is no base64": (K1["api_key"], "s€cret", "API secret is not base64"),
    "truncated key": (K1["api_key"][:40], K1["api_secret"], "API key holds 30 bytes"),
    "truncated secret": (K1["api_key"], K1["api_secret"][:40], "API secret holds 30 bytes"),
    "key of 64 bytes": (base64.b64encode(bytes(64)).decode(), K1["api_secret"], "API key holds 64 bytes"),
    "swapped": (K1["api_secret"], K1["api_key"], "are swapped"),
    "another pair's": (K2["api_key"], K1["api_secret"], "does not belong to this API key"),
}


@pytest.mark.parametrize(("key", "secret", "sentence"), BAD_PAIRS.values(), ids=BAD_PAIRS.keys())
def test_f26_malformed_keys_are_one_sentence_that_names_the_field_and_shows_none(
    key: str, secret: str, sentence: str
) -> None:
    with pytest.raises(ConfigurationError, match=sentence) as caught:
        Credentials(key, secret)
    error = caught.value
    shown = "".join([*traceback.format_exception(error), repr(error), repr(error.__context__)])
    assert str(error).count(". ") == 0
    assert str(error).endswith(".")
    for hidden in (text.strip() for text in (key, secret)):
        assert not hidden or hidden not in shown


@pytest.mark.parametrize(("secret", "sentence"), [(None, "API secret is empty"), (b"bytes", "API secret is not text")])
def test_what_is_no_text_is_no_key(secret: Any, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        Credentials(K1["api_key"], secret)


def test_credentials_show_nothing_of_themselves() -> None:
    signer = credentials()
    for text in (repr(signer), str(signer), f"{signer}"):
        assert K1["api_secret"] not in text
        assert K1["api_key"] not in text
    assert not hasattr(signer, "__dict__")
