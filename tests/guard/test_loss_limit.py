"""What an account is worth, and when it has lost too much; pure."""

from decimal import Decimal
from typing import Any

from backpack_connector.guard.loss_limit import AssetPrices, LossLimit, TransferSum, account_value
from backpack_connector.protocol.futures import MarginSummary
from backpack_connector.protocol.models import Balance, Transfer
from backpack_connector.protocol.wire import read

ZERO = Decimal(0)


def margin(*assets: tuple[str, str, str, str], profit: str = "0") -> MarginSummary:
    """Return a margin summary of (asset, price, quantity, weight)."""
    rows, equity = [], Decimal(profit)
    for symbol, price, quantity, weight in assets:
        notional = Decimal(price) * Decimal(quantity)
        value = notional * Decimal(weight)
        equity += value
        rows.append(
            {
                "symbol": symbol,
                "assetMarkPrice": price,
                "totalQuantity": quantity,
                "balanceNotional": str(notional),
                "collateralWeight": weight,
                "collateralValue": str(value),
                "openOrderQuantity": "0",
                "lendQuantity": "0",
                "availableQuantity": quantity,
            }
        )
    numbers = dict.fromkeys(
        (
            "netEquityAvailable",
            "netEquityLocked",
            "netExposureFutures",
            "unsettledEquity",
            "borrowLiability",
            "assetsValue",
            "imf",
            "mmf",
        ),
        "0",
    )
    payload: dict[str, Any] = {**numbers, "netEquity": str(equity), "pnlUnrealized": profit, "collateral": rows}
    return read(MarginSummary, payload, "get_collateral")


def balances(**quantities: str) -> dict[str, Balance]:
    return {
        asset: Balance(available=Decimal(quantity), locked=ZERO, staked=ZERO) for asset, quantity in quantities.items()
    }


def transfer(number: int, quantity: str, status: str = "confirmed", symbol: str = "USDC") -> Transfer:
    return Transfer(id=number, symbol=symbol, quantity=Decimal(quantity), status=status)


def test_buying_an_asset_costs_nothing_although_it_counts_less_as_collateral() -> None:
    before = account_value(margin(("USDC", "1", "1000", "1")), {}, AssetPrices())
    after = account_value(margin(("USDC", "1", "850", "1"), ("SOL", "150", "1", "0.9")), {}, AssetPrices())
    assert before.amount == after.amount == 1000


def test_unrealised_profit_and_collateral_without_weight_count() -> None:
    worth = account_value(margin(("USDC", "1", "100", "1"), ("JUNK", "2", "10", "0"), profit="-30"), {}, AssetPrices())
    assert worth.amount == 90


def test_assets_that_are_no_collateral_count_at_their_last_price_and_nothing_counts_twice() -> None:
    prices = AssetPrices()
    prices.update({"BONK": Decimal("0.5")})
    held = balances(USDC="100", BONK="10", POINTS="7", DUST="0")
    worth = account_value(margin(("USDC", "1", "100", "1")), held, prices)
    assert (worth.amount, worth.left_out) == (105, ("POINTS",))


def test_price_that_is_missing_for_once_is_the_last_one() -> None:
    prices = AssetPrices()
    prices.update({"BONK": Decimal(2)})
    prices.update({})
    assert prices.value("BONK", Decimal(3)) == 6


def test_limit_is_reached_by_two_readings_in_a_row_and_stays_so() -> None:
    limit = LossLimit(Decimal(100))
    assert not limit.read(Decimal(1000))
    assert not limit.read(Decimal(900))
    assert not limit.read(Decimal("900.01")), "a reading between them counts"
    assert not limit.read(Decimal(900))
    assert limit.read(Decimal(899))
    assert limit.is_reached
    assert limit.loss == 101
    assert not limit.read(Decimal(2000)), "told once"
    assert limit.is_reached
    assert limit.loss == -1000


def test_a_withdrawal_is_no_loss_and_a_deposit_hides_none() -> None:
    limit, sums, prices = LossLimit(Decimal(100)), TransferSum(), AssetPrices()
    sums.look([transfer(1, "5000")], [transfer(1, "4000", "pending")], prices)
    assert (sums.net, sums.known) == (0, {"d1", "w1"})
    assert not limit.read(Decimal(1000), sums.net)
    sums.look([transfer(1, "5000")], [transfer(1, "4000"), transfer(2, "700", "pending")], prices)
    for _ in range(3):
        assert not limit.read(Decimal(300), sums.net)
    assert limit.loss == 0
    sums.look([transfer(1, "5000"), transfer(2, "500", "pending")], [transfer(2, "700")], prices)
    assert sums.net == -700
    sums.look([transfer(2, "500")], [], prices)
    assert sums.net == -200
    assert not limit.read(Decimal(700), sums.net)
    assert limit.read(Decimal(700), sums.net)
    assert limit.loss == 100


def test_transfer_of_an_asset_without_price_waits_for_one() -> None:
    sums, prices = TransferSum(known=set()), AssetPrices()
    sums.look([transfer(1, "2", symbol="SOL")], [], prices)
    assert (sums.net, sums.left_out) == (0, {"SOL"})
    prices.update({"SOL": Decimal(150)})
    sums.look([transfer(1, "2", symbol="SOL")], [], prices)
    sums.look([transfer(1, "2", symbol="SOL")], [], prices)
    assert sums.net == 300
