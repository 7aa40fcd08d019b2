"""What `edgetally explain` prints of a line."""

import gzip
import io
from collections.abc import Callable

import pytest

from edgetally.cli.explain import explained
from edgetally.model import Defaults
from edgetally.offline.explain import lines_of

GOOD = b'{"ts":17,"service_id":"s","pop":"AMS","domain":"a.example","status":200,"cache":"HIT"}'

ADDED = "edge_hit_ratio 1.0, edge_hit_requests 1, edge_requests 1, requests 1, status_200 1, status_2xx 1"


DEFAULTS = Defaults("default", "local")


def printed(*lines: bytes, max_lines: int = 10) -> list[str]:
    """Explain the lines; return what is printed behind the format."""
    kind, blank, *text = explained(lines, defaults=DEFAULTS, now=9, max_lines=max_lines)
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
        "  counts for service s, POP AMS, second 17",
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
        (b'{"status":200}{"status":200}', "{", "not_json"),
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
    assert "    in no dataset: its only fetch went to another POP" in shield


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
