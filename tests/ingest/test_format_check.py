"""A source whose lines are in another format than it is read as is named in the log, once."""

import json

import pytest

from edgetally.ingest.format_check import BLOCKS, FormatCheck

CADDY = b'{"request":{"host":"a.example"},"status":200}\n'
TRAEFIK = b'{"DownstreamStatus":200,"RequestHost":"a.example"}\n'
RECORD = b'{"domain":"a.example","status":200}\n'
JUNK = b"2026/11/22 04:41:06 [notice] 12#12: start\n"


@pytest.mark.parametrize(
    ("blocks", "format", "found"),
    [
        ([CADDY, CADDY], "canonical", "caddy"),
        ([JUNK, TRAEFIK], "canonical", "traefik"),
        ([b"<190>Nov 22 04:41:06 edge caddy: " + CADDY], "traefik", "caddy"),
        ([json.dumps({"log": CADDY.decode(), "stream": "stdout"}).encode() + b"\n"], "canonical", "caddy"),
        ([json.dumps({"log": RECORD.decode(), "stream": "stdout"}).encode() + b"\n"], "caddy", None),
        ([b"2026-11-22T04:41:06.1Z stdout F " + TRAEFIK], "canonical", "traefik"),
        ([b"[" + CADDY.strip() + b"," + CADDY.strip() + b"]"], "canonical", "caddy"),
        ([CADDY], "caddy", None),
        ([CADDY, TRAEFIK], "caddy", None),  # what was found once is not looked for again
        ([JUNK, RECORD, TRAEFIK], "caddy", None),
        ([b'{"status":200}\n', TRAEFIK], "caddy", "traefik"),
        ([RECORD], "caddy", None),
        ([b'{"status":200}\n'], "caddy", None),
        ([b"1.5\t200\t9\tGET\ta.example\t9\tAMS\tHTTP/2.0\t-\tHit\t9\n"], "cloudfront:timestamp,sc-status", None),
        ([JUNK] * BLOCKS + [CADDY], "canonical", None),
        ([b""] * BLOCKS + [CADDY], "canonical", "caddy"),
    ],
)
def test_another_format_is_named_once(
    blocks: list[bytes], format: str, found: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    check = FormatCheck("file:/a.log", format)
    for block in blocks:
        check.look(block)

    sentence = f"file:/a.log: lines look like format {found}, and are read as {format}"
    assert caplog.messages == ([sentence] if found else [])
