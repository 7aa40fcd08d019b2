"""The contenders: each reads the log and writes the measurements as JSON lines."""

import io
import json
import os
import sys
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.fold.databases import ClickHouse, DuckDB
from benchmarks.fold.question import (
    ANSWERED,
    BASE,
    BUCKETS,
    COLUMNS,
    DERIVED,
    DOT_OR_PORT,
    ENDS_MS,
    HIT,
    HTTP,
    INTEGERS,
    KEYS,
    MISS,
    NOT_IN_INSIGHTS,
    OF_ORIGINS,
    PORT,
    RECEIVED,
    SENT,
    SIZES,
    TLS_1,
    Answer,
    Row,
    table_file,
)
from benchmarks.fold.traffic import FIRST


class Edgetally:
    """What `edgetally fold` does, from the file to the entries of all datasets."""

    def __init__(self, threads: int | None) -> None:
        """Load the library."""
        from edgetally.cli.fold import fold  # noqa: PLC0415 - what a contender loads is its own
        from edgetally.config.log_sections import LogConfig  # noqa: PLC0415 - the same

        self._fold = partial(fold, config=LogConfig(), threads=threads or os.cpu_count() or 1, now=FIRST)

    def run(self, path: Path, out: Path) -> None:
        """Answer the question in a file of JSON lines; this is what is measured."""
        with (out / "entries.jsonl").open("wb") as entries:
            errors = io.StringIO()
            if self._fold([str(path)], out=entries, errors=errors):
                sys.exit(errors.getvalue())


class Polars:
    """
    One lazy scan and one fine group_by, in the streaming engine; the rest from its groups.

    So words and statuses are interpreted once per group instead of once per line.
    """

    def __init__(self, threads: int | None) -> None:
        """Load the library."""
        if threads is not None:
            os.environ["POLARS_MAX_THREADS"] = str(threads)
        import polars as pl  # noqa: PLC0415 - it reads the number of threads when it is imported

        self._pl = pl

    def run(self, path: Path, out: Path) -> None:
        """Answer the question in files of JSON lines; this is what is measured."""
        pl, col = self._pl, self._pl.col
        base = self._base(self._groups(path))
        base = base.collect(engine="streaming").lazy()

        keys = ["second", "service_id", "pop"]
        domain = col("domain").str.to_lowercase().str.replace(DOT_OR_PORT, "")
        domains = base.with_columns(domain).group_by(*keys, "domain").agg(col(BASE).sum())
        domains = domains.with_columns(**{name: pl.sum_horizontal(parts) for name, parts in DERIVED.items()})
        ip = col("origin_addr").str.to_lowercase().str.replace(PORT, "")
        ip = pl.when(ip == "").then(pl.lit("_unknown")).otherwise(ip)
        insights = (
            base.filter(col("responses") > 0)
            .group_by(*keys, "origin", ip.alias("ip"))
            .agg(col(known).sum().alias(name) for name, known in OF_ORIGINS.items())
        )
        finest = {"domains": domains, "origins": insights, "origin_insights": insights.drop(NOT_IN_INSIGHTS)}
        tables = {}
        for dataset, names in KEYS.items():
            by_pop = finest[dataset]
            if dataset == "origins":
                by_pop = by_pop.drop("ip").group_by(*keys, *names).sum()
            drop = ["pop"]
            tables[dataset, True] = by_pop
            tables[dataset, False] = by_pop.drop(drop).group_by("second", "service_id", *names).sum()
        for (dataset, by_pop), frame in zip(tables, pl.collect_all(tables.values(), engine="in-memory"), strict=True):
            frame.write_ndjson(out / table_file(dataset, by_pop=by_pop))

    def _groups(self, path: Path) -> Any:  # noqa: ANN401 - a frame of a library that type checks do not have
        """Read the lines, and add up those that differ in sizes only."""
        pl, col = self._pl, self._pl.col
        ttfb = col("origin_ttfb_s").cast(pl.Float64, strict=False)
        address, code = col("origin_addr"), col("origin_status")
        response, fetched = col("resp_bytes"), col("beresp_bytes")
        body = pl.min_horizontal(col("resp_body_bytes").fill_null(0), response)
        fetched_body = pl.min_horizontal(col("beresp_body_bytes").fill_null(0), fetched)
        answered = (fetched.is_null() | (fetched != 0) | ttfb.is_not_null()) & code.is_between(100, 599)
        return (
            pl.scan_ndjson(path, schema={name: pl.Float64 if name == "ts" else pl.String for name in COLUMNS})
            .with_columns(col(INTEGERS).cast(pl.Int64, strict=False))
            .select(
                *("service_id", "pop", "domain", "cache", "proto", "tls", "status", "origin", "origin_addr"),
                second=col("ts").floor().cast(pl.Int64),
                asked=((address != "") & (address != "0")) | (code.fill_null(0) != 0),
                code=pl.when(answered).then(code),
                bucket=sum(
                    ((ttfb > end / 1000).cast(pl.Int8) for end in ENDS_MS[1:]), (ttfb > ENDS_MS[0] / 1000).cast(pl.Int8)
                ),
                resp_header_bytes=response - body,
                resp_body_bytes=body,
                bereq_header_bytes=col("bereq_bytes"),
                origin_fetch_resp_header_bytes=fetched - fetched_body,
                origin_fetch_resp_body_bytes=fetched_body,
            )
            .group_by(
                *("second", "service_id", "pop", "domain", "cache", "proto", "tls", "status"),
                *("origin", "origin_addr", "asked", "code", "bucket"),
            )
            .agg(pl.len().cast(pl.Int64).alias("requests"), col(SIZES).sum())
        )

    def _base(self, groups: Any) -> Any:  # noqa: ANN401 - a frame of a library that type checks do not have
        """Interpret the values of each group."""
        pl, col = self._pl, self._pl.col
        cache = col("cache").str.to_lowercase()
        http = col("proto").str.to_lowercase().str.extract(HTTP).cast(pl.Int8)
        tls = col("tls").str.to_lowercase()
        minor = pl.when(tls.str.contains(TLS_1)).then(tls.str.extract(TLS_1).fill_null("0").cast(pl.Int8))
        groups = groups.with_columns(
            hit=cache.str.contains(HIT), miss=cache.str.contains(MISS), http=http, minor=minor, responses=col("code")
        )

        def is_status(name: str, shown: str) -> Any:  # noqa: ANN401 - an expression of that library
            return col(name) // 100 == int(shown[0]) if shown.endswith("xx") else col(name) == int(shown)

        conditions = {
            "edge_hit_requests": col("hit"),
            "edge_miss_requests": col("miss"),
            "http2": col("http") == 2,
            "http3": col("http") > 2,
            **{f"tls_v1{minor}": col("minor") == minor for minor in range(4)},
            **{name: is_status("status", name.removeprefix("status_")) for name in SENT},
            "origin_fetches": col("asked"),
            **{name: is_status("code", name.removeprefix("origin_status_")) for name in RECEIVED},
            "responses": col("code").is_not_null(),
            **{name: col("code").is_not_null() & (col("bucket") == at) for at, name in enumerate(BUCKETS)},
        }
        sizes = [col(SIZES[:2]).sum(), col(SIZES[2:]).filter("asked").sum()]
        for name, size in zip(ANSWERED[1:3], SIZES[3:], strict=True):
            sizes.append(col(size).filter(col("code").is_not_null()).sum().alias(name))
        return groups.group_by("second", "service_id", "pop", "domain", "origin", "origin_addr").agg(
            col("requests").sum(),
            *((col("requests") * condition).sum().alias(name) for name, condition in conditions.items()),
            *sizes,
        )


CONTENDERS: dict[str, tuple[type[Edgetally | Polars | DuckDB | ClickHouse], int | None]] = {
    "edgetally": (Edgetally, None),
    "edgetally, 1 thread": (Edgetally, 1),
    "polars": (Polars, None),
    "polars, 1 thread": (Polars, 1),
    "duckdb": (DuckDB, None),
    "duckdb, 1 thread": (DuckDB, 1),
}
"""By name, with a number of threads; `None`: one per core."""
if find_spec("chdb"):
    CONTENDERS |= {"clickhouse": (ClickHouse, None), "clickhouse, 1 thread": (ClickHouse, 1)}


def answer(out: Path) -> Answer:
    """Read what a contender wrote: entries, or tables of rows."""
    found: Answer = {dataset: {} for dataset in KEYS}
    entries = out / "entries.jsonl"
    if entries.exists():
        from edgetally import _core  # noqa: PLC0415 - it knows which measurements are ratios

        for line in entries.open("rb"):
            entry = json.loads(line)
            if entry["dataset"] in KEYS:
                ratios = {name for name, _, kind, _ in _core.measurements(entry["dataset"]) if kind == "ratio"}
                found[entry["dataset"]].update(_rows(entry, ratios))
        return found
    for dataset, names in KEYS.items():
        for by_pop in (True, False):
            for line in (out / table_file(dataset, by_pop=by_pop)).open("rb"):
                row = json.loads(line)
                second, service_id, pop = row.pop("second"), row.pop("service_id"), row.pop("pop") if by_pop else ""
                name, ip = [*(row.pop(key) for key in names), ""][:2]
                numbers = {measurement: int(number) for measurement, number in row.items() if number}
                found[dataset][second, service_id, pop, name, ip] = numbers
    return found


def _rows(entry: dict[str, Any], ratios: set[str]) -> Iterator[tuple[Row, dict[str, int]]]:
    for pop, names in [("", entry["aggregated"]), *entry["datacenter"].items()]:
        for name, inside in names.items():
            for ip, shown in (inside if entry["dataset"] == "origin_insights" else {"": inside}).items():
                # The log has no compute requests, so `all_` repeats the fields without a prefix.
                numbers = {
                    measurement: number
                    for measurement, number in shown.items()
                    if measurement not in ratios and not measurement.startswith("all_")
                }
                yield (entry["recorded"], entry["service_id"], pop, name, ip), numbers
