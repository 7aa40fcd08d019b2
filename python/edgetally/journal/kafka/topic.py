"""The topic: its settings, created by a command and checked at every start."""

import time
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    ClusterMetadata,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from edgetally.errors import ConfigError, EdgetallyError, Unavailable
from edgetally.journal.kafka.clients import connection_problem, new_admin
from edgetally.journal.kafka.properties import PRODUCER, ClientProperties

SETTINGS = MappingProxyType(
    {
        "cleanup.policy": "delete",
        # Readers agree on which copies count, and when seconds are sealed, by the brokers' own time.
        "message.timestamp.type": "LogAppendTime",
        "min.insync.replicas": "2",
        "unclean.leader.election.enable": "false",
        "retention.ms": "3600000",
        # Only closed segments are removed.
        "segment.ms": "300000",
        "segment.bytes": "268435456",
        "compression.type": "producer",
    }
)
"""Of a new topic with three replicas."""

SAFE_REPLICAS = 3
"""One may be restarted while another one fails."""

MARGIN_SECONDS = 60
"""What a topic has to keep beside what a reader needs at its start: brokers remove segments early by as much."""

BUSY_BYTES = 1_000_000
"""What a partition may get in a second when there is much to do."""

MESSAGE_BYTES = int(PRODUCER["message.max.bytes"])
"""The largest record that is appended."""

ASK_SECONDS = 0.5
"""How long one question waits for brokers, before errors of their connections are looked at."""


class Topic(NamedTuple):
    """What the brokers say of a topic."""

    partitions: int
    replicas: int
    """Of the partition that has the fewest."""
    settings: Mapping[str, str]
    """Empty if this user may not see them."""

    @property
    def limits_bytes(self) -> bool:
        """Whether messages are removed when there are too many, however old they are."""
        return int(self.settings.get("retention.bytes", -1)) >= 0

    def problems(self, *, partitions: int, needed: int) -> Iterator[str]:
        """Yield why a journal of this many partitions, of which readers need the last seconds, cannot be here."""
        if self.partitions != partitions:
            yield (
                f"expected {partitions} partitions (journal.partitions), got {self.partitions}: a journal keeps its "
                "number; for another one, create a new topic"
            )
        if (kind := self.settings.get("message.timestamp.type", "LogAppendTime")) != "LogAppendTime":
            yield f"expected message.timestamp.type=LogAppendTime, got {kind}: create a new topic"
        if (policy := self.settings.get("cleanup.policy", "delete")) != "delete":
            yield f"expected cleanup.policy=delete, got {policy}: create a new topic"
        if int(self.settings.get("max.message.bytes", MESSAGE_BYTES)) < MESSAGE_BYTES:
            yield f"expected max.message.bytes of at least {MESSAGE_BYTES}: raise it"
        least = (needed + MARGIN_SECONDS) * 1000
        if 0 <= (kept := int(self.settings.get("retention.ms", -1))) < least:
            yield f"expected retention.ms of at least {least}, got {kept}: raise it, or lower journal.horizon"

    def warnings(self, *, needed: int) -> Iterator[str]:
        """Yield what works, and is probably not meant, for readers that need the last seconds."""
        if not self.settings:
            yield "this user may not see the settings of the topic: allow DescribeConfigs to have them checked"
            return
        if self.replicas < SAFE_REPLICAS:
            yield f"{self.replicas} replicas: three survive the loss of a broker"
        if self.replicas > 1 and self.settings.get("min.insync.replicas") == "1":
            yield "min.insync.replicas=1: what one broker has acknowledged is lost with it; set 2"
        if SAFE_REPLICAS <= self.replicas <= (in_sync := int(self.settings.get("min.insync.replicas", 1))):
            yield f"min.insync.replicas={in_sync} of {self.replicas}: nothing is appended while a broker is away; set 2"
        if 0 <= (size := int(self.settings.get("retention.bytes", -1))) < needed * BUSY_BYTES:
            yield (
                f"retention.bytes={size}: beyond {size // needed} bytes a second and partition, it removes what "
                f"readers need of the last {needed} seconds; set -1, and limit retention.ms"
            )
        if self.replicas == 1 and int(self.settings.get("flush.messages", 1)) > 1:
            yield "one replica without flush.messages=1: a power cut loses what was acknowledged"
        if self.settings.get("unclean.leader.election.enable") == "true":
            yield "unclean.leader.election.enable=true: a broker that comes back may remove what was acknowledged"


class TopicAdmin:
    """Asks brokers for a topic, and creates it."""

    def __init__(self, properties: ClientProperties) -> None:
        """Raise ConfigError when a property is invalid."""
        self._properties = properties
        self._address = properties.address
        self._known: str | None = None
        """The topic, once it was found."""
        self._errors: list[KafkaError] = []
        self._client = new_admin(properties, self._errors.append)

    def find(self, seconds: float) -> Topic:
        """
        Return what there is of the topic.

        Raises ConfigError when there is no topic, or brokers refuse this client; Unavailable when no broker answers.
        """
        name = self._address.topic
        # Asking for all topics never creates one. Once it is known to be there, asking for it alone is cheaper.
        found = self._ask(seconds, self._known).topics.get(name)
        if found is None:
            # A topic that this user may not see is missing in the list of all; asking for it by name tells why.
            found = self._ask(seconds, name).topics[name]
        code = found.error.code() if found.error else KafkaError.NO_ERROR
        if code == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            raise ConfigError(
                "journal.kind", f"this user may not use topic {name}: allow Describe and Write, and Read for readers"
            )
        if code == KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise ConfigError("journal.kind", f"there is no topic {name}: edgetally journal create {self._address}")
        if found.error or not found.partitions:
            raise Unavailable(f"topic {name} is not ready: {found.error}")
        self._known = name
        replicas = min(len(one.replicas) for one in found.partitions.values())
        return Topic(len(found.partitions), replicas, self._settings(seconds))

    def create(self, *, partitions: int, replicas: int, seconds: float, extra: Mapping[str, str] | None = None) -> None:
        """Create the topic; raise as `find` does."""
        self._ask(seconds)
        settings = {**SETTINGS, "min.insync.replicas": str(min(2, replicas)), **(extra or {})}
        if replicas == 1:
            # The only copy of what was acknowledged.
            settings.setdefault("flush.messages", "1")
        new = NewTopic(self._address.topic, num_partitions=partitions, replication_factor=replicas, config=settings)
        (future,) = self._client.create_topics([new], operation_timeout=seconds, request_timeout=seconds).values()
        try:
            future.result()
        except KafkaException as error:
            raise self._refused(error.args[0]) from error
        # Brokers learn of it one after the other.
        for _ in range(int(seconds / ASK_SECONDS)):
            found = self._ask(seconds).topics.get(self._address.topic)
            if (
                found
                and len(found.partitions) == partitions
                and all(one.leader >= 0 for one in found.partitions.values())
            ):
                return
            time.sleep(ASK_SECONDS / 10)

    def _ask(self, seconds: float, topic: str | None = None) -> ClusterMetadata:
        """Return what a broker knows of a topic, or of all; raise Unavailable when none answers."""
        waited = 0.0
        self._errors.clear()
        while True:
            try:
                return self._client.list_topics(topic, timeout=ASK_SECONDS)
            except KafkaException as error:
                waited += ASK_SECONDS
                self._client.poll(0)
                for one in self._errors:
                    if problem := connection_problem(one, self._properties):
                        raise problem from error
                if waited >= seconds:
                    raise Unavailable(
                        f"no broker of {self._address.brokers} can be reached: {self._last_error(error)}"
                    ) from error

    def _last_error(self, error: KafkaException) -> str:
        found = self._errors[-1] if self._errors else error.args[0]
        return self._properties.redact(found.str())

    def _settings(self, seconds: float) -> Mapping[str, str]:
        resource = ConfigResource(ResourceType.TOPIC, self._address.topic)
        (future,) = self._client.describe_configs([resource], request_timeout=seconds).values()
        try:
            return {name: entry.value for name, entry in future.result().items()}
        except KafkaException as error:
            if error.args[0].code() in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED):
                return {}
            raise Unavailable(f"the settings of the topic cannot be read: {error.args[0].str()}") from error

    def _refused(self, error: KafkaError) -> EdgetallyError:
        name = self._address.topic
        problems = {
            KafkaError.TOPIC_ALREADY_EXISTS: f"topic {name} exists already: `edgetally journal check` looks at it",
            KafkaError.TOPIC_AUTHORIZATION_FAILED: f"this user may not create topic {name}: allow Create",
            KafkaError.CLUSTER_AUTHORIZATION_FAILED: f"this user may not create topic {name}: allow Create",
            KafkaError.INVALID_REPLICATION_FACTOR: "expected at most as many replicas as there are brokers",
        }
        if problem := problems.get(error.code()):
            return ConfigError("journal.kind", problem)
        return Unavailable(f"topic {name} cannot be created: {error.str()}")
