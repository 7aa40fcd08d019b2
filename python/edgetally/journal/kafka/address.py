"""Where a journal in Kafka is: `kafka://HOST:PORT[,HOST:PORT]/TOPIC`."""

import re
from typing import NamedTuple

from edgetally.errors import ConfigError

SCHEME = "kafka://"
WORDS = "kafka://HOST:PORT[,HOST:PORT]/TOPIC"

DEFAULT_PORT = 9092
MAX_PORT = 65_535

HOST = r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?"
TOPIC = r"[A-Za-z0-9._-]{1,249}"
"""What Kafka allows."""


class KafkaAddress(NamedTuple):
    """The brokers to ask first, and the topic."""

    brokers: str
    """As in `bootstrap.servers`."""
    topic: str

    def __str__(self) -> str:
        """Return the address as it is written in settings."""
        return f"{SCHEME}{self.brokers}/{self.topic}"


def is_kafka(text: str) -> bool:
    """Whether `text` is meant to be such an address."""
    return text.startswith(SCHEME)


def parse(text: str) -> KafkaAddress:
    """Read an address; raise ConfigError when it is something else. No password in it is shown."""
    where = "journal.kind"
    if "@" in text:
        raise ConfigError(
            where, "expected no user in the address: sasl.username and sasl.password are in [journal.kafka]"
        )
    brokers, slash, topic = text.removeprefix(SCHEME).partition("/")
    if not is_kafka(text) or not slash:
        raise ConfigError(where, f"expected {WORDS}, got {text[:60]!r}")
    if not re.fullmatch(TOPIC, topic) or topic in (".", ".."):
        raise ConfigError(where, f"expected a topic of letters, digits, '.', '_' and '-', got {topic[:60]!r}")
    found = [_broker(one) for one in brokers.split(",")]
    return KafkaAddress(",".join(found), topic)


def _broker(text: str) -> str:
    match = re.fullmatch(HOST, text)
    if not match or int(match[2] or DEFAULT_PORT) > MAX_PORT:
        raise ConfigError("journal.kind", f"expected a broker as HOST:PORT, got {text[:60]!r}")
    return f"{match[1]}:{match[2] or DEFAULT_PORT}"
