"""TLS: the certificate, handshakes, and reloading while clients connect."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from edgetally.access.certificate import Certificate
from edgetally.config.validation import check
from edgetally.errors import ConfigError
from edgetally.service.service import Service
from tests.support.certificates import Pair, make
from tests.support.clock import TIMEOUT_SECONDS, ManualClock, until
from tests.support.process import serving
from tests.support.programs import skip_or_fail
from tests.support.served import RawConnection, ndjson
from tests.support.tokens import access, bearer

pytestmark = skip_or_fail("openssl")


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Each event loop has its own TLS implementation."""
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """A certificate with a key of another kind."""
    return make(tmp_path_factory.mktemp("tls"), "there", "rsa")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def service(pair: Pair, clock: ManualClock) -> AsyncIterator[Service]:
    async with Service(settings(pair), clock) as running:
        yield running


def settings(pair: Pair, **sections: object) -> Any:  # noqa: ANN401 - what Service takes
    return check({"api": {"listen": "127.0.0.1:0", "error_delay": 0.0, **pair.settings}, **sections})


def address(service: Service) -> tuple[str, int]:
    url = urlsplit(service.url)
    assert url.hostname
    assert url.port
    return url.hostname, url.port


@asynccontextmanager
async def connect(service: Service, context: ssl.SSLContext, name: str | None = None) -> AsyncIterator[RawConnection]:
    """Open a connection, with the name of the server (SNI) or with its address only."""
    reader, writer = await asyncio.open_connection(
        *address(service), ssl=context, server_hostname=name or address(service)[0], limit=1 << 24
    )
    try:
        yield RawConnection(reader, writer)
    finally:
        writer.close()
        try:
            await writer.wait_closed()
        except OSError:
            pass  # the other side was faster


def trusting() -> ssl.SSLContext:
    """Make a client that accepts every certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def certificate_of(service: Service, name: str | None = None) -> bytes:
    """Return the certificate that a new connection gets."""
    async with connect(service, trusting(), name) as one:
        found: bytes = one.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return found


GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def test_requests_are_answered_over_tls(service: Service, pair: Pair) -> None:
    assert service.url.startswith("https://127.0.0.1:")
    async with httpx.AsyncClient(base_url=service.url, verify=pair.trusted()) as client:
        index = (await client.get("/")).json()
        assert index["links"]["push"] == f"{service.url}/ingest"
        pushed = await client.post("/ingest", content=ndjson([{"status": 200}] * 50_000))
        assert pushed.json() == {"accepted": 50_000, "rejected": 0, "errors": []}


async def test_pipelined_requests_and_long_polls_work_over_tls(service: Service, pair: Pair) -> None:
    async with connect(service, pair.trusted()) as one:
        await one.send(GET * 100)
        answers = [await one.answer() for _ in range(100)]
        assert {answer.status for answer in answers} == {200}
        await one.send(b"GET /v1/domains/svc/ts/9999999999 HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: service.long_poll.waiting == 1)
        service.long_poll.release()
        assert (await one.answer()).json()["Data"] == []


async def test_a_client_that_stops_reading_is_sent_a_bounded_amount(
    service: Service, pair: Pair, clock: ManualClock
) -> None:
    async with connect(service, pair.trusted()) as one:
        one.writer.transport.pause_reading()  # type: ignore[attr-defined]
        openapi = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
        one.writer.write(openapi * 2000)
        await until(lambda: service.server.responses["other", 200] > 0)
        await clock.advance(0)
        assert service.server.responses["other", 200] < 1000
        one.writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert [(await one.answer()).status for _ in range(2000)] == [200] * 2000


@pytest.mark.parametrize("name", [None, "localhost"])
async def test_new_connections_get_the_new_certificate(
    service: Service, pair: Pair, other: Pair, name: str | None
) -> None:
    async with connect(service, pair.trusted()) as before:
        assert await certificate_of(service, name) == pair.der

        service.reload(settings(other))

        assert await certificate_of(service, name) == other.der
        assert (await before.ask(GET)).status == 200
        service.reload(settings(pair))
        assert await certificate_of(service, name) == pair.der


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_tls_1_2_and_1_3_are_supported(service: Service, pair: Pair, version: ssl.TLSVersion) -> None:
    context = pair.trusted()
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    async with connect(service, context) as one:
        spoken = one.writer.get_extra_info("ssl_object")
        assert spoken.version() == version.name.replace("_", ".")
        assert spoken.selected_alpn_protocol() == "http/1.1"
        assert (await one.ask(GET)).status == 200


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
async def test_older_versions_are_refused(service: Service) -> None:
    context = trusting()
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        async with connect(service, context) as one:
            await one.ask(GET)


async def test_a_broken_certificate_keeps_the_old_one_and_applies_the_tokens(
    service: Service, pair: Pair, other: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    reader = bearer("read", "*")

    service.reload(settings(Pair(other.cert, pair.key), access=access(reader)))

    assert "the old one stays in use: api.tls_key: " in caplog.text
    assert await certificate_of(service) == pair.der
    async with connect(service, pair.trusted()) as one:
        assert (await one.ask(GET)).status == 403
        assert (await one.ask(GET[:-2] + reader.field + b"\r\n")).status == 200


async def test_a_certificate_without_its_key_is_not_reloaded(service: Service, pair: Pair) -> None:
    with pytest.raises(ConfigError, match=r"api\.tls_cert: api\.tls_key \(--tls-key\) is needed too"):
        service.reload(check({"api": {"tls_cert": str(pair.cert)}}))

    assert await certificate_of(service) == pair.der


BEGINNINGS = [b"", b"\x16\x03\x01", b"\x16\x03\x01\x40\x00\x01\x00\x3f\xfc"]
"""Starts of handshakes that do not continue."""


async def test_a_handshake_that_takes_too_long_is_closed(service: Service, pair: Pair, clock: ManualClock) -> None:
    slow = [await asyncio.open_connection(*address(service)) for _ in BEGINNINGS]
    for (_, writer), begin in zip(slow, BEGINNINGS, strict=True):
        writer.write(begin)
    await until(lambda: len(service.server.connections) == 3)
    await clock.advance(10)
    assert len(service.server.connections) == 3
    assert await certificate_of(service) == pair.der

    await clock.advance(2)

    for reader, writer in slow:
        await closed(reader)
        writer.close()
    assert service.server.limits_reached == {"handshake_timeout": 3}
    await until(lambda: not service.server.connections)
    assert await certificate_of(service) == pair.der


async def closed(reader: asyncio.StreamReader) -> None:
    """Wait until the server closes the connection without a response."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        try:
            assert b"HTTP" not in await reader.read()
        except ConnectionResetError:
            pass


async def test_handshakes_count_as_connections(pair: Pair) -> None:
    async with Service(settings(pair, clients={"max_connections": 2}), ManualClock()) as service:
        first, second = [await asyncio.open_connection(*address(service)) for _ in range(2)]
        await until(lambda: len(service.server.connections) == 2)
        reader, writer = await asyncio.open_connection(*address(service))
        await closed(reader)
        writer.close()
        assert service.server.limits_reached == {"max_connections": 1}

        first[1].close()
        await until(lambda: len(service.server.connections) == 1)
        assert await certificate_of(service) == pair.der
        second[1].close()


async def test_an_unfinished_handshake_does_not_delay_the_stop(pair: Pair) -> None:
    async with Service(settings(pair), ManualClock()) as service:
        reader, writer = await asyncio.open_connection(*address(service))
        await until(lambda: len(service.server.connections) == 1)
        await service.__aexit__(None, None, None)
        assert service.server.connections == set()
        await closed(reader)
        writer.close()


async def test_a_request_that_comes_with_the_end_of_the_handshake_is_answered(service: Service, pair: Pair) -> None:
    # By hand, to send the end of the handshake and the first request in one piece.
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = pair.trusted().wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    reader, writer = await asyncio.open_connection(*address(service))
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            writer.write(outgoing.read())
            incoming.write(await reader.read(1 << 16))
    tls.write(GET + GET[:5])
    writer.write(outgoing.read())
    answer = b""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while b"}" not in answer:
            incoming.write(await reader.read(1 << 16))
            try:
                answer += tls.read(1 << 16)
            except ssl.SSLWantReadError:
                pass  # tickets, for the next time
    assert answer.startswith(b"HTTP/1.1 200 OK")
    writer.close()


@pytest.mark.parametrize("junk", [GET, b"\x00" * 100, b"\x16\x03\x01" + b"\xff" * 1000])
async def test_input_that_is_not_tls_is_closed_without_a_warning(
    service: Service, pair: Pair, junk: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await asyncio.open_connection(*address(service))
    writer.write(junk)
    await closed(reader)
    writer.close()

    assert await certificate_of(service) == pair.der
    assert [record.getMessage() for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


async def test_it_stops_with_connections_open(pair: Pair) -> None:
    async with Service(settings(pair), ManualClock()) as service, connect(service, pair.trusted()) as one:
        assert (await one.ask(GET)).status == 200
        await service.__aexit__(None, None, None)
        assert await one.is_over()


# --- invalid files -------------------------------------------------------------------------------------------


def locked(_pair: Pair, directory: Path) -> Pair:
    return make(directory, "locked", "ec", "-passout", "pass:secret")


BROKEN: list[tuple[str, Callable[[Pair, Path], Pair], str]] = [
    ("no certificate", lambda pair, at: Pair(at / "no.pem", pair.key), "api.tls_cert: {at}/no.pem: No such file"),
    ("no key", lambda pair, at: Pair(pair.cert, at / "no.key"), "api.tls_key: {at}/no.key: No such file"),
    ("a directory", lambda pair, at: Pair(at, pair.key), "api.tls_cert: {at}: Is a directory"),
    (
        "a key as a certificate",
        lambda pair, _: Pair(pair.key, pair.key),
        "api.tls_cert: {key}: expected a certificate chain",
    ),
    (
        "a certificate as a key",
        lambda pair, _: Pair(pair.cert, pair.cert),
        "api.tls_key: {cert}: expected a private key",
    ),
    ("the key of another", lambda pair, at: Pair(pair.cert, make(at).key), "not the key of the certificate in"),
    ("a key with a password", locked, "the key is encrypted"),
]


@pytest.mark.parametrize(("_name", "broken", "says"), BROKEN, ids=[name for name, *_ in BROKEN])
def test_invalid_certificate_files_are_named(
    pair: Pair,
    tmp_path: Path,
    _name: str,
    broken: Callable[[Pair, Path], Pair],
    says: str,
) -> None:
    with pytest.raises(ConfigError) as raised:
        Certificate(*broken(pair, tmp_path))

    assert says.format(at=tmp_path, key=pair.key, cert=pair.cert) in str(raised.value)
    assert "_ssl.c" not in str(raised.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_key_is_named(tmp_path: Path) -> None:
    pair = make(tmp_path)
    pair.key.chmod(0)

    with pytest.raises(ConfigError, match="Permission denied"):
        Certificate(*pair)


@pytest.mark.parametrize("given", ["tls_cert", "tls_key"])
def test_a_certificate_and_its_key_are_needed_together(pair: Pair, given: str) -> None:
    missing = {"tls_cert", "tls_key"} - {given}
    with pytest.raises(ConfigError, match=rf"api\.{given}: api\.{missing.pop()} \(--tls-\w+\) is needed too"):
        Service(check({"api": {given: pair.settings[given]}}))


# --- a real process ------------------------------------------------------------------------------------------------


def test_sighup_reloads_the_certificate(tmp_path: Path) -> None:
    pair, other = make(tmp_path / "old"), make(tmp_path / "new")
    flags = ["--tls-cert", str(pair.cert), "--tls-key", str(pair.key)]
    with serving(*flags) as server:
        assert httpx.get(f"{server.url}/healthz", verify=pair.trusted()).status_code == 200

        pair.key.write_bytes(other.key.read_bytes())
        server.reload("the old one stays in use: api.tls_key: ")
        assert httpx.get(f"{server.url}/healthz", verify=pair.trusted()).status_code == 200

        pair.cert.write_bytes(other.cert.read_bytes())
        server.reload("certificate reloaded: ")
        assert httpx.get(f"{server.url}/healthz", verify=other.trusted()).status_code == 200
        assert ssl.get_server_certificate(server.address).split() == other.cert.read_text().split()
