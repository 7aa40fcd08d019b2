"""
Lines that real servers wrote, and what they add up to.

Only their seconds were changed, so that each line has an entry of its own. What is expected was read through by hand.
"""

import json
import subprocess
from pathlib import Path

import pytest

from tests.process import COMMAND

LINES = sorted((Path(__file__).parent / "lines").glob("*.log"))


@pytest.mark.parametrize("log", LINES, ids=lambda log: log.stem)
def test_lines_of_real_servers_are_read_as_expected(log: Path) -> None:
    command = [*COMMAND, "fold", "--service-id", "shop", "--pop", "LAB", "--format", log.stem, str(log)]
    folded = subprocess.run(command, check=True, capture_output=True, text=True)
    expected = log.with_suffix(".jsonl").read_text().splitlines()
    assert [json.loads(line) for line in folded.stdout.splitlines()] == [json.loads(line) for line in expected]
    assert "does not count" not in folded.stderr
