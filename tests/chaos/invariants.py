"""Say in sentences what a bot's books and the exchange's have different; no sentence means that nothing was lost."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal

from backpack_connector.protocol.enums import OrderStatus, Side
from backpack_connector.simulator.clock import s_from_us
from backpack_connector.simulator.orders import Order
from tests.chaos.bots import PAIRS, Bot, symbol_of
from tests.chaos.fault_plans import LONGEST_SKEW_S
from tests.chaos.growth import task_name
from tests.chaos.venue import Venue

USDC_ROUNDING = Decimal("0.00001")
"""The exchange tells margins with twelve digits at most."""


def violations(bots: Sequence[Bot], venue: Venue) -> list[str]:
    """Return everything that a bot and the exchange do not agree on."""
    found = of_history(bots, venue)
    for bot in bots:
        now = (*_of_books(bot, venue), *_of_money(bot, venue), *_of_missing_funding(bot, venue), *bot.grown())
        found += [f"{bot.kind}: {sentence}" for sentence in now]
    return found


def of_history(bots: Sequence[Bot], venue: Venue) -> list[str]:
    """Return what is wrong with orders, their events and requests: nothing here changes by waiting or by stopping."""
    found = [*_of_what_was_sent(venue), *_of_pools(venue)]
    for bot in bots:
        found += [f"{bot.kind}: {sentence}" for sentence in (*_of_orders(bot, venue), *_of_fills(bot, venue))]
        found += [f"{bot.kind}: {sentence}" for sentence in _of_funding(bot, venue)]
    return found


def _of_what_was_sent(venue: Venue) -> Iterator[str]:
    for client_id, count in venue.sent.items():
        if count > 1:
            yield f"Order {client_id} was sent {count} times."
    accepted = Counter(
        order.client_id for order in venue.exchange.open_account(venue.key).orders.values() if order.client_id
    )
    for accepted_id, count in accepted.items():
        if count > 1:
            yield f"The exchange has {count} orders with the client id {accepted_id}."


def _of_pools(venue: Venue) -> Iterator[str]:
    if venue.beyond_the_pools:
        operations = ", ".join(sorted(set(venue.beyond_the_pools)))
        yield f"{len(venue.beyond_the_pools)} requests were beyond the exchange's request pools: {operations}."


def _of_orders(bot: Bot, venue: Venue) -> Iterator[str]:
    truth = venue.orders()
    for order_id in bot.ids:
        difference = _difference(bot, order_id, truth.get(order_id))
        if difference is not None:
            yield f"Order {order_id}: {difference}"
    stray = set(bot.connector.in_flight_orders) - set(bot.ids)
    for order_id in sorted(stray):
        yield f"Order {order_id} is tracked, but nobody has placed it."


def _difference(bot: Bot, order_id: str, truth: Order | None) -> str | None:
    names = bot.names(order_id)
    if truth is None:
        has_nothing_to_close = order_id in bot.closing and names == ["OrderCancelled"]
        is_right = names == ["OrderFailure"] or has_nothing_to_close
        return None if is_right else f"the exchange never had it, but its events are {names}."
    if "OrderFailure" in names and truth.status is not OrderStatus.TRIGGER_FAILED:
        return f"the exchange has it as {truth.status}, but it was reported failed: {names}."
    created = f"{'Buy' if truth.side is Side.BID else 'Sell'}OrderCreated"
    if not names or names[0] != created or names.count(created) != 1:
        return f"the exchange has it as {truth.status}, but it is not announced first and once: {names}."
    return _difference_of_state(bot, order_id, truth, names)


def _difference_of_state(bot: Bot, order_id: str, truth: Order, names: list[str]) -> str | None:
    others = [name for name in names[1:] if name != "OrderFilled"]
    order = bot.connector.in_flight_orders.get(order_id)
    if not truth.status.is_final:
        if order is None or others or order.is_done:
            return f"it rests as {truth.status}, but its events are {names}."
        if order.exchange_order_id != truth.order_id or order.is_pending_create:
            return f"it rests as {truth.status}, but the bot has it as {order.current_state}."
        return None
    side = "Buy" if truth.side is Side.BID else "Sell"
    ends = {OrderStatus.FILLED: f"{side}OrderCompleted", OrderStatus.TRIGGER_FAILED: "OrderFailure"}
    end = ends.get(truth.status, "OrderCancelled")
    if others != [end] or order is not None:
        return f"it ended as {truth.status}, but its events are {names}{'' if order is None else ', and it is open'}."
    return None


def _of_fills(bot: Bot, venue: Venue) -> Iterator[str]:
    mine = set(bot.ids)
    told = Counter(bot.fills())
    true = Counter(
        (str(fill.client_id), str(fill.trade_id), fill.price, fill.quantity, fill.fee, fill.fee_symbol)
        for fill in venue.exchange.open_account(venue.key).fills
        if str(fill.client_id) in mine
    )
    for order_id, trade_id, price, quantity, fee, token in sorted(true - told):
        yield f"Order {order_id}: fill {trade_id} ({quantity} at {price}, fee {fee} {token}) was not told."
    for order_id, trade_id, price, quantity, fee, token in sorted(told - true):
        yield f"Order {order_id}: fill {trade_id} ({quantity} at {price}, fee {fee} {token}) was told, but is not so."


def _paid(bot: Bot, venue: Venue) -> Counter[tuple[str, int, Decimal]]:
    """Return the funding payments of the markets that the bot has traded all the time."""
    pairs = {symbol_of(bot.kind, pair): pair for pair in PAIRS}
    return Counter(
        (pairs[payment.symbol], s_from_us(payment.interval_end_us), payment.amount)
        for payment in venue.exchange.open_account(venue.key).funding_payments
        if payment.symbol in pairs
    )


def _of_funding(bot: Bot, venue: Venue) -> Iterator[str]:
    told = Counter(row for row in bot.payments() if row[0] in PAIRS and not _is_near_a_start(bot, row[1]))
    for (pair, end_s, amount), count in sorted((told - _paid(bot, venue)).items()):
        yield f"The funding payment of {amount} in {pair} at {end_s} was told {count} times more than it was paid."


def _of_missing_funding(bot: Bot, venue: Venue) -> Iterator[str]:
    # A connector tells what is paid after its start: what was paid before that, and not told yet, is not its affair.
    last_start_s = max((began_s for _, began_s in bot.deaths_s), default=0.0)
    for (pair, end_s, amount), _ in sorted((_paid(bot, venue) - Counter(bot.payments())).items()):
        if end_s > last_start_s and not _is_near_a_start(bot, end_s):
            yield f"The funding payment of {amount} in {pair} at {end_s} was not told."


def _is_near_a_start(bot: Bot, end_s: int) -> bool:
    """Tell whether the exchange's clock, when a fault has put it off, may say before where ours says after a start."""
    return any(abs(end_s - began_s) <= LONGEST_SKEW_S for _, began_s in bot.deaths_s)


def _of_books(bot: Bot, venue: Venue) -> Iterator[str]:
    if sorted(bot.connector.trading_pairs) != sorted(bot.wanted_pairs):
        yield f"The connector trades {bot.connector.trading_pairs}, but was told to trade {bot.wanted_pairs}."
    for pair in bot.wanted_pairs:
        if pair not in bot.connector.order_books:
            yield f"There is no book of {pair}."
        elif bot.book(pair) != venue.book(symbol_of(bot.kind, pair)):
            yield f"The book of {pair} differs from the exchange's."
    if not bot.connector.ready:
        missing = [name for name, is_there in bot.connector.status_dict.items() if not is_there]
        yield f"The connector is not ready: {', '.join(missing)}."


def _of_money(bot: Bot, venue: Venue) -> Iterator[str]:
    return _of_margin(bot, venue) if bot.kind == "perpetual" else _of_balances(bot, venue)


def _of_balances(bot: Bot, venue: Venue) -> Iterator[str]:
    for asset, balance in sorted(venue.exchange.ledger.balances(venue.key).items()):
        total, available = bot.connector.get_balance(asset), bot.connector.get_available_balance(asset)
        if total != balance.available + balance.locked:
            yield f"The balance of {asset} is {balance.available + balance.locked}, but the bot has {total}."
        if available != balance.available:
            yield f"{balance.available} {asset} are available, but the bot has {available}."


def _of_margin(bot: Bot, venue: Venue) -> Iterator[str]:
    exchange = venue.exchange
    for pair in bot.wanted_pairs:
        true = exchange.ledger.positions(venue.key).get(symbol_of(bot.kind, pair))
        shown_quantity, shown_price = bot.position(pair)
        true_quantity = true.quantity if true is not None else Decimal(0)
        if true_quantity != shown_quantity:
            yield f"The position in {pair} is {true_quantity}, but the bot has {shown_quantity}."
        elif true is not None and abs(true.entry_price - shown_price) > USDC_ROUNDING:
            yield f"The position in {pair} began at {true.entry_price}, but the bot has {shown_price}."
    limit = exchange.open_account(venue.key).leverage_limit
    for pair in bot.wanted_pairs:
        if bot.leverage(pair) != int(limit):
            yield f"The leverage in {pair} is {limit}, but the bot has {bot.leverage(pair)}."
    margin = exchange.risk.margin(exchange.open_account(venue.key))
    figures = (
        ("net equity", margin.net_equity, bot.connector.get_balance("USDC")),
        ("available margin", max(Decimal(0), margin.available), bot.connector.get_available_balance("USDC")),
    )
    for what, true_figure, shown_figure in figures:
        if abs(true_figure - shown_figure) > USDC_ROUNDING:
            yield f"The {what} is {true_figure}, but the bot has {shown_figure}."


def of_tasks(before: "set[asyncio.Task[object]]") -> list[str]:
    """Return a sentence for each task that runs now and did not before."""
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    return sorted(f"A task is left after the stop: {task_name(task)}." for task in left)
