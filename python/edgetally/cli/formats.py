"""`edgetally formats`: what to paste into an edge."""

import argparse
import sys

from edgetally.config.given import Given
from edgetally.snippets import snippet, snippets


def describe(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    command.description = (
        "Without a NAME, list the known edges. With one, print the configuration to paste into it, with comments on "
        "what to fill in and on what its logs cannot tell."
    )
    command.set_defaults(command=_formats)
    command.add_argument("name", nargs="?", metavar="NAME", help="an edge, for example nginx")


def _formats(arguments: argparse.Namespace, _: Given) -> int:
    if arguments.name:
        # Usually into a file, where nothing may be escaped.
        sys.stdout.buffer.write(snippet(arguments.name).text.encode())
    else:
        for one in snippets():
            sys.stdout.write(f"{one.name:<14} {one.title}\n")
    return 0
