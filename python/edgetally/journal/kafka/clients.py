"""The clients of librdkafka, made from the properties of a journal."""

from collections.abc import Callable
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from edgetally.errors import ConfigError
from edgetally.journal.kafka.properties import SECTION, ClientProperties

C = TypeVar("C")


class Silent:
    """In place of a logger. What librdkafka logs comes as an error, too, and has not the format of our log."""

    def log(self, *_: object) -> None:
        """Drop a line."""


def new_producer(properties: ClientProperties, failed: Callable[[KafkaError], object]) -> Producer:
    """Make a producer, which calls `failed` when it is polled; raise ConfigError when a property is invalid."""
    return _new(Producer, properties, properties.producer, failed)


def new_consumer(properties: ClientProperties) -> Consumer:
    """Make a consumer; raise ConfigError when a property is invalid."""
    return _new(Consumer, properties, properties.consumer, lambda _: None)


def new_admin(properties: ClientProperties, failed: Callable[[KafkaError], object]) -> AdminClient:
    """Make a client that asks for settings and sets them; raise ConfigError when a property is invalid."""
    return _new(AdminClient, properties, properties.admin, failed)


def _new(
    kind: Callable[..., C], properties: ClientProperties, those: dict[str, str], failed: Callable[[KafkaError], object]
) -> C:
    try:
        return kind(dict[str, Any](those, error_cb=failed, logger=Silent()))
    except KafkaException as error:
        raise ConfigError(SECTION, properties.redact(error.args[0].str())) from error


def connection_problem(error: KafkaError, properties: ClientProperties) -> ConfigError | None:
    """Say what is wrong with the settings if a connection fails because of them; None if it may work later."""
    text = properties.redact(error.str())
    if error.code() in (KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED):  # noqa: SLF001 - their name
        return ConfigError(f"{SECTION}.sasl.username", f"the brokers refuse it with this sasl.password: {text}")
    if error.code() == KafkaError._SSL:  # noqa: SLF001 - the same
        return ConfigError(
            f"{SECTION}.ssl.ca.location", f"expected the CA that has signed the brokers' certificates: {text}"
        )
    return None
