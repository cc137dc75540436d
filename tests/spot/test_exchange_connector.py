"""Hummingbot's own suite for exchange connectors; the payloads are in `conformance`."""

from decimal import Decimal

from aioresponses import aioresponses
from hummingbot.connector.test_support.exchange_connector_test import AbstractExchangeConnectorTests
from hummingbot.core.data_type.trade_fee import AddedToCostTradeFee, TokenAmount, TradeFeeBase

from backpack_connector.backpack_exchange import BackpackExchange
from backpack_connector.protocol.enums import MarketType
from tests.spot.conformance import API_KEY, API_SECRET, Callback, Json, Payloads, no_callback, url


class TestBackpackExchange(Payloads, AbstractExchangeConnectorTests.ExchangeConnectorTests):  # type: ignore[misc]
    market_type = MarketType.SPOT

    @property
    def fee_token(self) -> str:
        # In quote on a buy, as with a rebate or a fee token: then it is not taken from what the buy returns (F43).
        return str(self.quote_asset)

    @property
    def expected_fill_fee(self) -> TradeFeeBase:
        return AddedToCostTradeFee(
            percent_token=self.fee_token, flat_fees=[TokenAmount(token=self.fee_token, amount=Decimal("30"))]
        )

    @property
    def balance_url(self) -> str:
        return url("get_balances")

    @property
    def balance_request_mock_response_for_base_and_quote(self) -> Json:
        return {
            self.base_asset: {"available": "10", "locked": "5", "staked": "0"},
            self.quote_asset: {"available": "2000", "locked": "0", "staked": "0"},
        }

    @property
    def balance_request_mock_response_only_base(self) -> Json:
        return {self.base_asset: {"available": "10", "locked": "5", "staked": "0"}}

    def _configure_balance_response(
        self, response: Json, mock_api: aioresponses, callback: Callback | None = no_callback
    ) -> str:
        # Lent funds are part of the balances (F15), so they are asked as well.
        mock_api.get(url("get_borrow_lend_positions"), body="[]")
        return str(super()._configure_balance_response(response=response, mock_api=mock_api, callback=callback))

    @property
    def balance_event_websocket_update(self) -> Json:
        data = {
            "A": "10",
            "E": 1640780000000000,
            "L": "5",
            "S": "0",
            "T": 1640780000000000,
            "a": self.base_asset,
            "e": "balanceUpdate",
        }
        return {"data": data, "stream": "account.balanceUpdate"}

    def exchange_symbol_for_tokens(self, base_token: str, quote_token: str) -> str:
        return f"{base_token}_{quote_token}"

    def create_exchange_instance(self) -> BackpackExchange:
        return BackpackExchange(API_KEY, API_SECRET, trading_pairs=[self.trading_pair])
