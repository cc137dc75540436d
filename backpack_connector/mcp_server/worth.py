"""Find out what an order, a loan or a withdrawal is worth before it is sent: never less than it could come to.

Rule 1: a plain limit order to buy costs its price at most. Whatever else is bought or sold is counted at the highest of
        all prices that concern it: its own, the last one, the best bid and ask, and of a market order to buy the price
        to which it would reach into the book.
Rule 2: what cannot be valued is refused. No limit is held by a guess.
Rule 3: a take-profit or a stop-loss closes what its order opens; its prices count, but not its quantity once more.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from backpack_connector.client.rest import BackpackClient
from backpack_connector.protocol.enums import Side
from backpack_connector.protocol.errors import Refused
from backpack_connector.protocol.models import DepthSnapshot, Market

from .limits import LimitReached, Placement

CURRENCY = "USDC"
_PRICE_FIELDS = ("price", "triggerPrice", "takeProfitTriggerPrice", "stopLossTriggerPrice")


async def order_placement(client: BackpackClient, fields: Mapping[str, Any]) -> Placement:
    """Return what an order or a strategy amounts to.

    Shape:    fields as the wire carries them.
    Raises:   LimitReached when it cannot be valued; RequestError when the exchange does not tell a price.
    """
    symbol = fields["symbol"]
    market = await _market(client, symbol)
    if "quoteQuantity" in fields:
        worth = Decimal(fields["quoteQuantity"]) * await _usdc_price(client, market.quote_symbol)
        return Placement(symbol, market.base_symbol, None, worth)
    quantity = _quantity(fields)
    own_prices = [Decimal(fields[name]) for name in _PRICE_FIELDS if name in fields]
    buys, is_limit = fields["side"] == Side.BID.value, "price" in fields
    if buys and is_limit and len(own_prices) == 1:
        price = own_prices[0]
    else:
        reach = quantity if buys and not own_prices else Decimal(0)
        price = max([*own_prices, *await _market_prices(client, symbol, reach)], default=Decimal(0))
    if price <= 0:
        raise LimitReached(f"What this is worth cannot be told: {symbol} shows no price. Give a limit price.")
    return Placement(
        symbol, market.base_symbol, quantity, quantity * price * await _usdc_price(client, market.quote_symbol)
    )


async def asset_placement(client: BackpackClient, fields: Mapping[str, Any]) -> Placement:
    """Return what a quantity of an asset amounts to: a loan, a purchase of vault tokens, a withdrawal.

    Raises:   LimitReached when it cannot be valued.
    """
    asset, quantity = fields["symbol"], Decimal(fields["quantity"])
    return Placement(asset, asset, quantity, quantity * await _usdc_price(client, asset))


async def known_names(client: BackpackClient) -> set[str]:
    """Return the names of all markets and assets."""
    markets, assets = await client.get_markets(), await client.get_assets()
    names = {name for market in markets for name in (market.symbol, market.base_symbol, market.quote_symbol)}
    return names | {asset.symbol for asset in assets}


def _quantity(fields: Mapping[str, Any]) -> Decimal:
    text = fields.get("quantity", fields.get("triggerQuantity"))
    if text is None or str(text).endswith("%"):
        raise LimitReached(
            "What this is worth cannot be told without a quantity, or from a percentage: give the quantity itself."
        )
    return Decimal(text)


async def _market(client: BackpackClient, symbol: str) -> Market:
    return client.market_rules.get(symbol) or await client.get_market(symbol)


async def _usdc_price(client: BackpackClient, asset: str) -> Decimal:
    if asset == CURRENCY:
        return Decimal(1)
    try:
        prices = await _market_prices(client, f"{asset}_{CURRENCY}")
    except Refused:
        prices = []
    if not prices:
        raise LimitReached(f"What this is worth cannot be told: there is no price of {asset} in {CURRENCY}.")
    return max(prices)


async def _market_prices(client: BackpackClient, symbol: str, reach: Decimal = Decimal(0)) -> list[Decimal]:
    """Return last price, best bid, and the price of the last ask that a purchase of `reach` would take."""
    ticker = await client.get_ticker(symbol)
    book = await client.get_depth(symbol)
    prices = [] if ticker is None else [ticker.last_price]
    prices += [Decimal(price) for price, _ in book.bids[-1:]]
    prices += price_reached(book, reach)
    return [price for price in prices if price > 0]


def price_reached(book: DepthSnapshot, quantity: Decimal) -> list[Decimal]:
    """Return the price of the last ask that a purchase of a quantity would take, at least the best; empty without asks.

    Raises:   LimitReached when the book does not hold so much.
    """
    left = quantity
    for price, size in book.asks:
        left -= Decimal(size)
        if left <= 0:
            return [Decimal(price)]
    if not book.asks:
        return []
    raise LimitReached("What this is worth cannot be told: the order book holds less than that.")
