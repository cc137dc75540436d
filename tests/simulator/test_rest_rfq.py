"""Requests for quotes over the network: what the stream tells each side, and what REST keeps."""

from typing import Any

import pytest

from backpack_connector.simulator import Simulator
from tests.simulator.streams import Stream
from tests.simulator.support import Client

RFQ = "SOL_USDC_RFQ"


async def submitted(client: Client, **changes: Any) -> str:
    body = {"symbol": RFQ, "side": "Bid", "quantity": "2", "clientId": 3, **changes}
    status, rfq = await client.call("submit_rfq", {name: value for name, value in body.items() if value is not None})
    assert status == 200, rfq
    return str(rfq["rfqId"])


async def test_the_stream_tells_each_side_what_concerns_it(
    simulator: Simulator, stream: Stream, alice: Client, bob: Client
) -> None:
    await bob.call("get_balances")
    await stream.send(alice.subscription(f"account.rfqUpdate.{RFQ}"))
    await stream.send(bob.subscription("account.rfqUpdate"))
    await stream.settle()
    rfq_id = await submitted(alice)
    prices = {"bidPrice": "149", "askPrice": "151", "clientId": 9}
    _, quote = await bob.call("submit_quote", {"rfqId": rfq_id, **prices})
    await alice.call("accept_quote", {"quoteId": quote["quoteId"], "clientId": 3})
    frames = await stream.settle()
    alices = [frame["data"] for frame in frames if frame["stream"] == f"account.rfqUpdate.{RFQ}"]
    bobs = [frame["data"] for frame in frames if frame["stream"] == "account.rfqUpdate"]
    assert [data["e"] for data in alices] == ["rfqAccepted", "rfqCandidate", "rfqFilled"]
    assert [data["e"] for data in bobs] == ["rfqActive", "quoteAccepted", "rfqFilled"]
    assert {(data["R"], data["s"]) for data in alices + bobs} == {(int(rfq_id), RFQ)}
    assert [data["X"] for data in alices] == [data["X"] for data in bobs] == ["New", "New", "Filled"]
    assert {data["C"] for data in alices} == {"3"}
    assert [data.get("C") for data in bobs] == [None, "9", "9"]
    assert [data["p"] for data in (*alices[1:], bobs[2])] == ["151.151", "151.151", "151"]
    assert {data["u"] for data in (*alices[1:], *bobs[1:])} == {int(quote["quoteId"])}
    assert alices[0]["w"] - bobs[0]["w"] == 0
    assert alices[0]["W"] - alices[0]["w"] == 60_000
    assert not any("S" in data for data in bobs)


async def test_histories_keep_both_sides_of_what_is_over(simulator: Simulator, alice: Client, bob: Client) -> None:
    filled = await submitted(alice)
    prices = {"bidPrice": "149", "askPrice": "151"}
    quote = (await bob.call("submit_quote", {"rfqId": filled, **prices}))[1]["quoteId"]
    _, (row,) = await alice.call("get_open_rfqs", {"rfqId": filled, "symbol": RFQ})
    assert (row["rfq"]["rfqId"], [entry["quoteId"] for entry in row["quotes"]]) == (filled, [quote])
    assert (await alice.call("get_open_rfqs", {"deferredSettlement": True}))[1] == []
    assert (await bob.call("get_open_rfqs"))[1] == []
    _, done = await alice.call("accept_quote", {"quoteId": quote, "rfqId": filled})
    assert (done["status"], done["rfqId"]) == ("Filled", filled)
    cancelled = await submitted(alice, side="Ask", quantity=None, quoteQuantity="300")
    other = (await bob.call("submit_quote", {"rfqId": cancelled, **prices}))[1]["quoteId"]
    assert (await alice.call("cancel_rfq", {"clientId": 3}))[1]["status"] == "Cancelled"

    async def ids(client: Client, operation: str, key: str, **query: Any) -> list[str]:
        status, rows = await client.call(operation, query)
        assert status == 200
        return [row[key] for row in rows]

    assert await ids(alice, "get_rfq_history", "rfqId") == [cancelled, filled]
    assert await ids(alice, "get_rfq_history", "rfqId", side="Ask", symbol=RFQ) == [cancelled]
    assert await ids(alice, "get_rfq_history", "rfqId", status="Filled") == [filled]
    assert await ids(alice, "get_rfq_history", "rfqId", rfqId=filled, sortDirection="Asc") == [filled]
    assert await ids(alice, "get_rfq_history", "rfqId", symbol="BTC_USDC_RFQ") == []
    assert await ids(alice, "get_rfq_history", "rfqId", deferredSettlement=True) == []
    assert await ids(bob, "get_rfq_history", "rfqId") == []
    assert await ids(bob, "get_quote_history", "quoteId") == [other, quote]
    assert await ids(bob, "get_quote_history", "quoteId", status="Filled", symbol=RFQ) == [quote]
    assert await ids(bob, "get_quote_history", "quoteId", quoteId=other) == [other]
    assert await ids(alice, "get_rfq_fill_history", "quoteId", fillType="User", side="Bid") == [quote]
    assert await ids(alice, "get_rfq_fill_history", "quoteId", fillType="CollateralConversion") == []
    assert await ids(alice, "get_rfq_fill_history", "quoteId", quoteId=other) == []
    assert await ids(bob, "get_quote_fill_history", "quoteId", side="Ask", symbol=RFQ) == [quote]
    assert await ids(bob, "get_quote_fill_history", "quoteId", side="Bid") == []
    assert await ids(bob, "get_quote_fill_history", "fee") == ["0.2416"]


@pytest.mark.parametrize(
    ("operation", "body", "text"),
    [
        ("submit_rfq", {"symbol": RFQ}, "Side"),
        ("submit_rfq", {"symbol": RFQ, "side": "Bid", "quantity": 1}, "string_decimal"),
        ("submit_rfq", {"symbol": RFQ, "side": "Bid", "quantity": "1", "executionMode": "Now"}, "ExecutionMode"),
        ("submit_rfq", {"symbol": RFQ, "side": "Bid", "quantity": "1", "autoLend": "yes"}, "boolean"),
        ("submit_quote", {"bidPrice": "1", "askPrice": "1"}, "rfqId"),
        ("submit_quote", {"rfqId": "1", "askPrice": "1"}, "bidPrice"),
        ("accept_quote", {}, "quoteId"),
        ("refresh_rfq", {}, "rfqId"),
    ],
)
async def test_what_cannot_be_read_fails_in_plain_text(
    simulator: Simulator, alice: Client, operation: str, body: Any, text: str
) -> None:
    status, answer = await alice.call(operation, body)
    assert status == 400
    assert isinstance(answer, str)
    assert text in answer


async def test_cancelling_needs_an_id(simulator: Simulator, alice: Client) -> None:
    status, answer = await alice.call("cancel_rfq", {})
    assert (status, answer["message"]) == (400, "Must specify either `rfqId` or `clientId`")
