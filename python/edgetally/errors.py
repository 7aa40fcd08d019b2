"""
Everything edgetally raises on purpose.

* EdgetallyError
  x ConfigError      a flag, a variable, a setting or a file is wrong
  x InputError       the input of a source is invalid
    - TooLarge       ... because it exceeds a limit
    - Mislabelled    ... because it is not compressed as declared
  x OutputError      standard output cannot be written
  x KeyReused        a push has the idempotency key of another push
  x Unavailable      not possible now; try again later
    - Busy           ... because of a limit on pending input
    - Unknown        ... and what was handed over may count all the same

Anything else that escapes is a bug, and is allowed to look like one.
"""

import errno
import os
from collections.abc import Iterable


def reason(error: OSError) -> str:
    """Return the system's own message, without what libraries add to it."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)


def hint(name: str, names: Iterable[str]) -> str:
    """Return `; did you mean …?` with the one of `names` that `name` may be a misspelling of, or nothing."""
    import difflib  # noqa: PLC0415 - only for errors

    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.75)
    return f"; did you mean {close[0]}?" if close else ""


class EdgetallyError(Exception):
    """An error that the user can fix; its text says how."""


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
    """The input of a source cannot be read, for example because it is not gzip."""


class TooLarge(InputError):
    """The input exceeds a limit. `limit` is the setting."""

    def __init__(self, limit: str, problem: str) -> None:
        super().__init__(problem)
        self.limit = limit


class Mislabelled(InputError):
    """The input is not compressed as declared. The text says how: `not gzip`."""


class OutputError(EdgetallyError):
    """Standard output cannot be written."""

    def __init__(self, error: OSError) -> None:
        problem = "closed" if error.errno == errno.EBADF else reason(error)
        super().__init__(f"standard output: {problem}")


class KeyReused(EdgetallyError):
    """The idempotency key of a push was used for other records before."""


class Unavailable(EdgetallyError):
    """The journal cannot be written now. Nothing was appended; try again later."""


class Busy(Unavailable):
    """Too much input is pending. Nothing of this was taken; try again later."""


class Unknown(Unavailable):
    """The brokers have not answered in time. It may count later; with an idempotency key it can be sent again."""
