"""
Everything edgetally raises on purpose.

* EdgetallyError
  x ConfigError      a flag, a variable, a setting or a file is wrong: exit 2, no traceback
  x InputError       bytes from a source are not what they claim to be
    - TooLarge       ... or more of them than allowed
    - Mislabelled    ... but something else altogether
  x KeyReused        a push has the idempotency key of another push
  x Unavailable      what was asked for cannot be done now, and may be later
    - Busy           ... because too much has come at once

Anything else that escapes is a bug, and is allowed to look like one.
"""

import os
from collections.abc import Iterable


def reason(error: OSError) -> str:
    """Say why the system has refused something, without what libraries put around that."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)


class EdgetallyError(Exception):
    """Something that a person can do something about; its text says what."""


class ConfigError(EdgetallyError):
    """A setting is wrong. `where` names it as the operator wrote it: a flag, a variable, a dotted setting or a file."""

    def __init__(self, where: str, problem: str, others: Iterable["ConfigError"] = ()) -> None:
        self.where = where
        self.problem = problem
        self._others = tuple(others)
        super().__init__("; ".join([f"{where}: {problem}", *map(str, self._others)]))

    @classmethod
    def joined(cls, errors: Iterable["ConfigError"]) -> "ConfigError":
        """Return one error that says all of these, of which there is at least one."""
        first, *others = [one for error in errors for one in error.each()]
        return cls(first.where, first.problem, others)

    def each(self) -> list["ConfigError"]:
        """Return an error for each setting that is wrong."""
        return [ConfigError(self.where, self.problem), *self._others] if self._others else [self]


class InputError(EdgetallyError):
    """What a source sent cannot be read, for example gzip that is no gzip."""


class TooLarge(InputError):
    """A source sent more than a limit allows. `limit` is the setting."""

    def __init__(self, limit: str, problem: str) -> None:
        super().__init__(problem)
        self.limit = limit


class Mislabelled(InputError):
    """What a source sent is not compressed as it was said to be; the text names how: `not gzip`."""


class KeyReused(EdgetallyError):
    """The idempotency key of a push was used for other records before."""


class Unavailable(EdgetallyError):
    """The journal cannot be written now. Nothing happened; try again later."""


class Busy(Unavailable):
    """More has come than can be taken now. Nothing of it was taken; try again later."""
