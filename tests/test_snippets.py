"""The configurations that `edgetally formats` prints."""

import json
import re

import pytest

from edgetally import _core
from edgetally.errors import ConfigError
from edgetally.snippets import format_of, formats, snippet, snippets
from tests.support.records_tables import FIELDS

NAMES = [one.name for one in snippets()]


def test_every_snippet_has_a_title() -> None:
    assert "nginx" in NAMES
    assert [one.name for one in snippets() if not one.title] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_snippet_says_what_its_edge_cannot_tell(name: str) -> None:
    assert re.search(r"cannot (be known|tell)", snippet(name).text, re.IGNORECASE)


def test_an_unknown_edge_is_an_error_that_lists_the_edges() -> None:
    with pytest.raises(ConfigError, match=r"lighttpd: unknown edge \(expected one of: .*nginx"):
        snippet("lighttpd")


def test_an_edge_whose_snippet_names_the_fields_writes_canonical_records() -> None:
    assert {format_of(name) for name in ("canonical", "nginx", "varnish", "haproxy", "apache", "trafficserver")} == {
        "canonical"
    }


def test_an_edge_with_a_format_of_its_own_is_read_in_it() -> None:
    assert format_of("caddy") == "caddy"


def test_every_edge_is_a_format() -> None:
    assert set(NAMES) < set(formats())


def test_an_unknown_format_is_an_error_that_lists_the_formats() -> None:
    with pytest.raises(
        ConfigError, match=r"^records.format: unknown format 'nginks' \(expected one of: .*caddy.*nginx"
    ):
        format_of("nginks", "records.format")


def test_fastlys_log_statement_writes_a_record_of_known_fields() -> None:
    statement = snippet("fastly").text.partition("log {")[2].partition(";\n")[0]
    texts = re.findall(r'\{"(.*?)"\}', "{" + statement, re.DOTALL)
    record = json.loads("1".join(texts[2:-1]) + texts[-1])

    assert set(record) - {"ts", *(name.decode() for name in FIELDS)} == set()
    assert {"ts", "status", "domain", "edge", "origin_ip", "origin_is_shield"} <= set(record)


def test_cloudflares_snippet_asks_for_the_fields_that_are_read() -> None:
    asked = snippet("cloudflare").text.partition("--json '")[2].partition("}'\n")[0].replace("'\"$destination\"'", "x")
    fields = json.loads(asked + "}")["output_options"]["field_names"]
    known = [field for field, _ in _core.format_fields("cloudflare")]

    # The size of a request's body is not counted, and the start is for logs without the end.
    assert sorted([*fields, "ClientRequestBytes", "EdgeStartTimestamp"]) == sorted(known)


def test_cloudfronts_snippet_asks_for_the_default_columns() -> None:
    asked = snippet("cloudfront").text.partition("--fields ")[2].partition("\n\n")[0].replace("\\\n", " ").split()
    values = {"timestamp": "1795315900.5", "sc-status": "200", "cs-host": "a.example"}
    line = "\t".join(values.get(field, "-") for field in asked).encode()
    folds = [
        _core.Fold(service_id="s", pop="p", format=f"cloudfront{chosen}") for chosen in ("", ":" + ",".join(asked))
    ]
    for fold in folds:
        fold.feed(line + b"\n", 1_795_315_900)

    assert folds[0].report().accepted == 1
    assert folds[0].drain() == folds[1].drain() != b""


def test_traefiks_snippet_keeps_the_fields_that_are_read() -> None:
    kept = set(re.findall(r"^      (\w+): keep$", snippet("traefik").text, re.MULTILINE))

    # The size of a request's body is not counted. Other logs may have another time, and internal services.
    assert kept | {"RequestContentSize", "StartLocal", "time", "RouterName"} == {
        field for field, _ in _core.format_fields("traefik")
    }
