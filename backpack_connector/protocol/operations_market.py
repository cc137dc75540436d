"""State what the public operations take and answer. Source: API §2.2, §2.3; official OpenAPI file of 2026-05-24."""

from typing import Any

from . import vocabulary as v
from .deal_records import Vault, VaultRecord
from .lending_records import ApyRates, EstimatedLiquidationPrice, LendingMarket, LendingMarketRecord
from .market_records import (
    Asset,
    CollateralParameters,
    FundingRate,
    MarketSession,
    OpenInterest,
    PredictionEvent,
    PredictionTag,
    Security,
    StockQuote,
    Trade,
    Wallet,
)
from .models import DepthSnapshot, Kline, Market, MarkPrice, SystemState, Ticker
from .parameters import Operation

_SYSTEM, _MARKETS, _TRADES, _ASSETS = "System", "Markets", "Trades", "Assets"
_LENDING, _VAULTS = "Borrow Lend Markets", "Vaults"

ROWS: tuple[Operation, ...] = (
    Operation("get_status", _SYSTEM, "Tell whether the exchange works.", SystemState),
    Operation("ping", _SYSTEM, "Answer `pong`.", str),
    Operation("get_time", _SYSTEM, "Return the exchange's time in milliseconds, as text.", str),
    Operation("get_wallets", _SYSTEM, "Return the exchange's wallets.", list[Wallet]),
    Operation("get_markets", _MARKETS, "Return all markets with their rules.", list[Market], (v.MARKET_TYPE,)),
    Operation("get_market", _MARKETS, "Return one market with its rules.", Market, (v.SYMBOL.required,)),
    Operation(
        "get_depth",
        _MARKETS,
        "Return the order book; both sides ascend, so that the best bid is the last one.",
        DepthSnapshot,
        (v.SYMBOL.required, v.DEPTH_LIMIT),
    ),
    Operation(
        "get_prediction_events",
        _MARKETS,
        "Return prediction events with their markets.",
        list[PredictionEvent],
        (v.SYMBOL, v.TAG_SLUG, v.EVENT_SLUG, v.SERIES_SLUG, v.RESOLVED, *v.PAGE),
        page_limit=1_000,
    ),
    Operation("get_prediction_tags", _MARKETS, "Return the tags of prediction events.", list[PredictionTag]),
    Operation(
        "get_market_sessions", _MARKETS, "Return the trading hours of stocks, by its older name.", list[MarketSession]
    ),
    Operation("get_securities", _MARKETS, "Return the stocks and their rules by session.", list[Security]),
    Operation(
        "get_mark_prices",
        _MARKETS,
        "Return mark price, index price and funding rate of perpetual markets.",
        list[MarkPrice],
        (v.SYMBOL, v.MARKET_TYPE),
    ),
    Operation("get_open_interest", _MARKETS, "Return the open interest of markets.", list[OpenInterest], (v.SYMBOL,)),
    Operation(
        "get_funding_interval_rates",
        _MARKETS,
        "Return past funding rates of a market, newest first; the first one still runs.",
        list[FundingRate],
        (v.SYMBOL.required, v.limit(10_000), v.OFFSET),
        page_limit=10_000,
    ),
    Operation(
        "get_klines",
        _MARKETS,
        "Return candles, oldest first; at most 2,000 of them fit into one request.",
        list[Kline],
        (
            v.SYMBOL.required,
            v.KLINE_INTERVAL.required,
            v.KLINE_START.required,
            v.KLINE_END,
            v.KLINE_PRICE_TYPE,
        ),
    ),
    Operation(
        "get_ticker",
        _MARKETS,
        "Return prices and volume of a market over a day or a week.",
        Ticker,
        (v.SYMBOL.required, v.TICKER_INTERVAL),
        may_be_empty=True,
    ),
    Operation(
        "get_tickers",
        _MARKETS,
        "Return prices and volume of all markets over a day or a week.",
        list[Ticker],
        (v.TICKER_INTERVAL,),
    ),
    Operation(
        "get_recent_trades",
        _TRADES,
        "Return the last trades of a market, newest first.",
        list[Trade],
        (v.SYMBOL.required, v.limit(1_000)),
    ),
    Operation(
        "get_historical_trades",
        _TRADES,
        "Return past trades of a market, newest first.",
        list[Trade],
        (v.SYMBOL.required, *v.PAGE),
        page_limit=1_000,
    ),
    Operation("get_assets", _ASSETS, "Return all assets with their networks and fees.", list[Asset], (v.COUNTRY,)),
    Operation(
        "get_collateral_parameters",
        _ASSETS,
        "Return how much each asset counts as collateral.",
        list[CollateralParameters],
    ),
    Operation(
        "get_borrow_lend_estimated_liquidation_price",
        "Borrow Lend",
        "Return the price at which an account with one more loan would be liquidated.",
        EstimatedLiquidationPrice,
        (v.PLANNED_BORROW.required, v.SUBACCOUNT_ID),
    ),
    Operation("get_borrow_lend_markets", _LENDING, "Return all lending markets with their rates.", list[LendingMarket]),
    Operation(
        "get_borrow_lend_markets_history",
        _LENDING,
        "Return past rates and amounts of lending markets, oldest first.",
        list[LendingMarketRecord],
        (v.HISTORY_INTERVAL.required, v.ASSET_SYMBOL),
    ),
    Operation(
        "get_apy_rates",
        _LENDING,
        "Return what lending, borrowing and staking yields and costs.",
        ApyRates,
        (v.TIER_ID,),
    ),
    Operation("get_vaults", _VAULTS, "Return all vaults.", list[Vault]),
    Operation(
        "get_vault_history",
        _VAULTS,
        "Return past values of vaults, oldest first.",
        list[VaultRecord],
        (v.HISTORY_INTERVAL.required, v.VAULT_ID),
    ),
    # API §2.2, "Added after May 2026"; the form of the holidays is not known.
    Operation("get_stock_sessions", _MARKETS, "Return the trading hours of stocks.", list[MarketSession]),
    Operation("get_stock_holidays", _MARKETS, "Return the days without stock trading.", list[Any]),
    Operation(
        "get_stock_indicative_quote",
        _MARKETS,
        "Return what an amount of a stock would cost now.",
        StockQuote,
        (v.STOCK_SYMBOL.required, v.SIDE.required, v.QUANTITY.required),
    ),
)
