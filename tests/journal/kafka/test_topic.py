"""The topic, at a real broker."""

import asyncio
import re
from types import SimpleNamespace

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import ClusterMetadata

from edgetally import _core
from edgetally.cli.main import main
from edgetally.clock import SystemClock
from edgetally.config.validation import check
from edgetally.errors import ConfigError, Unavailable
from edgetally.journal.kafka.address import parse
from edgetally.journal.kafka.properties import ClientProperties
from edgetally.journal.kafka.tail import read_tails
from edgetally.journal.kafka.topic import SETTINGS, Topic, TopicAdmin
from edgetally.service.cluster import terms_of
from tests.support.cluster import create, open_journal
from tests.support.kafka import DEADLINE, Brokers, needs_kafka
from tests.support.nodes import partial_of, reading

pytestmark = needs_kafka()

NEEDED = 1000
"""Seconds of log that a reader needs."""


def admin(url: str, **given: str) -> TopicAdmin:
    return TopicAdmin(ClientProperties(parse(url), {name.replace("_", "."): one for name, one in given.items()}))


def problems(url: str, **settings: str) -> list[str]:
    """Return what is wrong with a topic that has these settings."""
    extra = {name.replace("_", "."): one for name, one in settings.items()}
    admin(url).create(partitions=3, replicas=1, seconds=DEADLINE, extra=extra)
    return list(admin(url).find(DEADLINE).problems(partitions=3, needed=NEEDED))


def test_a_topic_is_created_with_what_a_journal_needs(one_broker: Brokers, capsys: pytest.CaptureFixture[str]) -> None:
    url = one_broker.url()

    assert main(["journal", "create", url, "--partitions", "5", "--replicas", "1"]) == 0
    assert capsys.readouterr().out == f"created topic {parse(url).topic}: 5 partitions, 1 replicas\n"
    found = admin(url).find(DEADLINE)
    assert (found.partitions, found.replicas) == (5, 1)
    assert found.settings.items() >= {**SETTINGS, "min.insync.replicas": "1", "flush.messages": "1"}.items()

    assert main(["journal", "check", url, "--partitions", "5"]) == 0
    assert "partition 4: empty\n" in capsys.readouterr().out
    assert main(["journal", "check", url]) == 2
    assert main(["journal", "create", url]) == 2
    shown = capsys.readouterr()
    assert "expected 12 partitions (journal.partitions), got 5" in shown.err
    assert "exists already" in shown.err


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({}, ""),
        ({"message_timestamp_type": "CreateTime"}, "expected message.timestamp.type=LogAppendTime, got CreateTime"),
        ({"cleanup_policy": "compact"}, "expected cleanup.policy=delete, got compact"),
        ({"retention_ms": "600000"}, "expected retention.ms of at least 1060000, got 600000"),
        ({"max_message_bytes": "500000"}, "expected max.message.bytes of at least 1000000"),
    ],
)
def test_a_topic_that_would_lose_counts_is_refused(one_broker: Brokers, settings: dict[str, str], problem: str) -> None:
    found = problems(one_broker.url(), **settings)
    assert [one.partition(":")[0] for one in found] == [problem] * bool(problem)


def test_brokers_that_go_away_while_a_topic_is_looked_for_are_no_bug(
    one_broker: Brokers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watch asks again after an Unavailable, and ends with any other error."""
    asking = admin(one_broker.url())
    asked: list[str | None] = []
    there = asking._client.list_topics  # noqa: SLF001 - brokers that go away between two questions

    def list_topics(topic: str | None = None, **_: float) -> ClusterMetadata:
        asked.append(topic)
        if topic is None:
            return there(timeout=DEADLINE)
        raise KafkaException(KafkaError(KafkaError._TRANSPORT))  # noqa: SLF001 - its name

    monkeypatch.setattr(asking, "_client", SimpleNamespace(list_topics=list_topics, poll=lambda _: 0))
    with pytest.raises(Unavailable, match=r"no broker of .* can be reached"):
        asking.find(0.5)
    assert asked[0] is None
    assert asked[-1]


async def test_a_check_shows_who_seals(one_broker: Brokers, capsys: pytest.CaptureFixture[str]) -> None:
    url = create(one_broker.url())
    command = ["journal", "check", url, "--partitions", "1"]
    async with reading(open_journal(url, terms=terms_of(check({"journal": {"partitions": 1}})))) as node:
        await node.shows(lambda: node.newest)
        assert await asyncio.to_thread(main, command) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("ok\n")
    assert re.search(rf"UTC by {node.journal.node}, \d+\.\d s ago\n", shown.out)
    assert "warning: 1 replicas: three survive the loss of a broker" in shown.err


async def test_a_check_with_other_settings_than_the_nodes_fails(
    one_broker: Brokers, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = create(one_broker.url())
    command = ["journal", "check", url, "--partitions", "1"]
    async with reading(open_journal(url)) as node:
        await node.shows(lambda: node.newest)
        assert await asyncio.to_thread(main, command) == 2
    shown = capsys.readouterr()
    assert "ok" not in shown.out
    assert "s ago; its settings differ from these\n" in shown.out
    assert f"edgetally: --journal: expected the settings of node {node.journal.node}, " in shown.err

    # As after all nodes have stopped, to change a setting.
    monkeypatch.setattr("edgetally.journal.kafka.tail.FOREIGN_SECONDS", 0.0)
    assert await asyncio.to_thread(main, command) == 0
    assert "s ago; its settings differ from these\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("replicas", "settings", "warned"),
    [
        (3, {"min.insync.replicas": "2"}, []),
        (3, {"min.insync.replicas": "3"}, ["min.insync.replicas=3 of 3"]),
        (3, {"min.insync.replicas": "1"}, ["min.insync.replicas=1"]),
        (2, {"min.insync.replicas": "2"}, ["2 replicas"]),
        (3, {"retention.bytes": "-1"}, []),
        (3, {"retention.bytes": "1000000000"}, []),
        (3, {"retention.bytes": "10000000"}, ["retention.bytes=10000000"]),
    ],
)
def test_settings_that_are_probably_not_meant_are_named(
    replicas: int, settings: dict[str, str], warned: list[str]
) -> None:
    topic = Topic(1, replicas, {"min.insync.replicas": "2", **settings})
    assert [one.partition(":")[0] for one in topic.warnings(needed=NEEDED)] == warned


def test_a_topic_that_is_not_there_is_named(one_broker: Brokers) -> None:
    url = one_broker.url()
    with pytest.raises(ConfigError, match=f"there is no topic {parse(url).topic}: edgetally journal create {url}"):
        admin(url).find(DEADLINE)


def test_credentials_that_are_refused_are_named_and_not_shown(one_broker: Brokers) -> None:
    given = {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN", "sasl_username": "me"}
    wrong = admin(one_broker.url(), **given, sasl_password="hunter2")
    with pytest.raises(ConfigError, match=r"journal\.kafka\.sasl\.username: the brokers refuse it") as caught:
        wrong.find(DEADLINE)
    assert "hunter2" not in str(caught.value)


def test_a_property_that_there_is_not_is_named() -> None:
    with pytest.raises(ConfigError, match=r'journal\.kafka: No such configuration property: "no\.such"'):
        admin("kafka://127.0.0.1:1/t", no_such="1")


def test_brokers_that_cannot_be_reached_are_named() -> None:
    with pytest.raises(Unavailable, match=r"no broker of 127\.0\.0\.1:1 can be reached: .*Connection refused"):
        admin("kafka://127.0.0.1:1/t").find(0.1)


async def test_a_seal_is_found_behind_many_messages(one_broker: Brokers) -> None:
    """As in a journal of many nodes, whose partials are many in a second."""
    url = create(one_broker.url())
    terms = terms_of(check({"journal": {"partitions": 1}}))
    journal = open_journal(url, terms=terms)
    second = int(SystemClock().now())
    await journal.log.send(0, _core.seal_envelope(second - 5, writer="writer", terms=terms.digest))
    ((_, envelope),) = journal.log.envelopes(partial_of(second), bytes(16), second)
    await asyncio.gather(*(journal.log.send(0, envelope) for _ in range(2000)))

    (tail,) = await asyncio.to_thread(read_tails, ClientProperties(parse(url), {}), terms, DEADLINE)
    assert (tail.end, tail.second, tail.writer) == (2001, second - 5, "writer")
    assert await journal.agrees()
    await journal.close()
