"""`edgetally top`: its arguments."""

import argparse
import sys
from pathlib import Path

from edgetally.cli.flags import up_to
from edgetally.config.given import Given
from edgetally.errors import ConfigError
from edgetally.top.look import ORDERS, TopLook
from edgetally.top.run import TopArguments, top
from edgetally.top.server import ServerError

DEFAULT_URL = "http://127.0.0.1:8480"
MAX_ROWS = 200
UNREACHABLE = 1


def describe(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    command.description = (
        "Show the domains or origins of a running server that matter most, live. Without a terminal, print them once. "
        "The token is in $EDGETALLY_TOKEN or in a file. Exit status: 0; 1 if the server cannot be reached or refuses; "
        "2 if an argument is wrong."
    )
    command.set_defaults(command=_top)
    command.add_argument(
        "url", nargs="?", default=DEFAULT_URL, metavar="URL", help=f"the server (default {DEFAULT_URL})"
    )
    command.add_argument("--service", default="", metavar="ID", help="the service (default: the only one)")
    command.add_argument(
        "--of", default="domains", choices=("domains", "origins"), help="what is ranked (default domains)"
    )
    columns = dict.fromkeys(by for orders in ORDERS.values() for by in orders)
    command.add_argument(
        "--by",
        default="trouble",
        choices=tuple(columns),
        metavar="COLUMN",
        help=f"the order: {', '.join(columns)} (default trouble)",
    )
    command.add_argument("--pop", default="", metavar="POP", help="only this POP")
    command.add_argument("--match", default="", metavar="TEXT", help="only names that contain it")
    command.add_argument(
        "--rows",
        type=up_to(MAX_ROWS),
        default=40,
        metavar="COUNT",
        help="rows, 1 to 200 (default 40)",
    )
    command.add_argument("--json", action="store_true", help="print the answer of the server")
    command.add_argument("--follow", action="store_true", help="print a ranking every second, without a terminal")
    command.add_argument(
        "--token-file", type=Path, metavar="PATH", help="a file with the token (default $EDGETALLY_TOKEN)"
    )
    command.add_argument("--ca", type=Path, metavar="PATH", help="certificates to trust, in PEM")


def _top(arguments: argparse.Namespace, _settings: Given) -> int:
    if arguments.by not in (known := ORDERS[arguments.of]):
        raise ConfigError("--by", f"{arguments.of} are ordered by one of: {', '.join(known)} (got {arguments.by!r})")
    look = TopLook(
        arguments.service,
        of=arguments.of,
        by=arguments.by,
        pop=arguments.pop,
        match=arguments.match,
        rows=arguments.rows,
    )
    asked = TopArguments(
        arguments.url,
        look,
        as_json=arguments.json,
        follows=arguments.follow,
        token_file=arguments.token_file,
        ca=arguments.ca,
    )
    try:
        top(asked)
    except ServerError as error:
        sys.stderr.write(f"edgetally: {error}\n")
        return UNREACHABLE
    return 0
