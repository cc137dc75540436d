"""Define the payloads that REST operations answer with.

Each struct names its schema in the official OpenAPI file; sample files under tests/samples show whole answers. Fields
that only describe (states of a market, expiry reasons) are plain text, so that a new word is harmless; fields that
decide (side, order type, order status) are closed sets, so that a new word is loud.
"""

from collections.abc import Container
from decimal import Context, Decimal
from typing import Annotated, Any

import msgspec

from .enums import MarketType, OrderBookState, OrderStatus, OrderType, Side, SystemStatus
from .errors import BackpackError, WireFormatError, error_from_result, shown
from .units import seconds_from_iso, seconds_from_ms
from .wire import NotNegative, OrderId, Positive, WireId, WireStruct, WireTime, read

# Margin is an irrational number; this many digits keep it far below the last one that anybody shows.
_MARGIN = Context(prec=34)

_DigitsText = Annotated[str, msgspec.Meta(pattern="^[0-9]{1,19}$")]


class SystemState(WireStruct, frozen=True, kw_only=True):
    """Answer of get_status. Source: schema StatusAndMessage."""

    status: SystemStatus
    message: str | None = None


class PriceBand(WireStruct, frozen=True, kw_only=True):
    """Bounds as multiples of a reference price. Source: schema PriceBandMarkPrice."""

    max_multiplier: Decimal
    min_multiplier: Decimal


class PremiumBand(WireStruct, frozen=True, kw_only=True):
    """How far the premium of a price may be from the mean premium. Source: schema PriceBandMeanPremium."""

    tolerance_pct: Decimal
    """A fraction, in spite of its name: 0.05 for 5 %."""


class PriceFilter(WireStruct, frozen=True, kw_only=True):
    """Price rules of a market; multipliers are fractions of a reference price. Source: API §5.2."""

    tick_size: Positive
    min_price: NotNegative
    max_price: Decimal | None = None
    max_multiplier: Decimal | None = None
    """A limit price above this multiple of the active price is refused; likewise below `min_multiplier`."""
    min_multiplier: Decimal | None = None
    max_impact_multiplier: Decimal | None = None
    min_impact_multiplier: Decimal | None = None
    mean_mark_price_band: PriceBand | None = None
    """Takers trade within these multiples of the 5-minute mean mark price."""
    mean_premium_band: PremiumBand | None = None
    max_price_update_multiplier: Decimal | None = None
    """Mark and index price rise at most to this multiple in one update; likewise `min_price_update_multiplier`."""
    min_price_update_multiplier: Decimal | None = None
    borrow_entry_fee_max_multiplier: Decimal | None = None
    borrow_entry_fee_min_multiplier: Decimal | None = None
    discovery_bound_band: PriceBand | None = None


class QuantityFilter(WireStruct, frozen=True, kw_only=True):
    """Quantity rules of a market, in base units. Source: API §5.2."""

    step_size: Positive
    min_quantity: NotNegative
    max_quantity: Decimal | None = None


class MarketFilters(WireStruct, frozen=True, kw_only=True):
    """Both rule sets of a market. Source: schema OrderBookFilters."""

    price: PriceFilter
    quantity: QuantityFilter


class MarginFunction(WireStruct, frozen=True, kw_only=True):
    """Margin fraction of a notional: max(base, factor · sqrt(notional)). Source: API §5.5."""

    type: str
    base: NotNegative
    factor: NotNegative

    def fraction(self, notional: Decimal, leverage: Decimal | None = None) -> Decimal:
        """Return the fraction of a notional in USDC that must be there as margin.

        An account's leverage limit raises an initial margin to 1 / leverage; maintenance margins have none.
        """
        base = self.base if leverage is None else max(self.base, _MARGIN.divide(Decimal(1), leverage))
        return max(base, _MARGIN.multiply(self.factor, _MARGIN.sqrt(notional)))


_STATES_FOR_NEW_ORDERS = frozenset(state.value for state in OrderBookState if state.accepts_new_orders)


class Market(WireStruct, frozen=True, kw_only=True):
    """One row of get_markets. Source: schema Market; tests/samples/rest/get_market.*.json."""

    symbol: str
    base_symbol: str
    quote_symbol: str
    market_type: str
    filters: MarketFilters
    order_book_state: str
    visible: bool = True
    imf_function: MarginFunction | None = None
    mmf_function: MarginFunction | None = None
    funding_interval: int | None = None
    """Milliseconds between two funding payments."""
    funding_rate_upper_bound: Decimal | None = None
    """Basis points per interval; likewise `funding_rate_lower_bound`."""
    funding_rate_lower_bound: Decimal | None = None
    rwa_market_type: str | None = None
    """`STOCK` or `INDEX` for an equity, None for crypto."""
    open_interest_limit: Decimal | None = None
    """Base units."""
    position_limit_weight: Decimal | None = None
    created_at: str | None = None
    """UTC text without zone."""

    @property
    def accepts_new_orders(self) -> bool:
        """Tell whether the market takes orders of some kind now; an unknown state counts as no."""
        return self.order_book_state in _STATES_FOR_NEW_ORDERS

    @property
    def accepts_taker_orders(self) -> bool:
        """Tell whether an order may match on arrival, so that market orders make sense."""
        return self.order_book_state == OrderBookState.OPEN


class DepthSnapshot(WireStruct, frozen=True, kw_only=True):
    """Answer of get_depth: levels are [price, quantity] as text, both sides ascending. Source: API §2.3 (depth)."""

    asks: list[tuple[str, str]]
    bids: list[tuple[str, str]]
    last_update_id: WireId | _DigitsText
    """Text on the wire, although the stream's ids are numbers."""
    timestamp: WireTime
    """Microseconds."""

    @property
    def update_id(self) -> int:
        """Return the id of the last change in the snapshot."""
        return int(self.last_update_id)


class Ticker(WireStruct, frozen=True, kw_only=True):
    """One row of get_tickers; it has no bid, ask or time. Source: schema Ticker."""

    symbol: str
    last_price: Decimal
    first_price: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    price_change: Decimal | None = None
    price_change_percent: Decimal | None = None
    """A fraction, in spite of its name."""
    volume: Decimal | None = None
    """Base units."""
    quote_volume: Decimal | None = None
    trades: str | None = None


class MarkPrice(WireStruct, frozen=True, kw_only=True):
    """One row of get_mark_prices. Source: schema MarkPrice."""

    symbol: str
    mark_price: NotNegative
    index_price: NotNegative | None = None
    funding_rate: Decimal | None = None
    """Fraction per interval, running estimate."""
    next_funding_timestamp: WireTime | None = None
    """Milliseconds on the wire, microseconds in the documentation: see units.seconds_from_ms_or_us."""


class Balance(WireStruct, frozen=True, kw_only=True):
    """One asset of get_balances. Source: schema Balance; lent funds are not in it (API §2.3, capital)."""

    available: Decimal
    locked: Decimal
    staked: Decimal


class BorrowLendPosition(WireStruct, frozen=True, kw_only=True):
    """One row of get_borrow_lend_positions. Source: schema BorrowLendPositionWithMargin."""

    symbol: str
    """The asset."""
    net_quantity: Decimal
    """Positive = lent, negative = borrowed."""
    id: str | None = None
    cumulative_interest: Decimal | None = None
    mark_price: Decimal | None = None
    imf: Decimal | None = None
    """Initial margin fraction; likewise `mmf`, the maintenance margin fraction."""
    imf_function: MarginFunction | None = None
    mmf: Decimal | None = None
    mmf_function: MarginFunction | None = None
    net_exposure_quantity: Decimal | None = None
    net_exposure_notional: Decimal | None = None
    est_liquidation_price: Decimal | None = None


class AccountSummary(WireStruct, frozen=True, kw_only=True):
    """Answer of get_account; fees are basis points, negative = rebate. Source: schema AccountSummary."""

    spot_maker_fee: Decimal
    spot_taker_fee: Decimal
    futures_maker_fee: Decimal
    futures_taker_fee: Decimal
    leverage_limit: Positive
    auto_lend: bool = False
    limit_orders: int | None = None
    trigger_orders: int | None = None
    auto_borrow_settlements: bool | None = None
    auto_realize_pnl: bool | None = None
    auto_repay_borrows: bool | None = None
    borrow_limit: Decimal | None = None
    position_limit: Decimal | None = None
    liquidating: bool | None = None


class _OrderFields(WireStruct, frozen=True, kw_only=True):
    id: OrderId
    symbol: str
    side: Side
    order_type: OrderType
    status: OrderStatus
    client_id: int | str | None = None
    quantity: NotNegative | None = None
    """Base units; absent on market orders by quote quantity."""
    quote_quantity: NotNegative | None = None
    price: NotNegative | None = None
    executed_quantity: NotNegative | None = None
    executed_quote_quantity: NotNegative | None = None
    time_in_force: str | None = None
    post_only: bool | None = None
    reduce_only: bool | None = None
    self_trade_prevention: str | None = None

    @property
    def client_id_text(self) -> str | None:
        """Return the client id as text, or None; the wire has a number here and text on fills."""
        return None if self.client_id is None else str(self.client_id)


class Order(_OrderFields, frozen=True, kw_only=True):
    """An order as execute_order, get_order, get_open_orders and cancel_order show it.

    Source: schemas LimitOrder and MarketOrder. There is no average price and no fee: average = executed quote / base.
    """

    created_at: WireTime
    """Milliseconds here, text in the order history."""

    @property
    def created_timestamp(self) -> float:
        """Return the creation time in seconds."""
        return seconds_from_ms(self.created_at)


class HistoricalOrder(_OrderFields, frozen=True, kw_only=True):
    """An order as get_order_history shows it; it may still be resting. Source: schema Order; API §2.3."""

    created_at: str
    """UTC text without zone."""
    expiry_reason: str | None = None
    system_order_type: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        seconds_from_iso(self.created_at)

    @property
    def created_timestamp(self) -> float:
        """Return the creation time in seconds."""
        return seconds_from_iso(self.created_at)


class Fill(WireStruct, frozen=True, kw_only=True):
    """One row of get_fills. Source: schema OrderFill; API §2.3 (fills)."""

    order_id: OrderId
    symbol: str
    side: Side
    price: Positive
    quantity: Positive
    fee: Decimal
    """Positive = paid, negative = rebate, in `fee_symbol`: on spot markets the asset that was received."""
    fee_symbol: str
    is_maker: bool
    timestamp: str
    """UTC text without zone."""
    trade_id: WireId | None = None
    client_id: int | str | None = None
    """Text here, a number on orders."""
    system_order_type: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        seconds_from_iso(self.timestamp)

    @property
    def client_id_text(self) -> str | None:
        """Return the client id as text, or None."""
        return None if self.client_id is None else str(self.client_id)

    @property
    def fill_timestamp(self) -> float:
        """Return the time of the fill in seconds."""
        return seconds_from_iso(self.timestamp)


class OrderHead(WireStruct, frozen=True, kw_only=True):
    """What tells one open order from another, readable whatever else the row says. Source: schema OrderType."""

    id: str
    symbol: str
    side: str
    client_id: int | str | None = None


class Transfer(WireStruct, frozen=True, kw_only=True):
    """One row of get_deposits or get_withdrawals. Source: schemas Deposit and Withdrawal."""

    id: int | str
    symbol: str
    """The asset."""
    quantity: Decimal
    status: str

    @property
    def is_confirmed(self) -> bool:
        """Tell whether the transfer is complete; a deposit that is not has not reached the account."""
        return self.status == "confirmed"


class OrderResult(WireStruct, frozen=True, kw_only=True):
    """The head of one element of execute_order_batch: "Ok" with an order, or "Err". Source: API §2.3."""

    operation: str
    code: str | None = None
    message: str | None = None


class Kline(WireStruct, frozen=True, kw_only=True):
    """One row of get_klines; an empty bucket has no prices. Source: API §2.3 (klines)."""

    start: str
    end: str
    volume: NotNegative
    quote_volume: NotNegative
    trades: str
    open: Positive | None = None
    high: Positive | None = None
    low: Positive | None = None
    close: Positive | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        seconds_from_iso(self.start)

    @property
    def start_timestamp(self) -> float:
        """Return the beginning of the bucket in seconds."""
        return seconds_from_iso(self.start)


class MarketName(WireStruct, frozen=True, kw_only=True):
    """The name of a row of get_markets, readable whatever else the row says."""

    symbol: str


def is_market_type(row: Any, market_type: MarketType) -> bool:
    """Tell whether a raw row of get_markets is of a market type; rows of types to come are simply not."""
    return isinstance(row, dict) and row.get("marketType") == market_type.value


def is_row_of(row: Any, symbols: Container[str]) -> bool:
    """Tell whether a raw row, whatever it is, has one of the given symbols."""
    symbol = row.get("symbol") if isinstance(row, dict) else None
    return isinstance(symbol, str) and symbol in symbols


def read_rows(kind: Any, rows: Any, where: str) -> "tuple[list[Any], list[str]]":
    """Read a list row by row, so that one odd row hides no other.

    Shape:    (structs, one sentence for each row that could not be read).
    Raises:   WireFormatError when the answer is no list.
    """
    structs: list[Any] = []
    complaints: list[str] = []
    for position, row in enumerate(read(list[Any], rows, where)):
        name = row.get("symbol", position) if isinstance(row, dict) else position
        try:
            structs.append(read(kind, row, f"{where}[{name if isinstance(name, (str, int)) else shown(name)}]"))
        except ValueError as error:
            complaints.append(str(error))
    return structs, complaints


def read_order_results(payload: Any, kind: "type[Order]" = Order) -> "list[Any]":
    """Read execute_order_batch: for each order of the request the accepted order, or the error that it met instead.

    Shape:    `kind` or BackpackError.
    Raises:   WireFormatError when the answer is no list.
    Source:   API §2.3 (POST /orders); schema BatchCommandOrderResult.
    """
    rows = read(list[Any], payload, "execute_order_batch")
    return [_order_result(kind, row, f"execute_order_batch[{position}]") for position, row in enumerate(rows)]


def _order_result(kind: "type[Order]", row: Any, where: str) -> "Order | BackpackError":
    try:
        head = read(OrderResult, row, where)
        if head.operation == "Ok":
            return read(kind, row, where)
    except WireFormatError as error:
        return error
    if head.operation == "Err":
        return error_from_result(head.code, head.message, operation="execute_order_batch")
    return WireFormatError(f"{where}: expected Ok or Err, got {shown(head.operation)}")


def read_balances(payload: Any) -> "tuple[dict[str, Balance], list[str]]":
    """Read get_balances asset by asset; shape as in `read_rows`, keyed by asset."""
    balances: dict[str, Balance] = {}
    complaints: list[str] = []
    for asset, row in read(dict[str, Any], payload, "get_balances").items():
        try:
            balances[asset] = read(Balance, row, f"get_balances[{asset}]")
        except ValueError as error:
            complaints.append(str(error))
    return balances, complaints
