"""Brokers for the tests of this folder, started once."""

from collections.abc import Iterator

import pytest

from tests.support.kafka import DETECTION, Brokers, brokers


@pytest.fixture(scope="session")
def one_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brokers]:
    """A cluster of one."""
    with brokers(tmp_path_factory.mktemp("broker") / "nodes") as running:
        yield running


@pytest.fixture(scope="session")
def three_brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brokers]:
    """A cluster of three. A test that stops one starts it again."""
    with brokers(tmp_path_factory.mktemp("brokers") / "nodes", 3, DETECTION) as running:
        yield running
