"""Rankings, slow and obvious: made from the entries of the API, to compare the core with."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

Json = dict[str, Any]

CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
BUCKETS = (
    *("0_to_1ms", "1_to_5ms", "5_to_10ms", "10_to_50ms", "50_to_100ms", "100_to_250ms", "250_to_500ms"),
    *("500_to_1000ms", "1000_to_5000ms", "5000_to_10000ms", "10000_to_60000ms", "60000ms"),
)


def domain_columns(sums: Mapping[str, int]) -> dict[str, int]:
    """Return the columns of measurements."""

    def total(*names: str) -> int:
        return sum(sums.get(name, 0) for name in names)

    def both(message: str) -> tuple[str, str]:
        return f"{message}_header_bytes", f"{message}_body_bytes"

    fetches = total("origin_fetches", "compute_bereqs")
    answered = total(*(f"{kind}origin_status_{one}" for kind in ("", "compute_") for one in CLASSES))
    return {
        "requests": total("requests", "compute_request"),
        **{one: total(f"status_{one}", f"compute_resp_status_{one}") for one in CLASSES},
        "hits": total("edge_hit_requests"),
        "misses": total("edge_miss_requests"),
        "bandwidth": total("bandwidth", *both("compute_resp"), *both("compute_bereq")),
        "sent": total(*both("edge_resp"), *both("compute_resp")),
        "fetched": total(*both("origin_fetch_resp"), *both("compute_beresp")),
        "fetches": fetches,
        "unanswered": fetches - answered,
        "origin_5xx": total("origin_status_5xx", "compute_origin_status_5xx"),
    }


def origin_columns(sums: Mapping[str, int]) -> dict[str, int]:
    """Return the columns of measurements."""
    return {
        "responses": sums.get("all_responses", 0),
        **{one: sums.get(f"all_status_{one}", 0) for one in CLASSES},
        "bytes": sums.get("all_resp_header_bytes", 0) + sums.get("all_resp_body_bytes", 0),
        **{f"latency_{one}": sums.get(f"all_latency_{one}", 0) for one in BUCKETS},
    }


class Question(NamedTuple):
    """What a ranking is asked for, as in `edgetally._core.ranking`."""

    of: str
    second: int
    since: int
    by: str = "trouble"
    rows: int = 40
    pop: str | None = None
    matching: str = ""
    focus: str | None = None


class RankingOracle:
    """Answers one question from the entries of a service."""

    def __init__(self, entries: Sequence[Json], question: Question) -> None:
        self.question = question
        self.columns: Callable[[Mapping[str, int]], dict[str, int]] = (
            domain_columns if question.of == "domains" else origin_columns
        )
        self.counted = [
            (entry["recorded"], pop, name, fields)
            for entry in entries
            for pop, names in entry["datacenter"].items()
            if question.pop in (None, pop)
            for name, fields in names.items()
        ]

    def sums(
        self, first: int, last: int, name: str | None = None, pop: str | None = None, but: Iterable[str] = ()
    ) -> Counter[str]:
        """Add up the measurements of some seconds, of one name or all, in one POP or all."""
        found: Counter[str] = Counter()
        for second, of_pop, of_name, fields in self.counted:
            if first <= second <= last and name in (None, of_name) and pop in (None, of_pop) and of_name not in but:
                found.update({field: value for field, value in fields.items() if isinstance(value, int)})
        return found

    def both(self, name: str | None = None, pop: str | None = None, but: Iterable[str] = ()) -> dict[str, Counter[str]]:
        last = self.question.second
        return {
            "now": self.sums(last - 9, last, name, pop, but),
            "before": self.sums(last - 69, last - 60, name, pop, but),
        }

    def totals(self, name: str | None = None, pop: str | None = None, but: Iterable[str] = ()) -> Json:
        return {window: [*self.columns(sums).values()] for window, sums in self.both(name, pop, but).items()}

    def series(self, length: int, name: str | None = None, pop: str | None = None, *, whole: bool = True) -> Json:
        shown = [*self.columns({})][:6] if whole else [next(iter(self.columns({}))), "5xx"]
        last = self.question.second
        seconds = range(last - length + 1, last + 1)
        each = [self.columns(self.sums(one, one, name, pop)) for one in seconds]
        known = [one >= self.question.since for one in seconds]
        return {
            column: [values[column] if is_known else None for is_known, values in zip(known, each, strict=True)]
            for column in shown
        }

    def row(self, name: str, pops: Sequence[str]) -> Json:
        totals = self.totals(name)
        now = [self.both(name, pop)["now"] for pop in pops]
        cells = [[next(iter(self.columns(sums).values())), self.columns(sums)["5xx"]] for sums in now]
        is_silent = totals["now"][0] == 0 and totals["before"][0] > 0
        return {
            "name": name,
            "silent": is_silent,
            **totals,
            "series": self.series(120, name, whole=False),
            "pops": cells,
        }

    def order(self, name: str) -> tuple[int, int, str]:
        now, before = (self.columns(sums) for sums in self.both(name).values())
        requests = next(iter(now.values()))
        score = now["5xx"] + now.get("unanswered", 0) if self.question.by == "trouble" else now[self.question.by]
        if self.question.by == "trouble" and requests == 0:
            score += next(iter(before.values()))
        return -score, -requests, name

    def ranking(self) -> Json:
        """Return the parts that come of the entries, without those of the focus."""
        question = self.question
        last = question.second
        windows = [(last - 9, last), (last - 69, last - 60)]
        seen = [one for one in self.counted if any(first <= one[0] <= end for first, end in windows)]
        names = {name for _, _, name, _ in seen}
        pops = sorted({pop for _, pop, _, _ in seen})
        matching = [name for name in names if question.matching.lower() in name.lower()]
        shown = sorted(matching, key=self.order)[: question.rows]
        if question.focus is not None and question.focus not in shown:
            shown.append(question.focus)
        return {
            "of": question.of,
            "by": question.by,
            "second": last,
            "since": question.since,
            "known": {
                name: sum(one >= question.since for one in range(first, end + 1))
                for name, (first, end) in zip(("now", "before"), windows, strict=True)
            },
            "columns": [*self.columns({})],
            "all": {**self.totals(), "series": self.series(300)},
            "rows": [self.row(name, pops) for name in shown],
            "rest": {"names": len(names.difference(shown)), **self.totals(but=shown)},
            "pops": [{"name": pop, **self.totals(pop=pop)} for pop in pops],
            "other": self.totals("_other")["now"][0],
            "invalid": self.totals("_invalid")["now"][0],
        }

    def focus(self) -> Json:
        """Return the focus without ratios and without addresses."""
        name = self.question.focus
        pops = sorted({pop for _, pop, of, _ in self.counted if of == name})
        of_pops = [(pop, self.both(name, pop)) for pop in pops]
        return {
            "name": name,
            **self.both(name),
            "series": self.series(300, name),
            "pops": [
                {"name": pop, **both, "series": self.series(120, name, pop, whole=False)}
                for pop, both in of_pops
                if any(both.values())
            ],
        }
