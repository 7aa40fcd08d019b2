"""Metrics and readiness: every metric is there and has the right value."""

import asyncio
import gzip
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from edgetally.http.connection import Connection
from edgetally.model import reasons
from edgetally.telemetry.metrics import METRICS
from edgetally.window.windows import MAX_LAG
from tests.support.clock import START, until
from tests.support.served import Served, ndjson, record, served


class Scraped(dict[str, float]):
    """The value of every sample, by its name and labels as Prometheus writes them."""

    def of(self, name: str) -> dict[str, float]:
        """Return the values of one metric by their only label."""
        return {key.split('"')[1]: value for key, value in self.items() if key.startswith(f"{name}{{")}


async def scrape(service: Served) -> Scraped:
    answer = await service.client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = Scraped()
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


async def test_every_metric_is_there_in_the_order_of_the_list(service: Served) -> None:
    families = list(text_string_to_metric_families((await service.client.get("/metrics")).text))

    # The parser takes `_total` from the names of counters.
    assert [(family.name, family.type) for family in families] == [
        (metric.name.removesuffix("_total") if metric.kind == "counter" else metric.name, metric.kind)
        for metric in METRICS
    ]


async def test_openmetrics_is_answered_if_asked_for(service: Served) -> None:
    answer = await service.client.get("/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"})

    assert answer.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    families = list(openmetrics.text_string_to_metric_families(answer.text))  # type: ignore[no-untyped-call]
    assert len(families) == len(METRICS)


async def test_every_value_has_the_labels_of_its_metric(service: Served) -> None:
    await service.push(record(0))
    await service.to(2)

    text = (await service.client.get("/metrics")).text
    families = {family.name: family for family in text_string_to_metric_families(text)}

    assert len(families) == len(METRICS)
    for metric in METRICS:
        family = families[metric.name.removesuffix("_total" if metric.kind == "counter" else "")]
        assert family.type == metric.kind
        assert [sample for sample in family.samples if sample.labels.keys() - {"le"} != set(metric.labels)] == []


async def test_lines_are_counted_as_accepted_or_by_reason(service: Served) -> None:
    body = ndjson([record(0), record(0), record(-500)]) + b"no\n"
    await service.client.post("/ingest", content=gzip.compress(body), headers={"Content-Encoding": "gzip"})

    found = await scrape(service)

    assert found["edgetally_records_accepted_total"] == 2
    rejected = found.of("edgetally_records_rejected_total")
    assert {reason: count for reason, count in rejected.items() if count} == {"too_old": 1, "not_json": 1}
    assert sorted(rejected) == sorted(reason for reason, _ in reasons()), "a rate needs to start at 0"
    assert found['edgetally_source_bytes_total{source="push"}'] == len(body)
    assert found['edgetally_source_records_accepted_total{source="push"}'] == 2
    assert found['edgetally_source_records_rejected_total{source="push"}'] == 2
    assert found["edgetally_fold_duration_seconds_count"] >= 1
    assert found["edgetally_journal_commit_duration_seconds_count"] == 1


async def test_every_source_is_counted_by_its_name(tmp_path: Path) -> None:
    log = tmp_path / "edge.log"
    log.write_bytes(b"")
    async with served({"sources": {"follow": [{"path": str(log)}]}}) as service:
        await service.to(1)
        log.write_bytes(ndjson([record(0)]))
        await service.to(2)
        await until(lambda: service.service.totals.accepted == 1)
        found = await scrape(service)

    assert found[f'edgetally_source_records_accepted_total{{source="file:{log}"}}'] == 1


async def test_syslog_connections_are_counted_as_their_listener(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "edgetally")
    async with served(
        {"sources": {"syslog": [{"listen": "tcp:127.0.0.1:0"}, {"listen": "udp:127.0.0.1:0"}]}}
    ) as service:
        port = next(int(at[1]) for one in caplog.messages if (at := re.match(r"syslog:tcp:.*:(\d+): listening", one)))
        for accepted in (1, 2):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(ndjson([record(0)]))
            writer.close()
            await writer.wait_closed()
            await until(lambda accepted=accepted: service.service.totals.accepted == accepted)  # type: ignore[misc]
        found = await scrape(service)

    assert found.of("edgetally_source_records_accepted_total") == {
        "syslog:tcp:127.0.0.1:0": 2,
        "syslog:udp:127.0.0.1:0": 0,
    }
    assert found.of("edgetally_source_datagrams_dropped_total") == {"syslog:udp:127.0.0.1:0": 0}


async def test_late_records_and_overflowed_rows_are_counted_by_service() -> None:
    async with served({"window": {"max_domains": 1}}) as service:
        await service.push(record(0), record(0, domain="b.example"), record(0, domain="c.example"))
        await service.push(record(0, service_id="other"))
        await service.to(3)
        await service.push(record(0))
        await service.to(6)
        found = await scrape(service)

    assert found.of("edgetally_service_records_total") == {"svc": 4, "other": 1}
    assert found.of("edgetally_service_records_late_total") == {"svc": 1, "other": 0}
    assert found.of("edgetally_service_rows_overflowed_total")["svc"] >= 2
    assert found.of("edgetally_service_rows_overflowed_total")["other"] == 0


async def test_services_beyond_the_cardinality_limit_share_a_label() -> None:
    async with served({"metrics": {"services": 1}}) as service:
        for number in range(50):
            await service.push(record(0, service_id=f"made-up-{number}"))
        await service.to(2)
        found = await scrape(service)

    assert found.of("edgetally_service_records_total") == {"made-up-0": 1, "_other": 49}
    assert found["edgetally_services"] == 50


async def test_the_newest_sealed_second_and_its_lag_are_shown(service: Served) -> None:
    await service.to(2.5)
    found = await scrape(service)

    assert found["edgetally_last_sealed_timestamp_seconds"] == START
    assert found["edgetally_seal_lag_seconds"] == 0.5
    assert found["edgetally_seal_duration_seconds_count"] >= 1


async def test_waiting_readers_are_counted_while_they_wait(service: Served) -> None:
    await service.push(record(0))
    await service.to(2)
    for _ in range(2):
        await service.get("/v1/domains/svc/ts/0")
    parked = await service.park(f"/v1/domains/svc/ts/{START + 2}")
    found = await scrape(service)
    await service.push(record(2))
    await service.to(4)
    await parked

    assert found["edgetally_waiting_readers"] == 1
    assert found["edgetally_http_connections"] >= 2
    assert found["edgetally_entry_cache_misses_total"] == 1
    assert 0 < found["edgetally_entry_cache_bytes"] < found["edgetally_shelf_bytes"] + 10_000
    after = await scrape(service)
    assert after["edgetally_waiting_readers"] == 0
    assert after['edgetally_http_responses_total{code="200",endpoint="read"}'] == 3


async def test_responses_are_counted_by_endpoint_and_status(service: Served) -> None:
    await service.client.post("/ingest", content=b"no")
    for path in ("/v1/domains/a.b/ts/0", "/nothing", "/nothing/else", "/v2/x"):
        await service.client.get(path)
    async with service.connect() as raw:
        await raw.ask(b"no\r\n\r\n")

    found = await scrape(service)

    answered = {key: value for key, value in found.items() if key.startswith("edgetally_http_responses_total")}
    assert answered['edgetally_http_responses_total{code="500",endpoint="push"}'] == 0, (
        "to an alert, a counter that appears with 1 has not increased"
    )
    assert {key: value for key, value in answered.items() if value} == {
        'edgetally_http_responses_total{code="400",endpoint="push"}': 1,
        'edgetally_http_responses_total{code="400",endpoint="read"}': 1,
        'edgetally_http_responses_total{code="404",endpoint="other"}': 3,
        'edgetally_http_responses_total{code="400",endpoint="other"}': 1,
    }


async def test_the_lag_of_the_event_loop_is_measured_every_second(service: Served) -> None:
    await service.to(3)

    assert (await scrape(service))["edgetally_event_loop_lag_seconds_count"] == 3


# --- readiness ------------------------------------------------------------------------------------------------------


async def test_a_running_server_is_ready(service: Served) -> None:
    answer = await service.client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json()["ready"] is True
    assert all(check == {"ok": True, "problem": None} for check in answer.json()["checks"].values())


@asynccontextmanager
async def stalled(seconds: float) -> AsyncIterator[Served]:
    """Run a service for some seconds, none of which is sealed."""

    async def seal(_second: int) -> None:
        pass

    async with served() as service:
        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setattr(service.service.journal, "seal", seal)
            service.clock.settled = lambda: True
            await service.to(seconds)
            yield service


async def test_a_server_that_seals_nothing_is_not_ready() -> None:
    async with stalled(MAX_LAG + 2) as service:
        answer = await service.client.get("/readyz")
        alive = await service.client.get("/healthz")

    assert answer.status_code == 503
    assert answer.json()["ready"] is False
    assert answer.json()["checks"]["window"] == {
        "ok": False,
        "problem": "no second sealed for 7 seconds: readers see nothing new",
    }
    assert alive.status_code == 200, "a restart would not help"


async def test_a_second_that_is_a_little_late_is_still_ready() -> None:
    async with stalled(MAX_LAG) as service:
        assert (await service.client.get("/readyz")).status_code == 200


async def test_a_server_with_a_file_that_it_cannot_read_says_so(tmp_path: Path) -> None:
    logs = [tmp_path / name for name in ("good.log", "missing.log", "folder", "missing/*.log")]
    logs[0].touch()
    logs[2].mkdir()
    async with served({"sources": {"follow": [{"path": str(log)} for log in logs]}}) as service:
        await service.to(1)
        answer = await service.client.get("/readyz")
        scraped = await scrape(service)

    assert answer.status_code == 503
    assert answer.json()["checks"]["files"]["problem"] == f"{logs[1]}: No such file or directory (and 2 more)"
    assert [scraped[f'edgetally_file_available{{source="file:{log}"}}'] for log in logs] == [1, 0, 0, 0]


async def test_a_server_that_is_stopping_is_not_ready(service: Served) -> None:
    request = b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"
    async with service.connect() as raw:
        # Half a request keeps the connection over the end of the listener.
        await raw.send(request[:10])
        connections = service.service.server.connections
        await until(lambda: any(isinstance(one, Connection) and one.is_receiving for one in connections))
        service.service.server.close()
        answer = await raw.ask(request[10:])

    assert answer.status == 503
    assert json.loads(answer.body)["checks"]["server"]["problem"] == "stopping"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/rejected"])
async def test_operators_endpoints_are_never_cached_and_read_only(service: Served, path: str) -> None:
    assert (await service.client.get(path)).headers["cache-control"] == "no-store"
    assert (await service.client.head(path)).status_code == 200
    assert (await service.client.post(path)).status_code == 405
