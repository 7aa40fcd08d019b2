"""The extra of a journal in Kafka. Modules that import `confluent_kafka` are imported after `require()`."""

from importlib.util import find_spec

from edgetally.errors import ConfigError


def require() -> None:
    """Raise ConfigError unless the extra is installed."""
    if find_spec("confluent_kafka") is None:
        raise ConfigError("journal.kind", "a journal in Kafka needs an extra: pip install 'edgetally[kafka]'")
