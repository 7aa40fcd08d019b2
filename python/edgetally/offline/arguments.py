"""Arguments of the library, checked by the rules of the settings of the same names."""

from typing import Any

from edgetally.config.log_sections import LogConfig, RecordsSettings
from edgetally.config.validation import check_as
from edgetally.errors import ConfigError
from edgetally.model import KeyLimits
from edgetally.snippets import format_of

MAX_THREADS = 1024
"""More than any machine has cores for."""

LAST_SECOND = 253_402_300_799
"""The end of 9999."""


def checked_threads(threads: int) -> int:
    """Return how many threads fold, or raise ValueError."""
    return _within("threads", threads, 1, MAX_THREADS)


def checked_now(now: int) -> int:
    """Return the Unix time of records that have none, or raise ValueError."""
    return _within("now", now, 0, LAST_SECOND)


def checked_records(**arguments: str | int | None) -> RecordsSettings:
    """
    Check what lines may be, and what holds for records that do not say otherwise.

    Args:
        **arguments: Settings of `records` by name. One that is None is left out.

    Returns:
        The settings; their format is one of the core.

    Raises:
        ValueError: An argument is wrong. The message names it.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    records: RecordsSettings = _checked("records", given)
    try:
        return records.replace(format=format_of(records.format))
    except ConfigError as error:
        raise ValueError(str(error)) from error


def checked_limits(**arguments: int) -> KeyLimits:
    """Check limits on keys, named as the settings of `window`; raise ValueError, naming the one that is wrong."""
    limits: KeyLimits = _checked("window", arguments).limits
    return limits


def _within(name: str, number: int, least: int, most: int) -> int:
    if not least <= number <= most:
        raise ValueError(f"{name}: expected an integer from {least} to {most}, got {number}")
    return number


def _checked(section: str, arguments: dict[str, Any]) -> Any:  # noqa: ANN401 - the section
    try:
        return getattr(check_as(LogConfig, {section: arguments}), section)
    except ConfigError as error:
        raise ValueError(f"{error.where.removeprefix(f'{section}.')}: {error.problem}") from error
