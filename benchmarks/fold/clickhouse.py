"""ClickHouse local as a contender: the same SQL as DuckDB's, in the words of ClickHouse."""

from pathlib import Path
from typing import Any

from benchmarks.fold.question import (
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
    TLS_1,
)

SIZES = {
    "resp_header_bytes": "sum(resp_bytes - resp_body)",
    "resp_body_bytes": "sum(resp_body)",
    "bereq_header_bytes": "sumIf(bereq_bytes, asked)",
    "origin_fetch_resp_header_bytes": "sumIf(beresp_bytes - beresp_body, asked)",
    "origin_fetch_resp_body_bytes": "sumIf(beresp_body, asked)",
    "answered_header_bytes": "sumIf(beresp_bytes - beresp_body, code IS NOT NULL)",
    "answered_body_bytes": "sumIf(beresp_body, code IS NOT NULL)",
}
CONDITIONS = {
    "edge_hit_requests": "hit",
    "edge_miss_requests": "NOT hit",
    "http2": "http = 2",
    "http3": "http > 2",
    **{f"tls_v1{minor}": f"minor = {minor}" for minor in range(4)},
    "origin_fetches": "asked",
    "responses": "code IS NOT NULL",
    **{name: f"bucket = {bucket}" for bucket, name in enumerate(BUCKETS)},
}
STATUSES = {
    **{name: ("status", name.removeprefix("status_")) for name in SENT},
    **{name: ("code", name.removeprefix("origin_status_")) for name in RECEIVED},
}


class ClickHouse:
    """One query that reads the lines and counts them by host, address and statuses; short ones add up the groups."""

    def __init__(self, threads: int | None) -> None:
        """Load the library."""
        from chdb import session  # noqa: PLC0415 - what a contender loads is its own

        self._session: Any = session.Session()
        self._session.query("SET output_format_json_quote_64bit_integers = 0")
        if threads is not None:
            self._session.query(f"SET max_threads = {threads}")

    def run(self, path: Path, out: Path) -> None:
        """Answer the question in files of JSON lines; this is what is measured."""
        self._table("by_status", _by_status(path))
        self._table("base", _base())
        keys = "second, service_id, pop"
        derived = ", ".join(f"{' + '.join(parts)} AS {name}" for name, parts in DERIVED.items())
        domain = f"replaceRegexpOne(lower(host), '{DOT_OR_PORT}', '')"
        totals = _sums({name: name for name in BASE})
        self._table(
            "domains",
            f"SELECT *, {derived} FROM (SELECT {keys}, {domain} AS domain, {totals} FROM base AS t GROUP BY ALL)",  # noqa: S608
        )
        ip = f"replaceRegexpOne(lower(origin_addr), '{PORT}', '')"
        self._table(
            "origin_insights",
            f"SELECT {keys}, origin, if({ip} = '', '_unknown', {ip}) AS ip, {_sums(OF_ORIGINS)} "  # noqa: S608
            "FROM base AS t WHERE t.responses > 0 GROUP BY ALL",
        )
        of_origins = {name: name for name in OF_ORIGINS}
        self._table("origins", f"SELECT {keys}, origin, {_sums(of_origins)} FROM origin_insights AS t GROUP BY ALL")  # noqa: S608
        of_insights = {name: name for name in OF_ORIGINS if name not in NOT_IN_INSIGHTS}
        measured = {
            "domains": {name: name for name in [*BASE, *DERIVED]},
            "origins": of_origins,
            "origin_insights": of_insights,
        }
        for dataset, names in KEYS.items():
            for columns, file in (
                ([*keys.split(", "), *names], dataset),
                (["second", "service_id", *names], f"{dataset}_of_all"),
            ):
                self._session.query(
                    f"SELECT {', '.join(columns)}, {_sums(measured[dataset])} FROM {dataset} AS t GROUP BY ALL "  # noqa: S608
                    f"INTO OUTFILE '{out / file}.jsonl' FORMAT JSONEachRow"
                )

    def _table(self, name: str, query: str) -> None:
        self._session.query(f"CREATE TEMPORARY TABLE {name} ENGINE = Memory AS {query}")


def _sums(names: dict[str, str]) -> str:
    # A sum has the name of its column, which aliases of ClickHouse would hide without the name of its table.
    return ", ".join(f"toInt64(ifNull(sum(t.{known}), 0)) AS {name}" for name, known in names.items())


def _by_status(path: Path) -> str:
    columns = ", ".join(f"{name} {'Float64' if name == 'ts' else 'String'}" for name in COLUMNS)
    shown = {name: name for name in INTEGERS} | {"resp_body_bytes": "body", "beresp_body_bytes": "fetched_body"}
    integers = ", ".join(f"toInt64OrNull(t.{name}) AS {as_name}" for name, as_name in shown.items())
    ends = ", ".join(f"ttfb <= {end / 1000}, {bucket}" for bucket, end in enumerate(ENDS_MS))
    counts = ", ".join(f"countIf({condition}) AS {name}" for name, condition in CONDITIONS.items())
    sizes = ", ".join(f"toInt64(ifNull({size}, 0)) AS {name}" for name, size in SIZES.items())
    return f"""
        SELECT second, service_id, pop, host, origin, origin_addr, status, code, count() AS requests, {counts},
            {sizes}
        FROM (
            SELECT *, multiIf(code IS NULL OR ttfb IS NULL, NULL, {ends}, {len(ENDS_MS)}) AS bucket
            FROM (
                SELECT second, service_id, pop, host, origin, origin_addr, status, resp_bytes, bereq_bytes,
                    beresp_bytes, ttfb, hit, http, minor,
                    least(ifNull(body, 0), resp_bytes) AS resp_body,
                    least(ifNull(fetched_body, 0), beresp_bytes) AS beresp_body,
                    origin_addr NOT IN ('', '0') OR ifNull(origin_status, 0) != 0 AS asked,
                    if(origin_status BETWEEN 100 AND 599
                        AND (beresp_bytes IS NULL OR beresp_bytes != 0 OR ttfb IS NOT NULL),
                        origin_status, NULL) AS code
                FROM (
                    SELECT toInt64(floor(t.ts)) AS second, t.service_id AS service_id, t.pop AS pop, t.domain AS host,
                        t.origin AS origin, t.origin_addr AS origin_addr,
                        {integers},
                        toFloat64OrNull(t.origin_ttfb_s) AS ttfb,
                        multiIf(t.cache = 'HIT', true, t.cache = 'MISS', false, match(lower(t.cache), '{HIT}'), true,
                            match(lower(t.cache), '{MISS}'), false, NULL) AS hit,
                        multiIf(t.proto = 'HTTP/1.1', 1, t.proto = 'HTTP/2.0', 2, t.proto = 'HTTP/3.0', 3,
                            toUInt8OrNull(extract(lower(t.proto), '{HTTP}'))) AS http,
                        multiIf(t.tls = 'TLSv1.3', 3, t.tls = 'TLSv1.2', 2, match(lower(t.tls), '{TLS_1}'),
                            ifNull(toUInt8OrNull(extract(lower(t.tls), '{TLS_1}')), 0), NULL) AS minor
                    FROM file('{path}', 'JSONEachRow', '{columns}') AS t
                )
            )
        )
        GROUP BY second, service_id, pop, host, origin, origin_addr, status, code
    """  # noqa: S608 - made of constants


def _base() -> str:
    def condition(column: str, shown: str) -> str:
        return f"intDiv(t.{column}, 100) = {shown[0]}" if shown.endswith("xx") else f"t.{column} = {shown}"

    counts = ", ".join(
        f"toInt64(ifNull(sumIf(t.requests, {condition(*status)}), 0)) AS {name}" for name, status in STATUSES.items()
    )
    kept = {name: name for name in ["requests", *CONDITIONS, *SIZES]}
    keys = "t.second AS second, t.service_id AS service_id, t.pop AS pop, t.host AS host, t.origin AS origin"
    return f"SELECT {keys}, t.origin_addr AS origin_addr, {counts}, {_sums(kept)} FROM by_status AS t GROUP BY ALL"  # noqa: S608
