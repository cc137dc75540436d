"""F01: client order ids are never repeated; see client_order_ids for how that holds."""

import sys
from decimal import Decimal
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backpack_connector import client_order_ids
from backpack_connector.backpack_exchange import BackpackExchange
from backpack_connector.client_order_ids import ID_SPACE, IDS_PER_SECOND, ClientOrderIds
from backpack_connector.protocol.enums import MarketType

BOUNDED = settings(max_examples=60, deadline=None, derandomize=True)
NOW = 1_790_000_000.0
ROUND_S = ID_SPACE / IDS_PER_SECOND


class FakeClock:
    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def take(ids: ClientOrderIds, count: int) -> list[int]:
    return [int(ids.next()) for _ in range(count)]


@BOUNDED
@given(st.text(max_size=20), st.floats(min_value=0, max_value=3 * ROUND_S), st.integers(1, 50))
def test_f01_an_id_is_a_decimal_text_that_fits_32_bits(installation: str, now: float, count: int) -> None:
    ids = ClientOrderIds(installation, FakeClock(now))
    for _ in range(count):
        text = ids.next()
        assert text == str(int(text))
        assert 1 <= int(text) < ID_SPACE
        assert len(text) <= 10


@BOUNDED
@given(st.lists(st.tuples(st.floats(min_value=-5, max_value=400), st.integers(1, 60)), min_size=1, max_size=40))
def test_f01_a_process_never_repeats_an_id_whatever_its_clock_does(steps: list[tuple[float, int]]) -> None:
    clock = FakeClock()
    ids = ClientOrderIds("bot", clock)
    seen: list[int] = []
    for pause_s, burst in steps:
        clock.now += pause_s
        seen += take(ids, burst)
    assert len(set(seen)) == len(seen)


@BOUNDED
@given(st.integers(0, 600), st.floats(min_value=0.0, max_value=10**7))
def test_f01_a_process_that_starts_again_does_not_meet_ids_of_the_one_before(seconds: int, pause_s: float) -> None:
    clock = FakeClock()
    before = ClientOrderIds("bot", clock)
    used: set[int] = set()
    for _ in range(seconds % 40 + 1):  # as many orders as the exchange lets one account place
        used.update(take(before, IDS_PER_SECOND))
        clock.now += 1.0
    clock.now += pause_s
    assert used.isdisjoint(take(ClientOrderIds("bot", clock), 500))


def test_f01_a_burst_is_caught_up_with_by_the_clock_within_a_minute() -> None:
    clock = FakeClock()
    used = set(take(ClientOrderIds("bot", clock), 2_000))
    clock.now += 60.0
    assert used.isdisjoint(take(ClientOrderIds("bot", clock), 2_000))


def test_f01_ids_do_not_come_back_after_49_days_nor_after_three_years() -> None:
    clock = FakeClock()
    used = set(take(ClientOrderIds("bot", clock), 100))
    for days in (2**32 / 86_400_000, 100.0, 365.0, 3 * 365.0):
        clock.now = NOW + days * 86_400
        assert used.isdisjoint(take(ClientOrderIds("bot", clock), 100))


def test_f01_installations_that_order_at_the_same_moments_have_different_ids() -> None:
    ids: list[int] = []
    for number in range(100):
        ids += take(ClientOrderIds(f"bot{number} /home/somebody/hummingbot", FakeClock()), 100)
    assert len(set(ids)) == len(ids)


@pytest.fixture
def frozen_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin the process-wide sequence anew, with a clock that stands still."""
    monkeypatch.setattr(client_order_ids, "_process_ids", ClientOrderIds("bot", FakeClock()))


class Perpetual(BackpackExchange):
    """A connector of the other market type, as far as ids go."""

    market_type = MarketType.PERP


async def test_f01_spot_and_perpetual_orders_of_the_same_moment_have_different_ids(
    frozen_process: None, key_pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backpack_connector.order_placement.begin_alone", lambda task: task.close())
    connectors = [kind(*key_pair) for kind in (BackpackExchange, Perpetual, BackpackExchange)]
    ids = [connector.buy("SOL-USDC", Decimal(1)) for _ in range(50) for connector in connectors]
    assert len(set(ids)) == len(ids) == 150


@pytest.mark.parametrize("side", ["buy", "sell"])
async def test_f01_buy_and_sell_take_their_ids_from_that_sequence(
    side: str, frozen_process: None, key_pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backpack_connector.order_placement.begin_alone", lambda task: task.close())
    first, second = BackpackExchange(*key_pair), BackpackExchange(*key_pair)
    ids = [int(getattr(connector, side)("SOL-USDC", Decimal(1))) for connector in (first, second, first)]
    assert ids == [ids[0], ids[0] + 1, ids[0] + 2]


def test_f01_two_bots_in_one_folder_are_told_apart_by_their_instance_id(monkeypatch: pytest.MonkeyPatch) -> None:
    installations = []
    for instance_id in ("one", "two"):
        application = SimpleNamespace(client_config_map=SimpleNamespace(instance_id=instance_id))
        module = SimpleNamespace(HummingbotApplication=SimpleNamespace(_main_app=application))
        monkeypatch.setitem(sys.modules, "hummingbot.client.hummingbot_application", module)
        installations.append(client_order_ids.installation())
    assert installations[0] != installations[1]


def test_f01_without_a_running_client_the_folder_tells_installations_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "hummingbot.client.hummingbot_application", raising=False)
    installations = []
    for folder in ("/first", "/second"):
        monkeypatch.setattr("hummingbot.prefix_path", lambda folder=folder: folder)
        installations.append(client_order_ids.installation())
    assert installations[0] != installations[1]
