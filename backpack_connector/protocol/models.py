"""Define the payloads that REST operations answer with.

Each struct names its schema in the official OpenAPI file; sample files under tests/samples show whole answers. Fields
that only describe (states of a market, expiry reasons) are plain text, so that a new word is harmless; fields that
decide (side, order type, order status) are closed sets, so that a new word is loud.
"""

from decimal import Decimal
from typing import Annotated, Any, Dict, List, Optional, Tuple, Union

import msgspec

from .enums import MarketType, OrderBookState, OrderStatus, OrderType, Side, SystemStatus
from .units import seconds_from_iso, seconds_from_ms, seconds_from_us
from .wire import WireStruct, WireTime, read

_DigitsText = Annotated[str, msgspec.Meta(pattern="^[0-9]{1,19}$")]


class SystemState(WireStruct, frozen=True, kw_only=True):
    """Answer of get_status. Source: schema StatusAndMessage."""

    status: SystemStatus
    message: Optional[str] = None


class PriceFilter(WireStruct, frozen=True, kw_only=True):
    """Price rules of a market; multipliers are fractions of a reference price. Source: API §5.2."""

    tick_size: Decimal
    min_price: Decimal
    max_price: Optional[Decimal] = None
    max_multiplier: Optional[Decimal] = None
    """A limit price above this multiple of the active price is refused; likewise below `min_multiplier`."""
    min_multiplier: Optional[Decimal] = None
    max_impact_multiplier: Optional[Decimal] = None
    min_impact_multiplier: Optional[Decimal] = None


class QuantityFilter(WireStruct, frozen=True, kw_only=True):
    """Quantity rules of a market, in base units. Source: API §5.2."""

    step_size: Decimal
    min_quantity: Decimal
    max_quantity: Optional[Decimal] = None


class MarketFilters(WireStruct, frozen=True, kw_only=True):
    """Both rule sets of a market. Source: schema OrderBookFilters."""

    price: PriceFilter
    quantity: QuantityFilter


class MarginFunction(WireStruct, frozen=True, kw_only=True):
    """Margin fraction of a notional: max(base, factor · sqrt(notional)). Source: API §5.5."""

    type: str
    base: Decimal
    factor: Decimal


class Market(WireStruct, frozen=True, kw_only=True):
    """One row of get_markets. Source: schema Market; tests/samples/rest/get_market.*.json."""

    symbol: str
    base_symbol: str
    quote_symbol: str
    market_type: str
    filters: MarketFilters
    order_book_state: str
    visible: bool = True
    imf_function: Optional[MarginFunction] = None
    mmf_function: Optional[MarginFunction] = None
    funding_interval: Optional[int] = None
    """Milliseconds between two funding payments."""

    @property
    def accepts_new_orders(self) -> bool:
        """Tell whether the market takes orders of some kind now; an unknown state counts as no."""
        try:
            return OrderBookState(self.order_book_state).accepts_new_orders
        except ValueError:
            return False

    @property
    def accepts_taker_orders(self) -> bool:
        """Tell whether an order may match on arrival, so that market orders make sense."""
        return self.order_book_state == OrderBookState.OPEN


class DepthSnapshot(WireStruct, frozen=True, kw_only=True):
    """Answer of get_depth: levels are [price, quantity] as text, both sides ascending. Source: API §2.3 (depth)."""

    asks: List[Tuple[str, str]]
    bids: List[Tuple[str, str]]
    last_update_id: Union[int, _DigitsText]
    """Text on the wire, although the stream's ids are numbers."""
    timestamp: WireTime
    """Microseconds."""

    @property
    def update_id(self) -> int:
        """Return the id of the last change in the snapshot."""
        return int(self.last_update_id)

    @property
    def snapshot_timestamp(self) -> float:
        """Return the engine's time in seconds."""
        return seconds_from_us(self.timestamp)


class Ticker(WireStruct, frozen=True, kw_only=True):
    """One row of get_tickers; it has no bid, ask or time. Source: schema Ticker."""

    symbol: str
    last_price: Decimal


class MarkPrice(WireStruct, frozen=True, kw_only=True):
    """One row of get_mark_prices. Source: schema MarkPrice."""

    symbol: str
    mark_price: Decimal
    index_price: Optional[Decimal] = None
    funding_rate: Optional[Decimal] = None
    """Fraction per interval, running estimate."""
    next_funding_timestamp: Optional[WireTime] = None
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


class AccountSummary(WireStruct, frozen=True, kw_only=True):
    """Answer of get_account; fees are basis points, negative = rebate. Source: schema AccountSummary."""

    spot_maker_fee: Decimal
    spot_taker_fee: Decimal
    futures_maker_fee: Decimal
    futures_taker_fee: Decimal
    leverage_limit: Decimal
    auto_lend: bool = False
    limit_orders: Optional[int] = None
    trigger_orders: Optional[int] = None


class _OrderFields(WireStruct, frozen=True, kw_only=True):
    id: str
    symbol: str
    side: Side
    order_type: OrderType
    status: OrderStatus
    client_id: Optional[Union[int, str]] = None
    quantity: Optional[Decimal] = None
    """Base units; absent on market orders by quote quantity."""
    quote_quantity: Optional[Decimal] = None
    price: Optional[Decimal] = None
    executed_quantity: Optional[Decimal] = None
    executed_quote_quantity: Optional[Decimal] = None
    time_in_force: Optional[str] = None
    post_only: Optional[bool] = None
    reduce_only: Optional[bool] = None
    self_trade_prevention: Optional[str] = None

    @property
    def client_id_text(self) -> Optional[str]:
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
    expiry_reason: Optional[str] = None
    system_order_type: Optional[str] = None

    @property
    def created_timestamp(self) -> float:
        """Return the creation time in seconds."""
        return seconds_from_iso(self.created_at)


class Fill(WireStruct, frozen=True, kw_only=True):
    """One row of get_fills. Source: schema OrderFill; API §2.3 (fills)."""

    order_id: str
    symbol: str
    side: Side
    price: Decimal
    quantity: Decimal
    fee: Decimal
    """Positive = paid, negative = rebate, in `fee_symbol`: on spot markets the asset that was received."""
    fee_symbol: str
    is_maker: bool
    timestamp: str
    """UTC text without zone."""
    trade_id: Optional[int] = None
    client_id: Optional[Union[int, str]] = None
    """Text here, a number on orders."""
    system_order_type: Optional[str] = None

    @property
    def client_id_text(self) -> Optional[str]:
        """Return the client id as text, or None."""
        return None if self.client_id is None else str(self.client_id)

    @property
    def fill_timestamp(self) -> float:
        """Return the time of the fill in seconds."""
        return seconds_from_iso(self.timestamp)


class OrderResult(WireStruct, frozen=True, kw_only=True):
    """The head of one element of execute_order_batch: "Ok" with an order, or "Err". Source: API §2.3."""

    operation: str
    code: Optional[str] = None
    message: Optional[str] = None


class Kline(WireStruct, frozen=True, kw_only=True):
    """One row of get_klines; an empty bucket has no prices. Source: API §2.3 (klines)."""

    start: str
    end: str
    volume: Decimal
    quote_volume: Decimal
    trades: str
    open: Optional[Decimal] = None
    high: Optional[Decimal] = None
    low: Optional[Decimal] = None
    close: Optional[Decimal] = None

    @property
    def start_timestamp(self) -> float:
        """Return the beginning of the bucket in seconds."""
        return seconds_from_iso(self.start)


def is_market_type(row: Any, market_type: MarketType) -> bool:
    """Tell whether a raw row of get_markets is of a market type; rows of types to come are simply not."""
    return isinstance(row, dict) and row.get("marketType") == market_type.value


def read_rows(kind: Any, rows: Any, where: str) -> "Tuple[List[Any], List[str]]":
    """Read a list row by row, so that one odd row hides no other.

    Shape:    (structs, one sentence for each row that could not be read).
    Raises:   WireFormatError when the answer is no list.
    """
    structs: List[Any] = []
    complaints: List[str] = []
    for position, row in enumerate(read(List[Any], rows, where)):
        try:
            structs.append(read(kind, row, f"{where}[{position}]"))
        except ValueError as error:
            complaints.append(str(error))
    return structs, complaints


def read_balances(payload: Any) -> "Tuple[Dict[str, Balance], List[str]]":
    """Read get_balances asset by asset; shape as in `read_rows`, keyed by asset."""
    balances: Dict[str, Balance] = {}
    complaints: List[str] = []
    for asset, row in read(Dict[str, Any], payload, "get_balances").items():
        try:
            balances[asset] = read(Balance, row, f"get_balances[{asset}]")
        except ValueError as error:
            complaints.append(str(error))
    return balances, complaints
