"""Flags of settings: made from their declarations, and read together with the environment and the settings file."""

import argparse
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from edgetally.config.forms import expanded
from edgetally.config.given import Given, setting_at
from edgetally.config.log_sections import LOG_SETTINGS

if TYPE_CHECKING:
    from pathlib import Path

RECORDS = [path for path, one in LOG_SETTINGS.items() if one.flag and one.section == "records"]
"""Settings of the commands that read logs and do not serve."""

MAX_SHOWN = 40
"""Characters of a wrong argument that a message repeats."""

CONFIG_VARIABLE = "EDGETALLY_CONFIG"
"""Names the settings file where there is no --config."""


def server() -> list[str]:
    """Return the settings of the server."""
    from edgetally.config.sections import SETTINGS  # noqa: PLC0415 - other commands need only those above

    return [path for path, one in SETTINGS.items() if one.flag]


def add_flags(command: argparse.ArgumentParser, paths: Iterable[str]) -> None:
    """Add the flags of these settings, and --config."""
    command.add_argument(
        "--config",
        metavar="FILE",
        help=f"settings in TOML; docs/settings.md lists them (default ${CONFIG_VARIABLE})",
    )
    for path in paths:
        add_flag(command, path)


def add_flag(command: argparse.ArgumentParser, path: str) -> None:
    """Add the flag of a setting."""
    setting = setting_at(path)
    flag = setting.flag
    assert flag
    text = flag.help or _lower(setting.description.removesuffix("."))
    if setting.default not in (None, "", False, ()):
        shown = f"{setting.default:g}" if isinstance(setting.default, float) else setting.default
        text += f" (default {shown})"
    if setting.is_switch:
        command.add_argument(flag.name, dest=path, action="store_true", default=None, help=text)
    else:
        metavar = flag.metavar or "|".join(setting.choices)
        if setting.table:
            command.add_argument(flag.name, dest=path, action="extend", nargs="+", metavar=metavar, help=text)
        else:
            command.add_argument(flag.name, dest=path, metavar=metavar, help=text)


def up_to(most: int) -> Callable[[str], int]:
    """Return a function that reads an integer from 1 to `most`."""

    def count(text: str) -> int:
        # Longer digits are not worth reading, and Python refuses to read very long ones.
        if not (text.isdecimal() and len(text) <= len(str(most)) and 1 <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"expected an integer from 1 to {most}, got {text[:MAX_SHOWN]!r}")
        return int(text)

    return count


def given(arguments: argparse.Namespace) -> Given:
    """Return what a command was given. Commands without --config read no environment variables either."""
    environment = dict(os.environ) if "config" in arguments else {}
    file = getattr(arguments, "config", None)
    if file is None:
        file = environment.get(CONFIG_VARIABLE) or None
    return Given(
        # No other argument has a dot in its name.
        flags={path: value for path, value in vars(arguments).items() if "." in path},
        environment=environment,
        file=None if file is None else _path(file),
    )


def _path(text: str) -> "Path":
    from pathlib import Path  # noqa: PLC0415 - often there is no file

    return expanded(Path(text), str(Path(text)))


def _lower(sentence: str) -> str:
    """Begin with a small letter, unless the first word is one like POP."""
    return sentence[0].lower() + sentence[1:] if sentence[1].islower() else sentence
