"""The samples themselves: each says where it comes from, and none holds what must not be published."""

from datetime import date
from typing import Any

import pytest

from backpack_connector.protocol.endpoints import endpoint
from tests.protocol.samples import FOLDER, names, sample

SOURCES = {"live", "docs", "official-client"}
REST, WS = names("rest"), names("ws")


def assert_origin(envelope: dict[str, Any]) -> None:
    assert envelope["source"] in SOURCES
    assert envelope["origin"]
    year, _, month = envelope["captured"][:7].partition("-")
    assert date(2024, 1, 1) <= date(int(year), int(month), 1)


@pytest.mark.parametrize("name", REST)
def test_an_answer_says_where_it_comes_from(name: str) -> None:
    assert_origin(sample(f"rest/{name}.json"))


@pytest.mark.parametrize("name", REST)
def test_an_answer_is_named_after_its_operation_and_status(name: str) -> None:
    envelope = sample(f"rest/{name}.json")
    row = endpoint(name.split(".")[0])
    assert (envelope["request"]["method"], envelope["request"]["path"]) == (row.method, row.path)
    assert envelope["status"] == int(name.rpartition(".")[2])
    assert {"redacted", "headers", "body"} <= set(envelope)


@pytest.mark.parametrize("name", WS)
def test_a_frame_says_where_it_comes_from(name: str) -> None:
    assert_origin(sample(f"ws/{name}.json"))


@pytest.mark.parametrize("name", WS)
def test_a_frame_is_named_after_its_stream(name: str) -> None:
    content = sample(f"ws/{name}.json")["frame"]
    word = content["stream"].removeprefix("account.").split(".")[0] if "stream" in content else "error"
    snake_case = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in word)
    assert name.split(".")[0] == snake_case


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.json")), ids=lambda path: path.stem)
def test_no_sample_names_a_machine(path: Any) -> None:
    text = path.read_text(encoding="utf-8")
    assert not [place for place in ("/home/", "/tmp/", "/Users/", "C:\\") if place in text]
