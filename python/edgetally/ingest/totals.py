"""What became of all lines since the start of the process."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from edgetally.model import OTHER, Report, reasons
from edgetally.telemetry import metrics
from edgetally.telemetry.prometheus import Family

MAX_UNKNOWN_WORDS = 100
"""How many unknown cache words are counted apart. The others are OTHER."""


class SourceTotals:
    """The totals of one source."""

    def __init__(self) -> None:
        self.size = 0
        """Bytes received, decompressed."""
        self.accepted = 0
        self.rejected = 0


class Totals:
    """Counts lines, and the bytes that sources bring."""

    def __init__(self) -> None:
        self.accepted = 0
        self.rejected: Counter[str] = Counter()
        """Rejected lines by reason."""
        self.without_time = 0
        """Accepted lines that say no time."""
        self.unknown_cache_words: Counter[str] = Counter()
        """Accepted lines by their cache word, if it is in no table. They count neither as hit nor as miss."""
        self.sources: defaultdict[str, SourceTotals] = defaultdict(SourceTotals)
        """By the name under which a source is counted."""

    def collect(self) -> Iterator[Family]:
        """Yield the metrics."""
        sources = self.sources.items()
        yield metrics.SOURCE_BYTES.samples({(name,): one.size for name, one in sources})
        yield metrics.SOURCE_ACCEPTED.samples({(name,): one.accepted for name, one in sources})
        yield metrics.SOURCE_REJECTED.samples({(name,): one.rejected for name, one in sources})
        yield metrics.ACCEPTED.sample(self.accepted)
        yield metrics.REJECTED.samples({(reason,): self.rejected[reason] for reason, _ in reasons()})
        yield metrics.WITHOUT_TIME.sample(self.without_time)
        yield metrics.UNKNOWN_CACHE_WORDS.samples({(word,): n for word, n in self.unknown_cache_words.items()})

    def count(self, report: Report, counted_as: str) -> None:
        """Add a report of the source that is counted under this name."""
        rejected = report.rejected.total()
        self.accepted += report.accepted
        self.rejected.update(report.rejected)
        self.without_time += report.without_time
        for word, count in report.unknown_cache_words.items():
            is_apart = word in self.unknown_cache_words or len(self.unknown_cache_words) < MAX_UNKNOWN_WORDS
            self.unknown_cache_words[word if is_apart else OTHER] += count
        source = self.sources[counted_as]
        source.accepted += report.accepted
        source.rejected += rejected
