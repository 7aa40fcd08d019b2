"""What history takes, and how long questions about it take. See README.md."""

import json
import os
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import duckdb
from server import beside_compaction, starts
from traffic import EDGE, NAMES, PER_MINUTE, PER_ROW, POPS, SERVICE, Minute, Noise, minute, seal

from benchmarks.harness import row
from edgetally import _core
from edgetally.history.base import RecordedBatch, ServiceMinute
from edgetally.history.question import HistoryQuestion
from edgetally.history.reading import HistoryReaders
from edgetally.history.retention import KeepLimits
from edgetally.history.store import HistoryFile
from edgetally.history.tiers import DAY, HOUR, HOURS, MINUTE, MINUTES, Tier
from edgetally.window.ranking import Question

FIRST_DAY = 1_795_305_600 - 29 * DAY
LAST_DAY = FIRST_DAY + 29 * DAY
FOCUS = 100
"""The rank of the domain that is asked about."""

METRICS = {
    "edge_requests": 0,
    "edge_resp_header_bytes": 1,
    "edge_resp_body_bytes": 2,
    "edge_hit_requests": 3,
    "edge_miss_requests": 4,
    "http2": 5,
    "tls_v13": 6,
    "status_200": 7,
    "status_404": 9,
    "origin_fetches": 40,
}
"""What is asked for: measurements that are one counter each, by the counter."""

LARGEST = 26
"""Most bytes of a row."""

MORE_MS = 20
"""Most milliseconds that a start takes longer for history."""

ROUNDS = 7


class Nothing:
    """Everything is in the file."""

    def batches(self, _services: object) -> list[RecordedBatch]:
        """Return nothing."""
        return []


def closed(sealed: Iterable[_core.Sealed]) -> Iterator[tuple[ServiceMinute, float]]:
    """Roll seconds up, each a minute; yield the minute, and how long its last second and its close took."""
    for one in sealed:
        start = one.second // MINUTE * MINUTE
        began = time.perf_counter()
        rollup = _core.Rollup(start)
        rollup.add(one)
        rows = rollup.close()
        yield ServiceMinute(SERVICE, start, rows), time.perf_counter() - began


def compact(file: HistoryFile, now: int) -> float:
    """Compact what is over; return how long the longest step took."""
    longest, left = 0.0, True
    while left:
        began = time.perf_counter()
        left = file.maintain(now)
        longest = max(longest, time.perf_counter() - began)
    return longest


class Took(NamedTuple):
    """How many seconds it took to close and commit each minute of an hour, and to compact the hour."""

    closing: list[float]
    compacting: float
    closing_cpu: float
    """Of all minutes, in seconds of CPU time: the other work of a busy machine does not show in it."""
    compacting_cpu: float


def fill(file: HistoryFile, hour: list[Minute], busy: Minute) -> Took:
    """
    Fill the file with 30 days of minutes of one domain.

    Of the last day, one hour has minutes of all domains, and the others have one busy minute each.
    """
    noise = Noise()
    alone = [minute(noise, one.second, range(FOCUS, FOCUS + 1)) for one in hour]
    of_one = (
        one.at(start + place * MINUTE) for start in range(FIRST_DAY, LAST_DAY, HOUR) for place, one in enumerate(alone)
    )
    minutes = (one for one, _ in closed(seal(of_one)))
    while some := list(islice(minutes, DAY // MINUTE)):
        file.add(some)
        compact(file, some[-1].minute + HOUR)
    closing_took, sealed = [], list(seal(one.partial for one in hour))
    spent = [time.process_time()]
    for one, took in closed(sealed):
        began = time.perf_counter()
        file.add([one])
        closing_took.append(took + time.perf_counter() - began)
    spent.append(time.process_time())
    compacting_took = compact(file, LAST_DAY + HOUR)
    spent.append(time.process_time())
    for one, _ in closed(seal(busy.at(start) for start in range(LAST_DAY + HOUR, LAST_DAY + DAY, HOUR))):
        file.add([one])
        compact(file, one.minute + HOUR)
    return Took(closing_took, compacting_took, spent[1] - spent[0], spent[2] - spent[1])


def question(tier: Tier, start: int, *, names: Iterable[str] = (), group_by: Iterable[str] = ()) -> HistoryQuestion:
    """Ask for the ten metrics from `start` to the end of the last day."""
    return HistoryQuestion(
        services=(SERVICE,),
        dataset="domains",
        tier=tier,
        start=start,
        end=LAST_DAY + DAY,
        metrics=tuple(METRICS),
        names=frozenset(names),
        group_by=frozenset(group_by),
        limit=200,
    )


FOCUSED = [NAMES[FOCUS]]
A_DAY = question(MINUTES, LAST_DAY, names=FOCUSED)
THIRTY_DAYS = question(MINUTES, FIRST_DAY, names=FOCUSED)
A_PAGE = question(HOURS, LAST_DAY, group_by=["name"])
BY_POP = question(HOURS, FIRST_DAY, group_by=["datacenter"])


def check(reader: HistoryReaders, hour: list[Minute]) -> list[tuple[int, ...]]:
    """Check the answers; return those of the domain by minute."""
    first, *_ = json.loads(reader.answer(question(HOURS, LAST_DAY)).data)[0]["values"]
    assert first["edge_requests"] == sum(counters[EDGE] for one in hour for *_, counters in one.rows)
    (thirty,) = json.loads(reader.answer(THIRTY_DAYS).data)
    assert len(thirty["values"]) == 30 * 24 * 60 - 23 * 59
    page = json.loads(reader.answer(A_PAGE).data)
    assert [found["dimensions"]["name"] for found in page] == NAMES[:200]
    assert all(len(found["values"]) == 24 for found in page)
    by_pop = json.loads(reader.answer(BY_POP).data)
    everything = json.loads(reader.answer(question(HOURS, FIRST_DAY)).data)
    for metric in METRICS:
        sums = [
            sum(value.get(metric, 0) for found in series for value in found["values"])
            for series in (by_pop, everything)
        ]
        assert sums[0] == sums[1] > 0
    (one,) = json.loads(reader.answer(A_DAY).data)
    return [tuple(value.get(metric, 0) for metric in METRICS) for value in one["values"]]


def forget(path: Path) -> None:
    """Take a file out of the page cache."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def timed(answer: Callable[[], object]) -> float:
    """Return how many milliseconds an answer takes."""
    began = time.perf_counter()
    answer()
    return 1000 * (time.perf_counter() - began)


class Measured(NamedTuple):
    """Medians in milliseconds, and the CPU time of a warm answer."""

    warm: float
    cold: float
    cpu: float


def measure(path: Path, answer: Callable[[HistoryReaders], object]) -> Measured:
    """Measure warm answers, and cold ones."""
    cold = []
    for _ in range(3):
        forget(path)
        with closing(HistoryReaders(path, Nothing())) as reader:
            cold.append(timed(partial(answer, reader)))
    with closing(HistoryReaders(path, Nothing())) as reader:
        answer(reader)
        spent = time.process_time()
        warm = [timed(partial(answer, reader)) for _ in range(ROUNDS)]
        cpu = 1000 * (time.process_time() - spent) / ROUNDS
    return Measured(statistics.median(warm), statistics.median(cold), cpu)


def asking(question: HistoryQuestion) -> Callable[[HistoryReaders], object]:
    """Return what answers a question."""
    return lambda reader: reader.answer(question)


def ranking(reader: HistoryReaders) -> bytes:
    """Rank the last minute of the hour that has all domains, for the page."""
    asked = Question(SERVICE, "domains", "trouble", 40, None, "", None, LAST_DAY + 59 * MINUTE, MINUTE)
    ranked = reader.ranking(asked, 2)
    assert len(json.loads(ranked)["rows"]) == 40
    return ranked


def as_csv(one: Minute) -> str:
    """Return the rows of a minute as CSV."""
    rows = ((name, pop, one.second, *counters.values()) for name, pop, counters in one.rows)
    return "".join(",".join(map(str, row)) + "\n" for row in rows)


def parquet(folder: Path, columns: Iterable[int], texts: Iterable[str]) -> list[Path]:
    """Write the hour as Parquet, sorted by name, and 23 copies of it; `texts` are its minutes as CSV."""
    with (folder / "hour.csv").open("w") as file:
        file.write(",".join(["name", "pop", "second", *(f"c{column}" for column in columns)]) + "\n")
        file.writelines(texts)
    files = [folder / f"{number:02}.parquet" for number in range(24)]
    with duckdb.connect() as database:
        database.execute(
            f"COPY (SELECT * FROM read_csv('{folder}/hour.csv') ORDER BY name, pop, second) "  # noqa: S608 - our own path
            f"TO '{files[0]}' (FORMAT parquet, COMPRESSION zstd)"
        )
    for copy in files[1:]:
        shutil.copy(files[0], copy)
    return files


def beside(files: list[Path]) -> tuple[list[tuple[int, ...]], float]:
    """Ask DuckDB for the day of one domain; return its rows, and the median of the milliseconds that it takes."""
    sums = ", ".join(f"sum(c{counter})::BIGINT" for counter in METRICS.values())
    query = (
        f"SELECT filename, second, {sums} FROM read_parquet({[str(file) for file in files]}, filename = true) "  # noqa: S608
        f"WHERE name = '{NAMES[FOCUS]}' GROUP BY ALL ORDER BY ALL"
    )
    with duckdb.connect() as database:
        rows = database.execute(query).fetchall()
        return rows, statistics.median(timed(lambda: database.execute(query).fetchall()) for _ in range(ROUNDS))


def report(path: Path, files: list[Path], took: Took, duckdb_ms: float) -> None:
    """Measure, and print the rows of the table."""
    with closing(sqlite3.connect(path)) as database:
        size = "SELECT sum(length(rows)) FROM chunks WHERE tier = ? AND period = ? AND name != ''"
        ((taken,),) = database.execute(size, (MINUTE, LAST_DAY))
    rows, as_parquet = 60 * len(NAMES) * len(POPS), files[0].stat().st_size
    print(f"history: an hour of {rows:,} rows takes {taken:,} bytes, as Parquet {as_parquet:,}")
    per_row = taken / rows
    compared = f"{as_parquet / rows:.1f} as Parquet"
    row("history: bytes of a row of minutes", f"<= {LARGEST}", f"{per_row:.1f}", compared, met=per_row <= LARGEST)
    closing_ms, compacting = 1000 * statistics.median(took.closing), took.compacting
    cpu = f"CPU time: {1000 * took.closing_cpu / len(took.closing):.0f} ms"
    row("history: close and commit a minute", "<= 50 ms", f"{closing_ms:.0f} ms", cpu, met=closing_ms <= 50)
    cpu = f"CPU time: {took.compacting_cpu:.2f} s"
    row("history: compact an hour", "<= 1 s", f"{compacting:.2f} s", cpu, met=compacting <= 1)
    for name, answer, most_warm, most_cold, compared in (
        ("a day of minutes of a domain", asking(A_DAY), 20, 100, f"DuckDB on Parquet: {duckdb_ms:.0f} ms"),
        ("30 days of minutes of a domain", asking(THIRTY_DAYS), 150, 500, ""),
        ("a day of hours of 200 domains", asking(A_PAGE), 150, 500, ""),
        ("30 days of hours by POP", asking(BY_POP), 50, 500, ""),
        ("a ranking of minutes", ranking, 250, 500, ""),
    ):
        warm, cold, cpu_ms = measure(path, answer)
        beside_it = compared or f"CPU time: {cpu_ms:.0f} ms"
        row(
            f"history: {name}, warm / cold",
            f"<= {most_warm} / {most_cold} ms",
            f"{warm:.0f} / {cold:.0f} ms",
            beside_it,
            met=warm <= most_warm and cold <= most_cold,
        )


def report_server(directory: Path, hour: list[Minute]) -> None:
    """Measure a server that has this history, or is compacting such hours."""
    without, beside = beside_compaction(hour)
    for name, usual, now in zip(without._fields, without, beside, strict=True):
        row(
            f"history: p99 of {name} while hours are compacted",
            "as without",
            f"{now:.1f} ms",
            f"without: {usual:.1f} ms",
            met=now <= 1.5 * usual + 2,
        )
    empty, full = starts(directory)
    compared = f"without a history: {empty:.0f} ms"
    row(
        "history: more until the first answer",
        f"<= {MORE_MS} ms",
        f"{full - empty:.0f} ms",
        compared,
        met=full - empty <= MORE_MS,
    )


def made(place: int, requests: int) -> tuple[Minute, str]:
    """Make a minute of the last hour that has all domains, in Python and as CSV."""
    noise = Noise(after=place * len(NAMES) * len(POPS) * PER_ROW)
    one = minute(noise, LAST_DAY + place * MINUTE, range(len(NAMES)), requests)
    return one, as_csv(one)


def main() -> None:
    """Fill a file, check its answers, and measure."""
    with ProcessPoolExecutor() as pool:
        requests = [PER_MINUTE] * 60 + [60 * PER_MINUTE]
        (*hour, busy), texts = zip(*pool.map(made, range(61), requests), strict=True)
    with tempfile.TemporaryDirectory(prefix="edgetally-bench-") as temporary:
        folder = Path(temporary)
        limits = KeepLimits({"minute": 10_000, "hour": 10_000, "day": 10_000}, 1 << 40)
        with closing(HistoryFile(folder, limits, names=20_000)) as file:
            took = fill(file, hour, busy)
            path = file.path
        files = parquet(folder, hour[0].rows[0][2], texts[:60])
        theirs, duckdb_ms = beside(files)
        with closing(HistoryReaders(path, Nothing())) as reader:
            ours = check(reader, hour)
        assert ours[:60] == [found[2:] for found in theirs[:60]]
        report(path, files, took, duckdb_ms)
        report_server(folder, hour)


if __name__ == "__main__":
    main()
