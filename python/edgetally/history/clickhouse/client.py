"""Asks ClickHouse over its HTTP interface, in whatever thread calls."""

import http.client
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Iterable
from contextlib import suppress
from urllib.parse import urlencode

from edgetally.clock import Clock
from edgetally.config.clickhouse import ClickHouseAddress
from edgetally.errors import Unavailable, reason

CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 30.0
"""How long a server is waited for."""

BACKOFF_SECONDS = 0.5
MAX_BACKOFF_SECONDS = 5.0
"""How long a server that did not answer is left alone: twice as long each time."""

SETTINGS = {
    # An error in the middle is no answer with a hole.
    "wait_end_of_query": "1",
    "max_execution_time": f"{ANSWER_SECONDS - 2:.0f}",
    # Questions may name many services.
    "max_query_size": str(16 << 20),
    "max_ast_elements": "1000000",
}

MAX_PROBLEM = 200
"""Characters of the server's own words that are shown."""


class ClickHouse:
    """One server. Its answers are whole, or there is an error."""

    def __init__(self, address: ClickHouseAddress, user: str, password: str, clock: Clock) -> None:
        self.database = address.database
        """Where the tables are."""
        self._address = address
        self._headers = {"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}
        self._clock = clock
        self._tls = ssl.create_default_context() if address.scheme == "https" else None
        self._lock = threading.Lock()
        self._idle: list[http.client.HTTPConnection] = []
        self._busy: set[http.client.HTTPConnection] = set()
        self._is_closed = False
        self._problem = ""
        self._failed_until = 0.0
        self._backoff = BACKOFF_SECONDS

    def ask(self, query: str, *, database: str | None = None) -> bytes:
        """Return the answer to a query; raise Unavailable when there is none."""
        return self._post(query.encode(), {"database": self.database if database is None else database})

    def insert(self, into: str, rows: Iterable[bytes]) -> None:
        """Insert lines of JSON, which may be there already; raise Unavailable when it is not certain that they are."""
        data = b"".join(rows)
        if data:
            self._post(data, {"database": self.database, "query": f"INSERT INTO {into} FORMAT JSONEachRow"})

    def close(self) -> None:
        """Release all connections. Who waits for an answer gets none."""
        with self._lock:
            self._is_closed = True
            for one in self._idle:
                one.close()
            self._idle.clear()
            for one in self._busy:
                if one.sock:
                    with suppress(OSError):
                        one.sock.shutdown(socket.SHUT_RDWR)

    def _post(self, body: bytes, parameters: dict[str, str]) -> bytes:
        target = f"/?{urlencode({**SETTINGS, **parameters})}"
        while True:
            self._check()
            connection, is_new = self._connection()
            try:
                status, answer = self._exchange(connection, target, body)
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                # The server closes connections that are idle; whatever it is asked, it may be asked twice.
                if is_new or isinstance(error, TimeoutError):
                    raise self._failed(f"does not answer: {_reason(error)}") from error
            else:
                break
            finally:
                with self._lock:
                    self._busy.discard(connection)
        if status != http.client.OK:
            connection.close()
            raise Unavailable(f"ClickHouse at {self._address} refuses: {_words(answer)}")
        with self._lock:
            self._problem, self._backoff = "", BACKOFF_SECONDS
            if self._is_closed:
                connection.close()
            else:
                self._idle.append(connection)
        return answer

    def _exchange(self, connection: http.client.HTTPConnection, target: str, body: bytes) -> tuple[int, bytes]:
        if connection.sock is None:
            connection.timeout = CONNECT_SECONDS
            connection.connect()
        connection.sock.settimeout(ANSWER_SECONDS)
        connection.request("POST", target, body, self._headers)
        with connection.getresponse() as response:
            return response.status, response.read()

    def _connection(self) -> tuple[http.client.HTTPConnection, bool]:
        """Return a connection, and whether it is a new one."""
        with self._lock:
            is_new = not self._idle
            one = self._new() if is_new else self._idle.pop()
            self._busy.add(one)
        return one, is_new

    def _new(self) -> http.client.HTTPConnection:
        _, host, port, _ = self._address
        if self._tls:
            return http.client.HTTPSConnection(host, port, context=self._tls)
        return http.client.HTTPConnection(host, port)

    def _check(self) -> None:
        """Raise the last error again if it was just now: a server that is away is not asked by everyone."""
        with self._lock:
            if self._is_closed:
                raise Unavailable(f"ClickHouse at {self._address} has not answered in time")
            if self._problem and self._clock.now() < self._failed_until:
                raise Unavailable(self._problem)

    def _failed(self, problem: str) -> Unavailable:
        with self._lock:
            self._problem = f"ClickHouse at {self._address} {problem}"
            self._failed_until = self._clock.now() + self._backoff
            self._backoff = min(2 * self._backoff, MAX_BACKOFF_SECONDS)
            return Unavailable(self._problem)


def text(value: str) -> str:
    """Return a literal of a text, which may have any characters."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("\0", "\\0")
    return f"'{escaped}'"


def _words(answer: bytes) -> str:
    """Return what the server says is wrong, on one line."""
    return " ".join(answer.decode(errors="replace").split())[:MAX_PROBLEM]


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    return reason(error) if isinstance(error, OSError) else str(error) or type(error).__name__
