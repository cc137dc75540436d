"""Track again the orders that an earlier process of this bot left behind: none is lost, none told twice.

Hummingbot's database and the order journal (order_journal) each know a part. Hummingbot commits an order's row, its
fills and the saved state of all tracked orders together, inside the event that tells of them; the journal has every
order from before it was sent until it ended. After a restart an order of the journal is one of these:

- It is tracked, because Hummingbot has restored its saved state. That holds exactly the fills that the database holds,
  so whatever the exchange shows beyond them is told once. The journal adds nothing.
- It has ended according to the database. Only the journal's last line is missing. It is told no more.
- It has a saved state and is not tracked, because nobody restored it: Hummingbot does so for strategies only. Then it
  is restored here.
- The database does not know it. Nothing about it was ever committed, fills included, because its creation is always
  told first. It is tracked as an order whose outcome is unknown; the reconciler announces it, tells its fills and
  its end once, or fails it when the exchange is known not to have it.

Where Hummingbot runs without its database, all orders of the journal that are not tracked are of the last kind.
"""

import os
import sys
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hummingbot.core.data_type.common import OrderType, PositionAction, TradeType
from hummingbot.core.data_type.in_flight_order import InFlightOrder

from backpack_connector.client_order_ids import installation
from backpack_connector.order_journal import Identity, OrderRecord, fingerprint, journal_folder
from backpack_connector.order_journal_writer import OrderJournal
from backpack_connector.protocol.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from hummingbot.connector.exchange_py_base import ExchangePyBase as _Base
else:
    _Base = object

_ENDS = ("BuyOrderCompleted", "SellOrderCompleted", "OrderCancelled", "OrderExpired", "OrderFailure")
"""What Hummingbot's database calls the ends of orders."""


class OrderAdoption(_Base):
    """The part of the connector that keeps the order journal; `BackpackExchangeBase` mixes it in."""

    _journal: OrderJournal

    def _new_journal(self) -> OrderJournal:
        return OrderJournal(self._journal_folder, self._journal_identity)

    def _journal_folder(self) -> "Path | None":
        from hummingbot import data_path

        return journal_folder(data_path) if self.is_trading_required else None

    def _journal_identity(self) -> Identity:
        recorder = self._markets_recorder()
        configuration = "" if recorder is None else recorder.config_file_path
        # A path may hold bytes that are no text.
        bot = os.fsencode(f"{installation()} {configuration}").decode(errors="replace")
        return Identity(fingerprint(self._auth.account), self.name, bot)

    def _markets_recorder(self) -> Any:
        """Return what writes this connector's events into Hummingbot's database, None if nothing does."""
        # Only a bot with a database has loaded this module; a script must not pay for its import.
        module = sys.modules.get("hummingbot.connector.markets_recorder")
        recorder = None if module is None else module.MarketsRecorder._shared_instance
        return recorder if recorder is not None and self in recorder._markets else None

    def write_down(self, *orders: InFlightOrder) -> None:
        """Put orders that are about to be sent into the journal, those of one request together."""
        self._journal.sent(*[self._record_of(order) for order in orders])

    def _record_of(self, order: InFlightOrder) -> OrderRecord:
        return OrderRecord(
            client_order_id=order.client_order_id,
            symbol=self.symbol_of(order),
            trading_pair=order.trading_pair,
            trade_type=order.trade_type.name,
            order_type=order.order_type.name,
            quantity=order.amount,
            created_s=order.creation_timestamp,
            price=order.price if order.price is not None and order.price.is_finite() else None,
            position_action=order.position.name,
            leverage=int(order.leverage),
            is_conditional=self.awaits_trigger(order),
        )

    def adopt_orders(self) -> None:
        """Track what earlier processes of this bot left behind.

        Called whenever the network starts; the first time, Hummingbot has restored what it knows just before.
        """
        known = self.order_tracker.fillable_order
        left_behind = self._journal.take_left_behind()
        unknown = [record for record in left_behind if known(record.client_order_id) is None]
        ended, saved = self._ask_database({record.client_order_id for record in unknown})
        self.restore_tracking_states(saved)
        for record in unknown:
            if record.client_order_id in ended:
                self._journal.ended(record.client_order_id)
            elif known(record.client_order_id) is None:
                self._adopt_record(record)
        for record in left_behind:
            if self.order_tracker.is_over(record.client_order_id):
                # Its end was told before the journal was opened, as when a strategy cancels what it finds restored.
                self._journal.ended(record.client_order_id)
        for order in self.order_tracker.active_orders.values():
            self._follow_inherited(order)

    def _follow_inherited(self, order: InFlightOrder) -> None:
        if order.client_order_id not in self._journal:
            with suppress(ConfigurationError):  # saved with a trading pair that is none
                self.write_down(order)
        if order.exchange_order_id is None and order.client_order_id not in self._on_their_way:
            # Nobody knows when its request left; it may have been just before the other process died.
            self._request_ended_at.setdefault(order.client_order_id, self._time())
            self._reconciler.settle_soon(order)

    def _adopt_record(self, record: OrderRecord) -> None:
        try:
            _check(record, self.symbol_of_pair(record.trading_pair))
            self.start_tracking_order(
                record.client_order_id,
                None,
                record.trading_pair,
                TradeType[record.trade_type],
                Decimal("NaN") if record.price is None else record.price,
                record.quantity,
                OrderType[record.order_type],
                position_action=PositionAction[record.position_action],
            )
        except (KeyError, ValueError) as error:
            self.logger().error(f"A line of the order journal makes no sense and is left out: {record} ({error})")
            self._journal.ended(record.client_order_id)
            return
        order = self.order_tracker.active_orders[record.client_order_id]
        order.creation_timestamp = order.last_update_timestamp = record.created_s
        order.leverage = record.leverage
        if record.is_conditional:
            self.expect_trigger(order)
        self.logger().warning(
            f"An earlier process of this bot ended before it knew what became of order {record.client_order_id} "
            f"({record.trade_type.lower()} {record.quantity} {record.trading_pair}). Asking the exchange."
        )

    def _ask_database(self, client_order_ids: set[str]) -> tuple[set[str], dict[str, Any]]:
        """Return which of the orders have ended according to Hummingbot's database, and what it has saved of others."""
        recorder = self._markets_recorder()
        if recorder is None or not client_order_ids:
            return set(), {}
        from hummingbot.model.order_status import OrderStatus

        try:
            with recorder.sql_manager.get_new_session() as session:
                rows = session.query(OrderStatus.order_id).filter(
                    OrderStatus.order_id.in_(client_order_ids), OrderStatus.status.in_(_ENDS)
                )
                ended = {row.order_id for row in rows}
                states = recorder.get_market_states(recorder.config_file_path, self, session=session)
                saved = {} if states is None else states.saved_state
        except Exception as error:  # noqa: BLE001 - boundary: the connector must start whatever the database does
            # The database refuses a fill that it has already, so that none counts twice even now.
            self.logger().error(f"Hummingbot's database could not be asked about earlier orders: {error}")
            return set(), {}
        return ended, {order_id: saved[order_id] for order_id in client_order_ids - ended if order_id in saved}


def _check(record: OrderRecord, symbol: str) -> None:
    """Refuse a line that no connector writes, before it gets among the orders.

    Raises:   ValueError that says what is odd.
    """
    if record.symbol != symbol:
        raise ValueError(f"{record.trading_pair} is {symbol} here")
    numbers = [record.quantity] if record.price is None else [record.quantity, record.price]
    if not all(number.is_finite() and number >= 0 for number in numbers):
        raise ValueError("quantity and price are no numbers of zero or more")
