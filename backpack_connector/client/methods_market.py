"""Ask for what is public: the system, markets, prices, trades, assets, lending rates.

Written by `python -m tests.client.generated` out of the catalogue (`protocol/operations.py`); not by hand.
"""

from typing import Any

from backpack_connector.protocol.lending_records import ApyRates, LendingMarket, LendingMarketRecord
from backpack_connector.protocol.market_records import (
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
from backpack_connector.protocol.models import DepthSnapshot, Kline, Market, MarkPrice, SystemState, Ticker

from .calls import OperationCalls
from .words import (
    Amount,
    DepthLimit,
    HistoryInterval,
    KlineIntervalWord,
    KlinePriceType,
    MarketTypeWord,
    SideWord,
    TickerInterval,
)


class MarketMethods(OperationCalls):
    """One method an operation, by official id."""

    async def get_status(self) -> SystemState:
        """Tell whether the exchange works."""
        result: SystemState = await self.call("get_status")
        return result

    async def ping(self) -> str:
        """Answer `pong`."""
        result: str = await self.call("ping")
        return result

    async def get_time(self) -> str:
        """Return the exchange's time in milliseconds, as text."""
        result: str = await self.call("get_time")
        return result

    async def get_wallets(self) -> list[Wallet]:
        """Return the exchange's wallets."""
        result: list[Wallet] = await self.call("get_wallets")
        return result

    async def get_markets(self, *, market_type: MarketTypeWord | None = None) -> list[Market]:
        """Return all markets with their rules.

        Takes:
            market_type: Only markets of this type.
        """
        result: list[Market] = await self.call("get_markets", {"marketType": market_type})
        return result

    async def get_market(self, symbol: str) -> Market:
        """Return one market with its rules.

        Takes:
            symbol: The market, such as SOL_USDC_PERP.
        """
        result: Market = await self.call("get_market", {"symbol": symbol})
        return result

    async def get_depth(self, symbol: str, *, limit: DepthLimit | None = None) -> DepthSnapshot:
        """Return the order book; both sides ascend, so that the best bid is the last one.

        Takes:
            symbol: The market, such as SOL_USDC_PERP.
            limit: Levels of each side; all when it is absent.
        """
        result: DepthSnapshot = await self.call("get_depth", {"symbol": symbol, "limit": limit})
        return result

    async def get_prediction_events(
        self,
        *,
        symbol: str | None = None,
        tag_slug: str | None = None,
        event_slug: str | None = None,
        series_slug: str | None = None,
        resolved: bool | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> list[PredictionEvent]:
        """Return prediction events with their markets.

        Takes:
            symbol: The market, such as SOL_USDC_PERP.
            tag_slug: Only events with this tag.
            event_slug: Only this event.
            series_slug: Only events of this series.
            resolved: Only events that are resolved, or only those that are not.
            limit: How many rows; 100 when it is absent, at most 1000.
            offset: How many rows to leave out, from the newest.
        """
        result: list[PredictionEvent] = await self.call(
            "get_prediction_events",
            {
                "symbol": symbol,
                "tagSlug": tag_slug,
                "eventSlug": event_slug,
                "seriesSlug": series_slug,
                "resolved": resolved,
                "limit": limit,
                "offset": offset,
            },
        )
        return result

    async def get_prediction_tags(self) -> list[PredictionTag]:
        """Return the tags of prediction events."""
        result: list[PredictionTag] = await self.call("get_prediction_tags")
        return result

    async def get_market_sessions(self) -> list[MarketSession]:
        """Return the trading hours of stocks, by its older name."""
        result: list[MarketSession] = await self.call("get_market_sessions")
        return result

    async def get_securities(self) -> list[Security]:
        """Return the stocks and their rules by session."""
        result: list[Security] = await self.call("get_securities")
        return result

    async def get_mark_prices(
        self, *, symbol: str | None = None, market_type: MarketTypeWord | None = None
    ) -> list[MarkPrice]:
        """Return mark price, index price and funding rate of perpetual markets.

        Takes:
            symbol: The market, such as SOL_USDC_PERP.
            market_type: Only markets of this type.
        """
        result: list[MarkPrice] = await self.call("get_mark_prices", {"symbol": symbol, "marketType": market_type})
        return result

    async def get_open_interest(self, *, symbol: str | None = None) -> list[OpenInterest]:
        """Return the open interest of markets.

        Takes:
            symbol: The market, such as SOL_USDC_PERP.
        """
        result: list[OpenInterest] = await self.call("get_open_interest", {"symbol": symbol})
        return result

    async def get_funding_interval_rates(
        self, symbol: str, *, limit: int | None = None, offset: int | None = None
    ) -> list[FundingRate]:
        """Return past funding rates of a market, newest first; the first one still runs.

        Takes:
            symbol: The market, such as SOL_USDC_PERP.
            limit: How many rows; 100 when it is absent, at most 10000.
            offset: How many rows to leave out, from the newest.
        """
        result: list[FundingRate] = await self.call(
            "get_funding_interval_rates", {"symbol": symbol, "limit": limit, "offset": offset}
        )
        return result

    async def get_klines(
        self,
        symbol: str,
        interval: KlineIntervalWord,
        start_time_s: int,
        *,
        end_time_s: int | None = None,
        price_type: KlinePriceType | None = None,
    ) -> list[Kline]:
        """Return candles, oldest first; at most 2,000 of them fit into one request.

        Takes:
            symbol: The market, such as SOL_USDC_PERP.
            interval: The length of a candle.
            start_time_s: The beginning of the first candle.
            end_time_s: Until when; until now when it is absent.
            price_type: Of which price; Last when it is absent.
        """
        result: list[Kline] = await self.call(
            "get_klines",
            {
                "symbol": symbol,
                "interval": interval,
                "startTime": start_time_s,
                "endTime": end_time_s,
                "priceType": price_type,
            },
        )
        return result

    async def get_ticker(self, symbol: str, *, interval: TickerInterval | None = None) -> Ticker | None:
        """Return prices and volume of a market over a day or a week.

        Takes:
            symbol: The market, such as SOL_USDC_PERP.
            interval: Over which time; 1d when it is absent.
        """
        result: Ticker | None = await self.call("get_ticker", {"symbol": symbol, "interval": interval})
        return result

    async def get_tickers(self, *, interval: TickerInterval | None = None) -> list[Ticker]:
        """Return prices and volume of all markets over a day or a week.

        Takes:
            interval: Over which time; 1d when it is absent.
        """
        result: list[Ticker] = await self.call("get_tickers", {"interval": interval})
        return result

    async def get_recent_trades(self, symbol: str, *, limit: int | None = None) -> list[Trade]:
        """Return the last trades of a market, newest first.

        Takes:
            symbol: The market, such as SOL_USDC_PERP.
            limit: How many rows; 100 when it is absent, at most 1000.
        """
        result: list[Trade] = await self.call("get_recent_trades", {"symbol": symbol, "limit": limit})
        return result

    async def get_historical_trades(
        self, symbol: str, *, limit: int | None = None, offset: int | None = None
    ) -> list[Trade]:
        """Return past trades of a market, newest first.

        Takes:
            symbol: The market, such as SOL_USDC_PERP.
            limit: How many rows; 100 when it is absent, at most 1000.
            offset: How many rows to leave out, from the newest.
        """
        result: list[Trade] = await self.call(
            "get_historical_trades", {"symbol": symbol, "limit": limit, "offset": offset}
        )
        return result

    async def get_assets(self, *, country: str | None = None) -> list[Asset]:
        """Return all assets with their networks and fees.

        Takes:
            country: Only what is offered in this country.
        """
        result: list[Asset] = await self.call("get_assets", {"country": country})
        return result

    async def get_collateral_parameters(self) -> list[CollateralParameters]:
        """Return how much each asset counts as collateral."""
        result: list[CollateralParameters] = await self.call("get_collateral_parameters")
        return result

    async def get_borrow_lend_markets(self) -> list[LendingMarket]:
        """Return all lending markets with their rates."""
        result: list[LendingMarket] = await self.call("get_borrow_lend_markets")
        return result

    async def get_borrow_lend_markets_history(
        self, interval: HistoryInterval, *, symbol: str | None = None
    ) -> list[LendingMarketRecord]:
        """Return past rates and amounts of lending markets, oldest first.

        Takes:
            interval: How far to look back.
            symbol: The asset, such as SOL.
        """
        result: list[LendingMarketRecord] = await self.call(
            "get_borrow_lend_markets_history", {"interval": interval, "symbol": symbol}
        )
        return result

    async def get_apy_rates(self, *, tier_id: int | None = None) -> ApyRates:
        """Return what lending, borrowing and staking yields and costs.

        Takes:
            tier_id: The tier of fees for which to tell the rates.
        """
        result: ApyRates = await self.call("get_apy_rates", {"tierId": tier_id})
        return result

    async def get_stock_sessions(self) -> list[MarketSession]:
        """Return the trading hours of stocks."""
        result: list[MarketSession] = await self.call("get_stock_sessions")
        return result

    async def get_stock_holidays(self) -> list[Any]:
        """Return the days without stock trading."""
        result: list[Any] = await self.call("get_stock_holidays")
        return result

    async def get_stock_indicative_quote(self, symbol: str, side: SideWord, quantity: Amount) -> StockQuote:
        """Return what an amount of a stock would cost now.

        Takes:
            symbol: The stock, such as AAPL.US.
            side: Bid buys, Ask sells.
            quantity: How much. In base units.
        """
        result: StockQuote = await self.call(
            "get_stock_indicative_quote", {"symbol": symbol, "side": side, "quantity": quantity}
        )
        return result
