"""What strategies are told that the account can afford: the exchange's margin, not notional / their own leverage."""

from decimal import Decimal

import pytest
from hummingbot.connector.trading_rule import TradingRule
from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.core.data_type.order_candidate import PerpetualOrderCandidate

from backpack_perpetual_connector.backpack_perpetual_derivative import BackpackPerpetualDerivative

from .margin_account import BUY, SELL, account, order_update, position_update

PAIR = "SOL-USDC"
SIDES = {TradeType.BUY: BUY, TradeType.SELL: SELL}


class Account:
    """A connector that is not connected, with the margin of an account that trades SOL at 100 USDC."""

    def __init__(self, key_pair: tuple[str, str], usdc: str = "1000", leverage: str = "5") -> None:
        self.connector = BackpackPerpetualDerivative(*key_pair, trading_pairs=[PAIR])
        self.connector._balances_received = True
        self.connector._trading_rules[PAIR] = TradingRule(PAIR, min_base_amount_increment=Decimal("0.01"))
        self.margin = self.connector._margin = account(usdc, leverage)
        self.checker = self.connector.budget_checker

    def candidate(
        self,
        side: TradeType,
        amount: str,
        price: str = "100",
        *,
        leverage: int = 5,
        close: bool = False,
        is_maker: bool = True,
    ) -> PerpetualOrderCandidate:
        return PerpetualOrderCandidate(
            trading_pair=PAIR,
            is_maker=is_maker,
            order_type=OrderType.LIMIT,
            order_side=side,
            amount=Decimal(amount),
            price=Decimal(price),
            leverage=Decimal(leverage),
            position_close=close,
        )

    def adjusted(self, *candidates: PerpetualOrderCandidate, all_or_none: bool = True) -> list[Decimal]:
        return [row.amount for row in self.checker.adjust_candidates(list(candidates), all_or_none=all_or_none)]


@pytest.fixture
async def rich(key_pair: tuple[str, str]) -> Account:
    return Account(key_pair)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("leverage", [1, 5, 20])
async def test_margin_is_the_accounts_whatever_the_strategy_thinks(
    rich: Account, side: TradeType, leverage: int
) -> None:
    candidate = rich.checker.populate_collateral_entries(rich.candidate(side, "3", leverage=leverage))
    assert candidate.order_collateral.token == "USDC"
    assert candidate.order_collateral.amount == 60
    assert candidate.percent_fee_collateral.amount == Decimal("0.06")  # 2 bps of 300, as Hummingbot computes it


async def test_leverage_of_a_strategy_above_the_accounts_limit_is_not_believed(rich: Account) -> None:
    # 1000 USDC at leverage 5 carry 5000; at 20 the strategy would want 20000.
    assert rich.adjusted(rich.candidate(TradeType.BUY, "49", leverage=20)) == [49]
    assert rich.adjusted(rich.candidate(TradeType.BUY, "51", leverage=20)) == [0]


async def test_fee_must_be_affordable_besides_the_margin(rich: Account) -> None:
    assert rich.adjusted(rich.candidate(TradeType.BUY, "49.95", is_maker=True)) == [Decimal("49.95")]
    assert rich.adjusted(rich.candidate(TradeType.BUY, "49.95", is_maker=False)) == [0]


@pytest.mark.parametrize("close", [True, False])
async def test_order_that_reduces_needs_nothing_even_when_nothing_is_left(rich: Account, close: bool) -> None:
    rich.margin.apply_position(position_update("60"))
    assert rich.connector.get_available_balance("USDC") == 0
    candidate = rich.candidate(TradeType.SELL, "60", close=close)
    assert rich.adjusted(candidate) == [60]
    assert not rich.checker.populate_collateral_entries(candidate).collateral_dict


async def test_bids_and_asks_of_one_list_do_not_both_need_margin(rich: Account) -> None:
    bid, ask = rich.candidate(TradeType.BUY, "40"), rich.candidate(TradeType.SELL, "40")
    assert rich.adjusted(bid, ask) == [40, 40]
    assert rich.adjusted(bid, bid) == [40, 0]


async def test_orders_of_one_list_that_reduce_together_do_not_each_get_the_position(rich: Account) -> None:
    rich.margin.apply_position(position_update("40"))
    closing = rich.candidate(TradeType.SELL, "40")
    # The first closes, the second opens 40 short, which costs what 40 long did; for the third there are 200 of 800.
    assert rich.adjusted(closing, closing, closing) == [40, 40, 0]


async def test_closing_orders_of_one_list_are_not_counted_as_selling(rich: Account) -> None:
    rich.margin.apply_position(position_update("40"))
    closing, selling = rich.candidate(TradeType.SELL, "40", close=True), rich.candidate(TradeType.SELL, "60")
    assert rich.adjusted(closing, selling) == [40, 60]


async def test_list_is_forgotten_afterwards(rich: Account) -> None:
    bid = rich.candidate(TradeType.BUY, "40")
    assert rich.adjusted(bid) == rich.adjusted(bid) == [40]
    rich.checker.adjust_candidate_and_lock_available_collateral(bid)
    assert rich.checker.adjust_candidate(bid).amount == 0
    rich.checker.reset_locked_collateral()
    assert rich.checker.adjust_candidate(bid).amount == 40


async def test_resting_orders_count(rich: Account) -> None:
    rich.margin.apply_order(order_update("1", BUY, "30"))
    assert rich.adjusted(rich.candidate(TradeType.BUY, "30")) == [0]
    assert rich.adjusted(rich.candidate(TradeType.SELL, "30")) == [30]


@pytest.mark.parametrize(
    ("position", "side", "expected"),
    [
        ("0", TradeType.BUY, "49.95"),  # 20 of margin and 0.02 of fee each
        ("0", TradeType.SELL, "49.95"),
        ("20", TradeType.SELL, "69.93"),  # 20 close, 20 more cost what those did; the rest and all fees take the 600
    ],
)
async def test_order_is_cut_to_what_the_account_can_carry(
    rich: Account, position: str, side: TradeType, expected: str
) -> None:
    rich.margin.apply_position(position_update(position))
    amount = Decimal(expected)
    assert rich.adjusted(rich.candidate(side, "500"), all_or_none=False) == [amount]
    assert rich.adjusted(rich.candidate(side, str(amount + Decimal("0.005"))), all_or_none=False) == [amount]
    exact = rich.candidate(side, str(amount))
    more = rich.candidate(side, str(amount + Decimal("0.01")))
    assert rich.adjusted(exact) == [amount]
    assert rich.adjusted(more) == [0]


async def test_cut_order_says_so_and_keeps_its_entries(rich: Account) -> None:
    (cut,) = rich.checker.adjust_candidates([rich.candidate(TradeType.BUY, "500")], all_or_none=False)
    assert cut.resized
    assert cut.order_collateral.amount == 999
    (whole,) = rich.checker.adjust_candidates([rich.candidate(TradeType.BUY, "5")], all_or_none=False)
    assert not whole.resized


async def test_order_that_cannot_be_cut_small_enough_becomes_nothing(rich: Account) -> None:
    rich.margin.apply_position(position_update("50"))
    (cut,) = rich.checker.adjust_candidates([rich.candidate(TradeType.BUY, "5")], all_or_none=False)
    assert cut.is_zero_order
    assert cut.resized
    assert not cut.collateral_dict


async def test_taker_must_bear_what_a_bad_price_loses_at_once(rich: Account) -> None:
    assert rich.adjusted(rich.candidate(TradeType.BUY, "48", "101")) == [0]  # 960 of margin and 48 lost
    assert rich.adjusted(rich.candidate(TradeType.BUY, "48", "99")) == [48]


async def test_price_that_is_no_number_is_none(rich: Account) -> None:
    candidate = rich.candidate(TradeType.BUY, "3", "NaN")
    assert rich.checker.populate_collateral_entries(candidate).order_collateral.amount == 60


async def test_public_complaint(key_pair: tuple[str, str]) -> None:
    """20 USDC at leverage 5: the second executor is told that it can open after the first one's order is filled."""
    poor = Account(key_pair, "20")
    candidate = poor.candidate(TradeType.BUY, "0.46", is_maker=False)
    assert poor.adjusted(candidate) == [Decimal("0.46")]
    poor.margin.apply_position(position_update("0.46"))
    assert poor.adjusted(candidate) == [Decimal("0.46")]
    poor.margin.apply_position(position_update("0.92", at=2))
    assert poor.adjusted(candidate) == [0]
