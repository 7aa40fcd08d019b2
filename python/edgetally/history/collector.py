"""The metrics of the history."""

from collections.abc import Iterator, Mapping, Sequence

from edgetally.history.recorder import Recorder
from edgetally.telemetry import metrics
from edgetally.telemetry.histogram import Histogram
from edgetally.telemetry.prometheus import Family


class HistoryCollector:
    """The metrics of the history, which are all 0 if there is none."""

    def __init__(self, recorders: Sequence[Recorder]) -> None:
        """In a cluster, each partition has a recorder."""
        self._recorders = recorders

    @property
    def limits_reached(self) -> Mapping[str, int]:
        """How often, by setting."""
        return {"history.max_bytes": sum(one.removed_early for one in self._recorders)}

    def collect(self) -> Iterator[Family]:
        """Yield the metrics."""
        all_of = self._recorders
        commit_time = Histogram()
        for one in all_of:
            commit_time.add(one.commit_time)
        yield metrics.HISTORY_FAILING.sample(int(any(one.failing is not None for one in all_of)))
        yield metrics.HISTORY_COMMITS.sample(sum(one.commits for one in all_of))
        yield metrics.HISTORY_COMMIT_FAILURES.sample(sum(one.failures for one in all_of))
        yield metrics.HISTORY_COMMIT_DURATION.sample(commit_time)
        yield metrics.HISTORY_LEFT_OUT.sample(sum(one.left_out for one in all_of))
        yield metrics.HISTORY_OVERFLOWED.sample(sum(one.overflowed for one in all_of))
        yield metrics.HISTORY_SIZE.sample(sum(one.size for one in all_of))
        yield metrics.LAST_RECORDED.sample(max(min((one.needed_from for one in all_of), default=0) - 1, 0))
