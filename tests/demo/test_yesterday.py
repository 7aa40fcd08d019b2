"""The past of the demo: a day and a half that was made up, as if its services had been there."""

from contextlib import closing
from pathlib import Path

import msgspec

from edgetally.config.validation import check
from edgetally.demo.traffic import INCIDENT, SITES
from edgetally.demo.yesterday import HOURS, OUTAGE, Yesterday, hours, last_outage
from edgetally.history.question import HistoryQuestion
from edgetally.history.reading import HistoryReaders
from edgetally.history.tiers import DAY, HOUR, MINUTE, TIERS
from tests.support.history import MIDNIGHT, Idle

NOW = MIDNIGHT + DAY + 20 * HOUR + 17 * MINUTE + 30


def test_hours_are_the_last_ones_and_the_newest_comes_first() -> None:
    made = list(hours(NOW))

    assert made[0] == MIDNIGHT + DAY + 20 * HOUR
    assert made == sorted(made, reverse=True)
    assert len(made) == HOURS


def test_the_last_outage_is_over_and_its_minutes_are_there() -> None:
    for hour in range(24):
        now = NOW + hour * HOUR
        assert OUTAGE[0] < last_outage(now) % DAY < OUTAGE[1]
        assert min(hours(now)) < last_outage(now) < now


def test_the_evening_has_an_outage_and_minutes_that_are_not_over_are_left_out(tmp_path: Path) -> None:
    config = check({"journal": {"kind": "memory", "data_dir": str(tmp_path)}})
    yesterday = Yesterday()
    for hour in list(hours(NOW))[:3]:
        minutes = 17 if hour + HOUR > NOW else 60
        assert yesterday.add(config, hour, NOW) == minutes * len(SITES)
        assert yesterday.add(config, hour, NOW) == 0, "a second time, they are there"

    with closing(HistoryReaders(tmp_path / "history.sqlite", Idle())) as readers:
        assert readers.services() == sorted(site.service_id for site in SITES)
        question = HistoryQuestion(
            services=("shop",),
            dataset="origins",
            tier=TIERS["minute"],
            start=MIDNIGHT,
            end=NOW,
            metrics=("all_status_5xx",),
            names=frozenset([INCIDENT.origin]),
        )
        (series,) = msgspec.json.decode(readers.answer(question).data)
    failed = {one["timestamp"] - MIDNIGHT - DAY for one in series["values"] if one.get("all_status_5xx")}
    assert {second for second in failed if not OUTAGE[0] <= second < OUTAGE[1]} == set()
    assert len(failed) > 5
