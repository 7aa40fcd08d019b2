"""`edgetally journal`: create and check the topic of a journal in Kafka."""

import argparse
import sys

from edgetally.cli.flags import add_flags
from edgetally.config.given import Given
from edgetally.config.sections import Config
from edgetally.errors import ConfigError
from edgetally.journal.kafka.address import WORDS, parse
from edgetally.journal.kafka.extra import require
from edgetally.journal.kafka.properties import ClientProperties

ANSWER_SECONDS = 10.0
"""How long brokers may take to answer."""


def describe(command: argparse.ArgumentParser) -> None:
    """Add the commands."""
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
        description="Check the topic and its settings against those of a server. Nothing is changed.",
    )
    check.set_defaults(command=_check)
    for one in (create, check):
        one.add_argument("journal.kind", metavar="ADDRESS", help=WORDS)
        add_flags(one, ["journal.partitions"])
    create.add_argument("--replicas", type=int, default=3, metavar="COUNT", help="copies of each partition (default 3)")


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
    from edgetally.journal.kafka.topic import TopicAdmin  # noqa: PLC0415 - the extra is needed here only

    topic = TopicAdmin(properties).find(ANSWER_SECONDS)
    problems = topic.problems(partitions=config.journal.partitions, needed=config.log_seconds)
    if found := [ConfigError("journal.kind", one) for one in problems]:
        raise ConfigError.joined(found)
    sys.stdout.write(
        f"ok\ntopic {properties.address.topic}: {topic.partitions} partitions, {topic.replicas} replicas\n"
    )
    for one in topic.warnings():
        sys.stderr.write(f"edgetally: warning: {one}\n")
    return 0


def _read(settings: Given) -> tuple[Config, ClientProperties]:
    config = settings.config()
    properties = ClientProperties(parse(config.journal.kind), config.journal.kafka)
    require()
    return config, properties
