"""Name what the connectors rely on in Hummingbot's classes; `hummingbot_contract.py` holds Hummingbot to it.

A key is a module and a class, or a module alone. A member without brackets is an attribute, of the class or set by its
`__init__`; `name(a, b=)` is a method that takes these arguments, `b` being optional, and brackets alone are the class's
own call. One behind a question mark may be missing, because TESTED_OLDER_VERSION does without it. What is overridden
counts as much as what is called: an override that nobody calls any more does harm in silence.
`tests/registration/test_contract.py` says which rows are missing here, out of the code.
"""

from collections.abc import Mapping

TESTED_VERSION = "20260922"
"""The Hummingbot that the tests run against."""
TESTED_OLDER_VERSION = "20260126"
"""One that ships no Backpack connector; the plugin's tests run against it too (docs/versions.md)."""

MEMBERS: Mapping[str, str] = {
    "hummingbot.client.config.client_config_map:": """
        ExchangeRateSourceModeBase RATE_SOURCE_MODES
    """,
    "hummingbot.client.config.client_config_map:ClientConfigMap": """
        instance_id rate_limits_share_pct rate_oracle_source
    """,
    "hummingbot.client.config.config_data_types:BaseConnectorConfigMap": """
        model_config
    """,
    "hummingbot.client.config.fee_overrides_config_map:": """
        fee_overrides_config_map init_fee_overrides_config()
    """,
    "hummingbot.client.settings:": """
        TRADE_FEES_CONFIG_PATH
    """,
    "hummingbot.client.hummingbot_application:HummingbotApplication": """
        _main_app client_config_map
    """,
    "hummingbot.client.settings:AllConnectorSettings": """
        all_connector_settings create_connector_settings() initialize_paper_trade_settings(paper_trade_exchanges)
        paper_trade_connectors_names
    """,
    "hummingbot.client.settings:ConnectorSetting": """
        (name, type, example_pair, centralised, use_ethereum_wallet, trade_fee_schema, config_keys, is_sub_domain,
        parent_name, domain_parameter, use_eth_gas_lookup) parent_name
    """,
    "hummingbot.client.settings:ConnectorType": """
        Derivative Exchange
    """,
    "hummingbot.connector.budget_checker:BudgetChecker": """
        _exchange _get_available_balances(order_candidate) adjust_candidate(order_candidate, all_or_none=)
        populate_collateral_entries(order_candidate) reset_locked_collateral()
    """,
    "hummingbot.connector.client_order_tracker:ClientOrderTracker": """
        CACHED_ORDER_TTL MAX_CACHE_SIZE _cached_orders _connector _in_flight_orders _lost_orders
        _order_not_found_records lost_order_count_limit
        _process_order_update(order_update) _trigger_order_completion(tracked_order, order_update=)
        _trigger_order_creation(tracked_order, previous_state, new_state) _trigger_order_fills(tracked_order,
        prev_executed_amount_base, fill_amount, fill_price, fill_fee, trade_id, exchange_order_id) active_orders
        fetch_lost_order(client_order_id=, exchange_order_id=) fetch_order(client_order_id=, exchange_order_id=)
        logger() lost_orders process_order_not_found(client_order_id) process_order_update(order_update)
        process_trade_update(trade_update) restore_tracking_states(tracking_states) start_tracking_order(order)
        stop_tracking_order(client_order_id)
    """,
    "hummingbot.connector.connector_base:ConnectorBase": """
        _account_available_balances _account_balances _time() _trading_required apply_balance_limit(currency,
        available_balance, limit) available_balances batch_order_create(orders_to_create) get_all_balances()
        get_available_balance(currency) get_balance(currency) in_flight_asset_balances(in_flight_orders)
        real_time_balance_update trade_fee_schema()
    """,
    "hummingbot.connector.derivative.perpetual_budget_checker:PerpetualBudgetChecker": """
        _lock_available_collateral(order_candidate)
    """,
    "hummingbot.connector.derivative.position:Position": """
        (trading_pair, position_side, unrealized_pnl, entry_price, amount, leverage)
    """,
    "hummingbot.connector.exchange_base:ExchangeBase": """
        _get_last_traded_price(trading_pair) _set_order_book_tracker(order_book_tracker)
        _set_trading_pair_symbol_map(trading_pair_and_symbol_map) all_trading_pairs()
        exchange_symbol_associated_to_pair(trading_pair) get_last_traded_prices(trading_pairs) order_book_tracker
        quantize_order_amount(trading_pair, amount) quantize_order_price(trading_pair, price) trading_pair_symbol_map()
        trading_pair_symbol_map_ready()
    """,
    "hummingbot.connector.exchange_py_base:ExchangePyBase": """
        LONG_POLL_INTERVAL TRADING_FEES_INTERVAL TRADING_RULES_INTERVAL _all_trade_updates_for_order(order) _auth
        _cancel_lost_orders() _create_order(trade_type, order_id, trading_pair, amount, order_type, price=, **kwargs)
        _create_order_book_data_source() _create_order_tracker() _create_user_stream_data_source()
        _create_web_assistants_factory() _execute_cancel(trading_pair, order_id) _execute_order_cancel(order)
        _format_trading_rules(exchange_info_dict) _get_fee(base_currency, quote_currency, order_type, order_side,
        amount, price=, is_maker=) _initialize_trading_pair_symbol_map()
        _initialize_trading_pair_symbols_from_exchange_info(exchange_info)
        _is_order_not_found_during_cancelation_error(cancelation_exception)
        _is_order_not_found_during_status_update_error(status_update_exception)
        _is_request_exception_related_to_time_synchronizer(request_exception) _iter_user_event_queue()
        _make_trading_pairs_request() _make_trading_rules_request() _on_order_failure(order_id, trading_pair, amount,
        trade_type, order_type, price, exception, **kwargs) _order_tracker _orderbook_ds _place_cancel(order_id,
        tracked_order) _place_order(order_id, trading_pair, amount, trade_type, order_type, price, **kwargs)
        _place_order_and_process_update(order, **kwargs) _poll_notifier _request_order_status(tracked_order)
        _sleep(delay) _status_polling_loop_fetch_updates() _throttler _time_synchronizer _trading_fees_polling_loop()
        _trading_rules _trading_rules_polling_loop() _update_balances() _update_lost_orders_status()
        _update_order_after_failure(order_id, trading_pair, exception=) _update_order_status()
        _update_time_synchronizer(pass_on_non_cancelled_error=) _update_trading_fees() _update_trading_rules()
        _user_stream_event_listener() _user_stream_tracker _web_assistants_factory authenticator buy(trading_pair,
        amount, order_type=, price=, **kwargs) cancel(trading_pair, client_order_id) cancel_all(timeout_seconds)
        check_network() check_network_request_path client_order_id_max_length client_order_id_prefix domain
        in_flight_orders is_cancel_request_in_exchange_synchronous is_trading_required logger() name name_cap
        rate_limits_rules ready restore_tracking_states(saved_states) sell(trading_pair, amount, order_type=, price=,
        **kwargs) start_network() start_tracking_order(order_id, exchange_order_id, trading_pair, trade_type, price,
        amount, order_type, **kwargs) status_dict stop_network() supported_order_types() tick(timestamp) tracking_states
        trading_pairs trading_pairs_request_path trading_rules_request_path web_utils
    """,
    "hummingbot.connector.perpetual_derivative_py_base:PerpetualDerivativePyBase": """
        VALID_POSITION_ACTIONS _budget_checker _create_order(trade_type, order_id, trading_pair, amount, order_type,
        price=, position_action=, **kwargs) ?_fetch_account_position_mode() _fetch_last_fee_payment(trading_pair)
        _funding_fee_poll_notifier _funding_fee_polling_task _get_fee(base_currency, quote_currency, order_type,
        order_side, position_action, amount, price=, is_maker=) _init_funding_info() _perpetual_trading
        _place_order(order_id, trading_pair, amount, trade_type, order_type, price, position_action=, **kwargs)
        _set_trading_pair_leverage(trading_pair, leverage) _status_polling_loop_fetch_updates()
        _trading_pair_position_mode_set(mode, trading_pair) _update_all_funding_payments(fire_event_on_new)
        _update_positions() funding_fee_poll_interval get_buy_collateral_token(trading_pair) get_leverage(trading_pair)
        get_sell_collateral_token(trading_pair) start_network() start_tracking_order(order_id, exchange_order_id,
        trading_pair, trade_type, price, amount, order_type, position_action=, **kwargs) status_dict stop_network()
        supported_position_modes() tick(timestamp)
    """,
    "hummingbot.connector.perpetual_trading:PerpetualTrading": """
        _funding_info _leverage account_positions get_leverage(trading_pair) initialize_funding_info(funding_info)
        is_funding_info_initialized() remove_position(post_key) set_leverage(trading_pair, leverage=)
        set_position(pos_key, position)
    """,
    "hummingbot.connector.time_synchronizer:TimeSynchronizer": """
        _lock _time_offset_ms add_time_offset_ms_sample(offset) clear_time_offset_ms_samples() time() time_offset_ms
        update_server_time_if_not_initialized(time_provider)
    """,
    "hummingbot.connector.utils:TimeSynchronizerRESTPreProcessor": """
        pre_process(request)
    """,
    "hummingbot.core.api_throttler.async_throttler_base:AsyncThrottlerBase": """
        execute_task(limit_id) limits_pct
    """,
    "hummingbot.core.api_throttler.data_types:RateLimit": """
        (limit_id, limit, time_interval, weight=, linked_limits=)
    """,
    "hummingbot.core.data_type.cancellation_result:CancellationResult": """
        (order_id, success)
    """,
    "hummingbot.core.data_type.common:OrderType": """
        LIMIT LIMIT_MAKER MARKET
    """,
    "hummingbot.core.data_type.common:PositionAction": """
        CLOSE NIL OPEN
    """,
    "hummingbot.core.data_type.common:PositionMode": """
        HEDGE ONEWAY
    """,
    "hummingbot.core.data_type.common:PositionSide": """
        LONG SHORT
    """,
    "hummingbot.core.data_type.funding_info:FundingInfo": """
        (trading_pair, index_price, mark_price, next_funding_utc_timestamp, rate)
    """,
    "hummingbot.core.data_type.funding_info:FundingInfoUpdate": """
        (trading_pair, index_price=, mark_price=, next_funding_utc_timestamp=, rate=)
    """,
    "hummingbot.core.data_type.in_flight_order:InFlightOrder": """
        (client_order_id, trading_pair, order_type, trade_type, amount, creation_timestamp, price=, exchange_order_id=,
        initial_state=, leverage=, position=) amount base_asset check_filled_condition() client_order_id
        completely_filled_event creation_timestamp current_state exchange_order_id executed_amount_base is_cancelled
        is_done is_open is_pending_cancel_confirmation is_pending_create last_update_timestamp leverage order_fills
        order_type position price quote_asset trade_type trading_pair update_exchange_order_id(exchange_order_id)
        update_with_order_update(order_update) update_with_trade_update(trade_update) wait_until_processed_by_exchange()
    """,
    "hummingbot.core.data_type.in_flight_order:OrderState": """
        CANCELED FAILED FILLED OPEN PARTIALLY_FILLED PENDING_CANCEL PENDING_CREATE
    """,
    "hummingbot.core.data_type.in_flight_order:OrderUpdate": """
        (trading_pair, update_timestamp, new_state, client_order_id=, exchange_order_id=, misc_updates=)
    """,
    "hummingbot.core.data_type.in_flight_order:TradeUpdate": """
        (trade_id, client_order_id, exchange_order_id, trading_pair, fill_timestamp, fill_price, fill_base_amount,
        fill_quote_amount, fee, is_taker=)
    """,
    "hummingbot.core.data_type.order_book:OrderBook": """
        apply_diffs(bids, asks, update_id) apply_snapshot(bids, asks, update_id) ask_entries() bid_entries()
        last_applied_trade last_diff_uid last_trade_price last_trade_price_rest_updated
    """,
    "hummingbot.core.data_type.order_book_message:OrderBookMessage": """
        (message_type, content, timestamp=, *args, **kwargs)
    """,
    "hummingbot.core.data_type.order_book_tracker:OrderBookTracker": """
        _data_source _domain _init_order_books() _initial_order_book_for_trading_pair(trading_pair) _metrics
        _order_books _order_books_initialized _sleep(delay) _tracking_message_queues _tracking_tasks _trading_pairs
        _update_last_trade_prices_loop() add_trading_pair(trading_pair) logger() metrics ready start() stop()
    """,
    "hummingbot.core.data_type.order_book_tracker_data_source:OrderBookTrackerDataSource": """
        _connected_websocket_assistant() _message_queue _on_order_stream_interruption(websocket_assistant=)
        _order_book_snapshot(trading_pair) _parse_trade_message(raw_message, message_queue)
        _process_websocket_messages(websocket_assistant) _sleep(delay) _subscribe_channels(ws) _trade_messages_queue_key
        _trading_pairs _ws_assistant get_last_traded_prices(trading_pairs, domain=) get_new_order_book(trading_pair)
        listen_for_order_book_snapshots(ev_loop, output) listen_for_subscriptions() logger() order_book_create_function
        subscribe_to_trading_pair(trading_pair) unsubscribe_from_trading_pair(trading_pair)
    """,
    "hummingbot.core.data_type.perpetual_api_order_book_data_source:PerpetualAPIOrderBookDataSource": """
        _funding_info_messages_queue_key _parse_funding_info_message(raw_message, message_queue)
        get_funding_info(trading_pair)
    """,
    "hummingbot.core.data_type.trade_fee:TokenAmount": """
        (token, amount)
    """,
    "hummingbot.core.data_type.trade_fee:TradeFeeBase": """
        new_perpetual_fee(fee_schema, position_action, percent=, percent_token=, flat_fees=) new_spot_fee(fee_schema,
        trade_type, percent=, percent_token=, flat_fees=)
    """,
    "hummingbot.core.data_type.trade_fee:TradeFeeSchema": """
        (percent_fee_token=, maker_percent_fee_decimal=, taker_percent_fee_decimal=,
        buy_percent_fee_deducted_from_returns=, maker_fixed_fees=, taker_fixed_fees=)
    """,
    "hummingbot.core.data_type.user_stream_tracker_data_source:UserStreamTrackerDataSource": """
        _connected_websocket_assistant() _on_user_stream_interruption(websocket_assistant)
        _process_websocket_messages(websocket_assistant, queue) _send_ping(websocket_assistant) _sleep(delay)
        _subscribe_channels(websocket_assistant) _ws_assistant last_recv_time listen_for_user_stream(output) logger()
    """,
    "hummingbot.core.event.events:FundingPaymentCompletedEvent": """
        (timestamp, market, trading_pair, amount, funding_rate)
    """,
    "hummingbot.core.event.events:OrderFilledEvent": """
        (timestamp, order_id, trading_pair, trade_type, order_type, price, amount, trade_fee, exchange_trade_id=,
        exchange_order_id=, leverage=, position=)
    """,
    "hummingbot.core.network_iterator:NetworkIterator": """
        network_status
    """,
    "hummingbot.core.pubsub:PubSub": """
        trigger_event(event_tag, message)
    """,
    "hummingbot.core.rate_oracle.rate_oracle:": """
        RATE_ORACLE_SOURCES
    """,
    "hummingbot.core.rate_oracle.sources.rate_source_base:RateSourceBase": """
        get_prices(quote_token=) logger() name
    """,
    "hummingbot.core.web_assistant.auth:AuthBase": """
        rest_authenticate(request) ws_authenticate(request)
    """,
    "hummingbot.core.web_assistant.connections.connections_factory:ConnectionsFactory": """
        _get_shared_client() _shared_client close() get_rest_connection() get_ws_connection()
    """,
    "hummingbot.core.web_assistant.connections.data_types:RESTResponse": """
        (aiohttp_response) _aiohttp_response json() text()
    """,
    "hummingbot.core.web_assistant.connections.data_types:WSJSONRequest": """
        (payload, throttler_limit_id=, is_auth_required=)
    """,
    "hummingbot.core.web_assistant.connections.data_types:WSResponse": """
        (data)
    """,
    "hummingbot.core.web_assistant.connections.rest_connection:RESTConnection": """
        _build_resp(aiohttp_resp) _client_session call(request)
    """,
    "hummingbot.core.web_assistant.connections.ws_connection:WSConnection": """
        _MAX_MSG_SIZE _build_resp(msg) _client_session _connected _connection _ensure_connected()
        _ensure_not_connected() _last_recv_time _message_timeout _process_message(msg) _send_binary(payload)
        _send_json(payload) _send_plain_text(payload) connect(ws_url, ping_timeout=, message_timeout=, ws_headers=,
        max_msg_size=) disconnect() last_recv_time ping() receive() send(request)
    """,
    "hummingbot.core.web_assistant.rest_post_processors:RESTPostProcessorBase": """
        post_process(response)
    """,
    "hummingbot.core.web_assistant.web_assistants_factory:WebAssistantsFactory": """
        (throttler, rest_pre_processors=, rest_post_processors=, ws_pre_processors=, ws_post_processors=, auth=,
        connections_factory=) get_rest_assistant() get_ws_assistant()
    """,
    "hummingbot.core.web_assistant.ws_assistant:WSAssistant": """
        _connection connect(ws_url, ping_timeout=, message_timeout=, ws_headers=, max_msg_size=) disconnect()
        last_recv_time receive() send(request)
    """,
    "hummingbot.data_feed.candles_feed.candles_base:CandlesBase": """
        _api_factory _candles ?_connector _ex_trading_pair _sleep(delay) _time() _trading_pair
        ?attach_connector(connector) candles_endpoint candles_max_result_per_rest_request candles_url check_network()
        columns fetch_candles(start_time=, end_time=, limit=) get_exchange_trading_pair(trading_pair)
        get_historical_candles(config) health_check_url intervals listen_for_subscriptions() max_records name
        rate_limits ready rest_url stop_network() ws_subscription_payload() wss_url
    """,
    "hummingbot.data_feed.candles_feed.candles_factory:CandlesFactory": """
        _candles_map
    """,
}
