"""Let a connector live faster than it does with real money, so that seconds of a run stand for minutes of an outage.

Everything that waits is shortened, and both sides' request pools refill sooner by the same factor: a window of a
minute lasts three seconds. What decides about money keeps its sense: an order counts as absent only after more time
(`CONCLUSIVE_AGE_S`) than the exchange, its lists and a loaded machine are late here.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

from hummingbot.connector.exchange_py_base import ExchangePyBase
from hummingbot.logger import HummingbotLogger

from backpack_connector import (
    backpack_api_order_book_data_source,
    backpack_api_user_stream_data_source,
    backpack_constants,
    order_book_tracking,
    order_cancelling,
    order_reconciliation,
    order_reports,
    reconnect,
    request_budget,
)
from backpack_connector.backpack_base import BackpackExchangeBase
from backpack_connector.protocol import rate_limits

POOL_WINDOW_S = 3.0
CONCLUSIVE_AGE_S = 2.5
LONGEST_LAG_S = 0.8
"""The latest that a run's faults let anything be; well below the conclusive age."""
REQUEST_TIMEOUT_S = 1.5
HEARTBEAT_S = 1.5

_SHORTER: list[tuple[Any, str, float]] = [
    (order_reconciliation, "CONCLUSIVE_AGE_S", CONCLUSIVE_AGE_S),
    (order_reconciliation, "FIRST_SETTLE_PAUSE_S", 0.05),
    (order_reconciliation, "LONGEST_SETTLE_PAUSE_S", 0.5),
    (order_reports, "PENDING_CANCEL_LIMIT_S", 1.0),
    (order_cancelling, "ACKNOWLEDGEMENT_WAIT_S", 1.0),
    (backpack_constants, "REQUEST_TIMEOUT_S", REQUEST_TIMEOUT_S),
    (backpack_api_user_stream_data_source, "HEARTBEAT_S", HEARTBEAT_S),
    (backpack_api_order_book_data_source, "HEARTBEAT_S", HEARTBEAT_S),
    (backpack_api_order_book_data_source, "FIRST_RESYNC_PAUSE_S", 0.05),
    (backpack_api_order_book_data_source, "LONGEST_RESYNC_PAUSE_S", 0.3),
    (backpack_api_order_book_data_source, "SILENCE_S", 3.0),
    (backpack_api_order_book_data_source, "FIRST_SILENCE_S", 0.5),
    (backpack_api_order_book_data_source, "SILENCE_CHECK_S", 0.5),
    (backpack_api_order_book_data_source, "CLOSED_PAIR_PAUSE_S", 0.5),
    (backpack_api_order_book_data_source, "HEALTHY_AFTER_S", 1.0),
    (order_book_tracking, "CLOSED_PAIR_PAUSE_S", 0.5),
    (reconnect, "HEALTHY_AFTER_S", 1.0),
    (request_budget, "SAFETY", 1.4),  # lateness is not compressed, so the margin for it is larger
    (BackpackExchangeBase, "LONG_POLL_INTERVAL", 1.0),
    (BackpackExchangeBase, "TRADING_RULES_INTERVAL", 1.0),
    (ExchangePyBase, "SHORT_POLL_INTERVAL", 0.5),
    (ExchangePyBase, "TICK_INTERVAL_LIMIT", 2.0),
]


@contextmanager
def hurrying() -> Iterator[None]:
    """Shorten all waits as long as the context lasts."""
    with ExitStack() as stack:
        for owner, name, seconds in _SHORTER:
            stack.enter_context(mock.patch.object(owner, name, seconds))
        stack.enter_context(mock.patch.object(reconnect.Backoff.__init__, "__defaults__", (0.05, 0.5)))
        # The strictest exchange: what no source states counts as historical here on both sides.
        pools = {key: replace(pool, window_s=POOL_WINDOW_S) for key, pool in rate_limits._CLIENT_POOLS.items()}
        for name in ("_CLIENT_POOLS", "_SERVER_POOLS"):
            stack.enter_context(mock.patch.object(rate_limits, name, pools))
        # Hummingbot's logger would otherwise start the whole application to show a warning there.
        stack.enter_context(mock.patch.object(HummingbotLogger, "is_testing_mode", staticmethod(lambda: True)))
        yield
