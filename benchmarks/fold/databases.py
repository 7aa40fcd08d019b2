"""DuckDB and ClickHouse as contenders: the same SQL, in which few functions have names of their own."""

# ruff: noqa: S608 - the SQL is made of constants

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

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
    table_file,
)

SIZES = {
    "resp_header_bytes": "sum(resp_bytes - resp_body)",
    "resp_body_bytes": "sum(resp_body)",
    "bereq_header_bytes": "sum(bereq_bytes) FILTER (WHERE asked)",
    "origin_fetch_resp_header_bytes": "sum(beresp_bytes - beresp_body) FILTER (WHERE asked)",
    "origin_fetch_resp_body_bytes": "sum(beresp_body) FILTER (WHERE asked)",
    "answered_header_bytes": "sum(beresp_bytes - beresp_body) FILTER (WHERE code IS NOT NULL)",
    "answered_body_bytes": "sum(beresp_body) FILTER (WHERE code IS NOT NULL)",
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
MEASURED = {
    "domains": [*BASE, *DERIVED],
    "origins": [*OF_ORIGINS],
    "origin_insights": [name for name in OF_ORIGINS if name not in NOT_IN_INSIGHTS],
}


class Database:
    """
    One query that reads the lines and counts them by host, address and statuses, and short ones that add up the groups.

    A table of all lines, counting all statuses per line, and casts that fail are slower.
    """

    functions: ClassVar[list[str]]
    """Its own names for `as_integer(text)` and `as_decimal(text)`, NULL if it is none, and for those with a pattern."""

    table: ClassVar[str]
    """Creates a table from the query that follows."""

    def execute(self, query: str) -> None:
        """Run a statement."""
        raise NotImplementedError

    def log(self, path: Path) -> str:
        """Return the log as a table: `ts` is a number, the other columns are text."""
        raise NotImplementedError

    def save(self, query: str, path: Path) -> None:
        """Write what a query finds as JSON lines."""
        raise NotImplementedError

    def run(self, path: Path, out: Path) -> None:
        """Answer the question in files of JSON lines; this is what is measured."""
        for name, query in _tables(self.log(path)):
            self.execute(f"{self.table.format(name)} AS {query}")
        for dataset, names in KEYS.items():
            keys, measured = ", ".join(["second", "service_id", *names]), MEASURED[dataset]
            by_pop = f"SELECT pop, {keys}, {', '.join(measured)} FROM {dataset}"
            of_all = f"SELECT {keys}, {_sums({name: name for name in measured})} FROM {dataset} AS t GROUP BY ALL"
            self.save(by_pop, out / table_file(dataset, by_pop=True))
            self.save(of_all, out / table_file(dataset, by_pop=False))


class DuckDB(Database):
    """DuckDB in this process."""

    functions: ClassVar = [
        # Empty strings become NULL first: a failing cast is slow.
        "CREATE MACRO as_integer(text) AS try_cast(nullif(text, '') AS BIGINT)",
        "CREATE MACRO as_decimal(text) AS try_cast(nullif(text, '') AS DOUBLE)",
        "CREATE MACRO matches(text, pattern) AS regexp_matches(lower(text), pattern)",
        "CREATE MACRO extracted(text, pattern) AS regexp_extract(lower(text), pattern, 1)",
        "CREATE MACRO removed(text, pattern) AS regexp_replace(lower(text), pattern, '')",
    ]
    table = "CREATE TEMPORARY TABLE {}"

    def __init__(self, threads: int | None) -> None:
        """Load the library."""
        import duckdb  # noqa: PLC0415 - what a contender loads is its own

        self._connection: Any = duckdb.connect()
        for statement in [*self.functions, *([f"SET threads = {threads}"] if threads else [])]:
            self.execute(statement)

    def execute(self, query: str) -> None:
        """Run a statement."""
        self._connection.execute(query)

    def log(self, path: Path) -> str:
        """Return the log as a table."""
        columns = ", ".join(f"{name}: '{'DOUBLE' if name == 'ts' else 'VARCHAR'}'" for name in COLUMNS)
        return f"read_json('{path}', format = 'newline_delimited', columns = {{{columns}}})"

    def save(self, query: str, path: Path) -> None:
        """Write what a query finds as JSON lines."""
        self.execute(f"COPY ({query}) TO '{path}' (FORMAT json)")


class ClickHouse(Database):
    """ClickHouse in this process (chdb)."""

    functions: ClassVar = [
        "CREATE FUNCTION as_integer AS text -> toInt64OrNull(text)",
        "CREATE FUNCTION as_decimal AS text -> toFloat64OrNull(text)",
        "CREATE FUNCTION matches AS (text, pattern) -> match(lower(text), pattern)",
        "CREATE FUNCTION extracted AS (text, pattern) -> extract(lower(text), pattern)",
        "CREATE FUNCTION removed AS (text, pattern) -> replaceRegexpOne(lower(text), pattern, '')",
    ]
    table = "CREATE TEMPORARY TABLE {} ENGINE = Memory"

    def __init__(self, threads: int | None) -> None:
        """Load the library."""
        from chdb import session  # noqa: PLC0415 - what a contender loads is its own

        self._session: Any = session.Session()
        settings = ["SET output_format_json_quote_64bit_integers = 0"]
        if threads is not None:
            settings.append(f"SET max_threads = {threads}")
        for statement in [*self.functions, *settings]:
            self.execute(statement)

    def execute(self, query: str) -> None:
        """Run a statement."""
        self._session.query(query)

    def log(self, path: Path) -> str:
        """Return the log as a table."""
        columns = ", ".join(f"{name} {'Float64' if name == 'ts' else 'String'}" for name in COLUMNS)
        return f"file('{path}', 'JSONEachRow', '{columns}')"

    def save(self, query: str, path: Path) -> None:
        """Write what a query finds as JSON lines."""
        self.execute(f"{query} INTO OUTFILE '{path}' FORMAT JSONEachRow")


def _sum(total: str, name: str) -> str:
    return f"coalesce({total}, 0)::BIGINT AS {name}"


def _sums(names: dict[str, str]) -> str:
    # A sum has the name of its column, which aliases of ClickHouse would hide without the name of its table.
    return ", ".join(_sum(f"sum(t.{known})", name) for name, known in names.items())


def _tables(log: str) -> Iterator[tuple[str, str]]:
    """Return tables and their queries, each of those before it."""
    yield "by_status", _by_status(log)
    keys = "t.second AS second, t.service_id AS service_id, t.pop AS pop"

    def is_status(column: str, shown: str) -> str:
        first = shown[0]
        return f"t.{column} BETWEEN {first}00 AND {first}99" if shown.endswith("xx") else f"t.{column} = {shown}"

    statuses = ", ".join(
        _sum(f"sum(t.requests) FILTER (WHERE {is_status(*status)})", name) for name, status in STATUSES.items()
    )
    kept = _sums({name: name for name in ["requests", *CONDITIONS, *SIZES]})
    hosts = "t.host AS host, t.origin AS origin, t.origin_addr AS origin_addr"
    yield "base", f"SELECT {keys}, {hosts}, {statuses}, {kept} FROM by_status AS t GROUP BY ALL"
    derived = ", ".join(f"{' + '.join(parts)} AS {name}" for name, parts in DERIVED.items())
    totals = _sums({name: name for name in BASE})
    domain = f"removed(t.host, '{DOT_OR_PORT}') AS domain"
    yield "domains", f"SELECT *, {derived} FROM (SELECT {keys}, {domain}, {totals} FROM base AS t GROUP BY ALL)"
    ip = f"coalesce(nullif(removed(t.origin_addr, '{PORT}'), ''), '_unknown') AS ip"
    origin = "t.origin AS origin"
    responses = f"{_sums(OF_ORIGINS)} FROM base AS t WHERE t.responses > 0"
    yield "origin_insights", f"SELECT {keys}, {origin}, {ip}, {responses} GROUP BY ALL"
    totals = _sums({name: name for name in OF_ORIGINS})
    yield "origins", f"SELECT {keys}, {origin}, {totals} FROM origin_insights AS t GROUP BY ALL"


def _by_status(log: str) -> str:
    """Return the query that reads the log, and counts its lines by all that the rest needs."""
    shown = {name: name for name in INTEGERS} | {"resp_body_bytes": "body", "beresp_body_bytes": "fetched_body"}
    integers = ", ".join(f"as_integer(t.{name}) AS {as_name}" for name, as_name in shown.items())
    ends = " ".join(f"WHEN ttfb <= {end / 1000} THEN {bucket}" for bucket, end in enumerate(ENDS_MS))
    counts = ", ".join(f"count(*) FILTER (WHERE {condition}) AS {name}" for name, condition in CONDITIONS.items())
    sizes = ", ".join(_sum(size, name) for name, size in SIZES.items())
    keys = "second, service_id, pop, host, origin, origin_addr, status"
    # The most common words are compared; only the others need a regular expression.
    return f"""
        SELECT {keys}, code, count(*) AS requests, {counts}, {sizes}
        FROM (
            SELECT *, CASE WHEN code IS NULL OR ttfb IS NULL THEN NULL {ends} ELSE {len(ENDS_MS)} END AS bucket
            FROM (
                SELECT {keys}, resp_bytes, bereq_bytes, beresp_bytes, ttfb, hit, http, minor,
                    least(coalesce(body, 0), resp_bytes) AS resp_body,
                    least(coalesce(fetched_body, 0), beresp_bytes) AS beresp_body,
                    origin_addr NOT IN ('', '0') OR coalesce(origin_status, 0) <> 0 AS asked,
                    CASE WHEN origin_status BETWEEN 100 AND 599
                        AND (beresp_bytes IS NULL OR beresp_bytes <> 0 OR ttfb IS NOT NULL)
                        THEN origin_status END AS code
                FROM (
                    SELECT floor(t.ts)::BIGINT AS second, t.service_id AS service_id, t.pop AS pop, t.domain AS host,
                        t.origin AS origin, t.origin_addr AS origin_addr,
                        {integers},
                        as_decimal(t.origin_ttfb_s) AS ttfb,
                        CASE WHEN t.cache = 'HIT' THEN true WHEN t.cache = 'MISS' THEN false
                            WHEN matches(t.cache, '{HIT}') THEN true
                            WHEN matches(t.cache, '{MISS}') THEN false END AS hit,
                        CASE WHEN t.proto = 'HTTP/1.1' THEN 1 WHEN t.proto = 'HTTP/2.0' THEN 2
                            WHEN t.proto = 'HTTP/3.0' THEN 3
                            ELSE as_integer(extracted(t.proto, '{HTTP}')) END AS http,
                        CASE WHEN t.tls = 'TLSv1.3' THEN 3 WHEN t.tls = 'TLSv1.2' THEN 2
                            WHEN matches(t.tls, '{TLS_1}')
                            THEN coalesce(as_integer(extracted(t.tls, '{TLS_1}')), 0) END AS minor
                    FROM {log} AS t
                ) AS lines
            ) AS parts
        ) AS timed
        GROUP BY {keys}, code
    """
