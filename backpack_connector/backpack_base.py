"""Hold everything that the spot and the perpetual connector share.

Raw frames and answers are parsed in `protocol` and translated in `to_hummingbot`. Orders are sent in `order_placement`,
reports applied in `order_reports`, their fate found out in `order_reconciliation`; markets are known in
`listed_markets`. Here is what holds these together: requests, network, regular questions, the private stream.
"""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from hummingbot.connector.exchange_py_base import ExchangePyBase
from hummingbot.connector.time_synchronizer import TimeSynchronizer
from hummingbot.core.api_throttler.data_types import RateLimit
from hummingbot.core.data_type.common import OrderType
from hummingbot.core.data_type.user_stream_tracker_data_source import UserStreamTrackerDataSource
from hummingbot.core.network_iterator import NetworkStatus
from hummingbot.core.utils.async_utils import safe_ensure_future
from hummingbot.core.web_assistant.web_assistants_factory import WebAssistantsFactory

from backpack_connector import backpack_constants as constants
from backpack_connector import backpack_web_utils, garbage, hummingbot_contract
from backpack_connector.account_stream import SUBSCRIBING_S, AccountStream
from backpack_connector.backpack_api_order_book_data_source import BackpackAPIOrderBookDataSource
from backpack_connector.backpack_api_user_stream_data_source import BackpackAPIUserStreamDataSource
from backpack_connector.backpack_auth import BackpackAuth
from backpack_connector.head_start import HeadStart
from backpack_connector.latency import LatencyRecorder, LatencyReport, as_text
from backpack_connector.listed_markets import ListedMarkets
from backpack_connector.network_check import NetworkCheck
from backpack_connector.order_adoption import OrderAdoption
from backpack_connector.order_batches import OrderBatch, OrderBatches
from backpack_connector.order_book_tracking import BackpackOrderBookTracker
from backpack_connector.order_cancelling import OrderCancelling
from backpack_connector.order_control import OrderControl, default_control
from backpack_connector.order_placement import OrderPlacement
from backpack_connector.order_reconciliation import OrderReconciler
from backpack_connector.order_reports import OrderReports
from backpack_connector.order_tracking import BackpackOrderTracker
from backpack_connector.order_triggers import OrderTriggers
from backpack_connector.protocol.endpoints import Endpoint, endpoint
from backpack_connector.protocol.errors import AuthenticationRefused, ClockSkew, NoAnswer
from backpack_connector.protocol.models import AccountSummary, Market, Order
from backpack_connector.protocol.rest import Parameters
from backpack_connector.protocol.streams import BALANCE_UPDATES, ORDER_UPDATES
from backpack_connector.protocol.symbols import Symbol, TradingPair
from backpack_connector.protocol.units import fraction_from_bps
from backpack_connector.protocol.wire import read
from backpack_connector.readiness import Readiness
from backpack_connector.reconnect import Backoff
from backpack_connector.request_budget import RequestBudget, rate_limits
from backpack_connector.request_sender import ExchangeClock, RequestSender
from backpack_connector.running_client import share_of_rate_limits
from backpack_connector.single_attempts import ConnectionLost
from backpack_connector.unknown_orders import UnknownOrders
from backpack_connector.warm_connections import WarmConnections


class BackpackExchangeBase(
    OrderBatches,
    OrderPlacement,
    OrderAdoption,
    OrderCancelling,
    OrderTriggers,
    AccountStream,
    OrderReports,
    UnknownOrders,
    NetworkCheck,
    ListedMarkets,
    Readiness,
    ExchangePyBase,
):
    """A Backpack account as Hummingbot sees it; a subclass says what kind of market it trades.

    Raises:   ConfigurationError at construction when a key is malformed or the two do not belong together (F26);
              HummingbotChanged when this Hummingbot lacks something that the connector relies on.
    """

    LONG_POLL_INTERVAL = 30.0
    """The poll only confirms what the streams say; it costs a handful of requests whatever the number of orders."""
    TRADING_RULES_INTERVAL = 300.0
    """The exchange's CDN keeps the market list this long (API §2.0)."""
    TRADING_FEES_INTERVAL = 3600.0
    """The fee tier is recalculated hourly (API §5.3)."""

    web_utils = backpack_web_utils
    _time_synchronizer: TimeSynchronizer

    def __init__(
        self,
        backpack_api_key: str,
        backpack_api_secret: str,
        balance_asset_limit: dict[str, dict[str, Decimal]] | None = None,
        rate_limits_share_pct: Decimal = Decimal("100"),
        trading_pairs: list[str] | None = None,
        trading_required: bool = True,
        domain: str = constants.DEFAULT_DOMAIN,
    ) -> None:
        hummingbot_contract.check()
        self._api_key = backpack_api_key
        self._api_secret = backpack_api_secret
        self._rate_limits_share_pct = share_of_rate_limits(rate_limits_share_pct)
        self._trading_pairs = trading_pairs or []
        self._trading_required = trading_required
        self._domain = domain
        self._broker_id = constants.broker_id()
        self._markets: dict[str, Market] = {}
        self._symbols: dict[str, Symbol] = {}
        self._pairs: dict[str, TradingPair | None] = {}
        self._listed = HeadStart(self._ask_markets)
        self._maker_fee: Decimal | None = None
        self._taker_fee: Decimal | None = None
        self._balances_received = False
        self._has_missed_something = False
        self._on_their_way: set[str] = set()
        self._cancels: dict[str, asyncio.Task[str | None]] = {}
        self._request_ended_at: dict[str, float] = {}
        self._controls: dict[str, OrderControl] = {}
        self._default_control = default_control()
        self._ignored_options: set[str] = set()
        self._batches: dict[str, OrderBatch] = {}
        self._awaiting_trigger: set[str] = set()
        self._is_account_exclusive = constants.is_account_exclusive()
        self._must_set_garbage_aside = constants.is_garbage_set_aside()
        self._journal = self._new_journal()
        self.latency = LatencyRecorder()
        self._evidence = self._new_evidence()
        self._executed_told: dict[str, Decimal] = {}
        self._unknown_orders: set[str] = set()
        self._unknown_orders_named = 0
        self._not_ready_since_s: float | None = None
        self._reasons_told = ""
        self._reconciler_task: asyncio.Task[None] | None = None
        self._symbols_task: asyncio.Task[Any] | None = None
        self._asking_soon: asyncio.TimerHandle | None = None
        super().__init__(balance_asset_limit, self._rate_limits_share_pct)
        self._set_order_book_tracker(
            BackpackOrderBookTracker(
                data_source=self._orderbook_ds, trading_pairs=self.trading_pairs, domain=self.domain
            )
        )
        self._reconciler = OrderReconciler(self)
        self._head_starts = self._new_head_starts()

    # What Hummingbot asks about the connector

    @property
    def name(self) -> str:
        return self._domain

    @property
    def domain(self) -> str:
        return self._domain

    @property
    def authenticator(self) -> BackpackAuth:
        # ExchangePyBase has no hook for its clock, and this is the first call after it made its own.
        if not isinstance(self._time_synchronizer, ExchangeClock):
            self._time_synchronizer = ExchangeClock()
        return BackpackAuth(self._api_key, self._api_secret, self._time_synchronizer)

    @property
    def rate_limits_rules(self) -> list[RateLimit]:
        return rate_limits()

    @property
    def client_order_id_max_length(self) -> int:
        return constants.MAX_ORDER_ID_LENGTH

    @property
    def client_order_id_prefix(self) -> str:
        return constants.HBOT_ORDER_ID_PREFIX

    @property
    def trading_rules_request_path(self) -> str:
        return constants.MARKETS_PATH_URL

    @property
    def trading_pairs_request_path(self) -> str:
        return constants.MARKETS_PATH_URL

    @property
    def check_network_request_path(self) -> str:
        return constants.NETWORK_STATUS_PATH_URL

    @property
    def trading_pairs(self) -> list[str]:
        return self._trading_pairs

    @property
    def is_cancel_request_in_exchange_synchronous(self) -> bool:
        return True

    @property
    def is_trading_required(self) -> bool:
        return self._trading_required

    @property
    def order_tracker(self) -> BackpackOrderTracker:
        """Return the tracker of this connector's orders."""
        return self._order_tracker

    @property
    def status_dict(self) -> dict[str, bool]:
        status: dict[str, bool] = super().status_dict
        # An account that holds nothing is still an account whose balances are known (F32).
        status["account_balance"] = self._balances_received or not self.is_trading_required
        status["user_stream_initialized"] = status["user_stream_initialized"] and not self._is_key_refused
        return status

    def supported_order_types(self) -> list[OrderType]:
        return [OrderType.LIMIT, OrderType.LIMIT_MAKER, OrderType.MARKET]

    # Parts

    def _create_web_assistants_factory(self) -> WebAssistantsFactory:
        # ExchangePyBase has no hook for its throttler, and this is the first call after it made its own.
        self._throttler = RequestBudget(self._auth.account, self._rate_limits_share_pct)
        self._sender = RequestSender(
            self._throttler,
            self._auth,
            self._time_synchronizer,
            self._server_time_ms,
            self.domain,
            self.latency.requests_leave,
            is_fast=constants.is_http_fast(),
            warn=self.logger().warning,
        )
        self._warm_connections = WarmConnections(constants.warm_connections(), self._sender.touch)
        return backpack_web_utils.build_api_factory(
            throttler=self._throttler,
            time_synchronizer=self._time_synchronizer,
            domain=self.domain,
            auth=self._auth,
        )

    def _create_order_book_data_source(self) -> BackpackAPIOrderBookDataSource:
        return BackpackAPIOrderBookDataSource(
            trading_pairs=self._trading_pairs,
            connector=self,
            api_factory=self._web_assistants_factory,
            domain=self.domain,
        )

    def _create_user_stream_data_source(self) -> UserStreamTrackerDataSource:
        return BackpackAPIUserStreamDataSource(
            connector=self,
            auth=self._auth,
            api_factory=self._web_assistants_factory,
            streams=self._private_streams(),
            domain=self.domain,
        )

    def _create_order_tracker(self) -> BackpackOrderTracker:
        return BackpackOrderTracker(connector=self)

    def _private_streams(self) -> list[str]:
        return [ORDER_UPDATES, BALANCE_UPDATES]

    # Network

    async def start_network(self) -> None:
        await super().start_network()
        # An instance without trading pairs never asks for the market list on its own, and so never got ready (F37).
        self._symbols_task = safe_ensure_future(self._learn_symbols())
        if self.is_trading_required:
            self._warm_connections.start()
            self.adopt_orders()
            self._reconciler_task = safe_ensure_future(self._reconciler.run())
            self._ask_soon(SUBSCRIBING_S)  # the stream has everything asked for as soon as it is subscribed

    async def stop_network(self) -> None:
        self._warm_connections.stop()
        await super().stop_network()
        await self._give_up_cancels()
        for task in (self._reconciler_task, self._symbols_task):
            if task is not None:
                task.cancel()
        self._reconciler_task = self._symbols_task = None
        self._stop_following()
        if self.network_status is not NetworkStatus.CONNECTED:
            self._drop_head_starts()
            self._sender.close()
        if self.network_status is NetworkStatus.STOPPED:  # not when only the connection is lost
            if any(one.count for one in self.latency_report().latencies):  # a start stops first, too
                self.logger().info(self.latency_text())
            self._journal.close()

    def tick(self, timestamp: float) -> None:
        """Follow the clock; a running clock is also the sign of life that the order journal gives."""
        super().tick(timestamp)
        self._journal.beat()
        self.latency.tick()
        self._journal.show(self.latency_report)
        if self._must_set_garbage_aside and self.ready:
            self._must_set_garbage_aside = False
            garbage.set_aside(self.logger())

    def latency_report(self) -> LatencyReport:
        """Return how long orders, cancels and messages took in the last minutes."""
        return self.latency.report(self.name)

    def latency_text(self) -> str:
        """Return the same as a table, for the `format_status` of a strategy: Hummingbot asks no connector for text."""
        return as_text(self.latency_report())

    def mark_open_orders_request(self) -> int:
        """Return the place of a request for open orders that is sent now; for markets where it matters."""
        return 0

    def on_order_ended(self, client_order_id: str) -> None:
        """Hear that an order is not tracked any longer, whatever its end was."""
        self._request_ended_at.pop(client_order_id, None)
        self._executed_told.pop(client_order_id, None)
        self._journal.ended(client_order_id)
        self.latency.order_ended(client_order_id)
        self._reconciler.forget(client_order_id)

    def on_open_orders(self, orders: list[Order], asked_at: int) -> None:
        """Take a complete list of the account's open orders, asked at a place; nothing by default."""

    async def request(
        self,
        operation_id: str,
        parameters: Parameters = None,
        *,
        headers: dict[str, str] | None = None,
        is_text_wanted: bool = False,
    ) -> Any:
        """Send one operation and return its decoded data or their text, None for an empty answer.

        A request that the exchange refused because of the clock is repeated once with the exchange's time: refused
        means that it was not executed (F34).

        Raises:   RequestError by meaning; its `outcome_known` tells whether the exchange may have done it.
        """
        row = endpoint(operation_id)
        try:
            answer = await self._send(row, parameters, headers, is_text_wanted)
        except ClockSkew:
            self.logger().warning("The exchange refused a time stamp; asking for its time and sending again.")
            await self._resynchronize_clock()
            return await self._send(row, parameters, headers, is_text_wanted)
        except AuthenticationRefused as error:
            if row.method == "GET":  # some keys may only read
                self.on_key_refused(error)
            raise
        if row.is_signed:
            self.on_key_accepted()
        return answer

    async def _send(self, row: Endpoint, *of_request: Any) -> Any:
        try:
            return await self._sender.send(row, *of_request)
        except NoAnswer as error:
            if row.method != "GET" or not isinstance(error.__cause__, ConnectionLost):
                raise
            # A question may be asked twice: the exchange may close a kept connection just when it is used again.
            return await self._sender.send(row, *of_request)

    def _server_time_ms(self) -> Awaitable[float]:
        return backpack_web_utils.get_current_server_time(throttler=self._throttler, domain=self.domain)

    @property
    def clock_offset_s(self) -> float:
        """Return how far the exchange's clock is ahead of this machine's."""
        return float(self._time_synchronizer.time() - self._time())

    async def _resynchronize_clock(self) -> None:
        self._time_synchronizer.clear_time_offset_ms_samples()
        await self._update_time_synchronizer(pass_on_non_cancelled_error=True)

    def _is_request_exception_related_to_time_synchronizer(self, request_exception: Exception) -> bool:
        return isinstance(request_exception, ClockSkew)

    # Regular questions

    async def _trading_rules_polling_loop(self) -> None:
        await self._repeat(self._update_trading_rules, self.TRADING_RULES_INTERVAL, "the trading rules")

    async def _trading_fees_polling_loop(self) -> None:
        await self._repeat(self._update_trading_fees, self.TRADING_FEES_INTERVAL, "the trading fees")

    async def _repeat(self, update: Callable[[], Awaitable[None]], interval_s: float, what: str) -> None:
        # Hummingbot's own loops ask again twice a second while a query fails (F33).
        backoff = Backoff()
        while True:
            try:
                await update()
                backoff.reset()
                await self._sleep(interval_s)
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 - boundary of the polling task
                pause_s = backoff.next_pause_s()
                self.logger().network(
                    f"Could not update {what} ({error}); trying again in {pause_s:.1f} s.",
                    app_warning_msg=f"Could not update {what} of {self.name}. Check the network connection.",
                )
                await self._sleep(pause_s)

    async def _update_trading_fees(self) -> None:
        await self._update_account()

    async def _update_account(self) -> AccountSummary:
        account = read(AccountSummary, await self.request("get_account"), "get_account")
        maker_bps, taker_bps = self._account_fees_bps(account)
        self._maker_fee, self._taker_fee = fraction_from_bps(maker_bps), fraction_from_bps(taker_bps)
        return account

    def _account_fees_bps(self, account: AccountSummary) -> "tuple[Decimal, Decimal]":
        raise NotImplementedError

    def _fee_fraction(self, order_type: OrderType, is_maker: bool | None) -> Decimal:
        """Return the account's fee, or the configured one until that is known; rebates are negative (F17)."""
        maker = order_type is OrderType.LIMIT_MAKER if is_maker is None else is_maker
        account_fee = self._maker_fee if maker else self._taker_fee
        if account_fee is not None:
            return account_fee
        schema = self.trade_fee_schema()
        return Decimal(schema.maker_percent_fee_decimal if maker else schema.taker_percent_fee_decimal)
