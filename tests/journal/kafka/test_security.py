"""Brokers that want to know who it is, and that are known by a certificate."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AclBinding, AclOperation, AclPermissionType, ResourcePatternType, ResourceType

from edgetally.clock import SystemClock
from edgetally.errors import ConfigError, Unavailable
from edgetally.journal.kafka.address import parse
from edgetally.journal.kafka.properties import ClientProperties
from edgetally.journal.kafka.topic import TopicAdmin
from tests.support.certificates import make
from tests.support.cluster import create, open_journal
from tests.support.kafka import DEADLINE, Brokers, brokers, needs_kafka
from tests.support.nodes import becomes, partial_of, reading

pytestmark = needs_kafka()


def user(name: str, password: str = "") -> dict[str, str]:
    return {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.username": name,
        "sasl.password": password or f"secret-of-{name}",
    }


USERS = ("admin", "fold", "reader", "stranger")
PASSWORDS = " ".join(f'user_{name}="secret-of-{name}"' for name in USERS)

SASL = {
    "listener.security.protocol.map": "PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
    "sasl.enabled.mechanisms": "PLAIN",
    "sasl.mechanism.inter.broker.protocol": "PLAIN",
    "listener.name.plaintext.plain.sasl.jaas.config": "org.apache.kafka.common.security.plain.PlainLoginModule "
    f'required username="admin" password="secret-of-admin" {PASSWORDS};',
    "inter.broker.listener.name": "PLAINTEXT",
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:admin;User:ANONYMOUS",
}
"""A broker whose users have passwords and permissions."""


@pytest.fixture(scope="module")
def with_users(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brokers]:
    with brokers(tmp_path_factory.mktemp("users") / "nodes", extra=SASL, client=user("admin")) as running:
        yield running


def allow(cluster: Brokers, topic: str, name: str, *operations: AclOperation) -> None:
    """Let a user do this with a topic."""
    found = [
        AclBinding(
            ResourceType.TOPIC,
            topic,
            ResourcePatternType.LITERAL,
            f"User:{name}",
            "*",
            operation,
            AclPermissionType.ALLOW,
        )
        for operation in operations
    ]
    for future in cluster.admin.create_acls(found).values():
        future.result()


async def test_users_need_what_they_do(with_users: Brokers) -> None:
    url = create(with_users.url(), given=user("admin"))
    topic = parse(url).topic
    allow(with_users, topic, "fold", AclOperation.DESCRIBE, AclOperation.WRITE)
    allow(with_users, topic, "reader", AclOperation.DESCRIBE, AclOperation.WRITE, AclOperation.READ)
    fold = open_journal(url, given=user("fold"))
    async with reading(open_journal(url, given=user("reader"))) as node:
        await fold.append(partial_of(SystemClock().now()))
        await node.shows(lambda: node.requests == {"svc": 1})

    # This user may not read, so it cannot know the settings of others.
    assert await fold.agrees()
    await fold.partitions[0].opened()
    await becomes(lambda: "allow Read" in fold.partitions[0].problem)
    await fold.close()


async def test_a_user_that_may_only_look_cannot_append(with_users: Brokers) -> None:
    url = create(with_users.url(), given=user("admin"))
    allow(with_users, parse(url).topic, "stranger", AclOperation.DESCRIBE)
    journal = open_journal(url, given=user("stranger"))
    sending = asyncio.create_task(journal.append(partial_of(SystemClock().now())))
    await becomes(lambda: journal.failing)

    with pytest.raises(Unavailable, match=f"this user may not append to topic {parse(url).topic}: allow Write"):
        await journal.append(partial_of(SystemClock().now()))
    await journal.close()
    await asyncio.gather(sending, return_exceptions=True)


def find(url: str, given: dict[str, str]) -> object:
    return TopicAdmin(ClientProperties(parse(url), given)).find(DEADLINE)


def test_a_user_that_may_do_nothing_is_told_what_to_allow(with_users: Brokers) -> None:
    url = create(with_users.url(), given=user("admin"))
    with pytest.raises(ConfigError, match=f"this user may not use topic {parse(url).topic}: allow Describe and Write"):
        find(url, user("stranger"))


def test_a_wrong_password_is_an_error_that_does_not_show_it(with_users: Brokers) -> None:
    with pytest.raises(ConfigError, match=r"journal\.kafka\.sasl\.username: the brokers refuse it") as caught:
        find(with_users.url(), user("fold", "hunter2"))
    assert "hunter2" not in str(caught.value)


def test_a_certificate_of_an_unknown_authority_is_named(tmp_path: Path) -> None:
    pair = make(tmp_path / "certificates", "broker", "rsa")
    both = tmp_path / "both.pem"
    both.write_text(pair.key.read_text() + pair.cert.read_text())
    tls = {
        "listener.security.protocol.map": "PLAINTEXT:SSL,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": both,
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": pair.cert,
    }
    trusting = {"security.protocol": "SSL", "ssl.ca.location": str(pair.cert)}
    with brokers(tmp_path / "nodes", extra=tls, client=trusting) as cluster:
        url = create(cluster.url(), given=trusting)
        assert find(url, trusting)
        with pytest.raises(ConfigError, match=r"journal\.kafka\.ssl\.ca\.location: expected the CA that has signed"):
            find(url, {"security.protocol": "SSL"})
