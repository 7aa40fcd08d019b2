"""
Ten thousand readers in one process, with as little as possible between the socket and the clock.

Prints a line when all requests were sent and, when all were answered, a JSON array: for each answer, the seconds from
the seal to its last byte.

Of a server that has no seal, everything is asked at once after that line: then the seconds are those since the first
request, and one answer is enough for all.
"""

import json
import resource
import select
import socket
import sys
import time

PIECE = 1 << 16
"""Bytes that are received at once. A larger buffer costs more than all else: it is new memory for each answer."""

ONCE = select.EPOLLIN | select.EPOLLONESHOT


def request(path: str) -> bytes:
    """Return what a reader sends."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nFastly-Key: 0123456789abcdef\r\n"
        "Accept: application/json\r\nUser-Agent: fan-out\r\n\r\n"
    ).encode()


def main() -> None:
    """Send the requests, and print when the answers arrived."""
    port, readers, services, cursor = map(int, sys.argv[1:5])
    path = sys.argv[5] if len(sys.argv) > 5 else ""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    poll = select.epoll()
    sockets = {}
    for number in range(readers):
        connection = socket.create_connection(("127.0.0.1", port))
        if not path:
            connection.send(request(f"/v1/domains/s{number % services}/ts/{cursor}"))
        poll.register(connection, ONCE)
        sockets[connection.fileno()] = connection
    print("waiting", flush=True)
    began = time.time()
    if path:
        for connection in sockets.values():
            connection.send(request(path))
    answers = []
    parts = dict.fromkeys(sockets, b"")
    while len(answers) < readers:
        for number, _ in poll.poll(maxevents=512):
            parts[number] += sockets[number].recv(PIECE)
            if parts[number].endswith(b"}"):
                answers.append((time.time(), parts[number]))
            else:  # the body may come after the header
                poll.modify(number, ONCE)
    delays = []
    for when, answer in answers:
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        found = json.loads(body)
        (entry,) = found["Data"]
        delays.append(when - (began if path else entry["recorded"] + found["AggregateDelay"]))
    print(json.dumps(delays), flush=True)


if __name__ == "__main__":
    main()
