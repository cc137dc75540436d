"""Show the whole state of the simulation as JSON with exact decimal text, for tests, the demo and the curious.

This is no part of Backpack's interface: real exchanges do not show other people's accounts.
"""

from decimal import Decimal, localcontext

from backpack_connector.protocol.units import decimal_text

from .accounts import Account
from .engine import Exchange
from .futures_payloads import collateral_payload, position_payload
from .ledger import EXACT, Ledger
from .orders import Fill, Order
from .payloads import Json, levels_payload, optional_text
from .traded_market import TradedMarket

_ALL_LEVELS = 100_000


def truth_payload(exchange: Exchange, *, seed: int, now_us: int, account_id: str | None = None) -> Json:
    """Return everything, or everything about one account; `accounts` is empty when there is no such account."""
    accounts = [account for account in exchange.accounts if account_id is None or account.account_id == account_id]
    truth: Json = {
        "accounts": {account.account_id: _account(account, exchange) for account in accounts},
        "assets": _assets(exchange.ledger),
        "clearingHouse": _clearing_house(exchange),
        "faucet": {asset: decimal_text(amount) for asset, amount in sorted(exchange.accounts.faucet.items())},
        "seed": seed,
        "timeUs": now_us,
    }
    if account_id is None:
        truth["markets"] = {symbol: _market(market) for symbol, market in exchange.markets.items()}
    return truth


def _assets(ledger: Ledger) -> dict[str, dict[str, str]]:
    totals = ledger.totals()
    return {
        asset: {
            "collectedFees": decimal_text(ledger.fees.get(asset, Decimal(0))),
            "deposited": decimal_text(ledger.deposited[asset]),
            "total": decimal_text(totals.get(asset, Decimal(0))),
        }
        for asset in sorted(ledger.deposited)
    }


def _clearing_house(exchange: Exchange) -> dict[str, str]:
    """Return what the clearing house has, and what it must have: unrealised profits and claims of all accounts."""
    ledger = exchange.ledger
    with localcontext(EXACT):
        owed = sum((ledger.unsettled(account.account_id) for account in exchange.accounts), Decimal(0))
        for account in exchange.accounts:
            for position in ledger.positions(account.account_id).values():
                owed += position.unrealized(exchange.markets[position.symbol].mark_price)
    return {"balance": decimal_text(ledger.house), "owed": decimal_text(owed)}


def _market(market: TradedMarket) -> Json:
    book = market.book
    payload: Json = {
        "asks": levels_payload(book.asks.best_levels(_ALL_LEVELS)),
        "bids": levels_payload(book.bids.best_levels(_ALL_LEVELS)),
        "isCrossed": book.is_crossed,
        "lastPrice": decimal_text(market.last_price),
        "lastUpdateId": book.update_id,
        "marketType": market.instrument.market_type.value,
        "state": market.state.value,
        "tradeCount": len(market.trades),
    }
    if market.prices is not None:
        payload["fundingRate"] = decimal_text(market.funding_rate)
        payload["indexPrice"] = decimal_text(market.index_price)
        payload["markPrice"] = decimal_text(market.mark_price)
        payload["settledFunding"] = [
            {"endUs": row.end_us, "fundingRate": decimal_text(row.rate)} for row in market.settled_funding
        ]
    return payload


def _account(account: Account, exchange: Exchange) -> Json:
    ledger = exchange.ledger
    return {
        "balances": {
            asset: {"available": decimal_text(balance.available), "locked": decimal_text(balance.locked)}
            for asset, balance in sorted(ledger.balances(account.account_id).items())
        },
        "fees": {
            "futuresMakerBps": decimal_text(account.futures_maker_fee_bps),
            "futuresTakerBps": decimal_text(account.futures_taker_fee_bps),
            "spotMakerBps": decimal_text(account.spot_maker_fee_bps),
            "spotTakerBps": decimal_text(account.spot_taker_fee_bps),
        },
        "fundingPayments": [
            {
                "fundingRate": decimal_text(row.rate),
                "intervalEndUs": row.interval_end_us,
                "quantity": decimal_text(row.amount),
                "symbol": row.symbol,
            }
            for row in account.funding_payments
        ],
        "fills": [fill_truth(fill) for fill in account.fills],
        "isBackground": account.is_background,
        "margin": collateral_payload(exchange.risk.margin(account)),
        "openOrders": [order_truth(order) for order in account.open_orders.values()],
        "openedUs": account.opened_us,
        "orderHistory": [order_truth(order) for order in account.orders.values()],
        "positions": {view.symbol: position_payload(view) for view in exchange.risk.views(account)},
        "triggerOrders": [order_truth(order) for order in account.trigger_orders.values()],
    }


def order_truth(order: Order) -> Json:
    """Return an order with all that the engine knows about it; times in microseconds."""
    return {
        "clientId": order.client_id,
        "createdUs": order.created_us,
        "executedQuantity": decimal_text(order.executed_quantity),
        "executedQuoteQuantity": decimal_text(order.executed_quote_quantity),
        "expiryReason": None if order.expiry_reason is None else order.expiry_reason.value,
        "orderId": order.order_id,
        "orderType": order.order_type.value,
        "postOnly": order.post_only,
        "price": optional_text(order.price),
        "quantity": optional_text(order.quantity),
        "quoteQuantity": decimal_text(order.quote_quantity),
        "relatedOrderId": order.related_order_id,
        "side": order.side.value,
        "status": order.status.value,
        "symbol": order.symbol,
        "timeInForce": order.time_in_force.value,
        "triggerPrice": None if order.trigger is None else decimal_text(order.trigger.price),
        "triggerQuantity": None if order.trigger is None else order.trigger.quantity_text,
    }


def fill_truth(fill: Fill) -> Json:
    """Return an execution of an account."""
    return {
        "clientId": fill.client_id,
        "fee": decimal_text(fill.fee),
        "feeSymbol": fill.fee_symbol,
        "isMaker": fill.is_maker,
        "orderId": fill.order_id,
        "price": decimal_text(fill.price),
        "quantity": decimal_text(fill.quantity),
        "side": fill.side.value,
        "symbol": fill.symbol,
        "timestampUs": fill.time_us,
        "tradeId": fill.trade_id,
    }
