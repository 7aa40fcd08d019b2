"""The command line: flags to settings, settings to one call, and errors to a sentence and an exit status."""

from __future__ import annotations

import argparse
import os
import re
import sys

from edgetally.cli.streams import say
from edgetally.errors import ConfigError, EdgetallyError, Unavailable, hint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

OK, RETRY, FAILED = 0, 1, 2

STATUSES = """\
exit status:
  0    done; serve and demo: stopped by a signal
  1    fold: no line was counted; serve: a part failed, and a restart may help;
       top: the server cannot be reached, or refuses
  2    an argument or a setting is wrong, or a file cannot be read or written
  130  interrupted by Ctrl-C

Whenever it is not 0, standard error says why."""

USUAL_COLUMNS = 80

COMMANDS = {
    "serve": "run the server until SIGTERM or SIGINT",
    "check": "check the settings of a server",
    "fold": "count whole logs and print their entries",
    "explain": "show how the lines of a log are read",
    "formats": "print the configuration to paste into an edge",
    "token": "create, list and revoke the tokens with which clients read and push",
    "history": "export the history, and import old logs into it",
    "journal": "create and check the topic of a journal in Kafka",
    "top": "show in a terminal what is wrong right now, live",
    "demo": "serve made-up traffic, to look around",
}
"""
Every command, in the order of the help, and what it does.

The module of the same name beside this one has the rest: `describe` adds its arguments to a parser, and the function to
call. It is imported when its command is given, so that no command waits for what only others need.
"""


def run_command(argv: list[str] | None = None) -> int:
    """Run the command that `argv` names; return the exit status."""
    settings = None
    try:
        try:
            words = sys.argv[1:] if argv is None else argv
            arguments = parser(words[:1] if words[:1] and words[0] in COMMANDS else COMMANDS).parse_args(words)
            from edgetally.cli.flags import given  # noqa: PLC0415 - `--help` needs no settings

            settings = given(arguments)
            status: int = arguments.command(arguments, settings)
        finally:
            # Also after `--help`, which exits by itself.
            sys.stdout.flush()
    except EdgetallyError as error:
        errors = settings.named(error).each() if settings and isinstance(error, ConfigError) else [error]
        for one in errors:
            say(str(one))
        return RETRY if isinstance(error, Unavailable) else FAILED
    except BrokenPipeError:
        # The reader of our output is gone, as in `| head`: it has all that it wanted.
        return OK
    except OSError as error:
        # What the parts have no better words for, such as a working directory that was deleted.
        say(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        return FAILED
    return status


class Command(argparse.ArgumentParser):
    """A command that shows its own usage when an argument is unknown, not that of all commands."""

    def __init__(self, module: str | None = None, **described: Any) -> None:  # noqa: ANN401 - of any type
        """
        Describe it.

        Args:
            module: Its `describe` is called before arguments are parsed. None: nothing is missing.
            **described: As for any parser.
        """
        super().__init__(formatter_class=Help, **described)
        self._module = module

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse all of `args`."""
        if self._module:
            from importlib import import_module  # noqa: PLC0415 - `--help` needs no module

            import_module(self._module).describe(self)
            self._module = None
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            flags = set(re.findall(r"--[a-z-]+", self.format_usage()))
            hints = "".join(hint(one.partition("=")[0], flags) for one in unknown if one.startswith("--"))
            self.error(f"unrecognized arguments: {' '.join(unknown)} (see `{self.prog} --help`){hints}")
        return found, unknown


class Help(argparse.HelpFormatter):
    """Help as wide as the terminal. By itself, it imports every compression to find out."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_columns() - 2)


class RawHelp(Help, argparse.RawDescriptionHelpFormatter):
    """The same with a description in lines of its own."""


def _columns() -> int:
    """Return what `shutil.get_terminal_size` does."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given):
        return int(given)
    try:
        return os.get_terminal_size().columns or USUAL_COLUMNS
    except OSError:  # not a terminal
        return USUAL_COLUMNS


class ShowVersion(argparse.Action):
    """Prints the version, which is not looked up before."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print it and exit."""
        from edgetally import __version__  # noqa: PLC0415 - see above

        sys.stdout.write(f"edgetally {__version__}\n")
        parser.exit()


def parser(names: Iterable[str] = COMMANDS) -> argparse.ArgumentParser:
    """Describe the command line. Parsers take long to make, so `names` has only the command that is known to come."""
    top = argparse.ArgumentParser(
        prog="edgetally",
        description="Exact counters for every domain and every origin of your edge, one entry per second.",
        epilog=STATUSES,
        formatter_class=RawHelp,
    )
    top.add_argument("--version", action=ShowVersion, nargs=0, help="show program's version number and exit")
    commands = top.add_subparsers(
        title="commands", required=True, metavar="COMMAND", parser_class=Command, prog=top.prog
    )
    for name in names:
        commands.add_parser(name, help=COMMANDS[name], module=f"edgetally.cli.{name}")
    return top
