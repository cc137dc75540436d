"""The background flow: deterministic, alive, and good to market makers."""

from decimal import Decimal
from functools import cache
from statistics import mean

import pytest

from backpack_connector.protocol.enums import OrderBookState, Side
from backpack_connector.simulator.background import LOOK_US, MAKER_ACCOUNT, STEP_US, TAKER_ACCOUNT, Background
from backpack_connector.simulator.engine import Exchange
from backpack_connector.simulator.events import Event, LevelChanged
from backpack_connector.simulator.refusals import Refusal
from tests.simulator.support import START_US, SYMBOL, FakeClock, assert_sound, limit, new_exchange

PERP = "SOL_USDC_PERP"
OPEN = [
    *("BTC_USDC", "ETH_USDC", "SOL_USDC", "USDT_USDC", "kBONK_USDC"),
    *("BTC_USDC_PERP", "SOL_USDC_PERP", "ETH_USDC_PERP", "AAPL.US_USDC_PERP"),
]
BACKGROUND = (MAKER_ACCOUNT, TAKER_ACCOUNT)


def play(seed: int, steps: int, *, with_user: bool = False) -> tuple[Exchange, list[Event]]:
    """Run the flow for some steps, optionally with a user who quotes both sides of SOL every second."""
    clock = FakeClock()
    exchange = new_exchange(clock)
    background = Background(exchange, seed, clock())
    events: list[Event] = []
    for number in range(steps):
        for execution in background.advance(clock()):
            events += execution.events
        if with_user and number % 4 == 0:
            events += quote(exchange)
        clock.now_us += STEP_US
    return exchange, events


def quote(exchange: Exchange) -> list[Event]:
    events = list(exchange.cancel_all("bot", SYMBOL).events)
    bid, ask = exchange.markets[SYMBOL].book.touch
    if bid is None or ask is None:
        return events
    middle = (bid[0] + ask[0]) / 2
    for side, sign in (("Bid", -1), ("Ask", 1)):
        price = (middle * (1 + sign * Decimal("0.001"))).quantize(Decimal("0.01"))
        try:
            events += exchange.place("bot", limit(side, str(price), "0.5", post_only=True)).events
        except Refusal:
            continue
    return events


def test_same_seed_and_same_requests_give_the_same_events() -> None:
    assert play(7, 60, with_user=True)[1] == play(7, 60, with_user=True)[1]


def test_another_seed_gives_other_events() -> None:
    assert play(7, 20)[1] != play(8, 20)[1]


def test_every_open_book_has_several_orders_on_each_side_and_trades() -> None:
    clock = FakeClock()
    exchange = new_exchange(clock)
    background = Background(exchange, 1, clock())
    depths: dict[tuple[str, Side], list[int]] = {(symbol, side): [] for symbol in OPEN for side in Side}
    for _ in range(120):
        list(background.advance(clock()))
        clock.now_us += STEP_US
        for symbol, side in depths:
            depths[symbol, side].append(len(exchange.markets[symbol].book.side(side)))
    for place, depth in depths.items():
        assert mean(depth) >= 6, place
        # A sweep leaves few, but not for long.
        assert all(max(depth[start : start + 5]) >= 5 for start in range(len(depth) - 4)), place
    for symbol in OPEN:
        row = exchange.markets[symbol]
        assert len(row.trades) > 10, symbol
        assert abs(row.last_price / row.instrument.seed_price - 1) < Decimal("0.05"), symbol
    assert_sound(exchange)


def test_markets_that_are_not_open_stay_empty() -> None:
    exchange, _ = play(1, 8)
    for symbol in ("WEN_USDC", "HNT_USDC", "SPCX.US_USDC"):
        assert exchange.markets[symbol].book.touch == (None, None)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_bot_that_quotes_a_tenth_of_a_percent_away_is_filled_several_times_a_minute(seed: int) -> None:
    exchange, _ = play(seed, 240, with_user=True)
    fills = exchange.open_account("bot").fills
    assert len({fill.order_id for fill in fills}) >= 6
    assert {fill.side.value for fill in fills} == {"Bid", "Ask"}
    assert_sound(exchange)


def test_an_order_that_the_price_has_passed_is_taken() -> None:
    clock = FakeClock()
    exchange = new_exchange(clock)
    background = Background(exchange, 1, clock())
    order = exchange.place("bot", limit("Bid", "152", "1")).order
    list(background.advance(clock()))
    assert order.order_id not in exchange.open_account("bot").open_orders


def test_markets_act_one_after_the_other_within_a_step_and_all_at_the_first() -> None:
    clock = FakeClock()
    exchange = new_exchange(clock)
    background = Background(exchange, 1, clock())

    def acting() -> list[str]:
        events = [event for execution in background.advance(clock()) for event in execution.events]
        return list(dict.fromkeys(event.symbol for event in events if isinstance(event, LevelChanged)))

    assert acting() == OPEN
    clock.now_us += STEP_US
    assert acting() == OPEN[:1]
    for _ in range(3):
        seen = []
        for _ in range(STEP_US // LOOK_US):
            clock.now_us += LOOK_US
            seen.append(acting())
        assert max(len(symbols) for symbols in seen) <= 2
        assert [symbol for symbols in seen for symbol in symbols] == [*OPEN[1:], *OPEN[:1]]


def test_a_pause_is_not_made_up_for() -> None:
    clock = FakeClock()
    exchange = new_exchange(clock)
    background = Background(exchange, 1, clock())
    list(background.advance(clock()))
    before = exchange.markets[SYMBOL].book.update_id
    clock.advance_s(3600)
    list(background.advance(clock()))
    assert exchange.markets[SYMBOL].book.update_id - before < 200
    assert list(background.advance(clock())) == []
    assert clock() == START_US + 3600 * 10**6


def test_a_closing_market_does_not_stop_the_flow() -> None:
    clock = FakeClock()
    exchange = new_exchange(clock)
    background = Background(exchange, 1, clock())
    list(background.advance(clock()))
    exchange.set_market_state(SYMBOL, OrderBookState.CLOSED)
    for _ in range(20):
        clock.now_us += STEP_US
        list(background.advance(clock()))
    assert_sound(exchange)


def test_background_accounts_keep_no_history() -> None:
    exchange, _ = play(1, 8)
    assert all(not account.orders and not account.fills for account in exchange.accounts)


@cache
def touches(seed: int, steps: int) -> list[tuple[Decimal, Decimal, Decimal, Decimal]]:
    """Return best bid and ask of SOL's spot and perpetual market after each step."""
    clock = FakeClock()
    exchange = new_exchange(clock)
    background = Background(exchange, seed, clock())
    seen = []
    for _ in range(steps):
        list(background.advance(clock()))
        (spot_bid, spot_ask), (perp_bid, perp_ask) = (exchange.markets[symbol].book.touch for symbol in (SYMBOL, PERP))
        assert spot_bid is not None
        assert spot_ask is not None
        assert perp_bid is not None
        assert perp_ask is not None
        seen.append((spot_bid[0], spot_ask[0], perp_bid[0], perp_ask[0]))
        clock.now_us += STEP_US
    return seen


def test_spot_and_perpetual_follow_one_price_with_a_premium_that_comes_and_goes() -> None:
    premiums = [
        (perp_bid + perp_ask) / (spot_bid + spot_ask) - 1
        for spot_bid, spot_ask, perp_bid, perp_ask in touches(4, 1_500)
    ]
    assert max(map(abs, premiums)) < Decimal("0.01")
    assert min(premiums) < 0 < max(premiums)


def test_the_premium_is_worth_an_arbitrage_now_and_then() -> None:
    seen = touches(4, 1_500)
    # What is left of selling the dear one and buying the cheap one, before 0.15 % of fees for two takers.
    sales = [perp_bid / spot_ask - 1 for _, spot_ask, perp_bid, _ in seen]
    purchases = [spot_bid / perp_ask - 1 for spot_bid, _, _, perp_ask in seen]
    is_worth_it = [max(pair) > Decimal("0.0015") for pair in zip(sales, purchases, strict=True)]
    assert 10 < sum(is_worth_it) < len(seen) / 2


def test_background_accounts_are_flat_together_and_never_near_liquidation() -> None:
    exchange, _ = play(3, 400)
    for symbol in OPEN:
        quantities = [exchange.net_quantity(account_id, symbol) for account_id in BACKGROUND]
        assert sum(quantities) == 0
        assert any(quantities) == symbol.endswith("_PERP"), symbol
        assert exchange.open_interest(symbol) == max(quantities)
    # Every price ten times as high, and then a thousandth of that.
    for factor in (10, Decimal("0.01")):
        for symbol in OPEN:
            if symbol.endswith("_PERP"):
                price = exchange.markets[symbol].instrument.seed_price * factor
                exchange.prices.set_index(symbol, price, START_US)
        for account_id in BACKGROUND:
            account = exchange.accounts.get(account_id)
            assert account is not None
            assert exchange.risk.margin(account).net_equity > 10**11
            assert not account.is_liquidating


@pytest.mark.parametrize("price", ["120", "190.5"])
def test_the_flow_goes_with_a_price_that_is_set(price: str) -> None:
    clock = FakeClock()
    exchange = new_exchange(clock)
    background = Background(exchange, 1, clock())
    while abs(exchange.markets[PERP].underlying.drift) <= Decimal("0.0002"):
        list(background.advance(clock()))
        clock.now_us += STEP_US
    bystander = exchange.markets["ETH_USDC_PERP"].book.touch
    exchange.prices.set_index(PERP, Decimal(price), clock())
    list(background.advance(clock()))
    # One step of the walk away from the price, not one from where the walk had gone before.
    assert abs(exchange.markets[PERP].underlying.drift) <= Decimal("0.00006")
    for symbol in (SYMBOL, PERP):
        bid, ask = exchange.markets[symbol].book.touch
        assert bid is not None
        assert ask is not None
        assert Decimal(price) * Decimal("0.99") < bid[0] < ask[0] < Decimal(price) * Decimal("1.01")
        assert len(exchange.markets[symbol].book.bids) >= 5
    eth = exchange.markets["ETH_USDC_PERP"].book.touch
    assert eth[0] is not None
    assert bystander[0] is not None
    assert abs(eth[0][0] / bystander[0][0] - 1) < Decimal("0.005")
    assert_sound(exchange)
