"""`edgetally token`: the tokens with which clients read and push."""

import argparse
import sys

from edgetally.access.grants import short
from edgetally.access.token_file import TokenFile
from edgetally.cli.flags import add_flags
from edgetally.cli.streams import say
from edgetally.config.given import Given
from edgetally.errors import OutputError
from edgetally.escaping import escape


def describe(command: argparse.ArgumentParser) -> None:
    """Add the commands."""
    command.description = (
        "Create, list and revoke the tokens with which clients read and push. Once there is a token, even a revoked "
        "one, every request needs one. A running server reads them again on SIGHUP."
    )
    below = command.add_subparsers(title="commands", required=True, metavar="COMMAND")

    new = below.add_parser(
        "new",
        help="create a token",
        description="Create a token and print it. It is shown only once: the token file keeps its hash. Clients send "
        "it as `Fastly-Key: TOKEN` or `Authorization: Bearer TOKEN`.",
    )
    new.set_defaults(command=_new)
    new.add_argument(
        "--scope", action="append", required=True, choices=("read", "ingest"), help="what it allows; repeatable"
    )
    new.add_argument(
        "--service",
        action="append",
        required=True,
        metavar="ID",
        help="a service that it is valid for, * for all; repeatable",
    )
    new.add_argument("--name", metavar="TEXT", help="name of the token (default token-1, token-2, ...)")

    show = below.add_parser(
        "list",
        help="list the tokens",
        description="List the tokens: name, start of the hash, valid or revoked, scopes, services.",
    )
    show.set_defaults(command=_list)

    revoke = below.add_parser(
        "revoke",
        help="revoke a token",
        description="Revoke a token. Its line stays in the token file, marked as revoked.",
    )
    revoke.set_defaults(command=_revoke)
    revoke.add_argument("which", metavar="NAME|HASH", help="its name, the start of its hash, or the token itself")
    for one in (new, show, revoke):
        add_flags(one, ["access.token_file", "journal.data_dir"])


def _new(arguments: argparse.Namespace, settings: Given) -> int:
    file = TokenFile(settings.config().token_file)
    token = file.add(name=arguments.name, scopes=arguments.scope, services=arguments.service)
    try:
        _print_secret(token)
    except OutputError:
        file.revoke(token)  # it is lost
        say("the token is revoked again, because it could not be printed")
        raise
    sys.stderr.write(f"shown only once; its hash is in {escape(str(file.path))}. Send SIGHUP to a running server.\n")
    return 0


def _print_secret(text: str) -> None:
    """Print what is lost if it is not read; raise OutputError also when the reader is gone."""
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise OutputError(error) from error


def _list(_: argparse.Namespace, settings: Given) -> int:
    tokens = TokenFile(settings.config().token_file).existing()
    width = max((len(one.name) for one in tokens), default=0)
    for one in tokens:
        state = "revoked" if one.revoked else "valid"
        scopes, services = ",".join(one.scopes), ",".join(one.services)
        sys.stdout.write(f"{one.name:<{width}}  {short(one.hash)}  {state:<7}  {scopes:<11}  {services}\n")
    return 0


def _revoke(arguments: argparse.Namespace, settings: Given) -> int:
    name = TokenFile(settings.config().token_file).revoke(arguments.which)
    sys.stderr.write(f"revoked {name}. Send SIGHUP to a running server.\n")
    return 0
