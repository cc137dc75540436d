"""The public REST operations over a socket."""

from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from backpack_connector.protocol.enums import OrderBookState
from backpack_connector.protocol.units import seconds_from_iso
from backpack_connector.simulator import Simulator, running_simulator
from tests.protocol.samples import body as sample_body
from tests.simulator.support import SYMBOL, Client, limit, same_kind, trade

HOUR_S = 3_600
PERPETUALS = ["BTC_USDC_PERP", "SOL_USDC_PERP", "ETH_USDC_PERP", "AAPL.US_USDC_PERP"]


async def test_plain_texts(alice: Client) -> None:
    assert await alice.call("ping") == (200, "pong")
    _, text = await alice.call("get_time")
    assert abs(int(text) - alice.now_ms()) < 1_000
    assert await alice.call("get_status") == (200, {"message": None, "status": "Ok"})


async def test_markets_hold_spot_and_perpetual_rows_in_the_captured_shape(simulator: Simulator, alice: Client) -> None:
    _, rows = await alice.call("get_markets")
    by_symbol = {row["symbol"]: row for row in rows}
    assert {"kBONK_USDC", "SPCX.US_USDC", "BTC_USDC_PERP"} < set(by_symbol)
    captured = sample_body("get_market.btc_perpetual.200")
    assert by_symbol["BTC_USDC_PERP"] == captured
    assert by_symbol["SOL_USDC_PERP"] == sample_body("get_market.sol_perpetual.200")
    for row in rows:
        same_kind(row, captured, row["symbol"])
    assert by_symbol["WEN_USDC"]["orderBookState"] == "Closed"
    simulator.exchange.set_market_state(SYMBOL, OrderBookState.CANCEL_ONLY)
    assert (await alice.call("get_market", {"symbol": SYMBOL}))[1]["orderBookState"] == "CancelOnly"


async def test_markets_by_type(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    async def types(*pairs: tuple[str, str]) -> set[str]:
        async with http.get(f"{simulator.rest_url}/api/v1/markets", params=pairs) as response:
            return {row["marketType"] for row in await response.json()}

    assert await types(("marketType", "PERP")) == {"PERP"}
    assert await types(("marketType", "SPOT"), ("marketType", "PERP")) == {"SPOT", "PERP"}
    assert await types(("marketType", "DATED")) == set()


async def test_depth_is_ascending_on_both_sides_with_trimmed_numbers(simulator: Simulator, alice: Client) -> None:
    trade(simulator)
    _, depth = await alice.call("get_depth", {"symbol": SYMBOL})
    assert depth["asks"] == [["150.5", "1"], ["151", "2.5"]]
    assert depth["bids"] == [["149", "2"], ["149.5", "3"]]
    assert depth["lastUpdateId"] == str(simulator.exchange.markets[SYMBOL].book.update_id)
    same_kind(depth, sample_body("get_depth.200"))


async def test_depth_limit_keeps_the_best_levels(simulator: Simulator, alice: Client) -> None:
    for number in range(7):
        simulator.exchange.place("x", limit("Bid", str(140 + number), "0.01"))
    _, depth = await alice.call("get_depth", {"symbol": SYMBOL, "limit": "5"})
    assert [price for price, _ in depth["bids"]] == ["142", "143", "144", "145", "146"]


@pytest.mark.parametrize(
    ("operation", "parameters", "status", "answer"),
    [
        (
            "get_depth",
            {"symbol": SYMBOL, "limit": "7"},
            400,
            'failed to parse parameter `limit`: failed to parse "DepthLimit": Expect a valid enumeration value.',
        ),
        ("get_depth", {}, 400, 'failed to parse parameter `symbol`: Type "string" expects an input value.'),
        (
            "get_depth",
            {"symbol": "sol"},
            400,
            'failed to parse parameter `symbol`: failed to parse "MarketSymbol": Invalid market symbol',
        ),
        (
            "get_depth",
            {"symbol": "NOPE_USDC"},
            400,
            {"code": "INVALID_CLIENT_REQUEST", "message": "Invalid market symbol"},
        ),
        ("get_depth", {"symbol": "WEN_USDC"}, 404, {"code": "RESOURCE_NOT_FOUND", "message": "Not Found"}),
        (
            "get_market",
            {"symbol": "NOPE_USDC"},
            400,
            {"code": "INVALID_CLIENT_REQUEST", "message": "Invalid market symbol"},
        ),
        (
            "get_mark_prices",
            {"symbol": "NOPE_USDC_PERP"},
            400,
            {"code": "INVALID_CLIENT_REQUEST", "message": "Symbol not found"},
        ),
        (
            "get_klines",
            {"symbol": SYMBOL, "interval": "7m", "startTime": "1"},
            400,
            'failed to parse parameter `interval`: failed to parse "KlineInterval": Expect a valid enumeration value.',
        ),
        (
            "get_klines",
            {"symbol": SYMBOL, "interval": "1m"},
            400,
            'failed to parse parameter `startTime`: Type "integer" expects an input value.',
        ),
        (
            "get_klines",
            {"symbol": SYMBOL, "interval": "1m", "startTime": "0", "endTime": str(2_000 * 60 + 1)},
            400,
            {
                "code": "INVALID_CLIENT_REQUEST",
                "message": "Time range between startTime and endTime is too long",
            },
        ),
        (
            "get_recent_trades",
            {"symbol": SYMBOL, "limit": "1001"},
            400,
            'failed to parse parameter `limit`: failed to parse "integer": Value must not exceed 1000.',
        ),
        (
            "get_prediction_events",
            {"resolved": "yes"},
            400,
            'failed to parse parameter `resolved`: failed to parse "boolean": not `true` or `false`',
        ),
        ("get_ticker", {"symbol": SYMBOL}, 204, ""),
        ("get_withdrawal_delay", {}, 401, {"code": "UNAUTHORIZED", "message": "Unauthorized"}),
    ],
)
async def test_errors_and_empty_answers(
    alice: Client, operation: str, parameters: dict[str, str], status: int, answer: Any
) -> None:
    assert await alice.call(operation, parameters) == (status, answer)


@pytest.mark.parametrize("name", ["get_depth.invalid_limit.400", "get_depth.closed_market.404"])
async def test_captured_errors_come_back_word_for_word(
    simulator: Simulator, http: aiohttp.ClientSession, name: str
) -> None:
    expected = sample_body(name)
    parameters = {"symbol": SYMBOL, "limit": "7"} if "limit" in name else {"symbol": "WEN_USDC"}
    async with http.get(f"{simulator.rest_url}/api/v1/depth", params=parameters) as response:
        assert str(response.status) == name.rpartition(".")[2]
        assert (await response.json() if isinstance(expected, dict) else await response.text()) == expected


async def test_unknown_paths_and_methods(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{simulator.rest_url}/api/v1/nope") as response:
        assert (response.status, response.content_type, await response.text()) == (404, "text/plain", "not found")
    async with http.get(f"{simulator.rest_url}/nope") as response:
        assert (response.status, await response.text()) == (404, "not found")
    async with http.post(f"{simulator.rest_url}/api/v1/depth") as response:
        assert response.status == 405


async def test_trades_are_newest_first_and_offset_counts_from_the_newest(simulator: Simulator, alice: Client) -> None:
    simulator.exchange.place("x", limit("Ask", "150", "9"))
    for _ in range(3):
        simulator.exchange.place("y", limit("Bid", "150", "1"))
    _, trades = await alice.call("get_recent_trades", {"symbol": SYMBOL})
    ids = [row["id"] for row in trades]
    assert ids == sorted(ids, reverse=True)
    assert len(ids) == 3
    assert trades[0]["isBuyerMaker"] is False
    same_kind(trades, sample_body("get_recent_trades.200"))
    _, page = await alice.call("get_historical_trades", {"symbol": SYMBOL, "limit": "1", "offset": "1"})
    assert [row["id"] for row in page] == ids[1:2]


async def test_tickers_and_klines_have_the_captured_shape(simulator: Simulator, alice: Client) -> None:
    trade(simulator)
    _, ticker = await alice.call("get_ticker", {"symbol": SYMBOL})
    same_kind(ticker, sample_body("get_ticker.200"))
    assert (ticker["lastPrice"], ticker["trades"]) == ("150", "1")
    assert (await alice.call("get_tickers"))[1] == [ticker]
    now_s = alice.now_ms() // 1_000
    query = {"symbol": SYMBOL, "interval": "1h", "startTime": str(now_s // HOUR_S * HOUR_S - HOUR_S)}
    _, klines = await alice.call("get_klines", query)
    same_kind(klines[-1:], sample_body("get_klines.200"))
    assert klines[0]["close"] is None
    assert (klines[-1]["close"], klines[-1]["volume"]) == ("150", "1")


async def test_mark_prices_are_those_of_open_perpetuals(alice: Client) -> None:
    _, rows = await alice.call("get_mark_prices")
    assert [row["symbol"] for row in rows] == PERPETUALS
    same_kind(rows, sample_body("get_mark_prices.200"))
    assert rows[0]["nextFundingTimestamp"] % (HOUR_S * 1_000) == 0
    assert len((await alice.call("get_mark_prices", {"symbol": "SOL_USDC_PERP"}))[1]) == 1
    assert len((await alice.call("get_mark_prices", {"marketType": "PERP"}))[1]) == len(rows)
    assert await alice.call("get_mark_prices", {"marketType": "SPOT"}) == (200, [])
    assert (await alice.call("get_mark_prices", {"marketType": "NOPE"}))[0] == 400


async def test_mark_prices_are_those_of_the_engine(simulator: Simulator, alice: Client) -> None:
    simulator.set_index_price("SOL_USDC_PERP", Decimal("140.004"))
    (row,) = (await alice.call("get_mark_prices", {"symbol": "SOL_USDC_PERP"}))[1]
    assert (row["indexPrice"], row["markPrice"], row["fundingRate"]) == ("140.004", "140", "0.0000125")
    (row,) = (await alice.call("get_mark_prices", {"symbol": "AAPL.US_USDC_PERP"}))[1]
    assert row["fundingRate"] == "0.00000625"


async def test_funding_rates_come_newest_first_and_begin_with_the_running_interval(
    simulator: Simulator, alice: Client
) -> None:
    simulator.advance_clock(3 * HOUR_S)
    (row,) = (await alice.call("get_mark_prices", {"symbol": "SOL_USDC_PERP"}))[1]
    _, rows = await alice.call("get_funding_interval_rates", {"symbol": "SOL_USDC_PERP"})
    same_kind(rows, sample_body("get_funding_interval_rates.200"))
    ends = [seconds_from_iso(row["intervalEndTimestamp"]) for row in rows]
    assert ends[0] == row["nextFundingTimestamp"] / 1_000
    assert ends[:4] == [ends[0] - hours * HOUR_S for hours in range(4)]
    for query, expected in (({"limit": "2"}, rows[:2]), ({"limit": "1", "offset": "2"}, rows[2:3])):
        assert (await alice.call("get_funding_interval_rates", {"symbol": "SOL_USDC_PERP", **query}))[1] == expected


@pytest.mark.parametrize("symbol", ["NOPE_USDC_PERP", SYMBOL])
async def test_markets_without_funding_have_no_funding_rates(alice: Client, symbol: str) -> None:
    assert await alice.call("get_funding_interval_rates", {"symbol": symbol}) == (200, [])


async def test_open_interest_counts_one_side_of_the_positions(simulator: Simulator, alice: Client) -> None:
    perp = "SOL_USDC_PERP"
    for account_id, order in (
        ("x", limit("Ask", "150", "3", symbol=perp)),
        ("y", limit("Bid", "150", "2", symbol=perp)),
        ("z", limit("Bid", "150", "0.5", symbol=perp)),
    ):
        simulator.publish(simulator.exchange.place(account_id, order))
    (row,) = (await alice.call("get_open_interest", {"symbol": perp}))[1]
    (captured,) = sample_body("get_open_interest.200")
    same_kind(row, captured)
    assert (row["openInterest"], row["symbol"]) == ("2.5", perp)
    assert abs(row["timestamp"] - alice.now_ms()) < 5_000
    assert [row["symbol"] for row in (await alice.call("get_open_interest"))[1]] == PERPETUALS
    assert (await alice.call("get_open_interest", {"symbol": SYMBOL}))[0] == 400


async def test_historical_calls_run_out_after_thirty(alice: Client) -> None:
    query = {"symbol": SYMBOL, "interval": "1m", "startTime": str(alice.now_ms() // 1_000 - 60)}
    statuses = [(await alice.call("get_klines", query))[0] for _ in range(31)]
    assert statuses == [200] * 30 + [429]
    assert (await alice.call("get_klines", query))[1]["code"] == "TOO_MANY_REQUESTS"
    assert (await alice.call("get_depth", {"symbol": SYMBOL}))[0] == 200


async def test_assets_are_those_of_the_markets(alice: Client) -> None:
    assert {"USDC", "SOL", "kBONK", "SPCX.US"} <= {row["symbol"] for row in (await alice.call("get_assets"))[1]}


async def test_the_truth_shows_everything_and_one_account(
    simulator: Simulator, http: aiohttp.ClientSession, alice: Client
) -> None:
    trade(simulator)
    await alice.call("get_balances")
    async with http.get(f"{simulator.rest_url}/simulator/truth") as response:
        truth = await response.json()
    assert set(truth["accounts"]) == {"x", "y", alice.key}
    assert truth["markets"][SYMBOL]["asks"] == [["150.5", "1"], ["151", "2.5"]]
    assert all(row["total"] == row["deposited"] for row in truth["assets"].values())
    assert truth["assets"]["USDC"]["collectedFees"] == "0.12"
    perpetual = truth["markets"]["SOL_USDC_PERP"]
    prices = {name: perpetual[name] for name in ("markPrice", "indexPrice", "fundingRate")}
    assert prices == {"markPrice": "150", "indexPrice": "150", "fundingRate": "0.0000125"}
    assert "markPrice" not in truth["markets"][SYMBOL]
    (fill,) = truth["accounts"]["y"]["fills"]
    assert (fill["fee"], fill["feeSymbol"], fill["isMaker"]) == ("0.001", "SOL", False)
    async with http.get(f"{simulator.rest_url}/simulator/truth", params={"account": alice.key}) as response:
        assert set((await response.json())["accounts"]) == {alice.key}


async def test_with_background_flow_the_books_are_filled_at_once(http: aiohttp.ClientSession) -> None:
    async with running_simulator(background=True) as simulator:
        client = Client(simulator, http)
        _, depth = await client.call("get_depth", {"symbol": SYMBOL})
        assert len(depth["bids"]) >= 5


async def test_funding_rates_tell_their_page_and_markets_how_old_they_may_be(
    simulator: Simulator, alice: Client
) -> None:
    simulator.advance_clock(2 * HOUR_S)
    query = {"symbol": "SOL_USDC_PERP", "limit": "1", "offset": "1"}
    async with alice.session.get(f"{simulator.rest_url}/api/v1/fundingRates", params=query) as response:
        pages = [response.headers[name] for name in ("X-PAGE-COUNT", "X-CURRENT-PAGE", "X-PAGE-SIZE", "X-TOTAL")]
    assert pages == ["3", "1", "1", "3"]
    async with alice.session.get(f"{simulator.rest_url}/api/v1/markets") as response:
        assert response.headers["Cache-Control"] == "public, s-maxage=300, stale-while-revalidate=600"
