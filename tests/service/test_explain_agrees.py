"""`explain --as` says what that way into the server counts."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from edgetally.model import Defaults
from edgetally.offline.explain import Explainer, TimeLimits, Transport
from tests.support.clock import START
from tests.support.served import Served, served

RECORD = b'{"ts":%d,"domain":"a.example","status":200}' % START
TIMELESS = b'{"domain":"a.example","status":200}'
LONG = b"{" + b" " * 16_384 + RECORD[1:]


def docker(text: bytes, **more: object) -> bytes:
    return json.dumps({"log": text.decode(), "stream": "stdout", "time": f"{START}.5", **more}).encode()


def part(text: bytes, container: str, *, is_last: bool) -> bytes:
    marks = {"partial_message": "true", "partial_id": container, "partial_last": str(is_last).lower()}
    return json.dumps({"log": text.decode(), **marks}).encode()


INPUTS = {
    "plain": RECORD,
    "several": RECORD * 3,
    "commas": RECORD + b",\n" + RECORD + b",",
    "an array": b"[" + RECORD + b",\n" + RECORD + b"]",
    "an array, and records": b"[" + RECORD + b",\n7]\n" + RECORD + b"\n" + RECORD,
    "an array without its end": b"[" + RECORD + b",\n" + RECORD,
    "data behind an array": b"[" + RECORD + b"]\nx",
    "pretty-printed": json.dumps(json.loads(RECORD), indent=2).encode(),
    "a member beside the brace": RECORD.replace(b",", b",\n"),
    "byte order mark": b"\xef\xbb\xbf" + RECORD + b"\r\n" + RECORD + b"\r",
    "zeros": b"\0" * 99 + RECORD + b"\n\0" + RECORD,
    "zeros between": RECORD + b"\0" + RECORD + b"\0",
    "syslog": b"<190>Nov 22 04:41:06 edge1 nginx: " + RECORD + b"\n<190>nginx: " + TIMELESS,
    "syslog, text": b"<190>Nov 22 04:41:06 edge1 nginx: 2026/11/22 04:41:06 [error] 12#12: *1 open() failed",
    "docker": docker(RECORD + b"\n") + b"\n" + docker(b"started\n"),
    "docker, parts": docker(LONG[:16_384]) + b"\n" + docker(LONG[16_384:] + b"\n"),
    "docker, a last line without a newline": docker(RECORD[:9]) + b"\n" + docker(RECORD + b"\n"),
    "parts of two": b"\n".join(
        [
            part(RECORD[:9], "a", is_last=False),
            part(RECORD[:20], "b", is_last=False),
            part(RECORD[9:], "a", is_last=True),
            part(RECORD[20:], "b", is_last=True),
        ]
    ),
    "a part without its rest": docker(LONG[:16_384]),
    "parts of which the end did not come": b"2026-11-22T04:41:06.1Z stdout P "
    + RECORD[:9]
    + b"\n2026-11-22T04:41:06.1Z stdout F "
    + RECORD,
    "a part that is whole": b"2026-11-22T04:41:06.1Z stdout P " + RECORD,
    "cri": b"2026-11-22T04:41:06.1Z stdout P " + RECORD[:9] + b"\n2026-11-22T04:41:06.1Z stdout F " + RECORD[9:],
    "journal": json.dumps({"MESSAGE": list(RECORD), "__REALTIME_TIMESTAMP": "1"}).encode(),
    "a list": b'{"records":[' + RECORD + b"," + RECORD + b',{"x":1}]}',
    "a bracket": b"[2026-11-22 04:41:06.123][12][info][main] starting\n[pod/a/b] "
    + RECORD
    + b"\n[  4.5] a b: "
    + RECORD,
    "unquoted": b'{"status":200,"x":,"y":a b, c}\n{"status":,"x":1}\n{"status":200,}',
    "broken": b'{"status":2x0}\n{"status":200,"ts":"never"}\n{"domain":"a.example"}\nx\n{"status":200,"domain":"a',
    "not JSON": b"ts=1 status=200\n{'status': 200}\n",
    "compressed": b"\x1f\x8b\x08\0\xff\xff\n\xfe\xfe\n" + RECORD,
    "another time": b"\n".join(b'{"ts":%d,"status":200}' % (START + off) for off in (-9999, -60, 0, 9999)),
    "syslog of another time": b"<13>1 2020-01-01T00:00:00Z h nginx - - - " + TIMELESS,
    "blank": b"\n \n\t\r\n",
}


def explained(data: bytes, transport: Transport) -> Counter[str]:
    """Count what is said of the lines of an input."""
    explainer = Explainer(
        defaults=Defaults("default", "local"), now=START, transport=transport, limits=TimeLimits(120, 5)
    )
    lines = re.findall(rb"[^\n]*\n|[^\n]+", data)
    found: Counter[str] = Counter()
    for number, line in enumerate(lines, start=1):
        explanation = explainer.explain(line, is_last=number == len(lines))
        if not explanation.untimely:
            found["accepted"] += sum(
                int(one["requests"]) for entry in explanation.entries for one in entry.domains.values()
            )
        found.update(rejection.reason for rejection in [*explanation.rejections, *explanation.untimely])
        found["other_log"] += explanation.is_other_log
    return +found


async def counted(service: Served) -> Counter[str]:
    """Count what the server says of all inputs so far."""
    text = (await service.client.get("/metrics")).text
    rejected = re.findall(r'^edgetally_records_rejected_total\{reason="([a-z_]+)"\} (\S+)$', text, re.MULTILINE)
    (accepted,) = re.findall(r"^edgetally_records_accepted_total (\S+)$", text, re.MULTILINE)
    return +Counter({"accepted": int(float(accepted)), **{reason: int(float(count)) for reason, count in rejected}})


async def compare(transport: Transport, service: Served, send: Callable[[str, bytes], Awaitable[None]]) -> None:
    """Send every input, and compare what counts with what is said before."""
    before: Counter[str] = Counter()
    # A followed file that does not end with a newline waits for the rest.
    end = b"\n" if transport == "follow" else b""
    for name, start in INPUTS.items():
        if (name, transport) == ("compressed", "push"):
            continue  # such a push is refused as a whole
        data = start + end
        wanted = explained(data, transport)
        await send(name, data)
        for _ in range(100):
            found = await counted(service) - before
            if found.total() >= wanted.total():
                break
            await service.clock.advance(0.2)
        assert found == wanted, name
        before = await counted(service)


async def test_of_a_push() -> None:
    async with served() as service:

        async def send(_: str, data: bytes) -> None:
            await service.client.post("/ingest", content=data)

        await compare("push", service, send)


async def test_of_syslog(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    async with served({"sources": {"syslog": [{"listen": "tcp:127.0.0.1:0"}]}}) as service:
        port = next(int(at[1]) for one in caplog.messages if (at := re.match(r"syslog:tcp:.*:(\d+): listening", one)))

        async def send(_: str, data: bytes) -> None:
            _reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(data)
            writer.close()
            await writer.wait_closed()

        await compare("syslog", service, send)


async def test_of_followed_files(tmp_path: Path) -> None:
    async with served({"sources": {"follow": [{"path": f"{tmp_path}/*.log"}]}}) as service:
        # Files that are created later are read from the beginning.
        await service.clock.advance(1)

        async def send(name: str, data: bytes) -> None:
            (tmp_path / f"{name}.log").write_bytes(data)

        await compare("follow", service, send)
