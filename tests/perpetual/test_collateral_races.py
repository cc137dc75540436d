"""The margin model while answers and messages overtake each other."""

from decimal import Decimal

import pytest

from backpack_connector.protocol.enums import OrderStatus
from backpack_perpetual_connector import collateral
from backpack_perpetual_connector.collateral import AccountMargin

from .margin_account import (
    BTC,
    BUY,
    SELL,
    SOL,
    account,
    asset_row,
    balance_update,
    end_update,
    fill_update,
    order_row,
    order_update,
    position_row,
    position_update,
    summary,
    used,
)


class TestOrdersOnTheirWay:
    def test_count_as_if_they_rested(self) -> None:
        margin = account()
        margin.hold("7", SOL, BUY, Decimal(2), reduce_only=False)
        assert used(margin) == 40
        assert margin.required(SOL, SELL, Decimal(3)) == 20
        margin.hold("8", SOL, SELL, Decimal(3), reduce_only=False)
        assert used(margin) == 60

    @pytest.mark.parametrize("first", ["stream", "answer", "list"])
    def test_count_once_whoever_tells_of_them_first(self, first: str) -> None:
        margin = account()
        margin.hold("7", SOL, BUY, Decimal(2), reduce_only=False)
        tellers = {
            "stream": lambda: margin.apply_order(order_update("1", BUY, "2", client_id=7)),
            "answer": lambda: margin.acknowledge("7", order_row("1", BUY, "2", client_id=7)),
            "list": lambda: margin.replace_orders([order_row("1", BUY, "2", client_id=7)], margin.mark()),
        }
        for teller in [first, *tellers]:
            tellers[teller]()
            assert used(margin) == 40
        margin.release("7")
        assert used(margin) == 40

    def test_are_gone_when_released(self) -> None:
        margin = account()
        margin.hold("7", SOL, BUY, Decimal(2), reduce_only=False)
        margin.release("7")
        margin.release("7")
        assert used(margin) == 0

    def test_an_event_of_another_market_with_the_same_id_is_another_order(self) -> None:
        margin = account()
        margin.hold("7", SOL, BUY, Decimal(2), reduce_only=False)
        margin.apply_order(order_update("1", BUY, "0.01", "10000", client_id=7, symbol=BTC))
        assert used(margin) == 40 + 20

    def test_keep_their_margin_until_the_fills_that_the_answer_tells_of_are_in_the_position(self) -> None:
        margin = account()
        margin.hold("7", SOL, BUY, Decimal(2), reduce_only=False)
        margin.acknowledge("7", order_row("1", BUY, "2", executed="2", status=OrderStatus.FILLED))
        assert used(margin) == 40
        margin.apply_order(fill_update("1", BUY, "2", "2", client_id=7))
        assert used(margin) == 40
        margin.apply_position(position_update("0", at=2))
        assert used(margin) == 0

    def test_that_come_back_expired_without_a_fill_need_nothing(self) -> None:
        margin = account()
        margin.hold("7", SOL, BUY, Decimal(2), reduce_only=False)
        margin.acknowledge("7", order_row("1", BUY, "2", status=OrderStatus.EXPIRED))
        assert used(margin) == 0


class TestAnswersAboutOrders:
    @pytest.mark.parametrize("client_id", [7, None])
    def test_that_the_stream_has_ended_do_not_bring_them_back(self, client_id: int | None) -> None:
        margin = account()
        margin.hold("7", SOL, BUY, Decimal(2), reduce_only=False)
        asked_at = margin.mark()
        margin.apply_order(order_update("1", BUY, "2", client_id=client_id))
        margin.apply_order(end_update("1", BUY, "2", client_id=client_id, at=2))
        margin.acknowledge("7", order_row("1", BUY, "2", client_id=7))
        assert used(margin) == 0
        margin.replace_orders([order_row("1", BUY, "2")], asked_at)
        assert used(margin) == 0

    def test_two_lists_asked_for_before_the_end_do_not_bring_it_back(self) -> None:
        margin = account()
        first, second = margin.mark(), margin.mark()
        margin.apply_order(end_update("1", BUY, "2"))
        for asked_at in (first, second):
            margin.replace_orders([order_row("1", BUY, "2")], asked_at)
            assert used(margin) == 0

    def test_only_so_many_ended_orders_are_remembered(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(collateral, "_MOST_ENDED_ORDERS", 2)
        margin = account()
        asked_at = margin.mark()
        for order_id in ("1", "2", "3"):
            margin.apply_order(end_update(order_id, BUY, "2"))
        margin.replace_orders([order_row(order_id, BUY, "2") for order_id in ("1", "2", "3")], asked_at)
        assert used(margin) == 40  # the first one's

    def test_late_answer_after_a_list_does_not_bring_them_back_either(self) -> None:
        margin = account()
        margin.hold("7", SOL, BUY, Decimal(2), reduce_only=False)
        margin.apply_order(end_update("1", BUY, "2", client_id=7, at=2))
        margin.replace_orders([], margin.mark())
        margin.acknowledge("7", order_row("1", BUY, "2", client_id=7))
        assert used(margin) == 0

    def test_cancel_that_tells_of_an_unseen_fill_keeps_its_margin(self) -> None:
        margin = account()
        margin.apply_order(order_update("1", BUY, "3"))
        margin.acknowledge("7", order_row("1", BUY, "3", executed="2", status=OrderStatus.CANCELLED))
        assert used(margin) == 40
        margin.apply_order(fill_update("1", BUY, "3", "2", at=2))
        margin.apply_order(end_update("1", BUY, "3", executed="2", at=3))
        assert used(margin) == 40

    def test_only_unseen_fills_keep_their_margin(self) -> None:
        margin = account()
        margin.apply_order(order_update("1", BUY, "3"))
        margin.apply_order(fill_update("1", BUY, "3", "1", at=2))
        margin.acknowledge("7", order_row("1", BUY, "3", executed="2", status=OrderStatus.CANCELLED))
        assert used(margin) == 20 + 20
        margin.acknowledge("7", order_row("1", BUY, "3", status=OrderStatus.CANCELLED))  # older than the stream
        assert used(margin) == 20

    def test_list_removes_what_it_lacks_and_takes_what_is_new(self) -> None:
        margin = account()
        margin.apply_order(order_update("1", BUY, "2"))
        margin.replace_orders([order_row("2", BUY, "5", executed="1")], margin.mark())
        assert used(margin) == 80

    def test_order_that_appeared_after_the_question_stays(self) -> None:
        margin = account()
        asked_at = margin.mark()
        margin.apply_order(order_update("1", BUY, "2"))
        margin.replace_orders([], asked_at)
        assert used(margin) == 40
        margin.replace_orders([], margin.mark())
        assert used(margin) == 0

    def test_stream_counts_more_than_a_row_asked_for_before(self) -> None:
        margin = account()
        margin.apply_order(order_update("1", BUY, "2"))
        asked_at = margin.mark()
        margin.apply_order(fill_update("1", BUY, "2", "1", at=2))
        margin.replace_orders([order_row("1", BUY, "2")], asked_at)
        assert used(margin) == 40

    def test_answer_that_was_overtaken_by_a_newer_one_changes_nothing(self) -> None:
        margin = account()
        first, second, third = margin.mark(), margin.mark(), margin.mark()
        margin.replace_orders([order_row("1", BUY, "2")], second)
        margin.replace_orders([order_row("2", BUY, "5")], first)
        assert used(margin) == 40
        margin.replace_orders([], third)
        assert used(margin) == 0

    def test_reduce_only_rows_lock_nothing(self) -> None:
        margin = account()
        margin.replace_orders([order_row("1", BUY, "2", reduce_only=True)], margin.mark())
        assert used(margin) == 0


class TestPositions:
    def test_fill_counts_once_whatever_comes_first(self) -> None:
        margin = account()
        margin.apply_order(order_update("1", BUY, "2"))
        margin.apply_position(position_update("2", at=2))
        margin.apply_order(fill_update("1", BUY, "2", "2", at=2))
        assert used(margin) == 40

    def test_older_message_takes_nothing_back(self) -> None:
        margin = account()
        margin.apply_position(position_update("2", at=2))
        margin.apply_position(position_update("5", at=1))
        assert used(margin) == 40

    def test_older_message_is_the_base_of_newer_fills(self) -> None:
        margin = account()
        margin.apply_order(fill_update("1", BUY, "2", "2", at=3))
        margin.apply_order(fill_update("2", BUY, "3", "3", at=4))
        margin.apply_position(position_update("1", "100", "4", at=2))
        assert (used(margin), margin.net_equity) == (120, 1004)
        margin.apply_position(position_update("3", "100", "4", at=3))
        assert (used(margin), margin.net_equity) == (120, 1004)
        margin.apply_position(position_update("6", "100", "4", at=4))
        assert (used(margin), margin.net_equity) == (120, 1004)

    def test_answer_adds_removes_and_spares_what_is_newer(self) -> None:
        margin = account()
        margin.apply_position(position_update("1", symbol=BTC))
        asked_at = margin.mark()
        margin.apply_position(position_update("2", at=2))
        margin.replace_positions([position_row("5")], asked_at, is_complete=True)
        assert used(margin) == 40
        margin.replace_positions([position_row("5")], margin.mark(), is_complete=True)
        assert used(margin) == 100

    def test_row_is_newer_than_a_message_and_older_than_a_mark_price(self) -> None:
        margin = account()
        margin.apply_order(fill_update("1", BUY, "2", "2", at=3))
        asked_at = margin.mark()
        margin.apply_mark(SOL, Decimal(110), 4)
        margin.replace_positions([position_row("2", "100", "1")], asked_at, is_complete=True)
        assert (used(margin), margin.net_equity) == (44, 1000 + 1 + 20)
        margin.apply_position(position_update("1", "100", at=2))  # late; the fill came after it
        assert (used(margin), margin.net_equity) == (66, 1000 + 10 + 20)

    def test_incomplete_answer_closes_nothing(self) -> None:
        margin = account()
        margin.apply_position(position_update("1", "100", "7"))
        margin.replace_positions([], margin.mark(), is_complete=False)
        assert (used(margin), margin.net_equity) == (20, 1007)
        margin.replace_positions([], margin.mark(), is_complete=True)
        assert (used(margin), margin.net_equity) == (0, 1000)

    def test_answer_that_was_overtaken_by_a_newer_one_changes_nothing(self) -> None:
        margin = account()
        first, second = margin.mark(), margin.mark()
        margin.replace_positions([position_row("5")], second, is_complete=True)
        margin.replace_positions([position_row("2")], first, is_complete=True)
        assert used(margin) == 100

    def test_row_brings_its_function_and_its_mark_price_where_they_are_not_known(self) -> None:
        margin = AccountMargin()
        margin.set_leverage(Decimal(75))
        margin.report(summary("1001", "997", asset_row("USDC", "1000")), margin.mark())
        margin.replace_positions([position_row("2", "100", "1")], margin.mark(), is_complete=True)
        assert (margin.net_equity, margin.available) == (1001, 997)
        margin.apply_position(position_update("3", "100", "2", at=2))
        assert (margin.net_equity, margin.available) == (1002, 996)


class TestReports:
    def test_what_the_model_lacks_is_added_until_the_next_report(self) -> None:
        margin = account()
        margin.report(summary("990", "980", asset_row("USDC", "1000")), margin.mark())
        assert (margin.net_equity, margin.available) == (990, 980)
        margin.apply_order(order_update("1", BUY, "2"))
        assert (margin.net_equity, margin.available) == (990, 940)
        margin.report(summary("1000", "960", asset_row("USDC", "1000")), margin.mark())
        assert (margin.net_equity, margin.available) == (1000, 960)

    def test_busy_moment_teaches_nothing_and_makes_nothing_forgotten(self) -> None:
        margin = account()
        margin.report(summary("990", "980", asset_row("USDC", "1000")), margin.mark())
        asked_at = margin.mark()
        margin.apply_order(order_update("1", BUY, "2"))
        margin.report(summary("990", "985", asset_row("USDC", "1000")), asked_at)
        assert (margin.net_equity, margin.available) == (990, 940)

    @pytest.mark.parametrize("available", ["1000", "960"])
    def test_report_may_or_may_not_know_what_happened_while_it_was_on_its_way(self, available: str) -> None:
        margin = account()
        asked_at = margin.mark()
        margin.apply_order(order_update("1", BUY, "2"))
        margin.report(summary("1000", available), asked_at)
        assert margin.available == 960

    @pytest.mark.parametrize("available", ["1000", "960", "940", "900"])
    def test_order_that_came_and_went_in_between_may_be_in_the_report(self, available: str) -> None:
        margin = account()
        asked_at = margin.mark()
        margin.apply_order(order_update("1", BUY, "5"))
        margin.apply_order(end_update("1", BUY, "5"))
        margin.report(summary("1000", available), asked_at)
        assert margin.available == 1000

    @pytest.mark.parametrize("available", ["1000", "960"])
    def test_order_on_its_way_may_be_in_the_report(self, available: str) -> None:
        margin = account()
        margin.hold("7", SOL, BUY, Decimal(2), reduce_only=False)
        margin.report(summary("1000", available), margin.mark())
        assert margin.available == 960

    def test_what_no_event_explains_is_learnt_in_spite_of_events(self) -> None:
        margin = account()
        asked_at = margin.mark()
        margin.apply_order(order_update("1", BUY, "2"))
        margin.report(summary("900", "860", asset_row("USDC", "1000")), asked_at)
        assert margin.net_equity == 900
        assert 860 <= margin.available <= 900

    def test_message_that_the_report_has_overtaken_counts_once(self) -> None:
        margin = account()
        margin.report(summary("1000", "960"), margin.mark(), 10.0)
        assert margin.available == 960
        margin.apply_order(order_update("1", BUY, "2", at=9.9))
        assert margin.available == 960

    def test_message_about_what_happened_after_the_report_counts(self) -> None:
        margin = account()
        margin.report(summary("1000", "960"), margin.mark(), 10.0)
        margin.apply_order(order_update("1", BUY, "2", at=10.1))
        assert margin.available == 920
        margin.apply_order(order_update("2", BUY, "2", at=9.9))
        assert margin.available == 920
        margin.hold("7", SOL, BUY, Decimal(2), reduce_only=False)
        assert margin.available == 880

    @pytest.mark.parametrize(("created_ms", "available"), [(9_900, 1000), (10_100, 1040)])
    def test_order_that_an_answer_ends_is_compared_with_reports_since_its_creation(
        self, created_ms: int, available: int
    ) -> None:
        margin = account()
        margin.apply_order(order_update("1", BUY, "2", at=created_ms / 1000))
        margin.report(summary("1000", "1000"), margin.mark(), 10.0)
        margin.acknowledge("7", order_row("1", BUY, "2", status=OrderStatus.EXPIRED, created_ms=created_ms))
        assert margin.available == available

    def test_answers_after_a_report_correct_the_model_and_not_the_report(self) -> None:
        margin = AccountMargin()
        margin.set_leverage(Decimal(5))
        margin.report(summary("1000", "900"), margin.mark())
        assert margin.available == 900
        margin.replace_positions([position_row("3")], margin.mark(), is_complete=True)
        margin.replace_orders([order_row("1", BUY, "2")], margin.mark())
        assert margin.available == 900
        margin.apply_order(end_update("1", BUY, "2"))
        assert margin.available == 940

    def test_older_report_that_comes_later_changes_nothing(self) -> None:
        margin = account()
        first, second = margin.mark(), margin.mark()
        margin.report(summary("900", "900"), second)
        margin.report(summary("800", "800"), first)
        assert margin.available == 900

    def test_report_brings_the_balances_that_a_disconnect_has_hidden(self) -> None:
        margin = account()
        margin.report(summary("500", "500"), margin.mark())
        margin.apply_balance(balance_update("499"))
        assert margin.available == 499

    @pytest.mark.parametrize("reported", ["1000", "499"])
    def test_balance_that_is_newer_than_the_question_stays(self, reported: str) -> None:
        margin = account()
        asked_at = margin.mark()
        margin.apply_balance(balance_update("400", staked="99"))
        margin.report(summary(reported, reported), asked_at)
        assert (margin.net_equity, margin.available) == (499, 499)

    def test_unanswered_questions_do_not_pile_up(self) -> None:
        margin = account()
        oldest = margin.mark()
        margin.apply_order(order_update("1", BUY, "2"))
        for _ in range(20):
            margin.mark()
        margin.report(summary("1000", "1000"), oldest)
        assert margin.available == 1000  # nothing is left to explain the difference but the report


class TestOtherCollateral:
    def test_is_valued_by_the_price_and_weight_of_the_last_report(self) -> None:
        margin = account()
        rows = asset_row("USDC", "1000"), asset_row("SOL", "10", "100", "0.9")
        margin.report(summary("1900", "1900", *rows), margin.mark())
        margin.apply_balance(balance_update("8", "3", asset="SOL"))
        assert margin.net_equity == 1000 + 11 * 90
        assert margin.available == 1000 + 8 * 90

    def test_what_spot_orders_lock_is_known_from_the_report(self) -> None:
        margin = account()
        rows = asset_row("USDC", "1000"), asset_row("SOL", "10", "100", "0.9", locked="3")
        margin.report(summary("1900", "1630", *rows), margin.mark())
        margin.apply_balance(balance_update("10", asset="SOL"))
        assert (margin.net_equity, margin.available) == (1900, 1900)

    def test_price_that_moved_is_no_residual(self) -> None:
        margin = account()
        for price, equity in (("100", "1900"), ("200", "2800")):
            rows = asset_row("USDC", "1000"), asset_row("SOL", "10", price, "0.9")
            margin.report(summary(equity, equity, *rows), margin.mark())
        margin.apply_balance(balance_update("5", asset="SOL"))
        assert margin.net_equity == 1000 + 5 * 180

    def test_value_of_the_row_counts_more_than_its_weight(self) -> None:
        margin = account()
        row = asset_row("SOL", "10", "100", "0.9") | {"collateralValue": "850"}
        margin.report(summary("1850", "1850", asset_row("USDC", "1000"), row), margin.mark())
        margin.apply_balance(balance_update("20", asset="SOL"))
        assert margin.net_equity == 1000 + 20 * 85

    def test_lent_funds_are_collateral_and_no_balance(self) -> None:
        margin = account()
        rows = asset_row("USDC", "1000", lent="900"), asset_row("SOL", "0", "100", "0.9")
        margin.report(summary("1000", "1000", *rows), margin.mark())
        margin.apply_balance(balance_update("99"))
        margin.apply_balance(balance_update("1", asset="SOL"))
        assert margin.net_equity == 999 + 90

    @pytest.mark.parametrize("available", ["2800", "2760"])
    def test_price_of_lent_funds_is_known_from_the_report(self, available: str) -> None:
        margin = account()
        rows = asset_row("USDC", "1000"), asset_row("SOL", "10", "100", "0.9", lent="10")
        margin.report(summary("1900", "1900", *rows), margin.mark())
        asked_at = margin.mark()
        margin.apply_order(order_update("1", BUY, "2"))
        rows = asset_row("USDC", "1000"), asset_row("SOL", "10", "200", "0.9", lent="10")
        margin.report(summary("2800", available, *rows), asked_at)
        assert margin.available == 2760

    def test_dollars_need_no_price(self) -> None:
        margin = AccountMargin()
        margin.report(summary("900", "900", asset_row("SOL", "10", "100", "0.9")), margin.mark())
        margin.apply_balance(balance_update("50"))
        assert margin.net_equity == 950

    def test_asset_that_a_report_lacks_is_gone(self) -> None:
        margin = account()
        rows = asset_row("USDC", "1000"), asset_row("SOL", "10", "100", "0.9", lent="4")
        margin.report(summary("1900", "1900", *rows), margin.mark())
        margin.report(summary("1000", "1000"), margin.mark())
        margin.apply_balance(balance_update("1", asset="SOL"))
        assert margin.net_equity == 1090

    def test_unknown_asset_is_worth_nothing_until_a_report_prices_it(self) -> None:
        margin = account()
        margin.apply_balance(balance_update("1", asset="SOL"))
        assert margin.net_equity == 1000
        rows = asset_row("USDC", "1000"), asset_row("SOL", "1", "100", "0.9")
        margin.report(summary("1090", "1090", *rows), margin.mark())
        assert margin.net_equity == 1090

    def test_older_balance_takes_nothing_back(self) -> None:
        margin = account()
        margin.apply_balance(balance_update("500", at=3))
        margin.apply_balance(balance_update("700", at=2))
        margin.apply_order(fill_update("1", BUY, "1", "1", fee="1", at=2))
        assert margin.net_equity == 500
