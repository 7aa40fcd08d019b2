"""The server that is looked at, over HTTP."""

from __future__ import annotations

import http.client
import json
import math
import ssl
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, NamedTuple, Self
from urllib.parse import urlsplit

import msgspec

from edgetally.api.ranking_answer import RankingAnswer
from edgetally.errors import EdgetallyError, reason

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TIMEOUT = 30.0
"""Seconds without a byte after which a connection counts as lost: a stream sends something every 15."""

OTHER_HOST = (62, 64)
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH, which Python does not name."""

STREAM = "text/event-stream"

RANKING = msgspec.json.Decoder(RankingAnswer)


class ServerError(EdgetallyError):
    """The server does not answer, or not as expected."""


class Refused(ServerError):
    """The server wants a token that may read."""


class Gone(ServerError):
    """The second that was asked for is not kept any more."""


class Received(NamedTuple):
    """A ranking, and the bytes that it came as."""

    ranking: RankingAnswer
    content: bytes


class Stream:
    """Rankings as the server seals seconds. Iterating blocks; closing from another thread ends it."""

    def __init__(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> None:
        self._connection = connection
        self._response = response

    def __iter__(self) -> Iterator[Received]:
        """Yield rankings until the stream ends; raise ServerError when the connection is lost."""
        event, data = b"", b""
        while line := self._line():
            name, _, value = line.rstrip(b"\r\n").partition(b": ")
            if name == b"event":
                event = value
            elif name == b"data":
                data += value
            elif not name:
                if event == b"ranking":
                    yield _decoded(data)
                event, data = b"", b""

    def _line(self) -> bytes:
        try:
            return self._response.readline()
        except (OSError, http.client.HTTPException) as error:
            raise ServerError(f"lost the connection: {_reason(error)}") from error

    def close(self) -> None:
        """End the stream."""
        if self._connection.sock:
            try:
                self._connection.sock.shutdown(2)
            except OSError:
                pass  # it is lost already
        self._connection.close()


class RemoteServer:
    """Asks one server. Every call has a connection of its own."""

    def __init__(self, url: str, token: str = "", ca: Path | None = None) -> None:
        """Check the address; raise EdgetallyError if it is no URL, or the certificates cannot be read."""
        given = url if "://" in url else f"http://{url}"
        parts = urlsplit(given)
        try:
            port = parts.port
        except ValueError as error:
            raise EdgetallyError(f"expected a URL such as http://127.0.0.1:8480, got {url!r}: {error}") from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise EdgetallyError(f"expected a URL such as http://127.0.0.1:8480, got {url!r}")
        self.url = given.rstrip("/")
        self.token = token
        self._host, self._port = parts.hostname, port
        self._prefix = parts.path.rstrip("/")
        self.ahead = -math.inf
        """Its clock less this machine's, in seconds, as far as a `Date` says, which has no fraction."""
        self._context = None
        if parts.scheme == "https":
            try:
                self._context = ssl.create_default_context(cafile=ca)
            except OSError as error:
                raise EdgetallyError(f"cannot read certificates from {ca}: {reason(error)}") from error

    def services(self) -> list[str]:
        """Return the services that the token may read."""
        try:
            found = json.loads(self._content("/"))
        except ValueError:
            found = None
        if not isinstance(found, dict) or not isinstance(found.get("services"), list):
            raise ServerError(f"{self.url} is not Edgetally: expected a list of services at /")
        return [str(name) for name in found["services"]]

    def ranking(self, path: str) -> Received:
        """Return one ranking."""
        return _decoded(self._content(path))

    def stream(self, path: str) -> Stream:
        """Return rankings as they come."""
        connection, response = self._ask(path, STREAM)
        if "event-stream" not in response.headers.get_content_type():
            connection.close()
            raise ServerError(f"{self.url} has no streams: it may be an older Edgetally")
        return Stream(connection, response)

    def _content(self, path: str) -> bytes:
        """Return the whole answer."""
        connection, response = self._ask(path, "application/json")
        with connection:
            try:
                return response.read()
            except (OSError, http.client.HTTPException) as error:
                raise ServerError(f"cannot read the answer of {self.url}: {_reason(error)}") from error

    def _ask(self, path: str, accept: str) -> tuple[_Connection, http.client.HTTPResponse]:
        connection = _Connection(self._host, self._port, self._context)
        headers = {"Accept": accept}
        if self.token:
            headers["Fastly-Key"] = self.token
        try:
            connection.request("GET", self._prefix + path, headers=headers)
            response = connection.getresponse()
            if response.status == http.client.OK:
                # One ranking may be kept, with its `Date`, while no second is sealed.
                if not path.startswith("/top/") or accept == STREAM:
                    self.ahead = _date(response) - clock()
                return connection, response
            problem = _problem(response)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise ServerError(f"cannot reach {self.url}: {_reason(error)}") from error
        connection.close()
        if response.status in (http.client.UNAUTHORIZED, http.client.FORBIDDEN):
            if self.token:
                raise Refused(f"{self.url} refuses this token: it is unknown or revoked, or may not read this")
            raise Refused(f"{self.url} wants a token that may read: set EDGETALLY_TOKEN or --token-file")
        if response.status == http.client.NOT_FOUND and path.startswith("/top/"):
            if "at=" in path:
                raise Gone("that second is not kept any more")
            raise ServerError(f"{self.url} has no rankings: expected Edgetally with /top, got status 404")
        raise ServerError(f"{self.url} answered {response.status}: {problem}")


class _Connection(http.client.HTTPConnection):
    """A connection, with TLS if there is a context, which closes at the end of a block."""

    def __init__(self, host: str, port: int | None, context: ssl.SSLContext | None) -> None:
        super().__init__(host, port or (443 if context else 80), timeout=TIMEOUT)
        self._tls = context

    def connect(self) -> None:
        super().connect()
        if self._tls:
            self.sock = self._tls.wrap_socket(self.sock, server_hostname=self.host)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def clock() -> float:
    """Return the time of this machine, to which pictures add what the server's clock is ahead."""
    return time.time()


def _date(response: http.client.HTTPResponse) -> float:
    """Return when a server answered, in Unix seconds by its own clock; minus infinity if it does not say."""
    try:
        return parsedate_to_datetime(response.headers["Date"]).timestamp()
    except (TypeError, ValueError):
        return -math.inf


def _decoded(content: bytes) -> Received:
    try:
        return Received(RANKING.decode(content), content)
    except msgspec.DecodeError as error:
        raise ServerError(f"expected a ranking, got something else: {error}") from error


def _problem(response: http.client.HTTPResponse) -> str:
    """Return the sentence of a refusal."""
    try:
        found = json.loads(response.read(1 << 16))
        return str(found["Error"] if "Error" in found else found["msg"])
    except (ValueError, KeyError, TypeError):
        return response.reason


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in OTHER_HOST:
            return f"its certificate is for another host ({error.verify_message.rstrip('.')}): use a name that is in it"
        return f"its certificate is not trusted ({error.verify_message}): name the one that signed it with --ca"
    if isinstance(error, ssl.SSLError):
        # Its number is not one of the system's errors.
        return f"no TLS connection ({error.reason or error}): if it serves no HTTPS, use http://"
    if isinstance(error, http.client.RemoteDisconnected):
        return "it closed the connection without an answer: if it serves HTTPS, use https://"
    return reason(error) if isinstance(error, OSError) else str(error) or type(error).__name__
