"""TLS of the quick transport, as it is used in production: by the authorities that the system names."""

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from backpack_connector.http_client import HttpClient, tls_context
from backpack_connector.protocol.errors import NoAnswer
from backpack_connector.protocol.rest import RestRequest
from tests.http_transport.raw_server import RawServer

ORDER = RestRequest("execute_order", "POST", "/api/v1/order", {}, b"{}", {})


def certificate(folder: Path, name: str) -> Path:
    """Write a key and a certificate for a name, which is its own authority, into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    names: list[x509.GeneralName] = [x509.DNSName(name)]
    if name == "localhost":
        names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture(autouse=True)
def no_context_outlives_its_test() -> Iterator[None]:
    tls_context.cache_clear()
    yield
    tls_context.cache_clear()


def server_with(path: Path, asked: list[str | None] | None = None) -> RawServer:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    context.set_alpn_protocols(["h2", "http/1.1"])
    if asked is not None:
        context.sni_callback = lambda _, name, __: asked.append(name)
    return RawServer(context)


async def test_server_that_an_authority_vouches_for_is_asked_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = certificate(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    asked: list[str | None] = []
    async with server_with(path, asked) as server:
        client = HttpClient(server.url)
        for _ in range(2):
            assert await client.answer_to(ORDER, 5, is_text_wanted=True) == "pong"
        assert server.peers[0].writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
        client.close()
        await asyncio.sleep(0.01)
    assert asked == ["localhost"]
    assert server.requests[0].startswith(b"POST /api/v1/order HTTP/1.1\r\nHost: localhost:")


@pytest.mark.parametrize("wrong", ["authority", "name"])
async def test_server_that_cannot_prove_who_it_is_gets_no_byte_of_a_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    path = certificate(tmp_path, "localhost" if wrong == "authority" else "other.example")
    trusted = path
    if wrong == "authority":
        (tmp_path / "else").mkdir()
        trusted = certificate(tmp_path / "else", "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    async with server_with(path) as server:
        client = HttpClient(server.url)
        with pytest.raises(NoAnswer) as caught:
            await client.answer_to(ORDER, 5)
        assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)
        assert not client.open_connections
        await asyncio.sleep(0.01)
        assert server.requests == []
