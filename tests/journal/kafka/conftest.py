"""Brokers for the tests of this folder, started once."""

from collections.abc import Iterator

import pytest

from tests.support.kafka import Brokers, brokers


@pytest.fixture(scope="session")
def one_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brokers]:
    """A cluster of one."""
    with brokers(tmp_path_factory.mktemp("broker") / "nodes") as running:
        yield running
