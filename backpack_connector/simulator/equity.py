"""Keep what each account was worth over time, in constant memory: the older the run, the coarser the curve."""

from collections.abc import Iterable, Sequence
from decimal import Context, Decimal, localcontext

from backpack_connector.protocol.units import us_from_seconds

from .accounts import Account
from .engine import Exchange
from .margin import AccountMargin
from .orders import ZERO

SAMPLE_INTERVAL_US = us_from_seconds(5.0)
MAX_POINTS = 480
_CONTEXT = Context(prec=40)


def worth(margin: AccountMargin) -> Decimal:
    """Return what an account is worth in USDC: assets at full price, claims and unrealised profit, less debts."""
    with localcontext(_CONTEXT):
        assets = sum((asset.notional for asset in margin.assets), ZERO)
        return assets + margin.unsettled + margin.pnl_unrealized - margin.borrow_liability


class Curve:
    """The worth of one account over time, with at most `MAX_POINTS` points."""

    def __init__(self) -> None:
        self._points: list[tuple[int, Decimal]] = []
        self._interval_us = SAMPLE_INTERVAL_US

    @property
    def points(self) -> Sequence[tuple[int, Decimal]]:
        """Return (time in microseconds, USDC), oldest first."""
        return self._points

    def add(self, time_us: int, value: Decimal) -> None:
        """Take a value, unless the last one is too young; a full curve gives up every second point."""
        if self._points and time_us - self._points[-1][0] < self._interval_us:
            return
        self._points.append((time_us, value))
        if len(self._points) > MAX_POINTS:
            del self._points[1:-1:2]
            self._interval_us *= 2


class EquityCurves:
    """The curves of all accounts that belong to users."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._curves: dict[str, Curve] = {}
        self._next_us = 0

    def accounts(self) -> Iterable[Account]:
        """Yield the accounts of users: neither the background flow's nor the exchange's own."""
        accounts = self._exchange.accounts
        return (row for row in accounts if not row.is_background and row.account_id not in accounts.unfunded)

    def of(self, account_id: str) -> Sequence[tuple[int, Decimal]]:
        """Return the curve of an account; an empty one when there is none yet."""
        curve = self._curves.get(account_id)
        return () if curve is None else curve.points

    def sample(self, now_us: int) -> None:
        """Take a point of each account when it is time; called once a second."""
        if now_us < self._next_us:
            return
        self._next_us = now_us + SAMPLE_INTERVAL_US
        for account in self.accounts():
            curve = self._curves.get(account.account_id)
            if curve is None:
                curve = self._curves[account.account_id] = Curve()
            curve.add(now_us, worth(self._exchange.risk.margin(account)))
