"""How many lines does a CPU second fold, and how many does a general engine aggregate that reads the same file?"""

import argparse
import json
import math
import os
import pickle
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

# --- the traffic -----------------------------------------------------------------------------------------------------

LINE = 480
"""Bytes of every line, its newline included."""

FIRST, SECONDS, SERVICES, DOMAINS, POPS, ORIGINS = 1_795_314_035, 10, 5, 40, 10, 5
STATUSES = {200: 80, 304: 8, 404: 5, 206: 3, 301: 2, 500: 2}
HITS = {"HIT": 96, "STALE": 2, "UPDATING": 2}
FETCHES = {"MISS": 85, "EXPIRED": 10, "BYPASS": 5}
PROTOCOLS = {"HTTP/1.1": 45, "HTTP/2.0": 45, "HTTP/3.0": 10}
TLS = {"TLSv1.3": 80, "TLSv1.2": 18, "": 2}
AGENT = "Mozilla/5.0%20(X11;%20Linux%20x86_64)%20AppleWebKit/537.36%20(KHTML,%20like%20Gecko)%20Chrome/142.0"

CODES = [200, 204, 206, 301, 302, 304, 400, 401, 403, 404, 416, 429, 499, 500, 501, 502, 503, 504, 505, 530]
ODD_STATUSES = dict.fromkeys([*CODES, 103, 418, 599, "000", 600, 999], 1)
ODD_HITS = ["Hit-Cluster", "tcp_hit", "TCP_MEM_HIT", "RefreshHit", "hit_stale", "cache hit", "Conditional Cache Hit: x"]
ODD_FETCHES = [
    "miss-wait",
    "TCP_MISS",
    "TCP_CLIENT_REFRESH",
    "hitmiss",
    "MISS_x",
    "Cache miss: y",
    "HITPASS",
    "pass",
    "",
]
ODD_PROTOCOLS = dict.fromkeys(["h2", "http/3", "h3", "2.0", "1.0", ""], 1)
ODD_TLS = dict.fromkeys(["TLSv1", "tls1.0", "TLSv1.1", "1.2", "tlsv1.3", "SSLv3"], 1)
ODD_HOSTS = ["WWW{}.Example{}.com:8080", "www{}.EXAMPLE{}.com.", "www{}.example{}.com.:443", "www{}.example{}.com:"]
ODD_TTFBS = [
    "0",
    "0.001",
    "0.0011",
    "0.005",
    "0.01",
    "0.050",
    "0.1",
    "0.250",
    "0.5",
    "1",
    "5.000",
    "10",
    "60",
    "60.001",
    "",
]


ODD_LINES = 20_000


def lines(count: int, *, odd: bool = False) -> Iterator[bytes]:
    """
    Make up what an nginx logs, in order of time; the same lines for the same arguments.

    With `odd`, everything that a field can say is there: what other servers write, and what is missing.
    """
    random = Random(7)

    def pick(weights: dict[Any, int]) -> Any:  # noqa: ANN401 - what is in the table
        return random.choices(list(weights), list(weights.values()))[0]

    for number in range(count):
        second = FIRST + number * SECONDS // count
        service, name, pop = random.randrange(SERVICES), random.randrange(DOMAINS), random.randrange(POPS)
        domain, status, hit = f"www{name}.example{service}.com", pick(STATUSES), random.random() < 0.7
        cache, protocol, tls = pick(HITS if hit else FETCHES), pick(PROTOCOLS), pick(TLS)
        header, body = random.randrange(200, 500), random.randrange(60_000)
        total, received, ttfb = header + body, body, f"{random.expovariate(20):.3f}"
        addr, origin_status = f"10.0.{service}.{name % 8}:8080", status
        if odd:
            domain = random.choice(ODD_HOSTS).format(name, service)
            status, origin_status = pick(ODD_STATUSES), random.choice([*ODD_STATUSES, "", "0"])
            cache, protocol, tls = random.choice(ODD_HITS if hit else ODD_FETCHES), pick(ODD_PROTOCOLS), pick(ODD_TLS)
            body, total = random.choice([(body, header + body), ("", header), (body, header), (body, "")])
            received, ttfb = random.choice([received, "", total]), random.choice(ODD_TTFBS)
            addr = random.choice([addr, addr.removesuffix(":8080"), f"Host{service}:80", ""])
        fetch: tuple[object, ...] = ("",) * 6
        if not hit:
            fetch = (addr, origin_status, random.randrange(100, 400), random.choice([total, 0]) if odd else total)
            fetch += (received, ttfb)
        addr, origin_status, sent, got, received, ttfb = fetch
        line = (
            f'{{"ts":{second}.{random.randrange(1000):03},"service_id":"service{service}","pop":"P{pop:02}",'
            f'"domain":"{domain}","status":"{status}","cache":"{cache}","proto":"{protocol}","tls":"{tls}",'
            f'"req_bytes":"{random.randrange(100, 900)}","resp_bytes":"{total}","resp_body_bytes":"{body}",'
            f'"origin":"origin_{name % ORIGINS}","origin_addr":"{addr}","origin_status":"{origin_status}",'
            f'"bereq_bytes":"{sent}","beresp_bytes":"{got}","beresp_body_bytes":"{received}",'
            f'"origin_ttfb_s":"{ttfb}","url":"/assets/'
        )
        url = (AGENT * 4)[: LINE - len(line) - len('"}\n')]
        yield f'{line}{url}"}}\n'.encode()


# --- the question ----------------------------------------------------------------------------------------------------

STATUSES_SHOWN = [*(str(code) for code in CODES if code != 499), *(f"{range_}xx" for range_ in range(1, 6))]
"""What follows `status_` and `origin_status_` in the names of measurements; `status_499` comes on top."""

ENDS_MS = [1, 5, 10, 50, 100, 250, 500, 1_000, 5_000, 10_000, 60_000]
BUCKETS = [
    "latency_0_to_1ms",
    *(f"latency_{start}_to_{end}ms" for start, end in pairwise(ENDS_MS)),
    "latency_60000ms",
]
"""Measurements of the time to the first byte: more than the end before, at most its own."""

SENT = [f"status_{shown}" for shown in ["499", *STATUSES_SHOWN]]
RECEIVED = [f"origin_status_{shown}" for shown in STATUSES_SHOWN]
WORDS = ["edge_hit_requests", "edge_miss_requests", "http2", "http3", "tls_v10", "tls_v11", "tls_v12", "tls_v13"]
SIZES = [
    *("resp_header_bytes", "resp_body_bytes", "bereq_header_bytes"),
    *("origin_fetch_resp_header_bytes", "origin_fetch_resp_body_bytes"),
]
BASE = ["requests", *WORDS, *SIZES, *SENT, "origin_fetches", *RECEIVED]
"""What lines are counted by for `domains`, and what the other measurements of it are sums or copies of."""

DERIVED = {
    "edge_requests": ["requests"],
    "edge_resp_header_bytes": ["resp_header_bytes"],
    "edge_resp_body_bytes": ["resp_body_bytes"],
    "bandwidth": ["resp_header_bytes", "resp_body_bytes", "bereq_header_bytes"],
}

ANSWERED = ["responses", "answered_header_bytes", "answered_body_bytes", *BUCKETS]
"""What lines are counted by for `origins`, in addition to the statuses received."""

OF_ORIGINS = {
    "responses": "responses",
    "resp_header_bytes": "answered_header_bytes",
    "resp_body_bytes": "answered_body_bytes",
    **{f"status_{shown}": f"origin_status_{shown}" for shown in STATUSES_SHOWN},
    **{bucket: bucket for bucket in BUCKETS},
}
"""Measurements of `origins`, and what they are called among those that lines are counted by."""

NOT_IN_INSIGHTS = ["status_206", "status_429", "status_530", *BUCKETS]

HIT = r"^((hit|stale|updating|revalidated|refreshhit|originshieldhit|tcp_(.*_)?hit)$|hit[-_]|(conditional )?cache hit)"
MISS = r"^((miss|hitmiss|expired|tcp_client_refresh|tcp_(.*_)?miss)$|miss[-_]|cache miss)"
HTTP = r"^(?:http/|http|h)?([2-9])"
TLS_1 = r"^(?:tlsv|tls)? *1(?:\.([0-3]))?$"
"""What the words of lines mean, in lower case. The version is the group."""

PORT, DOT_OR_PORT = r":\d*$", r"\.?(:\d*)?$"
"""What is cut off the end of an address and of a host."""

INTEGERS = ["status", "resp_bytes", "resp_body_bytes"]
INTEGERS += ["origin_status", "bereq_bytes", "beresp_bytes", "beresp_body_bytes"]
COLUMNS = ["ts", "service_id", "pop", "domain", "cache", "proto", "tls", "origin", "origin_addr", "origin_ttfb_s"]
COLUMNS += INTEGERS
"""The fields that the question needs; who can be told so reads no others."""

KEYS = {"domains": ["domain"], "origins": ["origin"], "origin_insights": ["origin", "ip"]}
"""What is counted in each dataset by second and service, once by POP and once over all POPs."""

Row = tuple[int, str, str, str, str]
Answer = dict[str, dict[Row, dict[str, int]]]
"""By dataset, then by second, service, POP, name and IP (each empty if there is none): measurements that are not 0."""


def bring_into_form(tables: dict[tuple[str, bool], tuple[list[str], list[tuple[Any, ...]]]]) -> Answer:
    """Make an answer of columns and rows by dataset and whether they are by POP."""
    answer: Answer = {dataset: {} for dataset in KEYS}
    for (dataset, by_pop), (columns, rows) in tables.items():
        for row in rows:
            shown = dict(zip(columns, row, strict=True))
            second, service_id, pop = shown.pop("second"), shown.pop("service_id"), shown.pop("pop") if by_pop else ""
            name, ip = [*(shown.pop(key) for key in KEYS[dataset]), ""][:2]
            numbers = {measurement: int(number) for measurement, number in shown.items() if number}
            answer[dataset][second, service_id, pop, name, ip] = numbers
    return answer


# --- the contenders --------------------------------------------------------------------------------------------------


class Edgetally:
    """Every measurement of every dataset, up to the bytes that the API sends."""

    def __init__(self, _threads: int | None) -> None:
        """Load what will be measured."""
        from edgetally import _core  # noqa: PLC0415 - what a contender loads is its own

        self._core = _core

    def run(self, path: Path) -> dict[str, list[tuple[str, bytes]]]:
        """Answer the question in the contender's own form; this is what is measured."""
        fold = self._core.Fold(service_id="default", pop="local")
        with path.open("rb", buffering=0) as log:
            while block := log.read(1 << 20):
                fold.feed(block, FIRST)
        fold.finish(FIRST)
        window = self._core.Window(domains=10_000, origins=1_000, addresses=10_000, pops=1_000, services=10_000)
        window.merge(fold.drain())
        sealed = window.seal(FIRST + SECONDS)
        return {dataset: [(one.service_id, one.entry(dataset)) for one in sealed] for dataset in KEYS}

    def answer(self, entries: dict[str, list[tuple[str, bytes]]]) -> Answer:
        """Bring it into the common form."""
        return {dataset: dict(self._rows(dataset, found)) for dataset, found in entries.items()}

    def _rows(self, dataset: str, entries: list[tuple[str, bytes]]) -> Iterator[tuple[Row, dict[str, int]]]:
        ratios = {name for name, _description, is_ratio in self._core.measurements(dataset) if is_ratio}
        for service_id, text in entries:
            entry = json.loads(text)
            for pop, names in [("", entry["aggregated"]), *entry["datacenter"].items()]:
                for name, inside in names.items():
                    for ip, shown in (inside if dataset == "origin_insights" else {"": inside}).items():
                        # The log has nothing of compute in it, so `all_` repeats what has no prefix.
                        numbers = {
                            measurement: number
                            for measurement, number in shown.items()
                            if measurement not in ratios and not measurement.startswith("all_")
                        }
                        yield (entry["recorded"], service_id, pop, name, ip), numbers


class Polars:
    """
    One lazy scan and one group_by as fine as what the lines say, in the streaming engine; the rest from its groups.

    So words are looked at, and statuses told apart, once per group instead of once per line.
    """

    def __init__(self, threads: int | None) -> None:
        """Load what will be measured."""
        if threads is not None:
            os.environ["POLARS_MAX_THREADS"] = str(threads)
        import polars as pl  # noqa: PLC0415 - it reads the number of threads when it is imported

        self._pl = pl

    def run(self, path: Path) -> dict[tuple[str, bool], Any]:
        """Answer the question in the contender's own form; this is what is measured."""
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
        return dict(zip(tables, pl.collect_all(tables.values(), engine="in-memory"), strict=True))

    def _groups(self, path: Path) -> Any:  # noqa: ANN401 - a frame of a library that is not there in type checks
        """Read the lines, and add up those that say the same but for sizes."""
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

    def _base(self, groups: Any) -> Any:  # noqa: ANN401 - a frame of a library that is not there in type checks
        """Tell apart what each group says."""
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

    def answer(self, frames: dict[tuple[str, bool], Any]) -> Answer:
        """Bring it into the common form."""
        return bring_into_form({table: (frame.columns, frame.rows()) for table, frame in frames.items()})


class DuckDB:
    """
    One query that reads the lines and counts them by host, address and statuses, and short ones that add it up.

    A table of all lines, or counting all statuses for every line, costs more here, and so does a cast that fails.
    """

    def __init__(self, threads: int | None) -> None:
        """Load what will be measured."""
        import duckdb  # noqa: PLC0415 - what a contender loads is its own

        self._connection = duckdb.connect()
        if threads is not None:
            self._connection.execute(f"SET threads = {threads}")

    def run(self, path: Path) -> None:
        """Answer the question in the contender's own form; this is what is measured."""
        execute = self._connection.execute
        for query in self._base(path):
            execute(query)

        def total(names: dict[str, str]) -> str:
            return ", ".join(f"coalesce(sum({known}), 0)::BIGINT AS {name}" for name, known in names.items())

        keys = "second, service_id, pop"
        derived = ", ".join(f"{' + '.join(parts)} AS {name}" for name, parts in DERIVED.items())
        execute(f"""
            CREATE TEMP TABLE domains AS SELECT *, {derived} FROM (
                SELECT {keys}, regexp_replace(lower(host), '{DOT_OR_PORT}', '') AS domain,
                    {total({name: name for name in BASE})}
                FROM base GROUP BY ALL
            );
            CREATE TEMP TABLE insights AS SELECT {keys}, origin,
                coalesce(nullif(regexp_replace(lower(origin_addr), '{PORT}', ''), ''), '_unknown') AS ip,
                {total(OF_ORIGINS)}
            FROM base WHERE responses > 0 GROUP BY ALL;
            CREATE TEMP TABLE origins AS SELECT {keys}, origin, {total({name: name for name in OF_ORIGINS})}
            FROM insights GROUP BY ALL;
            CREATE TEMP TABLE origin_insights AS SELECT * EXCLUDE ({", ".join(NOT_IN_INSIGHTS)}) FROM insights;
        """)  # noqa: S608 - made of constants
        for dataset, names in KEYS.items():
            kept = f"second, service_id, {', '.join(names)}"
            execute(f"""
                CREATE TEMP TABLE {dataset}_of_all AS
                SELECT {kept}, sum(COLUMNS(* EXCLUDE (pop, {kept}))) FROM {dataset} GROUP BY ALL
            """)  # noqa: S608 - made of constants

    @staticmethod
    def _base(path: Path) -> Iterator[str]:
        """Read the lines and count them by host, address and both statuses as logged; then tell the statuses apart."""
        columns = ", ".join(f"{name}: '{'DOUBLE' if name == 'ts' else 'VARCHAR'}'" for name in COLUMNS)
        # An empty string is made NULL first: a cast that fails is dear.
        integers = ", ".join(
            f"try_cast(nullif({name}, '') AS {'SMALLINT' if name.endswith('status') else 'BIGINT'}) AS {name}"
            for name in INTEGERS
        )
        ends = " ".join(f"WHEN ttfb <= {end / 1000} THEN {bucket}" for bucket, end in enumerate(ENDS_MS))
        conditions = {
            "edge_hit_requests": "hit",
            "edge_miss_requests": "NOT hit",
            "http2": "http = 2",
            "http3": "http > 2",
            **{f"tls_v1{minor}": f"minor = {minor}" for minor in range(4)},
            "origin_fetches": "asked",
            "responses": "code IS NOT NULL",
            **{name: f"bucket = {bucket}" for bucket, name in enumerate(BUCKETS)},
        }
        counts = ", ".join(f"count(*) FILTER ({condition}) AS {name}" for name, condition in conditions.items())
        # Words that nearly every line has are compared; only the others are matched.
        yield f"""
            CREATE TEMP TABLE by_status AS
            WITH lines AS (
                SELECT
                    floor(ts)::BIGINT AS second, service_id, pop, domain AS host, origin, origin_addr, {integers},
                    try_cast(nullif(origin_ttfb_s, '') AS DOUBLE) AS ttfb,
                    CASE WHEN cache = 'HIT' THEN true WHEN cache = 'MISS' THEN false
                        WHEN regexp_matches(lower(cache), '{HIT}') THEN true
                        WHEN regexp_matches(lower(cache), '{MISS}') THEN false END AS hit,
                    CASE proto WHEN 'HTTP/1.1' THEN 1 WHEN 'HTTP/2.0' THEN 2 WHEN 'HTTP/3.0' THEN 3
                        ELSE try_cast(nullif(regexp_extract(lower(proto), '{HTTP}', 1), '') AS TINYINT) END AS http,
                    CASE WHEN tls = 'TLSv1.3' THEN 3 WHEN tls = 'TLSv1.2' THEN 2
                        WHEN regexp_matches(lower(tls), '{TLS_1}')
                        THEN coalesce(try_cast(nullif(regexp_extract(lower(tls), '{TLS_1}', 1), '') AS TINYINT), 0)
                        END AS minor
                FROM read_json('{path}', format = 'newline_delimited', columns = {{{columns}}})
            ), parts AS (
                SELECT * EXCLUDE (resp_body_bytes, beresp_body_bytes),
                    least(coalesce(resp_body_bytes, 0), resp_bytes) AS resp_body,
                    least(coalesce(beresp_body_bytes, 0), beresp_bytes) AS beresp_body,
                    origin_addr NOT IN ('', '0') OR coalesce(origin_status, 0) <> 0 AS asked,
                    CASE WHEN origin_status BETWEEN 100 AND 599
                        AND (beresp_bytes IS NULL OR beresp_bytes <> 0 OR ttfb IS NOT NULL)
                        THEN origin_status END AS code
                FROM lines
            ), timed AS (
                SELECT *,
                    CASE WHEN code IS NULL OR ttfb IS NULL THEN NULL {ends} ELSE {len(ENDS_MS)} END AS bucket
                FROM parts
            )
            SELECT
                second, service_id, pop, host, origin, origin_addr, status, code, count(*) AS requests, {counts},
                sum(resp_bytes - resp_body)::BIGINT AS resp_header_bytes, sum(resp_body)::BIGINT AS resp_body_bytes,
                (sum(bereq_bytes) FILTER (asked))::BIGINT AS bereq_header_bytes,
                (sum(beresp_bytes - beresp_body) FILTER (asked))::BIGINT AS origin_fetch_resp_header_bytes,
                (sum(beresp_body) FILTER (asked))::BIGINT AS origin_fetch_resp_body_bytes,
                (sum(beresp_bytes - beresp_body) FILTER (code IS NOT NULL))::BIGINT AS answered_header_bytes,
                (sum(beresp_body) FILTER (code IS NOT NULL))::BIGINT AS answered_body_bytes
            FROM timed GROUP BY ALL
        """  # noqa: S608 - made of constants

        def is_status(name: str, shown: str) -> str:
            return f"{name} // 100 = {shown[0]}" if shown.endswith("xx") else f"{name} = {shown}"

        statuses = {name: is_status("status", name.removeprefix("status_")) for name in SENT}
        statuses |= {name: is_status("code", name.removeprefix("origin_status_")) for name in RECEIVED}
        counts = ", ".join(
            f"(sum(requests) FILTER ({condition}))::BIGINT AS {name}" for name, condition in statuses.items()
        )
        keys = "second, service_id, pop, host, origin, origin_addr"
        yield f"""
            CREATE TEMP TABLE base AS
            SELECT {keys}, {counts}, sum(COLUMNS(* EXCLUDE ({keys}, status, code)))::BIGINT FROM by_status GROUP BY ALL
        """  # noqa: S608 - made of constants

    def answer(self, _: None) -> Answer:
        """Bring it into the common form."""
        tables = {}
        for dataset in KEYS:
            for by_pop, table in ((True, dataset), (False, f"{dataset}_of_all")):
                found = self._connection.execute(f"FROM {table}")
                tables[dataset, by_pop] = ([column[0] for column in found.description], found.fetchall())
        return bring_into_form(tables)


CONTENDERS: dict[str, tuple[type[Edgetally | Polars | DuckDB], int | None]] = {
    "edgetally": (Edgetally, None),
    "polars": (Polars, None),
    "polars, 1 thread": (Polars, 1),
    "duckdb": (DuckDB, None),
    "duckdb, 1 thread": (DuckDB, 1),
}

# --- one contender, in a process of its own --------------------------------------------------------------------------


class Cost(NamedTuple):
    """What a run took."""

    cpu_s: float
    """Of all threads."""
    wall_s: float
    memory_mb: float
    """The most that the process ever had, what it loaded before the run included."""


def peak_kb() -> int:
    """Return the most memory that this program had. `ru_maxrss` would include what the one that started it had."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # not Linux
    return int(status.read_text().partition("VmHWM:")[2].split()[0])


def contend(name: str, path: Path, answer_to: Path | None) -> Cost:
    """Run one contender in this process, and write its answer down if somebody wants to see it."""
    contender_type, threads = CONTENDERS[name]
    contender: Any = contender_type(threads)
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    found = contender.run(path)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    if answer_to is not None:
        tables = contender.answer(found)
        answer_to.write_bytes(pickle.dumps(tables))
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(cpu, wall, peak_kb() / 1024)


def measure(name: str, path: Path, answer_to: Path | None = None) -> Cost:
    """Run one contender in a process of its own."""
    command = [sys.executable, __file__, "--contender", name, "--log", str(path)]
    if answer_to is not None:
        command += ["--answer-to", str(answer_to)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return Cost(*json.loads(done.stdout))


# --- the whole -------------------------------------------------------------------------------------------------------


def check(path: Path, directory: Path) -> Answer:
    """See to it that all say the same: every measurement of every row. Returns what they say."""
    file = directory / "answer"
    answers: dict[str, Answer] = {}
    for name in CONTENDERS:
        measure(name, path, file)
        answers[name] = pickle.loads(file.read_bytes())  # noqa: S301 - written by this program a moment ago
    first = answers["edgetally"]
    for name, answer in answers.items():
        for dataset in KEYS:
            ours, theirs = first[dataset], answer[dataset]
            different = [row for row in {**ours, **theirs} if ours.get(row) != theirs.get(row)]
            if different:
                row = different[0]
                found = {key: set((table.get(row) or {}).items()) for key, table in (("a", ours), ("b", theirs))}
                sys.exit(
                    f"{dataset}: edgetally and {name} differ in {len(different)} rows, as in {row}: "
                    f"{sorted(found['a'] - found['b'])} and {sorted(found['b'] - found['a'])}"
                )
    return first


def main() -> None:
    """Check, then measure, then print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5, help="the one with the least CPU time counts")
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    parser.add_argument("--log", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--answer-to", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contender:
        print(json.dumps(contend(arguments.contender, arguments.log, arguments.answer_to)))
        return
    with tempfile.TemporaryDirectory(prefix="edgetally-fold-") as name:
        directory = Path(name)
        path = directory / "log.ndjson"
        for count, odd in ((ODD_LINES, True), (arguments.lines, False)):
            with path.open("wb") as log:
                log.writelines(lines(count, odd=odd))
            assert path.stat().st_size == LINE * count
            answer = check(path, directory)
            rows = sum(map(len, answer.values()))
            numbers = sum(len(shown) for table in answer.values() for shown in table.values())
            kind = "odd lines" if odd else "lines"
            print(f"fold: {count:,} {kind} of {LINE} bytes; all found the same {numbers:,} numbers in {rows:,} rows")
        best = dict.fromkeys(CONTENDERS, Cost(math.inf, math.inf, math.inf))
        for _ in range(arguments.runs):
            # In turns, so that a slow moment of the machine hits everyone.
            best = {name: min(cost, measure(name, path)) for name, cost in best.items()}
    print(f"\n{'':<18}{'CPU s':>8}{'wall s':>8}{'lines per CPU s':>18}{'CPU, relative':>15}{'memory MB':>12}")
    for name, cost in best.items():
        speed, relative = arguments.lines / cost.cpu_s, cost.cpu_s / best["edgetally"].cpu_s
        memory = f"{cost.memory_mb:.0f}"
        print(f"{name:<18}{cost.cpu_s:>8.2f}{cost.wall_s:>8.2f}{speed:>18,.0f}{relative:>14.1f}x{memory:>12}")


if __name__ == "__main__":
    main()
