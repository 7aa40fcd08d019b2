"""The command line: flags to settings, settings to one call."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec.structs import replace

from edgetally.access.token_file import TokenFile
from edgetally.cli.flags import named, settings
from edgetally.clock import SystemClock
from edgetally.config import Records, address
from edgetally.errors import ConfigError, EdgetallyError
from edgetally.model import Defaults
from edgetally.snippets import CANONICAL, format_of, snippet, snippets

OK, NOTHING, USAGE = 0, 1, 2

TOKEN_FILE_HELP = "tokens of clients (default: tokens.jsonl beside the journal)"  # noqa: S105 - no password
DATA_DIR_HELP = "where the journal is (default ~/.local/state/edgetally)"


def main(argv: list[str] | None = None) -> int:
    """Run the command that `argv` names; return the exit status."""
    arguments = parser().parse_args(argv)
    try:
        status: int = arguments.command(arguments)
    except ConfigError as error:
        sys.stderr.write(f"edgetally: {named(error, arguments)}\n")
        return USAGE
    except EdgetallyError as error:
        sys.stderr.write(f"edgetally: {error}\n")
        return NOTHING
    except BrokenPipeError:
        # Whoever read our output has had enough; Python must not try to flush the rest at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except KeyboardInterrupt:
        return 130
    return status


class Command(argparse.ArgumentParser):
    """A command that shows its own usage when it is given what it does not know, and not that of all commands."""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse, and refuse the rest."""
        found, rest = super().parse_known_args(args, namespace)
        if rest:
            self.error(f"unrecognized arguments: {' '.join(rest)}; `{self.prog} --help` lists what there is")
        return found, rest


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    top = argparse.ArgumentParser(
        prog="edgetally",
        description="Exact counters for every domain and every origin of your edge, one entry per second.",
    )
    top.add_argument("--version", action="version", version=f"edgetally {version('edgetally')}")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND", parser_class=Command)

    serve = commands.add_parser(
        "serve",
        help="take records and answer readers, until SIGTERM or SIGINT",
        description="Take records and answer readers, until SIGTERM or SIGINT. Flags win over the settings file. "
        "SIGHUP takes over tokens and certificates that have changed.",
    )
    serve.set_defaults(command=_serve)
    _common(serve)
    serve.add_argument("--listen", metavar="HOST:PORT", help="where to answer (default 127.0.0.1:8480)")
    serve.add_argument(
        "--allow-anonymous", action="store_true", default=None, help="listen on addresses that others can reach, too"
    )
    serve.add_argument(
        "--tls-cert", metavar="FILE", help="speak TLS, with this certificate and those that vouch for it"
    )
    serve.add_argument("--tls-key", metavar="FILE", help="the key of the certificate")
    serve.add_argument("--token-file", metavar="FILE", help=TOKEN_FILE_HELP)
    serve.add_argument(
        "--aggregate-delay", type=_whole, metavar="SECONDS", help="from a second's begin to its seal (default 2)"
    )
    serve.add_argument(
        "--poll-timeout", type=_number, metavar="SECONDS", help="how long a reader waits for an entry (default 40)"
    )
    serve.add_argument(
        "--follow", action="append", metavar="FILE", default=[], help="follow a log that an edge writes; repeatable"
    )
    serve.add_argument(
        "--syslog",
        action="append",
        metavar="WHERE",
        default=[],
        help="listen for syslog: udp:HOST:PORT, tcp:HOST:PORT or unix:/PATH; repeatable",
    )
    serve.add_argument("--stdin", action="store_true", default=None, help="read records from standard input")
    serve.add_argument("--data-dir", metavar="DIRECTORY", help=DATA_DIR_HELP)
    serve.add_argument("--journal", metavar="KIND", help="sqlite (default), or memory: nothing survives a restart")
    serve.add_argument("--log-format", metavar="FORMAT", help="auto (default), json or text")
    serve.add_argument("--log-level", metavar="LEVEL", help="debug, info (default), warning or error")

    fold = commands.add_parser(
        "fold",
        help="fold whole logs and print their entries",
        description="Fold whole logs and print one line of JSON per service, dataset and second, sorted by these. "
        "Gzip and zstd files are read as they are. Exit status: 0 when something was counted, 1 when nothing was.",
    )
    fold.set_defaults(command=_fold)
    _common(fold)
    fold.add_argument("files", nargs="*", metavar="FILE", help="logs; - is standard input (default)")
    fold.add_argument(
        "--threads", type=_whole, metavar="COUNT", help="how many fold a plain file (default: one per core)"
    )

    explain = commands.add_parser(
        "explain",
        help="show what the lines of a log are read as",
        description="Show what the first lines of a log are read as: the keys and counters that each adds to, or why "
        "it does not count and at which byte. Gzip and zstd files are read as they are. "
        "Without --format, it is guessed among those that are known.",
    )
    explain.set_defaults(command=_explain)
    _common(explain)
    explain.add_argument("file", nargs="?", default="-", metavar="FILE", help="a log; - is standard input (default)")
    explain.add_argument("--lines", type=_whole, default=10, metavar="COUNT", help="how many lines (default 10)")

    formats = commands.add_parser(
        "formats",
        help="print what to paste into an edge so that it logs what can be counted",
        description="Without a NAME, list the edges that are known; with one, print the configuration to paste, ready "
        "for use, with a comment for each thing to fill in and for what cannot be known from its logs.",
    )
    formats.set_defaults(command=_formats)
    formats.add_argument("name", nargs="?", metavar="NAME", help="an edge, for example nginx")

    _token(commands)

    demo = commands.add_parser(
        "demo",
        help="serve made-up traffic, to look around",
        description="Serve made-up traffic of several services, domains, POPs and origins, and say where to look.",
    )
    demo.set_defaults(command=_demo, journal="memory")
    demo.add_argument("--listen", metavar="HOST:PORT", help="where to answer (default 127.0.0.1:8480)")
    return top


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None


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
        command.add_argument("--config", type=Path, metavar="FILE", help="settings in TOML")
        command.add_argument("--token-file", metavar="FILE", help=TOKEN_FILE_HELP)
        command.add_argument("--data-dir", metavar="DIRECTORY", help=DATA_DIR_HELP)


def _common(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", type=Path, metavar="FILE", help="settings in TOML; docs/settings.md lists them")
    command.add_argument("--service-id", metavar="ID", help="service of records that name none (default default)")
    command.add_argument("--pop", metavar="CODE", help="POP of records that name none (default local)")
    command.add_argument(
        "--format", metavar="NAME", help="how lines are written, as `edgetally formats` names it (default canonical)"
    )
    command.add_argument(
        "--weight",
        type=_whole,
        metavar="COUNT",
        help="how many requests a line stands for, in sampled logs (default 1)",
    )


def _serve(arguments: argparse.Namespace) -> int:
    from edgetally.service.process import run  # noqa: PLC0415 - only who serves needs HTTP and threads

    return run(settings(arguments), read_config=lambda: settings(arguments))


def _fold(arguments: argparse.Namespace) -> int:
    from edgetally.cli.fold import fold  # noqa: PLC0415 - only this command shows progress

    config = settings(arguments)
    threads = (os.cpu_count() or 1) if arguments.threads is None else arguments.threads
    if threads < 1:
        raise ConfigError("--threads", "must be at least 1")
    now = int(SystemClock().now())
    files = arguments.files or ["-"]
    return fold(files, config, threads=threads, now=now, out=sys.stdout.buffer, errors=sys.stderr)


def _explain(arguments: argparse.Namespace) -> int:
    from edgetally.cli.explain import explained  # noqa: PLC0415 - only this command explains
    from edgetally.offline.explain import lines_of  # noqa: PLC0415 - the same

    records = settings(arguments).records
    if arguments.lines < 1:
        raise ConfigError("--lines", "must be at least 1")
    try:
        log = sys.stdin.buffer if arguments.file == "-" else Path(arguments.file).open("rb")  # noqa: SIM115 - below
    except OSError as error:
        raise ConfigError(arguments.file, error.strerror or str(error)) from error
    with log:
        defaults = _defaults(records)
        # The default of the settings is not a choice.
        detect_format = arguments.format is None and records.format == CANONICAL
        now = int(SystemClock().now())
        for text in explained(
            lines_of(log), defaults=defaults, now=now, max_lines=arguments.lines, detect_format=detect_format
        ):
            sys.stdout.write(text + "\n")
    return OK


def _defaults(records: Records) -> Defaults:
    return Defaults(records.service_id, records.pop, format_of(records.format, "records.format"), records.weight)


def _formats(arguments: argparse.Namespace) -> int:
    if arguments.name:
        sys.stdout.write(snippet(arguments.name).text)
    else:
        for one in snippets():
            sys.stdout.write(f"{one.name:<14} {one.title}\n")
    return OK


def _token_new(arguments: argparse.Namespace) -> int:
    file = TokenFile(settings(arguments).token_file)
    token = file.add(name=arguments.name, scopes=arguments.scope, services=arguments.service)
    sys.stdout.write(token + "\n")
    sys.stderr.write(f"shown only once; its hash is in {file.path}. Send SIGHUP to a running server.\n")
    return OK


def _token_list(arguments: argparse.Namespace) -> int:
    tokens = TokenFile(settings(arguments).token_file).existing()
    width = max((len(one.name) for one in tokens), default=0)
    for one in tokens:
        state = "revoked" if one.revoked else "valid"
        digits = one.hash.partition(":")[2][:12]
        scopes, services = ",".join(one.scopes), ",".join(one.services)
        sys.stdout.write(f"{one.name:<{width}}  {digits}  {state:<7}  {scopes:<11}  {services}\n")
    return OK


def _token_revoke(arguments: argparse.Namespace) -> int:
    name = TokenFile(settings(arguments).token_file).revoke(arguments.which)
    sys.stderr.write(f"revoked {name}. Send SIGHUP to a running server.\n")
    return OK


def _demo(arguments: argparse.Namespace) -> int:
    from edgetally.access.policy import is_loopback  # noqa: PLC0415 - as those who serve
    from edgetally.demo.run import demonstrate  # noqa: PLC0415 - only this command makes traffic
    from edgetally.service.process import run  # noqa: PLC0415 - only who serves needs HTTP and threads

    config = settings(arguments)
    host, _ = address(config.api.listen)
    if not is_loopback(host):
        raise ConfigError(
            "--listen",
            f"the demo answers this machine only, and {host} can be reached by others: name 127.0.0.1, localhost or "
            "[::1]. `edgetally serve` can have tokens",
        )
    with TemporaryDirectory(prefix="edgetally-demo-") as directory:
        # A directory of its own, because the tokens of a real server would keep the demo's traffic out.
        journal = replace(config.journal, data_dir=directory)
        # The demo prints on the terminal that the log would go to.
        config = replace(config, journal=journal, log=replace(config.log, level="warning"))
        return run(config, companion=demonstrate)
