"""The history of one server: what records it, and what reads it."""

from edgetally import _core
from edgetally.clock import Clock
from edgetally.config.sections import Config
from edgetally.errors import ConfigError
from edgetally.history.lock import HistoryLock
from edgetally.history.no_history import NoHistory
from edgetally.history.reading import HistoryReaders
from edgetally.history.recorder import Recorder
from edgetally.history.retention import KeepLimits
from edgetally.history.store import HistoryFile
from edgetally.journal.base import Journal, Partial, Partition, Seal
from edgetally.window.shelving import SealedSeconds

LATEST = (1 << 62) - 1
"""A second behind all others."""


class ServerHistory(NoHistory):
    """Minutes, hours and days in the data directory."""

    def __init__(self, config: Config, journal: Journal, clock: Clock) -> None:
        """Open the file, or create it; raise ConfigError when it cannot be used, or another server records into it."""
        self._limits = config.window.limits
        self._file = open_file(config)
        try:
            self._lock = HistoryLock(config.journal.directory)
        except ConfigError:
            self._file.close()
            raise
        self.recorder = Recorder(self._file, journal.id, clock, config.history)
        """Takes sealed seconds."""
        self.recorders = (self.recorder,)
        self.reader: HistoryReaders = HistoryReaders(self._file.path, self.recorder)

    def record(self, seconds: SealedSeconds) -> None:
        """Take what all partitions have sealed."""
        self.recorder.record(seconds)

    async def rescue(self, partition: Partition) -> None:
        """Record what a journal has that is about to begin anew. Afterwards, the journal may forget it."""
        last = partition.newest_seal
        assert last
        window = _core.Window(**self._limits._asdict())
        async for fact in partition.read():
            if isinstance(fact, Partial):
                window.merge(fact.partial)
            elif isinstance(fact, Seal):
                sealed = window.seal(fact.second)
                self.recorder.record(SealedSeconds(fact.second, sealed, partition.complete_after, is_new=False))
            if fact.position >= last.position:
                break
        # What was open has no seal, and the journal forgets it with the others.
        if left := window.seal(LATEST):
            newest = max(one.second for one in left)
            self.recorder.record(SealedSeconds(newest, left, partition.complete_after, is_new=False))
        await self.recorder.finish()

    def start_over(self, journal: str) -> None:
        """Take what comes from here on as that of a journal that begins anew, with this id."""
        self.recorder.start_over(journal)

    @property
    def needed_from(self) -> float:
        """The first second whose facts the next process would need."""
        return self.recorder.needed_from

    def close(self) -> None:
        """Commit what there is, and release the file. This takes as long as a commit."""
        self.recorder.close()
        self.reader.close()
        self._file.close()
        self._lock.close()


def has_history(config: Config) -> bool:
    """Whether these settings keep a history: seconds are shown, there is a directory for it, and a tier is kept."""
    has_directory = config.journal.kind != "memory" or bool(config.journal.data_dir)
    return config.node.reads and has_directory and config.history.is_kept


def open_file(config: Config) -> HistoryFile:
    """Open the file of these settings for writing; raise ConfigError when it cannot be used."""
    kept = config.history
    days = {"minute": kept.minute_days, "hour": kept.hour_days, "day": kept.day_days}
    return HistoryFile(config.journal.directory, KeepLimits(days, kept.max_bytes), names=kept.max_names)
