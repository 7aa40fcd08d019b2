"""
The properties of the clients, by the names of librdkafka.

Some are ours, because the journal counts exactly only with them. All others can be set in `[journal.kafka]`.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from edgetally.errors import ConfigError, reason
from edgetally.journal.kafka.address import KafkaAddress
from edgetally.small_file import read_file

SECTION = "journal.kafka"

Properties = Mapping[str, str]
"""By their names in librdkafka."""

SECRETS = frozenset(
    ("sasl.password", "ssl.key.password", "ssl.keystore.password", "ssl.key.pem", "sasl.oauthbearer.client.secret")
)
"""Never shown. With `.file` behind the name the secret is in that file, with `.env` in that environment variable."""

BOTH = MappingProxyType(
    {
        # A second outage would follow each outage: librdkafka waits up to 10 seconds by default.
        "reconnect.backoff.ms": "50",
        "reconnect.backoff.max.ms": "500",
        "socket.connection.setup.timeout.ms": "3000",
        "topic.metadata.refresh.interval.ms": "30000",
        # Errors come as callbacks. What librdkafka prints by itself would not be in the format of the log.
        "log_level": "0",
    }
)

PRODUCER = MappingProxyType(
    {
        "acks": "all",
        "enable.idempotence": "true",
        # Without end: after a timeout librdkafka sends again what the log may have already.
        "delivery.timeout.ms": "0",
        "linger.ms": "0",
        "message.max.bytes": "1000000",
        "request.timeout.ms": "5000",
        "retry.backoff.ms": "50",
        "retry.backoff.max.ms": "500",
        # Without end: `journal.max_pending` decides before an append is handed over, and then all of it fits.
        "queue.buffering.max.kbytes": "2147483647",
        "queue.buffering.max.messages": "0",
    }
)

CONSUMER = MappingProxyType(
    {
        "group.id": "edgetally",  # demanded, though no group is joined
        "enable.auto.commit": "false",
        "enable.auto.offset.store": "false",
        # Facts that are missing have to be noticed.
        "auto.offset.reset": "error",
        # There are no transactions, so this never waits for one.
        "isolation.level": "read_uncommitted",
        "fetch.wait.max.ms": "100",
        "fetch.queue.backoff.ms": "10",
        "queued.max.messages.kbytes": "32768",
        "check.crcs": "true",
    }
)

DEFAULTS = MappingProxyType({"compression.type": "zstd", "client.id": f"edgetally-{os.uname().nodename}"})
"""What `[journal.kafka]` may change."""

OURS = MappingProxyType(
    {
        **dict.fromkeys((*BOTH, *PRODUCER, *CONSUMER), "edgetally needs its own value: remove it"),
        **dict.fromkeys(("bootstrap.servers", "metadata.broker.list"), "the address names the brokers: remove it"),
        **dict.fromkeys(
            ("queue.buffering.max.kbytes", "queue.buffering.max.messages"), "set journal.max_pending instead"
        ),
        **dict.fromkeys(
            ("request.required.acks", "message.timeout.ms", "queue.buffering.max.ms", "transactional.id"),
            "edgetally needs its own value: remove it",
        ),
        **dict.fromkeys(("debug", "statistics.interval.ms"), "its output goes nowhere: remove it"),
    }
)
"""Properties that `[journal.kafka]` may not have, and what to do instead."""


NAME = r"[a-z0-9_]+(\.[a-z0-9_]+)*"


def is_property(name: str) -> bool:
    """Whether `name` may be that of a property. Only librdkafka knows whether there is one."""
    return re.fullmatch(NAME, name) is not None


def check_names(given: Properties) -> Iterator[tuple[str, str]]:
    """Yield each property that is not for the settings to choose, and the problem."""
    for name in given:
        if problem := OURS.get(name):
            yield name, problem


class ClientProperties:
    """What the clients of one journal are made with."""

    def __init__(
        self,
        address: KafkaAddress,
        given: Properties,
        *,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        """Read secrets from where they are; raise ConfigError when one is missing, or a property is not allowed."""
        problems = [ConfigError(f"{SECTION}.{name}", problem) for name, problem in check_names(given)]
        if problems:
            raise ConfigError.joined(problems)
        self.address = address
        self._given = {**DEFAULTS, **dict(_resolved(given, environment))}

    @property
    def producer(self) -> dict[str, str]:
        """Of a producer."""
        return {**self._all(without=("check.crcs",)), **PRODUCER}

    @property
    def consumer(self) -> dict[str, str]:
        """Of a consumer."""
        return {**self._all(without=("compression.type",)), **CONSUMER}

    @property
    def admin(self) -> dict[str, str]:
        """Of a client that asks for settings."""
        return self._all(without=("compression.type",))

    def redact(self, text: str) -> str:
        """Return a message of librdkafka without the secrets that it may repeat."""
        for name, value in self._given.items():
            if name in SECRETS and value:
                text = text.replace(value, "***")
        return text

    def _all(self, without: tuple[str, ...]) -> dict[str, str]:
        given = {name: value for name, value in self._given.items() if name not in without}
        return {**given, **BOTH, "bootstrap.servers": self.address.brokers}


def _resolved(given: Properties, environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in given.items():
        stem, _, where = name.rpartition(".")
        if stem not in SECRETS or where not in ("file", "env"):
            yield name, value
        elif where == "env":
            if value not in environment:
                raise ConfigError(f"{SECTION}.{name}", f"there is no environment variable {value[:60]!r}")
            yield stem, environment[value]
        else:
            yield stem, _secret(name, Path(value))


def _secret(name: str, path: Path) -> str:
    try:
        return read_file(path).decode().rstrip("\r\n")
    except OSError as error:
        raise ConfigError(f"{SECTION}.{name}", f"cannot read {path}: {reason(error)}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{SECTION}.{name}", f"expected text in {path}, got other bytes") from error
