"""
The Rust half: it folds lines into partials, merges partials into a window, and seals seconds into entries.

```text
bytes ──Fold──▶ partial ──Window──▶ Sealed ──entry()──▶ JSON
```

Example:
    >>> fold, window = Fold(), Window()
    >>> fold.feed(b'{"ts":1795314035,"status":200,"domain":"shop.example"}', now=1795314035)
    >>> fold.finish(now=1795314035)
    >>> window.merge(fold.drain())
    [('default', 1, 0)]
    >>> (sealed,) = window.seal(1795314035)
    >>> sealed.has("domains"), sealed.has("origins")
    (True, False)
    >>> sealed.entry("domains")[:68]
    b'{"recorded":1795314035,"aggregated":{"shop.example":{"edge_requests"'

Times are Unix seconds and sizes are bytes, both integers from 0 to 2**64 - 1. Any other integer raises OverflowError,
and an argument of another type raises TypeError. Nothing here does I/O or reads a clock.

Every class is thread-safe. Calls on one object run one after the other, and calls that take long release the GIL.

Datasets are `domains`, `origin_insights` and `origins`; any other name raises KeyError. The words of this page are
explained in docs/glossary.md.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, TypeAlias, final

__all__ = [
    "AGGREGATE",
    "ENVELOPE_VERSION",
    "INVALID",
    "MAX_ENVELOPE_BYTES",
    "MAX_POP_BYTES",
    "MAX_SERVICE_ID_BYTES",
    "MAX_WEIGHT",
    "OTHER",
    "PARTIAL_VERSION",
    "PLACEMENT_VERSION",
    "Fold",
    "HistoryQuery",
    "KeptPops",
    "KeptSeries",
    "LogReader",
    "LogSeal",
    "Reading",
    "Rejection",
    "Report",
    "Rollup",
    "Scrape",
    "Sealed",
    "SeriesTotals",
    "Window",
    "__version__",
    "cache_words",
    "check_format",
    "columns",
    "counter_rows",
    "detect_format",
    "domain_names",
    "envelopes",
    "format_fields",
    "formats",
    "history_lines",
    "measurements",
    "merge_minutes",
    "names_in",
    "pack",
    "pack_twice",
    "partition",
    "ranked_names",
    "ranking",
    "reasons",
    "refusal",
    "seal_envelope",
    "sealed_periods",
    "summed_chunks",
]

AGGREGATE: Final[str]
"""The POP of all series that are not split by POP."""

__version__: Final[str]
MAX_WEIGHT: Final[int]
"""Largest weight that a record or a source may have."""

MAX_POP_BYTES: Final[int]
"""Longest POP in bytes of UTF-8. Records of a longer one count under `INVALID`."""

MAX_SERVICE_ID_BYTES: Final[int]
"""Longest service id in bytes. Its characters are letters, digits, `-` and `_`."""

ENVELOPE_VERSION: Final[int]
"""The version of the envelopes that are written."""

MAX_ENVELOPE_BYTES: Final[int]
"""The largest envelope that brokers take as they come."""

PARTIAL_VERSION: Final[int]
"""The version of the partials that are written."""

PLACEMENT_VERSION: Final[int]
"""Changes if any service would get another partition."""

INVALID: Final[str]
"""The key for hosts that cannot be a domain, and for names that are too long."""

OTHER: Final[str]
"""The overflow key: everything beyond a limit on keys counts under it."""

@final
class Fold:
    """
    Lines in, partials out.

    Folding never fails: a line that cannot be read is rejected, counted and reported, and the lines around it count.
    The result does not depend on where the input is cut into blocks. Memory grows with the number of keys, not of
    lines.
    """

    def __new__(
        cls,
        *,
        service_id: str = "default",
        pop: str = "local",
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
            service_id: Service of records that do not name one. Not validated here; see `MAX_SERVICE_ID_BYTES`.
            pop: POP of records that do not name one, at most `MAX_POP_BYTES`.
            services: Services that records may count for. None: any service.
            max_line: Longest line in bytes, without its newline.
            max_lateness: How many seconds a record may lie before `now`. None: any number.
            max_ahead: How many seconds a record may lie after `now`. None: any number.
            framing: How records are separated. KeyError for any other name.

                - `lines`: a newline ends each record.
                - `arrays`: the same, or one JSON array of records if the first byte that is not blank is `[`. Elements
                  are numbered, limited and rejected like lines. An array that is cut off, or data after its end, is one
                  more rejection.
                - `datagrams`: like `lines`; a syslog header may precede the record.
                - `stream`: syslog over TCP, with octet counting or newlines.
            format: How records are written: one of `formats()`. `cloudfront` may list its fields, as in
                `cloudfront:timestamp,sc-status`. ValueError with the reason for any other name.
            weight: How many requests a line stands for if the record does not say, from 1 to `MAX_WEIGHT`.
        """

    def feed(self, block: bytes, now: int) -> None:
        """
        Fold every line that ends in `block`, and keep the unfinished last line for the next block.

        Args:
            block: Bytes of any length.
            now: The second in which the block arrived. It is the time of records without `ts`, and `max_lateness` and
                `max_ahead` are measured from it.
        """

    def finish(self, now: int) -> None:
        """
        End the input: fold the last line, even if no newline ended it.

        The next `feed` starts a new input: its lines are counted from 1, and it may be an array. The rows and the
        report stay until they are taken.

        Args:
            now: The second in which the last line ended, as for `feed`.
        """

    def drain(self) -> bytes:
        """
        Take the rows.

        Returns:
            One partial with everything that was folded since the last drain, or `b""` if no record was accepted. An
            unfinished line stays in the fold.
        """

    def drain_with_report(self) -> tuple[bytes, Report]:
        """Take the rows as `drain` does, and the report on exactly these lines, even if another thread feeds."""

    def fold_all(
        self, inputs: Sequence[Sequence[bytes]], now: int, max_bytes: int
    ) -> tuple[bytes, list[Report]] | None:
        """
        Fold several inputs, each to its end, and take their rows as one partial, without the GIL.

        Args:
            inputs: The blocks of each input. The first input may continue what `feed` was given before.
            now: As for `feed`.
            max_bytes: How large `size` may become.

        Returns:
            One partial, as from `drain`, and one report per input. The fold can be used again. None if the rows exceed
            `max_bytes`: then discard the fold.
        """

    def report(self) -> Report:
        """
        Take the report on all lines since the last report.

        Line numbers still count from the start of the input.
        """

    @property
    def size(self) -> int:
        """Memory that the rows take, in bytes, approximately. Drain when it grows large; it is 0 after a drain."""

    @property
    def wrapper(self) -> str | None:
        """What the last wrapped line was wrapped in: `syslog`, `cri`, `docker json-file`, …; None if none was."""

    @property
    def pending(self) -> bytes:
        """Parts of records whose end has not come: for the checkpoint of a source that does not send them again."""

    def resume(self, pending: bytes) -> None:
        """Continue with what another fold had `pending`, instead of what this one has."""

    @property
    def line(self) -> int:
        """Number of the last line that has ended, in this input; 0 before the first."""

    @property
    def unfinished(self) -> int:
        """Bytes of the unfinished line that are kept: at most `max_line`, or 1024 if that is larger."""

@final
class Report:
    """What became of lines. Blank lines are neither accepted nor rejected."""

    @property
    def lines(self) -> int:
        """Number of lines, blank lines included."""

    @property
    def accepted(self) -> int:
        """Number of lines that count. A line with weight 10 is one line."""

    @property
    def rejected(self) -> list[tuple[str, int]]:
        """Number of rejected lines by reason, without reasons that had none, in the order of `reasons()`."""

    @property
    def rejections(self) -> list[Rejection]:
        """The first 10 rejected lines."""

    @property
    def without_time(self) -> int:
        """Accepted lines that say no time. They count in the second in which they arrived."""

    @property
    def with_wrapper_time(self) -> int:
        """Accepted lines that say no time, and whose wrapper does."""

    @property
    def unknown_cache_words(self) -> list[tuple[str, int]]:
        """
        Cache words that are not in `cache_words()`, with the number of accepted lines that had each.

        They count as neither hit nor miss. Words beyond the first 100 are counted together under `OTHER`.
        """

@final
class Rejection:
    """A line that does not count: where it is, why, and how it starts. Equal if all of it is equal."""

    def __new__(cls, *, line: int, reason: str, at: int, sample: bytes) -> Rejection:
        """Make one. KeyError if `reason` is not a code of `reasons()`."""

    @property
    def line(self) -> int:
        """Number of the line in its input, from 1."""

    @property
    def reason(self) -> str:
        """Code of the reason, as in `reasons()`."""

    @property
    def sentence(self) -> str:
        """The reason in words, for the person who sent the line; of a time, how far it is from now and may be."""

    @property
    def at(self) -> int:
        """Offset in the line, in bytes from 0, of the value that is wrong or at which reading stopped."""

    @property
    def sample(self) -> bytes:
        """The start of the line, at most 1024 bytes."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class Window:
    """
    The rows of the seconds that are still open.

    A pure function of the partials and seals it is given, in their order: two windows that are given the same make the
    same entries, byte for byte.
    """

    def __new__(
        cls,
        *,
        domains: int = 10_000,
        origins: int = 1_000,
        addresses: int = 10_000,
        pops: int = 1_000,
        services: int = 10_000,
    ) -> Window:
        """
        Make a window in which every second is open.

        Keys beyond a limit count under `OTHER`, which does not use up the limit.

        Args:
            domains: Domains per service and second. Domains with a reservation are exempt.
            origins: Names of origins per service and second.
            addresses: Pairs of an origin's name and an address, per service and second.
            pops: POPs per service and second.
            services: Services per second. Services with a reservation are exempt.
        """

    def merge(self, partial: bytes) -> list[tuple[str, int, int]]:
        """
        Add a partial: all of it, or nothing if it is damaged.

        Rows of sealed seconds are late: they are added to the oldest open second.

        Args:
            partial: The result of a `drain` or of `reservations`, but not `b""`.

        Returns:
            For each service in the partial: its id, how many records were added, and how many of these were late.

        Raises:
            ValueError: The partial is damaged, or another version wrote it. The message says which.
        """

    def seal(self, second: int) -> list[Sealed]:
        """
        Make every second up to and including `second` final.

        Returns:
            Every service that had traffic in a second that was open until now, ordered by second and then by service.
            Empty if `second` was sealed before.
        """

    def reservations(self, soon: int, first: int, last: int) -> bytes:
        """
        Propose reservations for known domains, so that a flood of made-up names cannot take their rows.

        Returns:
            A partial that reserves a row in each second from `first` to `last` for every known domain, and from `soon`
            to `last` for those that became known since the last call; `b""` if there are none. It has no effect until
            it is merged, and none on seconds in which names have overflowed by then.
        """

    def freeze(self, keep: int) -> None:
        """
        Compress all open seconds but the newest `keep`, until more is added to them.

        Entries do not change. For long logs, where a second stays open after its last record.
        """

    @property
    def sealed(self) -> int | None:
        """The newest sealed second. None before the first seal."""

    @property
    def newest(self) -> int | None:
        """
        The newest second that is sealed, or that has rows or reservations. None if there is none.

        No partial that was merged so far adds to an entry of a later second.
        """

@final
class KeptPops:
    """The POPs of every service, as long as a sealed second with them is kept."""

    def __new__(cls) -> KeptPops:
        """Start with none."""

    def add(self, sealed: Sequence[Sealed], forget: int) -> None:
        """Add sealed seconds in their order, and forget all seconds up to `forget`."""

    def of(self, services: Sequence[str], after: int) -> list[str]:
        """Return the POPs that these services have in seconds after `after`, in alphabetical order, each once."""

@final
class LogReader:
    """
    What every reader makes of one partition of a cluster's log: which partials count, and how far its seals reach.

    A pure function of the envelopes and their append times, in the order of the log. A reader that begins in the middle
    agrees with those that began earlier as soon as `missing` is 0.

    Append times are milliseconds, by the brokers' clocks. A beat is a second of append time in which a seal stands: ids
    are remembered for beats, because in an outage senders go on repeating.
    """

    def __new__(cls, *, horizon: int, aggregate_delay: int, is_beginning: bool) -> LogReader:
        """
        Start with nothing read.

        Args:
            horizon: For how many seconds copies are recognised.
            aggregate_delay: Seconds between the start of a second and its seal.
            is_beginning: Whether nothing was ever appended before what is read first. If not, it only follows ids and
                seals until `start_merging`.
        """

    def read(self, envelope: bytes, appended: int) -> Reading:
        """
        Read the next message of the log: all of it, or nothing if it cannot be read.

        A partial in it counts unless it is refused (see `refusal`) or its id is remembered from before. Parts count
        when all of their attempt are there.

        Raises:
            ValueError: The envelope is damaged, or another version wrote it. The message says which.
        """

    def start_merging(self, ahead: int) -> int:
        """
        Return partials that count from here on.

        Args:
            ahead: How many seconds a row, or a reservation, may lie after its append.

        Returns:
            The second after which entries are complete: nothing that was appended before adds to later ones. 0 if all
            of the log was merged.
        """

    def has(self, partial_id: bytes) -> bool:
        """
        Whether a partial with this id was counted, and is not forgotten.

        Raises:
            ValueError: The id does not have 16 bytes.
        """

    @property
    def is_merging(self) -> bool:
        """Whether partials that count are returned."""

    @property
    def missing(self) -> int:
        """
        How many seconds earlier it should have begun to recognise every copy; 0 if it does.

        It needs `needed` beats, and the beginnings of partials in parts.
        """

    @property
    def needed(self) -> int:
        """How many beats it has to read before it recognises every copy."""

    @property
    def effective(self) -> int | None:
        """The second up to which all is sealed. None before the first seal."""

    @property
    def appended(self) -> int:
        """The latest append time; 0 before the first."""

    @property
    def ids(self) -> int:
        """How many ids are remembered."""

    @property
    def held_bytes(self) -> int:
        """Memory of parts whose others have not come yet, in bytes."""

@final
class LogSeal:
    """A seal in a cluster's log."""

    @property
    def second(self) -> int:
        """What its writer said: every second up to this is final."""

    @property
    def effective(self) -> int:
        """The second up to which all is sealed: the latest of all seals, each no later than its append time admits."""

    @property
    def is_news(self) -> bool:
        """Whether it reaches further than all before."""

    @property
    def writer(self) -> str:
        """The node that wrote it."""

    @property
    def terms(self) -> bytes:
        """A digest of what decides entries, at its writer."""

@final
class Reading:
    """What is to be done with one message of a cluster's log: at most one of `partial` and `seal`."""

    @property
    def partial(self) -> bytes:
        """What is to be merged now; `b""` if nothing."""

    @property
    def seal(self) -> LogSeal | None:
        """The seal, if it is one."""

    @property
    def copies(self) -> int:
        """How many partials in it were counted before."""

    @property
    def refused(self) -> int:
        """How many partials in it are refused."""

    @property
    def is_foreign(self) -> bool:
        """Whether something else than Edgetally wrote it. Every reader ignores it."""

@final
class Sealed:
    """One sealed second of one service: immutable, compact, and the source of its entries."""

    @property
    def service_id(self) -> str:
        """The service."""

    @property
    def second(self) -> int:
        """The second, which entries show as `recorded`."""

    @property
    def records(self) -> int:
        """Number of accepted lines in it, late ones included."""

    @property
    def late(self) -> int:
        """Number of these that came late, for seconds that were sealed before."""

    @property
    def overflowed(self) -> int:
        """Number of rows that were added under `OTHER` because of a limit."""

    @property
    def size(self) -> int:
        """Memory that it takes, in bytes, approximately."""

    def has(self, dataset: str) -> bool:
        """
        Whether `dataset` shows any traffic of this second.

        Raises:
            KeyError: Unknown dataset.
        """

    def entry(
        self, dataset: str, *, by_pop: bool = True, names: AbstractSet[str] = ..., fields: AbstractSet[str] = ...
    ) -> bytes:
        """
        Encode the entry of `dataset`, or what is asked for of it. Sums stay those of all POPs.

        Args:
            dataset: The dataset.
            by_pop: Whether it has `datacenter`.
            names: The domains or origins that are shown; all if there are none. The channel has no names.
            fields: The measurements that are shown; all if there are none.

        Returns:
            A JSON object in UTF-8 with the keys `recorded`, `aggregated` (by domain, by origin, by origin and address,
            or without a key for the channel) and `datacenter` (the same by POP). Keys are sorted and zeros are left
            out, so equal counters make equal bytes. Without traffic, `datacenter` is empty, and `aggregated` has what
            is always shown.

        Raises:
            KeyError: Unknown dataset.
        """

@final
class SeriesTotals:
    """
    What was counted since the start of the process, for Prometheus, with the names of fastly-exporter.

    A service in a POP is a key, and so is each of its domains and origins there. Keys of a kind have the same series.
    Totals only grow, and a key stays for good. Keys beyond the limits count as `OTHER`: of their POP, then of their
    service, then of all.
    """

    def __new__(
        cls,
        *,
        series: int,
        domains: int,
        origins: int,
        split_by_pop: bool = True,
    ) -> SeriesTotals:
        """
        Start with no totals.

        Args:
            series: Most series. The last fifth is for `OTHER`.
            domains: Most domains of one service that have series of their own. Half of them are admitted when they are
                first seen, the others when they are seen in a second second.
            origins: The same for origins.
            split_by_pop: Whether POPs are kept apart. If not, all are `AGGREGATE`.
        """

    def name(self, services: Mapping[str, str], pops: Mapping[str, tuple[str, str, str, str]]) -> None:
        """
        Name services and POPs from now on.

        Args:
            services: Names of services by id. Others have their id for a name.
            pops: Name, group, latitude and longitude of POPs; empty where they are not known.
        """

    def add(self, second: int, sealed: Sequence[Sealed]) -> tuple[int, int]:
        """
        Add sealed seconds, the last of which is `second`. Each has to be added once.

        Returns:
            The number of series, and of rows that were added under `OTHER` because of a limit.
        """

    def services(self) -> list[str]:
        """List the services that have series, sorted."""

    def scrape(self, services: Sequence[str] | None = None, *, openmetrics: bool = False) -> Scrape:
        """Copy the totals of these services, or of all, to be written in OpenMetrics or in Prometheus' text format."""

@final
class Scrape:
    """Totals as they were at one second, and how far they are written."""

    def write(self, most: int) -> tuple[bytes, bool]:
        """Return the next lines, about `most` bytes, and whether they are the last."""

_Part: TypeAlias = tuple[str | None, bytes]
"""
Some history of one dataset of a service.

A chunk, with its name: the rows of one name in periods of one length. Or a minute, with None: the rows of all names.
The row for everything has the empty name; with the domains, it has the counters of the channel.
"""

@final
class Rollup:
    """A minute of a service that is still open: its sealed seconds, added up."""

    def __new__(cls, start: int, *, names: int = 100_000) -> Rollup:
        """
        Start with nothing.

        Args:
            start: The first second of the minute.
            names: Most domains, and most origins, that have rows of their own. Others count under `OTHER`.
        """

    def add(self, sealed: Sealed) -> None:
        """
        Add a sealed second. Each has to be added once.

        Raises:
            ValueError: It is not of this minute.
        """

    def minute(self, names: int = 20_000) -> dict[str, bytes]:
        """
        Return what was added so far.

        Args:
            names: The most names of a dataset. Those with the fewest requests, or responses, count under `OTHER`.

        Returns:
            A minute for each of `domains` and `origins` that has rows.
        """

    def close(self, names: int = 20_000) -> dict[str, bytes]:
        """Return the same. The rollup is empty then."""

    @property
    def overflowed(self) -> int:
        """How many rows were added under `OTHER` because of the limit of the rollup."""

@final
class HistoryQuery:
    """A question about the history of a service: parts go in, series come out."""

    def __new__(
        cls,
        *,
        dataset: str,
        metrics: Sequence[str],
        start: int,
        end: int,
        step: int,
        group_by: AbstractSet[str] = ...,
        pops: AbstractSet[str] = ...,
        regions: Mapping[str, str] = ...,
        default_region: str = "",
        only_regions: AbstractSet[str] = ...,
        after: Sequence[str] | None = None,
        most: int = 1_000_000,
        name_key: str = "name",
    ) -> HistoryQuery:
        """
        Ask.

        Args:
            dataset: `channel`, `domains` or `origins`. The channel is in parts of domains.
            metrics: Measurements of the dataset, in the order of the answer; not a histogram.
            start: The first second. The period that it is in counts whole.
            end: Periods that begin from here on do not count.
            step: The length of periods in seconds.
            group_by: What series are split by: `name`, `datacenter`, `region`. There is one series if there is nothing.
            pops: The POPs that count; all if there are none.
            regions: The regions of POPs.
            default_region: The region of other POPs.
            only_regions: The regions whose POPs count; all if there are none.
            after: The dimensions of the last series of the page before.
            most: The most values in a page.
            name_key: The key of the name in `dimensions`.

        Raises:
            KeyError: Unknown dataset, measurement or `group_by`.
        """

    def add(self, parts: Sequence[_Part], names: Sequence[str]) -> None:
        """
        Add what some parts have of some names.

        Args:
            parts: Each has to be added once for a name. Periods shorter than `step` are added up.
            names: The names that count; `""` for the sum of all, and for the channel.

        Raises:
            ValueError: A part is damaged, another version wrote it, or its periods do not add up to those of `step`.
            OverflowError: The answer would not fit in memory.
        """

    @property
    def columns(self) -> list[int]:
        """The numbers of the counters that it reads: others need not be in parts."""

    @property
    def series(self) -> int:
        """Number of series so far."""

    def page(self, limit: int) -> tuple[bytes, list[str] | None]:
        """
        Encode the first series.

        Returns:
            A JSON array in UTF-8 of at most `limit` series: objects with `dimensions` and `values`. They are sorted by
            name, datacenter and region. Values have the `timestamp` at which the period begins; zeros, and periods of
            nothing but zeros, are left out. Second, if there are more series, the dimensions of the last one.

        Raises:
            OverflowError: More than `most` values.
        """

def cache_words() -> list[tuple[str, str]]:
    """
    List the cache words that are known, and whether each is `hit`, `miss`, `pass`, `synth`, `error` or `nothing`.

    Case does not matter, `*` stands for any text, and the first match wins.
    """

def check_format(name: str) -> None:
    """
    Check that a fold can read this format.

    Raises:
        ValueError: It cannot. The message says why.
    """

def columns(of: str) -> list[str]:
    """
    List the columns of a ranking of `domains` or `origins`.

    Raises:
        KeyError: Unknown dataset.
    """

def counter_rows(parts: Sequence[_Part], members: str) -> bytes:
    """
    Encode counters for a database, as newline-delimited JSON.

    Args:
        parts: Where the rows are.
        members: What every object begins with, as JSON: `"service":"shop"`.

    Returns:
        An object per name, POP and period: the members, `name`, `time` (of its first second), `pop`, `counters.id` and
        `counters.value`. The last two are lists of the same length: the numbers of the counters that are not 0, which
        never change, and their values.

    Raises:
        ValueError: A part is damaged, or another version wrote it.
    """

def detect_format(lines: bytes) -> str | None:
    """Return the format that finds the most fields in `lines`, `canonical` if several do; None if none finds any."""

def domain_names(sealed: Sequence[Sealed], most: int) -> list[str]:
    """Return the domains of some sealed seconds in alphabetical order: at most `most`, those of the first seconds."""

def envelopes(
    sections: Sequence[tuple[bytes, bytes]],
    *,
    born: int,
    attempt: int,
    partitions: int,
    max_bytes: int = ...,
) -> list[tuple[int, bytes]]:
    """
    Split partials by the partition of their services, and put them into envelopes for a cluster's log.

    A partition gets each id once: in an envelope that it may share with others, or in several, as parts that count when
    all are there. An append is complete when all envelopes are acknowledged and none is refused (see `refusal`).

    Args:
        sections: Id of 16 bytes and partial of each. An empty partial is in no envelope.
        born: The second in which they were made.
        attempt: 64 random bits, for the parts of these envelopes only.
        partitions: How many partitions the log has.
        max_bytes: Largest envelope, `MAX_ENVELOPE_BYTES` by default. One is larger only if a single row is.

    Returns:
        Partition and envelope of each, ordered by partition; empty if all partials are.

    Raises:
        ValueError: An id does not have 16 bytes, a partial is damaged, or there are no partitions.
    """

def format_fields(name: str) -> list[tuple[str, str]]:
    """
    List the fields of a format: where each is in a line, and which field of a record it fills.

    `a>b` is the key `b` of the object `a`; `a[b]` is the first value of the header `b` in `a`. The second text is empty
    for a field that only corrects other fields.

    Raises:
        ValueError: Unknown format.
    """

def formats() -> list[str]:
    """Return the names of the formats that a fold can read."""

def history_lines(parts: Sequence[_Part], *, dataset: str, service_id: str, start: int, end: int) -> bytes:
    """
    Encode rows as newline-delimited JSON.

    Args:
        parts: Where the rows are.
        dataset: `channel`, `domains` or `origins`. The channel is in parts of domains.
        service_id: The service, as every line shows it.
        start: Periods that begin earlier are left out.
        end: Periods that begin from here on are left out.

    Returns:
        An object per name, POP and period, with `service_id`, `timestamp`, `domain` or `host`, `datacenter`, and the
        measurements that can be added up and are not 0. Times of the channel are integers, `…_us`.

    Raises:
        KeyError: Unknown dataset.
        ValueError: A part is damaged, or another version wrote it.
    """

def measurements(dataset: str) -> list[tuple[str, str, str, bool]]:
    """
    List the measurements of `dataset`, sorted by name.

    Returns:
        Name, description, what its values are, and whether entries have it when it is 0, too. Values are a `counter`,
        an unsigned 64-bit integer; a `ratio` from 0 to 1; `seconds`, a number; or a `histogram`, an object from the
        upper end of a bucket to the counter of what is in it.

    Raises:
        KeyError: Unknown dataset.
    """

def merge_minutes(minutes: Sequence[bytes], *, names: int) -> bytes:
    """
    Add minutes up.

    Args:
        minutes: One or more of one service and dataset, all of the same minute.
        names: The most names. Those with the fewest requests, or responses, count under `OTHER`.

    Raises:
        ValueError: One is damaged, another version wrote it, or they are of different minutes.
    """

def names_in(parts: Sequence[_Part], after: str, most: int) -> list[str]:
    """
    Return the names behind `after` in some parts, in alphabetical order: at most `most`, never the empty one.

    Raises:
        ValueError: A part is damaged, or another version wrote it.
    """

def pack(parts: Sequence[_Part], *, step: int, names: int) -> list[tuple[str, bytes]]:
    """
    Add parts up, in any order and grouping.

    Args:
        parts: What to add up. Their periods are as long as `step`, or a whole part of it.
        step: The length of periods in seconds.
        names: The most names, without the empty one and `OTHER`. Those with the fewest requests, or responses, count
            under `OTHER`. Which these are does not depend on `step`.

    Returns:
        Each name with one chunk of all its periods, in alphabetical order.

    Raises:
        ValueError: A part is damaged, another version wrote it, or its periods do not add up to those of `step`.
    """

def pack_twice(
    parts: Sequence[_Part], *, steps: tuple[int, int], names: int
) -> tuple[list[tuple[str, bytes]], list[tuple[str, bytes]]]:
    """
    Do what `pack` does for two lengths of periods at once, which is faster than twice.

    Args:
        parts: As for `pack`.
        steps: The lengths of periods in seconds. The second is a multiple of the first.
        names: As for `pack`.

    Returns:
        What `pack` returns for the first length, and for the second.

    Raises:
        ValueError: As for `pack`, or the second length is no multiple of the first.
    """

def partition(service_id: str, partitions: int) -> int:
    """
    Return the partition of a service, from 0. It never changes.

    FNV-1a in 64 bits, mixed as MurmurHash3 does it, modulo `partitions`.

    Raises:
        ValueError: There are no partitions.
    """

def ranked_names(
    sealed: list[Sealed],
    *,
    of: str,
    by: str,
    rows: int,
    pop: str | None,
    matching: str,
    focus: str | None,
    second: int,
) -> tuple[list[str], int]:
    """
    Return which names have a row in a `ranking`, in their order, and how many others there are.

    Args:
        sealed: What is shown, and what that is compared with. Counters that `by` does not need may be missing.
        of: As for `ranking`.
        by: The same; so are all others.
        rows: The same.
        pop: The same.
        matching: The same.
        focus: The same.
        second: The same.

    Raises:
        KeyError: Unknown dataset, or unknown column.
    """

@final
class KeptSeries:
    """
    Series that are kept from one ranking to the next: of rows that it shows again, only the seconds since are added up.

    Those that no ranking shows for five seconds are forgotten. A series takes some 6 KB, that of a focus 15 KB.
    """

    def __new__(cls) -> KeptSeries:
        """Start with none."""

def ranking(
    sealed: list[Sealed],
    *,
    service_id: str,
    of: str,
    by: str,
    rows: int,
    pop: str | None,
    matching: str,
    focus: str | None,
    second: int,
    since: int,
    aggregate_delay: int,
    unit: int = 1,
    until: int | None = None,
    holes: Sequence[tuple[int, int]] = ...,
    others: int | None = None,
    kept: KeptSeries | None = None,
) -> bytes:
    """
    Rank the names of a service by what they did in the last seconds.

    A pure function: the same question has the same answer, byte for byte, whatever is `kept`.

    Args:
        sealed: The last 300 seconds of the service up to `second`, oldest first, without those that have no traffic.
        service_id: The service.
        of: `domains` or `origins`.
        by: `trouble`, or one of `columns(of)`.
        rows: The most names to show.
        pop: The only POP that counts. None: all.
        matching: Only names that contain this, in upper or lower case, are shown.
        focus: The name to show everything of.
        second: The second to show.
        since: The first second of which anything is known, as a Unix second whatever the `unit`.
        aggregate_delay: Seconds between the start of a second and its seal.
        unit: The length of a `second`: 60 for minutes, as `sealed_periods` numbers them. The answer has seconds.
        until: The Unix second behind the last of which anything is known. None: `second` is over.
        holes: Of which Unix seconds after `since` nothing is known: the first, and the one behind the last.
        others: How many names have no row. None: those of `sealed`.
        kept: Takes the series of this ranking, and has those of rankings before. One at a time may use it.

    Returns:
        A JSON object in UTF-8; the API documentation describes it.

    Raises:
        KeyError: Unknown dataset, or unknown column.
    """

def reasons() -> list[tuple[str, str]]:
    """List the code and the sentence of every reason to reject a line, in the order in which lines are checked."""

def refusal(born: int, appended: int, *, horizon: int) -> str | None:
    """
    Return why every reader refuses an envelope that was made in the second `born`; None if none does.

    What is not refused counts, or is a copy of what counts.

    - `expired`: It was appended more than `horizon` seconds after it was made. An earlier copy may have been in time.
    - `early`: It was appended more than 5 seconds before it was made: the clock of its writer is ahead.

    Args:
        born: The second in which it was made.
        appended: Its own append time in milliseconds.
        horizon: For how many seconds copies are recognised.
    """

def seal_envelope(second: int, *, writer: str, terms: bytes) -> bytes:
    """
    Return a seal for a cluster's log: every second up to `second` is final.

    Args:
        second: The second.
        writer: The node that says so, at most 255 bytes.
        terms: A digest of what decides entries, at most 255 bytes.

    Raises:
        ValueError: One of them is longer.
    """

def sealed_periods(
    domains: Sequence[_Part],
    origins: Sequence[_Part],
    *,
    service_id: str,
    start: int,
    end: int,
    step: int,
    order: tuple[str, str] | None = None,
    names: Sequence[str] | None = None,
) -> list[Sealed]:
    """
    Return what some parts have as sealed seconds, for a `ranking` of minutes, say; they have entries, too.

    Args:
        domains: Parts of domains.
        origins: Parts of origins, which have no addresses here.
        service_id: The service.
        start: Periods that begin earlier are left out, but for the one that this is in.
        end: Periods that begin from here on are left out.
        step: The length of periods in seconds.
        order: `of` and `by` of a ranking: only the counters that names are ordered by are there, for `ranked_names`.
        names: Only these names have rows; sums over all names are right all the same. None: all.

    Returns:
        A sealed second for each period that has rows, in their order. Its `second` is the begin of the period divided
        by `step`.

    Raises:
        ValueError: A part is damaged, another version wrote it, or its periods do not add up to those of `step`.
    """

def summed_chunks(rows: bytes, *, step: int) -> list[tuple[str, bytes]]:
    """
    Read what a database has made of `counter_rows`.

    Args:
        rows: In ClickHouse's `RowBinary`: name and pop as `String`, the first second of the period as `UInt32`, and two
            sums by number as `Tuple(Array(UInt16), Array(UInt64))`: of the low 32 bits of values, and of the others.
        step: The length of periods in seconds.

    Returns:
        Each name with one chunk of all its periods, in alphabetical order.

    Raises:
        ValueError: These are no such rows.
    """
