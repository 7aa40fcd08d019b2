"""What `edgetally explain` says of a line."""

import gzip
import io
from collections.abc import Callable

import pytest

from edgetally.model import Defaults
from edgetally.offline.explain import explain, lines_of

GOOD = b'{"ts":17,"service_id":"s","pop":"AMS","domain":"a.example","status":200,"cache":"HIT"}'

ADDED = "edge_hit_ratio 1.0, edge_hit_requests 1, edge_requests 1, requests 1, status_200 1, status_2xx 1"


def said(*lines: bytes, most: int = 10) -> list[str]:
    """Say what is said of the lines, behind the format."""
    kind, blank, *rest = explain(lines, defaults=Defaults("default", "local"), now=9, most=most)
    assert (kind, blank) == ("format: canonical", "")
    return rest


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_log_may_be_compressed(pack: Callable[[bytes], bytes]) -> None:
    assert list(lines_of(io.BytesIO(pack(b"one\ntwo\n\nthree")))) == [b"one\n", b"two\n", b"\n", b"three"]


@pytest.mark.parametrize("guess", [True, False])
@pytest.mark.parametrize("log", [b"", gzip.compress(b"")], ids=["plain", "gzip"])
def test_a_log_of_nothing_is_said_to_be_empty(log: bytes, *, guess: bool) -> None:
    lines = lines_of(io.BytesIO(log))
    text = explain(lines, defaults=Defaults("default", "local"), now=9, most=10, guess=guess)
    assert list(text) == ["there is nothing to read: the log is empty"]


def test_a_record_is_shown_with_its_keys_and_what_it_adds() -> None:
    assert said(GOOD + b"\n") == [
        "line 1",
        "  " + GOOD.decode(),
        "  counts for service s, POP AMS, second 17",
        "  counts as 1 request of an end user",
        "    domains a.example: " + ADDED,
        "",
    ]


def test_fetches_are_shown_by_origin_and_address() -> None:
    text = said(b'{"origin":"app","origin_addr":"10.0.0.1:80, 10.0.0.2:80","origin_status":"503, 200"}')
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
    _, shown, arrow, why, _ = said(line)
    assert shown[arrow.index("^")] == pointed_at
    assert f"({reason})" in why
    assert shown.isprintable()


def test_a_terminal_that_shows_keys_obeys_none_of_them() -> None:
    evil = r"\u001b[2J\u009b\u202e\u2028\n<b>"
    line = f'{{"status":200,"pop":"P{evil}","origin":"o{evil}","origin_ip":"1{evil}","origin_status":200}}'

    text = said(line.encode())

    assert any("    origins o" in one for one in text)
    assert all(one.isprintable() for one in text)


def test_other_lines_say_what_they_are() -> None:
    assert "  is no record, and skipped" in said(b"\n")
    shield = said(b'{"origin_ip":"10.0.0.1","origin_is_shield":true,"service_id":"s"}')
    assert "    adds to nothing: its only fetch went to another POP" in shield


def test_only_the_first_lines_are_shown() -> None:
    assert sum(text.startswith("line ") for text in said(*[GOOD] * 5, most=2)) == 2


def test_the_parts_that_count_are_named() -> None:
    fetches = b'"origin":"app","origin_addr":"10.0.0.1:80, 10.0.0.2:80","origin_status":"503, 200"}'
    assert "  counts as 1 request of an end user, and 2 fetches from origins" in said(b'{"status":200,' + fetches)
    assert "  counts as 2 fetches from origins" in said(b"{" + fetches)
    assert "  counts as 3 requests of another POP, or of the edge itself" in said(b'{"status":1,"edge":0,"weight":3}')
    assert "  counts as 1 request of an end user" in said(b'{"status":200,"compute":true}')


def test_a_cache_word_that_is_not_known_is_named() -> None:
    wanted = '    the cache word "maybe" is not known: it counts as neither hit nor miss'
    assert wanted in said(b'{"status":200,"cache":"maybe"}')


CADDY = b'{"ts":17.5,"request":{"host":"a.example","proto":"HTTP/2.0"},"size":5,"status":200}\n'


def test_a_format_that_nobody_named_is_guessed() -> None:
    text = list(explain([b"\n", CADDY], defaults=Defaults("default", "local"), now=9, most=10, guess=True))
    assert text[0].startswith("format: caddy, guessed by the fields that are in it: say --format caddy wherever")
    assert any("domains a.example" in line and "http2 1" in line for line in text)


def test_records_are_guessed_and_need_no_flag() -> None:
    text = list(explain([GOOD], defaults=Defaults("default", "local"), now=9, most=10, guess=True))
    assert text[0] == "format: canonical, guessed by the fields that are in it"


def test_a_format_that_cannot_be_guessed_is_said_to_be_none() -> None:
    text = list(explain([b"127.0.0.1 GET /\n"], defaults=Defaults("default", "local"), now=9, most=10, guess=True))
    assert text[0].startswith("format: none that is known (canonical, caddy, ")
    assert text[0].endswith(") finds a field in it; it is read as canonical")
