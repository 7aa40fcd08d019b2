"""`edgetally journal`: create and check the topic of a journal in Kafka."""

import argparse
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from edgetally.cli.flags import add_flags, up_to
from edgetally.cli.streams import say
from edgetally.clock import SystemClock
from edgetally.config.given import Given
from edgetally.config.sections import Config
from edgetally.errors import ConfigError
from edgetally.journal.kafka.address import WORDS, parse
from edgetally.journal.kafka.extra import require
from edgetally.journal.kafka.properties import ClientProperties

if TYPE_CHECKING:
    from edgetally.journal.kafka.tail import PartitionTail

MAX_REPLICAS = (1 << 15) - 1
"""The protocol has two bytes for them."""

ANSWER_SECONDS = 10.0
"""How long brokers may take to answer."""


def describe(command: argparse.ArgumentParser) -> None:
    """Add the commands."""
    command.description = (
        "Create and check the topic of a journal in Kafka. Exit status: 0; 1 if no broker can be reached; 2 if a "
        "setting or the topic is wrong."
    )
    below = command.add_subparsers(title="commands", required=True, metavar="COMMAND")
    create = below.add_parser(
        "create",
        help="create the topic",
        description="Create the topic, with the settings that a journal needs.",
    )
    create.set_defaults(command=_create)
    check = below.add_parser(
        "check",
        help="check the topic",
        description="Check the topic and its nodes against the settings of a server. Nothing is changed.",
    )
    check.set_defaults(command=_check)
    for one in (create, check):
        one.add_argument("journal.kind", metavar="ADDRESS", help=WORDS)
        add_flags(one, ["journal.partitions"])
    create.add_argument(
        "--replicas", type=up_to(MAX_REPLICAS), default=3, metavar="COUNT", help="copies of each partition (default 3)"
    )


def _create(arguments: argparse.Namespace, settings: Given) -> int:
    config, properties = _read(settings)
    from edgetally.journal.kafka.topic import TopicAdmin  # noqa: PLC0415 - the extra is needed here only

    partitions = config.journal.partitions
    TopicAdmin(properties).create(partitions=partitions, replicas=arguments.replicas, seconds=ANSWER_SECONDS)
    sys.stdout.write(
        f"created topic {properties.address.topic}: {partitions} partitions, {arguments.replicas} replicas\n"
    )
    return 0


def _check(_: argparse.Namespace, settings: Given) -> int:
    config, properties = _read(settings)
    from edgetally.journal.kafka.tail import read_tails  # noqa: PLC0415 - the extra is needed here only
    from edgetally.journal.kafka.topic import TopicAdmin  # noqa: PLC0415 - the same
    from edgetally.service.cluster import terms_of  # noqa: PLC0415 - only nodes need all parts

    topic = TopicAdmin(properties).find(ANSWER_SECONDS)
    problems = topic.problems(partitions=config.journal.partitions, needed=config.log_seconds)
    if found := [ConfigError("journal.kind", one) for one in problems]:
        raise ConfigError.joined(found)
    tails = read_tails(properties, terms_of(config), ANSWER_SECONDS)
    now = SystemClock().now()
    refusal = next((error for tail in tails if (error := tail.refusal(now))), None)
    sys.stdout.write("" if refusal else "ok\n")
    sys.stdout.write(f"topic {properties.address.topic}: {topic.partitions} partitions, {topic.replicas} replicas\n")
    for tail in tails:
        sys.stdout.write(f"partition {tail.number}: {_described(tail, now)}\n")
    for one in topic.warnings(needed=config.log_seconds):
        say(f"warning: {one}")
    if refusal:
        raise refusal
    return 0


def _described(tail: "PartitionTail", now: float) -> str:
    """Say in words how far a partition is sealed, and by which node."""
    if not tail.end:
        return "empty"
    if tail.second is None:
        return f"{tail.end} messages, no seal among the last ones: is there a reader?"
    sealed = datetime.fromtimestamp(tail.second, UTC).strftime("%Y-%m-%d %H:%M:%S")
    differs = "" if tail.has_same_terms else "; its settings differ from these"
    age = max(now - tail.appended, 0.0)
    return f"{tail.end} messages, sealed up to {sealed} UTC by {tail.writer}, {age:.1f} s ago{differs}"


def _read(settings: Given) -> tuple[Config, ClientProperties]:
    config = settings.config()
    properties = ClientProperties(parse(config.journal.kind), config.journal.kafka)
    require()
    return config, properties
