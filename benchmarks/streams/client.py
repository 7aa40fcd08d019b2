"""
Ten thousand readers in one process, which stream or poll, with as little as possible between the socket and the clock.

Prints a line when all requests were sent, and one whenever all readers have the entries of a second: a JSON array of
seconds from the seal to the last byte.
"""

import json
import re
import resource
import select
import socket
import sys
import time

TIMESTAMP = re.compile(rb'"Timestamp":(\d+)')
FIELDS = b"Host: localhost\r\nFastly-Key: 0123456789abcdef\r\nUser-Agent: streams\r\n\r\n"


def main() -> None:
    """Send the requests, and print when the entries arrived."""
    port, readers, services, cursor, rounds = map(int, sys.argv[1:6])
    is_stream = sys.argv[6] == "stream"
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    def request(number: int, cursor: bytes) -> bytes:
        target = b"stream?from=" if is_stream else b"ts/"
        return b"GET /v1/domains/s%d/%b%b HTTP/1.1\r\n%b" % (number % services, target, cursor, FIELDS)

    end = b"}\n\n" if is_stream else b"}"
    poll = select.epoll()
    sockets, numbers = {}, {}
    for number in range(readers):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.send(request(number, b"%d" % cursor))
        poll.register(connection, select.EPOLLIN)
        sockets[connection.fileno()] = connection
        numbers[connection.fileno()] = number
    print("waiting", flush=True)
    parts = dict.fromkeys(sockets, b"")
    for _ in range(rounds):
        came = []
        while len(came) < readers:
            for number, _ in poll.poll(maxevents=512):
                parts[number] += sockets[number].recv(1 << 16)
                if not parts[number].endswith(end) or b"Data" not in parts[number]:
                    continue
                found = TIMESTAMP.search(parts[number])
                assert found, parts[number]
                came.append((time.time(), int(found[1]), parts[number]))
                parts[number] = b""
                if not is_stream:
                    sockets[number].send(request(numbers[number], found[1]))
        assert all(text.count(b'"recorded"') == 1 for _, _, text in came), "a reader missed a second"
        print(json.dumps([when - timestamp for when, timestamp, _ in came]), flush=True)


if __name__ == "__main__":
    main()
