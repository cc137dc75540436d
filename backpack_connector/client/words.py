"""Name the types of parameters: words that the exchange takes, and exact numbers.

Written by `python -m tests.client.generated` out of the catalogue (`protocol/operations.py`); not by hand.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, TypeAlias

from backpack_connector.protocol.enums import (
    CancelOrderType,
    KlineInterval,
    MarketType,
    OrderStatus,
    OrderType,
    SelfTradePrevention,
    Side,
    SlippageToleranceType,
    TimeInForce,
    TriggerBy,
)

Amount: TypeAlias = Decimal | int | str
"""A float is refused: its text would be a guess."""

NewOrder: TypeAlias = Mapping[str, Any]
"""The fields of `execute_order`."""

AssetClass: TypeAlias = Literal["CRYPTO", "STOCK"]
CancelOrderTypeWord: TypeAlias = CancelOrderType | Literal["RestingLimitOrder", "ConditionalOrder"]
DepthLimit: TypeAlias = Literal[5, 10, 20, 50, 100, 500, 1000]
ExecutionMode: TypeAlias = Literal["AwaitAccept", "Immediate"]
FillType: TypeAlias = Literal[
    "User",
    "BookLiquidation",
    "Adl",
    "Backstop",
    "Liquidation",
    "AllLiquidation",
    "CollateralConversion",
    "CollateralConversionAndSpotLiquidation",
]
HistoryInterval: TypeAlias = Literal["1d", "1w", "1month", "1year"]
InterestSource: TypeAlias = Literal["UnrealizedPnl", "BorrowLend"]
KlineIntervalWord: TypeAlias = (
    KlineInterval
    | Literal["1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1month"]
)
KlinePriceType: TypeAlias = Literal["Last", "Index", "Mark"]
LendEvent: TypeAlias = Literal["Borrow", "BorrowRepay", "Lend", "LendRedeem"]
LendSide: TypeAlias = Literal["Borrow", "Lend"]
MarketTypeWord: TypeAlias = MarketType | Literal["SPOT", "PERP", "IPERP", "DATED", "PREDICTION", "RFQ"]
OpenOrClosed: TypeAlias = Literal["Open", "Closed"]
OrderStatusWord: TypeAlias = (
    OrderStatus | Literal["New", "PartiallyFilled", "Filled", "Cancelled", "Expired", "TriggerPending", "TriggerFailed"]
)
OrderTypeWord: TypeAlias = OrderType | Literal["Limit", "Market"]
RfqFillType: TypeAlias = Literal["User", "CollateralConversion"]
SelfTradePreventionWord: TypeAlias = SelfTradePrevention | Literal["RejectTaker", "RejectMaker", "RejectBoth"]
SettlementSource: TypeAlias = Literal[
    "BackstopLiquidation", "FundingPayment", "RealizePnl", "TradingFees", "TradingFeesSystem"
]
SideWord: TypeAlias = Side | Literal["Bid", "Ask"]
SlippageToleranceTypeWord: TypeAlias = SlippageToleranceType | Literal["TickSize", "Percent"]
SortDirection: TypeAlias = Literal["Asc", "Desc"]
StrategyType: TypeAlias = Literal["Scheduled"]
TickerInterval: TypeAlias = Literal["1d", "1w"]
TimeInForceWord: TypeAlias = TimeInForce | Literal["GTC", "IOC", "FOK"]
TriggerByWord: TypeAlias = TriggerBy | Literal["LastPrice", "MarkPrice", "IndexPrice"]
