"""Plain values become a `Config`, or a list of everything that is wrong with them."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from os import PathLike
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from edgetally.config import forms
from edgetally.config.declaration import Section, Setting, declared
from edgetally.errors import ConfigError, hint

if TYPE_CHECKING:
    from edgetally.config.sections import Config

S = TypeVar("S", bound=Section)

KINDS = {
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    str: "a string",
    dict: "a table",
    list: "a list",
}
"""What values of TOML are called. A boolean is an integer, too, in Python."""

MOVED = {
    # If they were ignored, the server would start without tokens.
    "access.tokens": "tokens are kept in access.token_file: create them with `edgetally token new`",
}
"""Settings of earlier versions, and what to do instead."""

MAX_NUMBER = (1 << 63) - 1
"""No number is larger, so that every one fits where it is used."""

READABLE = 5
"""Names in a list that is read at a glance."""

MAX_SHOWN = 40
"""Characters of a wrong value that a message repeats."""


MAX_DECIMAL_BITS = 4096
"""Bits of an integer that is written in decimal digits."""


class Text(str):
    """A value from the command line or the environment. The type of its setting says how to read it."""

    __slots__ = ()


def check(given: Mapping[str, object]) -> "Config":
    """Turn plain values, by section and name, into a Config; raise ConfigError with everything that is wrong."""
    from edgetally.config.sections import Config  # noqa: PLC0415 - commands that only count need few sections

    return check_as(Config, given)


def check_as(kind: type[S], given: Mapping[str, object]) -> S:
    """Do the same for any table."""
    problems: list[ConfigError] = []
    config = _table(kind, given, "", problems)
    if config is None:
        raise ConfigError.joined(problems)
    return config


def _table(kind: type[S], given: object, where: str, problems: list[ConfigError]) -> S | None:
    """Return what a table says; None after adding to `problems`."""
    if not isinstance(given, Mapping):
        needed = any(one.is_required for one in declared(where, kind))
        example = f" such as {_example(kind, where)}" if needed else ""
        problems.append(ConfigError(where or "settings", f"expected a table{example}, got {_shown(given)}"))
        return None
    before = len(problems)
    settings = {one.name: one for one in declared(where, kind)}
    problems += _unknown(given.keys() - settings.keys(), where, settings)
    values = {}
    for name, setting in settings.items():
        if name in given:
            values[name] = _value(setting, given[name], problems)
        elif setting.is_required:
            problems.append(ConfigError(setting.path, "missing"))
    if len(problems) > before:
        return None
    made = kind(**values)
    problems += [ConfigError(f"{where}.{name}".removeprefix("."), problem) for name, problem in made.conflicts()]
    return made if len(problems) == before else None


def _unknown(names: Iterable[str], where: str, settings: Collection[str]) -> Iterable[ConfigError]:
    for name in sorted(names):
        path = f"{where}.{name}".removeprefix(".")
        problem = f"unknown setting (expected one of: {', '.join(settings)})"
        yield ConfigError(path, MOVED.get(path, problem + _suggestion(name, settings)))


def _suggestion(name: str, settings: Collection[str]) -> str:
    """Say which setting was meant, if the list of those that are expected is too long to find it there."""
    if len(settings) <= READABLE:
        return ""
    from edgetally.config.sections import SETTINGS  # noqa: PLC0415 - see above

    elsewhere = [path for path, one in SETTINGS.items() if one.name == name and one.section]
    return hint(name, settings) or (f"; did you mean {' or '.join(elsewhere)}?" if elsewhere else "")


def _value(setting: Setting, given: object, problems: list[ConfigError]) -> Any:  # noqa: ANN401 - of any type
    """Return what a setting says; anything after adding to `problems`."""
    if setting.section_type:
        return _table(setting.section_type, given, setting.path, problems)
    if setting.named_table:
        return MappingProxyType(dict(_named_tables(setting, setting.named_table, given, problems)))
    if setting.is_open_table:
        return MappingProxyType(dict(_open_table(setting, given, problems)))
    if setting.table and isinstance(given, list):
        return tuple(
            _table(setting.table, one, f"{setting.path}[{index}]", problems) for index, one in enumerate(given)
        )
    return _single(setting, given, problems)


def _single(setting: Setting, given: object, problems: list[ConfigError]) -> Any:  # noqa: ANN401 - of any type
    """Return what a setting says that is no table."""
    try:
        value = _converted(setting, given)
    except ValueError:
        problems.append(ConfigError(setting.path, _expected(setting, given)))
        return None
    if isinstance(value, int | float) and not value <= MAX_NUMBER:
        too_large = ", which is too large" if value > MAX_NUMBER else ""
        problems.append(ConfigError(setting.path, _expected(setting, given) + too_large))
    if isinstance(given, str) and ("\0" in given or (isinstance(value, PathLike) and not given)):
        shown = "a NUL character in it" if given else "''"
        problems.append(ConfigError(setting.path, f"expected {setting.words}, got {shown}"))
        return None
    try:
        if value is not None and setting.is_path:
            return forms.expanded(value, setting.path)
        if setting.form and value is not None and not setting.form.accepts(value):
            problems.append(ConfigError(setting.path, f"expected {setting.words}, got {value[:MAX_SHOWN]!r}"))
    except ConfigError as error:
        problems.append(ConfigError(setting.path, error.problem))
    return value


def _converted(setting: Setting, given: object) -> Any:  # noqa: ANN401 - of any type
    """Return a value as the type of its setting; raise ValueError when it is none, or not within the bounds."""
    is_text = isinstance(given, Text)
    value: Any = str(given) if is_text else given
    if type(value) is not setting.bare_type:
        import msgspec  # noqa: PLC0415 - takes longer than a small log, and most values are of their type

        try:
            value = msgspec.convert(value, setting.annotation, strict=not is_text, dec_hook=_path)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from error
    if isinstance(value, int | float) and not setting.contains(value):
        raise ValueError(f"out of bounds: {value}")
    return value


def _named_tables(
    setting: Setting, kind: type[S], given: object, problems: list[ConfigError]
) -> Iterator[tuple[str, S | None]]:
    """Yield the name of each table, and what the table says."""
    if not isinstance(given, Mapping):
        problems.append(ConfigError(setting.path, _expected(setting, given)))
        return
    form = setting.form_of_names
    for name, one in given.items():
        if not form.accepts(name):
            problems.append(ConfigError(setting.path, f"expected names of {form.words}, got {name[:MAX_SHOWN]!r}"))
        else:
            yield name, _table(kind, one, f"{setting.path}.{name}", problems)


def _open_table(setting: Setting, given: object, problems: list[ConfigError]) -> Iterator[tuple[str, str]]:
    """Yield the names in a table with their texts. A dotted name is one name, however TOML has it. No text is shown."""
    if not isinstance(given, Mapping):
        problems.append(ConfigError(setting.path, _expected(setting, given)))
        return
    form = setting.form_of_names
    for name, one in _flattened(given):
        if not form.accepts(name):
            problems.append(ConfigError(setting.path, f"expected names of {form.words}, got {name[:MAX_SHOWN]!r}"))
        elif isinstance(one, str | int | float) and "\0" not in _text(one):
            yield name, _text(one)
        else:
            problems.append(ConfigError(f"{setting.path}.{name}", f"expected a string, got {_kind(one)}"))


def _flattened(given: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name, one in given.items():
        if isinstance(one, Mapping) and one:
            yield from ((f"{name}.{below}", value) for below, value in _flattened(one))
        else:
            yield name, one


def _expected(setting: Setting, given: object) -> str:
    """Say what a setting expects, and what it got instead."""
    is_number = setting.bare_type in (int, float) and isinstance(given, int | float) and not isinstance(given, bool)
    if is_number:
        shown = _text(given)[:MAX_SHOWN]
    elif isinstance(given, Text) or (setting.choices and isinstance(given, str)):
        shown = repr(str(given)[:MAX_SHOWN])
    else:
        shown = _kind(given) if setting.is_open_table else _shown(given)  # it may be a password
    if setting.choices:
        return f"must be {setting.words} (got {shown})"
    example = f" such as [{_example(setting.table, setting.path)}]" if setting.table else ""
    return f"expected {setting.words}{example}, got {shown}"


def _example(kind: type[Section], where: str) -> str:
    """Return a table as TOML writes it, with what it needs."""
    return "{" + ", ".join(f'{one.name} = "…"' for one in declared(where, kind) if one.is_required) + "}"


def _kind(value: object) -> str:
    others = "a date or time" if type(value).__module__ == "datetime" else "nothing"
    return next((name for kind, name in KINDS.items() if isinstance(value, kind)), others)


def _shown(value: object) -> str:
    """Say of which kind a value is, and show it unless it has parts."""
    kind = _kind(value)
    if isinstance(value, Mapping | list) or value is None:
        return kind
    text = repr(value[:MAX_SHOWN]) if isinstance(value, str) else _text(value)[:MAX_SHOWN]
    return f"the {kind.partition(' ')[2]} {text}"


def _text(value: object) -> str:
    """Write a value as TOML does, but for very long integers: Python refuses to write them in decimal digits."""
    if isinstance(value, bool):
        return str(value).lower()
    return hex(value) if isinstance(value, int) and value.bit_length() > MAX_DECIMAL_BITS else str(value)


def _path(kind: type, value: object) -> object:
    """Read the only type that msgspec does not know."""
    from pathlib import Path  # noqa: PLC0415 - as msgspec

    if kind is Path and isinstance(value, str):
        return Path(value)
    raise TypeError(kind)
