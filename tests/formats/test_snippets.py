"""The configurations that `edgetally formats` prints."""

import json
import re

import pytest

from edgetally import _core
from edgetally.errors import ConfigError
from edgetally.formats import format_of, names, snippet, snippets
from tests.support.records_tables import FIELDS

NAMES = [one.name for one in snippets()]


def test_every_edge_has_a_title() -> None:
    assert "nginx" in NAMES
    assert [one.name for one in snippets() if not one.title] == []


@pytest.mark.parametrize("name", NAMES)
def test_an_edge_says_what_cannot_be_known(name: str) -> None:
    assert re.search(r"cannot (be known|tell)", snippet(name).text, re.IGNORECASE)


def test_an_edge_that_is_not_known_is_an_error_that_names_the_others() -> None:
    with pytest.raises(ConfigError, match=r"there are .*nginx"):
        snippet("lighttpd")


def test_an_edge_that_names_its_own_fields_logs_records() -> None:
    assert {format_of(name) for name in ("canonical", "nginx", "varnish", "haproxy", "apache", "trafficserver")} == {
        "canonical"
    }


def test_an_edge_with_a_format_of_its_own_is_read_as_such() -> None:
    assert format_of("caddy") == "caddy"


def test_every_edge_is_a_format() -> None:
    assert set(NAMES) < set(names())


def test_a_format_that_is_not_known_is_an_error_that_names_the_others() -> None:
    with pytest.raises(ConfigError, match=r"^records.format: there is no format 'nginks'; there are .*caddy.*nginx"):
        format_of("nginks", "records.format")


def test_what_fastly_logs_is_a_record() -> None:
    statement = snippet("fastly").text.partition("log {")[2].partition(";\n")[0]
    texts = re.findall(r'\{"(.*?)"\}', "{" + statement, re.DOTALL)
    record = json.loads("1".join(texts[2:-1]) + texts[-1])

    assert set(record) - {"ts", *(name.decode() for name in FIELDS)} == set()
    assert {"ts", "status", "domain", "edge", "origin_ip", "origin_is_shield"} <= set(record)


def test_what_cloudflare_is_asked_for_is_what_is_read() -> None:
    asked = snippet("cloudflare").text.partition("--json '")[2].partition("}'\n")[0].replace("'\"$destination\"'", "x")
    fields = json.loads(asked + "}")["output_options"]["field_names"]
    known = [field for field, _ in _core.format_fields("cloudflare")]

    # The size of requests counts nowhere.
    assert sorted([*fields, "ClientRequestBytes"]) == sorted(known)


def test_what_cloudfront_is_asked_for_is_what_is_read() -> None:
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


def test_what_traefik_is_told_to_keep_is_what_is_read() -> None:
    kept = set(re.findall(r"^      (\w+): keep$", snippet("traefik").text, re.MULTILINE))

    # The size of a request's body counts nowhere.
    assert kept | {"RequestContentSize"} == {field for field, _ in _core.format_fields("traefik")}
