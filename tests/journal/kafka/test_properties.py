"""The properties of the clients."""

from pathlib import Path

import pytest

from edgetally.errors import ConfigError
from edgetally.journal.kafka.address import parse
from edgetally.journal.kafka.properties import CONSUMER, PRODUCER, ClientProperties

ADDRESS = parse("kafka://one/t")


def test_properties_are_handed_through() -> None:
    made = ClientProperties(ADDRESS, {"security.protocol": "SSL", "compression.type": "gzip"})

    assert (
        made.producer["security.protocol"]
        == made.consumer["security.protocol"]
        == made.admin["security.protocol"]
        == "SSL"
    )
    assert made.producer["compression.type"] == "gzip"
    assert made.producer.items() >= PRODUCER.items()
    assert made.consumer.items() >= CONSUMER.items()


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("acks", "edgetally needs its own value: remove it"),
        ("bootstrap.servers", "the address names the brokers: remove it"),
        ("queue.buffering.max.kbytes", "set journal.max_pending instead"),
    ],
)
def test_properties_that_exactness_needs_cannot_be_set(name: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=f"journal.kafka.{name}: {problem}"):
        ClientProperties(ADDRESS, {name: "1"})


def test_secrets_are_read_from_files_and_the_environment(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter2\n")
    given = {"sasl.password.file": str(tmp_path / "password"), "ssl.key.password.env": "KEY"}
    made = ClientProperties(ADDRESS, given, environment={"KEY": "hunter3"})

    assert (made.producer["sasl.password"], made.consumer["ssl.key.password"]) == ("hunter2", "hunter3")
    assert not made.producer.keys() & given.keys()
    assert made.redact("hunter2 and hunter3 are wrong") == "*** and *** are wrong"


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"sasl.password.env": "NONE"}, "journal.kafka.sasl.password.env: there is no environment variable 'NONE'"),
        ({"sasl.password.file": "/nowhere"}, "journal.kafka.sasl.password.file: cannot read /nowhere: No such file"),
    ],
)
def test_a_secret_that_is_missing_is_named(given: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        ClientProperties(ADDRESS, given, environment={})
