"""Fold and window as objects, for logs that arrive bit by bit."""

from edgetally import _core
from edgetally.clock import SystemClock
from edgetally.offline.arguments import checked_limits, checked_now, checked_records
from edgetally.offline.entry import Entry
from edgetally.offline.line_report import LineReport
from edgetally.offline.parallel_fold import FOREVER


class Fold(LineReport):
    r"""
    Folds the blocks of a log as they arrive; `drain` takes what they add up to, for a `Window`.

    Memory grows with the number of keys since the last `drain`, not with the number of lines.

    Args:
        format: How lines are written: one of `formats()`.
        service_id: Service of records that do not name one.
        pop: POP of records that do not name one.
        weight: How many requests a line stands for if it does not say so.
        max_line: Longest line in bytes. A longer one is rejected.
        max_lateness: How many seconds a record may lie before `now`; an older one is rejected. None: any number.
        max_ahead: How many seconds a record may lie after `now`; a newer one is rejected. None: any number.

    Raises:
        ValueError: An argument is out of range. The message names it.

    Example:
        >>> import edgetally
        >>> fold, window = edgetally.Fold(format="nginx"), edgetally.Window()
        >>> fold.feed(b'{"ts":1763769600,"domain":"shop.example","sta')
        >>> fold.feed(b'tus":200}\n')
        >>> window.merge(fold.drain())
        >>> [(entry.second, list(entry.domains)) for entry in window.seal(1763769600)]
        [(1763769600, ['shop.example'])]
        >>> fold.accepted
        1
    """

    def __init__(
        self,
        *,
        format: str = "canonical",
        service_id: str = "default",
        pop: str = "local",
        weight: int = 1,
        max_line: int = 262_144,
        max_lateness: int | None = None,
        max_ahead: int | None = None,
    ) -> None:
        super().__init__()
        records = checked_records(
            format=format,
            service_id=service_id,
            pop=pop,
            weight=weight,
            max_line=max_line,
            max_lateness=max_lateness,
            max_ahead=max_ahead,
        )
        self._fold = _core.Fold(
            format=records.format,
            service_id=service_id,
            pop=pop,
            weight=weight,
            max_line=max_line,
            max_lateness=max_lateness,
            max_ahead=max_ahead,
        )
        self._clock = SystemClock()

    def feed(self, block: bytes, now: int | None = None) -> None:
        """
        Fold every line that ends in `block`, and keep the rest for the next call.

        Args:
            block: Bytes of any length, not compressed, cut anywhere.
            now: Unix time of records that have none. None: the current second.

        Raises:
            ValueError: `now` is out of range.
        """
        self._fold.feed(block, self._second(now))
        self.add(self._fold.report(), "<stream>")

    def finish(self, now: int | None = None) -> None:
        """Fold the last line, which has no newline. The next block starts another log, with line 1."""
        self._fold.finish(self._second(now))
        self.add(self._fold.report(), "<stream>")

    def drain(self) -> bytes:
        """Take the rows since the last drain: a partial for `Window.merge`, empty if there were none."""
        return self._fold.drain()

    def _second(self, now: int | None) -> int:
        return int(self._clock.now()) if now is None else checked_now(now)


class Window:
    """
    Adds up partials by second, until their seconds are sealed.

    Each limit is a number of keys that have rows of their own; all others count under `_other`.

    Args:
        max_domains: Domains per service and second.
        max_origins: Origins per service and second.
        max_origin_ips: Pairs of an origin and an address per service and second.
        max_pops: POPs per service and second.
        max_services: Services per second.

    Raises:
        ValueError: A limit is out of range. The message names it.
    """

    def __init__(
        self,
        *,
        max_domains: int = 10_000,
        max_origins: int = 1_000,
        max_origin_ips: int = 10_000,
        max_pops: int = 1_000,
        max_services: int = 10_000,
    ) -> None:
        limits = checked_limits(
            max_domains=max_domains,
            max_origins=max_origins,
            max_origin_ips=max_origin_ips,
            max_pops=max_pops,
            max_services=max_services,
        )
        self._window = _core.Window(**limits._asdict())

    def merge(self, partial: bytes) -> None:
        """
        Add a partial; an empty one adds nothing. Rows of sealed seconds are late, and go to the oldest open second.

        Raises:
            ValueError: The partial is damaged or of another version.
        """
        if partial:
            self._window.merge(partial)

    def seal(self, second: int | None = None) -> list[Entry]:
        """
        Make all seconds up to and including `second` final, and return their entries.

        Args:
            second: Unix time. None: all seconds.

        Returns:
            Entries of the seconds that were open until now, oldest first, services in alphabetical order.
        """
        return [Entry(sealed) for sealed in self._window.seal(FOREVER if second is None else second)]
