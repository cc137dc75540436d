"""Name the parameters that operations share. Source: API §2.2, §2.3, §4.1; schemas of the official OpenAPI file."""

from .enums import (
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
    WireEnum,
)
from .parameters import UINT16, UINT32, Kind, Parameter


def _words(kind: type[WireEnum]) -> tuple[str, ...]:
    return tuple(member.value for member in kind)


def _word(name: str, meaning: str, kind: type[WireEnum]) -> Parameter:
    return Parameter(name, Kind.WORD, meaning, words=_words(kind))


def _choice(name: str, meaning: str, *words: str) -> Parameter:
    return Parameter(name, Kind.WORD, meaning, words=words)


def _text(name: str, meaning: str) -> Parameter:
    return Parameter(name, Kind.TEXT, meaning)


def _flag(name: str, meaning: str) -> Parameter:
    return Parameter(name, Kind.FLAG, meaning)


def _amount(name: str, meaning: str, unit: str) -> Parameter:
    return Parameter(name, Kind.DECIMAL, meaning, unit=unit)


def _number(name: str, meaning: str, *, least: int = 0, most: int = 2**63 - 1, unit: str | None = None) -> Parameter:
    return Parameter(name, Kind.WHOLE, meaning, least=least, most=most, unit=unit)


SYMBOL = Parameter("symbol", Kind.SYMBOL, "The market, such as SOL_USDC_PERP.")
ASSET_SYMBOL = Parameter("symbol", Kind.SYMBOL, "The asset, such as SOL.")
ASSET = Parameter("asset", Kind.SYMBOL, "The asset, such as SOL.")
STOCK_SYMBOL = Parameter("symbol", Kind.SYMBOL, "The stock, such as AAPL.US.")
MARKET_TYPE = _word("marketType", "Only markets of this type.", MarketType)

OFFSET = _number("offset", "How many rows to leave out, from the newest.")
SORT_DIRECTION = _choice("sortDirection", "Newest first (Desc, the default), or oldest first.", "Asc", "Desc")
COUNTRY = _text("country", "Only what is offered in this country.")


def limit(most: int, default: int = 100) -> Parameter:
    """Return the parameter that says how many rows to answer with."""
    return _number("limit", f"How many rows; {default} when it is absent, at most {most}.", least=1, most=most)


PAGE = (limit(1_000), OFFSET)
SORTED_PAGE = (*PAGE, SORT_DIRECTION)

DEPTH_LIMIT = Parameter(
    "limit",
    Kind.WHOLE,
    "Levels of each side; all when it is absent.",
    words=("5", "10", "20", "50", "100", "500", "1000"),
)
KLINE_INTERVAL = _word("interval", "The length of a candle.", KlineInterval)
KLINE_START = _number("startTime", "The beginning of the first candle.", unit="s")
KLINE_END = _number("endTime", "Until when; until now when it is absent.", unit="s")
KLINE_PRICE_TYPE = _choice("priceType", "Of which price; Last when it is absent.", "Last", "Index", "Mark")
TICKER_INTERVAL = _choice("interval", "Over which time; 1d when it is absent.", "1d", "1w")
HISTORY_INTERVAL = _choice("interval", "How far to look back.", "1d", "1w", "1month", "1year")
FROM = _number("from", "The first moment that counts.", unit="ms")
TO = _number("to", "The moment before which everything counts.", unit="ms")

TAG_SLUG = _text("tagSlug", "Only events with this tag.")
EVENT_SLUG = _text("eventSlug", "Only this event.")
SERIES_SLUG = _text("seriesSlug", "Only events of this series.")
RESOLVED = _flag("resolved", "Only events that are resolved, or only those that are not.")

SIDE = _word("side", "Bid buys, Ask sells.", Side)
QUANTITY = _amount("quantity", "How much.", "base units")
QUOTE_QUANTITY = _amount("quoteQuantity", "How much, counted in the quote asset.", "quote units")
ASSET_QUANTITY = _amount("quantity", "How much of the asset.", "units of the asset")
PRICE = _amount("price", "The limit price.", "quote units")
ORDER_ID = _text("orderId", "The exchange's id of the order.")
CLIENT_ID = _number("clientId", "Your own number, which need not be unique.", most=UINT32)
WITHDRAWAL_CLIENT_ID = _text("clientId", "Your own id of the withdrawal, up to 255 characters.")
ORDER_TYPE = _word("orderType", "A limit order, or one at the market's price.", OrderType)
CANCEL_ORDER_TYPE = _word("orderType", "Only resting orders, or only conditional ones.", CancelOrderType)
ORDER_STATUS = _word("status", "Only those in this state.", OrderStatus)
TIME_IN_FORCE = _word("timeInForce", "How long it may rest; GTC when it is absent.", TimeInForce)
POST_ONLY = _flag("postOnly", "Refuse it if it would match at once.")
REDUCE_ONLY = _flag("reduceOnly", "It may only reduce a position.")
SELF_TRADE_PREVENTION = _word(
    "selfTradePrevention",
    "What ends when the account would trade with itself; RejectTaker when it is absent.",
    SelfTradePrevention,
)
SLIPPAGE_TOLERANCE = _amount("slippageTolerance", "How far the price may slip.", "ticks or percent")
SLIPPAGE_TOLERANCE_TYPE = _word("slippageToleranceType", "What the tolerance is counted in.", SlippageToleranceType)
AUTO_LEND = _flag("autoLend", "Lend what comes in.")
AUTO_LEND_REDEEM = _flag("autoLendRedeem", "Take lent funds back if they are needed.")
AUTO_BORROW = _flag("autoBorrow", "Borrow if it is needed.")
AUTO_BORROW_REPAY = _flag("autoBorrowRepay", "Repay loans with what comes in.")
SPOT_MARGIN = (AUTO_LEND, AUTO_LEND_REDEEM, AUTO_BORROW, AUTO_BORROW_REPAY)
TRIGGER_PRICE = _amount("triggerPrice", "The price at which a conditional order is placed.", "quote units")
TRIGGER_QUANTITY = Parameter(
    "triggerQuantity",
    Kind.DECIMAL_OR_PERCENT,
    "How much a conditional order is for, such as 1.5 or 80%.",
    unit="base units",
)
TRIGGER_BY = _word("triggerBy", "Which price triggers; LastPrice when it is absent.", TriggerBy)


def _exit(name: str, what: str) -> tuple[Parameter, ...]:
    return (
        _amount(f"{name}TriggerPrice", f"The price at which the {what} is placed.", "quote units"),
        _amount(f"{name}LimitPrice", f"The limit of the {what}; a market order when it is absent.", "quote units"),
        _word(f"{name}TriggerBy", f"Which price triggers the {what}; LastPrice when it is absent.", TriggerBy),
    )


TAKE_PROFIT = _exit("takeProfit", "take-profit")
STOP_LOSS = _exit("stopLoss", "stop-loss")

STRATEGY_ID = _text("strategyId", "The exchange's id of the strategy.")
CLIENT_STRATEGY_ID = _number("clientStrategyId", "Your own number of the strategy.", most=UINT32)
STRATEGY_TYPE = _choice("strategyType", "The kind of strategy.", "Scheduled")
DURATION = _number("duration", "How long the strategy runs.", least=1, unit="ms")
STRATEGY_INTERVAL = _number("interval", "The time between two of its orders.", least=1, unit="ms")
RANDOMIZED = _flag("randomizedIntervalQuantity", "Vary the quantity of its orders at random.")

FILL_TYPE = _choice(
    "fillType",
    "Only fills of this origin; all when it is absent.",
    "User",
    "BookLiquidation",
    "Adl",
    "Backstop",
    "Liquidation",
    "AllLiquidation",
    "CollateralConversion",
    "CollateralConversionAndSpotLiquidation",
)
ASSET_CLASS = _choice("assetClass", "Only crypto, or only stocks.", "CRYPTO", "STOCK")
POSITION_STATE = _choice("state", "Only open ones, or only closed ones.", "Open", "Closed")
SETTLEMENT_SOURCE = _choice(
    "source",
    "Only settlements of this kind.",
    "BackstopLiquidation",
    "FundingPayment",
    "RealizePnl",
    "TradingFees",
    "TradingFeesSystem",
)

LEVERAGE_LIMIT = _amount("leverageLimit", "The account's highest leverage.", "times")
ACCOUNT_AUTO_LEND = _flag("autoLend", "Lend what is available.")
AUTO_BORROW_SETTLEMENTS = _flag("autoBorrowSettlements", "Borrow USDC for settlements rather than convert collateral.")
AUTO_REPAY_BORROWS = _flag("autoRepayBorrows", "Repay loans with what is available.")

BLOCKCHAIN = _text("blockchain", "The network, such as Solana or Ethereum.")
ADDRESS = _text("address", "Where the money goes.")
TWO_FACTOR_TOKEN = _text("twoFactorToken", "A token of the second factor; the exchange issues none at present.")
EXCLUDE_PLATFORM = _flag("excludePlatform", "Leave out deposits that the exchange made itself.")
RECORD_ID = _number("id", "Only the one with this id.")
DELAY_HOURS = _number("withdrawalDelayHours", "How long withdrawals are held back, in hours.", most=UINT32)

LEND_SIDE = _choice("side", "Lend or borrow.", "Borrow", "Lend")
LEND_EVENT = _choice("type", "Only events of this kind.", "Borrow", "BorrowRepay", "Lend", "LendRedeem")
LEND_SOURCES = _text("sources", "Only events of these origins, separated by commas.")
INTEREST_SOURCE = _choice("source", "Only interest of this origin.", "UnrealizedPnl", "BorrowLend")
POSITION_ID = _text("positionId", "Only this position.")
PLANNED_BORROW = _text("borrow", "The planned loan, as JSON in base64.")
SUBACCOUNT_ID = _number("subaccountId", "Another account of the same user.", most=UINT16)
TIER_ID = _number("tierId", "The tier of fees for which to tell the rates.", most=2**31 - 1)

RFQ_SYMBOL = Parameter("symbol", Kind.SYMBOL, "The market for quotes, such as SOL_USDC_RFQ.")
RFQ_ID = _text("rfqId", "The exchange's id of the request for quotes.")
QUOTE_ID = _text("quoteId", "The exchange's id of the quote.")
DEFERRED_SETTLEMENT = _flag("deferredSettlement", "Only what is settled later, or only what is not.")
EXECUTION_MODE = _choice(
    "executionMode", "Wait for your acceptance, or take the first quote within the price.", "AwaitAccept", "Immediate"
)
RFQ_PRICE = _amount("price", "The worst price; only when it is executed immediately.", "quote units")
BID_PRICE = _amount("bidPrice", "At which you buy.", "quote units")
ASK_PRICE = _amount("askPrice", "At which you sell.", "quote units")
RFQ_FILL_TYPE = _choice("fillType", "Only fills of this origin.", "User", "CollateralConversion")

VAULT_ID = _number("vaultId", "The vault.", most=UINT32)
VAULT_TOKENS = _amount("vaultTokenQuantity", "How many tokens; all when it is absent.", "vault tokens")
