"""The command line, `@fastly/cli` from npm, unchanged."""

import itertools
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.clients import (
    CHANNEL,
    CLI,
    OPERATOR,
    READER,
    TRAFFIC,
    Standin,
    by_address,
    by_name,
    needs_clients,
    needs_hosts,
)

pytestmark = needs_clients()
PLACES = [pytest.param(by_name, marks=needs_hosts(), id="by name"), pytest.param(by_address, id="by address")]
SHOP = pytest.mark.parametrize("shop", [("--service-id", "shop"), ("--service-name", "Web shop")], ids=["id", "name"])


@pytest.fixture(scope="module", params=PLACES)
def standin(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standin]:
    """A server that has sealed a second of two services, where the command line finds it in either way."""
    with request.param(tmp_path_factory.mktemp("standin")) as running:
        running.push(*TRAFFIC)
        running.push(*TRAFFIC, service_id="blog")
        yield running


def cells(output: str) -> list[list[str]]:
    """Return the cells of a table, whose columns are two blanks or more apart."""
    return [re.split(r"  +", line.strip()) for line in output.strip().splitlines()]


def of_json(standin: Standin, *command: str, token: str = READER.token) -> Any:  # noqa: ANN401 - JSON
    return json.loads(standin.run(CLI, *command, "--json", token=token))


def test_a_list_of_services_has_those_of_the_token(standin: Standin) -> None:
    mine, every = of_json(standin, "service", "list"), of_json(standin, "service", "list", token=OPERATOR.token)

    assert [(one["ServiceID"], one["Name"], one["ActiveVersion"]) for one in mine] == [("shop", "Web shop", 1)]
    assert {one["Name"] for one in every} == {"Web shop", "blog"}
    assert cells(standin.run(CLI, "service", "list"))[1][:4] == ["Web shop", "shop", "vcl", "1"]


@SHOP
def test_a_service_is_described(standin: Standin, shop: tuple[str, str]) -> None:
    described = of_json(standin, "service", "describe", *shop)

    assert (described["ServiceID"], described["Name"], described["Type"]) == ("shop", "Web shop", "vcl")
    assert described["ActiveVersion"]["Number"] == 1
    assert [version["Active"] for version in described["Versions"]] == [True]
    assert "Active version:\n\tNumber: 1" in standin.run(CLI, "service", "describe", *shop)


def test_a_service_is_found_by_its_name(standin: Standin) -> None:
    assert of_json(standin, "service", "search", "--name", "Web shop")["ServiceID"] == "shop"


@pytest.mark.parametrize("service", ["blog", "nowhere"])
def test_services_beyond_the_token_are_refused(standin: Standin, service: str) -> None:
    described = standin.run(CLI, "service", "describe", "--service-id", service, status=1)

    assert "403 Forbidden: You are not authorized to perform this action" in described


def test_an_unknown_service_is_not_found(standin: Standin) -> None:
    described = standin.run(CLI, "service", "describe", "--service-id", "nowhere", status=1, token=OPERATOR.token)

    assert "404 Not Found: Record not found" in described


def test_pops_are_those_of_the_settings_and_of_the_services(standin: Standin) -> None:
    heading, *pops = cells(standin.run(CLI, "pops"))

    assert heading == ["NAME", "CODE", "GROUP", "SHIELD", "COORDINATES"]
    assert sorted(pops) == [
        ["Amsterdam", "AMS", "Europe", "{Latitude:52.3 Longitude:4.8 X:0 Y:0}"],
        ["FRA", "FRA"],
    ]


@SHOP
def test_the_inspectors_are_the_products(standin: Standin, shop: tuple[str, str]) -> None:
    products = of_json(standin, "products", *shop)

    assert {name for name, enabled in products.items() if enabled} == {"domain_inspector", "origin_inspector"}
    assert len(products) == 9


def test_the_token_has_its_name(standin: Standin) -> None:
    assert standin.run(CLI, "whoami").startswith("tools <")


def test_an_unknown_token_is_explained(standin: Standin) -> None:
    refused = standin.run(CLI, "service", "list", token="made-up", status=1)

    assert "401 Unauthorized: Provided credentials are missing or invalid" in refused


class TestHistory:
    """What was pushed is in the running minute, and so in the running hour and day."""

    def test_domains(self, standin: Standin) -> None:
        asked = ("stats", "domain-inspector", "--service-id", "shop", "--downsample", "minute", "--group-by", "domain")
        metrics = ("--metric", "requests", "--metric", "bandwidth", "--metric", "edge_requests,edge_hit_ratio")
        output = standin.run(CLI, *asked, *metrics, "--datacenter", "AMS,FRA")

        heading, *rows = [line for line in cells(output.partition("---")[2]) if len(line) > 1]
        assert heading == ["DOMAIN", "TIMESTAMP", "REQUESTS", "BANDWIDTH", "EDGE REQUESTS", "EDGE HIT RATIO"]
        assert [[row[0], *row[2:]] for row in rows] == [
            ["a.example", "8", "40000002400", "8", "0.5000"],
            ["b.example", "8", "40000002400", "8", "0.5000"],
        ]
        (found,) = of_json(standin, "stats", "domain-inspector", "--service-id", "shop")["data"]
        assert [one["edge_requests"] for one in found["values"]] == [len(TRAFFIC)]

    def test_origins(self, standin: Standin) -> None:
        asked = ("stats", "origin-inspector", "--service-id", "shop", "--group-by", "host", "--region", "europe,usa")
        output = standin.run(CLI, *asked, "--metric", "responses,status_2xx,status_4xx", "--limit", "10")

        heading, *rows = [line for line in cells(output.partition("---")[2]) if len(line) > 1]
        assert heading == ["HOST", "TIMESTAMP", "RESPONSES", "STATUS 2XX", "STATUS 4XX", "STATUS 5XX"]
        assert [[row[0], *row[2:]] for row in rows] == [["app", "16", "8", "8", "0"]]

    @pytest.mark.parametrize("by", ["minute", "hour", "day"])
    def test_a_service(self, standin: Standin, by: str) -> None:
        output = standin.run(CLI, "stats", "historical", "--service-id", "shop", "--by", by, "--from", "2 days ago")

        shown = dict(re.findall(r"^ *([A-Z][\w ]+): +(.+)$", output, re.MULTILINE))
        assert (shown["Hit Rate"], shown["Response BW"]) == ("50.00%", "80000004800")
        assert [int(shown[name]) for name in ("Requests", "Hit", "Miss", "Pass", "Error")] == [16, 8, 8, 0, 0]

    def test_one_field(self, standin: Standin) -> None:
        output = standin.run(CLI, "stats", "historical", "--service-id", "shop", "--field", "status_503")

        assert "status_503: 0" in output

    def test_all_services_together(self, standin: Standin) -> None:
        mine = standin.run(CLI, "stats", "aggregate", "--by", "hour")
        every = standin.run(CLI, "stats", "aggregate", "--by", "hour", token=OPERATOR.token)

        assert [re.findall(r"Requests: +(\d+)", one) for one in (mine, every)] == [["16"], ["32"]]

    def test_usage(self, standin: Standin) -> None:
        usage = {row[0]: row[1:] for row in cells(standin.run(CLI, "stats", "usage"))}
        by_service = cells(standin.run(CLI, "stats", "usage", "--by-service", token=OPERATOR.token))

        assert usage["europe"] == usage["usa"] == ["40000002400", "8", "0"]
        assert usage["asia"] == ["0", "0", "0"]
        assert sorted(row[:2] for row in by_service[1:]) == [
            [region, service] for region in ("europe", "usa") for service in ("blog", "shop")
        ]

    def test_regions(self, standin: Standin) -> None:
        assert standin.run(CLI, "stats", "regions").split()[:3] == ["usa", "europe", "asia"]

    def test_what_is_not_valid_is_explained(self, standin: Standin) -> None:
        refused = standin.run(CLI, "stats", "domain-inspector", "--service-id", "shop", "--metric", "request", status=1)

        assert "no such metric: 'request'" in refused


@pytest.fixture
def quiet(tmp_path: Path) -> Iterator[Standin]:
    """A server without entries, under Fastly's names: `stats realtime` takes no address."""
    with by_name(tmp_path) as running:
        yield running


@contextmanager
def reading(standin: Standin, *options: str) -> Iterator[Iterator[str]]:
    """Run `stats realtime`; once it waits for the next second, yield the lines that it prints from then on."""
    with standin.start(CLI, "stats", "realtime", *options) as process:
        assert process.stdout
        while not standin.waiting():
            assert process.poll() is None, process.stdout.read()
        yield process.stdout


class TestRealtime:
    pytestmark = needs_hosts()

    @SHOP
    def test_each_second_is_printed_once(self, quiet: Standin, shop: tuple[str, str]) -> None:
        with reading(quiet, "--json", *shop) as lines:
            for _ in range(2):
                quiet.push(*TRAFFIC)
            printed = [json.loads(next(lines)) for _ in range(2)]

        assert printed == quiet.ask("/v1/channel/shop/ts/h")["Data"]
        for entry in printed:
            aggregated, pops = entry["aggregated"], entry["datacenter"]
            assert {name: aggregated[name] for name in CHANNEL} == CHANNEL
            assert {pop: measured["requests"] for pop, measured in pops.items()} == {"AMS": 8, "FRA": 8}

    def test_a_second_is_printed_for_people(self, quiet: Standin) -> None:
        with reading(quiet, "--service-id", "shop") as lines:
            quiet.push(*TRAFFIC)
            block = list(itertools.takewhile(lambda line: "Uncacheable" not in line, lines))

        shown = dict(re.findall(r"^ *([A-Z][\w ]+): +(.+)$", "".join(block), re.MULTILINE))
        assert shown["Hit Rate"] == "50.00%"
        assert shown["Response BW"] == str(len(TRAFFIC) * 5_000_000_300)
        assert [int(shown[name]) for name in ("Requests", "Hit", "Miss", "Pass", "Error")] == [16, 8, 8, 0, 0]
