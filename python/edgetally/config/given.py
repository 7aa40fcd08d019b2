"""
Settings as an operator gives them: flags win over environment variables, these over a file, and this over the defaults.

Flags that can be repeated add to what the others say. Every error names a setting as it was given: `--listen`,
`EDGETALLY_API__LISTEN` or `edgetally.toml: api.listen`.
"""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from edgetally.config.declaration import PREFIX, Setting, declared
from edgetally.config.log_sections import LOG_SETTINGS, LogConfig
from edgetally.config.validation import Text, check, check_as
from edgetally.errors import ConfigError
from edgetally.small_file import read_file

if TYPE_CHECKING:
    from pathlib import Path

    from edgetally.config.sections import Config

Plain = dict[str, object]


class Given:
    """Flags, environment variables and a file."""

    def __init__(self, *, flags: Mapping[str, object], environment: Mapping[str, str], file: "Path | None") -> None:
        """
        Take what was given; nothing is read yet.

        Args:
            flags: By the path of their setting, such as `api.listen`: all that the command has, None if not given.
            environment: All variables; those of others are left alone.
            file: A TOML file.
        """
        self._flags = flags
        self._environment = environment
        self._file = file
        self._names: dict[str, str] = {}
        """How settings are called where they were given, by path."""

    def config(self) -> "Config":
        """Read everything, each time anew; raise ConfigError with everything that is wrong."""
        self._names = {}
        merged = load(self._file) if self._file else {}
        self._names = {path: f"{self._file}: {path}" for path in _paths(merged)}
        problems = list(self._add_environment(merged))
        self._add_flags(merged)
        try:
            config = check(merged)
        except ConfigError as error:
            raise ConfigError.joined([*problems, *self.named(error).each()]) from error
        if problems:
            raise ConfigError.joined(problems)
        return config

    def log_config(self) -> LogConfig:
        """Do the same as far as commands need it that do not serve: most are given no other settings."""
        if self._file or any(one.startswith(PREFIX) for one in self._environment):
            return self.config()
        self._names = {}
        merged: Plain = {}
        self._add_flags(merged)
        return check_as(LogConfig, merged)

    def gives(self, path: str) -> bool:
        """Whether a setting that was read is not just its default."""
        return path in self._names

    def named(self, error: ConfigError) -> ConfigError:
        """Return `error` with its settings called as they were given."""
        return ConfigError.joined(ConfigError(self._name(one.where), one.problem) for one in error.each())

    def _name(self, where: str) -> str:
        for end in sorted({len(where), *(one.start() for one in re.finditer(r"[.\[]", where))}, reverse=True):
            path, rest = where[:end], where[end:]
            if path in self._names and (not rest or "." in path or _is_named_table(path)):
                name = self._names[path]
                return name if name.startswith("--") else name + rest
        # The default holds. Without a file, a flag is the way to change it.
        is_flag = where in self._flags and self._file is None
        flag = setting_at(where).flag if is_flag else None
        return flag.name if flag else where

    def _add_environment(self, merged: Plain) -> Iterator[ConfigError]:
        given = {name: text for name, text in self._environment.items() if name.startswith(PREFIX) and text}
        if not given:
            return
        from edgetally.config.variables import MISSPELT, VARIABLES, hint  # noqa: PLC0415 - often there are none

        for variable, text in given.items():
            if setting := VARIABLES.get(variable):
                self._names = {path: name for path, name in self._names.items() if not _is_in(path, setting.path)}
                self._names[setting.path] = variable
                try:
                    is_table = setting.table or setting.named_table or setting.is_open_table
                    _put(merged, setting, _tables(text) if is_table else Text(text))
                except ValueError:
                    # The value may contain a password, so it is not shown.
                    shown = "" if setting.is_open_table else f", got {text[:40]!r}"
                    yield ConfigError(variable, f"expected {setting.words} in JSON or TOML{shown}")
            elif variable in MISSPELT or "__" in variable.removeprefix(PREFIX):
                yield ConfigError(variable, f"unknown setting ({hint(variable)})")

    def _add_flags(self, merged: Plain) -> None:
        for path, value in self._flags.items():
            setting = setting_at(path)
            assert setting.flag
            if value is None:
                continue
            if not setting.table:
                self._names[path] = setting.flag.name
                _put(merged, setting, Text(value) if isinstance(value, str) else value)
                continue
            assert isinstance(value, list)
            section = merged.get(setting.section, {})
            before = section.get(setting.name, []) if isinstance(section, dict) else []
            if isinstance(before, list):
                # The flag sets what each table cannot do without.
                (key,) = [one.name for one in declared(path, setting.table) if one.is_required]
                _put(merged, setting, [*before, *({key: one} for one in value)])
                self._names.setdefault(path, setting.flag.name)
                for index in range(len(before), len(before) + len(value)):
                    self._names[f"{path}[{index}]"] = setting.flag.name


def setting_at(path: str) -> Setting:
    """Return the setting at a path, which there is."""
    if path in LOG_SETTINGS:
        return LOG_SETTINGS[path]
    from edgetally.config.sections import SETTINGS  # noqa: PLC0415 - commands that only count need no others

    return SETTINGS[path]


def load(path: "Path") -> Plain:
    """Read settings from a TOML file as they are there; raise ConfigError, naming the file."""
    import tomllib  # noqa: PLC0415 - often there is no file

    try:
        return tomllib.loads(read_file(path).decode("utf-8-sig"))
    except OSError as error:
        raise ConfigError(str(path), error.strerror or str(error)) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(str(path), str(error)) from error
    except ValueError as error:
        # Python refuses to read it, and says how to change Python.
        raise ConfigError(str(path), "expected integers of at most 4300 digits") from error


def _is_named_table(path: str) -> bool:
    from edgetally.config.sections import NAMED_TABLES  # noqa: PLC0415 - only for errors

    return path in NAMED_TABLES


def _paths(plain: Plain) -> Iterator[str]:
    for section, table in plain.items():
        yield section
        if isinstance(table, dict):
            yield from (f"{section}.{name}" for name in table)


def _is_in(path: str, setting: str) -> bool:
    return path == setting or path.startswith((f"{setting}[", f"{setting}."))


def _put(merged: Plain, setting: Setting, value: object) -> None:
    """Set one setting. Where a table should be and something else is, that stays, and is an error later."""
    if not setting.section:
        merged[setting.name] = value
        return
    section = merged.setdefault(setting.section, {})
    if isinstance(section, dict):
        section[setting.name] = value


def _tables(text: str) -> object:
    """Read a value of TOML or JSON; raise ValueError when it is neither."""
    import json  # noqa: PLC0415 - variables are rarely tables
    import tomllib  # noqa: PLC0415 - the same

    try:
        try:
            return json.loads(text)
        except ValueError:
            return tomllib.loads(f"value = {text}")["value"]
    except RecursionError as error:
        raise ValueError(str(error)) from error
