"""Balances combined from REST, the stream and lent positions: rules 1 to 3 of the module."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backpack_connector import stream_evidence
from backpack_connector.account_balances import Correction, SpotBalances
from backpack_connector.protocol.messages import BalanceUpdate
from backpack_connector.protocol.models import Balance, BorrowLendPosition

AMOUNTS = st.decimals(min_value=0, max_value=10**9, places=6)


def balance(available: str, locked: str = "0", staked: str = "0") -> Balance:
    return Balance(available=Decimal(available), locked=Decimal(locked), staked=Decimal(staked))


def update(asset: str, available: str, locked: str = "0", staked: str = "0", at: int = 1) -> BalanceUpdate:
    return BalanceUpdate(
        event_time_us=at, asset=asset, available=Decimal(available), locked=Decimal(locked), staked=Decimal(staked)
    )


def lent(**quantities: str) -> "list[BorrowLendPosition]":
    return [BorrowLendPosition(symbol=asset, net_quantity=Decimal(text)) for asset, text in quantities.items()]


def test_total_has_all_three_parts_and_available_only_one() -> None:
    balances = SpotBalances()
    balances.set_capital({"SOL": balance("1", "2", "4")}, balances.mark())
    assert balances.totals() == {"SOL": 7}
    assert balances.available() == {"SOL": 1}


def test_update_that_came_after_the_question_wins_over_the_answer() -> None:
    balances = SpotBalances()
    asked_at = balances.mark()
    balances.apply_update(update("SOL", "5"))
    balances.set_capital({"SOL": balance("9"), "USDC": balance("1")}, asked_at)
    assert balances.available() == {"SOL": 5, "USDC": 1}


def test_answer_to_a_question_asked_after_the_update_wins() -> None:
    balances = SpotBalances()
    balances.apply_update(update("SOL", "5"))
    balances.set_capital({"SOL": balance("9")}, balances.mark())
    assert balances.available() == {"SOL": 9}


def test_update_that_came_just_before_the_question_wins_over_an_answer_that_may_lag(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream_evidence, "ANSWER_LAG_S", 60.0)
    balances = SpotBalances()
    balances.apply_update(update("SOL", "5"))
    assert balances.set_capital({"SOL": balance("9"), "USDC": balance("1")}, balances.mark()) == []
    assert balances.available() == {"SOL": 5, "USDC": 1}


def test_older_update_does_not_replace_a_newer_one_nor_does_an_answer_let_it_in() -> None:
    balances = SpotBalances()
    balances.apply_update(update("SOL", "5", at=10))
    balances.apply_update(update("SOL", "4", at=9))
    assert balances.available() == {"SOL": 5}
    balances.set_capital({"SOL": balance("6")}, balances.mark())
    balances.apply_update(update("SOL", "4", at=9))
    assert balances.available() == {"SOL": 6}
    balances.apply_update(update("SOL", "7", at=10))
    assert balances.available() == {"SOL": 7}


def test_answer_tells_what_it_has_changed_but_the_first_one() -> None:
    balances = SpotBalances()
    assert balances.set_capital({"SOL": balance("1"), "USDC": balance("5")}, balances.mark()) == []
    answer = {"SOL": balance("1"), "USDC": balance("4", "1"), "BTC": balance("2")}
    assert balances.set_capital(answer, balances.mark()) == [
        Correction("BTC", "nothing", "2 available, 0 locked, 0 staked"),
        Correction("USDC", "5 available, 0 locked, 0 staked", "4 available, 1 locked, 0 staked"),
    ]
    assert balances.set_capital(answer, balances.mark()) == []
    (gone,) = balances.set_capital({**answer, "BTC": balance("0"), "ETH": balance("0")}, balances.mark())
    assert (gone.asset, gone.said) == ("BTC", "0 available, 0 locked, 0 staked")
    assert balances.set_capital({"SOL": balance("1")}, balances.mark(), is_complete=False) == []
    (gone,) = balances.set_capital({"SOL": balance("1")}, balances.mark())
    assert (gone.asset, gone.said) == ("USDC", "nothing")


def test_rounding_is_no_correction_and_the_answer_counts_all_the_same() -> None:
    balances = SpotBalances()
    balances.set_capital({"USDC": balance("10000")}, balances.mark())
    assert balances.set_capital({"USDC": balance("10000.009")}, balances.mark()) == []
    assert balances.available() == {"USDC": Decimal("10000.009")}
    assert len(balances.set_capital({"USDC": balance("10000.5")}, balances.mark())) == 1


def test_asset_that_appeared_after_the_question_is_not_removed_by_the_answer() -> None:
    balances = SpotBalances()
    asked_at = balances.mark()
    balances.apply_update(update("NEW", "5"))
    balances.set_capital({}, asked_at)
    assert balances.available() == {"NEW": 5}


def test_asset_that_a_complete_answer_does_not_list_is_gone() -> None:
    balances = SpotBalances()
    balances.set_capital({"SOL": balance("1"), "USDC": balance("1")}, balances.mark())
    balances.set_capital({"USDC": balance("1")}, balances.mark())
    assert balances.totals() == {"USDC": 1}


def test_lent_and_borrowed_positions() -> None:
    balances = SpotBalances()
    balances.set_capital({"SOL": balance("1"), "USDC": balance("100")}, balances.mark())
    assert balances.set_positions(lent(SOL="3", ETH="2", USDC="-150", BTC="0")) == {"USDC"}
    assert balances.totals() == {"SOL": 4, "ETH": 2, "USDC": -50}
    assert balances.available() == {"SOL": 4, "ETH": 2, "USDC": 100}
    assert balances.set_positions(lent(USDC="-150", DOGE="-1")) == {"DOGE"}
    assert balances.totals() == {"SOL": 1, "USDC": -50, "DOGE": -1}


def test_redeeming_is_needed_only_beyond_what_is_there_and_only_when_lent() -> None:
    balances = SpotBalances()
    balances.set_capital({"SOL": balance("1"), "USDC": balance("5")}, balances.mark())
    balances.set_positions(lent(SOL="3", ETH="2"))
    assert not balances.needs_redeeming("SOL", Decimal(1))
    assert balances.needs_redeeming("SOL", Decimal("1.01"))
    assert not balances.needs_redeeming("USDC", Decimal(6))
    assert balances.needs_redeeming("ETH", Decimal("0.1"))


def test_holds_add_up_and_each_is_released_once() -> None:
    balances = SpotBalances()
    balances.hold("1", "SOL", Decimal(2))
    balances.hold("2", "SOL", Decimal(3))
    balances.hold("3", "USDC", Decimal(7))
    assert (balances.held("SOL"), balances.held("USDC"), balances.held("ETH")) == (5, 7, 0)
    balances.release("1")
    balances.release("1")
    balances.release("never held")
    assert balances.held("SOL") == 3
    balances.release("2")
    assert balances.held("SOL") == 0


def test_a_hold_ends_with_the_first_message_after_the_answer_and_only_of_its_asset() -> None:
    balances = SpotBalances()
    balances.hold("1", "SOL", Decimal(2))
    balances.request_ended("1")
    balances.apply_update(update("USDC", "1"))
    assert balances.held("SOL") == 2
    assert balances.untold_since_s is not None
    balances.apply_update(update("SOL", "1"))
    assert balances.held("SOL") == 0
    assert balances.untold_since_s is None


def test_a_hold_ends_with_the_answer_when_the_message_came_before_it() -> None:
    balances = SpotBalances()
    balances.hold("1", "SOL", Decimal(2))
    balances.apply_update(update("SOL", "1"))
    assert balances.held("SOL") == 2
    balances.request_ended("1")
    balances.request_ended("1")
    balances.request_ended("never held")
    assert balances.held("SOL") == 0


def test_each_message_ends_one_hold_and_answered_orders_come_first() -> None:
    balances = SpotBalances()
    for number in range(1, 4):
        balances.hold(str(number), "SOL", Decimal(number))
    balances.request_ended("2")
    balances.apply_update(update("SOL", "9", at=3))
    assert balances.held("SOL") == 1 + 3
    # Also one that is outdated: it was about some order.
    balances.apply_update(update("SOL", "8", at=2))
    balances.request_ended("3")
    assert balances.held("SOL") == 1 + 3
    balances.request_ended("1")
    assert balances.held("SOL") == 3
    balances.apply_update(update("SOL", "7", at=4))
    assert balances.held("SOL") == 0


def test_a_message_that_seemed_to_be_about_a_refused_order_ends_the_next_hold() -> None:
    balances = SpotBalances()
    balances.hold("refused", "SOL", Decimal(2))
    balances.hold("accepted", "SOL", Decimal(3))
    balances.apply_update(update("SOL", "1"))
    balances.request_ended("accepted")
    assert balances.held("SOL") == 5
    balances.release("refused")
    assert balances.held("SOL") == 0


def test_only_an_answer_that_was_asked_for_long_enough_after_the_request_ends_a_hold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    balances = SpotBalances()
    balances.hold("on its way", "SOL", Decimal(1))
    balances.hold("answered", "SOL", Decimal(2))
    before = balances.mark()
    balances.request_ended("answered")
    balances.set_capital({"SOL": balance("9")}, before)
    assert balances.held("SOL") == 3
    monkeypatch.setattr(stream_evidence, "ANSWER_LAG_S", 60.0)
    balances.set_capital({"SOL": balance("9")}, balances.mark())
    assert balances.held("SOL") == 3
    monkeypatch.setattr(stream_evidence, "ANSWER_LAG_S", 0.0)
    balances.set_capital({"SOL": balance("9")}, balances.mark())
    assert balances.held("SOL") == 1


STEPS = st.lists(
    st.tuples(st.sampled_from(["hold", "answer", "refuse", "tell"]), st.integers(0, 5), st.sampled_from("XY")),
    max_size=40,
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(STEPS)
def test_whatever_happens_nothing_is_held_after_all_have_ended_and_the_balances_were_asked(
    steps: "list[tuple[str, int, str]]",
) -> None:
    balances, on_their_way = SpotBalances(), set()
    for kind, number, asset in steps:
        name = str(number)
        if kind == "hold" and name not in on_their_way:
            balances.release(name)
            balances.hold(name, asset, Decimal(1))
            on_their_way.add(name)
        elif kind == "tell":
            balances.apply_update(update(asset, "1"))
        elif name in on_their_way:
            on_their_way.remove(name)
            (balances.request_ended if kind == "answer" else balances.release)(name)
        assert balances.held("X") + balances.held("Y") >= len(on_their_way)
    for name in on_their_way:
        balances.request_ended(name)
    balances.set_capital({}, balances.mark())
    assert (balances.held("X"), balances.held("Y"), balances.untold_since_s) == (0, 0, None)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("XY"), AMOUNTS, st.booleans()), max_size=30))
def test_held_is_the_sum_of_what_is_not_released(steps: "list[tuple[str, str, Decimal, bool]]") -> None:
    balances, model = SpotBalances(), {}
    for number, (_, asset, amount, is_released) in enumerate(steps):
        balances.hold(str(number), asset, amount)
        model[str(number)] = (asset, amount)
        if is_released:
            balances.release(str(number))
            del model[str(number)]
    for asset in "XY":
        assert balances.held(asset) == sum((amount for name, amount in model.values() if name == asset), Decimal(0))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(AMOUNTS, AMOUNTS, AMOUNTS, st.decimals(min_value=-(10**9), max_value=10**9, places=6))
def test_available_never_exceeds_total_by_more_than_what_is_borrowed(
    available: Decimal, locked: Decimal, staked: Decimal, net: Decimal
) -> None:
    balances = SpotBalances()
    balances.set_capital({"X": Balance(available=available, locked=locked, staked=staked)}, balances.mark())
    balances.set_positions(lent(X=str(net)))
    assert balances.totals()["X"] == available + locked + staked + net
    assert balances.available()["X"] <= balances.totals()["X"] + max(-net, Decimal(0))
