"""Records in what log drivers, shippers and people put around them: each kind, on every way into a fold."""

import json
from collections.abc import Callable
from typing import NamedTuple

import pytest

from edgetally import _core
from edgetally.model import Framing

NOW = 1_795_400_000
SECOND = 1_795_322_466
"""2026-11-22T04:41:06Z, in all wrappers that say a time."""

RECORD = b'{"ts":1795322466,"domain":"shop.example","status":200}'
TIMELESS = b'{"domain":"shop.example","status":200}'
SYSLOG = b"<190>Nov 22 04:41:06 edge1 nginx: "
CRI = b"2026-11-22T04:41:06.123456789Z stdout "
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Found(NamedTuple):
    """What a fold made of an input."""

    accepted: int
    lines: int
    rejected: dict[str, int]
    seconds: dict[int, int]
    """Records by second."""


def fold(data: bytes, framing: Framing, *, format: str = "canonical", cut: int = 0) -> Found:
    folding = _core.Fold(service_id="default", pop="local", framing=framing, format=format)
    for block in (data[:cut], data[cut:]):
        folding.feed(block, NOW)
    folding.finish(NOW)
    report = folding.report()
    assert report.lines >= report.accepted + sum(count for _, count in report.rejected)
    window = _core.Window()
    partial = folding.drain()
    if partial:
        window.merge(partial)
    seconds = {sealed.second: sealed.records for sealed in window.seal(2**64 - 2)}
    return Found(report.accepted, report.lines, dict(report.rejected), seconds)


def docker(text: bytes, stream: str = "stdout") -> bytes:
    return json.dumps({"log": text.decode(), "stream": stream, "time": "2026-11-22T04:41:06.123456789Z"}).encode()


def journal(text: bytes, *, as_bytes: bool) -> bytes:
    message = list(text) if as_bytes else text.decode()
    return json.dumps({"MESSAGE": message, "__REALTIME_TIMESTAMP": "1795322466123456", "_PID": "7"}).encode()


def message(text: bytes) -> bytes:
    return json.dumps({"@timestamp": "2026-11-22T04:41:06Z", "message": text.decode()}).encode()


# --- one record in a wrapper -----------------------------------------------------------------------------------------

STRUCTURED = b'<134>1 2026-11-22T04:41:06Z edge1 haproxy 12 - [ex@32473 route="/a/{id}"] '
TIMED = {
    "RFC 5424": STRUCTURED,
    "RFC 5424, byte order mark": STRUCTURED + BYTE_ORDER_MARK,
    "RFC 5424, braces in names": b"<134>1 2026-11-22T05:41:06+01:00 {edge} {app} {1} {x} - ",
    "rsyslog in a file": b"2026-11-22T04:41:06.907+00:00 edge1 nginx[12]: ",
    "CRI": CRI + b"F ",
    "CRI, more tags": CRI + b"F:x ",
    "CRI, offset": b"2026-11-22T05:41:06.123+01:00 stderr F ",
    "docker logs -t": b"2026-11-22T04:41:06.123456789Z ",
    "compose with times": b"nginx-1  | 2026-11-22T04:41:06.123456789Z ",
    "kubectl with times": b"[pod/edge-7d9/nginx] 2026-11-22T04:41:06.123456789Z ",
    "journalctl -o short-full": b"Sun 2026-11-22 04:41:06 UTC edge1 nginx[12]: ",
    "journalctl -o short-unix": b"1795322466.123456 edge1 nginx[12]: ",
    "a time and a tab": b"2026-11-22T04:41:06.123Z\t",
    "stern with times": b"edge-7d9 nginx 2026-11-22T04:41:06.1Z ",
    "fluentd's standard output": b"2026-11-22 05:41:06.123456789 +0100 edge.access: ",
    "time in brackets": b"[2026-11-22T04:41:06Z] ",
    "common log time in brackets": b"[22/Nov/2026:04:41:06 +0000] ",
    "multilog": b"@400000006b02726c1a2b3c4d ",
    "CRI without tags": CRI,
    "aws logs tail": b"2026-11-22T04:41:06.123000+00:00 edge/nginx/0123456789abcdef ",
    "docker service logs with times": b"2026-11-22T04:41:06.1Z web.1.x7kabc@node-2    | ",
    "syslog around CRI": b"<13>2026-11-22T04:41:06Z node1 x: ",
}
UNTIMED = {
    "RFC 3164": SYSLOG,
    "RFC 3164, process": b"<190>Nov  2 04:41:06 edge1 nginx[12]: ",
    "RFC 3164, no host": b"<190>Nov 22 04:41:06 nginx: ",
    "RFC 3164, braces": b"<190>Nov 22 04:41:06 {edge} {ng}inx{[12]: ",
    "RFC 3164 in a file": b"Nov 22 04:41:06 edge1 nginx[12]: ",
    "priority": b"<190>",
    "journalctl -o short-precise": b"Nov 22 04:41:06.123456 edge1 nginx[12]: ",
    "journalctl -o with-unit, elsewhere": b"Sun 2026-11-22 05:41:06 CET edge1 nginx.service[12]: ",
    "journalctl -o json-sse": b"data: ",
    "CEE": b"@cee: ",
    "CEE in syslog": SYSLOG + b"@cee:",
    "stern": b"edge-7d9 nginx ",
    "stern with a namespace": b"default edge-7d9 nginx ",
    "kubetail": b"[edge-7d9 nginx] ",
    "journalctl -o json-seq": b"\x1e",
    "journalctl -o short-monotonic": b"[    4.567890] edge1 nginx[12]: ",
    "journalctl -o short-delta": b"[    4.567890 <    0.000123 >] edge1 nginx[12]: ",
    "journalctl -o export": b"MESSAGE=",
    "journalctl -o verbose": b"    MESSAGE=",
    "kail": b"default/edge-7d9[nginx]: ",
    "a tag alone": b"nginx[12]: ",
    "host and tag alone": b"edge1 nginx: ",
    "podman": b"3f2a1b9c0d1e ",
    "grep": b"/var/log/nginx/access.log-20261122:",
    "grep -n": b"access.log:12:",
    "color of grep": b"\x1b[m\x1b[K",
    "slashes": b"2026/11/22 04:41:06.123 ",
    "T without an offset": b"2026-11-22T04:41:06 ",
    "svlogd": b"2026-11-22_04:41:06.12345 ",
    "caddy's console": b"2026/11/22 04:41:06.123\tINFO\thttp.log.access.log0\thandled request\t",
    "a time without an offset": b"2026-11-22 04:41:06,123 ",
    "compose with colors": b"\x1b[36mnginx-1  | \x1b[0m",
    "compose": b"nginx-1  | ",
    "stack": b"web.1.x7k@node-2    | ",
    "kubectl": b"[pod/edge-7d9/nginx] ",
    "byte order mark": BYTE_ORDER_MARK,
    "byte order mark twice": BYTE_ORDER_MARK * 2 + b" ",
    "hole of zeros": b"\0" * 4096,
}
ENVELOPES = {
    "docker": docker(TIMELESS + b"\n"),
    "docker, standard error": docker(TIMELESS + b"\n", "stderr"),
    "docker, newline cut off by a shipper": docker(TIMELESS),
    "journal": journal(TIMELESS, as_bytes=False),
    "journal, bytes": journal(TIMELESS, as_bytes=True),
    "message": message(TIMELESS),
    "log without a stream": json.dumps({"date": SECOND + 0.5, "log": TIMELESS.decode()}).encode(),
    "syslog in a message": message(SYSLOG + TIMELESS),
    "blanks in a message": message(b" " + TIMELESS),
    "a log beside a message": b'{"log":{"offset":1},' + message(TIMELESS)[1:],
    "an object in a log": b'{"log":' + TIMELESS + b',"stream":"stdout","time":"2026-11-22T04:41:06Z"}',
    "an object in a payload": b'{"jsonPayload":' + TIMELESS + b',"timestamp":"2026-11-22T04:41:06Z"}',
    "GELF": json.dumps({"version": "1.1", "short_message": TIMELESS.decode(), "timestamp": SECOND + 0.5}).encode(),
    "Splunk, from Docker": json.dumps(
        {"event": {"line": TIMELESS.decode(), "source": "stdout"}, "time": SECOND}
    ).encode(),
    "Logstash": json.dumps({"@timestamp": "2026-11-22T04:41:06Z", "event": {"original": TIMELESS.decode()}}).encode(),
    "syslog-ng": json.dumps({"ISODATE": "2026-11-22T04:41:06+00:00", "MESSAGE": TIMELESS.decode()}).encode(),
    "a list of one": b'{"records":[' + TIMELESS + b'],"time":"2026-11-22T04:41:06Z"}',
    "parsed beside descriptions": b'{"@timestamp":"2026-11-22T04:41:06Z","event":{"a":1},"json":'
    + TIMELESS
    + b',"log":{}}',
    "Kafka": json.dumps({"payload": TIMELESS.decode(), "timestamp": SECOND}).encode(),
    "Elasticsearch": b'{"_index":"x","_source":' + TIMELESS + b',"timestamp":1795322466}',
    "Loki": json.dumps({"streams": [{"stream": {}, "values": [[f"{SECOND}000000000", TIMELESS.decode()]]}]}).encode(),
    "OpenTelemetry": json.dumps(
        {
            "resourceLogs": [
                {
                    "resource": {},
                    "scopeLogs": [
                        {
                            "logRecords": [
                                {"timeUnixNano": f"{SECOND}000000000", "body": {"stringValue": TIMELESS.decode()}}
                            ]
                        }
                    ],
                }
            ]
        }
    ).encode(),
    "newlines in a text": message(b"\n" + TIMELESS + b"\n"),
    "comma behind an envelope": docker(TIMELESS + b"\n") + b",",
    "docker in a message": message(docker(TIMELESS + b"\n")),
    "prefix in docker": docker(b"nginx-1  | " + TIMELESS + b"\n"),
    "docker behind a prefix": b"node1 | " + docker(TIMELESS + b"\n"),
    "Datadog": json.dumps({"status": "info", "message": TIMELESS.decode(), "timestamp": f"{SECOND}123"}).encode(),
    "a status that is null": b'{"status":null,' + message(TIMELESS)[1:],
    "a status and a list": b'{"status":"success","records":[' + TIMELESS + b'],"time":"2026-11-22T04:41:06Z"}',
    "an origin that is absent": b'{"origin_ip":"-","origin_status":"",' + message(TIMELESS)[1:],
    "logtag": b'{"time":"2026-11-22T04:41:06Z","stream":"stdout","logtag":"F","log":'
    + json.dumps(TIMELESS.decode()).encode()
    + b"}",
}
FRAMINGS: tuple[Framing, ...] = ("lines", "arrays", "datagrams", "stream")


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("prefix", [pytest.param(prefix, id=name) for name, prefix in (TIMED | UNTIMED).items()])
def test_a_record_behind_a_prefix_counts_in_its_own_second(prefix: bytes, framing: Framing) -> None:
    data = (prefix + RECORD + b"\n") * 3
    for cut in (0, 1, len(prefix), len(prefix) + 9):
        assert fold(data, framing, cut=cut) == (3, 3, {}, {SECOND: 3})


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize(
    ("line", "second"),
    [
        *(pytest.param(prefix + TIMELESS, SECOND, id=name) for name, prefix in TIMED.items()),
        *(pytest.param(prefix + TIMELESS, NOW, id=name) for name, prefix in UNTIMED.items()),
        *(pytest.param(line, SECOND, id=name) for name, line in ENVELOPES.items()),
    ],
)
def test_a_record_without_a_time_counts_in_the_second_of_its_wrapper(
    line: bytes, second: int, framing: Framing
) -> None:
    data = (line + b"\r\n") * 3
    for cut in (0, 1, len(line) // 2, len(line) + 1):
        assert fold(data, framing, cut=cut) == (3, 3, {}, {second: 3})


@pytest.mark.parametrize("line", [pytest.param(line, id=name) for name, line in ENVELOPES.items()])
def test_elements_of_an_array_may_be_wrapped(line: bytes) -> None:
    if line.startswith(b"{") and line.endswith(b"}"):
        assert fold(b"[" + line + b",\n" + line + b"]", "arrays") == (2, 2, {}, {SECOND: 2})


@pytest.mark.parametrize("format", ["caddy", "traefik", "cloudflare"])
@pytest.mark.parametrize("wrap", [docker, message])
def test_envelopes_hold_records_of_other_formats(format: str, wrap: Callable[[bytes], bytes]) -> None:
    record = {
        "caddy": b'{"ts":1795322466.1,"logger":"http.log.access","request":{"host":"a.example"},"status":200}',
        "traefik": b'{"StartUTC":"2026-11-22T04:41:06Z","RequestHost":"a.example","DownstreamStatus":200}',
        "cloudflare": b'{"EdgeEndTimestamp":1795322466,"ClientRequestHost":"a.example","EdgeResponseStatus":200}',
    }[format]
    found = fold((wrap(record + b"\n") + b"\n") * 2, "lines", format=format)
    assert found == (2, 2, {}, {SECOND: 2})


def test_access_lines_of_caddys_console_format_count_and_its_errors_do_not() -> None:
    record = b'{"request":{"host":"a.example","proto":"HTTP/2.0"},"size":9,"status":502}\n'
    level = b"2026/11/22 04:41:06.123\t\x1b[31mERROR\x1b[0m\t"
    lines = level + b"http.log.access.log0\thandled request\t" + record + level + b"http.log.error\tdial tcp\t" + record
    assert fold(lines, "lines", format="caddy") == (1, 2, {"other_log": 1}, {NOW: 1})


def test_records_are_taken_out_whatever_services_are_allowed() -> None:
    folding = _core.Fold(service_id="default", pop="local", services=["mine"])
    folding.feed(docker(b'{"service_id":"mine","status":200}\n') + b"\n", NOW)
    assert folding.report().accepted == 1


@pytest.mark.parametrize(
    ("line", "wrapper"),
    [
        (RECORD, None),
        (SYSLOG + RECORD, "syslog"),
        (CRI + b"F " + RECORD, "cri"),
        (b"2026-11-22T04:41:06Z " + RECORD, "timestamp"),
        (b"nginx-1  | " + RECORD, "container name"),
        (docker(RECORD + b"\n"), "docker json-file"),
        (journal(RECORD, as_bytes=True), "journald"),
        (message(RECORD), "message"),
    ],
)
def test_the_wrapper_has_a_name(line: bytes, wrapper: str | None) -> None:
    folding = _core.Fold(service_id="default", pop="local")
    folding.feed(line + b"\n", NOW)
    assert folding.wrapper == wrapper


@pytest.mark.parametrize("status", [b"200", b'"200"', b"499.0", b'"000"', b"-1"])
@pytest.mark.parametrize("words", [b"", b"info", b"info warn error"])
def test_an_object_with_a_status_is_a_record_wherever_it_stands(status: bytes, words: bytes) -> None:
    line = b'{"status":%b,"message":"{\\"status\\":404,\\"ts\\":1}","time":"2026-11-22T04:41:06Z","ts":1795322466}\n'
    before = [line.replace(b"%b", b'"%b"' % word) for word in words.split()]
    assert fold(b"".join(before) + line % status, "lines").seconds == {
        SECOND: 1,
        **({1: len(before)} if before else {}),
    }
    assert fold(line % b'"info"', "lines").seconds == {1: 1}


def test_a_status_that_is_none_is_rejected_for_what_it_is() -> None:
    inner = b'"message":"{\\"status\\":404}"'
    for line in (b'{"status":"info"}', b'{"status":"info","message":"x"}', b'{"status":9999,' + inner + b"}"):
        for before in (b"", docker(TIMELESS + b"\n") + b"\n"):
            assert fold(before + line, "lines").rejected == {"bad_status": 1}


# --- records that are read where they stand in their envelope --------------------------------------------------------

VALUES = [
    "a",
    "",
    "x" * 40,
    'q"q',
    "b\\b",
    "t\tt",
    "\u00fc",
    "{",
    "}",
    "[",
    ",",
    ":",
    "1",
    "a/b",
    "x" * 31 + '"',
    '\\"',
    "n\nn",
]
AROUND = {
    "docker": lambda text: {"log": text + "\n", "stream": "stdout", "time": "2026-11-22T04:41:06.1Z"},
    "journal": lambda text: {"_PID": "7", "MESSAGE": text, "__REALTIME_TIMESTAMP": "1795322466123456"},
    "message": lambda text: {"message": text, "@timestamp": "2026-11-22T04:41:06Z", "host": {"name": "{"}},
}


@pytest.mark.parametrize("name", AROUND)
@pytest.mark.parametrize("format", ["canonical", "caddy"])
def test_what_a_record_counts_does_not_depend_on_its_envelope(name: str, format: str) -> None:
    records: list[dict[str, object]] = []
    for value in VALUES:
        headers = {"X-Edgetally-Origin-Addr": [value], "Server": [value, "}"]}
        request = {"host": value + "a.example", "proto": "HTTP/2.0", "headers": {"A": [value]}}
        named = {
            "domain": value + "a.example",
            "origin": value,
            "origin_status": "200",
            "tls": "TLSv1.3",
            "cache": value,
        }
        nested = {"x": {"y": [value, {"z": value}]}, "status": 200, "ts": 1795322466.5, "resp_body_bytes": "77"}
        records += [{"ua": value, **named, **nested}, {"request": request, "resp_headers": headers, **nested}]
        records += [{**nested, "status": value}, {**nested, "resp_body_bytes": value}]
    lines = [json.dumps(record, separators=(",", ":")) for record in records for _ in range(3)]
    # Members in the notations of nginx, and lines that are cut off.
    lines += [line.replace('"200"', "200").replace("200", "") for line in lines[:9]] + [line[:-9] for line in lines[:9]]
    lines += [
        line.replace('"77"', text) for text in ("77", "null", "7.5", "-", "1\\n", "1\\u0022") for line in lines[:6]
    ]
    counted = []
    for wrap in (str, lambda text: json.dumps(AROUND[name](text), separators=(",", ":"))):
        folding = _core.Fold(service_id="default", pop="local", format=format)
        # The template knows the lines, and the envelope is expected.
        for line in [*lines, *lines]:
            folding.feed(wrap(line).encode() + b"\n" + b" " * 80, NOW)
        folding.finish(NOW)
        report, window = folding.report(), _core.Window()
        window.merge(folding.drain())
        entries = [sealed.entry(dataset) for sealed in window.seal(2**64 - 2) for dataset in ("domains", "origins")]
        counted.append((report.accepted, report.rejected, report.unknown_cache_words, entries))
    assert counted[0] == counted[1]
    assert counted[0][0] > 300


# --- lines in parts --------------------------------------------------------------------------------------------------


def test_parts_of_a_line_are_one_record_per_stream() -> None:
    whole = b'{"ts":1795322466,"ua":"' + b"x " * 20_000 + b'","status":200}'
    first, second, third = whole[:16_384], whole[16_384:32_768], whole[32_768:]
    other = CRI.replace(b"stdout", b"stderr") + b"F 2026/11/22 04:41:06 [error] 7#7: *1 connect() failed\n"
    lines = CRI + b"P " + first + b"\n" + other + CRI + b"P " + second + b"\n" + CRI + b"F " + third + b"\n"
    wrapped = docker(first) + b"\n" + docker(b"x\n", "stderr") + b"\n" + docker(second) + b"\n" + docker(third + b"\n")
    assert fold(lines, "lines") == (1, 2, {"other_log": 1}, {SECOND: 1})
    assert fold(wrapped, "lines") == (1, 2, {"not_json": 1}, {SECOND: 1})


@pytest.mark.parametrize(
    "lines",
    [
        [CRI + b"P " + RECORD[:20], CRI + b"F " + RECORD[20:]],
        [b"{", b'"status":200', b"}"],
        [CRI + b"F {", CRI + b'F "status":200', CRI + b"F }"],
    ],
)
def test_what_waits_for_its_end_may_go_on_in_another_fold(lines: list[bytes]) -> None:
    carried = b""
    for line in lines:
        folding = _core.Fold(service_id="default", pop="local")
        folding.resume(carried)
        folding.feed(line + b"\n", NOW)
        carried = folding.pending
    assert (folding.report().accepted, carried) == (1, b"")
    for junk in (b"x", b"\xff" * 8, b"\xff" * 40, bytes(8) + b"\xff" * 9):
        folding.resume(junk)


PARTS: dict[str, list[dict[str, object]]] = {
    "Fluent Bit": [{"stream": "stdout", "_p": "P"}, {"stream": "stdout", "_p": "P"}, {"stream": "stdout", "_p": "F"}],
    "Docker's fluentd driver": [
        {"source": "stdout", "partial_message": "true", "partial_id": "a", "partial_last": last}
        for last in ("false", "false", "true")
    ],
    "the last part unmarked": [{"partial_message": "true"}, {"partial_message": "true"}, {}],
    "Vector": [{"_partial": True}, {"_partial": True}, {}],
    "Docker's journald driver": [
        {"CONTAINER_ID": "a", "CONTAINER_PARTIAL_LAST": last} for last in ("false", "false", "true")
    ],
    "Podman": [
        {"CONTAINER_ID": "a", "CONTAINER_PARTIAL_MESSAGE": "true"},
        {"CONTAINER_ID": "a", "CONTAINER_PARTIAL_MESSAGE": "true"},
        {"CONTAINER_ID": "a"},
    ],
}


@pytest.mark.parametrize("name", PARTS)
def test_shippers_mark_parts_in_their_ways(name: str) -> None:
    key = "MESSAGE" if "CONTAINER_ID" in PARTS[name][0] else "message" if name == "Vector" else "log"
    texts = (TIMELESS[:9], TIMELESS[9:20], TIMELESS[20:])
    time = {"time": "2026-11-22T04:41:06Z"}
    lines = [
        json.dumps({**time, **marks, key: text.decode()}).encode()
        for text, marks in zip(texts, PARTS[name], strict=True)
    ]
    assert fold(b"\n".join(lines * 2), "lines") == (2, 2, {}, {SECOND: 2})


@pytest.mark.parametrize("name", PARTS)
def test_a_line_may_be_split_anywhere(name: str) -> None:
    key = "MESSAGE" if "CONTAINER_ID" in PARTS[name][0] else "message" if name == "Vector" else "log"
    first, *_, last = PARTS[name]
    record = b'{"ts":1795322466,"x":[{"y":1},{},{ "z":{"a":[{"b":"{\\""}]}}],"status":200}'
    for cut in range(1, len(record)):
        parts = ((record[:cut], first), (record[cut:], last))
        lines = [json.dumps({**marks, key: text.decode()}).encode() for text, marks in parts]
        assert fold(b"\n".join(lines * 2), "lines") == (2, 2, {}, {SECOND: 2}), record[cut:]


def test_a_part_without_its_end_is_one_truncated_line() -> None:
    assert fold(CRI + b"P " + RECORD[:-1] + b"\n", "lines") == (0, 1, {"truncated": 1}, {})


def in_cri(text: bytes) -> bytes:
    return CRI + b"P " + text


def in_vector(text: bytes) -> bytes:
    return json.dumps({"message": text.decode(), "_partial": True}).encode()


def in_fluent_bit(text: bytes) -> bytes:
    return json.dumps({"log": text.decode(), "stream": "stdout", "_p": "P"}).encode()


without_newline = pytest.mark.parametrize("wrap", [docker, in_cri, in_vector, in_fluent_bit])
"""How a container's last line is written if it has no newline."""


@without_newline
def test_a_record_without_a_newline_at_the_end_of_a_container_counts(wrap: Callable[[bytes], bytes]) -> None:
    whole = CRI + b"F " + RECORD if wrap is in_cri else docker(RECORD + b"\n")
    for lines in ([wrap(RECORD)], [wrap(RECORD)] * 2, [wrap(RECORD), whole], [whole, wrap(RECORD), whole]):
        folding = _core.Fold(service_id="default", pop="local")
        folding.feed(b"".join(line + b"\n" for line in lines), NOW)
        assert (folding.report().accepted, folding.pending) == (len(lines), b"")


LONG = b'{"ts":1795322466,"x":[' + b'{"status":1},' * 2000 + b'{}],"status":200}'


@without_newline
@pytest.mark.parametrize("last", [b"{", b'{"status":20', b'{"x":"a,', b'{"ts":1,', b'{"x":[1],', b"panic: x"])
def test_a_last_line_without_a_newline_does_not_take_the_next_record_with_it(
    last: bytes, wrap: Callable[[bytes], bytes]
) -> None:
    whole = CRI + b"F " if wrap is in_cri else b""
    lines = [wrap(last), whole + RECORD if wrap is in_cri else docker(RECORD + b"\n")]
    found = fold(b"\n".join(lines), "lines")
    assert (found.accepted, sum(found.rejected.values()), found.lines) == (1, 1, 2)


@pytest.mark.parametrize("last", [b'{"status":20', b'{"x":"a,', b"panic: x", b'{"x":"' + b"y" * 16_378])
def test_a_last_line_without_a_newline_does_not_take_a_record_in_parts_with_it(last: bytes) -> None:
    # One of these splits the line before an object in it.
    for shift in range(13):
        text = b'{"y":"' + b"y" * shift + b'",' + LONG[1:]
        first, second = text[:16_384], text[16_384:]
        found = fold(b"\n".join(map(docker, [last, first, second + b"\n"])), "lines")
        assert (found.accepted, sum(found.rejected.values()), found.lines) == (1, 1, 2)
        lines = [in_cri(last), in_cri(first), CRI + b"F " + second]
        found = fold(b"\n".join(lines), "lines")
        assert (found.accepted, found.rejected, found.lines) == (1, {"truncated": 1}, 2)


def test_lines_whose_newline_a_shipper_cut_off_count_one_by_one() -> None:
    notice = b"2026/11/22 04:41:06 [notice] 1#1: start worker processes"
    console = b"2026/11/22 04:41:06.123\tINFO\thttp.log.access\thandled request\t" + RECORD
    found = fold(b"\n".join(map(docker, [notice, RECORD, notice, console, notice])), "lines")
    assert found == (2, 5, {"other_log": 3}, {SECOND: 2})


def test_a_record_in_very_many_parts_is_not_read_again_with_each() -> None:
    parts = [b'{"a":'] * 50_000
    assert fold(b"\n".join(map(in_cri, parts)), "lines").rejected == {"truncated": 1}


# --- several records in a line, and one over several -----------------------------------------------------------------


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize(
    ("accepted", "rejected", "data"),
    [
        (3, {}, RECORD * 3),
        (2, {}, RECORD + b" \t" + RECORD),
        (2, {"truncated": 1}, RECORD * 2 + RECORD[:-1]),
        (2, {"bad_status": 1}, RECORD + b'{"status":9999}' + RECORD),
        (2, {}, RECORD + b",\n" + RECORD + b",\n"),
        (0, {"not_json": 1}, RECORD + b"x" + RECORD),
        (0, {"not_json": 1}, RECORD + b"}"),
        (3, {}, SYSLOG + RECORD * 3),
        (3, {}, (SYSLOG + RECORD) * 3),
        (3, {}, (STRUCTURED + RECORD + b" ") * 3),
        (3, {}, b"%d %b" % (len(SYSLOG + RECORD), SYSLOG + RECORD) * 3),
        (1, {"truncated": 1}, ((SYSLOG + RECORD) * 2)[:-1]),
        (0, {"not_json": 1}, SYSLOG + RECORD + b"<x>" + RECORD),
        (2, {}, json.dumps({"MESSAGE": [RECORD.decode(), list(RECORD)]}).encode()),
        (2, {"no_part": 1}, b'{"Records":[' + RECORD + b",{}," + RECORD + b"]}"),
        (2, {}, json.dumps({"logEvents": [{"id": "1", "message": RECORD.decode()}] * 2}).encode()),
        (0, {}, b'{"records":[]}'),
        (0, {"no_part": 1}, b'{"records":[1]}'),
        (3, {}, b"[" + RECORD + b"," + RECORD + b"]\n[" + RECORD + b"]\n[]\n"),
        (3, {}, RECORD + BYTE_ORDER_MARK + RECORD + b" " + BYTE_ORDER_MARK * 2 + RECORD),
        (3, {}, RECORD + b"\0" + RECORD + b"\r\0\0" + RECORD + b"\0"),
        (2, {}, (SYSLOG + RECORD + b"\0") * 2),
        (2, {"not_json": 1}, RECORD + b"\0" + SYSLOG + b"x\0" + RECORD),
        (1, {"truncated": 1}, RECORD[:-1] + b"\0" * 9 + RECORD),
        (2, {}, b"".join(b"%d %b\n" % (len(line), line) for line in [SYSLOG + RECORD + b"\n"] * 2)),
        (1, {}, json.dumps(json.loads(RECORD), indent=2).encode()),
        (1, {}, json.dumps(json.loads(RECORD), indent=0).encode()),
        (2, {}, b"{\n\t" + RECORD[1:-1] + b"\n},\n{\n" + RECORD[1:-1] + b"\n}\n"),
        (1, {}, b'{\n"status":200,"x":{\n"y":[\n{\n"z":1\n}\n]\n}\n}'),
        (1, {"truncated": 1}, b"{\n" + RECORD),
        (1, {"truncated": 1}, b'{\n "status":200,\n' + RECORD),
        (1, {"truncated": 1, "not_json": 1}, b"{\nerror\n" + RECORD),
        (0, {"truncated": 1}, b'{\n "status":200,'),
        (0, {"bad_status": 1}, b'{\n "status":9999\n}'),
        (2, {}, b'[\n{\n"status":1\n}, {\n"status":2\n}\n]'),
        (2, {}, b'{\n"status":1\n}{\n"status":2\n}'),
        (3, {}, b'[{\n"status":1\n}, ' + RECORD + b"," + RECORD + b"]"),
        (2, {}, RECORD + b',{\n"status":2\n}'),
        (1, {"truncated": 1}, b'{\n"status":1\n}, {\n"status":2'),
        (0, {"not_json": 1}, b'{\n"status":1\n} x'),
        (2, {}, docker(RECORD + b"\n") * 2),
        (2, {}, b"[" + message(RECORD) + b"," + journal(RECORD, as_bytes=True) + b"]"),
        (1, {}, json.dumps(json.loads(journal(RECORD, as_bytes=False)), indent=1).encode()),
    ],
)
def test_lines_are_not_records(accepted: int, rejected: dict[str, int], data: bytes, framing: Framing) -> None:
    for cut in (0, 1, len(data) // 2):
        found = fold(data, framing, cut=cut)
        assert (found.accepted, found.rejected) == (accepted, rejected)


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("start", [b"[", b"[\n", BYTE_ORDER_MARK + b"[\n", b"\n[ \n"])
@pytest.mark.parametrize("separator", [b",\n", b"\n,", b", "])
def test_an_array_in_a_file_counts(start: bytes, separator: bytes, framing: Framing) -> None:
    found = fold(start + separator.join([RECORD] * 3) + b"\n]\n", framing)
    assert (found.accepted, found.rejected) == (3, {})


def in_docker(line: bytes) -> bytes:
    return docker(line + b"\n")


def in_the_journal(line: bytes) -> bytes:
    return journal(line, as_bytes=False)


@pytest.mark.parametrize("indent", [2, 0])
@pytest.mark.parametrize(
    "wrap",
    [
        in_docker,
        in_the_journal,
        *((CRI + b"F ").__add__, b"nginx-1  | ".__add__, b"[pod/a/nginx] ".__add__, SYSLOG.__add__),
    ],
    ids=["docker", "journal", "cri", "compose", "kubectl", "syslog"],
)
def test_a_record_over_several_lines_may_be_wrapped_line_by_line(wrap: Callable[[bytes], bytes], indent: int) -> None:
    record = b'{"domain":"a.example","status":200,"x":[{"y":2}],"ts":1795322466}'
    lines = json.dumps([json.loads(record)] * 2, indent=indent).encode().split(b"\n")
    wrapped = [wrap(line) for line in lines]
    assert fold(b"\n".join(wrapped), "lines") == (2, 2, {}, {SECOND: 2})
    # A line of another log ends it.
    cut = [*wrapped[:5], wrap(b"2026/11/22 04:41:06 [error] 7#7: x"), wrap(RECORD)]
    assert fold(b"\n".join(cut), "lines").rejected["truncated"] == 1
    assert fold(b"\n".join(cut), "lines").accepted == 1


def test_a_record_over_several_wrapped_lines_counts_in_the_second_of_its_wrapper() -> None:
    lines = [CRI + b"F {", CRI + b'F  "status": 200', CRI + b"F }"]
    assert fold(b"\n".join(lines), "lines") == (1, 1, {}, {SECOND: 1})


def test_a_long_record_over_many_lines_is_not_read_again_with_each() -> None:
    folding = _core.Fold(service_id="default", pop="local")
    folding.feed(b"{\n" + b'"":{},\n' * 32_000 + b'"status":200\n}\n', NOW)
    assert folding.report().accepted == 1


def test_rejections_have_the_line_in_which_their_record_starts() -> None:
    data = b'\n{\n"status":9999\n}\n{\n"status":200,\n' + RECORD + b'{"status":9}' + b'{"status":"x"}\nx\n{\n"a":1'
    folding = _core.Fold(service_id="default", pop="local")
    folding.feed(data, NOW)
    folding.finish(NOW)
    assert [(one.line, one.reason) for one in folding.report().rejections] == [
        *((2, "bad_status"), (5, "truncated"), (7, "bad_status"), (8, "not_json"), (9, "truncated")),
    ]


# --- messages that end with a zero byte ------------------------------------------------------------------------------


def test_messages_of_a_stream_may_end_with_zero_bytes() -> None:
    data = (SYSLOG + RECORD + b"\0") * 3 + SYSLOG + RECORD + b"\n"
    for cut in range(0, len(data), 7):
        assert fold(data, "stream", cut=cut).accepted == 4


# --- lines of other logs ---------------------------------------------------------------------------------------------

OTHERS = [
    b"2026/11/22 04:41:06 [error] 12#12: *1 connect() failed (111: Connection refused)",
    b"[Sun Nov 22 04:41:06.123456 2026] [core:error] [pid 12:tid 3] AH00126: Invalid URI",
    b"[2026-11-22 04:41:06.123][12][info][main] starting",
    b"2026-11-22T04:41:06Z INF Configuration loaded",
    b'time="2026-11-22T04:41:06Z" level=info msg="Configuration loaded"',
    b"Server app/a is DOWN, reason: Layer4 timeout",
    b"192.0.2.7:50000 [22/Nov/2026:04:41:06.123] web/1: SSL handshake failure",
    b"Connect from 192.0.2.7:50000 to 192.0.2.1:443 (web/TCP)",
    b"[WARNING]  (1) : Server app/a is DOWN, reason: Layer4 timeout",
    b"Child (12) Started",
    b"Started nginx.service - A high performance web server.",
    b"-- Boot 4d5a8f3c9a2b4c5d8e7f6a5b4c3d2e1f --",
    b"==> /var/log/nginx/access.log <==",
]


@pytest.mark.parametrize("before", [b"", SYSLOG, CRI + b"F ", b"edge-1 | "])
@pytest.mark.parametrize("line", [*OTHERS, docker(OTHERS[0] + b"\n"), journal(OTHERS[1], as_bytes=True)])
def test_lines_of_other_logs_are_counted_as_such_and_not_shown(line: bytes, before: bytes) -> None:
    folding = _core.Fold(service_id="default", pop="local")
    folding.feed(before + line + b"\n" + RECORD + b"\n", NOW)
    report = folding.report()
    assert (report.accepted, report.rejected, report.rejections) == (1, [("other_log", 1)], [])


@pytest.mark.parametrize(
    ("format", "accepted", "line"),
    [
        ("caddy", 1, b'{"ts":1,"logger":"http.log.access.log0","status":502}'),
        ("caddy", 1, b'{"ts":1,"status":502}'),
        ("caddy", 0, b'{"ts":1,"logger":"http.log.error.log0","status":502,"err_id":"a1"}'),
        ("caddy", 0, b'{"ts":1,"logger":"admin.api","msg":"received request","method":"GET"}'),
        ("caddy", 0, b'{"level":"info","ts":1,"msg":"using config from file","file":"Caddyfile"}'),
        ("caddy", 0, b'{"level":"error","ts":1,"msg":"dial tcp: refused","request":{"host":"a"},"status":502}'),
        ("caddy", 0, b'{"level":"error","ts":1,"status":502}'),
        ("caddy", 1, b'{"level":"info","ts":1,"msg":"handled request","request":{"method":"GET"},"status":200}'),
        ("caddy", 1, b'{"level":"info","ts":1,"request":{"method":"GET"},"status":200}'),
        ("traefik", 1, b'{"time":"2026-11-22T04:41:06Z","DownstreamStatus":200}'),
        ("traefik", 0, b'{"time":"2026-11-22T04:41:06Z","level":"info","msg":"Configuration loaded"}'),
        ("traefik", 0, b'{"time":"2026-11-22T04:41:06Z","DownstreamStatus":200,"RouterName":"ping@internal"}'),
        ("cloudfront", 0, b"#Version: 1.0"),
    ],
)
def test_what_an_access_line_is_belongs_to_the_format(format: str, accepted: int, line: bytes) -> None:
    found = fold(line, "lines", format=format)
    assert (found.accepted, found.rejected) == (accepted, {} if accepted else {"other_log": 1})


# --- times -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "time",
    [
        "2026-11-22T05:41:06.907+0100",
        "2026-11-22T04:41:06+0000",
        "2026-11-22T05:41:06+01",
        "2026-11-22 05:41:06.907 +0100",
        "22/Nov/2026:04:41:06 +0000",
        "[22/Nov/2026:05:41:06 +0100]",
        "22/Nov/2026:04:41:06.123 +0000",
        "20261122T044106Z",
        "20261122T054106.5+0100",
        "2026-11-22 05:41:06.123 +0100 CET",
        "2026-11-22T05:41:06+01:00[Europe/Berlin]",
    ],
)
def test_common_spellings_of_times_are_read(time: str) -> None:
    line = b'{"ts":"%b","status":200}\n' % time.encode()
    assert fold(line * 2, "lines") == (2, 2, {}, {SECOND: 2})


@pytest.mark.parametrize(
    ("second", "members"),
    [
        (
            SECOND,
            b'"StartLocal":"2026-11-22T05:41:05.907+01:00","Duration":100000000,"time":"2026-11-22T06:41:06+01:00"',
        ),
        (SECOND, b'"time":"2026-11-22T05:41:06+01:00","Duration":9000000000'),
        (NOW, b'"time":"soon"'),
    ],
)
def test_the_next_field_with_a_time_counts_if_the_first_is_missing(second: int, members: bytes) -> None:
    line = b'{"DownstreamStatus":200,' + members + b"}"
    assert fold(line, "lines", format="traefik").seconds == {second: 1}


def test_lines_without_a_time_are_counted() -> None:
    folding = _core.Fold(service_id="default", pop="local")
    folding.feed(b"\n".join([RECORD, TIMELESS, TIMELESS, b"x", SYSLOG + TIMELESS, CRI + b"F " + TIMELESS, b""]), NOW)
    assert folding.report().without_time == 3


# --- members that no field asks for ----------------------------------------------------------------------------------


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize(
    ("accepted", "line"),
    [
        (1, b'{"ts":1795322466,"status":200,"upstream_response_time":}'),
        (1, b'{"ts":1795322466,"upstream_response_time":,"request_time":0.000,"status":200}'),
        (1, b'{"ts":1795322466,"upstream_response_time":0.1, 0.2 : -,"status":200}'),
        (1, b'{"ts":1795322466,"upstream_addr":10.0.0.7:80, unix:/a : b,"status":200}'),
        (1, b'{"ts":1795322466,"ua":Mozilla/5.0 (X11; Linux), like,"status":200}'),
        (1, b'{"ts":1795322466,"status":200,"x":1,}'),
        (1, b'{"ts":1795322466,,"status":200}'),
        (0, b'{"ts":1795322466,"x":a"b,"status":200}'),
        (0, b'{"ts":,"status":200}'),
        (0, b'{"ts":1795322466,"status":}'),
        (0, b'{"ts":1795322466,"status":200,"origin_status":,"bereq_bytes":}'),
        (1, b'{"ts":1795322466,"status":200,"origin_status":"","bereq_bytes":null}'),
        (0, b'{"ts":1795322466,"status":200, 404}'),
    ],
)
def test_only_fields_that_count_can_make_a_line_unreadable(accepted: int, line: bytes, framing: Framing) -> None:
    found = fold((line + b"\n") * 2, framing)
    assert (found.accepted, found.rejected) == (2 * accepted, {} if accepted else {"not_json": 2})


# --- parts of several containers ------------------------------------------------------------------------------------


def test_parts_of_several_containers_are_put_together_wherever_the_fold_goes_on() -> None:
    def part(text: bytes, container: str, *, is_last: bool) -> bytes:
        mark = {"partial_message": "true", "partial_id": container, "partial_last": str(is_last).lower()}
        return json.dumps({"log": text.decode(), "container_id": container, **mark}).encode() + b"\n"

    blog = RECORD.replace(b"shop", b"blog")
    lines = [
        part(RECORD[:9], "a", is_last=False),
        part(blog[:30], "b", is_last=False),
        part(RECORD[9:20], "a", is_last=False),
        part(blog[30:], "b", is_last=True),
        part(RECORD[20:], "a", is_last=True),
    ]
    assert fold(b"".join(lines), "lines") == (2, 2, {}, {SECOND: 2})
    for stop in range(len(lines)):
        first, second = (_core.Fold(service_id="default", pop="local") for _ in range(2))
        first.feed(b"".join(lines[:stop]), NOW)
        second.resume(first.pending)
        second.feed(b"".join(lines[stop:]), NOW)
        assert (first.report().accepted + second.report().accepted, bytes(second.pending)) == (2, b"")


# --- records that begin beside their brace ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "record",
    [
        b'{ "ts": 1795322466,\n  "status": 200 }\n',
        b'{"ts": 1795322466,\n"domain": "a.example",\n"status": 200}\n',
        b'{"ts": 1795322466, "x": {\n  "y": [\n    1,\n    2]},\n  "status":\n  200}\n',
        b'[{"ts": 1795322466,\r\n  "status": 200},\r\n',
    ],
)
def test_a_record_over_several_lines_may_begin_beside_its_brace(record: bytes) -> None:
    assert fold(record * 2, "lines") == (2, 2, {}, {SECOND: 2})


def test_a_line_that_was_cut_behind_a_comma_costs_no_other() -> None:
    assert fold(b'{"ts":1795322466,\n' + RECORD + b"\n", "lines") == (1, 2, {"truncated": 1}, {SECOND: 1})


@pytest.mark.parametrize("wrap", [bytes, in_docker, (CRI + b"F ").__add__], ids=["plain", "docker", "cri"])
@pytest.mark.parametrize("good", [RECORD, b"{ " + RECORD[1:], b"\t" + RECORD, b"  { " + RECORD[1:]])
@pytest.mark.parametrize(
    "cut", [b'{"ts":1,', b'{ "x": {', b'{"x":[1],', b'{"x":[{"y":1}],', b'{"ts":1,\n "x": [\n  {\n']
)
def test_a_cut_off_line_does_not_take_the_records_behind_it_with_it(
    cut: bytes, good: bytes, wrap: Callable[[bytes], bytes]
) -> None:
    lines = [*cut.splitlines(), *[good] * 9]
    assert fold(b"\n".join(map(wrap, lines)), "lines") == (9, 10, {"truncated": 1}, {SECOND: 9})


@pytest.mark.parametrize("good", [RECORD, b"{ " + RECORD[1:], b"\t" + RECORD, b"  { " + RECORD[1:]])
@pytest.mark.parametrize("cut", [b'{"x":', b'{"x":[', b'{"x":[1,'])
def test_a_line_that_was_cut_before_an_object_costs_at_most_one_record(cut: bytes, good: bytes) -> None:
    lost = int(good[:1] in b" \t")
    found = fold(b"\n".join([cut, *[good] * 9]), "lines")
    assert found == (9 - lost, 10 - lost, {"truncated": 1}, {SECOND: 9 - lost})


def test_a_record_over_several_lines_behind_a_cut_off_one_counts() -> None:
    whole = json.dumps({"ts": SECOND, "x": [{"y": 1}, {}, {"z": {}}], "status": 200}, indent=2).encode().splitlines()
    for end in range(1, len(whole)):
        # In a list, the next record might be an element.
        counted = 1 if whole[end - 1].endswith((b"[", b"},")) else 2
        found = fold(b"\n".join([*whole[:end], *whole, *whole]), "lines")
        assert found == (counted, counted + 1, {"truncated": 1}, {SECOND: counted}), whole[end - 1]


# --- pushes that begin like an array ---------------------------------------------------------------------------------


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_bracket_with_a_time_begins_no_array(framing: Framing) -> None:
    line = b"[2026-11-22 04:41:06.123][12][info][main] [source/server/server.cc:1] starting\n"
    for cut in (0, 1, 2, 3):
        assert fold(line + RECORD, framing, cut=cut) == (1, 2, {"other_log": 1}, {SECOND: 1})


# --- what a rejected line is instead ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"status":200}'.encode("utf-16"), "UTF-16"),
        (b'192.0.2.1 - - [22/Nov/2026:04:41:06 +0000] "GET / HTTP/1.1" 200 12 "-" "curl"', "combined log format"),
        (b"ts=2026-11-22T04:41:06Z status=200", "logfmt"),
        (b"{'status': 200}", "single quotes"),
        (b"my own words: here {" + b'"status":200}', "no known wrapper"),
        (b'{"records":[{"data":"eyJzdGF0dXMiOjIwMH0="}]}', "base64"),
        (b'{"ts":"2026-11-22 04:41:06","status":200}', "no offset from UTC"),
        (b"x", "not a JSON object"),
    ],
)
def test_the_reason_says_what_a_line_is(line: bytes, words: str) -> None:
    folding = _core.Fold(service_id="default", pop="local")
    folding.feed(line + b"\n", NOW)
    assert words in folding.report().rejections[0].sentence


# --- cache words -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counter", "word"),
    [
        ("edge_hit_requests", "Souin; hit; ttl=4; key=GET-https-shop.example-/a"),
        ("edge_miss_requests", "Souin; fwd=uri-miss; stored; key=GET-https-shop.example-/b"),
        ("edge_hit_requests", "ExampleCache; hit"),
        ("edge_hit_requests", "Origin; fwd=uri-miss, Edge; hit"),
        ("edge_miss_requests", 'Origin; hit, "Edge, Inc; x"; fwd=stale'),
        ("edge_hit_requests", "MISS, HIT"),
        ("edge_hit_requests", "ExampleCache; hit,"),
        ("edge_miss_requests", 'ExampleCache; fwd="uri-miss"'),
        ("edge_hit_requests", "TCP_MEM_HIT:HIER_NONE"),
        ("edge_miss_requests", "MISS/200"),
        ("edge_hit_requests", "Hit from cloudfront"),
        (None, "ExampleCache; fwd=bypass"),
        (None, "ExampleCache; fwd=method"),
    ],
)
def test_the_field_cache_status_is_read(counter: str | None, word: str) -> None:
    folding = _core.Fold(service_id="default", pop="local")
    folding.feed(json.dumps({"status": 200, "cache": word}).encode() + b"\n", NOW)
    assert folding.report().unknown_cache_words == []
    window = _core.Window()
    window.merge(folding.drain())
    (sealed,) = window.seal(2**64 - 2)
    (counted,) = json.loads(sealed.entry("domains"))["aggregated"].values()
    results = {"edge_hit_requests", "edge_miss_requests"} & counted.keys()
    assert results == ({counter} if counter else set())


def test_nothing_that_clients_send_becomes_a_cache_word() -> None:
    words = ["Souin; stored; key=/secret", "/secret", "k=1", "x" * 33, "sécret", "two words", "a, b"]
    folding = _core.Fold(service_id="default", pop="local")
    folding.feed(b"".join(json.dumps({"status": 200, "cache": word}).encode() + b"\n" for word in words), NOW)
    assert folding.report().unknown_cache_words == [("Souin", 1), ("two words", 1), ("_other", 5)]


# --- datagrams -------------------------------------------------------------------------------------------------------


def test_a_datagram_may_have_several_lines() -> None:
    # `socat` and `nc -u` send what they read, and HAProxy ends each datagram with a newline.
    several = SYSLOG + RECORD + b"\n" + RECORD + b"\n\n" + SYSLOG + RECORD
    pretty = json.dumps(json.loads(RECORD), indent=2).encode()
    assert fold(several + b"\n" + pretty + b"\n", "datagrams")[:3] == (4, 5, {})
