"""Hummingbot's own suite for perpetual connectors; what spot shares of the payloads is in tests.spot.conformance."""

import asyncio
import json
import re
import time
from contextlib import suppress
from decimal import Decimal
from functools import partial
from typing import Any
from unittest.mock import AsyncMock

from aioresponses import aioresponses
from hummingbot.connector.test_support.perpetual_derivative_test import AbstractPerpetualDerivativeTests
from hummingbot.connector.trading_rule import TradingRule
from hummingbot.core.data_type.common import PositionAction, PositionMode, TradeType
from hummingbot.core.data_type.in_flight_order import InFlightOrder
from hummingbot.core.data_type.trade_fee import AddedToCostTradeFee, TokenAmount, TradeFeeBase
from hummingbot.core.event.event_logger import EventLogger
from hummingbot.core.event.events import AccountEvent

from backpack_connector.protocol.enums import MarketType
from backpack_connector.protocol.messages import MarkPriceUpdate, parse_message
from backpack_connector.protocol.units import iso_from_us
from backpack_perpetual_connector.backpack_perpetual_derivative import BackpackPerpetualDerivative
from tests.spot.conformance import API_KEY, API_SECRET, Callback, Json, Payloads, any_query, no_callback, url

NEXT_HOUR_S = (int(time.time()) // 3_600 + 1) * 3_600


class TestBackpackPerpetualDerivative(Payloads, AbstractPerpetualDerivativeTests.PerpetualDerivativeTests):  # type: ignore[misc]
    market_type = MarketType.PERP
    fee_token = "USDC"

    def create_exchange_instance(self) -> BackpackPerpetualDerivative:
        exchange = BackpackPerpetualDerivative(API_KEY, API_SECRET, trading_pairs=[self.trading_pair])
        # Tests from the spot suite track orders of which nobody says whether they open or close; none can be placed.
        exchange.start_tracking_order = partial(exchange.start_tracking_order, position_action=PositionAction.OPEN)
        return exchange

    def exchange_symbol_for_tokens(self, base_token: str, quote_token: str) -> str:
        return f"{base_token}_{quote_token}_PERP"

    # Orders

    def own_order_fields(self, order: InFlightOrder) -> Json:
        return {"reduceOnly": True} if order.position is PositionAction.CLOSE else {}

    @property
    def expected_fill_fee(self) -> TradeFeeBase:
        return AddedToCostTradeFee(
            percent_token=self.fee_token, flat_fees=[TokenAmount(token=self.fee_token, amount=Decimal("30"))]
        )

    @property
    def expected_trading_rule(self) -> TradingRule:
        rule = super().expected_trading_rule
        rule.buy_order_collateral_token = rule.sell_order_collateral_token = "USDC"
        return rule

    def test_get_buy_and_sell_collateral_tokens(self) -> None:
        assert self.exchange.get_buy_collateral_token(self.trading_pair) == "USDC"
        assert self.exchange.get_sell_collateral_token(self.trading_pair) == "USDC"

    # Balances

    @property
    def balance_url(self) -> str:
        return url("get_collateral")

    def _margin_summary(self, quantity: str, available: str) -> Json:
        row = {
            "symbol": "USDC",
            "assetMarkPrice": "1",
            "totalQuantity": quantity,
            "balanceNotional": quantity,
            "collateralWeight": "1",
            "collateralValue": quantity,
            "openOrderQuantity": "0",
            "lendQuantity": "0",
            "availableQuantity": quantity,
        }
        return {
            "assetsValue": quantity,
            "borrowLiability": "0",
            "collateral": [row],
            "imf": "0.02",
            "unsettledEquity": "0",
            "liabilitiesValue": "0",
            "marginFraction": None,
            "mmf": "0.0125",
            "netEquity": quantity,
            "netEquityAvailable": available,
            "netEquityLocked": str(Decimal(quantity) - Decimal(available)),
            "netExposureFutures": "0",
            "pnlUnrealized": "0",
        }

    @property
    def balance_request_mock_response_for_base_and_quote(self) -> Json:
        return self._margin_summary("2000", "1500")

    @property
    def balance_request_mock_response_only_base(self) -> Json:
        return self._margin_summary("15", "10")

    @property
    def balance_event_websocket_update(self) -> Json:
        data = {
            "A": "1985",
            "E": 1640780000000000,
            "L": "0",
            "S": "0",
            "T": 1640780000000000,
            "a": "USDC",
            "e": "balanceUpdate",
        }
        return {"data": data, "stream": "account.balanceUpdate"}

    @aioresponses()  # type: ignore[untyped-decorator]
    async def test_update_balances(self, mock_api: aioresponses) -> None:
        """The balances of the suite are those of assets; here it is the net equity of all, in USDC."""
        for summary, total, available in (
            (self.balance_request_mock_response_for_base_and_quote, 2000, 1500),
            (self.balance_request_mock_response_only_base, 15, 10),
        ):
            self._configure_balance_response(response=summary, mock_api=mock_api)
            await self.exchange._update_balances()
            assert self.exchange.get_all_balances() == {"USDC": total}
            assert self.exchange.available_balances == {"USDC": available}

    @aioresponses()  # type: ignore[untyped-decorator]
    async def test_user_stream_balance_update(self, mock_api: aioresponses) -> None:
        """An update of the suite is a balance; here it moves the net equity that the exchange has reported."""
        self._configure_balance_response(self.balance_request_mock_response_for_base_and_quote, mock_api)
        await self.exchange._update_balances()
        queue = AsyncMock()
        queue.get.side_effect = [self.balance_event_websocket_update, asyncio.CancelledError]
        self.exchange._user_stream_tracker._user_stream = queue
        with suppress(asyncio.CancelledError):
            await self.exchange._user_stream_event_listener()
        assert self.exchange.get_balance("USDC") == 1985
        assert self.exchange.get_available_balance("USDC") == 1485

    # Positions

    def position_event_for_full_fill_websocket_update(self, order: InFlightOrder, unrealized_pnl: float) -> Json:
        quantity = order.amount if order.trade_type is TradeType.BUY else -order.amount
        mark_price = order.price + Decimal(unrealized_pnl) / quantity
        data = {
            "B": str(order.price),
            "E": 1640780000500130,
            "M": str(mark_price),
            "P": "0.0009",
            "Q": str(order.amount),
            "T": 1640780000500100,
            "b": str(order.price),
            "e": "positionOpened",
            "f": "0.02",
            "i": 28563667732,
            "l": "0",
            "m": "0.0135",
            "n": str(order.amount * mark_price),
            "p": "0",
            "q": str(quantity),
            "s": self.exchange_trading_pair,
        }
        return {"data": data, "stream": "account.positionUpdate"}

    # Position mode

    @property
    def expected_supported_position_modes(self) -> list[PositionMode]:
        return [PositionMode.ONEWAY]

    def configure_successful_set_position_mode(self, *_: Any, **__: Any) -> None:
        raise AssertionError("the exchange has no operation for the position mode")

    def configure_failed_set_position_mode(self, *_: Any, **__: Any) -> None:
        raise AssertionError("the exchange has no operation for the position mode")

    @aioresponses()  # type: ignore[untyped-decorator]
    async def test_set_position_mode_failure(self, mock_api: aioresponses) -> None:
        """The suite wants the exchange to refuse HEDGE; it has no position mode at all, so nobody is asked."""
        self.exchange.set_position_mode(PositionMode.HEDGE)
        await asyncio.sleep(0)
        assert self.is_logged("ERROR", f"Position mode {PositionMode.HEDGE} is not supported. Mode not set.")
        assert self.exchange.position_mode is PositionMode.ONEWAY
        assert mock_api.requests == {}

    @aioresponses()  # type: ignore[untyped-decorator]
    async def test_set_position_mode_success(self, mock_api: aioresponses) -> None:
        """The suite switches to HEDGE and back; one-way is all there is, and it is there from the beginning."""
        heard = EventLogger()
        self.exchange.add_listener(AccountEvent.PositionModeChangeSucceeded, heard)
        await self.exchange._execute_set_position_mode(PositionMode.ONEWAY)
        assert [event.position_mode for event in heard.event_log] == [PositionMode.ONEWAY]
        assert mock_api.requests == {}

    # Leverage

    def configure_failed_set_leverage(
        self, leverage: int, mock_api: aioresponses, callback: Callback | None = no_callback
    ) -> "tuple[str, str]":
        refusal = {"code": "INSUFFICIENT_MARGIN", "message": "Insufficient margin"}
        address = url("update_account_settings")
        mock_api.patch(address, status=400, body=json.dumps(refusal), callback=callback)
        return address, "update_account_settings: Insufficient margin (400, INSUFFICIENT_MARGIN)"

    def configure_successful_set_leverage(
        self, leverage: int, mock_api: aioresponses, callback: Callback | None = no_callback
    ) -> str:
        mock_api.patch(url("update_account_settings"), body="", callback=callback)
        return url("update_account_settings")

    # Funding

    @property
    def funding_info_url(self) -> "re.Pattern[str]":
        return any_query("get_mark_prices")

    @property
    def funding_payment_url(self) -> "re.Pattern[str]":
        return any_query("get_funding_payments")

    @property
    def funding_info_mock_response(self) -> list[Json]:
        row = {
            "fundingRate": str(self.target_funding_info_rate),
            "indexPrice": str(self.target_funding_info_index_price),
            "markPrice": str(self.target_funding_info_mark_price),
            "nextFundingTimestamp": self.target_funding_info_next_funding_utc_timestamp * 1000,
            "symbol": self.exchange_trading_pair,
        }
        return [row]

    def funding_info_event_for_websocket_update(self) -> MarkPriceUpdate:
        next_funding_s = self.target_funding_info_next_funding_utc_timestamp_ws_updated
        data = {
            "E": 1640780000000000,
            "T": 1640780000000000,
            "e": "markPrice",
            "f": str(self.target_funding_info_rate_ws_updated),
            "i": str(self.target_funding_info_index_price_ws_updated),
            "n": next_funding_s * 1000,
            "p": str(self.target_funding_info_mark_price_ws_updated),
            "s": self.exchange_trading_pair,
        }
        message = parse_message({"data": data, "stream": f"markPrice.{self.exchange_trading_pair}"})
        assert isinstance(message, MarkPriceUpdate)
        return message

    @property
    def target_funding_payment_timestamp(self) -> int:
        return NEXT_HOUR_S  # what was paid before a connector started is not told

    @property
    def empty_funding_payment_mock_response(self) -> list[Json]:
        return []

    @property
    def funding_payment_mock_response(self) -> list[Json]:
        row = {
            "fundingRate": str(self.target_funding_payment_funding_rate),
            "intervalEndTimestamp": iso_from_us(self.target_funding_payment_timestamp * 1_000_000),
            "quantity": str(self.target_funding_payment_payment_amount),
            "subaccountId": 0,
            "symbol": self.exchange_trading_pair,
            "userId": 0,
        }
        return [row]
