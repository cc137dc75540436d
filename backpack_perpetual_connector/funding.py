"""Know the funding of the traded markets, and tell each funding payment once, also those of an interruption.

Source: API §2.3 (markPrices, funding), §5.4.
"""

import asyncio
import math
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hummingbot.core.event.events import FundingPaymentCompletedEvent, MarketEvent

from backpack_connector.protocol.errors import BackpackError
from backpack_connector.protocol.futures import FundingPayment
from backpack_connector.protocol.models import read_rows
from backpack_connector.protocol.units import seconds_from_ms
from backpack_connector.reconnect import Backoff
from backpack_perpetual_connector import backpack_perpetual_constants as constants

if TYPE_CHECKING:
    from hummingbot.connector.perpetual_derivative_py_base import PerpetualDerivativePyBase

    from backpack_connector.backpack_base import BackpackExchangeBase

    class _Base(BackpackExchangeBase, PerpetualDerivativePyBase):
        pass
else:
    _Base = object

PAGE = 100

LISTING_LAG_S = 7_200.0
"""Payments that end this much before the newest known one may still be missing from the list, and are looked for."""


class FundingPayments:
    """The payments of one account that have been told."""

    def __init__(self) -> None:
        self._told: set[tuple[str, float]] = set()
        self._started: float | None = None
        self._newest = -math.inf
        self._are_earlier_known = False

    def since_timestamp(self, started_timestamp: float) -> float:
        """Return how far back a list has to reach to show everything new, for a bot that started at a time."""
        return max(started_timestamp if self._started is None else self._started, self._newest) - LISTING_LAG_S

    def new_payments(
        self, payments: Sequence[FundingPayment], started_timestamp: float, *, is_complete: bool
    ) -> list[FundingPayment]:
        """Return the payments that were not told yet, oldest first.

        The first complete list that shows any tells what was paid before. Up to it only payments after
        `started_timestamp`, seconds since the epoch, are new: a list with rows that could not be read, or an empty one,
        says nothing about what an earlier process has told. After it everything is new that it did not show.
        """
        if self._started is None:
            self._started = started_timestamp  # the clocks may be set later
        earliest = self.since_timestamp(self._started)
        if not self._are_earlier_known:
            earliest = max(earliest, self._started)
        new = [
            payment for payment in payments if payment.payment_timestamp > earliest and _key(payment) not in self._told
        ]
        self._told.update(_key(payment) for payment in payments)
        self._newest = max([self._newest, *(payment.payment_timestamp for payment in payments)])
        self._told = {key for key in self._told if key[1] >= self._newest - 2 * LISTING_LAG_S}
        self._are_earlier_known = self._are_earlier_known or (is_complete and bool(payments))
        return sorted(new, key=lambda payment: payment.payment_timestamp)


def _key(payment: FundingPayment) -> tuple[str, float]:
    return payment.symbol, payment.payment_timestamp


class AccountFunding(_Base):
    """The part of the perpetual connector that knows about funding; `BackpackPerpetualDerivative` mixes it in."""

    _funding_fee_polling_task: "asyncio.Task[None] | None"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._payments = FundingPayments()
        super().__init__(*args, **kwargs)
        # Not the first start of the network: the exchange may be out of reach then, and still pay.
        self._started_timestamp = self._time()

    @property
    def funding_fee_poll_interval(self) -> int:
        return constants.FUNDING_FEE_POLL_INTERVAL_S

    async def stop_network(self) -> None:
        await super().stop_network()
        task, self._funding_fee_polling_task = self._funding_fee_polling_task, None
        if task is not None:
            task.cancel()

    async def _init_funding_info(self) -> None:
        backoff = Backoff()
        while not self._perpetual_trading.is_funding_info_initialized():
            try:
                infos = await self._orderbook_ds.get_funding_infos(list(self._trading_pairs))
            except BackpackError as error:
                pause_s = backoff.next_pause_s()
                self.logger().warning(f"No funding information yet ({error}); asking again in {pause_s:.1f} s.")
                await self._sleep(pause_s)
                continue
            for info in infos.values():
                self._perpetual_trading.initialize_funding_info(info)

    async def _update_all_funding_payments(self, fire_event_on_new: bool) -> None:
        try:
            payments, is_complete = await self._list_funding_payments()
        except BackpackError as error:
            self.logger().network(
                f"The funding payments could not be asked ({error}); asking again in "
                f"{self.funding_fee_poll_interval} s.",
            )
            return
        # Payments are told by their own time, so it does not matter in which poll they are seen first.
        for payment in self._payments.new_payments(payments, self._exchange_start(), is_complete=is_complete):
            trading_pair = self.trading_pair_or_none(payment.symbol)
            if trading_pair in self._trading_pairs:
                self._tell_funding_payment(trading_pair, payment)

    def _exchange_start(self) -> float:
        """Return when this connector was made, by the exchange's clock; right once something was asked of it."""
        return self._started_timestamp + self.clock_offset_s

    def _tell_funding_payment(self, trading_pair: str, payment: FundingPayment) -> None:
        action = "paid" if payment.quantity < 0 else "received"
        self.logger().info(f"Funding payment of {abs(payment.quantity)} {action} on {trading_pair} market.")
        self.trigger_event(
            MarketEvent.FundingPaymentCompleted,
            FundingPaymentCompletedEvent(
                timestamp=payment.payment_timestamp + self._place_in_hour_s(trading_pair),
                market=self.name,
                trading_pair=trading_pair,
                amount=payment.quantity,
                funding_rate=payment.funding_rate,
            ),
        )

    def _place_in_hour_s(self, trading_pair: str) -> float:
        """Return a few milliseconds that tell the payments of one hour apart.

        Hummingbot's database knows a payment by its time alone, and drops all but one of those that share it.
        """
        return seconds_from_ms(self._trading_pairs.index(trading_pair))

    async def _list_funding_payments(self) -> tuple[list[FundingPayment], bool]:
        """Return payments newest first, as far back as any may be new, and whether every row could be read."""
        payments: list[FundingPayment] = []
        is_complete = True
        offset = 0
        while True:
            answer = await self.request("get_funding_payments", {"limit": PAGE, "offset": offset})
            page, complaints = read_rows(FundingPayment, answer, "get_funding_payments")
            for complaint in complaints:
                self.logger().warning(f"A funding payment was left out: {complaint}")
            payments.extend(page)
            is_complete = is_complete and not complaints
            offset += PAGE
            # A page without any readable row does not say how far back it reaches, and costs no further requests.
            if len(answer) < PAGE or not page:
                return payments, is_complete
            if page[-1].payment_timestamp < self._payments.since_timestamp(self._exchange_start()):
                return payments, is_complete

    async def _fetch_last_fee_payment(self, trading_pair: str) -> "tuple[float, Decimal, Decimal]":
        """Return (timestamp in seconds, rate, USDC) of a pair's last payment, (0, -1, -1) when there was none."""
        symbol = await self.exchange_symbol_associated_to_pair(trading_pair)
        answer = await self.request("get_funding_payments", {"symbol": symbol, "limit": 1})
        payments, _ = read_rows(FundingPayment, answer, "get_funding_payments")
        if not payments:
            return 0, Decimal(-1), Decimal(-1)
        return payments[0].payment_timestamp, payments[0].funding_rate, payments[0].quantity
