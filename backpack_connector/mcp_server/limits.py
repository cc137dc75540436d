"""Hold an agent to limits that the user sets at the start and that nothing afterwards can raise.

Rule 1: a limit counts for the whole run of the server, whoever connects and however often.
Rule 2: what an order is worth is counted before it is sent, in one step with the check, so that orders which are placed
        at the same moment cannot share the same room.
Rule 3: it is given back only when it is certain that nothing was done. A cancelled order stays counted: what can be
        placed again and again is not limited.
Rule 4: cancels are never held back by a limit on orders.
All worth is in USDC.
"""

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import get_close_matches

from backpack_connector.protocol.errors import ConfigurationError
from backpack_connector.protocol.units import decimal_text

MINUTE_S = 60.0
_WHO = "The person who runs this server has set that limit; no tool changes it."


class NotAllowed(ConfigurationError):
    """Something that this server was started without; nothing was sent."""


class LimitReached(ConfigurationError):
    """Something beyond a limit of this server; nothing was sent."""


@dataclass(frozen=True)
class Limits:
    """What one run of the server may do at most."""

    order_notional: Decimal = Decimal(100)
    """Worth of one order, loan or purchase, USDC."""
    session_notional: Decimal = Decimal(1_000)
    """Worth of all of them together, USDC."""
    withdrawal_notional: Decimal = Decimal(100)
    """Worth of all withdrawals together, USDC."""
    orders_per_minute: int = 10
    calls_per_minute: int = 120
    quantities: Mapping[str, Decimal] = field(default_factory=dict)
    """The largest quantity of one order, by market or by asset, in units of the asset."""
    markets: frozenset[str] = frozenset()
    """The only markets in which orders may be placed; all when empty."""


@dataclass(frozen=True)
class Placement:
    """What one order, loan, purchase or withdrawal amounts to."""

    symbol: str
    """Market or asset."""
    asset: str
    quantity: Decimal | None
    """Units of the asset; None where only its worth is known."""
    worth: Decimal
    """USDC."""


class SessionLimits:
    """Count what is done, and refuse what goes beyond the limits."""

    def __init__(self, limits: Limits, now: Callable[[], float]) -> None:
        self.limits = limits
        self.spent = Decimal(0)
        """Worth of everything that was placed, USDC."""
        self.withdrawn = Decimal(0)
        """Worth of everything that was withdrawn, USDC."""
        self._are_names_known = False
        self._now = now
        self._orders: deque[float] = deque()
        self._calls: deque[float] = deque()

    def count_call(self) -> None:
        """Count one use of a tool.

        Raises:   LimitReached when there were too many within a minute.
        """
        if self._recent(self._calls) >= self.limits.calls_per_minute:
            raise LimitReached(f"At most {self.limits.calls_per_minute} calls a minute are made. {_WHO}")
        self._calls.append(self._now())

    @property
    def are_names_unknown(self) -> bool:
        """Tell whether quantities are limited by names that nobody has compared with the exchange's yet."""
        return bool(self.limits.quantities) and not self._are_names_known

    def check_names(self, known: Collection[str]) -> None:
        """Compare the names of limited quantities with all markets and assets: a misspelt limit would hold nothing.

        Raises:   LimitReached; so nothing is placed in this run.
        """
        for name in sorted(self.limits.quantities):
            if name not in known:
                similar = [one for one in known if one.lower() == name.lower()] or get_close_matches(name, known, 1)
                hint = f" Is {similar[0]} meant?" if similar else ""
                raise LimitReached(
                    f"--max-quantity names {name}, which is no market and no asset, so nothing is placed.{hint}"
                    " The person who runs this server can start it again with the right name."
                )
        self._are_names_known = True

    def check_market(self, symbol: str) -> None:
        """Refuse a market in which no orders may be placed.

        Raises:   LimitReached.
        """
        if self.limits.markets and symbol not in self.limits.markets:
            raise LimitReached(f"Orders may be placed in {', '.join(sorted(self.limits.markets))} only. {_WHO}")

    def reserve(self, placements: Sequence[Placement]) -> "Reservation":
        """Take the room that orders need, all of them or none.

        Raises:   LimitReached with one sentence about the first limit that stands against it.
        """
        for placement in placements:
            self._check_one(placement)
        total = sum((placement.worth for placement in placements), Decimal(0))
        if self.spent + total > self.limits.session_notional:
            left = max(Decimal(0), self.limits.session_notional - self.spent)
            raise LimitReached(
                f"This is worth {_usdc(total)}, and {_usdc(left)} are left of the {_usdc(self.limits.session_notional)}"
                f" that may be placed until the server is started again. {_WHO}"
            )
        if self._recent(self._orders) + len(placements) > self.limits.orders_per_minute:
            raise LimitReached(f"At most {self.limits.orders_per_minute} orders a minute are placed. {_WHO}")
        self.spent += total
        self._orders.extend([self._now()] * len(placements))
        return Reservation(self, total, Decimal(0))

    def reserve_withdrawal(self, placement: Placement) -> "Reservation":
        """Take the room that a withdrawal needs.

        Raises:   LimitReached.
        """
        self._check_quantity(placement)
        if self.withdrawn + placement.worth > self.limits.withdrawal_notional:
            raise LimitReached(
                f"This is worth {_usdc(placement.worth)}, {_usdc(self.withdrawn)} were withdrawn already, and at most"
                f" {_usdc(self.limits.withdrawal_notional)} may be until the server is started again. {_WHO}"
            )
        self.withdrawn += placement.worth
        return Reservation(self, Decimal(0), placement.worth)

    def _check_one(self, placement: Placement) -> None:
        self._check_quantity(placement)
        if placement.worth > self.limits.order_notional:
            raise LimitReached(
                f"This is worth {_usdc(placement.worth)}, and one order may be worth"
                f" {_usdc(self.limits.order_notional)} at most. {_WHO}"
            )

    def _check_quantity(self, placement: Placement) -> None:
        for name in (placement.symbol, placement.asset):
            most = self.limits.quantities.get(name)
            if most is None:
                continue
            if placement.quantity is None:
                raise LimitReached(f"The quantity of {name} is limited, so it has to be given. {_WHO}")
            if placement.quantity > most:
                raise LimitReached(f"One order may be for {decimal_text(most)} {name} at most. {_WHO}")

    def _recent(self, times: deque[float]) -> int:
        while times and times[0] <= self._now() - MINUTE_S:
            times.popleft()
        return len(times)


@dataclass
class Reservation:
    """Room that was taken, until it is certain that it was not needed."""

    limits: SessionLimits
    spent: Decimal
    withdrawn: Decimal

    def give_back(self) -> None:
        """Give the room back, once; the rate of orders stays as it is, because the request was made."""
        self.limits.spent -= self.spent
        self.limits.withdrawn -= self.withdrawn
        self.spent = self.withdrawn = Decimal(0)


def _usdc(amount: Decimal) -> str:
    return f"{amount:,.2f} USDC"
