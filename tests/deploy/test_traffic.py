"""Rules and the dashboard over the exported series: valid, complete, and right on a real Prometheus."""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.oracle_exporter import Samples, exported
from tests.support.pages import ROOT
from tests.support.process import serving
from tests.support.programs import skip_or_fail
from tests.support.served import ndjson

RULES = ROOT / "deploy" / "prometheus" / "traffic.yml"
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "edgetally.json").read_text("utf-8"))
PATIENCE = 40.0
"""Real seconds in which Prometheus has scraped."""

VALUES = {"$__rate_interval": "1m", "$service": ".*", "$datacenter": ".*", "$domain": ".*", "$origin": ".*"}

SERVICE_SERIES = {
    f"fastly_rt_{name}" for name in ("service_info", "last_successful_response", "realtime_api_requests_total")
}
"""Of a service as a whole, not of its entries."""

Json = dict[str, Any]


def panels() -> list[Json]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def queries() -> list[tuple[str, str]]:
    """Return the title and the query of every curve; one of several has its own behind that of its panel."""
    return [
        (panel["title"] if len(panel["targets"]) == 1 else f"{panel['title']}, {one['legendFormat']}", one["expr"])
        for panel in panels()
        for one in panel["targets"]
    ]


def filled(query: str) -> str:
    """Return the query with everything selected."""
    for name, value in VALUES.items():
        query = query.replace(name, value)
    assert "$" not in query
    return query


# --- rules ------------------------------------------------------------------------------------------------------------


class TestRules:
    pytestmark = skip_or_fail("promtool")

    def test_every_alert_fires_when_it_has_to_and_only_then(self) -> None:
        tests = ROOT / "tests" / "deploy" / "traffic.yml"
        done = subprocess.run(["promtool", "test", "rules", tests], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested_both_ways() -> None:
    alerts = re.findall(r"- alert: (\w+)", RULES.read_text("utf-8"))
    tested = re.findall(r"- name: (.*)", (ROOT / "tests" / "deploy" / "traffic.yml").read_text("utf-8"))

    assert tested == [f"{alert} {what}" for alert in alerts for what in ("fires", "does not fire")]


# --- names ------------------------------------------------------------------------------------------------------------


def test_rules_and_dashboard_use_series_that_exist() -> None:
    names = {"channel": "miss_histogram", "domains": "", "origins": ""}
    measured: Json = {"miss_histogram": {}}
    entries = {dataset: [{"datacenter": {"A": measured if names[dataset] else {"k": {}}}}] for dataset in names}
    known: dict[str, set[str]] = {}
    for name, labels in exported(entries, "svc"):
        known.setdefault(name, set()).update(dict(labels))
    variables = " ".join(one["query"] for one in DASHBOARD["templating"]["list"])
    text = " ".join([RULES.read_text("utf-8"), variables, *(query for _, query in queries())])
    used = re.findall(r"(fastly_\w+)(?:\{([^}]*)\})?", text)

    assert {name for name, _ in used} <= known.keys()
    for name, selected in used:
        assert set(re.findall(r"(\w+)[=!]", selected)) <= known[name], name


def test_every_panel_says_what_it_shows() -> None:
    rows = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]

    assert rows == ["Traffic", "Status", "Cache", "Origins", "Errors"]
    assert [panel["title"] for panel in panels() if not panel["description"]] == []
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


# --- a real Prometheus ------------------------------------------------------------------------------------------------


class Prometheus:
    """A running Prometheus, which scrapes every service by itself."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def query(self, query: str) -> list[tuple[dict[str, str], float]]:
        """Return labels and values of the result of an instant query."""
        found = self._client.get("/api/v1/query", params={"query": query}).json()
        assert found["status"] == "success", found
        return [(one["metric"], float(one["value"][1])) for one in found["data"]["result"]]

    def values(self, query: str) -> list[float]:
        return [value for _, value in self.query(query)]

    def wait_for(self, query: str, value: float) -> None:
        """Wait until the only result of `query` is this value."""
        end = time.monotonic() + PATIENCE
        while (found := self.values(query)) != [value]:
            assert time.monotonic() < end, found

    def samples(self, service_id: str) -> Samples:
        """Return every series of a service, with bounds as floats."""
        found: Samples = {}
        for labels, value in self.query(f'{{__name__=~"fastly_.*",service_id="{service_id}"}}'):
            assert (labels.pop("instance"), labels.pop("job")) == (service_id, "edgetally-fastly")
            if labels.get("le", "+Inf") != "+Inf":
                labels["le"] = repr(float(labels["le"]))
            found[labels.pop("__name__"), frozenset(labels.items())] = value
        return found

    def targets(self) -> list[Json]:
        found: list[Json] = self._client.get("/api/v1/targets").json()["data"]["activeTargets"]
        return found


@contextmanager
def prometheus(folder: Path, address: str) -> Iterator[Prometheus]:
    """Run Prometheus on a free port; it finds the services to scrape by itself."""
    config = f"""
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{json.dumps(str(RULES))}]
scrape_configs:
  - job_name: edgetally-fastly
    metrics_path: /fastly/metrics
    http_sd_configs: [{{url: "http://{address}/fastly/sd", refresh_interval: 1s}}]
    relabel_configs:
      - {{source_labels: [__address__], target_label: __param_target}}
      - {{source_labels: [__address__], target_label: instance}}
      - {{target_label: __address__, replacement: "{address}"}}
"""
    (folder / "prometheus.yml").write_text(config, "utf-8")
    command = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--web.listen-address=127.0.0.1:0",
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            listening = next(line for line in process.stderr if 'msg="Listening on"' in line)
            # What it logs from now on goes nowhere, so it must not be waited for.
            (port,) = re.findall(r"address=\S+:(\d+)", listening)
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:
                yield Prometheus(client)
        finally:
            process.kill()


def traffic(count: int, now: float) -> list[Json]:
    """Make requests of two services: of ten, four are hits, four are misses and two fail."""
    outcomes = [(200, "HIT")] * 4 + [(200, "MISS")] * 4 + [(503, "PASS")] * 2
    return [
        {
            "ts": now,
            "service_id": service,
            "pop": pop,
            "domain": "a.example",
            "status": status,
            "cache": cache,
            "proto": "HTTP/2.0",
            "tls": "TLSv1.3",
            "resp_header_bytes": 100,
            "resp_body_bytes": 1000,
            **({} if cache == "HIT" else {"origin": "app", "origin_status": status, "origin_ttfb_ms": 20}),
            **({} if cache == "HIT" else {"beresp_body_bytes": 1000, "edge_time_ms": 25}),
        }
        for service in ("one", "two")
        for pop in ("AMS", "LHR")
        for status, cache in outcomes * count
    ]


class TestPrometheus:
    pytestmark = skip_or_fail("prometheus")

    def test_it_reads_what_was_pushed_and_the_dashboard_shows_it(self, tmp_path: Path) -> None:
        with serving() as server, prometheus(tmp_path, urlsplit(server.url).netloc) as scraping:

            def push(count: int) -> None:
                pushed = httpx.post(f"{server.url}/ingest", content=ndjson(traffic(count, time.time())))
                assert pushed.json()["rejected"] == 0

            push(1)
            scraping.wait_for("sum(fastly_domain_requests_total)", 40)
            push(2)
            scraping.wait_for("sum(fastly_domain_requests_total)", 120)

            # Every series, exactly, and each service by itself.
            for service in ("one", "two"):
                paths = {name: f"{server.url}/v1/{name}/{service}/ts/h" for name in ("channel", "domains", "origins")}
                entries = {name: httpx.get(path).json()["Data"] for name, path in paths.items()}
                samples = scraping.samples(service)
                for place, value in exported(entries, service).items():
                    assert samples.pop(place) == pytest.approx(value), place
                assert {name for name, _ in samples} == SERVICE_SERIES
            assert {target["labels"]["instance"] for target in scraping.targets()} == {"one", "two"}
            assert {target["health"] for target in scraping.targets()} == {"up"}

            # The dashboard: every curve has points, and shares are those that were pushed.
            shown = {title: scraping.values(filled(query)) for title, query in queries()}
            assert [title for title, values in shown.items() if not values] == []
            for title, share in (
                ("5xx share by domain", 0.2),
                ("5xx share by origin", 2 / 6),
                ("Hit share by domain", 0.5),
                ("Received from origins", 6 * 1000 / (10 * 1100)),
            ):
                assert shown[title] == [pytest.approx(share)], title
            assert 0.01 < shown["Time to first byte, 95 %"][0] <= 0.05
            scraping.wait_for("count(domain:responses_5xx:ratio_rate5m)", 2)
