"""The instructions of every stage of a log, compared with the recorded ones."""

import os

from benchmarks.instructions.run import Counts, count, inclusive, record, recorded, regressions
from tests.support.programs import skip_or_fail

pytestmark = skip_or_fail("valgrind")

REWRITE = os.environ.get("EDGETALLY_REWRITE") == "1"
AGAIN = "if that is right: EDGETALLY_REWRITE=1 .venv/bin/pytest tests/test_instructions.py"


def test_no_stage_takes_more_instructions_than_recorded() -> None:
    counts = count()
    if REWRITE:
        record(counts)
    before = recorded()
    assert counts.instructions.keys() == before.instructions.keys(), AGAIN
    found = regressions(counts, before)
    assert not found, "\n".join([*found, AGAIN])


BY = {"rustc": "1.95.0", "processor": "x86_64 with AVX2"}


def test_three_percent_more_instructions_are_a_regression() -> None:
    before = Counts(BY, {"fold": 1_000, "merge": 1_000, "seal": 1_000})
    assert regressions(before, before) == []
    found = regressions(Counts(BY, {"fold": 1_030, "merge": 1_031, "seal": 500}), before)
    assert found == ["merge takes 3.1% more instructions than recorded: 1,031 instead of 1,000."]


def test_another_compiler_is_compared_loosely_and_named() -> None:
    before = Counts(BY, {"fold": 1_000})
    other = {**BY, "rustc": "1.96.0"}
    assert regressions(Counts(other, {"fold": 1_150}), before) == []
    (found,) = regressions(Counts(other, {"fold": 1_151}), before)
    assert found.endswith(" It was counted by rustc 1.96.0 instead of 1.95.0, so 15% more would pass.")


def test_what_a_function_calls_counts_as_its_own() -> None:
    written = "events: Ir\n\nfn=a\n0 5\ncfn=b\ncalls=2 0\n0 70\n\nfn=b\n0 70\n\nfn=a\n0 1\n\ntotals: 76\n"
    assert inclusive(written) == {"a": 76, "b": 70}
