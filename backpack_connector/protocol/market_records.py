"""Define what public operations answer beside prices: assets, trades, rates, sessions, prediction events.

Words that only describe are plain text, so that a new one is harmless. Source: API §2.2, §2.3.
"""

from decimal import Decimal
from typing import Any

from .models import MarginFunction, QuantityFilter
from .wire import WireStruct


class Wallet(WireStruct, frozen=True, kw_only=True):
    """One row of get_wallets: a wallet of the exchange. Source: schema WalletResponse."""

    blockchain: str
    address: str


class Token(WireStruct, frozen=True, kw_only=True):
    """An asset on one network; amounts in units of the asset. Source: schema Token."""

    display_name: str
    blockchain: str
    deposit_enabled: bool
    minimum_deposit: Decimal
    withdraw_enabled: bool
    minimum_withdrawal: Decimal
    withdrawal_fee: Decimal
    contract_address: str | None = None
    maximum_withdrawal: Decimal | None = None
    """None for no maximum."""
    native_decimals: int | None = None


class Asset(WireStruct, frozen=True, kw_only=True):
    """One row of get_assets. Source: schema MarketAsset."""

    symbol: str
    display_name: str
    tokens: list[Token]
    coingecko_id: str | None = None


class HaircutKind(WireStruct, frozen=True, kw_only=True):
    """The shape of a haircut: `identity` for none, or `inverseSqrt`. Source: schema CollateralFunctionKind."""

    type: str
    base: Decimal | None = None
    """Of inverseSqrt, as all that follows; the name of the second parameter differs between sources."""
    positive_curve_penalty: Decimal | None = None
    factor: Decimal | None = None


class HaircutFunction(WireStruct, frozen=True, kw_only=True):
    """How much of an asset counts as collateral. Source: schema CollateralFunction."""

    weight: Decimal
    kind: HaircutKind


class CollateralParameters(WireStruct, frozen=True, kw_only=True):
    """One row of get_collateral_parameters. Source: schema CollateralSummary."""

    symbol: str
    imf_function: MarginFunction
    mmf_function: MarginFunction
    haircut_function: HaircutFunction


class OpenInterest(WireStruct, frozen=True, kw_only=True):
    """One row of get_open_interest. Source: schema OpenInterest."""

    symbol: str
    timestamp: int
    """Milliseconds."""
    open_interest: Decimal | None = None
    """Base units."""


class FundingRate(WireStruct, frozen=True, kw_only=True):
    """One row of get_funding_interval_rates; the newest one is of the interval that still runs.

    Source:   schema FundingIntervalRate.
    """

    symbol: str
    interval_end_timestamp: str
    """UTC text without zone."""
    funding_rate: Decimal
    """Fraction of the notional."""


class Trade(WireStruct, frozen=True, kw_only=True):
    """One row of get_recent_trades and get_historical_trades. Source: schema Trade."""

    price: Decimal
    quantity: Decimal
    quote_quantity: Decimal
    timestamp: int
    """Milliseconds."""
    is_buyer_maker: bool
    """True when the taker sold."""
    id: int | None = None


class PredictionTag(WireStruct, frozen=True, kw_only=True):
    """A tag of a prediction event. Source: schema Tag."""

    slug: str
    title: str


class PredictionSeries(WireStruct, frozen=True, kw_only=True):
    """A series of prediction events. Source: schema Series."""

    slug: str
    title: str
    recurrence: str | None = None


class Resolution(WireStruct, frozen=True, kw_only=True):
    """How a prediction event was or will be resolved. Source: schema Resolution."""

    resolved: bool
    start_date: str
    end_date: str | None = None
    strike_price: Decimal | None = None
    close_price: Decimal | None = None
    resolution_source_event_identifier: str | None = None
    resolution_source: str | None = None
    outcome: str | None = None


class PredictionMarket(WireStruct, frozen=True, kw_only=True):
    """One market of a prediction event. Source: schema PredictionMarket."""

    market_symbol: str
    question: str
    yes_outcome_label: str
    no_outcome_label: str
    rules: str
    active_price: Decimal
    quote_volume: Decimal
    quote_volume_lifetime: Decimal
    resolution_delay_secs: int
    group_label: str | None = None
    resolved_at: str | None = None
    resolution_price: Decimal | None = None
    img_url: str | None = None
    resolution_condition: dict[str, Any] | None = None
    proposed_resolution: bool | None = None
    proposed_resolution_at: str | None = None


class PredictionEvent(WireStruct, frozen=True, kw_only=True):
    """One row of get_prediction_events. Source: schema Event."""

    slug: str
    title: str
    prediction_markets: list[PredictionMarket]
    tags: list[PredictionTag]
    series: list[PredictionSeries]
    description: str
    quote_volume: Decimal
    resolution: Resolution
    resolved: bool
    resolution_delay_secs: int
    img_url: str | None = None


class MarketSession(WireStruct, frozen=True, kw_only=True):
    """One row of get_stock_sessions and get_market_sessions; hours are local to the time zone.

    Source:   schema MarketSession.
    """

    name: str
    start_time: str
    end_time: str
    timezone: str
    start_weekday: int
    """1 for Monday to 7 for Sunday; likewise `end_weekday`, which may be the smaller one."""
    end_weekday: int
    description: str | None = None


class SecuritySession(WireStruct, frozen=True, kw_only=True):
    """The rules of a stock during one session. Source: schema SecuritySession."""

    name: str
    min_quantity: Decimal
    step_size: Decimal
    max_quantity: Decimal | None = None


class Security(WireStruct, frozen=True, kw_only=True):
    """One row of get_securities. Source: schema Security."""

    asset: str
    name: str
    sessions: list[SecuritySession]
    cusip: str | None = None


class StockQuote(WireStruct, frozen=True, kw_only=True):
    """Answer of get_stock_indicative_quote. Source: API §2.2 ("Added after May 2026")."""

    available: bool
    price: Decimal | None = None
    """A limit price."""
    estimated_price: Decimal | None = None
    quote_quantity: Decimal | None = None
    reason: str | None = None
    """Why there is none."""
    published_at: str | int | None = None
    quantity_filter: QuantityFilter | None = None
