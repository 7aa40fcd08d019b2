"""The command line: flags to settings, settings to one call, and errors to a sentence and an exit status."""

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec.structs import replace

from edgetally.access.grants import short
from edgetally.access.token_file import TokenFile
from edgetally.cli.flags import add_flag, add_flags, given
from edgetally.cli.history import describe as describe_history
from edgetally.cli.journal import describe as describe_journal
from edgetally.cli.streams import standard_input
from edgetally.cli.top import describe as describe_top
from edgetally.clock import SystemClock
from edgetally.config.given import Given
from edgetally.config.sections import SETTINGS, RecordsSettings
from edgetally.errors import ConfigError, EdgetallyError, OutputError, Unavailable, hint, reason
from edgetally.model import Defaults
from edgetally.snippets import format_of, snippet, snippets
from edgetally.telemetry.events import escape

OK, RETRY, FAILED = 0, 1, 2

WITH_FLAG = [path for path, one in SETTINGS.items() if one.flag]
"""Settings of the server."""

RECORDS = [path for path in WITH_FLAG if SETTINGS[path].section == "records"]
"""Settings of the commands that read logs and do not serve."""

STATUSES = """\
exit status:
  0    done; serve and demo: stopped by a signal
  1    fold: no line was counted; serve: a part failed, and a restart may help;
       top: the server cannot be reached, or refuses
  2    an argument or a setting is wrong, or a file cannot be read or written
  130  interrupted by Ctrl-C

Whenever it is not 0, standard error says why."""

MAX_THREADS = 1024
MAX_LINES = 1_000_000
MAX_SHOWN = 40
"""Characters of a wrong argument that a message repeats."""


def run_command(argv: list[str] | None = None) -> int:
    """Run the command that `argv` names; return the exit status."""
    settings = None
    try:
        try:
            arguments = parser().parse_args(argv)
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


def say(message: str) -> None:
    """Print a message of the command itself."""
    sys.stderr.write(f"edgetally: {escape(message)}\n")


class Command(argparse.ArgumentParser):
    """A command that shows its own usage when an argument is unknown, not that of all commands."""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse all of `args`."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            flags = set(re.findall(r"--[a-z-]+", self.format_usage()))
            hints = "".join(hint(one.partition("=")[0], flags) for one in unknown if one.startswith("--"))
            self.error(f"unrecognized arguments: {' '.join(unknown)} (see `{self.prog} --help`){hints}")
        return found, unknown


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    top = argparse.ArgumentParser(
        prog="edgetally",
        description="Exact counters for every domain and every origin of your edge, one entry per second.",
        epilog=STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"edgetally {version('edgetally')}")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND", parser_class=Command)

    serve = commands.add_parser(
        "serve",
        help="run the server until SIGTERM or SIGINT",
        description="Take records and answer readers, until SIGTERM or SIGINT. Flags win over environment variables, "
        "and these over the settings file. SIGHUP reloads tokens, the certificate, services and POPs.",
    )
    serve.set_defaults(command=_serve)
    add_flags(serve, WITH_FLAG)

    check = commands.add_parser(
        "check",
        help="check the settings of a server",
        description="Check the settings of a server with its certificate and tokens, and print all that is wrong, or "
        "what `edgetally serve` with the same flags would do. Nothing is created or opened. Exit status: 0 if the "
        "settings are valid, 2 if not.",
    )
    check.set_defaults(command=_check)
    add_flags(check, WITH_FLAG)

    fold = commands.add_parser(
        "fold",
        help="count whole logs and print their entries",
        description="Count whole logs and print one line of JSON per service, dataset and second, sorted by these. "
        "Gzip, zstd, xz and bzip2 are decompressed. Exit status: 0 if a line was counted, 1 if none was, 2 if a file "
        "could not be read to its end; what could be read counts.",
    )
    fold.set_defaults(command=_fold)
    add_flags(fold, RECORDS)
    fold.add_argument("files", nargs="*", metavar="FILE", help="logs; - is standard input (default)")
    fold.add_argument(
        "--threads",
        type=_up_to(MAX_THREADS),
        metavar="COUNT",
        help="threads that count a plain file (default: one per core)",
    )

    explain = commands.add_parser(
        "explain",
        help="show how the lines of a log are read",
        description="Show how the first lines of a log are read: the keys and counters that each line adds to, with "
        "its wrapper and its time, or why and at which byte it is rejected. Gzip, zstd, xz and bzip2 are decompressed. "
        "If the format is not set, it is detected.",
    )
    explain.set_defaults(command=_explain)
    add_flags(explain, RECORDS)
    explain.add_argument("file", nargs="?", default="-", metavar="FILE", help="a log; - is standard input (default)")
    explain.add_argument(
        "--as",
        dest="transport",
        default="follow",
        choices=("fold", "follow", "stdin", "push", "syslog"),
        metavar="TRANSPORT",
        help="how the log would arrive: fold (read by `edgetally fold`), follow (a followed file, the default), stdin, "
        "push, or syslog (over TCP)",
    )
    explain.add_argument(
        "--lines", type=_up_to(MAX_LINES), default=10, metavar="COUNT", help="number of lines (default 10)"
    )

    formats = commands.add_parser(
        "formats",
        help="print the configuration to paste into an edge",
        description="Without a NAME, list the known edges. With one, print the configuration to paste into it, with "
        "comments on what to fill in and on what its logs cannot tell.",
    )
    formats.set_defaults(command=_formats)
    formats.add_argument("name", nargs="?", metavar="NAME", help="an edge, for example nginx")

    _token(commands)

    describe_history(
        commands.add_parser(
            "history",
            help="export the history, and import old logs into it",
            description="Take minutes, hours and days out of the history, and count old logs into it.",
        )
    )

    describe_journal(
        commands.add_parser(
            "journal",
            help="create and check the topic of a journal in Kafka",
            description="Create and check the topic of a journal in Kafka. Exit status: 0; 1 if no broker can be "
            "reached; 2 if a setting or the topic is wrong.",
        )
    )

    describe_top(
        commands.add_parser(
            "top",
            help="show in a terminal what is wrong right now, live",
            description="Show the domains or origins of a running server that matter most, live. Without a terminal, "
            "print them once. The token is in $EDGETALLY_TOKEN or in a file. Exit status: 0; 1 if the server cannot be "
            "reached or refuses; 2 if an argument is wrong.",
        )
    )

    demo = commands.add_parser(
        "demo",
        help="serve made-up traffic, to look around",
        description="Serve made-up traffic of several services, domains, POPs and origins, and print where to look.",
    )
    demo.set_defaults(command=_demo, **{"journal.kind": "memory"})
    add_flag(demo, "api.listen")
    return top


def _up_to(most: int) -> Callable[[str], int]:
    """Return a function that reads an integer from 1 to `most`."""

    def count(text: str) -> int:
        # Longer digits are not worth reading, and Python refuses to read very long ones.
        if not (text.isdecimal() and len(text) <= len(str(most)) and 1 <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"expected an integer from 1 to {most}, got {text[:MAX_SHOWN]!r}")
        return int(text)

    return count


def _token(commands: "argparse._SubParsersAction[Command]") -> None:
    """Describe `edgetally token` and what is behind it."""
    token = commands.add_parser(
        "token",
        help="create, list and revoke the tokens with which clients read and push",
        description="Create, list and revoke the tokens with which clients read and push. Once there is a token, even "
        "a revoked one, every request needs one. A running server reads them again on SIGHUP.",
    )
    below = token.add_subparsers(title="commands", required=True, metavar="COMMAND")

    new = below.add_parser(
        "new",
        help="create a token",
        description="Create a token and print it. It is shown only once: the token file keeps its hash. Clients send "
        "it as `Fastly-Key: TOKEN` or `Authorization: Bearer TOKEN`.",
    )
    new.set_defaults(command=_token_new)
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
    show.set_defaults(command=_token_list)

    revoke = below.add_parser(
        "revoke",
        help="revoke a token",
        description="Revoke a token. Its line stays in the token file, marked as revoked.",
    )
    revoke.set_defaults(command=_token_revoke)
    revoke.add_argument("which", metavar="NAME|HASH", help="its name, the start of its hash, or the token itself")
    for command in (new, show, revoke):
        add_flags(command, ["access.token_file", "journal.data_dir"])


def _serve(_: argparse.Namespace, settings: Given) -> int:
    from edgetally.service.process import run  # noqa: PLC0415 - only a server needs HTTP and threads

    return run(settings.config(), read_config=settings.config)


def _check(_: argparse.Namespace, settings: Given) -> int:
    from edgetally.access.policy import Policy  # noqa: PLC0415 - as for a server
    from edgetally.cli.check import summary, warnings  # noqa: PLC0415 - the same

    config = settings.config()
    policy = Policy(config)
    for line in summary(config, policy):
        sys.stdout.write(f"{escape(line)}\n")
    for warning in warnings(config, policy):
        say(f"warning: {warning}")
    return OK


def _fold(arguments: argparse.Namespace, settings: Given) -> int:
    from edgetally.cli.fold import fold  # noqa: PLC0415 - only this command shows progress

    config = settings.config()
    threads = (os.cpu_count() or 1) if arguments.threads is None else arguments.threads
    now = int(SystemClock().now())
    files = arguments.files or ["-"]
    return fold(files, config, threads=threads, now=now, out=sys.stdout.buffer, errors=sys.stderr)


def _explain(arguments: argparse.Namespace, settings: Given) -> int:
    from edgetally.cli.explain import explained  # noqa: PLC0415 - only this command explains
    from edgetally.offline.explain import lines_of  # noqa: PLC0415 - the same

    records = settings.config().records
    defaults = _defaults(records)
    name = "<stdin>" if arguments.file == "-" else arguments.file
    detect_format = not settings.gives("records.format")
    now = int(SystemClock().now())
    try:
        log = standard_input() if arguments.file == "-" else Path(arguments.file).open("rb")  # noqa: SIM115 - below
    except OSError as error:
        raise ConfigError(name, reason(error)) from error
    with log:
        lines = lines_of(log, name)
        for text in explained(
            lines,
            defaults=defaults,
            now=now,
            max_lines=arguments.lines,
            detect_format=detect_format,
            transport=arguments.transport,
        ):
            sys.stdout.write(text + "\n")
    return OK


def _defaults(records: RecordsSettings) -> Defaults:
    return Defaults(records.service_id, records.pop, format_of(records.format, "records.format"), records.weight)


def _formats(arguments: argparse.Namespace, _: Given) -> int:
    if arguments.name:
        # Usually into a file, where nothing may be escaped.
        sys.stdout.buffer.write(snippet(arguments.name).text.encode())
    else:
        for one in snippets():
            sys.stdout.write(f"{one.name:<14} {one.title}\n")
    return OK


def _token_new(arguments: argparse.Namespace, settings: Given) -> int:
    file = TokenFile(settings.config().token_file)
    token = file.add(name=arguments.name, scopes=arguments.scope, services=arguments.service)
    try:
        _print_secret(token)
    except OutputError:
        file.revoke(token)  # it is lost
        say("the token is revoked again, because it could not be printed")
        raise
    sys.stderr.write(f"shown only once; its hash is in {escape(str(file.path))}. Send SIGHUP to a running server.\n")
    return OK


def _print_secret(text: str) -> None:
    """Print what is lost if it is not read; raise OutputError also when the reader is gone."""
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise OutputError(error) from error


def _token_list(_: argparse.Namespace, settings: Given) -> int:
    tokens = TokenFile(settings.config().token_file).existing()
    width = max((len(one.name) for one in tokens), default=0)
    for one in tokens:
        state = "revoked" if one.revoked else "valid"
        scopes, services = ",".join(one.scopes), ",".join(one.services)
        sys.stdout.write(f"{one.name:<{width}}  {short(one.hash)}  {state:<7}  {scopes:<11}  {services}\n")
    return OK


def _token_revoke(arguments: argparse.Namespace, settings: Given) -> int:
    name = TokenFile(settings.config().token_file).revoke(arguments.which)
    sys.stderr.write(f"revoked {name}. Send SIGHUP to a running server.\n")
    return OK


def _demo(_: argparse.Namespace, settings: Given) -> int:
    from edgetally.access.policy import is_loopback  # noqa: PLC0415 - as those who serve
    from edgetally.demo.run import demonstrate  # noqa: PLC0415 - only this command makes traffic
    from edgetally.service.process import run  # noqa: PLC0415 - only who serves needs HTTP and threads

    config = settings.config()
    host, _port = config.api.address
    if not is_loopback(host):
        raise ConfigError(
            "--listen",
            f"{host} can be reached by others, and the demo has no tokens (expected 127.0.0.1, localhost or [::1])",
        )
    try:
        temporary = TemporaryDirectory(prefix="edgetally-demo-", ignore_cleanup_errors=True)
    except OSError as error:
        raise ConfigError("TMPDIR", error.strerror or str(error)) from error
    with temporary as directory:
        # A directory of its own, because the tokens of a real server would keep the demo's traffic out.
        journal = replace(config.journal, data_dir=directory)
        # The demo prints on the terminal that the log would go to.
        config = replace(config, journal=journal, log=replace(config.log, level="warning"))
        return run(config, companion=demonstrate)
