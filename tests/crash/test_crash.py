"""A short round of crash tests: `make crash` is the long one."""

import shutil
from pathlib import Path

import pytest

from tests.crash.run import SCENARIOS, crash


@pytest.mark.timeout(180)
@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_what_was_acknowledged_counts_once_whatever_happens(scenario: str, tmp_path: Path) -> None:
    if scenario == "disk" and not shutil.which("cc"):
        pytest.skip("a disk that fails on demand needs a C compiler")
    try:
        result = await crash(scenario, kills=2, seed=7, directory=tmp_path)
    except PermissionError as error:
        pytest.skip(f"a small disk cannot be mounted: {error}")

    assert result.account.events["kills"] >= 2
    assert all(one.requests > 0 for one in result.account.acknowledged.values())
