"""`edgetally check`: of settings that are valid, a summary, and what is allowed and dangerous."""

import argparse
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from edgetally.access.policy import Policy
from edgetally.cli.flags import add_flags, server
from edgetally.cli.streams import say
from edgetally.config import clickhouse
from edgetally.config.given import Given
from edgetally.config.sections import Config
from edgetally.escaping import escape
from edgetally.journal.sqlite_file import FILE
from edgetally.obstacle import obstacle
from edgetally.sources.files.follower import directory_of, is_pattern, problem_of
from edgetally.sources.files.open_file import open_regular


def describe(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    command.description = (
        "Check the settings of a server with its certificate and tokens, and print all that is wrong, or what "
        "`edgetally serve` with the same flags would do. Nothing is created or opened. Exit status: 0 if the settings "
        "are valid, 2 if not."
    )
    command.set_defaults(command=_check)
    add_flags(command, server())


def _check(_: argparse.Namespace, settings: Given) -> int:
    config = settings.config()
    policy = Policy(config)
    for line in _summary(config, policy):
        sys.stdout.write(f"{escape(line)}\n")
    for warning in _warnings(config, policy):
        say(f"warning: {warning}")
    return 0


def _summary(config: Config, policy: Policy) -> Iterator[str]:
    """Yield lines on what a server with these settings would do; raise ConfigError when a secret is not there."""
    journal = config.journal.directory if config.journal.kind == "sqlite" else config.journal.kind
    history = _clickhouse(config)
    yield "ok"
    yield f"listens on {policy.scheme}://{config.api.listen}, {_tokens(config, policy)}, journal in {journal}"
    sources = ["push", *(f"file {one.path}" for one in config.sources.follow)]
    sources += [f"syslog {one.listen}" for one in config.sources.syslog]
    if history:
        yield f"history in {history}"
    yield f"sources: {', '.join([*sources, *['standard input'] * config.sources.stdin])}"


def _warnings(config: Config, policy: Policy) -> Iterator[str]:
    """Yield what is valid, and probably not meant."""
    yield from map(str, policy.warnings())
    if config.journal.kind == "sqlite":
        yield from _directory(config.journal.directory)
    if policy.tokens is not None and config.token_file.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield f"{config.token_file}: other users may write tokens into it: chmod 600"
    for followed in config.sources.follow:
        yield from _followed(followed.path)


def _clickhouse(config: Config) -> str:
    """Return where a history in ClickHouse is, empty if there is none; raise ConfigError without its password."""
    kept = config.history
    if not kept.clickhouse:
        return ""
    clickhouse.password(kept.clickhouse_password_file, kept.clickhouse_password_env)
    return f"ClickHouse at {clickhouse.parse(kept.clickhouse)}, as {kept.clickhouse_user}"


def _directory(path: Path) -> Iterator[str]:
    """Yield why the journal cannot be written to its directory, and who may look into it."""
    if problem := obstacle(path / FILE):
        yield f"cannot write {path / FILE}: {problem}"
    if path.is_dir() and path.stat().st_mode & stat.S_IRWXO:
        yield f"{path}: every user may look into it: chmod 700"


def _followed(path: Path) -> Iterator[str]:
    """Yield why a path cannot be followed now. The edge makes a log that is not there yet, but not its directory."""
    try:
        os.close(open_regular(path))
    except FileNotFoundError as missing:
        directory = directory_of(path)
        if not directory.is_dir():
            yield f"{directory}: {missing.strerror} ({path.name} is followed once it is there)"
        elif is_pattern(path) and (problem := problem_of(path)):
            yield problem
    except OSError as error:
        yield f"{path}: {error.strerror}"


def _tokens(config: Config, policy: Policy) -> str:
    if policy.tokens is None:
        return f"no tokens ({config.token_file} does not exist)"
    valid = sum(not one.revoked for one in policy.tokens)
    return f"{valid} valid {'token' if valid == 1 else 'tokens'} in {config.token_file}"
