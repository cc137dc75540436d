"""Build single rows and messages for Hummingbot's own suites, in the shapes of API §2.3 and §3.4."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hummingbot.core.data_type.common import TradeType
from hummingbot.core.data_type.in_flight_order import InFlightOrder

from backpack_connector.protocol.enums import MarketType

Json = dict[str, Any]

if TYPE_CHECKING:
    from hummingbot.connector.test_support.exchange_connector_test import AbstractExchangeConnectorTests

    _Suite = AbstractExchangeConnectorTests.ExchangeConnectorTests
else:
    _Suite = object


class Rows(_Suite):  # type: ignore[misc]
    """The rows of one kind of market, for a suite that stands behind it among the base classes."""

    market_type: MarketType
    fee_token: str
    """In what the fills of the suite are charged."""

    def _market_row(self, symbol: str, base: str, quote: str, **changes: Any) -> Json:
        row: Json = {
            "baseSymbol": base,
            "createdAt": "2025-01-21T06:34:54.691858",
            "filters": {
                "price": {
                    "borrowEntryFeeMaxMultiplier": None,
                    "borrowEntryFeeMinMultiplier": None,
                    "discoveryBoundBand": None,
                    "maxImpactMultiplier": "1.01",
                    "maxMultiplier": "2",
                    "maxPrice": None,
                    "maxPriceUpdateMultiplier": None,
                    "meanMarkPriceBand": {"maxMultiplier": "1.03", "minMultiplier": "0.97"},
                    "meanPremiumBand": None,
                    "minImpactMultiplier": "0.99",
                    "minMultiplier": "0.25",
                    "minPrice": "0.0001",
                    "minPriceUpdateMultiplier": None,
                    "tickSize": "0.0001",
                },
                "quantity": {"maxQuantity": None, "minQuantity": "0.01", "stepSize": "0.000001"},
            },
            "fundingInterval": None,
            "fundingRateLowerBound": None,
            "fundingRateUpperBound": None,
            "imfFunction": None,
            "marketType": self.market_type.value,
            "mmfFunction": None,
            "openInterestLimit": "0",
            "orderBookState": "Open",
            "positionLimitWeight": None,
            "quoteSymbol": quote,
            "rwaMarketType": None,
            "symbol": symbol,
            "visible": True,
        }
        row.update(changes)
        return row

    def _order_row(
        self, client_id: str, order_id: str, side: str, price: str, quantity: str, status: str, executed: str = "0"
    ) -> Json:
        return {
            "clientId": int(client_id),
            "createdAt": 1640780000123,
            "executedQuantity": executed,
            "executedQuoteQuantity": str(Decimal(executed) * Decimal(price)),
            "id": order_id,
            "orderType": "Limit",
            "postOnly": False,
            "price": price,
            "quantity": quantity,
            "reduceOnly": None,
            "relatedOrderId": None,
            "selfTradePrevention": "RejectTaker",
            "side": side,
            "status": status,
            "strategyId": None,
            "symbol": self.exchange_trading_pair,
            "timeInForce": "GTC",
            "triggerBy": None,
            "triggerPrice": None,
            "triggerQuantity": None,
            "triggeredAt": None,
        }

    def _row_of(self, order: InFlightOrder, status: str, executed: str = "0") -> Json:
        side = "Bid" if order.trade_type is TradeType.BUY else "Ask"
        order_id = order.exchange_order_id or self.expected_exchange_order_id
        return self._order_row(
            order.client_order_id, order_id, side, str(order.price), str(order.amount), status, executed
        )

    def _historical(self, row: Json) -> Json:
        kept = {
            name: value for name, value in row.items() if name not in ("reduceOnly", "relatedOrderId", "triggeredAt")
        }
        quote_quantity = str(Decimal(row["price"]) * Decimal(row["quantity"]))
        return {
            **kept,
            "createdAt": "2021-12-29T12:13:20.123",
            "expiryReason": None,
            "quoteQuantity": quote_quantity,
            "systemOrderType": None,
        }

    def _fill_row(self, order: InFlightOrder, price: Decimal, quantity: Decimal) -> Json:
        return {
            "clientId": order.client_order_id,
            "fee": str(self.expected_fill_fee.flat_fees[0].amount),
            "feeSymbol": self.fee_token,
            "isMaker": False,
            "orderId": order.exchange_order_id or self.expected_exchange_order_id,
            "price": str(price),
            "quantity": str(quantity),
            "side": "Bid" if order.trade_type is TradeType.BUY else "Ask",
            "symbol": self.exchange_trading_pair,
            "systemOrderType": None,
            "timestamp": "2021-12-29T12:13:20.5",
            "tradeId": int(self.expected_fill_trade_id),
        }

    def _order_event(self, order: InFlightOrder, event: str, status: str, **more: Any) -> Json:
        data: Json = {
            "E": 1640780000500123,
            "O": "USER",
            "Q": str(order.price * order.amount),
            "S": "Bid" if order.trade_type is TradeType.BUY else "Ask",
            "T": 1640780000500100,
            "V": "RejectTaker",
            "X": status,
            "Z": "0",
            "c": int(order.client_order_id),
            "e": event,
            "f": "GTC",
            "i": order.exchange_order_id or self.expected_exchange_order_id,
            "o": "LIMIT",
            "p": str(order.price),
            "q": str(order.amount),
            "r": False,
            "s": self.exchange_trading_pair,
            "t": None,
            "z": "0",
        }
        data.update(more)
        return {"data": data, "stream": "account.orderUpdate"}
