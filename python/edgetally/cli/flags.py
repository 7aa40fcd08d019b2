"""Flags: the setting that each of them is, and what an error is called by whoever has to mend it."""

import argparse
import re
from pathlib import Path

from msgspec.structs import replace

from edgetally.config import Config, Follow, Syslog, check, load
from edgetally.errors import ConfigError

SETTINGS = {
    "listen": "api.listen",
    "allow_anonymous": "api.allow_anonymous",
    "poll_timeout": "api.poll_timeout",
    "tls_cert": "api.tls_cert",
    "tls_key": "api.tls_key",
    "token_file": "access.token_file",
    "service_id": "records.service_id",
    "pop": "records.pop",
    "format": "records.format",
    "weight": "records.weight",
    "aggregate_delay": "window.aggregate_delay",
    "journal": "journal.kind",
    "data_dir": "journal.data_dir",
    "stdin": "sources.stdin",
    "log_format": "log.format",
    "log_level": "log.level",
}
"""By the name of the flag. These win over the file."""

LISTS = {"follow": "sources.follow", "syslog": "sources.syslog"}
"""The same; these add to the file."""


def settings(arguments: argparse.Namespace) -> Config:
    """Join the settings file, if there is one, with the flags that were given; ConfigError names what is wrong."""
    path: Path | None = getattr(arguments, "config", None)
    found = load(path) if path else {}
    for flag, setting in SETTINGS.items():
        if (value := getattr(arguments, flag, None)) is not None:
            section, _, name = setting.partition(".")
            table = found.setdefault(section, {})
            if isinstance(table, dict):
                table[name] = value
    try:
        config = check(found)
    except ConfigError as error:
        raise named(error, arguments) from error
    follow = tuple(Follow(path=Path(name)) for name in getattr(arguments, "follow", []))
    syslog = tuple(Syslog(listen=where) for where in getattr(arguments, "syslog", []))
    sources = replace(
        config.sources, follow=(*config.sources.follow, *follow), syslog=(*config.sources.syslog, *syslog)
    )
    return replace(config, sources=sources)


def named(error: ConfigError, arguments: argparse.Namespace) -> ConfigError:
    """Name the flag or the file in which `error` is. What is in neither keeps its name."""
    path: Path | None = getattr(arguments, "config", None)
    is_in_file = path is not None and _has(path, error.where)
    for flag, setting in (SETTINGS | LISTS).items():
        if setting != error.where or not hasattr(arguments, flag):
            continue
        is_given = getattr(arguments, flag) not in (None, [])
        # Of a list, either may be meant; of what nobody has said, the default, and a flag is the way to change it.
        if (is_given and not (is_in_file and flag in LISTS)) or path is None:
            return ConfigError(f"--{flag.replace('_', '-')}", error.problem)
    return ConfigError(f"{path}: {error.where}", error.problem) if is_in_file else error


def _has(path: Path, setting: str) -> bool:
    """Whether a settings file has a setting, or the list that it is in."""
    try:
        found = load(path)
    except ConfigError:
        return False
    section, *names = re.split(r"[.\[]", setting)
    table = found.get(section)
    return section in found and (not names or (isinstance(table, dict) and names[0] in table))
