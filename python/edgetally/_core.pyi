"""
The Rust half: lines fold into partials, partials merge into a window, a window seals seconds into entries.

```text
bytes ──Fold──▶ partial ──Window──▶ Sealed ──entry()──▶ JSON
```

Times are Unix seconds and sizes are bytes, both whole numbers from 0 to 2**64 - 1; others raise OverflowError, and
what is of another type than stated TypeError. Nothing here does I/O or reads a clock. Every class may be used by many
threads at once: calls on one object wait for each other, and those that take long let go of the interpreter while
they work.

Datasets are `domains`, `origin_insights` and `origins`; any other name raises KeyError.
"""

from collections.abc import Sequence
from typing import final

__all__ = [
    "Fold",
    "Report",
    "Sealed",
    "Window",
    "cache_words",
    "check_format",
    "detect_format",
    "format_fields",
    "formats",
    "measurements",
    "reasons",
]

@final
class Fold:
    """
    Lines in, partials out: what one stretch of input adds up to.

    Folding never fails: a line that cannot be read is refused, counted and reported, and the lines around it count.
    Where the input is cut into blocks does not matter, and memory follows the number of keys, not that of lines.
    """

    def __new__(
        cls,
        *,
        service_id: str,
        pop: str,
        services: Sequence[str] | None = None,
        max_line: int = 262_144,
        max_lateness: int | None = None,
        max_ahead: int | None = None,
        framing: str = "lines",
        format: str = "canonical",
        weight: int = 1,
    ) -> Fold:
        """
        Make an empty fold.

        Args:
            service_id: Service of records that name none. It is not checked: 1 to 64 letters, digits, `-` and `_`.
            pop: POP of records that name none.
            services: The services that records may count for; None: any.
            max_line: Longest line in bytes, its newline not included.
            max_lateness: How many seconds before `now` a record may lie; None: any number.
            max_ahead: How many seconds after `now` a record may lie; None: any number.
            framing: How records are told apart. `lines`: a newline behind each. `arrays`: the same, unless the first
                byte that is no blank is `[`; then the input is one JSON array of records, whose elements are the
                lines: they are numbered, limited and refused one by one. What is missing or too much at the end of the
                array is refused as one more. `datagrams`: lines, with a syslog header before the record or none.
                `stream`: syslog over TCP, octets counted or a newline behind each.
                KeyError for anything else.
            format: How records are written: one of `formats()`, and for `cloudfront` perhaps its fields in their order,
                as in `cloudfront:timestamp,sc-status`. ValueError, saying why, for anything else.
            weight: How many requests a line stands for that does not say so.
        """

    def feed(self, block: bytes, now: int) -> None:
        """
        Fold every line that ends in `block`, and keep what follows its last newline for the next one.

        Args:
            block: Any bytes of any length.
            now: The second in which the block arrived: that of records without `ts`, and what `max_lateness` and
                `max_ahead` are measured from.
        """

    def finish(self, now: int) -> None:
        """
        Fold the last line if no newline ended it: the input is over.

        What is fed from here on is another input: its lines are counted from 1, and it may be an array or not. The
        tallies and the report stay until they are taken.

        Args:
            now: The second in which the last line ended, as for `feed`.
        """

    def drain(self) -> bytes:
        """
        Take the tallies.

        Returns:
            One partial with everything folded since the last drain; no bytes at all if no record was accepted. A line
            whose end has not come yet stays in the fold.
        """

    def conclude(self, inputs: Sequence[Sequence[bytes]], now: int, most: int) -> tuple[bytes, list[Report]] | None:
        """
        Fold inputs, each to its end, and take their tallies together, in one turn with the interpreter.

        Args:
            inputs: The blocks of each; the first may go on with what `feed` was given before.
            now: As for `feed`.
            most: Bytes that the tallies may take, about.

        Returns:
            One partial of them all, as of `drain`, and the report of each, as after its `finish`; the fold can be used
            for other inputs. None if the tallies take more than `most`: then the fold is of no more use.
        """

    def report(self) -> Report:
        """
        Take what became of the lines since the last report.

        Lines are still counted from the beginning of the input.
        """

    @property
    def size(self) -> int:
        """Bytes that the tallies take, about: when this grows large, drain. 0 after a drain."""

    @property
    def unfinished(self) -> int:
        """Bytes that are kept of a line whose end has not come yet: at most `max_line`, or 1024 if that is less."""

@final
class Report:
    """What became of lines. Blank ones are neither accepted nor rejected."""

    @property
    def lines(self) -> int:
        """Lines in all, blank ones included."""

    @property
    def accepted(self) -> int:
        """Lines that count. One of weight 10 is one line."""

    @property
    def rejected(self) -> list[tuple[str, int]]:
        """Code of a reason and number of lines, for reasons that had any, in the order of `reasons()`."""

    @property
    def refused(self) -> list[tuple[int, str, str, int, bytes]]:
        """
        The first 10 rejected lines.

        Each with its number in the input from 1, code and sentence of the reason, the byte in the line from 0 at which
        it was found out, and the beginning of the line, at most 1024 bytes.
        """

    @property
    def unknown_cache_words(self) -> list[tuple[str, int]]:
        """
        Words for what the cache did that stand in no table, and how many accepted lines had each.

        They count as neither hit nor miss. The first 100 are told apart, and the rest are `_other`.
        """

@final
class Window:
    """
    Tallies of the seconds that are open, and the moment from which they no longer are.

    It is a pure function of the partials and seals it was given, in their order: another one that is given the same
    makes the same entries, byte for byte.
    """

    def __new__(cls, *, domains: int, origins: int, addresses: int, pops: int, services: int) -> Window:
        """
        Make a window in which every second is open.

        What is beyond a limit counts under `_other`, which comes on top of it.

        Args:
            domains: Domains that one service may have in one second.
            origins: Names of origins that one service may have in one second.
            addresses: Pairs of an origin's name and an address that one service may have in one second.
            pops: POPs that one service may have in one second.
            services: Services that one second may have.
        """

    def merge(self, partial: bytes) -> list[tuple[str, int, int]]:
        """
        Add a partial: all of it, or nothing when it is damaged.

        Seconds that are sealed are added to the oldest open one.

        Args:
            partial: What a `drain` gave, and not its empty bytes, which are no partial.

        Returns:
            For every service in the partial: its id, the records that were added, and how many of these were late.

        Raises:
            ValueError: The bytes are damaged, or were written by another version. The sentence says which.
        """

    def seal(self, second: int) -> list[Sealed]:
        """
        Make every second up to `second`, itself included, final.

        Returns:
            What had traffic and was open until now: the oldest second first, services in alphabetical order. Nothing
            when `second` was sealed before.
        """

    def places(self, first: int, last: int) -> bytes:
        """
        Propose whom strangers must not push out.

        Returns:
            A partial that reserves a place in the seconds from `first` to `last` for every domain that was seen in more
            than one of the last sealed seconds; empty when there is none. It means nothing until it is merged.
        """

    def rest(self, keep: int) -> None:
        """
        Pack all open seconds but the newest `keep` as small as sealed ones, until somebody adds to them.

        Changes no entry. For logs without an end, where nothing is ever late.
        """

    @property
    def sealed(self) -> int | None:
        """The newest sealed second; None before the first seal."""

    @property
    def newest(self) -> int | None:
        """
        The newest second that is sealed or holds anything; None when there is none.

        No partial that was merged so far adds to an entry of a later second.
        """

@final
class Sealed:
    """One sealed second of one service: final, small, and the source of its entries."""

    @property
    def service_id(self) -> str:
        """The service."""

    @property
    def second(self) -> int:
        """The second, which entries show as `recorded`."""

    @property
    def records(self) -> int:
        """Accepted lines that it holds, those that came late included."""

    @property
    def overflowed(self) -> int:
        """Rows of partials that were added under `_other` because of a limit."""

    @property
    def size(self) -> int:
        """Bytes that this takes in memory, about."""

    def has(self, dataset: str) -> bool:
        """
        Tell whether the service had traffic that `dataset` shows.

        Raises:
            KeyError: There is no such dataset.
        """

    def entry(self, dataset: str) -> bytes:
        """
        Encode the entry of `dataset`.

        Returns:
            A JSON object in UTF-8: `recorded`, `aggregated` (by domain, by origin, or by origin and address) and
            `datacenter` (the same by POP). Names stand in alphabetical order and what is 0 is left out, so equal
            counters give equal bytes. Without traffic both are empty.

        Raises:
            KeyError: There is no such dataset.
        """

def cache_words() -> list[tuple[str, str]]:
    """
    Return every word for what a cache did that is known, and whether it is `hit`, `miss` or `neither`.

    Upper and lower case are the same, `*` is anything, and the first that fits holds.
    """

def check_format(name: str) -> None:
    """
    Do nothing.

    Raises:
        ValueError: A fold cannot have this format. The sentence says why.
    """

def detect_format(lines: bytes) -> str | None:
    """Return the format that finds the most fields in `lines`, `canonical` between equals; None if none finds any."""

def format_fields(name: str) -> list[tuple[str, str]]:
    """
    Return where a line of a format has what, and the field of a record that it is.

    `a>b` is `b` in the object `a`; `a[b]` is the first value of the header `b` in `a`. The field is empty where it is
    no field of a record, but changes one.

    Raises:
        ValueError: There is no such format.
    """

def formats() -> list[str]:
    """Return the names of the formats that a fold can read."""

def measurements(dataset: str) -> list[tuple[str, str, bool]]:
    """
    List what entries of `dataset` may show, in alphabetical order.

    Returns:
        Name, description, and whether it is a ratio from 0 to 1 instead of an unsigned 64-bit integer.

    Raises:
        KeyError: There is no such dataset.
    """

def reasons() -> list[tuple[str, str]]:
    """List code and sentence of every reason to refuse a line, in the order in which lines are checked."""
