"""Requests for quotes between accounts: who is told what, what a fill moves, and what REST keeps of it."""

from contextlib import suppress
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backpack_connector.protocol.enums import OrderStatus, Side
from backpack_connector.simulator.events import BalanceChanged, Execution, RfqUpdated
from backpack_connector.simulator.ledger import EXACT
from backpack_connector.simulator.refusals import Refusal
from backpack_connector.simulator.rfq_states import ExecutionMode, NewQuote, NewRfq, Quote, Rfq
from tests.simulator.support import BOUNDED, FakeClock, assert_sound, limit, new_exchange, state_of

RFQ = "SOL_USDC_RFQ"
PERP = "SOL_USDC_PERP"


def wanted(
    side: str = "Bid",
    quantity: str | None = "2",
    *,
    quote: str | None = None,
    price: str | None = None,
    mode: str | None = None,
    symbol: str = RFQ,
    client_id: int | None = None,
) -> NewRfq:
    default = "AwaitAccept" if price is None else "Immediate"
    return NewRfq(
        symbol=symbol,
        side=Side(side),
        quantity=None if quantity is None or quote is not None else Decimal(quantity),
        quote_quantity=None if quote is None else Decimal(quote),
        price=None if price is None else Decimal(price),
        mode=ExecutionMode(mode or default),
        client_id=client_id,
    )


class World:
    """An exchange on which `a` asks and others quote."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.exchange = new_exchange(self.clock)
        for account_id in ("a", "b", "c"):
            self.exchange.open_account(account_id)
        self.told: list[tuple[str, str | None]] = []

    def ask(self, **request: Any) -> Rfq:
        rfq, execution = self.exchange.rfqs.submit("a", wanted(**request))
        self.hear(execution)
        return rfq

    def quote(self, rfq: Rfq, bid: str, ask: str, who: str = "b") -> Quote:
        request = NewQuote(rfq_id=rfq.rfq_id, bid_price=Decimal(bid), ask_price=Decimal(ask))
        quote, execution = self.exchange.rfqs.quote(who, request)
        self.hear(execution)
        return quote

    def accept(self, quote: Quote, who: str = "a", **ids: Any) -> None:
        self.hear(self.exchange.rfqs.accept(who, quote.quote_id, **ids)[1])

    def hear(self, execution: Execution) -> None:
        for event in execution.events:
            assert isinstance(event, (RfqUpdated, BalanceChanged))
            if isinstance(event, RfqUpdated):
                self.told.append((event.kind.value, event.account_id))
        assert_sound(self.exchange)

    def has(self, account_id: str) -> tuple[str, str]:
        """Return SOL and USDC that an account got since the beginning."""
        got = []
        for asset, faucet in (("SOL", 50), ("USDC", 10_000)):
            balance = self.exchange.ledger.balance(account_id, asset)
            assert not balance.locked
            got.append(format((balance.available - faucet).normalize(), "f"))
        return got[0], got[1]

    def heard(self) -> list[tuple[str, str | None]]:
        told, self.told = self.told, []
        return told


def test_who_buys_gets_the_whole_quantity_at_the_quote_and_the_fee() -> None:
    world = World()
    rfq = world.ask()
    assert world.heard() == [("rfqAccepted", "a"), ("rfqActive", None)]
    quote = world.quote(rfq, "149", "151")
    assert world.heard() == [("quoteAccepted", "b"), ("rfqCandidate", "a")]
    world.accept(quote)
    assert world.heard() == [("rfqFilled", "a"), ("rfqFilled", "b")]
    # 10 bps of who takes, 8 bps of who makes, both of 302 USDC.
    assert world.has("a") == ("2", "-302.302")
    assert world.has("b") == ("-2", "301.7584")
    assert world.exchange.ledger.fees["USDC"] == Decimal("0.5436")
    assert rfq.status is quote.status is OrderStatus.FILLED
    assert world.exchange.rfqs.open_of("a") == []


def test_who_sells_gets_the_quote_without_the_fee() -> None:
    world = World()
    quote = world.quote(world.ask(side="Ask"), "149", "151")
    world.accept(quote)
    assert world.has("a") == ("-2", "297.702")
    assert world.has("b") == ("2", "-298.2384")


@pytest.mark.parametrize(
    ("side", "money", "quantity", "moved"), [("Bid", "302.302", "2", "-302.302"), ("Ask", "299", "2", "297.702")]
)
def test_a_request_by_quote_quantity_takes_the_whole_steps_that_it_pays_for(
    side: str, money: str, quantity: str, moved: str
) -> None:
    world = World()
    world.accept(world.quote(world.ask(side=side, quote=money), "149", "151"))
    sign = "" if side == "Bid" else "-"
    assert world.has("a") == (f"{sign}{quantity}", moved)


def test_only_the_best_quote_can_be_accepted_and_of_equal_ones_the_first() -> None:
    world = World()
    rfq = world.ask()
    worse = world.quote(rfq, "149", "151")
    best = world.quote(rfq, "140", "150.5", "c")
    assert world.heard()[2:] == [
        ("quoteAccepted", "b"),
        ("rfqCandidate", "a"),
        ("quoteAccepted", "c"),
        ("rfqCandidate", "a"),
    ]
    world.exchange.open_account("d")
    world.quote(rfq, "140", "150.5", "d")
    assert world.heard() == [("quoteAccepted", "d")]
    with pytest.raises(Refusal, match="Only the best quote"):
        world.accept(worse)
    world.accept(best)
    assert world.heard() == [
        ("rfqFilled", "a"),
        ("rfqFilled", "c"),
        ("quoteCancelled", "b"),
        ("quoteCancelled", "d"),
    ]
    assert worse.status is OrderStatus.CANCELLED


def test_the_next_quote_of_an_account_takes_the_place_of_its_last() -> None:
    world = World()
    rfq = world.ask()
    first = world.quote(rfq, "149", "151")
    world.heard()
    second = world.quote(rfq, "148", "152")
    # It is worse than the first one, which is gone: so it is the best.
    assert world.heard() == [("quoteAccepted", "b"), ("quoteCancelled", "b"), ("rfqCandidate", "a")]
    assert rfq.quotes == [second]
    with pytest.raises(Refusal, match="Quote not found"):
        world.accept(first)
    world.accept(second, rfq_id=rfq.rfq_id)


def test_an_immediate_request_takes_the_first_quote_within_its_price() -> None:
    world = World()
    rfq = world.ask(price="151")
    # 150.9 and the fee of 0.1 % are 151.0509.
    world.quote(rfq, "149", "150.9")
    assert rfq.status is OrderStatus.NEW
    world.quote(rfq, "149", "150.8")
    assert rfq.status is OrderStatus.FILLED
    assert world.has("a") == ("2", "-301.9016")
    sold = world.ask(side="Ask", price="149")
    world.quote(sold, "149.1", "150")
    assert sold.status is OrderStatus.NEW
    world.quote(sold, "149.2", "150")
    assert sold.status is OrderStatus.FILLED


def test_an_immediate_request_stays_open_while_a_quote_cannot_be_paid() -> None:
    world = World()
    rfq = world.ask(price="200", quantity="45")
    world.exchange.place("b", limit("Ask", "160", "10"))
    before = world.exchange.ledger.balance("b", "SOL")
    world.exchange.rfqs.quote("b", NewQuote(rfq_id=rfq.rfq_id, bid_price=Decimal(149), ask_price=Decimal(151)))
    assert (rfq.status, len(rfq.quotes)) == (OrderStatus.NEW, 1)
    assert world.exchange.ledger.balance("b", "SOL") == before
    world.quote(rfq, "149", "150", "c")
    assert rfq.status is OrderStatus.FILLED


@pytest.mark.parametrize(("quantity", "ask"), [("60", "100"), ("40", "300")])
def test_who_cannot_pay_is_refused_and_nothing_changes(quantity: str, ask: str) -> None:
    world = World()
    rfq = world.ask(quantity=quantity)
    quote = world.quote(rfq, "100", ask)
    before = state_of(world.exchange)
    with pytest.raises(Refusal, match="Insufficient funds"):
        world.accept(quote)
    assert state_of(world.exchange) == before
    assert rfq.quotes == [quote]


def test_collateral_that_positions_need_cannot_be_sold() -> None:
    world = World()
    exchange = world.exchange
    exchange.place("b", limit("Ask", "150", "20", symbol=PERP))
    # All that `a` has but SOL goes away, so that its SOL carry the position.
    with localcontext(EXACT):
        change = exchange.ledger.change()
        for asset, balance in exchange.ledger.balances("a").items():
            if asset != "SOL":
                change.hold("a", asset, balance.available)
                change.pay("a", "c", asset, balance.available, Decimal(0))
        exchange.ledger.commit(change)
    exchange.place("a", limit("Bid", "150", "20", symbol=PERP))
    rfq = world.exchange.rfqs.submit("a", wanted("Ask", "50"))[0]
    quote = world.quote(rfq, "1", "151")
    with pytest.raises(Refusal, match="Insufficient margin"):
        world.accept(quote)


def test_refreshing_cancels_the_quotes_and_gives_the_time_again() -> None:
    world = World()
    rfq = world.ask()
    quote = world.quote(rfq, "149", "151")
    expiry_us = rfq.expiry_us
    assert (rfq.submission_us - rfq.created_us, expiry_us - rfq.created_us) == (60 * 10**6, 120 * 10**6)
    world.clock.advance_s(100)
    world.heard()
    world.hear(world.exchange.rfqs.refresh("a", rfq.rfq_id)[1])
    assert world.heard() == [("quoteCancelled", "b"), ("rfqRefreshed", "a"), ("rfqActive", None)]
    assert (rfq.expiry_us - expiry_us) // 10**5 in (999, 1_000)
    assert quote.status is OrderStatus.CANCELLED
    assert rfq.best_quote is None


def test_a_request_expires_with_its_quotes() -> None:
    world = World()
    rfq = world.ask()
    quote = world.quote(rfq, "149", "151")
    world.heard()
    world.clock.advance_s(119)
    assert list(world.exchange.rfqs.on_second(world.clock())) == []
    world.clock.advance_s(2)
    for execution in world.exchange.on_second(world.clock()):
        if any(isinstance(event, RfqUpdated) for event in execution.events):
            world.hear(execution)
    assert world.heard() == [("quoteCancelled", "b"), ("rfqCancelled", "a")]
    assert (rfq.status, quote.status) == (OrderStatus.EXPIRED, OrderStatus.CANCELLED)
    with pytest.raises(Refusal, match="RFQ not found"):
        world.quote(rfq, "149", "151")


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        ({"symbol": "SOL_USDC"}, "Invalid market symbol"),
        ({"symbol": "SOL_USDC_PERP_RFQ"}, "Invalid market symbol"),
        ({"quantity": None}, "either `quantity` or `quoteQuantity`"),
        ({"price": "1", "mode": "AwaitAccept"}, "`price`"),
        ({"mode": "Immediate"}, "`price`"),
        ({"quantity": "0"}, "positive"),
        ({"quote": "-1"}, "positive"),
        ({"price": "0"}, "positive"),
        ({"quantity": "1.001"}, "decimal too long"),
        ({"quantity": "0.001"}, "decimal too long"),
    ],
)
def test_requests_that_cannot_be_are_refused(request_: Any, text: str) -> None:
    with pytest.raises(Refusal) as refused:
        World().ask(**request_)
    assert text in refused.value.message


def test_both_quantities_are_one_too_many() -> None:
    request = NewRfq(symbol=RFQ, side=Side.BID, quantity=Decimal(1), quote_quantity=Decimal(1))
    with pytest.raises(Refusal, match="either"):
        World().exchange.rfqs.submit("a", request)


def test_too_little_money_for_a_step_cannot_be_filled() -> None:
    world = World()
    quote = world.quote(world.ask(quote="1"), "149", "151")
    with pytest.raises(Refusal, match="below the minimum"):
        world.accept(quote)


@pytest.mark.parametrize(
    ("bid", "ask", "who", "text"),
    [
        ("151", "150", "b", "not above"),
        ("0", "150", "b", "positive"),
        ("149.001", "150", "b", "Price decimal too long"),
        ("149", "150.001", "b", "Price decimal too long"),
        ("149", "150", "a", "your own"),
    ],
)
def test_quotes_that_cannot_be_are_refused(bid: str, ask: str, who: str, text: str) -> None:
    world = World()
    rfq = world.ask()
    with pytest.raises(Refusal, match=text):
        world.quote(rfq, bid, ask, who)
    assert rfq.quotes == []


def test_only_who_asked_can_accept_refresh_and_cancel() -> None:
    world = World()
    rfq = world.ask(client_id=5)
    quote = world.quote(rfq, "149", "151")
    rfqs = world.exchange.rfqs
    for who, ids in (("b", {}), ("a", {"rfq_id": "99"}), ("a", {"client_id": 6})):
        with pytest.raises(Refusal, match="Quote not found"):
            world.accept(quote, who, **ids)
    for account_id in ("b", "c"):
        with pytest.raises(Refusal, match="RFQ not found"):
            rfqs.refresh(account_id, rfq.rfq_id)
        with pytest.raises(Refusal, match="RFQ not found"):
            rfqs.cancel(account_id, rfq_id=None, client_id=5)
    rfqs.cancel("a", rfq_id=None, client_id=5)
    assert rfq.status is OrderStatus.CANCELLED


@BOUNDED
@given(
    acts=st.lists(
        st.tuples(
            st.sampled_from(["ask", "quote", "accept", "refresh", "cancel", "wait"]),
            st.sampled_from(["a", "b", "c"]),
            st.integers(1, 4_000),
            st.integers(12_000, 18_000),
        ),
        max_size=40,
    )
)
def test_whatever_is_done_every_asset_is_conserved(acts: list[tuple[str, str, int, int]]) -> None:
    world = World()
    known: list[Rfq] = []
    for act, who, cents, price in acts:
        if act == "wait":
            world.clock.advance_s(30)
            list(world.exchange.on_second(world.clock()))
        elif act == "ask" or known:
            with suppress(Refusal):
                do(world, known, act, who, cents, Decimal(price) / 100)
        assert_sound(world.exchange)
    for rfq in known:
        assert (rfq.status is OrderStatus.NEW) == (rfq in world.exchange.rfqs.open_of(rfq.account_id))
        assert all(quote.status is OrderStatus.NEW for quote in rfq.quotes)


def do(world: World, known: list[Rfq], act: str, who: str, cents: int, price: Decimal) -> None:
    rfqs = world.exchange.rfqs
    if act == "ask":
        known.append(rfqs.submit(who, wanted("Bid" if cents % 2 else "Ask", str(Decimal(cents) / 100)))[0])
        return
    rfq = known[cents % len(known)]
    if act == "quote":
        rfqs.quote(who, NewQuote(rfq_id=rfq.rfq_id, bid_price=price, ask_price=price + 1))
    elif act == "accept" and rfq.best_quote is not None:
        rfqs.accept(rfq.account_id, rfq.best_quote.quote_id)
    elif act == "refresh":
        rfqs.refresh(who, rfq.rfq_id)
    elif act == "cancel":
        rfqs.cancel(who, rfq_id=rfq.rfq_id, client_id=None)
