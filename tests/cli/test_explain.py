"""What `edgetally explain` prints of a line."""

import gzip
import io
import json
from collections.abc import Callable

import pytest

from edgetally.cli.explain import explained
from edgetally.config.log_sections import RecordsSettings
from edgetally.model import Defaults
from edgetally.offline.explain import Transport, lines_of

GOOD = b'{"ts":17,"service_id":"s","pop":"AMS","domain":"a.example","status":200,"cache":"HIT"}'

ADDED = "edge_hit_ratio 1.0, edge_hit_requests 1, edge_requests 1, requests 1, status_200 1, status_2xx 1"


DEFAULTS = Defaults("default", "local")


def printed(*lines: bytes, max_lines: int = 10, transport: Transport = "fold") -> list[str]:
    """Explain the lines; return what is printed behind the format."""
    kind, blank, *text = explained(lines, defaults=DEFAULTS, now=9, max_lines=max_lines, transport=transport)
    assert (kind, blank) == ("format: canonical", "")
    return text


def detected(*lines: bytes) -> list[str]:
    """Explain lines whose format is to be detected."""
    return list(explained(lines, defaults=DEFAULTS, now=9, max_lines=10, detect_format=True))


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_log_may_be_compressed(pack: Callable[[bytes], bytes]) -> None:
    assert list(lines_of(io.BytesIO(pack(b"one\ntwo\n\nthree")), "a.log")) == [b"one\n", b"two\n", b"\n", b"three"]


@pytest.mark.parametrize("detect_format", [True, False])
@pytest.mark.parametrize("log", [b"", gzip.compress(b"")], ids=["plain", "gzip"])
def test_an_empty_log_is_reported_as_empty(log: bytes, *, detect_format: bool) -> None:
    lines = lines_of(io.BytesIO(log), "a.log")
    text = explained(lines, defaults=DEFAULTS, now=9, max_lines=10, detect_format=detect_format)
    assert list(text) == ["the log is empty"]


def test_a_record_is_shown_with_its_keys_and_what_it_adds() -> None:
    assert printed(GOOD + b"\n") == [
        "line 1",
        "  " + GOOD.decode(),
        "  counts for service s, POP AMS, second 17 (field ts)",
        "  counts as 1 request from an end user",
        "    domains a.example: " + ADDED,
        "",
    ]


def test_fetches_are_shown_by_origin_and_address() -> None:
    text = printed(b'{"origin":"app","origin_addr":"10.0.0.1:80, 10.0.0.2:80","origin_status":"503, 200"}')
    assert "    origin_insights app at 10.0.0.1: responses 1, status_503 1, status_5xx 1" in text
    assert "    origin_insights app at 10.0.0.2: responses 1, status_200 1, status_2xx 1" in text


@pytest.mark.parametrize(
    ("line", "pointed_at", "reason"),
    [
        (b'{"status":2x0}', "2", "bad_status"),
        (b'{"status":200,"ts":"never"}', "n", "bad_ts"),
        ('{"x":"ü","status":"no"}'.encode(), "n", "bad_status"),
        (b'{"x":"\x1b[2J\xff","status":"no"}', "n", "bad_status"),
        (b'{"x":"' + b"y" * 500 + b'","status":"no"}', "n", "bad_status"),
    ],
)
def test_an_arrow_points_at_the_byte_that_is_wrong(line: bytes, pointed_at: str, reason: str) -> None:
    _, shown, arrow, why, _ = printed(line)
    assert shown[arrow.index("^")] == pointed_at
    assert f"({reason})" in why
    assert shown.isprintable()


def test_keys_cannot_control_a_terminal() -> None:
    evil = r"\u001b[2J\u009b\u202e\u2028\n<b>"
    line = f'{{"status":200,"pop":"P{evil}","origin":"o{evil}","origin_ip":"1{evil}","origin_status":200}}'

    text = printed(line.encode())

    assert any("    origins o" in one for one in text)
    assert all(one.isprintable() for one in text)


def test_lines_that_add_nothing_say_why() -> None:
    assert "  blank line, skipped" in printed(b"\n")
    shield = printed(b'{"origin_ip":"10.0.0.1","origin_is_shield":true,"service_id":"s"}')
    assert "    in the channel alone: its only fetch went to another POP" in shield


def test_only_the_first_lines_are_shown() -> None:
    assert sum(text.startswith("line ") for text in printed(*[GOOD] * 5, max_lines=2)) == 2


def test_the_parts_that_count_are_named() -> None:
    fetches = b'"origin":"app","origin_addr":"10.0.0.1:80, 10.0.0.2:80","origin_status":"503, 200"}'
    assert "  counts as 1 request from an end user, and 2 fetches from origins" in printed(b'{"status":200,' + fetches)
    assert "  counts as 2 fetches from origins" in printed(b"{" + fetches)
    assert "  counts as 3 requests from another POP, or from the edge itself" in printed(
        b'{"status":1,"edge":0,"weight":3}'
    )
    assert "  counts as 1 request from an end user" in printed(b'{"status":200,"compute":true}')


def test_an_unknown_cache_word_is_named() -> None:
    expected = '    unknown cache word "maybe": it counts as neither hit nor miss'
    assert expected in printed(b'{"status":200,"cache":"maybe"}')


CADDY = b'{"ts":17.5,"request":{"host":"a.example","proto":"HTTP/2.0"},"size":5,"status":200}\n'


def test_a_format_is_detected() -> None:
    text = detected(b"\n", CADDY)
    assert text[0].startswith("format: caddy, detected by its fields; pass --format caddy wherever")
    assert any("domains a.example" in line and "http2 1" in line for line in text)


def test_canonical_records_are_detected_and_need_no_flag() -> None:
    assert detected(GOOD)[0] == "format: canonical, detected by its fields"


def test_lines_without_a_known_field_have_no_format() -> None:
    (first, *_) = detected(b"127.0.0.1 GET /\n")
    assert first == "format: not detected, no known field in these lines; reading them as canonical"


# --- transports and wrappers ------------------------------------------------------------------------------------------

RECORD = b'{"domain":"a.example","status":200}'

COUNTED = "  counts for service default, POP local, second "


def outcomes(text: list[str]) -> list[str]:
    """Return what became of lines, without the text of records and without counters."""
    return [
        one for one in text if one and (one[:3].strip() or "^" in one) and not one.startswith(("  {", "  counts as"))
    ]


@pytest.mark.parametrize(
    ("line", "wrapper"),
    [
        (b"<13>1 2026-11-22T04:41:06Z h nginx - - - " + RECORD, "syslog"),
        (b"2026-11-22T04:41:06.1Z stdout F " + RECORD, "cri"),
        (
            json.dumps({"log": f"{RECORD.decode()}\n", "stream": "stdout", "time": "2026-11-22T04:41:06.1Z"}).encode(),
            "docker json-file",
        ),
    ],
)
def test_the_wrapper_is_named_and_that_the_time_is_its(line: bytes, wrapper: str) -> None:
    text = printed(line + b"\n")

    assert f"  wrapped in: {wrapper}" in text
    assert f"{COUNTED}1795322466 (time of the wrapper)" in text


@pytest.mark.parametrize("line", [CADDY, RECORD])
def test_a_format_is_detected_in_its_wrapper(line: bytes) -> None:
    time = "2026-11-22T04:41:06.1Z"
    docker = json.dumps({"log": f"{line.decode().strip()}\n", "stream": "stdout", "time": time}).encode()

    assert detected(docker + b"\n")[0] == detected(line)[0]
    assert detected(f"{time} stdout F ".encode() + line)[0] == detected(line)[0]


@pytest.mark.parametrize(
    "log",
    [
        [b'<134>1 2026-11-22T04:41:06Z h caddy 12 - [ex@1 route="/a/{id}"] ' + CADDY],
        [CADDY.strip() * 3],
        [b"[\n", CADDY.strip() + b",\n", b"]\n"],
        [line + b"\n" for line in json.dumps(json.loads(CADDY), indent=2).encode().split(b"\n")],
        [b'{"records":[' + CADDY.strip() + b"]}\n"],
        [b"10.0.0.7 " + CADDY],
    ],
)
def test_a_format_is_detected_whatever_is_around_its_records(log: list[bytes]) -> None:
    assert detected(*log)[0].startswith("format: caddy, detected by its fields")


def test_the_time_is_named() -> None:
    assert f"{COUNTED}9 (no time: the current second)" in printed(RECORD)
    assert f"{COUNTED}17 (field ts)" in printed(b'{"ts":17,"status":200}')
    traefik = (
        b'{"time":"2026-11-22T04:41:06Z","StartLocal":"2026-11-22T04:41:05Z","RouterName":"x","DownstreamStatus":200}\n'
    )
    text = explained([traefik], defaults=DEFAULTS._replace(format="traefik"), now=9, max_lines=1)
    assert any("1795322465 (field StartLocal)" in one for one in text)


def test_a_line_of_another_log_is_named_as_such() -> None:
    line = b'{"level":"error","ts":1,"logger":"http.log.error","msg":"x"}\n'
    text = list(explained([line], defaults=DEFAULTS._replace(format="caddy"), now=9, max_lines=1))

    assert "  a line of another log of the same server: not counted, and not an error (other_log)" in text


def test_every_record_of_a_line_is_shown() -> None:
    text = printed(b'{"ts":17,"status":200}{"ts":18,"status":"no"},{"ts":19,"status":404}\n')

    assert outcomes(text) == [
        "line 1",
        "  record 1 of 3",
        f"{COUNTED}17 (field ts)",
        "  record 2 of 3",
        "                     ^ byte 19",
        "  rejected: status must be an integer up to 999 (bad_status)",
        "  record 3 of 3",
        f"{COUNTED}19 (field ts)",
    ]


def test_parts_of_a_record_wait_for_the_rest() -> None:
    parts = [
        b"2026-11-22T04:41:06Z stdout P " + RECORD[:9] + b"\n",
        b"2026-11-22T04:41:06Z stdout F " + RECORD[9:] + b"\n",
    ]
    text = printed(*parts)

    assert text[2:4] == [
        "  2026-11-22T04:41:06Z stdout P " + RECORD[:9].decode(),
        "  a part of a record: waits for the rest",
    ]
    assert f"{COUNTED}1795322466 (time of the wrapper)" in text


def test_a_record_without_its_rest_is_rejected_where_the_log_ends() -> None:
    line = b"2026-11-22T04:41:06Z stdout P " + RECORD[:9] + b"\n"
    waits = "  a part of a record: waits for the rest"

    assert any("(truncated)" in one for one in printed(line, transport="fold"))
    assert waits in printed(line, transport="follow")
    assert waits in printed(line, transport="fold", max_lines=1)  # there may be more lines


def test_a_followed_file_waits_for_the_newline() -> None:
    waits = "  no newline yet: waits for the rest of the line"

    assert waits in printed(RECORD, transport="follow")
    assert waits not in printed(RECORD, transport="stdin")


def test_a_push_may_be_an_array_over_several_lines() -> None:
    waits = "  a part of a record: waits for the rest"
    text = printed(b"[\n", b"  " + RECORD + b",\n", b'  {"status":\n', b"200}\n", b"]\n", transport="push")

    counts = f"{COUNTED}9 (no time: the current second)"
    # An element ends with what follows it.
    expected = [["  [", waits], [counts], [waits], ["  200}", waits], ["  ]", counts]]
    assert outcomes(text) == [
        one for number, shown in enumerate(expected, start=1) for one in (f"line {number}", *shown)
    ]


def test_syslog_may_count_octets() -> None:
    message = b"<13>1 2026-11-22T04:41:06Z h nginx - - - " + RECORD
    text = printed(b"%d %b" % (len(message), message), transport="syslog")

    assert f"{COUNTED}1795322466 (time of the wrapper)" in text


# --- what a server would do now ---------------------------------------------------------------------------------------

NOW = 1_795_322_466
BACK = "s back, more than records.max_lateness"
CURES = "look for delayed lines or a wrong clock"


def said_of_now(
    line: bytes, *, format: str = "canonical", transport: Transport = "follow", limits: RecordsSettings | None = None
) -> list[str]:
    """Explain a line; return why a server would reject it now."""
    text = explained(
        [line + b"\n"],
        defaults=DEFAULTS._replace(format=format),
        now=NOW,
        max_lines=10,
        transport=transport,
        limits=limits or RecordsSettings(),
    )
    return [one.removeprefix("  if it arrived now, ") for one in text if one.startswith("  if it arrived now")]


def at(second: int) -> bytes:
    return b'{"ts":%d,"status":200}' % second


@pytest.mark.parametrize("transport", ["follow", "stdin", "push", "syslog"])
def test_a_record_that_a_server_would_reject_now_is_named_with_its_age_and_the_limit(transport: Transport) -> None:
    assert said_of_now(at(NOW - 121), transport=transport) == [f"rejected: ts is 121 {BACK} (120 s): {CURES} (too_old)"]
    assert said_of_now(at(NOW + 6), transport=transport) == [
        "rejected: ts is 6 s ahead, more than records.max_ahead (5 s): check the edge's clock (too_new)"
    ]
    for second in (NOW - 120, NOW, NOW + 5):
        assert said_of_now(at(second), transport=transport) == []


def test_the_limits_of_the_settings_and_of_the_format_hold() -> None:
    limits = RecordsSettings(max_lateness=10, max_ahead=0)
    assert said_of_now(at(NOW - 11), limits=limits) == [f"rejected: ts is 11 {BACK} (10 s): {CURES} (too_old)"]
    assert "more than records.max_ahead (0 s)" in said_of_now(at(NOW + 1), limits=limits)[0]
    cloudflare = b'{"ClientRequestHost":"a.example","EdgeResponseStatus":200,"EdgeEndTimestamp":%d}'
    assert said_of_now(cloudflare % (NOW - 3600), format="cloudflare") == []
    assert said_of_now(cloudflare % (NOW - 4000), format="cloudflare") == [
        f"rejected: ts is 4000 {BACK} (3600 s): {CURES} (too_old)"
    ]


def test_each_record_of_a_line_is_explained_with_its_age() -> None:
    assert said_of_now(at(NOW - 200) + at(NOW) + at(NOW - 300)) == [
        f"rejected: ts is {age} {BACK} (120 s): {CURES} (too_old)" for age in (200, 300)
    ]


def test_fold_takes_records_of_any_age_and_a_line_that_does_not_count_has_none() -> None:
    assert said_of_now(at(17), transport="fold") == []
    assert said_of_now(b'{"ts":17,"status":"x"}') == []
    assert said_of_now(b'{"status":200}') == []


def test_the_time_of_syslog_is_not_believed_where_it_is_too_far_from_now() -> None:
    line = b"<13>1 2026-11-22T%b:06Z h nginx - - - " + RECORD + b"\n"
    for clock, expected in ((b"04:41", f"{NOW} (time of the wrapper)"), (b"03:41", f"{NOW} (no time")):
        text = explained(
            [line % clock], defaults=DEFAULTS, now=NOW, max_lines=1, transport="syslog", limits=RecordsSettings()
        )
        assert any(one.startswith(COUNTED + expected) for one in text)
