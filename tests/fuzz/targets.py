"""Every parser of the package as a function of bytes, with what must hold for each of them, whatever the bytes are.

A target returns when all is well. It lets nothing escape but `Violation`, or an exception that no parser may raise:
- only errors of this package come out of a parser, as one short printable line that tells no secret;
- what is read is small: no number is kept that grows when it is computed with or written out;
- what can be written back reads the same.
Fuzzers call them with anything: `tests.fuzz` guided by coverage, the tests with spoilt samples.
"""

import json
import math
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from backpack_connector.client.stream import event_of
from backpack_connector.client.stream_events import Received
from backpack_connector.order_journal import OrderRecord, read_lines
from backpack_connector.protocol import futures, models, units
from backpack_connector.protocol.book_levels import (
    UNREADABLE,
    BookLevel,
    book_levels,
    read_book_snapshot,
    read_quick_depth_frame,
)
from backpack_connector.protocol.depth import DepthSequence
from backpack_connector.protocol.endpoints import endpoint
from backpack_connector.protocol.enums import MarketType
from backpack_connector.protocol.errors import BackpackError, ConfigurationError, RequestError, error_from_answer, shown
from backpack_connector.protocol.messages import DepthUpdate, decoded_frame, parse_message, quick_account_message
from backpack_connector.protocol.operations import OPERATIONS, checked_fields, checked_orders, read_result
from backpack_connector.protocol.rest import build_request, read_response, read_server_time
from backpack_connector.protocol.signing import Credentials, generate_key_pair, is_signed_by
from backpack_connector.protocol.streams import split_stream_name
from backpack_connector.protocol.symbols import symbol_of, trading_pair_of
from backpack_connector.protocol.wire import WireStruct, read
from backpack_connector.simulator.control import read_advance, read_index_price
from backpack_connector.simulator.faults_kinds import read_faults
from backpack_connector.simulator.refusals import ParseFailure, Refusal
from backpack_connector.simulator.replay import Tape, TapeOptions
from backpack_connector.simulator.request_forms import Query, decode_body, read_new_order
from backpack_connector.simulator.websocket import StreamError, _read_command, check_stream
from backpack_connector.tape_files import TapeReader, TapeRow

LONGEST_MESSAGE = 700
MOST_DIGITS = 100
LATEST_US = 1_800_000_000_000_000
"""Private messages that are dated later are refused; those of the samples are not."""
KEY, SECRET = generate_key_pair(bytes(range(32)))


class Violation(AssertionError):
    """A parser has done what it must not do."""


def demand(condition: Any, what: str) -> None:
    """Raise when something does not hold."""
    if not condition:
        raise Violation(what)


def check_error(error: Exception, *secrets: str) -> None:
    """Demand that an error's text is one short printable line without secrets."""
    text = str(error)
    demand(len(text) <= LONGEST_MESSAGE, f"a message of {len(text)} characters: {text[:100]}...")
    demand(text and text.isprintable(), f"a message that is no line: {text[:200]!r}")
    shown = text + repr(error)
    demand(not any(secret in shown for secret in secrets if len(secret) >= 8), "a message with a secret")
    demand(error.__cause__ is None or not secrets, "the cause of an error, which may show a secret")


# What the connectors do with what they read

READERS: dict[str, Callable[[Any], Any]] = {
    "get_status": lambda body: read(models.SystemState, body, "get_status"),
    "get_market": lambda body: read(models.Market, body, "get_market"),
    "get_markets": lambda body: models.read_rows(models.Market, body, "get_markets"),
    "get_depth": lambda body: read_snapshot(body),
    "get_ticker": lambda body: read(models.Ticker, body, "get_ticker"),
    "get_tickers": lambda body: models.read_rows(models.Ticker, body, "get_tickers"),
    "get_mark_prices": lambda body: models.read_rows(models.MarkPrice, body, "get_mark_prices"),
    "get_klines": lambda body: models.read_rows(models.Kline, body, "get_klines"),
    "get_balances": models.read_balances,
    "get_borrow_lend_positions": lambda body: models.read_rows(models.BorrowLendPosition, body, "borrow"),
    "get_account": lambda body: read(models.AccountSummary, body, "get_account"),
    "execute_order": lambda body: read(models.Order, body, "execute_order"),
    "execute_order_batch": models.read_order_results,
    "cancel_order": lambda body: None if body is None else read(models.Order, body, "cancel_order"),
    "get_open_orders": lambda body: models.read_rows(models.Order, body, "get_open_orders"),
    "get_order_history": lambda body: models.read_rows(models.HistoricalOrder, body, "get_order_history"),
    "get_fills": lambda body: models.read_rows(models.Fill, body, "get_fills"),
    "get_positions": lambda body: models.read_rows(futures.Position, body, "get_positions"),
    "get_collateral": lambda body: read(futures.MarginSummary, body, "get_collateral"),
    "get_funding_payments": lambda body: models.read_rows(futures.FundingPayment, body, "get_funding_payments"),
}
"""How the connectors read the answers to the operations that they use."""


def look_at(value: Any) -> None:
    """Use what was read: every property of every struct, every number, every error among the results."""
    if isinstance(value, Decimal):
        demand(value.is_finite() and len(units.decimal_text(value)) <= MOST_DIGITS, f"the number {shown(value)}")
        demand((value * value).is_finite() and (value + 1).is_finite(), "a number that cannot be computed with")
    elif isinstance(value, BackpackError):
        check_error(value)
    else:
        for part in _parts(value):
            look_at(part)


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, WireStruct):
        yield from (getattr(value, name) for name in dir(type(value)) if not name.startswith("_"))
    elif isinstance(value, (list, tuple)):
        yield from value
    elif isinstance(value, dict):
        yield from value.values()


def check_complaints(found: Any) -> None:
    """Demand that the complaints of `read_rows`, beside the rows that could be read, are short lines."""
    if isinstance(found, tuple):
        for complaint in found[1]:
            demand(len(complaint) <= LONGEST_MESSAGE and complaint.isprintable(), f"the complaint {complaint[:200]!r}")


def read_answer(operation_id: str, body: Any) -> None:
    """Read a decoded answer as the connectors do."""
    try:
        found = READERS[operation_id](body)
    except BackpackError as error:
        check_error(error)
        return
    look_at(found)
    check_complaints(found)


def read_frame(frame: Any) -> None:
    """Read a decoded frame as the listeners do."""
    try:
        message = parse_message(frame)
    except BackpackError as error:
        check_error(error)
        return
    look_at(message)
    if isinstance(message, DepthUpdate):
        sequence: DepthSequence[DepthUpdate] = DepthSequence()
        sequence.snapshot(max(0, message.first_update_id - 1))
        sequence.update(message.first_update_id, message.last_update_id, message)
        try:
            check_levels(book_levels([*message.asks, *message.bids], "levels"))
        except BackpackError as error:
            check_error(error)


def check_levels(levels: list[BookLevel]) -> None:
    """Demand that levels are what a book can hold."""
    for level in levels:
        demand(
            0 <= level.price < math.inf and 0 <= level.amount < math.inf, "a level that is no number of zero or more"
        )


def read_snapshot(body: Any) -> None:
    """Read a depth answer as the books do, and demand that it is what the careful reader finds, if any."""
    snapshot = read_book_snapshot(json.dumps(body, default=str), "get_depth")
    check_levels([*snapshot.asks, *snapshot.bids])
    try:
        careful = read(models.DepthSnapshot, body, "get_depth")
    except BackpackError:
        return
    demand(careful.update_id == snapshot.update_id, "another update id")
    for levels, texts in ((snapshot.asks, careful.asks), (snapshot.bids, careful.bids)):
        numbers = [(float(price), float(size)) for price, size in texts]
        demand(numbers == [(level.price, level.amount) for level in levels], "other levels")


def read_text_of_frame(text: str) -> None:
    """Read the text of a frame as the listeners do: the quick ways find nothing that the slow one denies."""
    frame = decoded_frame(text)
    read_frame(frame)
    check_quick_message(text, frame)
    try:
        quick = read_quick_depth_frame(text)
    except UNREADABLE:
        return
    check_levels([*quick.data.asks, *quick.data.bids])
    demand(frame["stream"] == quick.stream and frame["data"]["s"] == quick.data.symbol, "another market")
    for name, update_id in (("u", quick.data.last_update_id), ("U", quick.data.first_update_id)):
        said = frame["data"][name]
        demand(said == update_id or isinstance(said, str), "another update id")
    for name, levels in (("a", quick.data.asks), ("b", quick.data.bids)):
        numbers = [(float(price), float(size)) for price, size in frame["data"][name]]
        demand(numbers == [(level.price, level.amount) for level in levels], "other levels")


def check_quick_message(text: str, frame: Any) -> None:
    """Demand that a private message is read the quick way as `parse_message` reads it, or not at all."""
    quick = quick_account_message(text, LATEST_US)
    if quick is None:
        return
    try:
        careful = parse_message(frame, units.seconds_from_us(LATEST_US))
    except BackpackError as error:
        raise Violation(f"a message that cannot be read is read the quick way: {error}") from error
    demand(type(careful) is type(quick) and careful == quick, "another message the quick way")


def read_failure(status: int, body: Any) -> None:
    """Read the decoded body of an error answer."""
    error = error_from_answer(status, body, operation="execute_order")
    demand(isinstance(error, RequestError), "an error of another kind")
    demand(not error.outcome_known or status not in (408, 429, 500, 503), "an open outcome that counts as known")
    check_error(error)


# Targets


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


def rest_answer(data: bytes) -> None:
    """The body of an answer, first as that of each operation, then as an error."""
    text = _text(data)
    try:
        body = read_response("get_fills", 200, text)
    except BackpackError as error:
        check_error(error)
    else:
        for operation_id in READERS:
            read_answer(operation_id, body)
    for status in (400, 429, 503):
        try:
            read_response("execute_order", status, text)
        except RequestError as error:
            check_error(error)


def stream_frame(data: bytes) -> None:
    """The text of a frame."""
    read_text_of_frame(_text(data))


def connect_input(data: bytes) -> None:
    """What a user pastes as key and as secret, separated by a zero byte."""
    first, _, second = data.partition(b"\0")
    typed = _text(first), _text(second)
    for api_key, api_secret in (typed, typed[::-1], (KEY, typed[1]), (typed[0], SECRET)):
        try:
            credentials = Credentials(api_key, api_secret)
        except ConfigurationError as error:
            check_error(error, api_key, api_secret)
            demand("API key" in str(error) or "API secret" in str(error), "a sentence that names no field")
        else:
            demand(is_signed_by(credentials.api_key, credentials.sign("text"), "text"), "a key that cannot sign")
            demand(api_secret.strip() not in repr(credentials), "a secret in a repr")


def small_texts(data: bytes) -> None:
    """Times, numbers, symbols and names of streams."""
    text = _text(data)
    for convert in (units.seconds_from_iso, units.decimal_from_text, read_server_time):
        try:
            convert(text)
        except BackpackError as error:
            check_error(error)
    _number_returns(text)
    name = split_stream_name(text)
    demand(name.kind in text and (name.symbol or "") in text, "parts that are not of the name")
    for market_type in (MarketType.SPOT, MarketType.PERP, MarketType.DATED):
        _pair_returns(text, market_type)


def _number_returns(text: str) -> None:
    try:
        written = units.decimal_text(units.decimal_from_text(text))
    except BackpackError:
        return
    demand(units.decimal_from_text(written) == units.decimal_from_text(text), "a number that changes when written")


def _pair_returns(text: str, market_type: MarketType) -> None:
    try:
        pair = trading_pair_of(text, market_type)
    except ConfigurationError:
        return
    demand(symbol_of(pair, market_type) == text, "a symbol that changes on the way")


def simulator_request(data: bytes) -> None:
    """Bodies and queries that the simulator is sent."""
    text = _text(data)
    try:
        body = decode_body(data)
    except ParseFailure:
        body = None
    for parse in (read_new_order, read_advance, read_index_price):
        try:
            parse(body)
        except (ParseFailure, Refusal):
            continue
    with suppress(Refusal):
        read_faults(data)
    _read_query(Query([("symbol", text), ("clientId", text), ("limit", text), ("side", text)]))


def _read_query(query: Query) -> None:
    for parse in (
        query.symbol,
        query.client_id,
        lambda: query.integer("limit"),
        lambda: query.word("side", MarketType),
    ):
        try:
            parse()
        except (ParseFailure, Refusal):
            continue


def simulator_frame(data: bytes) -> None:
    """Frames that the simulator is sent."""
    try:
        _, streams, _ = _read_command(_text(data))
        for name in streams:
            check_stream(name)
    except StreamError:
        return


def order_options(data: bytes) -> None:
    """Options that a strategy gives to an order, as JSON; only this target needs Hummingbot."""
    from hummingbot.core.data_type.common import OrderType, TradeType

    from backpack_connector.order_control import read_control

    try:
        options = json.loads(data)
    except (ValueError, RecursionError):
        return
    if not isinstance(options, dict):
        return
    for order_type in (OrderType.LIMIT, OrderType.LIMIT_MAKER, OrderType.MARKET):
        for trade_type, market_type in ((TradeType.BUY, MarketType.SPOT), (TradeType.SELL, MarketType.PERP)):
            try:
                control = read_control(options, order_type, trade_type, market_type)
            except ConfigurationError as error:
                check_error(error)
            else:
                look_at(list(control.wire_fields().values()))


def journal_file(data: bytes) -> None:
    """A journal of orders, as a crash or a full disk may leave it."""
    descriptor = os.memfd_create("journal")
    try:
        os.write(descriptor, data)
        os.lseek(descriptor, 0, os.SEEK_SET)
        _, records = read_lines(descriptor)
        demand(all(isinstance(record, OrderRecord) for record in records.values()), "a record of another kind")
    finally:
        os.close(descriptor)


def tape_file(data: bytes) -> None:
    """A tape, packed or not, as a crash or a full disk may leave it."""
    descriptor = os.memfd_create("tape")
    path = Path(f"/proc/self/fd/{descriptor}")
    try:
        os.write(descriptor, data)
        for row in TapeReader(path).rows():
            demand(isinstance(row, TapeRow), "a row of another kind")
        Tape(TapeOptions(path)).instruments([])
    except ConfigurationError as error:
        check_error(error)
    finally:
        os.close(descriptor)


def client_answer(data: bytes) -> None:
    """The body of an answer, as the client reads it; the first byte says of which operation."""
    operation_id = _operation_of(data)
    try:
        look_at(read_result(operation_id, read_response(operation_id, 200, _text(data[1:]))))
    except BackpackError as error:
        check_error(error)


def client_frame(data: bytes) -> None:
    """The text of a frame, as the client's streams read it."""
    event = event_of(_text(data))
    if isinstance(event, Received):
        look_at(event.message if isinstance(event.message, WireStruct) else None)
    else:
        reason = getattr(event, "reason", getattr(event, "message", ""))
        demand(len(reason) <= LONGEST_MESSAGE, f"the reason {reason[:200]!r}")


def client_input(data: bytes) -> None:
    """What a user gives for an operation; the first byte says for which. What is sent is plain, whatever it was."""
    operation_id = _operation_of(data)
    try:
        given = decoded_frame(_text(data[1:]))
        if operation_id == "execute_order_batch":
            parameters: Any = checked_orders(given)
        else:
            parameters = checked_fields(operation_id, given if isinstance(given, dict) else {"symbol": given})
        build_request(endpoint(operation_id), parameters, credentials=_CREDENTIALS, timestamp_ms=1)
    except BackpackError as error:
        check_error(error, SECRET)


def _operation_of(data: bytes) -> str:
    return CLIENT_OPERATIONS[(data[0] if data else 0) % len(CLIENT_OPERATIONS)]


CLIENT_OPERATIONS = tuple(OPERATIONS)
_CREDENTIALS = Credentials(KEY, SECRET)

_ALL = (
    client_answer,
    client_frame,
    client_input,
    rest_answer,
    stream_frame,
    connect_input,
    small_texts,
    order_options,
    journal_file,
    tape_file,
    simulator_request,
    simulator_frame,
)
TARGETS: dict[str, Callable[[bytes], None]] = {target.__name__: target for target in _ALL}


def encoded(value: Any) -> bytes:
    """Return JSON as the exchange would send it; what JSON has no word for is written as Python does it."""
    try:
        return msgspec.json.encode(value)
    except (ValueError, UnicodeEncodeError, RecursionError):
        return json.dumps(value).encode(errors="replace")
