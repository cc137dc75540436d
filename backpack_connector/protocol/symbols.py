"""Convert between Backpack's symbols and Hummingbot's trading pairs.

Symbols keep their case and their dots: `kPEPE_USDC_PERP`, `AAPL.US_USDC_PERP`. Which symbols exist is for the
exchange's market list to say; the conversions here only apply the naming rule. Source: API §2.0, §5.1.
"""

from typing import NewType

from .enums import MarketType
from .errors import ConfigurationError

Symbol = NewType("Symbol", str)
TradingPair = NewType("TradingPair", str)

_PERPETUAL_SUFFIX = "_PERP"


def symbol_of(trading_pair: str, market_type: MarketType) -> Symbol:
    """Return the symbol of `SOL-USDC`: `SOL_USDC` on the spot market, `SOL_USDC_PERP` as a perpetual.

    Raises:   ConfigurationError when the text is not BASE-QUOTE or the market type has no such rule.
    """
    base, dash, quote = trading_pair.partition("-")
    if not (base and dash and quote) or "-" in quote or "_" in trading_pair:
        raise ConfigurationError(f"A trading pair looks like SOL-USDC, but this one is {trading_pair!r}.")
    if market_type is MarketType.SPOT:
        return Symbol(f"{base}_{quote}")
    if market_type is MarketType.PERP:
        return Symbol(f"{base}_{quote}{_PERPETUAL_SUFFIX}")
    raise ConfigurationError(f"There is no trading pair for markets of type {market_type}.")


def trading_pair_of(symbol: str, market_type: MarketType) -> TradingPair:
    """Return the trading pair of a symbol of the given market type.

    Raises:   ConfigurationError when the symbol is not of that type, for instance `SOL_USDC_PERP` as spot.
    """
    body = symbol
    if market_type is MarketType.PERP:
        if not symbol.endswith(_PERPETUAL_SUFFIX):
            raise ConfigurationError(f"{symbol!r} is not the symbol of a perpetual.")
        body = symbol[: -len(_PERPETUAL_SUFFIX)]
    elif market_type is not MarketType.SPOT:
        raise ConfigurationError(f"There is no trading pair for markets of type {market_type}.")
    base, underscore, quote = body.partition("_")
    if not (base and underscore and quote) or "_" in quote or "-" in body:
        raise ConfigurationError(f"{symbol!r} is not the symbol of a {market_type.value} market.")
    return TradingPair(f"{base}-{quote}")
