"""The figures of one account, as the bot, its trades database and the simulator tell them.

For a perpetual account the balance of USDC is the net equity, and what is available of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(frozen=True)
class Fill:
    """One execution of one of the bot's orders.

    `fees` maps asset to amount, positive = paid. `estimated_fee` is the fraction that Hummingbot had to assume when the
    exchange did not tell the fee; an exchange never has one.
    """

    trade_id: str
    order_id: str
    side: str
    price: Decimal
    amount: Decimal
    fees: Mapping[str, Decimal]
    estimated_fee: Decimal = Decimal(0)
    time: float = 0.0


@dataclass(frozen=True)
class OpenOrder:
    """An open order as the bot sees it; the price is None while a market order is on its way."""

    side: str
    price: Decimal | None
    amount: Decimal
    filled: Decimal


@dataclass(frozen=True)
class Balance:
    """Total includes what orders hold; available does not."""

    total: Decimal
    available: Decimal


@dataclass(frozen=True)
class Position:
    """An open position of a perpetual market; amounts in base units, negative = short."""

    amount: Decimal
    entry_price: Decimal


@dataclass(frozen=True)
class FundingPayment:
    """One payment of funding; `amount` in USDC, positive = received, `time` in seconds, the end of its interval."""

    time: float
    amount: Decimal
    rate: Decimal


@dataclass(frozen=True)
class Futures:
    """What a snapshot of a perpetual bot has besides; prices and rate are None while they are unknown."""

    leverage: int
    mark_price: Decimal | None
    funding_rate: Decimal | None
    funding_due_s: float
    """Seconds until the next payment."""
    position: Position | None
    liquidation_price: Decimal | None

    @property
    def unrealized(self) -> Decimal:
        """Profit of the position since it was entered, in USDC."""
        if self.position is None or self.mark_price is None:
            return Decimal(0)
        return (self.mark_price - self.position.entry_price) * self.position.amount


@dataclass(frozen=True)
class Latency:
    """How long one thing took the bot in the last minutes."""

    what: str
    count: int
    p50_s: float
    p99_s: float


@dataclass(frozen=True)
class Snapshot:
    """What the connector knew at one moment; prices are None while a side of the book is empty."""

    time: float
    trading_pair: str
    best_bid: Decimal | None
    best_ask: Decimal | None
    orders: tuple[OpenOrder, ...]
    balances: Mapping[str, Balance]
    futures: Futures | None = None
    latencies: tuple[Latency, ...] = ()

    @property
    def mid_price(self) -> Decimal | None:
        """The middle between the best bid and the best ask."""
        if self.best_bid is None or self.best_ask is None:
            return None
        return (self.best_bid + self.best_ask) / 2


@dataclass
class Books:
    """All figures of one side, as the comparison wants them."""

    fills: list[Fill] = field(default_factory=list)
    balances: Mapping[str, Balance] = field(default_factory=dict)
    open_orders: int = 0
    positions: Mapping[str, Position] = field(default_factory=dict)
    """By trading pair."""
    funding: list[FundingPayment] = field(default_factory=list)

    def fees(self) -> dict[str, Decimal]:
        """Sum the fees by asset; positive = paid."""
        sums: dict[str, Decimal] = {}
        for fill in self.fills:
            for asset, amount in fill.fees.items():
                sums[asset] = sums.get(asset, Decimal(0)) + amount
        return sums

    def traded(self) -> tuple[Decimal, Decimal]:
        """Sum what was bought and what was sold, in the base asset."""
        bought = sum((fill.amount for fill in self.fills if fill.side == "BUY"), Decimal(0))
        sold = sum((fill.amount for fill in self.fills if fill.side == "SELL"), Decimal(0))
        return bought, sold

    def cash(self) -> Decimal:
        """Sum what the fills brought in minus what they cost, in the quote asset, without fees."""
        return sum((fill.amount * fill.price * (1 if fill.side == "SELL" else -1) for fill in self.fills), Decimal(0))

    def funding_sum(self) -> Decimal:
        """Sum the funding payments, in USDC; positive = received."""
        return sum((payment.amount for payment in self.funding), Decimal(0))
