"""A real server against its OpenAPI document, with generated requests: https://schemathesis.readthedocs.io."""

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.process import serving

EXAMPLES = os.environ.get("EDGETALLY_EXAMPLES", "5")
"""Made-up requests per operation, besides those that try every edge of every parameter."""

RECORDS = b"""\
{"domain":"a.example","status":200,"cache":"HIT","resp_bytes":300}
{"domain":"b.example","status":502,"cache":"MISS","origin":"app","origin_addr":"192.0.2.1:80","origin_status":502}
"""


@pytest.mark.timeout(1800)
def test_the_server_answers_as_its_document_says(tmp_path: Path) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text("[api]\npoll_timeout = 0.05\nerror_delay = 0.0\n")
    with serving("--config", str(settings)) as server:
        pushed = httpx.post(f"{server.url}/ingest/shop", content=RECORDS)
        assert pushed.json()["accepted"] == 2
        asked = subprocess.run(
            [
                Path(sys.executable).with_name("st"),
                *("--config-file", Path(__file__).with_name("schemathesis.toml"), "--no-color"),
                *("run", f"{server.url}/openapi.json", "--max-examples", EXAMPLES, "--continue-on-failure"),
            ],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert asked.returncode == 0, asked.stdout
        assert re.search(r"(\d\d\d+) generated, \1 passed", asked.stdout), asked.stdout
