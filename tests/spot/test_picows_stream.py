"""A stream that picows reads keeps every promise of the one that aiohttp reads, on a real socket."""

import asyncio
import gc
import json
import os
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hummingbot.core.web_assistant.connections.data_types import WSJSONRequest, WSPlainTextRequest
from hummingbot.core.web_assistant.ws_assistant import WSAssistant

from tests.spot.raw_peer import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, RawPeer, frame, raw_peer
from tests.spot.session import until

pytest.importorskip("picows")

from backpack_connector import picows_stream
from backpack_connector.picows_stream import PicowsConnection

LIMIT_S = 5.0


@asynccontextmanager
async def connected(peer: RawPeer, **options: Any) -> AsyncIterator[PicowsConnection]:
    connection = PicowsConnection()
    await connection.connect(peer.url, **options)
    try:
        yield connection
    finally:
        await connection.disconnect()


@asynccontextmanager
async def delivered(peer: RawPeer, **options: Any) -> "AsyncIterator[tuple[list[str], asyncio.Task[None]]]":
    """Give the texts that have come, and the task that takes them."""
    async with connected(peer, **options) as connection:
        texts: list[str] = []
        taking = asyncio.ensure_future(connection.deliver(texts.append))
        await asyncio.sleep(0)
        yield texts, taking
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)


async def ends_with(taking: "asyncio.Task[None]", sentence: str) -> None:
    with pytest.raises(ConnectionError, match=sentence):
        await asyncio.wait_for(taking, LIMIT_S)


def open_sockets() -> int:
    gc.collect()
    count = 0
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            count += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
    return count


async def test_frames_come_in_order_also_those_that_came_with_the_answer() -> None:
    async with raw_peer() as peer:
        peer.first = frame("0") + frame("1")
        async with delivered(peer) as (texts, _):
            peer.send(frame("2"), frame("3" * 70_000)[:100])
            await until(lambda: len(texts) == 3)
            peer.send(frame("3" * 70_000)[100:], frame("4"))
            await until(lambda: len(texts) == 5)
            assert texts == ["0", "1", "2", "3" * 70_000, "4"]


async def test_close_is_honoured_at_once_after_the_frames_before_it() -> None:
    async with raw_peer() as peer, delivered(peer) as (texts, taking):
        peer.send(frame("before"), frame(b"\x0f\xa0going\x1b", CLOSE), frame("after"))
        await ends_with(taking, r"the exchange closed it with code 4000, going\?$")
        assert texts == ["before"]
        await until(peer.is_gone.is_set)
        assert [opcode for opcode, _ in peer.received] == [CLOSE]


async def test_frames_that_nobody_took_yet_are_told_before_the_close() -> None:
    async with raw_peer() as peer, connected(peer) as connection:
        peer.send(frame('{"a": 1}'), frame(b"", CLOSE))
        await until(peer.is_gone.is_set)
        response = await connection.receive()
        assert response is not None
        assert response.data == {"a": 1}
        with pytest.raises(ConnectionError, match="closed it with code 0"):
            await connection.receive()


async def test_lost_connection_is_an_error() -> None:
    async with raw_peer() as peer, delivered(peer) as (_, taking):
        peer.hang_up()
        await ends_with(taking, "the connection was lost")


async def test_pings_are_answered_and_are_signs_of_life() -> None:
    async with raw_peer() as peer, connected(peer) as connection:
        before = connection.last_recv_time
        assert abs(before - time.time()) < LIMIT_S
        peer.send(frame("are you there", PING))
        await until(lambda: peer.received == [(PONG, b"are you there")])
        assert connection.last_recv_time > before
        await connection.ping()
        await until(lambda: peer.received[-1] == (PING, b""))


async def test_pings_that_nobody_reads_the_answers_of_take_no_memory() -> None:
    async with raw_peer() as peer, connected(peer) as connection:
        assert peer.writer is not None
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        line = connection._line
        assert line is not None
        assert line._transport is not None
        pings = frame("x" * 125, PING) * 1_000
        while not line._is_clogged:
            peer.send(pings)
            await peer.writer.drain()
            await asyncio.sleep(0)
        waiting = line._transport.underlying_transport.get_write_buffer_size()
        before = line.heard_at_s
        peer.send(frame("x" * 125, PING) * 1_000)
        await until(lambda: line.heard_at_s > before)
        assert line._transport.underlying_transport.get_write_buffer_size() == waiting


async def test_silent_line_is_given_up_and_a_quiet_one_is_not() -> None:
    async with raw_peer() as peer, delivered(peer, ping_timeout=0.05) as (texts, taking):
        await until(lambda: peer.received.count((PING, b"")) >= 3)
        peer.send(frame("still here"))
        await until(lambda: texts)
        peer.answers_pings = False
        await ends_with(taking, r"nothing was heard for 0.075 s, and a ping was not answered")
        await until(peer.is_gone.is_set)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (frame("x" * 1_001), "exceeding max allowed size"),
        (frame("x" * 600, is_last=False) + frame("x" * 600, CONTINUATION), "above 1000 bytes together"),
        (frame("x", CONTINUATION), "parts do not follow each other"),
        (frame("x", is_last=False) + frame("y"), "parts do not follow each other"),
        (frame("x", bits=0x40), "bits that nobody agreed on"),
        (frame("x", is_last=False, bits=0x10), "bits that nobody agreed on"),
        (frame(b"\xff\xfe"), "it is no text"),
        (frame(b"\xff", is_last=False) + frame(b"\xfe", CONTINUATION), "it is no text"),
        (b"\x83\x00", "invalid opcode"),
    ],
    ids=["large", "large in parts", "no begin", "no end", "compressed", "odd bits", "no text", "parts", "opcode"],
)
async def test_what_is_no_frame_costs_the_connection(
    data: bytes, sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with raw_peer() as peer, delivered(peer, max_msg_size=1_000) as (texts, taking):
        peer.send(frame("good"), data, frame("after"))
        await ends_with(taking, f"^a frame could not be taken: .*{sentence}")
        assert texts in (["good"], [])  # picows itself reads one frame ahead
        await until(peer.is_gone.is_set)
    assert not caplog.records, "whoever waits for the end is told, and nobody else"


async def test_parts_make_one_text_with_pings_in_between() -> None:
    async with raw_peer() as peer, delivered(peer) as (texts, _):
        peer.send(frame("gr", is_last=False), frame("p", PING), frame(b"\xc3", CONTINUATION, is_last=False))
        peer.send(frame(b"\xbc\xc3\x9f", CONTINUATION, is_last=False), frame("e", CONTINUATION), frame("next"))
        await until(lambda: len(texts) == 2)
        assert texts == ["grüße", "next"]
        await until(lambda: peer.received == [(PONG, b"p")])


async def test_binary_frame_is_shown_as_what_it_is() -> None:
    async with raw_peer() as peer, delivered(peer) as (texts, _):
        peer.send(frame(b"\x00\x01", BINARY))
        await until(lambda: texts == [r"a binary frame, b'\x00\x01'"])


async def test_line_waits_while_nobody_takes_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picows_stream, "MOST_KEPT", 100_000)
    async with raw_peer() as peer, connected(peer, ping_timeout=0.01) as connection:
        line = connection._line
        assert line is not None
        assert peer.writer is not None
        sent = 0
        while not (line._is_held and peer.writer.transport.get_write_buffer_size() > 0):
            peer.send(*(frame(f"{number:0999d}") for number in range(sent, sent + 100)))
            sent += 100
            await asyncio.sleep(0)
        kept = line._kept_size
        await asyncio.sleep(0.05)  # several heartbeats, none of which is missed
        assert line._kept_size == kept
        assert not line.ended.done()
        assert kept < sent * 1_000
        texts: list[str] = []
        taking = asyncio.ensure_future(connection.deliver(texts.append))
        await until(lambda: len(texts) == sent)
        assert [int(text) for text in texts] == list(range(sent))
        taking.cancel()


async def test_error_of_the_reader_ends_the_connection_and_is_told(caplog: pytest.LogCaptureFixture) -> None:
    taken = []

    def take(text: str) -> None:
        taken.append(text)
        raise KeyError(text)

    async with raw_peer() as peer, connected(peer) as connection:
        taking = asyncio.ensure_future(connection.deliver(take))
        await asyncio.sleep(0)
        peer.send(frame("one"), frame("two"))
        with pytest.raises(KeyError, match="one"):
            await asyncio.wait_for(taking, LIMIT_S)
        await until(peer.is_gone.is_set)
        assert taken == ["one"]
        with pytest.raises(OSError, match="the connection is closed"):
            await connection.ping()
    assert not caplog.records


async def test_whoever_takes_no_more_gets_no_more() -> None:
    async with raw_peer() as peer, connected(peer) as connection:
        texts: list[str] = []
        taking = asyncio.ensure_future(connection.deliver(texts.append))
        await asyncio.sleep(0)
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        peer.send(frame("later"))
        response = await asyncio.wait_for(connection.receive(), LIMIT_S)
        assert response is not None
        assert (response.data, texts) == ("later", [])


async def test_disconnecting_ends_the_delivery_without_an_error() -> None:
    async with raw_peer() as peer, delivered(peer) as (texts, taking):
        pass
    async with raw_peer() as peer:
        connection = PicowsConnection()
        await connection.connect(peer.url)
        taking = asyncio.ensure_future(connection.deliver(texts.append))
        await asyncio.sleep(0)
        await asyncio.wait_for(connection.disconnect(), LIMIT_S)
        await asyncio.wait_for(taking, LIMIT_S)
        await until(peer.is_gone.is_set)
        assert peer.received == [(CLOSE, b"\x03\xe8")]
        assert not connection.connected
        await connection.disconnect()
        with pytest.raises(RuntimeError):
            await connection.receive()


async def test_whoever_answers_no_close_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picows_stream, "CLOSE_S", 0.05)
    before = open_sockets()
    async with raw_peer() as peer:
        peer.answers_close = False
        async with connected(peer):
            assert open_sockets() > before
        await until(peer.is_gone.is_set)
    await until(lambda: open_sockets() == before)


async def test_cancelled_connecting_leaves_no_socket() -> None:
    before = open_sockets()
    async with raw_peer() as peer:
        peer.head = b""  # no answer ever comes
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(PicowsConnection().connect(peer.url), 0.1)
        await asyncio.wait_for(peer.is_gone.wait(), LIMIT_S)
    await until(lambda: open_sockets() == before)


@pytest.mark.parametrize(
    ("head", "sentence"),
    [
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "the exchange refused it with status 503"),
        (b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.2:1/\r\n\r\n", "the exchange refused it with status 302"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "the exchange's answer is not that of a stream"),
        (b"\x00\x1b[31m\r\n\r\n", "the exchange's answer is not that of a stream"),
    ],
)
async def test_refusal_is_said_in_a_sentence(head: bytes, sentence: str) -> None:
    async with raw_peer() as peer:
        peer.head = head
        with pytest.raises(ConnectionError, match=sentence) as error:
            await asyncio.wait_for(PicowsConnection().connect(peer.url), LIMIT_S)
        assert str(error.value).isprintable()
        await asyncio.wait_for(peer.is_gone.wait(), LIMIT_S)


async def test_hanging_up_in_the_handshake_is_no_connection() -> None:
    async with raw_peer() as peer:
        peer.head = b""
        connecting = asyncio.ensure_future(PicowsConnection().connect(peer.url))
        await peer.is_open.wait()
        peer.hang_up()
        with pytest.raises(ConnectionError, match="hung up instead of answering"):
            await asyncio.wait_for(connecting, LIMIT_S)


async def test_nobody_listens() -> None:
    async with raw_peer() as peer:
        url = peer.url
    with pytest.raises(OSError, match=r"127\.0\.0\.1"):
        await asyncio.wait_for(PicowsConnection().connect(url), LIMIT_S)


async def test_hummingbots_assistant_works_over_it() -> None:
    async with raw_peer() as peer:
        peer.first = frame('{"stream": "a"}') + frame("no json") + frame("9" * 5_000)
        assistant = WSAssistant(PicowsConnection())
        await assistant.connect(peer.url, ping_timeout=15.0)
        with pytest.raises(RuntimeError):
            await assistant.connect(peer.url)
        await assistant.send(WSJSONRequest(payload={"method": "SUBSCRIBE"}))
        await assistant.send(WSPlainTextRequest(payload="plain"))
        await until(lambda: len(peer.received) == 2)
        assert [(opcode, content) for opcode, content in peer.received] == [
            (TEXT, json.dumps({"method": "SUBSCRIBE"}).encode()),
            (TEXT, b"plain"),
        ]
        messages = assistant.iter_messages()
        taken = [(await anext(messages)) for _ in range(3)]
        assert [message.data for message in taken if message is not None] == [{"stream": "a"}, "no json", "9" * 5_000]
        waiting = asyncio.ensure_future(assistant.receive())
        await asyncio.sleep(0)
        await assistant.disconnect()
        assert await waiting is None
        with pytest.raises(RuntimeError):
            await assistant.send(WSPlainTextRequest(payload="late"))


async def test_time_limit_of_a_message_is_kept() -> None:
    async with raw_peer() as peer, connected(peer, message_timeout=0.01) as connection:
        with pytest.raises(asyncio.TimeoutError, match="Message receive timed out"):
            await connection.receive()


async def test_tls_checks_who_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pem = tmp_path / "here.pem"
    pem.write_bytes(certificate_of_this_machine())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    picows_stream._tls.cache_clear()
    async with raw_peer(context) as peer:
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.wait_for(PicowsConnection().connect(peer.url), LIMIT_S)
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
        picows_stream._tls.cache_clear()
        async with delivered(peer) as (texts, taking):
            peer.send(frame("x" * 200_000), frame("p", PING))
            await until(lambda: texts == ["x" * 200_000] and peer.received == [(PONG, b"p")])
            peer.send(frame(b"\x03\xe8", CLOSE))
            await ends_with(taking, "closed it with code 1000")
    picows_stream._tls.cache_clear()


def certificate_of_this_machine() -> bytes:
    """Return a key with a certificate that it has signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "here")])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, *form) + certificate.public_bytes(serialization.Encoding.PEM)


def test_it_works_on_uvloop() -> None:
    uvloop = pytest.importorskip("uvloop")

    async def talk() -> None:
        async with raw_peer() as peer, delivered(peer) as (texts, taking):
            peer.send(frame("x" * 100_000), frame("p", PING))
            await until(lambda: peer.received == [(PONG, b"p")])
            peer.send(frame(b"\x03\xe8", CLOSE))
            await ends_with(taking, "closed it with code 1000")
            assert len(texts) == 1

    _run(talk, uvloop.new_event_loop)


def _run(talk: Callable[[], Awaitable[None]], loop_factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(talk())  # type: ignore[arg-type]
