"""What the service answers, against the simulator, and held to its own /openapi.json."""

import copy
import itertools
from decimal import Decimal
from typing import Any

import jsonschema
import pytest

from backpack_connector import __version__
from backpack_connector.market_service.openapi import document
from backpack_connector.market_service.routes import OPENAPI_PATH, PATHS
from backpack_connector.protocol.enums import OrderBookState
from backpack_connector.simulator import Simulator
from backpack_connector.simulator.faults_kinds import FaultKind
from tests.market_service.conftest import Answer, Asker, WatchedClient
from tests.simulator.faults_support import inject, until

SPOT, PERP = "SOL_USDC", "SOL_USDC_PERP"

QUESTIONS = [
    "/v1/markets",
    "/v1/markets?type=perp",
    "/v1/ticker",
    f"/v1/ticker?symbol={SPOT}",
    f"/v1/orderbook?symbol={PERP}&depth=3",
    f"/v1/klines?symbol={SPOT}&interval=1m&limit=5",
    f"/v1/trades?symbol={PERP}&limit=3",
    "/v1/funding",
    f"/v1/funding?symbol={PERP}",
    "/v1/meta",
]


def problems(described: dict[str, Any], path: str, answer: Answer, body: Any = None) -> list[str]:
    """Say where an answer is not what the document promises."""
    place = path.partition("?")[0].replace("/", "~1")
    pointer = f"#/paths/{place}/get/responses/{answer.status}/content/application~1json/schema"
    validator = jsonschema.Draft202012Validator({**described, "$ref": pointer})
    return [error.message for error in validator.iter_errors(answer.body if body is None else body)]


async def traded(simulator: Simulator, symbol: str) -> None:
    await until(lambda: simulator.exchange.markets[symbol].trades)


@pytest.mark.parametrize("question", QUESTIONS)
async def test_answers_are_as_the_document_promises(ask: Asker, question: str, simulator: Simulator) -> None:
    await traded(simulator, PERP)
    described = (await ask(OPENAPI_PATH)).body
    answer = await ask(question)
    assert (answer.status, answer.body["status"], answer.body["success"]) == (200, 200, True)
    assert problems(described, question, answer) == []
    rows = answer.body["data"]
    assert answer.body["meta"]["count"] == (len(rows) if isinstance(rows, list) else 1)
    assert rows, "an empty answer proves nothing"


async def test_the_document_notices_what_is_wrong(ask: Asker) -> None:
    answer = await ask("/v1/markets")
    row, *_ = answer.body["data"]
    for wrong in ({**row, "tickSize": "0.01"}, {**row, "more": 1}, {key: row[key] for key in row if key != "base"}):
        body = {**copy.deepcopy(answer.body), "data": [wrong]}
        assert problems(document(), "/v1/markets", answer, body) != []
    for body in ({**answer.body, "success": False}, {**answer.body, "more": 1}, {**answer.body, "meta": {}}):
        assert problems(document(), "/v1/markets", answer, body) != []


async def test_the_document_is_complete(ask: Asker) -> None:
    answer = await ask(OPENAPI_PATH)
    described = answer.body
    assert described["openapi"] == "3.1.0"
    assert described["info"]["version"] == __version__
    assert [*described["paths"], OPENAPI_PATH] == list(PATHS)
    assert {question.partition("?")[0] for question in QUESTIONS} == set(described["paths"])
    schemas = [*described["components"]["schemas"].values()]
    schemas += [
        content["schema"]
        for path in described["paths"].values()
        for response in path["get"]["responses"].values()
        for content in response["content"].values()
    ]
    for schema in schemas:
        jsonschema.Draft202012Validator.check_schema(schema)
    assert '"format":"decimal"' not in answer.text


async def test_numbers_have_all_digits_of_the_exchange(ask: Asker, client: WatchedClient) -> None:
    theirs = {row.symbol: row for row in await client.get_mark_prices()}
    ours = (await ask(f"/v1/funding?symbol={PERP}")).exact["data"]
    assert isinstance(ours["fundingRate"], Decimal)
    assert len(ours["fundingRate"].as_tuple().digits) >= 3
    assert ours["nextFundingTime"] == theirs[PERP].next_funding_timestamp
    market = next(row for row in (await ask("/v1/markets")).exact["data"] if row["symbol"] == SPOT)
    expected = await client.get_market(SPOT)
    assert market["tickSize"] == expected.filters.price.tick_size
    assert (market["base"], market["quote"], market["type"], market["state"]) == ("SOL", "USDC", "SPOT", "Open")


async def test_the_rules_of_a_market_are_the_exchanges(ask: Asker, client: WatchedClient) -> None:
    (row,) = [row for row in await client.request("get_markets") if row["symbol"] == PERP]
    price = {**row["filters"]["price"], "tickSize": "0.05", "minPrice": "1.5", "maxPrice": "900"}
    quantity = {**row["filters"]["quantity"], "stepSize": "0.25", "minQuantity": "0.75", "maxQuantity": "80"}
    client.answers["get_markets"] = [{**row, "filters": {"price": price, "quantity": quantity}}]
    assert (await ask("/v1/markets")).exact["data"] == [
        {
            "symbol": PERP,
            "type": "PERP",
            "base": "SOL",
            "quote": "USDC",
            "state": "Open",
            "tickSize": Decimal("0.05"),
            "minPrice": Decimal("1.5"),
            "maxPrice": 900,
            "stepSize": Decimal("0.25"),
            "minQuantity": Decimal("0.75"),
            "maxQuantity": 80,
            "fundingIntervalMs": row["fundingInterval"],
        }
    ]


async def test_more_candles_than_were_wanted_are_cut_at_the_old_end(ask: Asker, client: WatchedClient) -> None:
    start_s = 1_767_225_600
    fields = {"symbol": SPOT, "interval": "1h", "startTime": start_s, "endTime": start_s + 36_000}
    rows = await client.request("get_klines", fields)
    client.answers["get_klines"] = rows[:7]
    data = (await ask(f"/v1/klines?symbol={SPOT}&limit=5")).exact["data"]
    assert [row["start"] for row in data] == [1_767_225_600_000 + 3_600_000 * hour for hour in range(2, 7)]
    names = ("open", "high", "low", "close", "volume", "quoteVolume", "trades")
    assert [[row[name] for name in names] for row in data] == [
        [Decimal(row[name]) for name in names] for row in rows[2:7]
    ]


@pytest.mark.parametrize("interval", ["1s", "1d", "1w", "1month"])
async def test_as_many_candles_as_are_wanted(ask: Asker, interval: str) -> None:
    data = (await ask(f"/v1/klines?symbol={SPOT}&interval={interval}&limit=22")).body["data"]
    assert len(data) == 22


async def test_candles_do_not_begin_before_1970(ask: Asker, client: WatchedClient) -> None:
    answer = await ask(f"/v1/klines?symbol={SPOT}&interval=1month&limit=1000")
    assert answer.status == 200
    assert client.parameters["get_klines"]["startTime"] == 0


async def test_a_perpetual_market_without_a_price_has_no_funding(ask: Asker, client: WatchedClient) -> None:
    client.answers["get_mark_prices"] = []
    assert (await ask(f"/v1/funding?symbol={PERP}")).status == 404
    assert (await ask("/v1/funding")).body["data"] == []


async def test_markets_of_a_type(ask: Asker) -> None:
    every = (await ask("/v1/markets")).body["data"]
    perpetual = (await ask("/v1/markets?type=PERP")).body["data"]
    assert {row["type"] for row in every} == {"SPOT", "PERP"}
    assert perpetual == [row for row in every if row["type"] == "PERP"]
    assert (await ask("/v1/markets?type=perp")).body["data"] == perpetual


async def test_an_order_book_has_best_prices_first(ask: Asker, client: WatchedClient) -> None:
    data = (await ask(f"/v1/orderbook?symbol={SPOT}&depth=7")).exact["data"]
    bids, asks = data["bids"], data["asks"]
    assert len(bids) == len(asks) == 7
    assert bids == sorted(bids, reverse=True)
    assert asks == sorted(asks)
    assert bids[0][0] < asks[0][0]
    assert client.parameters["get_depth"]["limit"] == 10
    await ask(f"/v1/orderbook?symbol={SPOT}")
    assert client.parameters["get_depth"]["limit"] == 20


async def test_candles_are_the_last_ones_oldest_first(ask: Asker, simulator: Simulator) -> None:
    data = (await ask(f"/v1/klines?symbol={SPOT}&interval=1m&limit=5")).body["data"]
    starts = [row["start"] for row in data]
    assert [later - earlier for earlier, later in itertools.pairwise(starts)] == [60_000] * 4
    assert 0 <= simulator.now_ms() - starts[-1] < 120_000
    assert len((await ask(f"/v1/klines?symbol={SPOT}")).body["data"]) == 100


async def test_trades_are_newest_first(ask: Asker, simulator: Simulator, client: WatchedClient) -> None:
    await until(lambda: len(simulator.exchange.markets[SPOT].trades) >= 2)
    data = (await ask(f"/v1/trades?symbol={SPOT}")).body["data"]
    theirs = {row.id: row for row in await client.get_recent_trades(SPOT, limit=1000)}
    assert [row["time"] for row in data] == sorted((row["time"] for row in data), reverse=True)
    assert [row["side"] for row in data] == ["sell" if theirs[row["id"]].is_buyer_maker else "buy" for row in data]


async def test_funding_is_one_answer_out_of_two(ask: Asker, client: WatchedClient) -> None:
    every = (await ask("/v1/funding")).body["data"]
    one = (await ask(f"/v1/funding?symbol={PERP}")).body["data"]
    assert {row["symbol"] for row in every} == {row.symbol for row in await client.get_mark_prices()}
    assert one["symbol"] == PERP
    assert one["markPrice"] > 0
    assert one["openInterest"] is not None
    assert client.asked["get_open_interest"] == 2


async def test_a_market_without_trades_has_an_empty_ticker(ask: Asker, client: WatchedClient) -> None:
    client.answers["get_ticker"] = None
    answer = await ask(f"/v1/ticker?symbol={SPOT}")
    assert answer.status == 200
    assert {name for name, value in answer.body["data"].items() if value is not None} == {"symbol"}
    assert problems(document(), "/v1/ticker", answer) == []


async def test_the_service_says_whether_the_exchange_works(ask: Asker, simulator: Simulator) -> None:
    data = (await ask("/v1/meta")).body["data"]
    assert data["exchange"] == {"url": simulator.rest_url, "status": "Ok", "message": None}
    assert data["paths"] == list(PATHS)
    assert "1month" in data["intervals"]


async def test_a_closed_market_has_no_funding(ask: Asker, simulator: Simulator) -> None:
    inject(simulator, FaultKind.MARKET_STATE, market=PERP, state=OrderBookState.CLOSED)
    answer = await ask(f"/v1/funding?symbol={PERP}")
    assert answer.status == 404
    assert answer.body["message"] == f"{PERP} is not a perpetual market that is open, so it has no funding."
