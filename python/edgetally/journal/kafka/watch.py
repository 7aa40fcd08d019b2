"""The watch: a thread that asks the brokers for the topic, at the start and from then on."""

import threading
from collections.abc import Callable

from edgetally.errors import ConfigError, EdgetallyError
from edgetally.journal.kafka.properties import ClientProperties
from edgetally.journal.kafka.topic import TopicAdmin

START_SECONDS = 2.0
"""How long the start waits for brokers. Without them the process starts all the same, and is not ready."""

EVERY_SECONDS = 5.0
RETRY_SECONDS = 1.0
ANSWER_SECONDS = 2.0


class TopicWatch:
    """Knows whether the topic can be used."""

    def __init__(self, properties: ClientProperties, *, partitions: int, needed: int) -> None:
        """Look at the topic; raise ConfigError when it is wrong. `needed`: seconds of log that a reader needs."""
        self._admin = TopicAdmin(properties)
        self._partitions = partitions
        self._needed = needed
        self.problem: str | None = None
        """Why the topic cannot be used now."""
        self.usable = threading.Event()
        """Set once the topic was as it should be. Before that, nothing is read."""
        self.limits_bytes = False
        """Whether the topic has only so many bytes: then messages are removed that may be a moment old."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kafka-watch", daemon=True)
        self._looked: Callable[[], object] = lambda: None
        self._look(START_SECONDS)

    def start(self, looked: Callable[[], object]) -> None:
        """Go on looking, and call `looked` in the thread each time."""
        self._looked = looked
        self._thread.start()

    def close(self) -> None:
        """Stop looking. The thread ends soon."""
        self._stop.set()
        self.usable.set()

    @property
    def closed(self) -> bool:
        """Whether it was stopped."""
        return self._stop.is_set()

    def _run(self) -> None:
        while not self._stop.wait(RETRY_SECONDS if self.problem else EVERY_SECONDS):
            try:
                self._look(ANSWER_SECONDS)
            except ConfigError as error:
                # It was right at the start, or there was no broker: the other parts refuse what they are given.
                self.problem = error.problem
            self._looked()

    def _look(self, seconds: float) -> None:
        try:
            topic = self._admin.find(seconds)
        except ConfigError:
            raise
        except EdgetallyError as error:
            self.problem = str(error)
            return
        if problems := [*topic.problems(partitions=self._partitions, needed=self._needed)]:
            raise ConfigError.joined(ConfigError("journal.kind", one) for one in problems)
        self.limits_bytes = topic.limits_bytes
        self.problem = None
        self.usable.set()
