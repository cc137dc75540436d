"""Name the closed sets of words that Backpack sends and accepts."""

from enum import Enum


class WireEnum(str, Enum):
    """A closed set of wire words; a member equals its text, so it can go into a request as it is."""

    def __str__(self) -> str:
        return str(self.value)


class MarketType(WireEnum):
    """Kind of an instrument. Source: API §2.0, schema MarketType."""

    SPOT = "SPOT"
    PERP = "PERP"
    IPERP = "IPERP"
    DATED = "DATED"
    PREDICTION = "PREDICTION"
    RFQ = "RFQ"


class Side(WireEnum):
    """Side of an order or fill: a bid buys, an ask sells. Source: API §2.0."""

    BID = "Bid"
    ASK = "Ask"

    @property
    def opposite(self) -> "Side":
        """Return the other side."""
        return Side.ASK if self is Side.BID else Side.BID


class OrderType(WireEnum):
    """Order type as REST writes it; the stream writes it in upper case (API §3.4, key o)."""

    LIMIT = "Limit"
    MARKET = "Market"


class TimeInForce(WireEnum):
    """How long an order may rest. Source: API §4.1."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class OrderStatus(WireEnum):
    """State of an order. Source: API §4.2. An unknown word is an error to report, never an outcome."""

    NEW = "New"
    PARTIALLY_FILLED = "PartiallyFilled"
    FILLED = "Filled"
    CANCELLED = "Cancelled"
    EXPIRED = "Expired"
    TRIGGER_PENDING = "TriggerPending"
    TRIGGER_FAILED = "TriggerFailed"

    @property
    def is_final(self) -> bool:
        """Tell whether an order in this state can never change again."""
        return self in _FINAL_STATUSES


_FINAL_STATUSES = frozenset(
    {OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.EXPIRED, OrderStatus.TRIGGER_FAILED}
)


class SelfTradePrevention(WireEnum):
    """What happens when an account would trade with itself. Source: API §4.1, §4.2."""

    REJECT_TAKER = "RejectTaker"
    REJECT_MAKER = "RejectMaker"
    REJECT_BOTH = "RejectBoth"


class OrderBookState(WireEnum):
    """What a market accepts at the moment. Source: API §5.1."""

    OPEN = "Open"
    CLOSED = "Closed"
    CANCEL_ONLY = "CancelOnly"
    LIMIT_ONLY = "LimitOnly"
    POST_ONLY = "PostOnly"

    @property
    def accepts_new_orders(self) -> bool:
        """Tell whether some kind of new order is accepted."""
        return self in (OrderBookState.OPEN, OrderBookState.LIMIT_ONLY, OrderBookState.POST_ONLY)


class OrderEvent(WireEnum):
    """Events of the stream account.orderUpdate. Source: API §3.4."""

    ACCEPTED = "orderAccepted"
    CANCELLED = "orderCancelled"
    EXPIRED = "orderExpired"
    FILL = "orderFill"
    MODIFIED = "orderModified"
    TRIGGER_PLACED = "triggerPlaced"
    TRIGGER_FAILED = "triggerFailed"


class OrderOrigin(WireEnum):
    """Who caused an order. Source: API §3.4, key O; descriptive, so readers keep the text they do not know."""

    USER = "USER"
    LIQUIDATION = "LIQUIDATION_AUTOCLOSE"
    ADL = "ADL_AUTOCLOSE"
    COLLATERAL_CONVERSION = "COLLATERAL_CONVERSION"
    SETTLEMENT = "SETTLEMENT_AUTOCLOSE"
    BACKSTOP = "BACKSTOP_LIQUIDITY_PROVIDER"


class SystemOrderType(WireEnum):
    """Kind of an order that the exchange placed. Source: API §4.2; descriptive."""

    COLLATERAL_CONVERSION = "CollateralConversion"
    FUTURE_EXPIRY = "FutureExpiry"
    LIQUIDATE_ON_ADL = "LiquidatePositionOnAdl"
    LIQUIDATE_ON_BOOK = "LiquidatePositionOnBook"
    LIQUIDATE_ON_BACKSTOP = "LiquidatePositionOnBackstop"
    ORDER_BOOK_CLOSED = "OrderBookClosed"


class PositionEvent(WireEnum):
    """Events of the stream account.positionUpdate. Source: API §3.4."""

    OPENED = "positionOpened"
    ADJUSTED = "positionAdjusted"
    CLOSED = "positionClosed"


class CancelOrderType(WireEnum):
    """Which orders a cancel of a whole market means. Source: API §2.3 (DELETE /orders), schema CancelOrderTypeEnum."""

    RESTING_LIMIT_ORDER = "RestingLimitOrder"
    CONDITIONAL_ORDER = "ConditionalOrder"


class TriggerBy(WireEnum):
    """Price that fires a conditional order. Source: API §4.1."""

    LAST_PRICE = "LastPrice"
    MARK_PRICE = "MarkPrice"
    INDEX_PRICE = "IndexPrice"


class SlippageToleranceType(WireEnum):
    """Unit of a slippage tolerance. Source: API §4.1."""

    TICK_SIZE = "TickSize"
    PERCENT = "Percent"


class SystemStatus(WireEnum):
    """Answer of GET /api/v1/status. Source: API §2.3."""

    OK = "Ok"
    MAINTENANCE = "Maintenance"


class KlineInterval(WireEnum):
    """Length of a candle. Source: API §2.3 (klines)."""

    SECOND_1 = "1s"
    MINUTE_1 = "1m"
    MINUTES_3 = "3m"
    MINUTES_5 = "5m"
    MINUTES_15 = "15m"
    MINUTES_30 = "30m"
    HOUR_1 = "1h"
    HOURS_2 = "2h"
    HOURS_4 = "4h"
    HOURS_6 = "6h"
    HOURS_8 = "8h"
    HOURS_12 = "12h"
    DAY_1 = "1d"
    DAYS_3 = "3d"
    WEEK_1 = "1w"
    MONTH_1 = "1month"


class ExpiryReason(WireEnum):
    """Why the engine ended an order. Source: API §4.2; descriptive, so readers keep the text they do not know."""

    ACCOUNT_TRADING_SUSPENDED = "AccountTradingSuspended"
    BORROW_REQUIRES_LEND_REDEEM = "BorrowRequiresLendRedeem"
    FILL_OR_KILL = "FillOrKill"
    INSUFFICIENT_BORROWABLE_QUANTITY = "InsufficientBorrowableQuantity"
    INSUFFICIENT_FUNDS = "InsufficientFunds"
    INSUFFICIENT_LIQUIDITY = "InsufficientLiquidity"
    INVALID_PRICE = "InvalidPrice"
    INVALID_QUANTITY = "InvalidQuantity"
    IMMEDIATE_OR_CANCEL = "ImmediateOrCancel"
    INSUFFICIENT_MARGIN = "InsufficientMargin"
    LIQUIDATION = "Liquidation"
    NEGATIVE_EQUITY = "NegativeEquity"
    POST_ONLY_MODE = "PostOnlyMode"
    POST_ONLY_TAKER = "PostOnlyTaker"
    PRICE_OUT_OF_BOUNDS = "PriceOutOfBounds"
    REDUCE_ONLY_NOT_REDUCED = "ReduceOnlyNotReduced"
    SELF_TRADE_PREVENTION = "SelfTradePrevention"
    STOP_WITHOUT_POSITION = "StopWithoutPosition"
    PRICE_IMPACT = "PriceImpact"
    UNKNOWN = "Unknown"
    USER_PERMISSIONS = "UserPermissions"
    MAX_STOP_ORDERS_PER_POSITION = "MaxStopOrdersPerPosition"
    POSITION_LIMIT = "PositionLimit"
    SLIPPAGE_TOLERANCE_EXCEEDED = "SlippageToleranceExceeded"
