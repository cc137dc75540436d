"""Ask whether the exchange works, and prepare a start beside the first question.

A new connection costs three round trips until its first answer, and a start needs several answers and two streams, one
after the other. So the list of markets, the exchange's time and both streams are begun together with the first look at
its status, and so are as many connections as the questions need that can only be put afterwards.
Nothing is subscribed, signed or believed before the exchange has said that it works. Once it has not, only its status
is asked for until it does.
"""

import asyncio
from typing import TYPE_CHECKING, Any

from hummingbot.core.network_iterator import NetworkStatus

from backpack_connector.head_start import HeadStart
from backpack_connector.order_book_tracking import PARALLEL_SNAPSHOTS
from backpack_connector.protocol.enums import SystemStatus
from backpack_connector.protocol.errors import BackpackError
from backpack_connector.protocol.models import SystemState
from backpack_connector.protocol.wire import read
from backpack_connector.request_sender import ExchangeClock

if TYPE_CHECKING:
    from backpack_connector.backpack_api_order_book_data_source import BackpackAPIOrderBookDataSource
    from backpack_connector.listed_markets import ListedMarkets
    from backpack_connector.readiness import Readiness
    from backpack_connector.request_sender import RequestSender

    class _Base(ListedMarkets, Readiness):
        pass
else:
    _Base = object

ACCOUNT_QUESTIONS = 4
"""Settings, balances, lent funds and open orders, which a start asks for at the same time as for the first books."""


class NetworkCheck(_Base):
    """The part of the connector that looks whether the exchange works; `BackpackExchangeBase` mixes it in."""

    _sender: "RequestSender"
    _time_synchronizer: ExchangeClock
    _orderbook_ds: "BackpackAPIOrderBookDataSource"
    _may_prepare = True

    def _new_head_starts(self) -> "list[HeadStart[Any]]":
        """Return what a start needs, none of it begun."""
        starts: list[HeadStart[Any]] = [self._listed, self._orderbook_ds.head_start, HeadStart(self._open_connections)]
        if self.is_trading_required:
            starts += [HeadStart(self._sender.learn_time), self._user_stream_tracker.data_source.head_start]
        return starts

    async def check_network(self) -> NetworkStatus:
        """Tell whether the exchange works; its maintenance counts as not connected."""
        self.tell_why_not_ready()
        if self._may_prepare and self.network_status is NetworkStatus.NOT_CONNECTED:
            for head_start in self._head_starts:
                head_start.begin()
        status = NetworkStatus.NOT_CONNECTED
        try:
            status = await self._network_status_now()
        finally:
            self._may_prepare = status is NetworkStatus.CONNECTED
            if not self._may_prepare:
                self._drop_head_starts()
        return status

    async def _network_status_now(self) -> NetworkStatus:
        try:
            answer = await self.request("get_status")
            state = read(SystemState, answer, "get_status")
        except BackpackError as error:
            self.logger().debug(f"The network check failed: {error}")
            return NetworkStatus.NOT_CONNECTED
        if state.status is SystemStatus.MAINTENANCE:
            self.logger().warning(f"{self.name} is in maintenance: {state.message or 'no message'}")
            return NetworkStatus.NOT_CONNECTED
        return NetworkStatus.CONNECTED

    def _drop_head_starts(self) -> None:
        for head_start in self._head_starts:
            head_start.drop()

    async def _open_connections(self) -> None:
        """Open the connections that the start will need beside those that status, markets and time have opened."""
        wanted = min(PARALLEL_SNAPSHOTS, len(self._trading_pairs)) - 2
        if self.is_trading_required:
            wanted += ACCOUNT_QUESTIONS - 1
        await asyncio.gather(*(self.request("ping") for _ in range(wanted)), return_exceptions=True)

    async def _update_time_synchronizer(self, pass_on_non_cancelled_error: bool = False) -> None:
        # Polls and the private stream ask for the time each on its own, and both do at a start.
        async with self._time_synchronizer._lock:
            if not self._time_synchronizer.is_fresh:
                await super()._update_time_synchronizer(pass_on_non_cancelled_error)
