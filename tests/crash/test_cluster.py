"""A short round of crash tests of a cluster, with one broker: `make torture-kafka` is the long one, with three."""

from pathlib import Path

import pytest

from tests.crash.cluster import torture
from tests.support.kafka import brokers, needs_kafka

pytestmark = needs_kafka()


@pytest.mark.timeout(180)
async def test_what_was_acknowledged_counts_once_whichever_node_is_killed(tmp_path: Path) -> None:
    with brokers(tmp_path / "brokers") as cluster:
        result = await torture("nodes", cluster, rounds=2, seconds=0, seed=5, directory=tmp_path)

    assert all(one.requests > 0 for one in result.account.acknowledged.values())
