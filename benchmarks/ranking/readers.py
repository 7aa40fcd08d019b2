"""Readers of rankings, each with a question of its own, which take every event until they are stopped."""

import select
import socket
import sys


def main() -> None:
    """Open the streams, print a line, and read."""
    port, readers = map(int, sys.argv[1:])
    poll = select.epoll()
    sockets = {}
    for number in range(readers):
        connection = socket.create_connection(("127.0.0.1", port))
        target = b"/top/shop?rows=%d&focus=www%d.example.com" % (40 + number, number)
        connection.send(b"GET %b HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n" % target)
        poll.register(connection, select.EPOLLIN)
        sockets[connection.fileno()] = connection
    print("reading", flush=True)
    while True:
        for number, _ in poll.poll():
            assert sockets[number].recv(1 << 20), "the server ended a stream"


if __name__ == "__main__":
    main()
