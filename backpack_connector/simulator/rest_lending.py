"""Answer the REST operations about lending, collateral parameters and account limits. Source: API §2.2, §2.3."""

import base64
import binascii
from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import Enum
from typing import Any

from backpack_connector.protocol.enums import Side
from backpack_connector.protocol.errors import ErrorCode
from backpack_connector.protocol.units import decimal_text

from .accounts import Account
from .answers import Answer, Page, Prepared
from .clock import HOUR_US
from .engine import Exchange
from .lending import PoolSample
from .lending_payloads import (
    apy_payload,
    collateral_parameters_payload,
    interest_payload,
    lending_market_payload,
    loan_movement_payload,
    loan_payload,
    loan_row,
    market_symbol_of,
    pool_sample_payload,
)
from .lending_positions import LoanEvent, LoanSide, LoanSource
from .margin import debt_liquidation_price
from .orders import SpotMargin
from .payloads import Json
from .refusals import UNAUTHORIZED, Refusal, invalid_request
from .request_forms import Payload, Query, decode_body

_MAX_TIER = 2**31 - 1


class LendingInterval(str, Enum):
    """How far back a history of lending markets goes. Source: schema BorrowLendMarketHistoryInterval."""

    DAY = "1d"
    WEEK = "1w"
    MONTH = "1month"
    YEAR = "1year"


# How many hours back, and one row for how many; which rows the exchange shows is not known.
_SPANS_H = {
    LendingInterval.DAY: (24, 1),
    LendingInterval.WEEK: (7 * 24, 6),
    LendingInterval.MONTH: (30 * 24, 24),
    LendingInterval.YEAR: (365 * 24, 7 * 24),
}


class LoanState(str, Enum):
    """Source: schema BorrowLendPositionState."""

    CLOSED = "Closed"
    OPEN = "Open"


class InterestSource(str, Enum):
    """Source: schema InterestPaymentSource."""

    BORROW_LEND = "BorrowLend"
    UNREALIZED_PNL = "UnrealizedPnl"


class LendingRest:
    """The operations of one exchange about lending and limits."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.operations: Mapping[str, Callable[[Query], Any]] = {
            "get_apy_rates": self.apy_rates,
            "get_borrow_lend_estimated_liquidation_price": self.estimated_liquidation_price,
            "get_borrow_lend_markets": self.markets,
            "get_borrow_lend_markets_history": self.markets_history,
            "get_collateral_parameters": self.collateral_parameters,
        }
        """Public ones, as in rest_public.py."""
        self.queries: Mapping[str, Callable[[Query], Prepared]] = {
            "get_borrow_lend_history": self.history,
            "get_borrow_lend_position_history": self.position_history,
            "get_borrow_lend_positions": self.positions,
            "get_interest_history": self.interest,
            "get_max_borrow_quantity": self.max_borrow,
            "get_max_order_quantity": self.max_order,
            "get_max_withdrawal_quantity": self.max_withdrawal,
        }
        self.bodies: Mapping[str, Callable[[Any], Prepared]] = {"execute_borrow_lend": self.execute}

    def _account(self, account_id: str) -> Account:
        return self._exchange.open_account(account_id)

    def apy_rates(self, query: Query) -> Json:
        """Answer get_apy_rates. Nothing is staked here, and VIP tiers have no rates of their own."""
        query.integer("tierId", maximum=_MAX_TIER)
        lending = self._exchange.lending
        return {"borrowLend": [apy_payload(asset, lending.pool(asset)) for asset in lending.states], "staking": []}

    def markets(self, _: Query) -> list[Json]:
        """Answer get_borrow_lend_markets."""
        lending, risk = self._exchange.lending, self._exchange.risk
        return [
            lending_market_payload(asset, state, lending.pool(asset), risk.price_of(asset), self._exchange.clock_us())
            for asset, state in lending.states.items()
        ]

    def markets_history(self, query: Query) -> list[Json]:
        """Answer get_borrow_lend_markets_history, oldest first; the last row is now. An unknown symbol has no rows."""
        interval = query.required_word("interval", LendingInterval)
        symbol, lending, now_us = query.text("symbol"), self._exchange.lending, self._exchange.clock_us()
        hours, step = _SPANS_H[interval]
        rows: list[PoolSample] = []
        for asset, samples in lending.samples.items():
            if symbol in (None, asset):
                recent = [row for row in samples if row.time_us > now_us - hours * HOUR_US]
                rows += [row for row in recent if row.time_us // HOUR_US % step == 0]
                rows.append(PoolSample(now_us, lending.pool(asset)))
        return [pool_sample_payload(row) for row in rows]

    def collateral_parameters(self, _: Query) -> list[Json]:
        """Answer get_collateral_parameters: all assets of the exchange, also those that cannot be lent."""
        instruments = [market.instrument for market in self._exchange.markets.values() if market.prices is None]
        assets = {asset for row in instruments for asset in (row.base, row.quote)}
        return [collateral_parameters_payload(asset) for asset in sorted(assets)]

    def estimated_liquidation_price(self, query: Query) -> Json:
        """Answer get_borrow_lend_estimated_liquidation_price: nobody is known to ask.

        The specification gives it neither an instruction nor headers, so that only a web session can have an account
        here, and there are none (API §2.2, note 2).
        """
        query.integer("subaccountId", maximum=2**16 - 1)
        try:
            planned = base64.b64decode(query.required_text("borrow"), validate=True)
        except (binascii.Error, ValueError):
            raise query.failure("borrow", "string", "Invalid base64") from None
        _read_loan(decode_body(planned))
        raise Refusal(ErrorCode.UNAUTHORIZED, "Unauthorized", UNAUTHORIZED)

    def execute(self, body: Any) -> Prepared:
        """Answer execute_borrow_lend with an empty body."""
        side, asset, quantity = _read_loan(body)

        def run(account_id: str) -> Answer:
            execution = self._exchange.lending.execute(account_id, side, asset, quantity)
            return Answer(None, executions=(execution,))

        return Prepared(run)

    def positions(self, _: Query) -> Prepared:
        """Answer get_borrow_lend_positions."""
        return Prepared(lambda account_id: Answer(self._positions(self._account(account_id))))

    def _positions(self, account: Account) -> list[Json]:
        risk, loans = self._exchange.risk, self._exchange.ledger.loans.of(account.account_id)
        if not loans:
            return []
        margin = risk.margin(account)
        rows = []
        for asset, loan in sorted(loans.items()):
            market = self._exchange.markets.get(market_symbol_of(asset))
            tick = None if market is None else market.instrument.tick_size
            price = None if tick is None else debt_liquidation_price(margin, asset, tick)
            rows.append(loan_payload(loan, risk.price_of(asset), account.leverage_limit, price))
        return rows

    def history(self, query: Query) -> Prepared:
        """Answer get_borrow_lend_history; interest that makes positions grow is in it too, with a source of its own."""
        page, event, symbol = Page(query), query.word("type", LoanEvent), query.text("symbol")
        position_id, sources = query.text("positionId"), _sources(query)

        def run(account_id: str) -> Answer:
            rows = [
                row
                for row in self._account(account_id).loan_movements
                if event in (None, row.event)
                and symbol in (None, row.asset)
                and position_id in (None, row.position_id)
                and (sources is None or row.source in sources)
            ]
            return page.answer(rows, loan_movement_payload)

        return Prepared(run)

    def interest(self, query: Query) -> Prepared:
        """Answer get_interest_history. Unrealised profit bears none: it is realised all the time."""
        page, asset, symbol = Page(query), query.text("asset"), query.text("symbol")
        position_id, source = query.text("positionId"), query.word("source", InterestSource)

        def run(account_id: str) -> Answer:
            rows = [
                row
                for row in self._account(account_id).interest_payments
                if asset in (None, row.asset)
                and symbol in (None, market_symbol_of(row.asset))
                and position_id in (None, row.position_id)
                and source is not InterestSource.UNREALIZED_PNL
            ]
            return page.answer(rows, interest_payload)

        return Prepared(run)

    def position_history(self, query: Query) -> Prepared:
        """Answer get_borrow_lend_position_history: positions in the order of their opening."""
        page, symbol = Page(query), query.text("symbol")
        side, state = query.word("side", LoanSide), query.word("state", LoanState)

        def run(account_id: str) -> Answer:
            closed = [row.loan for row in self._account(account_id).closed_loans if state is not LoanState.OPEN]
            still_open = (
                list(self._exchange.ledger.loans.of(account_id).values()) if state is not LoanState.CLOSED else []
            )
            rows = [
                row for row in (*closed, *still_open) if symbol in (None, row.asset) and side in (None, row.last_side)
            ]
            rows.sort(key=lambda row: (row.opened_us, int(row.position_id)))
            return page.answer(rows, loan_row)

        return Prepared(run)

    def _asset(self, query: Query) -> str:
        """Return the asset in the parameter `symbol`."""
        asset = query.required_text("symbol")
        instruments = [market.instrument for market in self._exchange.markets.values()]
        if all(asset not in (row.base, row.quote) for row in instruments):
            raise query.failure("symbol", "CustodyAsset", "Expect a valid enumeration value.")
        return asset

    def max_borrow(self, query: Query) -> Prepared:
        """Answer get_max_borrow_quantity."""
        asset = self._asset(query)

        def run(account_id: str) -> Answer:
            quantity = self._exchange.limits.borrow(self._account(account_id), asset)
            return Answer({"maxBorrowQuantity": decimal_text(quantity), "symbol": asset})

        return Prepared(run)

    def max_withdrawal(self, query: Query) -> Prepared:
        """Answer get_max_withdrawal_quantity."""
        asset, flags = self._asset(query), _echoed_flags(query, "autoBorrow", "autoLendRedeem")

        def run(account_id: str) -> Answer:
            quantity = self._exchange.limits.withdrawal(
                self._account(account_id),
                asset,
                auto_borrow=flags.get("autoBorrow", False),
                auto_lend_redeem=flags.get("autoLendRedeem", False),
            )
            return Answer({"maxWithdrawalQuantity": decimal_text(quantity), "symbol": asset, **flags})

        return Prepared(run)

    def max_order(self, query: Query) -> Prepared:
        """Answer get_max_order_quantity."""
        symbol, side, price = query.symbol(), query.required_word("side", Side), query.decimal("price")
        flags = _echoed_flags(query, "autoBorrow", "autoBorrowRepay", "autoLendRedeem", "reduceOnly")
        market = self._exchange.markets.get(symbol)
        if market is None or not market.is_listed:
            raise invalid_request("Invalid market symbol")
        if price is not None and price <= 0:
            raise Refusal(ErrorCode.INVALID_PRICE, "Price must be positive")
        spot_margin = SpotMargin(
            auto_borrow=flags.get("autoBorrow", False), auto_lend_redeem=flags.get("autoLendRedeem", False)
        )

        def run(account_id: str) -> Answer:
            quantity = self._exchange.limits.order(
                self._account(account_id),
                market,
                side,
                price,
                reduce_only=flags.get("reduceOnly", False),
                spot_margin=spot_margin,
            )
            echoed = {} if price is None else {"price": decimal_text(price)}
            named = {"maxOrderQuantity": decimal_text(quantity), "side": side.value, "symbol": symbol}
            return Answer({**named, **echoed, **flags})

        return Prepared(run)


def _read_loan(body: Any) -> tuple[LoanSide, str, Decimal]:
    """Read a BorrowLendExecutePayload."""
    payload = Payload(body, "BorrowLendExecutePayload")
    asset = payload.required_text("symbol", "CustodyAsset")
    return payload.word("side", LoanSide), asset, payload.required_decimal("quantity")


def _sources(query: Query) -> set[LoanSource] | None:
    """Read the sources that a history is asked for, separated by commas."""
    text = query.text("sources")
    if text is None:
        return None
    try:
        return {LoanSource(word) for word in text.split(",")}
    except ValueError:
        raise query.failure("sources", "BorrowLendSource", "Expect a valid enumeration value.") from None


def _echoed_flags(query: Query, *names: str) -> dict[str, bool]:
    """Return the flags that were sent; the answer repeats them."""
    return {name: flag for name in names if (flag := query.flag(name)) is not None}
