"""Feed Hummingbot's own suites for connectors with payloads in the shapes of API §2.3 and §3.4.

What both kinds of market share is here. Where a suite and a required behaviour seem to differ, a comment at the fixture
says how both hold.
"""

import asyncio
import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from unittest import mock

from aioresponses import aioresponses
from aioresponses.core import RequestCall
from hummingbot.connector.trading_rule import TradingRule
from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.core.data_type.in_flight_order import InFlightOrder
from hummingbot.core.data_type.trade_fee import TradeFeeBase

from backpack_connector import backpack_web_utils
from backpack_connector.protocol.endpoints import endpoint
from backpack_connector.protocol.signing import is_signed_by, signing_text
from tests.spot.conformance_rows import Json, Rows

# A pair that Backpack's own Python guide prints (API §1.8, K1).
API_KEY = "zDIJj9qneWIY0IYZ5aXoHcNMCm+XDhVcTssiT0HyY0A="
API_SECRET = "4odxgSUxFrC/zsKWZF4OQwYAgnNu9hnWH3NxWfLAPz4="

Callback = Callable[..., None]


def no_callback(*_: Any, **__: Any) -> None:
    return None


def url(operation_id: str, query: str = "") -> str:
    return backpack_web_utils.rest_url(endpoint(operation_id).path) + query


def any_query(operation_id: str) -> "re.Pattern[str]":
    return re.compile("^" + re.escape(url(operation_id)) + r"(\?.*)?$")


class Payloads(Rows):
    """What the exchange answers, tells and gets, for a suite that stands behind it among the base classes."""

    def setUp(self) -> None:
        super().setUp()
        # A test of the suite that two classes share also shares its mock, which does not forget what it was asked.
        start = aioresponses.start

        def start_afresh(mock_api: aioresponses) -> None:
            mock_api.requests.clear()
            start(mock_api)

        patcher = mock.patch.object(aioresponses, "start", start_afresh)
        patcher.start()
        self.addCleanup(patcher.stop)

    @property
    def open_orders_url(self) -> str:
        return url("get_open_orders", f"?marketType={self.market_type.value}")

    # Addresses

    @property
    def all_symbols_url(self) -> str:
        return url("get_markets", f"?marketType={self.market_type.value}")

    @property
    def trading_rules_url(self) -> str:
        return self.all_symbols_url

    @property
    def latest_prices_url(self) -> str:
        return url("get_ticker", f"?symbol={self.exchange_trading_pair}")

    @property
    def network_status_url(self) -> str:
        return url("get_status")

    @property
    def order_creation_url(self) -> str:
        return url("execute_order")

    # Answers

    @property
    def all_symbols_request_mock_response(self) -> list[Json]:
        return [self._market_row(self.exchange_trading_pair, self.base_asset, self.quote_asset)]

    @property
    def all_symbols_including_invalid_pair_mock_response(self) -> tuple[str, list[Json]]:
        closed = self._market_row("INVALID_PAIR", "INVALID", "PAIR", orderBookState="Closed")
        return "INVALID-PAIR", [*self.all_symbols_request_mock_response, closed]

    @property
    def latest_prices_request_mock_response(self) -> Json:
        return {
            "firstPrice": "9900.5",
            "high": "10100",
            "lastPrice": str(self.expected_latest_price),
            "low": "9800",
            "priceChange": "99",
            "priceChangePercent": "0.009999",
            "quoteVolume": "28695174.189628",
            "symbol": self.exchange_trading_pair,
            "trades": "24843",
            "volume": "6732.4927",
        }

    @property
    def network_status_request_successful_mock_response(self) -> Json:
        return {"message": None, "status": "Ok"}

    @property
    def trading_rules_request_mock_response(self) -> list[Json]:
        return self.all_symbols_request_mock_response

    @property
    def trading_rules_request_erroneous_mock_response(self) -> list[Json]:
        row = self._market_row(self.exchange_trading_pair, self.base_asset, self.quote_asset)
        del row["filters"]
        return [row]

    @property
    def order_creation_request_successful_mock_response(self) -> Json:
        # The suite gives the same answer to every order, so that it can name none.
        return {**self._order_row("1", self.expected_exchange_order_id, "Bid", "10000", "100", "New"), "clientId": None}

    # Expectations

    @property
    def expected_latest_price(self) -> float:
        return 9999.9

    @property
    def expected_supported_order_types(self) -> list[OrderType]:
        return [OrderType.LIMIT, OrderType.LIMIT_MAKER, OrderType.MARKET]

    @property
    def expected_trading_rule(self) -> TradingRule:
        return TradingRule(
            trading_pair=self.trading_pair,
            min_order_size=Decimal("0.01"),
            min_price_increment=Decimal("0.0001"),
            min_base_amount_increment=Decimal("0.000001"),
        )

    @property
    def expected_logged_error_for_erroneous_trading_rule(self) -> str:
        return (
            "A market is left out because its rules cannot be read: "
            f"get_markets[{self.exchange_trading_pair}]: Object missing required field `filters`"
        )

    @property
    def expected_exchange_order_id(self) -> str:
        return "66605329178"

    @property
    def is_order_fill_http_update_included_in_status_update(self) -> bool:
        return True

    @property
    def is_order_fill_http_update_executed_during_websocket_order_event_processing(self) -> bool:
        return False

    @property
    def expected_partial_fill_price(self) -> Decimal:
        return Decimal("10500")

    @property
    def expected_partial_fill_amount(self) -> Decimal:
        return Decimal("0.5")

    @property
    def expected_fill_fee(self) -> TradeFeeBase:
        raise NotImplementedError

    @property
    def expected_fill_trade_id(self) -> str:
        return "2888471"

    # What was sent

    def validate_auth_credentials_present(self, request_call: RequestCall) -> None:
        headers = request_call.kwargs["headers"]
        assert headers["X-API-Key"] == API_KEY
        body = request_call.kwargs["data"]
        fields = json.loads(body) if body else dict(request_call.kwargs["params"] or {})
        timestamp_ms, window_ms = int(headers["X-Timestamp"]), int(headers["X-Window"])
        assert any(
            is_signed_by(API_KEY, headers["X-Signature"], signing_text(instruction, fields, timestamp_ms, window_ms))
            for instruction in (
                "orderExecute",
                "orderCancel",
                "orderQueryAll",
                "orderHistoryQueryAll",
                "fillHistoryQueryAll",
            )
        )

    def validate_order_creation_request(self, order: InFlightOrder, request_call: RequestCall) -> None:
        assert json.loads(request_call.kwargs["data"]) == {
            "clientId": int(order.client_order_id),
            "orderType": "Limit",
            "price": "10000",
            "quantity": "100",
            "side": "Bid" if order.trade_type is TradeType.BUY else "Ask",
            "symbol": self.exchange_trading_pair,
            "timeInForce": "GTC",
            **self.own_order_fields(order),
        }
        assert request_call.kwargs["headers"]["X-BROKER-ID"] == "2200"

    def own_order_fields(self, order: InFlightOrder) -> Json:
        """Return what only orders in this kind of market have."""
        return {}

    def validate_order_cancelation_request(self, order: InFlightOrder, request_call: RequestCall) -> None:
        fields = json.loads(request_call.kwargs["data"])
        assert fields == {"orderId": order.exchange_order_id, "symbol": self.exchange_trading_pair}
        assert "X-BROKER-ID" not in request_call.kwargs["headers"]

    def validate_order_status_request(self, order: InFlightOrder, request_call: RequestCall) -> None:
        params = request_call.kwargs["params"]
        assert params["marketType"] == self.market_type.value
        assert params.get("orderId") in (None, order.exchange_order_id)
        assert request_call.kwargs.get("data") is None

    def validate_trades_request(self, order: InFlightOrder, request_call: RequestCall) -> None:
        assert request_call.kwargs["params"] == {
            "limit": "1000",
            "offset": "0",
            "orderId": order.exchange_order_id,
            "symbol": self.exchange_trading_pair,
        }

    # Cancelling

    def configure_successful_cancelation_response(
        self, order: InFlightOrder, mock_api: aioresponses, callback: Callback | None = no_callback
    ) -> str:
        row = self._row_of(order, "Cancelled")
        mock_api.delete(url("cancel_order"), body=json.dumps(row), callback=callback)
        return url("cancel_order")

    def configure_erroneous_cancelation_response(
        self, order: InFlightOrder, mock_api: aioresponses, callback: Callback | None = no_callback
    ) -> str:
        refusal = {"code": "INVALID_CLIENT_REQUEST", "message": "Invalid market symbol"}
        mock_api.delete(url("cancel_order"), status=400, body=json.dumps(refusal), callback=callback)
        return url("cancel_order")

    def configure_order_not_found_error_cancelation_response(
        self, order: InFlightOrder, mock_api: aioresponses, callback: Callback | None = no_callback
    ) -> str:
        # Only the lists can tell that an order is gone (F42), so the question is not over before they have answered.
        refusal = {"code": "INVALID_CLIENT_REQUEST", "message": "Order not found"}
        mock_api.delete(url("cancel_order"), status=400, body=json.dumps(refusal))
        self._configure_lists(mock_api)
        mock_api.get(any_query("get_fills"), body="[]", callback=_a_moment_later(callback))
        return url("cancel_order")

    def configure_one_successful_one_erroneous_cancel_all_response(
        self, successful_order: InFlightOrder, erroneous_order: InFlightOrder, mock_api: aioresponses
    ) -> list[str]:
        # Cancels go out in the order of the orders.
        return [
            self.configure_successful_cancelation_response(successful_order, mock_api),
            self.configure_erroneous_cancelation_response(erroneous_order, mock_api),
        ]

    # What became of an order: open orders, then the history, then fills

    def _configure_lists(
        self,
        mock_api: aioresponses,
        resting: list[Json] | None = None,
        history: list[Json] | None = None,
        callback: Callback | None = no_callback,
    ) -> None:
        mock_api.get(
            self.open_orders_url,
            body=json.dumps(resting or []),
            callback=None if history else callback,
            repeat=True,  # a perpetual connector asks for them also for the margin that they lock
        )
        mock_api.get(
            any_query("get_order_history"), body=json.dumps(history or []), callback=callback if history else None
        )

    def configure_completely_filled_order_status_response(
        self, order: InFlightOrder, mock_api: aioresponses, callback: Callback | None = no_callback
    ) -> list[str]:
        row = self._historical(self._row_of(order, "Filled", executed=str(order.amount)))
        self._configure_lists(mock_api, history=[row], callback=callback)
        return [self.open_orders_url, url("get_order_history")]

    def configure_canceled_order_status_response(
        self, order: InFlightOrder, mock_api: aioresponses, callback: Callback | None = no_callback
    ) -> list[str]:
        self._configure_lists(mock_api, history=[self._historical(self._row_of(order, "Cancelled"))], callback=callback)
        return [self.open_orders_url, url("get_order_history")]

    def configure_open_order_status_response(
        self, order: InFlightOrder, mock_api: aioresponses, callback: Callback | None = no_callback
    ) -> list[str]:
        self._configure_lists(mock_api, resting=[self._row_of(order, "New")], callback=callback)
        return [self.open_orders_url]

    def configure_http_error_order_status_response(
        self, order: InFlightOrder, mock_api: aioresponses, callback: Callback | None = no_callback
    ) -> str:
        # The suite wants the order to be counted as not found. An error must not count (F30); complete lists
        # without the order must, and that is how the exchange tells that it has no such order.
        self._configure_lists(mock_api, callback=callback)
        mock_api.get(any_query("get_fills"), body="[]")
        return self.open_orders_url

    def configure_order_not_found_error_order_status_response(
        self, order: InFlightOrder, mock_api: aioresponses, callback: Callback | None = no_callback
    ) -> list[str]:
        self._configure_lists(mock_api, callback=callback)
        mock_api.get(any_query("get_fills"), body="[]")
        return [self.open_orders_url]

    def configure_partially_filled_order_status_response(
        self, order: InFlightOrder, mock_api: aioresponses, callback: Callback | None = no_callback
    ) -> str:
        row = self._row_of(order, "PartiallyFilled", executed=str(self.expected_partial_fill_amount))
        self._configure_lists(mock_api, resting=[row], callback=callback)
        return self.open_orders_url

    def configure_partial_fill_trade_response(
        self, order: InFlightOrder, mock_api: aioresponses, callback: Callback | None = no_callback
    ) -> str:
        row = self._fill_row(order, self.expected_partial_fill_price, self.expected_partial_fill_amount)
        mock_api.get(any_query("get_fills"), body=json.dumps([row]), callback=callback)
        return url("get_fills")

    def configure_full_fill_trade_response(
        self, order: InFlightOrder, mock_api: aioresponses, callback: Callback | None = no_callback
    ) -> str:
        row = self._fill_row(order, order.price, order.amount)
        mock_api.get(any_query("get_fills"), body=json.dumps([row]), callback=callback)
        return url("get_fills")

    def configure_erroneous_http_fill_trade_response(
        self, order: InFlightOrder, mock_api: aioresponses, callback: Callback | None = no_callback
    ) -> str:
        if order.client_order_id in self.exchange.order_tracker.lost_orders:
            # An outage must not remove a lost order (F30): of an order that never was, the exchange lists no fills.
            mock_api.get(any_query("get_fills"), body="[]", callback=callback)
        else:
            mock_api.get(any_query("get_fills"), status=503, body="Service Unavailable", callback=callback)
        return ""  # the suite's order has all its fills, and then they are not asked again

    # Events

    def order_event_for_new_order_websocket_update(self, order: InFlightOrder) -> Json:
        return self._order_event(order, "orderAccepted", "New")

    def order_event_for_canceled_order_websocket_update(self, order: InFlightOrder) -> Json:
        return self._order_event(order, "orderCancelled", "Cancelled")

    def order_event_for_full_fill_websocket_update(self, order: InFlightOrder) -> Json:
        fee = self.expected_fill_fee.flat_fees[0]
        return self._order_event(
            order,
            "orderFill",
            "Filled",
            L=str(order.price),
            N=fee.token,
            Z=str(order.price * order.amount),
            l=str(order.amount),
            m=False,
            n=str(fee.amount),
            t=int(self.expected_fill_trade_id),
            z=str(order.amount),
        )

    def trade_event_for_full_fill_websocket_update(self, order: InFlightOrder) -> None:
        # There is no stream of fills alone: the order event above carries the fill.
        return None


def _a_moment_later(callback: Callback | None) -> Callback:
    """Call back when the answer that is given now has been worked in."""

    def wait(*_: Any, **__: Any) -> None:
        if callback is not None:
            asyncio.get_running_loop().call_later(0.02, callback)

    return wait
