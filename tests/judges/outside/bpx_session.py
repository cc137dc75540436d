"""Trade with bpx-py, Backpack's Python client on PyPI, unmodified but for its URLs; REST only, it has no streams.

Run by tests/judges/test_outside.py in .venv-judges: python bpx_session.py REST_URL '[[KEY, SECRET], ...]'
It ends with status 0 and one JSON object on stdout that says what it has seen, or with a traceback.
Left out are its own mistakes (API §6, conflict 21): client ids sent as text when an order is asked for or cancelled,
booleans in queries ("True" sent, "true" signed), the removed profit-and-loss history.
"""

import asyncio
import json
import sys
import time
from typing import Any

from bpx.account import Account
from bpx.async_.account import Account as AsyncAccount
from bpx.async_.public import Public as AsyncPublic
from bpx.base.base_account import BaseAccount
from bpx.base.base_public import BasePublic
from bpx.public import Public

SPOT, PERP = "SOL_USDC", "SOL_USDC_PERP"


def good(answer: Any) -> Any:
    """Return an answer that is no refusal; bpx-py does not tell the status."""
    assert not (isinstance(answer, dict) and {"code", "message"} <= set(answer)), answer
    assert not (isinstance(answer, str) and "failed to parse" in answer), answer
    return answer


def refused(answer: Any, code: str) -> None:
    assert isinstance(answer, dict), answer
    assert answer.get("code") == code, answer


def system(public: Any) -> None:
    assert good(public.get_status()) == {"message": None, "status": "Ok"}
    assert public.get_ping() == "pong"
    assert abs(public.get_time() - time.time() * 1_000) < 60_000
    assert {SPOT, PERP} <= {row["symbol"] for row in good(public.get_markets())}
    assert {"SOL", "USDC"} <= {row["symbol"] for row in good(public.get_assets())}


def trading(maker: Any, taker: Any, public: Any) -> dict[str, list[str]]:
    orders = {}
    for symbol in (SPOT, PERP):
        for side, price in (("Ask", "150.5"), ("Bid", "149.5")):
            good(maker.execute_order(symbol, side, "Limit", quantity="3", price=price, post_only=True))
        assert public.get_depth(symbol)["asks"] == [["150.5", "3"]]
        bought = good(taker.execute_order(symbol, "Bid", "Market", quantity="1"))
        assert (bought["status"], bought["executedQuoteQuantity"]) == ("Filled", "150.5")
        sold = good(taker.execute_order(symbol, "Ask", "Limit", "IOC", quantity="0.4", price="149.5"))
        assert sold["status"] == "Filled"
        cost = good(taker.execute_order(symbol, "Bid", "Market", quote_quantity="30.1"))
        assert cost["executedQuantity"] == "0.2"
        resting = good(taker.execute_order(symbol, "Bid", "Limit", quantity="1", price="140", client_id=31))
        assert good(taker.get_open_order(symbol, order_id=resting["id"]))["clientId"] == 31
        assert [order["id"] for order in good(taker.get_open_orders(symbol=symbol))] == [resting["id"]]
        assert good(taker.cancel_order(symbol, order_id=resting["id"]))["status"] == "Cancelled"
        good(taker.execute_order(symbol, "Bid", "Limit", quantity="1", price="139", self_trade_prevention="RejectBoth"))
        assert len(good(taker.cancel_all_orders(symbol))) == 1
        refused(taker.get_open_order(symbol, order_id=resting["id"]), "RESOURCE_NOT_FOUND")
        refused(
            taker.execute_order(symbol, "Bid", "Limit", quantity="1", price="150.5", post_only=True), "INVALID_ORDER"
        )

        history = {row["id"]: row["status"] for row in good(taker.get_order_history(symbol))}
        assert (history[bought["id"]], history[resting["id"]]) == ("Filled", "Cancelled")
        assert len(good(taker.get_order_history(symbol, order_id=sold["id"]))) == 1
        fills = good(taker.get_fill_history(symbol, fill_type="User"))
        assert [row["orderId"] for row in fills] == [cost["id"], sold["id"], bought["id"]]
        assert len(good(taker.get_fill_history(market_type=("PERP" if symbol == PERP else "SPOT")))) == 3
        orders[symbol] = [bought["id"], sold["id"], cost["id"]]
    return orders


def market_data(public: Any) -> None:
    hour_ago = int(time.time()) - 3_600
    assert good(public.get_ticker(SPOT))["trades"] == "3"
    assert {SPOT, PERP} <= {row["symbol"] for row in good(public.get_tickers())}
    assert sum(int(row["trades"]) for row in good(public.get_klines(SPOT, "1m", hour_ago))) == 3
    assert len(good(public.get_recent_trades(SPOT))) == 3
    assert len(good(public.get_history_trades(SPOT, limit=2, offset=1))) == 2
    assert good(public.get_open_interest(PERP))[0]["openInterest"] == "0.8"
    assert good(public.get_funding_interval_rates(PERP))
    assert {row["symbol"] for row in good(asyncio.run(public.get_all_mark_prices(PERP)))} == {PERP}


def account(taker: Any) -> dict[str, Any]:
    good(taker.update_account(leverage_limit="5", auto_lend=False))
    assert good(taker.get_account())["leverageLimit"] == "5"
    (position,) = good(taker.get_open_positions())
    assert (position["symbol"], position["netQuantity"]) == (PERP, "0.8")
    assert float(good(taker.get_collateral())["netEquity"]) > 0
    assert good(taker.get_funding_payments(symbol=PERP)) == []
    assert isinstance(good(taker.get_settlements_history()), list)
    return good(taker.get_balances())  # type: ignore[no-any-return]


def limits(taker: Any) -> None:
    assert float(good(taker.get_max_order_quantity(SPOT, "Bid", price="150"))["maxOrderQuantity"]) > 1
    assert float(good(taker.get_max_withdrawal_quantity("USDC"))["maxWithdrawalQuantity"]) > 1
    assert float(good(taker.get_max_borrow_quantity("SOL"))["maxBorrowQuantity"]) >= 0


def lending(taker: Any, maker: Any, public: Any) -> None:
    assert {"SOL", "USDC"} <= {row["symbol"] for row in good(public.get_borrow_lend_markets())}
    assert good(public.get_collateral())
    good(maker.execute_borrow_lend("20", "Lend", "SOL"))
    good(taker.execute_borrow_lend("100", "Lend", "USDC"))
    assert {row["symbol"] for row in good(taker.get_borrow_lend_positions())} == {"USDC"}
    assert good(taker.get_borrow_history())[0]["eventType"] == "Lend"
    assert isinstance(good(taker.get_interest_history()), list)
    assert good(public.get_borrow_lend_market_history("1d", "USDC"))


def capital(taker: Any) -> None:
    assert good(taker.get_deposit_address("Solana"))["address"]
    assert isinstance(good(taker.get_deposits()), list)
    assert isinstance(good(taker.get_withdrawals()), list)


async def side_by_side(keys: list[str]) -> None:
    """Ask with its asynchronous half too."""
    client = AsyncAccount(*keys)
    balances, orders = await asyncio.gather(client.get_balances(), client.get_open_orders())
    assert set(good(balances)) >= {"SOL", "USDC"}
    assert good(orders) == []
    assert good(await AsyncPublic().get_status())["status"] == "Ok"


def session(rest_url: str, keys: list[list[str]]) -> dict[str, Any]:
    BaseAccount.BPX_API_URL = BasePublic.BASE_URL = f"{rest_url}/"
    maker, taker = (Account(*pair) for pair in keys)
    public = Public()
    system(public)
    orders = trading(maker, taker, public)
    market_data(public)
    balances = account(taker)
    limits(taker)
    lending(taker, maker, public)
    capital(taker)
    asyncio.run(side_by_side(keys[1]))
    stranger = Account(keys[0][0], keys[1][1])
    refused(stranger.get_balances(), "INVALID_CLIENT_REQUEST")
    return {"orders": orders, "balance": {asset: row["available"] for asset, row in balances.items()}}


if __name__ == "__main__":
    told = session(sys.argv[1], json.loads(sys.argv[2]))
    sys.stdout.write(json.dumps(told) + "\n")
