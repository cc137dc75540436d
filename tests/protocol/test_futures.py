"""Answers about positions, margin and funding read into models."""

from decimal import Decimal

import pytest

from backpack_connector.protocol import futures
from backpack_connector.protocol.errors import WireFormatError
from backpack_connector.protocol.models import read_rows
from backpack_connector.protocol.wire import read
from tests.protocol.samples import body


def test_a_position_is_read_exactly_and_fulfils_the_published_identities() -> None:
    positions, complaints = read_rows(futures.Position, body("get_positions.long.200"), "get_positions")
    assert complaints == []
    (position,) = positions
    assert (position.symbol, position.net_quantity) == ("ETH_USDC_PERP", Decimal("0.002"))
    profit = (position.mark_price - position.entry_price) * position.net_quantity
    # API §2.3: the sample's digits end at a millionth.
    assert abs(position.pnl_realized + position.pnl_unrealized - profit) < Decimal("0.000001")


def test_funding_payments_have_their_time_in_utc_seconds() -> None:
    payments, complaints = read_rows(futures.FundingPayment, body("get_funding_payments.200"), "get_funding_payments")
    assert complaints == []
    assert payments[0].payment_timestamp == 1757620800.0  # 2025-09-11T20:00:00
    assert payments[0].quantity == Decimal("0.000022")


SUMMARY = {
    "assetsValue": "100",
    "borrowLiability": "0",
    "collateral": [],
    "imf": "0",
    "liabilitiesValue": "0",
    "mmf": "0",
    "netEquity": "79.14",
    "netEquityAvailable": "38.44",
    "netEquityLocked": "40.70",
    "netExposureFutures": "0",
    "pnlUnrealized": "0",
    "unsettledEquity": "0",
}


def test_a_margin_summary_needs_no_margin_fraction() -> None:
    summary = read(futures.MarginSummary, SUMMARY, "get_collateral")
    assert summary.net_equity_available == Decimal("38.44")
    assert summary.margin_fraction is None


def test_a_margin_summary_without_its_equity_is_an_error() -> None:
    incomplete = {key: value for key, value in SUMMARY.items() if key != "netEquity"}
    with pytest.raises(WireFormatError, match=r"get_collateral: .*netEquity"):
        read(futures.MarginSummary, incomplete, "get_collateral")
