"""The address of a journal in Kafka."""

import pytest

from edgetally.errors import ConfigError
from edgetally.journal.kafka.address import KafkaAddress, parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kafka://one:1234/edgetally", KafkaAddress("one:1234", "edgetally")),
        ("kafka://one,two.example:9094/a.b_c-1", KafkaAddress("one:9092,two.example:9094", "a.b_c-1")),
        ("kafka://[::1]:9093,[fe80::1]/t", KafkaAddress("[::1]:9093,[fe80::1]:9092", "t")),
    ],
)
def test_an_address_names_brokers_and_a_topic(text: str, expected: KafkaAddress) -> None:
    assert parse(text) == expected
    assert parse(str(expected)) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("kafka://one:1234", r"expected kafka://HOST:PORT\[,HOST:PORT\]/TOPIC, got 'kafka://one:1234'"),
        ("http://one/t", r"expected kafka://HOST:PORT\[,HOST:PORT\]/TOPIC, got 'http://one/t'"),
        ("kafka:///t", "expected a broker as HOST:PORT, got ''"),
        ("kafka://one:99999/t", "expected a broker as HOST:PORT, got 'one:99999'"),
        ("kafka://one,/t", "expected a broker as HOST:PORT, got ''"),
        ("kafka://one/", "expected a topic of letters, digits, '.', '_' and '-', got ''"),
        ("kafka://one/a/b", "expected a topic of letters, digits, '.', '_' and '-', got 'a/b'"),
        ("kafka://one/..", "expected a topic of letters, digits, '.', '_' and '-', got '..'"),
    ],
)
def test_a_wrong_address_is_named(text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=f"journal.kind: {problem}"):
        parse(text)


def test_a_password_in_an_address_is_an_error_that_does_not_show_it() -> None:
    with pytest.raises(ConfigError, match="expected no user in the address") as caught:
        parse("kafka://me:hunter2@one/t")
    assert "hunter2" not in str(caught.value)
