"""F01: client order ids are 32-bit decimal strings that an installation does not use twice."""

import sys
import threading
from types import ModuleType, SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backpack_connector import client_order_ids
from backpack_connector.client_order_ids import ID_SPACE, IDS_PER_SECOND, ClientOrderIds, next_client_order_id

NOW_S = 1_790_000_000.0
FOUR_YEARS_S = ID_SPACE / IDS_PER_SECOND


class FakeClock:
    def __init__(self, now_s: float = NOW_S) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


@settings(max_examples=200, deadline=None, derandomize=True)
@given(installation=st.text(), now_s=st.floats(min_value=0, max_value=4e9))
def test_f01_ids_are_decimal_strings_of_32_bits_without_zero(installation: str, now_s: float) -> None:
    text = ClientOrderIds(installation, FakeClock(now_s)).next()
    assert text == str(int(text))
    assert 1 <= int(text) < ID_SPACE


def test_f01_burst_at_one_instant_has_no_repetition() -> None:
    ids = ClientOrderIds("bot", FakeClock())
    assert len({ids.next() for _ in range(10_000)}) == 10_000


def test_f01_clock_that_goes_back_brings_no_repetition() -> None:
    clock = FakeClock()
    ids = ClientOrderIds("bot", clock)
    given_out = [ids.next() for _ in range(100)]
    clock.now_s -= 3_600
    given_out += [ids.next() for _ in range(100)]
    assert len(set(given_out)) == 200


def test_f01_restart_brings_no_repetition() -> None:
    clock = FakeClock()
    given_out: set[str] = set()
    for _ in range(200):  # a new process each second, which orders as fast as the exchange allows
        ids = ClientOrderIds("bot", clock)
        fresh = {ids.next() for _ in range(33)}
        assert not fresh & given_out
        given_out |= fresh
        clock.now_s += 1.0


def test_f01_millisecond_nonce_of_old_does_not_come_back_after_49_days() -> None:
    clock = FakeClock()
    ids = ClientOrderIds("bot", clock)
    given_out = set()
    for _ in range(29):
        given_out.add(ids.next())
        clock.now_s += 2**32 / 1000
    assert len(given_out) == 29


def test_f01_whole_round_takes_four_years() -> None:
    assert FOUR_YEARS_S / 86_400 / 365 > 3.9
    clock = FakeClock(FOUR_YEARS_S * 14 - 1)
    ids = ClientOrderIds("bot", clock)
    around_the_turn = set()
    for _ in range(2_000):
        around_the_turn.add(ids.next())
        clock.now_s += 0.001
    assert len(around_the_turn) == 2_000
    assert all(1 <= int(text) < ID_SPACE for text in around_the_turn)


def test_f01_two_installations_differ_at_the_same_instant() -> None:
    ids = {ClientOrderIds(f"bot {number}", FakeClock()).next() for number in range(500)}
    assert len(ids) == 500


def test_same_installation_continues_its_own_sequence() -> None:
    clock = FakeClock()
    before = int(ClientOrderIds("bot", clock).next())
    clock.now_s += 1.0
    after = int(ClientOrderIds("bot", clock).next())
    assert (after - before) % (ID_SPACE - 1) == IDS_PER_SECOND


@pytest.fixture
def _fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_order_ids, "_process_ids", None)


@pytest.mark.usefixtures("_fresh_process")
def test_f01_whole_process_shares_one_sequence() -> None:
    given_out: list[str] = []
    threads = [
        threading.Thread(target=lambda: given_out.extend(next_client_order_id() for _ in range(50))) for _ in "ab"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(given_out)) == 100


@pytest.mark.usefixtures("_fresh_process")
@pytest.mark.parametrize("application", [None, SimpleNamespace(client_config_map=SimpleNamespace(instance_id="abc"))])
def test_f01_instance_of_a_running_client_tells_installations_apart(
    application: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("hummingbot.client.hummingbot_application")
    module.HummingbotApplication = SimpleNamespace(_main_app=application)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    next_client_order_id()
    ids = client_order_ids._process_ids
    assert ids is not None
    assert client_order_ids._instance_id() == ("" if application is None else "abc")


@pytest.mark.usefixtures("_fresh_process")
def test_f01_script_without_a_client_has_ids_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "hummingbot.client.hummingbot_application", raising=False)
    assert client_order_ids._instance_id() == ""
    assert int(next_client_order_id()) >= 1
