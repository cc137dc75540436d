"""Translate what a perpetual market has beyond a spot market into Hummingbot's types."""

from decimal import Decimal

from hummingbot.core.data_type.common import PositionAction
from hummingbot.core.data_type.funding_info import FundingInfo, FundingInfoUpdate
from hummingbot.core.data_type.trade_fee import TokenAmount, TradeFeeBase, TradeFeeSchema

from backpack_connector.protocol.messages import MarkPriceUpdate
from backpack_connector.protocol.models import MarkPrice
from backpack_connector.protocol.units import seconds_from_ms_or_us

NAN = Decimal("NaN")


def perpetual_fill_fee(
    schema: TradeFeeSchema, position_action: PositionAction, fee: Decimal, fee_symbol: str
) -> TradeFeeBase:
    """Return the fee of a perpetual fill, of the class that Hummingbot gives to orders with this action (F13).

    Units:    fee in `fee_symbol`, positive = paid, negative = rebate.
    """
    return TradeFeeBase.new_perpetual_fee(
        fee_schema=schema,
        position_action=position_action,
        percent_token=fee_symbol,
        flat_fees=[TokenAmount(token=fee_symbol, amount=fee)],
    )


def funding_info(row: MarkPrice, trading_pair: str) -> FundingInfo:
    """Return a row of get_mark_prices as funding info; what the row does not tell is NaN."""
    return FundingInfo(
        trading_pair=trading_pair,
        index_price=NAN if row.index_price is None else row.index_price,
        mark_price=row.mark_price,
        next_funding_utc_timestamp=_timestamp(row.next_funding_timestamp) or 0,
        rate=NAN if row.funding_rate is None else row.funding_rate,
    )


def funding_info_of_message(update: MarkPriceUpdate, trading_pair: str) -> FundingInfo:
    """Return a message of the mark price stream as funding info."""
    return FundingInfo(
        trading_pair=trading_pair,
        index_price=NAN if update.index_price is None else update.index_price,
        mark_price=update.mark_price,
        next_funding_utc_timestamp=_timestamp(update.next_funding) or 0,
        rate=NAN if update.funding_rate is None else update.funding_rate,
    )


def unknown_funding_info(trading_pair: str) -> FundingInfo:
    """Return the funding info of a market that publishes none, such as a closed one."""
    return FundingInfo(trading_pair, index_price=NAN, mark_price=NAN, next_funding_utc_timestamp=0, rate=NAN)


def funding_info_update(update: MarkPriceUpdate, trading_pair: str) -> FundingInfoUpdate:
    """Return a message of the mark price stream as a change of the funding info."""
    return FundingInfoUpdate(
        trading_pair=trading_pair,
        index_price=update.index_price,
        mark_price=update.mark_price,
        next_funding_utc_timestamp=_timestamp(update.next_funding),
        rate=update.funding_rate,
    )


def _timestamp(next_funding: int | None) -> int | None:
    return None if next_funding is None else round(seconds_from_ms_or_us(next_funding))
