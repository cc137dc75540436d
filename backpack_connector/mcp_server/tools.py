"""List the tools that agents get: names and groups here, everything else out of the catalogue.

Rule 1: each operation of the catalogue is a tool, or stands in NOT_OFFERED with the reason.
Rule 2: parameters have their names in Python, so that times carry their unit; amounts are text, because a JSON number
        is a float.
Pure: the tools can be listed where the package `mcp` is not installed.
"""

from dataclasses import dataclass
from typing import Any

from backpack_connector.protocol.endpoints import Effect, endpoint
from backpack_connector.protocol.operations import operation
from backpack_connector.protocol.parameters import Kind, Parameter

AUTH = "auth"
_DECIMAL_PATTERN = r"^[0-9]+(\.[0-9]+)?$"
_PERCENT_PATTERN = r"^[0-9]+(\.[0-9]+)?%?$"
MOST_ORDERS_OF_A_BATCH = 20


@dataclass(frozen=True)
class Tool:
    """One tool: an operation of the catalogue, or something about the server itself."""

    name: str
    operation_id: str | None = None
    meaning: str = ""
    """Where there is no operation that says it."""
    needed: tuple[str, ...] = ()
    """Parameters that the tool asks for although the operation could do without."""
    hidden: tuple[str, ...] = ()
    """Parameters that the tool does not take."""
    defaults: tuple[tuple[str, Any], ...] = ()
    """What the tool gives for parameters that are absent."""
    fields: tuple[str, ...] = ()
    """What it passes on of each row; everything when empty."""

    @property
    def group(self) -> str:
        """Return the group, which is the first word of the name."""
        return self.name.partition("_")[0]

    @property
    def effect(self) -> Effect:
        """Return what the tool does at the exchange."""
        return Effect.READS if self.operation_id is None else endpoint(self.operation_id).effect

    @property
    def is_destructive(self) -> bool:
        """Tell whether what it does at the exchange cannot be taken back; a loan and a setting can."""
        return self.effect in (Effect.TRADES, Effect.MOVES_FUNDS)

    @property
    def is_repeatable(self) -> bool:
        """Tell whether doing it twice does no more than doing it once."""
        return self.effect in (Effect.READS, Effect.CONFIGURES) or self.name.endswith(("_cancel", "_cancel_all"))

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Return what it takes; of a batch, what each of its orders takes."""
        if self.operation_id is None:
            return ()
        rows = (row for row in operation(self.operation_id).parameters if row.name not in self.hidden)
        return tuple(row.required if row.name in self.needed else row for row in rows)

    @property
    def description(self) -> str:
        """Return what the tool is for, in words for an agent."""
        if self.operation_id is None:
            return self.meaning
        row, where = operation(self.operation_id), endpoint(self.operation_id)
        texts = [self.meaning or row.meaning]
        if row.page_limit:
            texts.append(f"At most {row.page_limit} rows at once; go on with offset.")
        texts.append(_EFFECTS[where.effect])
        if where.is_signed:
            texts.append("Needs an API key.")
        return " ".join(text for text in texts if text)

    @property
    def input_schema(self) -> dict[str, Any]:
        """Return the JSON schema of the arguments."""
        schema = _object_schema(self.parameters)
        for name, value in self.defaults:
            schema["properties"][name]["default"] = value
        if self.operation_id is None or not endpoint(self.operation_id).is_batch:
            if self.operation_id is not None and (choice := operation(self.operation_id).exactly_one):
                names = [row.python_name for row in self.parameters if row.name in choice]
                schema["description"] = f"Takes exactly one of {' and '.join(names)}."
            return schema
        orders = {"type": "array", "minItems": 1, "maxItems": MOST_ORDERS_OF_A_BATCH, "items": schema}
        return {"type": "object", "properties": {"orders": orders}, "required": ["orders"]} | _NOTHING_ELSE


_NOTHING_ELSE = {"additionalProperties": False}
_EFFECTS = {
    Effect.READS: "",
    Effect.TRADES: "Changes orders or money, and is sent once: if its outcome is unknown, look before you repeat it.",
    Effect.MOVES_FUNDS: "Moves money out of the account for good, and is sent once.",
    Effect.CONFIGURES: "Changes settings of the account.",
}


def _object_schema(parameters: tuple[Parameter, ...]) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {row.python_name: _value_schema(row) for row in parameters},
    }
    required = [row.python_name for row in parameters if row.is_required]
    return schema | ({"required": required} if required else {}) | _NOTHING_ELSE


def _value_schema(row: Parameter) -> dict[str, Any]:
    unit = {"s": "In seconds since 1970.", "ms": "In milliseconds."}.get(row.unit or "")
    if unit is None and row.unit:
        unit = f"In {row.unit}."
    text = f"{row.meaning} {unit}" if unit else row.meaning
    return {**_kind_schema(row), "description": text}


def _kind_schema(row: Parameter) -> dict[str, Any]:
    if row.kind is Kind.WHOLE:
        if row.words:
            return {"type": "integer", "enum": [int(word) for word in row.words]}
        return {"type": "integer", "minimum": row.least, "maximum": row.most}
    if row.kind is Kind.FLAG:
        return {"type": "boolean"}
    schema: dict[str, Any] = {"type": "string"}
    if row.words:
        schema["enum"] = list(row.words)
    elif row.kind is Kind.DECIMAL:
        schema["pattern"] = _DECIMAL_PATTERN
    elif row.kind is Kind.DECIMAL_OR_PERCENT:
        schema["pattern"] = _PERCENT_PATTERN
    return schema


_NAMES: dict[str, str] = {
    "system_status": "get_status",
    "system_ping": "ping",
    "system_time": "get_time",
    "system_wallets": "get_wallets",
    "market_assets": "get_assets",
    "market_list": "get_markets",
    "market_info": "get_market",
    "market_ticker": "get_ticker",
    "market_tickers": "get_tickers",
    "market_depth": "get_depth",
    "market_klines": "get_klines",
    "market_mark_prices": "get_mark_prices",
    "market_open_interest": "get_open_interest",
    "market_trades": "get_recent_trades",
    "market_trade_history": "get_historical_trades",
    "market_collateral": "get_collateral_parameters",
    "account_info": "get_account",
    "account_balances": "get_balances",
    "account_collateral": "get_collateral",
    "account_max_order": "get_max_order_quantity",
    "account_max_withdrawal": "get_max_withdrawal_quantity",
    "account_max_borrow": "get_max_borrow_quantity",
    "account_settlements": "get_settlement_history",
    "account_update": "update_account_settings",
    "order_create": "execute_order",
    "order_batch": "execute_order_batch",
    "order_list": "get_open_orders",
    "order_get": "get_order",
    "order_cancel": "cancel_order",
    "order_cancel_all": "cancel_open_orders",
    "order_history": "get_order_history",
    "order_fills": "get_fills",
    "position_list": "get_positions",
    "position_history": "get_position_history",
    "capital_deposits": "get_deposits",
    "capital_deposit_address": "get_deposit_address",
    "capital_withdrawals": "get_withdrawals",
    "capital_withdraw": "request_withdrawal",
    "capital_convert_dust": "convert_dust",
    "capital_dust_history": "get_dust_history",
    "funding_rates": "get_funding_interval_rates",
    "funding_history": "get_funding_payments",
    "borrow_markets": "get_borrow_lend_markets",
    "borrow_markets_history": "get_borrow_lend_markets_history",
    "borrow_apy": "get_apy_rates",
    "borrow_positions": "get_borrow_lend_positions",
    "borrow_execute": "execute_borrow_lend",
    "borrow_history": "get_borrow_lend_history",
    "borrow_interest_history": "get_interest_history",
    "borrow_position_history": "get_borrow_lend_position_history",
    "borrow_liquidation_price": "get_borrow_lend_estimated_liquidation_price",
    "strategy_create": "strategy_create",
    "strategy_list": "get_open_strategies",
    "strategy_get": "get_strategy",
    "strategy_cancel": "cancel_strategy",
    "strategy_cancel_all": "cancel_open_strategies",
    "strategy_history": "get_strategies_history",
    "rfq_list": "get_open_rfqs",
    "rfq_cancel": "cancel_rfq",
    "rfq_history": "get_rfq_history",
    "rfq_quote_history": "get_quote_history",
    "rfq_fills": "get_rfq_fill_history",
    "rfq_quote_fills": "get_quote_fill_history",
    "vault_list": "get_vaults",
    "vault_history": "get_vault_history",
    "vault_mint": "vault_mint",
    "vault_redeem_cancel": "vault_redeem_cancel",
    "vault_pending_redeems": "get_vault_pending_redeems",
    "vault_nav": "get_vault_nav",
    "vault_mint_history": "get_vault_mint_history",
    "vault_redeem_history": "get_vault_redeem_history",
    "stock_securities": "get_securities",
    "stock_sessions": "get_stock_sessions",
    "stock_holidays": "get_stock_holidays",
    "stock_quote": "get_stock_indicative_quote",
    "prediction_events": "get_prediction_events",
    "prediction_tags": "get_prediction_tags",
}

_LATER_PRICE = "What the deal is worth stands in a quote that comes later, so that no limit could be held."
_SESSION_ONLY = "For the web session only; API keys cannot call it."
NOT_OFFERED: dict[str, str] = {
    "submit_rfq": _LATER_PRICE,
    "submit_quote": _LATER_PRICE,
    "accept_quote": _LATER_PRICE,
    "refresh_rfq": _LATER_PRICE,
    "vault_redeem": "Only the vault's own key is told what its tokens are worth, so that no limit could be held.",
    "get_market_sessions": "The older name of get_stock_sessions.",
    "get_withdrawal_delay": _SESSION_ONLY,
    "create_withdrawal_delay": _SESSION_ONLY,
    "update_withdrawal_delay": _SESSION_ONLY,
}

_DETAILS: dict[str, dict[str, Any]] = {
    # With all rules the list of the real exchange is longer than an answer may be.
    "market_list": {
        "fields": ("symbol", "baseSymbol", "quoteSymbol", "marketType", "orderBookState", "visible"),
        "meaning": "Return all markets in short; market_info tells the rules of one: tick, step and bounds.",
    },
    "position_list": {"hidden": ("symbol",), "meaning": "Return the open positions."},
    "market_depth": {
        "defaults": (("limit", 100),),
        "meaning": "Return the order book, 100 levels of each side unless limit says otherwise; both sides ascend, so"
        " that the best bid is the last one.",
    },
    # A code of the second factor belongs to its owner, and not to an agent.
    "capital_withdraw": {"hidden": ("twoFactorToken",)},
}

TOOLS: dict[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool(
            "auth_config_get",
            meaning="Tell whether an API key is set up and where it comes from, which exchange this server talks to,"
            " what it is allowed to do, its limits, and how much of them is used up.",
        ),
        Tool(
            "auth_config_set",
            meaning="Read the API key again from the environment or from the file that the user keeps it in, after the"
            " user has changed it. It takes no key: never ask a user for an API secret, and never pass one on.",
        ),
        Tool(
            "auth_config_clear",
            meaning="Forget the API key until auth_config_set or the next start; the user's own settings stay as they"
            " are, and so do the limits of this server.",
        ),
        *(Tool(name, operation_id, **_DETAILS.get(name, {})) for name, operation_id in _NAMES.items()),
        Tool(
            "position_get",
            "get_positions",
            meaning="Return the open position in one market, with its liquidation price.",
            needed=("symbol",),
            hidden=("marketType",),
        ),
    )
}

GROUPS = tuple(dict.fromkeys(tool.group for tool in TOOLS.values()))
USUAL_GROUPS = ("auth", "system", "market", "account", "order", "position", "capital", "funding", "borrow")
"""What a server offers unless it is started with other groups: an agent pays for each description that it reads."""
