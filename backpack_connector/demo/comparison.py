"""Compare two sets of books and say every difference in one sentence each; no input or output.

Rules:

1. Amounts are compared as exact decimals: `1.50` equals `1.5`, and nothing is rounded to make two figures meet.
2. A fee that Hummingbot had to estimate is a difference, also when the estimate would be right.
3. The trades database is compared to the digits that it keeps, the journal to all of them.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import ROUND_DOWN, Decimal

from backpack_connector.demo.figures import Balance, Books, Fill, Position
from backpack_connector.demo.records import DATABASE_DIGITS

BOT = "bot"
DATABASE = "trades database"
SIMULATOR = "simulator"


def compare_books(bot: Books, recorded: Books, truth: Books) -> list[str]:
    """List what differs between the bot, its trades database and the exchange; an empty list means equal books."""
    return [
        *compare_fills(BOT, bot.fills, truth.fills, digits=None),
        *compare_fills(DATABASE, recorded.fills, truth.fills, digits=DATABASE_DIGITS),
        *compare_funding(BOT, bot, truth),
        *compare_funding(DATABASE, recorded, truth),
        *compare_positions(bot.positions, truth.positions),
        *compare_balances(bot.balances, truth.balances),
        *compare_open_orders(bot, truth),
    ]


def compare_fills(name: str, fills: list[Fill], truth: list[Fill], *, digits: int | None) -> list[str]:
    """List the differences of two sets of fills, matched by the exchange's trade id.

    With `digits` the truth is first cut to that many digits after the point, as the trades database does.
    """
    differences = [
        f"{name}: trade {trade_id} is recorded {count} times."
        for trade_id, count in Counter(fill.trade_id for fill in fills).items()
        if count > 1
    ]
    ours = {fill.trade_id: fill for fill in fills}
    theirs = {fill.trade_id: fill for fill in truth}
    differences += [f"{name}: trade {_told(theirs[i])} is missing." for i in theirs if i not in ours]
    differences += [f"{name}: trade {_told(ours[i])} is unknown to the {SIMULATOR}." for i in ours if i not in theirs]
    for trade_id, fill in ours.items():
        if trade_id in theirs:
            differences += _compare_fill(name, fill, theirs[trade_id], digits)
    return differences


def _told(fill: Fill) -> str:
    return f"{fill.trade_id} ({fill.side} {plain(fill.amount)} at {plain(fill.price)})"


def _compare_fill(name: str, ours: Fill, theirs: Fill, digits: int | None) -> list[str]:
    pairs: list[tuple[str, str, str]] = [("side", ours.side, theirs.side)]
    if ours.order_id and theirs.order_id:
        pairs.append(("order", ours.order_id, theirs.order_id))
    pairs.append(("price", plain(ours.price), plain(_cut(theirs.price, digits))))
    pairs.append(("amount", plain(ours.amount), plain(_cut(theirs.amount, digits))))
    pairs.append(("fee", fees_text(ours.fees), fees_text(theirs.fees)))
    differences = [
        f"{name}: trade {ours.trade_id} has {what} {our_text}, the {SIMULATOR} has {their_text}."
        for what, our_text, their_text in pairs
        if our_text != their_text
    ]
    if ours.estimated_fee != 0:
        differences.append(f"{name}: trade {ours.trade_id} has an estimated fee of {plain(ours.estimated_fee)}.")
    return differences


def compare_funding(name: str, ours: Books, truth: Books) -> list[str]:
    """List the intervals whose funding payment differs or is missing on one side, by the end of the interval."""
    differences = []
    mine, theirs = ({payment.time: payment for payment in books.funding} for books in (ours, truth))
    if len(mine) != len(ours.funding):
        differences.append(f"{name}: a funding payment is recorded twice.")
    for time in sorted({*mine, *theirs}):
        our_text, their_text = (
            f"{plain(side[time].amount)} at rate {plain(side[time].rate)}" if time in side else "none"
            for side in (mine, theirs)
        )
        if our_text != their_text:
            differences.append(
                f"{name}: the funding payment of {time:.0f} is {our_text}, the {SIMULATOR} has {their_text}."
            )
    return differences


def compare_positions(ours: Mapping[str, Position], truth: Mapping[str, Position]) -> list[str]:
    """List the trading pairs whose position differs in amount or entry price."""
    differences = []
    for trading_pair in sorted({*ours, *truth}):
        our_text, their_text = (_position_text(side.get(trading_pair)) for side in (ours, truth))
        if our_text != their_text:
            differences.append(
                f"{BOT}: the position in {trading_pair} is {our_text}, the {SIMULATOR} has {their_text}."
            )
    return differences


def _position_text(position: Position | None) -> str:
    return "none" if position is None else f"{plain(position.amount)} at {plain(position.entry_price)}"


def compare_equity(start: Decimal, bot: Books, asset: str) -> list[str]:
    """Say when a position is left, or when fills, fees and funding do not explain how the net equity has changed.

    Nothing here comes from the exchange's figures of position or margin, so that this holds them to account.
    """
    if bot.positions:
        return [f"{BOT}: a position is still open after the stop."]
    explained = start + bot.cash() - bot.fees().get(asset, Decimal(0)) + bot.funding_sum()
    found = bot.balances[asset].total if asset in bot.balances else Decimal(0)
    if explained == found:
        return []
    return [f"{BOT}: the net equity is {plain(found)}, but fills, fees and funding explain {plain(explained)}."]


def compare_balances(ours: Mapping[str, Balance], truth: Mapping[str, Balance]) -> list[str]:
    """List the assets whose total or available amount differs; an absent asset counts as zero."""
    empty = Balance(Decimal(0), Decimal(0))
    differences = []
    for asset in sorted({*ours, *truth}):
        mine, theirs = ours.get(asset, empty), truth.get(asset, empty)
        for what, our_amount, their_amount in (
            ("balance", mine.total, theirs.total),
            ("available balance", mine.available, theirs.available),
        ):
            if our_amount != their_amount:
                differences.append(
                    f"{BOT}: {what} of {asset} is {plain(our_amount)}, the {SIMULATOR} has {plain(their_amount)}."
                )
    return differences


def compare_open_orders(bot: Books, truth: Books) -> list[str]:
    """List who still has open orders: a stopped bot has none, neither in its own view nor on the exchange."""
    return [
        f"{name}: {count} orders are still open after the stop."
        for name, count in ((BOT, bot.open_orders), (SIMULATOR, truth.open_orders))
        if count
    ]


def plain(number: Decimal) -> str:
    """Write a decimal without exponent and without trailing zeros, so that equal amounts have equal text."""
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def fees_text(fees: Mapping[str, Decimal]) -> str:
    """Write fees as `0.1 USDC + 0.2 SOL`; amounts of zero are left out."""
    return " + ".join(_amounts(fees.items())) or "none"


def _amounts(items: Iterable[tuple[str, Decimal]]) -> list[str]:
    return [f"{plain(amount)} {asset}" for asset, amount in sorted(items) if amount != 0]


def _cut(number: Decimal, digits: int | None) -> Decimal:
    if digits is None:
        return number
    return number.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_DOWN)
