"""An exchange whose answers are garbage: every question survives it, and afterwards every figure is right."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from backpack_connector.protocol.errors import BackpackError, WireFormatError
from backpack_connector.protocol.rest import read_response
from tests.fuzz.hostile import KINDS, Hostile, check_log, hostile_world, terminal_events
from tests.fuzz.mutations import mutations
from tests.fuzz.targets import READERS, check_error, encoded, read_answer
from tests.spot.session import PAIR, until

Question = Callable[[Any], Awaitable[Any]]

QUESTIONS: dict[str, Question] = {
    "get_status": lambda connector: connector.check_network(),
    "get_markets": lambda connector: connector._update_trading_rules(),
    "get_ticker": lambda connector: connector.get_last_traded_prices([PAIR]),
    "get_tickers": lambda connector: connector.get_all_prices(),
    "get_depth": lambda connector: connector._orderbook_ds._request_snapshot("SOL_USDC"),
    "get_account": lambda connector: connector._update_trading_fees(),
    "get_open_orders": lambda connector: connector._update_order_status(),
    "get_order_history": lambda connector: connector._update_order_status(),
    "get_fills": lambda connector: connector._update_order_status(),
}
OF_SPOT: dict[str, Question] = {
    "get_balances": lambda connector: connector._update_balances(),
    "get_borrow_lend_positions": lambda connector: connector._update_balances(),
}
OF_PERPETUALS: dict[str, Question] = {
    "get_collateral": lambda connector: connector._update_balances(),
    "get_positions": lambda connector: connector._update_positions(),
    "get_mark_prices": lambda connector: connector._orderbook_ds.get_funding_infos([PAIR]),
    "get_funding_payments": lambda connector: connector._update_all_funding_payments(True),
}


def questions_of(kind: str) -> dict[str, Question]:
    """Return what a connector asks, by the operation that answers."""
    return {**QUESTIONS, **(OF_SPOT if kind == "spot" else OF_PERPETUALS)}


async def genuine_answers(bot: Hostile) -> dict[str, Any]:
    """Ask the simulator everything once."""
    market_type = bot.connector.market_type.value
    parameters: dict[str, Any] = {
        "get_ticker": {"symbol": bot.here.symbol},
        "get_depth": {"symbol": bot.here.symbol},
        "get_market": {"symbol": bot.here.symbol},
        "get_klines": {"symbol": bot.here.symbol, "interval": "1m", "startTime": int(bot.connector._time()) - 600},
        "get_open_orders": {"marketType": market_type},
        "get_order_history": {"marketType": market_type},
        "get_fills": {"marketType": market_type},
    }
    asked = [*questions_of(bot.kind), "get_market", "get_klines"]
    return {name: _short(await bot.connector.request(name, parameters.get(name))) for name in asked}


def _short(body: Any) -> Any:
    """Return an answer with two elements of each list at most."""
    if isinstance(body, list):
        return [_short(element) for element in body[:2]]
    return {name: _short(value) for name, value in body.items()} if isinstance(body, dict) else body


@pytest.mark.parametrize("kind", KINDS)
async def test_no_spoilt_answer_of_the_simulator_escapes_its_reader(kind: str, short_pauses: None) -> None:
    async with hostile_world(kind) as bot:
        await bot.trade()
        await bot.check()
        for operation, body in (await genuine_answers(bot)).items():
            for done, spoilt in mutations(body):
                try:
                    read_answer(operation, spoilt)
                except Exception as error:  # noqa: BLE001 - whatever it is, the test says which field did it
                    pytest.fail(f"{operation}, {done}: {type(error).__name__}: {str(error)[:300]}")


@pytest.mark.parametrize("kind", KINDS)
async def test_no_spoilt_answer_ends_an_order_or_leaves_a_wrong_figure(
    kind: str, short_pauses: None, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with hostile_world(kind) as bot:
        await bot.trade()
        await bot.check()
        ended = terminal_events(bot.connector)
        answers = await genuine_answers(bot)
        for operation, ask in questions_of(kind).items():
            for done, spoilt in mutations(answers[operation]):
                with monkeypatch.context() as patch:
                    patch.setattr(bot.connector, "request", _answering(answers, operation, spoilt))
                    await _survives(ask, bot.connector, f"{operation}, {done}")
        assert ended() == []
        await _ask_everything(bot)
        await bot.check()
        await bot.trade()
        await bot.check()
        check_log(caplog)


def _answering(answers: Mapping[str, Any], operation: str, body: Any) -> Any:
    text = encoded(body).decode(errors="replace")

    async def answer(asked: str, *_: Any, is_text_wanted: bool = False, **options: Any) -> Any:
        said = text if asked == operation else encoded(answers[asked]).decode()
        return read_response(asked, 200, said, is_json=not is_text_wanted)

    return answer


async def _survives(ask: Question, connector: Any, done: str) -> None:
    try:
        await ask(connector)
    except (BackpackError, KeyError) as error:  # KeyError: the pair is not traded now
        check_error(error)
    except Exception as error:  # noqa: BLE001 - whatever it is, the test says which field did it
        pytest.fail(f"{done}: {type(error).__name__}: {str(error)[:300]}")


async def _ask_everything(bot: Hostile) -> None:
    for ask in questions_of(bot.kind).values():
        await ask(bot.connector)


@pytest.mark.parametrize("kind", KINDS)
async def test_no_spoilt_answer_to_an_order_makes_it_fail(
    kind: str, short_pauses: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with hostile_world(kind) as bot:
        await bot.check()
        ended = terminal_events(bot.connector)
        genuine = await _placed(bot)
        bad: list[Any] = []
        for _, spoilt in mutations(genuine):
            try:
                READERS["execute_order"](spoilt)
            except WireFormatError:
                bad.append(spoilt)

        request = bot.connector.request

        async def answer(asked: str, *arguments: Any, **options: Any) -> Any:
            body = await request(asked, *arguments, **options)
            return read_response(asked, 200, encoded(bad.pop()).decode()) if asked == "execute_order" else body

        monkeypatch.setattr(bot.connector, "request", answer)
        placed = []
        while bad:
            count = min(20, len(bad))
            wanted = len(bad) - count
            placed += [bot.place("buy", "0.01", "130") for _ in range(count)]
            await until(lambda wanted=wanted: len(bad) == wanted)
        monkeypatch.undo()
        assert len(placed) > 100
        await bot.check()
        assert ended() == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("change", [{"clientId": 7}, {"symbol": "BTC_USDC"}], ids=["id", "market"])
async def test_answer_about_another_order_is_not_believed(
    kind: str, change: dict[str, Any], short_pauses: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with hostile_world(kind) as bot:
        await bot.check()
        ended = terminal_events(bot.connector)
        request = bot.connector.request

        async def answer(asked: str, *arguments: Any, **options: Any) -> Any:
            body = await request(asked, *arguments, **options)
            return {**body, **change, "id": "1"} if asked == "execute_order" else body

        with monkeypatch.context() as patch:
            patch.setattr(bot.connector, "request", answer)
            patch.setattr(bot.connector, "_on_order_message", lambda message: None)  # the stream comes too late
            order_id = bot.place("buy", "0.01", "130")
            await bot.announced(order_id)
        assert bot.order(order_id).exchange_order_id == bot.truth()[order_id].order_id
        await bot.check()
        assert ended() == []


@pytest.mark.parametrize("kind", KINDS)
async def test_no_spoilt_answer_to_a_cancel_ends_an_order_that_rests(
    kind: str, short_pauses: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with hostile_world(kind) as bot:
        await bot.check()
        order_id = bot.place("buy", "0.01", "130")
        await bot.announced(order_id)
        ended = terminal_events(bot.connector)
        (row,) = await bot.connector.request("get_open_orders", {"marketType": bot.connector.market_type.value})
        another = {**row, "id": "1", "clientId": 7, "status": "Cancelled"}
        bad = [another, {**another, "clientId": None}, *(spoilt for _, spoilt in mutations(row))]
        with monkeypatch.context() as patch:
            for spoilt in bad:
                if encoded(spoilt) == b"null":
                    continue  # an empty answer is a promise, which the open orders contradict later
                patch.setattr(bot.connector, "request", _answering({}, "cancel_order", spoilt))
                assert await bot.connector._execute_order_cancel(bot.order(order_id)) is None, spoilt
                assert bot.order(order_id).is_open
        await bot.check()
        assert ended() == []
        assert await bot.connector._execute_order_cancel(bot.order(order_id)) == order_id
        await bot.check()


async def _placed(bot: Hostile) -> Any:
    kept: list[Any] = []
    bot.here.double.alter("execute_order", lambda body: kept.append(body) or body)
    await bot.announced(bot.place("buy", "0.01", "130"))
    bot.here.double.answer("execute_order", None)
    return kept[0]
