"""Sum up for the page what no public stream tells: accounts with their last orders and fills, faults, connections.

Like the truth this is no part of Backpack's interface, and it holds no secrets: an account is known by its public key.
Everything in it is bounded, because the page asks each second.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any

from backpack_connector.protocol.units import decimal_text

from .accounts import Account
from .engine import Exchange
from .equity import EquityCurves, worth
from .faults_kinds import KINDS, WIRE_NAMES, kind_sentences
from .futures_payloads import position_payload, shown
from .margin import AccountMargin, liquidation_price
from .payloads import Json
from .truth import fill_truth, order_truth

MAX_ROWS = 100
MAX_ACCOUNTS = 200
_FINISHED_FAULTS_SHOWN = 10


def overview_payload(
    exchange: Exchange,
    curves: EquityCurves,
    faults: Sequence[Json],
    *,
    account_id: str | None,
    connections: int,
    now_us: int,
    seed: int,
) -> Json:
    """Return what the page shows beside the market; `account` is null when there is no such account."""
    accounts = list(islice(curves.accounts(), MAX_ACCOUNTS))
    account = None if account_id is None else exchange.accounts.get(account_id)
    return {
        "account": None if account is None else _account(account, exchange, curves),
        "accounts": [{"account": row.account_id, "openOrders": len(row.all_open_orders)} for row in accounts],
        "connections": connections,
        "faults": _shown_faults(faults),
        "seed": seed,
        "timeUs": now_us,
    }


def _shown_faults(faults: Sequence[Json]) -> list[Json]:
    active = [row for row in faults if row["isActive"]]
    finished = [row for row in faults if not row["isActive"]]
    return [*active, *reversed(finished[-_FINISHED_FAULTS_SHOWN:])]


def _account(account: Account, exchange: Exchange, curves: EquityCurves) -> Json:
    margin = exchange.risk.margin(account)
    return {
        "account": account.account_id,
        "balances": _balances(margin),
        "equity": [[time_us, _cents(value)] for time_us, value in curves.of(account.account_id)],
        "fills": [fill_truth(fill) for fill in islice(reversed(account.fills), MAX_ROWS)],
        "leverageLimit": decimal_text(account.leverage_limit),
        "margin": {
            "available": shown(margin.available),
            "initial": shown(margin.initial_margin),
            "maintenance": shown(margin.maintenance_margin),
            "netEquity": shown(margin.net_equity),
        },
        "openOrderCount": len(account.all_open_orders),
        "openOrders": [order_truth(order) for order in islice(reversed(account.all_open_orders), MAX_ROWS)],
        "orders": [order_truth(order) for order in islice(reversed(account.orders.values()), MAX_ROWS)],
        "pnlUnrealized": shown(margin.pnl_unrealized),
        "positions": [
            position_payload(view, liquidation_price(margin, view.symbol)) for view in exchange.risk.views(account)
        ],
        "worth": shown(worth(margin)),
    }


def _cents(value: Decimal) -> str:
    return f"{value:.2f}"


def _balances(margin: AccountMargin) -> list[Json]:
    return [
        {
            "asset": asset.asset,
            "available": decimal_text(asset.balance.available),
            "borrowed": decimal_text(asset.borrowed),
            "lent": decimal_text(asset.lent),
            "locked": decimal_text(asset.balance.locked),
            "value": shown(asset.notional - asset.liability),
        }
        for asset in margin.assets
        if asset.quantity or asset.borrowed
    ]


def fault_kinds_payload() -> list[Json]:
    """Return the catalogue of faults, from which the page makes its form."""
    sentences = kind_sentences()
    return [
        {
            "defaultCount": row.default_count,
            "hasOccasions": row.has_occasions,
            "kind": kind.value,
            "operations": sorted(row.operations),
            "parameters": _wire_names(row.parameters),
            "required": _wire_names(row.required),
            "scope": _wire_names(row.scope),
            "sentence": sentences.get(kind.value, ""),
        }
        for kind, row in KINDS.items()
    ]


def _wire_names(names: Iterable[str]) -> list[Any]:
    return sorted(WIRE_NAMES[name] for name in names)
