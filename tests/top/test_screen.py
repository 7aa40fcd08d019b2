"""One picture of the terminal: golden frames, and what must hold for any size."""

import asyncio
import os
import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetally.api.ranking_answer import Focus, FocusPop, KnownSeconds, RankingAnswer
from edgetally.top.look import Reach, TopLook
from edgetally.top.screen import View, screen, spark
from edgetally.top.text import short, time_of_day
from tests.support.clock import START
from tests.support.served import record, served

FRAMES = Path(__file__).parent / "frames"
LOOK = TopLook("svc")
NOW = Reach(now=START + 82)
POPS = ("AMS", "FRA", "LHR")


async def asked(look: TopLook) -> RankingAnswer:
    """Return what a server answers: some domains, one of which fails in a POP, and one that fell silent."""
    async with served() as running:
        for second in (*range(0, 20, 5), *range(70, 80)):
            await running.to(second)
            records = [
                record(second, domain=f"{name}.example", pop=POPS[n % 3], status=status, origin=f"{name}-app")
                for name, status, count in (("www", 200, 9), ("img", 304, 6), ("checkout", 503, 4), ("api", 404, 2))
                for n in range(count)
                if name != "checkout" or second < 70 or n % 3 == 0
            ]
            if second < 70:
                records.append(record(second, domain="silent.example", status=200))
            await running.push(*records)
        await running.to(81)
        answer = await running.client.get(look.path)
        assert answer.status_code == 200, answer.text
        return msgspec.json.decode(answer.content, type=RankingAnswer)


def drawn(look: TopLook, ranking: RankingAnswer | None, view: View, width: int, height: int, **how: bool) -> str:
    lines = screen(look, ranking, NOW, view, width, height, **how)
    return "".join("".join(text for text, _ in line).rstrip() + "\n" for line in lines)


@pytest.mark.parametrize(
    ("name", "width", "height", "look", "view"),
    [
        ("domains-80x24", 80, 24, LOOK, View()),
        ("domains-160x48", 160, 48, LOOK, View()),
        ("domains-40x10", 40, 10, LOOK, View()),
        ("origins-80x24", 80, 24, LOOK._replace(of="origins"), View()),
        ("focus-80x24", 80, 24, LOOK._replace(focus="checkout.example"), View(chosen="checkout.example")),
        ("focus-origin-110x24", 110, 24, LOOK._replace(of="origins", focus="www-app"), View(chosen="www-app")),
        ("frozen-80x24", 80, 24, LOOK._replace(at=START + 75), View(moved=1)),
        ("filter-80x12", 80, 12, LOOK._replace(match="www", pop="AMS"), View(typing="ww")),
        ("help-80x12", 80, 12, LOOK, View(shows_help=True)),
    ],
)
async def test_golden_frames(name: str, width: int, height: int, look: TopLook, view: View) -> None:
    frame = drawn(look, await asked(look), view, width, height)
    golden = FRAMES / f"{name}.txt"
    if "EDGETALLY_REWRITE" in os.environ:
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(frame)
    assert frame == golden.read_text()


async def test_a_terminal_without_utf_8_gets_ascii() -> None:
    frame = drawn(LOOK, await asked(LOOK), View(), 120, 30, ascii_only=True)
    assert frame.isascii()
    assert "checkout.example" in frame


@pytest.fixture(scope="module")
def ranking() -> RankingAnswer:
    return asyncio.run(asked(LOOK))


@given(st.integers(1, 220), st.integers(1, 60), st.sampled_from(["", "www.example", "silent.example"]))
def test_a_picture_fits(ranking: RankingAnswer, width: int, height: int, chosen: str) -> None:
    lines = screen(LOOK, ranking, NOW, View(chosen=chosen), width, height)
    assert len(lines) <= height
    assert all(sum(len(text) for text, _ in line) <= width for line in lines)


@given(st.integers(14, 60))
def test_every_name_is_shown_or_counted(ranking: RankingAnswer, height: int) -> None:
    frame = drawn(LOOK, ranking, View(), 100, height)
    shown = sum(row.name in frame for row in ranking.rows)
    left = [int(line.split()[0]) for line in frame.splitlines() if line.endswith(" more")]
    assert shown + sum(left) == len(ranking.rows) + ranking.rest.names


@given(st.integers(60, 220))
def test_a_name_is_told_from_others(ranking: RankingAnswer, width: int) -> None:
    """The last two minutes give way to it."""
    frame = drawn(LOOK, ranking, View(), width, 30)
    assert all(row.name[:13] in frame for row in ranking.rows)


@given(st.integers(7, 14))
def test_the_chosen_row_is_always_shown(ranking: RankingAnswer, height: int) -> None:
    for row in ranking.rows:
        assert f">{row.name}" in drawn(LOOK, ranking, View(chosen=row.name), 100, height)


def test_states_are_said_without_colour(ranking: RankingAnswer) -> None:
    lost = Reach(now=START + 90, lost_at=START + 78, retry_at=START + 94)
    head = screen(LOOK, ranking, lost, View(), 100, 24)[0]
    assert head[-1] == ("no connection for 12 s, again in 4 s", "reverse")
    stale = screen(LOOK, ranking, Reach(now=START + 90), View(), 100, 24)[0]
    assert stale[-1] == ("stands still for 9 s", "reverse")
    assert screen(LOOK, None, NOW, View(), 100, 24)[0][-1] == ("connecting", "reverse")


@given(st.integers(110, 200))
def test_a_pop_that_fails_has_a_column(ranking: RankingAnswer, width: int) -> None:
    pops = [f"P{n:02}" for n in range(40)]
    many = msgspec.structs.replace(
        ranking,
        pops=[msgspec.structs.replace(ranking.pops[0], name=name) for name in pops]
        + [msgspec.structs.replace(ranking.pops[0], name="FAIL", now=[2] * len(ranking.columns))],
        rows=[msgspec.structs.replace(row, pops=[[1, 0]] * 40 + [[2, 2]]) for row in ranking.rows],
    )
    calm = [0] * len(ranking.columns)
    for pop in many.pops[:-1]:
        pop.now, pop.before = [50, *calm[1:]], calm
    heads, first = drawn(LOOK, many, View(), width, 40).splitlines()[5:7]
    assert " FAIL" in heads
    assert " 100" in first[heads.index(" FAIL") - 1 :]
    # They rest: what was chosen before stays.
    assert " FAIL" not in drawn(LOOK, many, View(pops=[*pops, "FAIL"]), width, 40)


def test_a_series_is_drawn_by_its_largest() -> None:
    assert spark([None, 0, 1, 4, 8], 5) == "  ▁▄█"
    assert spark([1, 8, 0, 0], 2) == "█ "
    assert spark([], 3) == "   "


@given(st.integers(60, 220))
def test_since_when_it_fails_is_shown_whole(ranking: RankingAnswer, width: int) -> None:
    failed = {"requests": [9] * 300, "5xx": [3] * 300}
    known = msgspec.structs.replace(ranking, all=msgspec.structs.replace(ranking.all, series=failed))
    assert f" 5xx since before {time_of_day(ranking.second - 299)} " in drawn(LOOK, known, View(), width, 30)


@pytest.mark.parametrize(("known", "seconds"), [(10, 10), (215, 215), (0, 1)])
def test_rates_are_of_the_seconds_that_are_known(ranking: RankingAnswer, known: int, seconds: int) -> None:
    shown = msgspec.structs.replace(
        ranking,
        known=KnownSeconds(now=known, before=0),
        focus=Focus(
            name="www.example",
            now={"requests": 900},
            before={},
            series={"requests": [], "5xx": []},
            pops=[FocusPop("AMS", {"requests": 900}, {}, {})],
        ),
        rows=[msgspec.structs.replace(ranking.rows[0], name="www.example", now=[900, *ranking.rows[0].now[1:]])],
    )
    rate = short(900 / seconds)
    frame = drawn(LOOK, shown, View(), 100, 30)
    assert re.search(rf"www.example +{re.escape(rate)} ", frame)
    assert f"AMS {rate}/s" in frame
