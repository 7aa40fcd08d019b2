"""`edgetally top`: which service, and whether a terminal or a pipe reads."""

from __future__ import annotations

import getpass
import os
import sys
from typing import TYPE_CHECKING, NamedTuple

from edgetally.errors import EdgetallyError, reason
from edgetally.small_file import read_file
from edgetally.top.look import Reach, TopLook
from edgetally.top.screen import View, screen
from edgetally.top.server import Refused, RemoteServer, ServerError, clock

if TYPE_CHECKING:
    from pathlib import Path

    from edgetally.top.server import Received

TOKEN = "EDGETALLY_TOKEN"  # noqa: S105 - the name of a variable
PIPE_WIDTH = 160
"""Columns of rows that a pipe reads."""


class TopArguments(NamedTuple):
    """The arguments of the command."""

    url: str
    look: TopLook
    as_json: bool = False
    follows: bool = False
    token_file: Path | None = None
    ca: Path | None = None


def top(asked: TopArguments) -> None:
    """Show the ranking until the reader quits, or print it once if none of a terminal is there."""
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    server = RemoteServer(asked.url, _token(asked.token_file), asked.ca)
    try:
        service = _service(server, asked.look.service, may_ask=is_terminal)
    except Refused:
        if not is_terminal:
            raise
        server.token = getpass.getpass(f"Token for {server.url}: ").strip()
        service = _service(server, asked.look.service, may_ask=True)
    look = asked.look._replace(service=service)
    if is_terminal and not asked.as_json:
        server.ranking(look.path)  # what is wrong now is said before the terminal is taken over
        from edgetally.top.terminal import show  # noqa: PLC0415 - a pipe needs no curses

        show(server, look)
    elif asked.follows:
        for answer in server.stream(look.path):
            _print(answer, look, server.ahead, as_json=asked.as_json)
        raise ServerError(f"{server.url} ended the stream")
    else:
        _print(server.ranking(look.path), look, server.ahead, as_json=asked.as_json)


def _print(answer: Received, look: TopLook, ahead: float, *, as_json: bool) -> None:
    """Print what was received; `ahead` is the server's clock less this machine's, as far as is known."""
    if as_json:
        sys.stdout.write(answer.content.decode() + "\n")
    else:
        ranking = answer.ranking
        height = len(ranking.rows) + 12
        # Of a picture that stands still, the timestamp does, too.
        connection = Reach(now=max(ranking.timestamp, clock() + ahead))
        # Without the keys, and without what only fills a screen.
        lines = screen(look, ranking, connection, View(), PIPE_WIDTH, height)[:-1]
        texts = ("".join(text for text, _ in line).rstrip() for line in lines)
        sys.stdout.write("\n".join(text for text in texts if text) + "\n")
    sys.stdout.flush()


def _service(server: RemoteServer, named: str, *, may_ask: bool) -> str:
    """Return the service to look at."""
    services = server.services()
    if named and named not in services and not may_ask:
        # It may only be idle, so it is no error.
        others = f"; there are some of: {', '.join(services[:20])}" if services else ""
        sys.stderr.write(f"edgetally: no recent entries of service {named}{others}\n")
    if named or len(services) == 1:
        return named or services[0]
    if not services:
        raise EdgetallyError(
            f"{server.url} has counted nothing yet: see {server.url}/rejected for lines that do not count"
        )
    if not may_ask:
        raise EdgetallyError(f"expected --service with one of: {', '.join(services[:20])}")
    sys.stdout.write("".join(f"{i:>4}  {name}\n" for i, name in enumerate(services, 1)))
    answer = input("Service (number or name): ").strip()
    if answer in services:
        return answer
    if answer.isdecimal() and 1 <= int(answer) <= len(services):
        return services[int(answer) - 1]
    raise EdgetallyError(f"expected a number from 1 to {len(services)} or a service, got {answer[:40]!r}")


def _token(file: Path | None) -> str:
    """Return the token: not from a flag, which every user of the machine can read."""
    if file is None:
        return os.environ.get(TOKEN, "").strip()
    try:
        return read_file(file).decode("ascii").strip()
    except UnicodeDecodeError as error:
        raise EdgetallyError(f"cannot read a token from {file}: expected ASCII text") from error
    except OSError as error:
        raise EdgetallyError(f"cannot read a token from {file}: {reason(error)}") from error
