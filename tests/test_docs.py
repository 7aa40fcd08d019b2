"""The pages are right: what they show is recomputed, parsed or looked up."""

import json
import os
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from jsonschema import Draft202012Validator

from edgetally._core import Fold, Sealed, Window
from edgetally.cli import commands, flags
from edgetally.config.validation import check
from edgetally.journal.sqlite_file import VERSION as JOURNAL_VERSION
from edgetally.model import DATASETS, measurements, reasons
from edgetally.service.service import openapi
from edgetally.snippets import format_of, snippet, snippets
from edgetally.telemetry.events import EVENTS
from edgetally.telemetry.metrics import METRICS
from tests.support.pages import GENERATORS, LIMITS, PREFIXES, ROOT, anchors, blocks, code, links, pages, rows

RECORD = ROOT / "docs" / "record.md"
API = ROOT / "docs" / "api.md"
ARCHITECTURE = ROOT / "ARCHITECTURE.md"
COUNTERS = ROOT / "docs" / "counters.md"
README = ROOT / "README.md"
EDGES = ROOT / "docs" / "edges" / "README.md"
SETTINGS = ROOT / "docs" / "settings.md"

NOW = 1_795_322_466
"""The second in which the records of every example arrive."""

MAX_WORDS = 32_180
"""Of README, ARCHITECTURE and docs/ together, generated pages included: what a reader may be asked to read."""

REWRITE = os.environ.get("EDGETALLY_REWRITE") == "1"


def fold(
    lines: str, *, pop: str = "local", format: str = "canonical", services: list[str] | None = None
) -> tuple[list[Sealed], list[str]]:
    """Fold `lines` as a push that arrives at NOW; return what is sealed, and the reasons of rejected lines."""
    folding = Fold(service_id="default", pop=pop, services=services, format=format, max_lateness=120, max_ahead=5)
    folding.feed(lines.encode(), NOW)
    folding.finish(NOW)
    window = Window(domains=10, origins=10, addresses=10, pops=10, services=10)
    if partial := folding.drain():
        window.merge(partial)
    report = folding.report()
    shown = [one.reason for one in report.rejections]
    # Lines of other logs are counted and not shown.
    others = dict(report.rejected).get("other_log", 0)
    return window.seal(NOW + 60), shown + ["other_log"] * others


def entry(lines: str, dataset: str, *, pop: str = "local") -> Any:  # noqa: ANN401 - JSON
    """Fold `lines`, all accepted and of one second; return their entry."""
    (sealed,), rejected = fold(lines, pop=pop)
    assert rejected == []
    return json.loads(sealed.entry(dataset))


# --- generated pages --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GENERATORS)
def test_a_generated_page_is_what_the_code_says(name: str) -> None:
    page, generated = ROOT / "docs" / name, GENERATORS[name]()
    found = page.read_text("utf-8") if page.exists() else ""

    if found != generated:
        page.write_text(generated, "utf-8")

    assert REWRITE or found == generated, f"docs/{name} was out of date and has been rewritten: commit it"


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_page_of_counters_names_every_field_of_the_api(dataset: str) -> None:
    text = COUNTERS.read_text("utf-8").partition(f"\n## {dataset}\n")[2].partition("\n## ")[0]
    named = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    for stem, members in re.findall(r"^\| `(\w+)…` \| ([\w ]+) \|", text, re.MULTILINE):
        named += [f"{stem}{member}" for member in members.split()]
    also = text.partition("\nAlso: ")[2].partition("\n\n")[0]
    named += re.findall(r"(?<!\()`(\w+)`", also)
    if dataset == "origins":
        named += [f"{prefix}{name}" for prefix in PREFIXES for name in named]

    assert sorted(named) == sorted(field.name for field in measurements(dataset))


def is_yes(cell: str) -> bool:
    return not cell.startswith("no")


@pytest.mark.parametrize("row", rows(EDGES, "edge"), ids=lambda row: row[0])
def test_the_table_of_edges_agrees_with_their_snippets(row: list[str]) -> None:
    """Only for edges that write canonical records: other formats have no fields in their snippets."""
    name = row[0].partition("]")[0].strip("[")
    code, _ = LIMITS.split(snippet(name).text)
    fields = ("cache", "resp_body_bytes", "bereq_", "beresp_", "(origin_)?ttfb_m?s")

    if format_of(name) == "canonical":
        _, _, *cells = row
        assert [is_yes(cell) for cell in cells] == [bool(re.search(rf'"?{field}', code)) for field in fields]


def test_every_edge_is_in_the_table() -> None:
    assert [row[0] for row in rows(EDGES, "edge")] == [f"[{one.name}]({one.name}.md)" for one in snippets()]


@pytest.mark.parametrize("name", [one.name for one in snippets()])
def test_every_edge_has_a_page_that_links_its_snippet(name: str) -> None:
    page = EDGES.with_name(f"{name}.md")

    headings = re.findall("^## (.*)$", page.read_text("utf-8"), re.MULTILINE)
    (linked,) = {page.parent / link for link in links(page) if "/python/" in link}

    assert headings == ["Setup", "Transports", "Format", "What cannot be known"]
    assert linked.read_text("utf-8") == snippet(name).text


def test_the_settings_shown_can_be_set() -> None:
    shown = [block.text for block in blocks(SETTINGS) if block.info == "toml"]

    assert check(tomllib.loads("\n".join(shown))).sources.follow


# --- every page ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(link)

    assert broken == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_of_the_tree_that_is_named_exists(page: Path) -> None:
    top = "|".join(path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith("."))
    named = {found[1] for line in code(page) if (found := re.fullmatch(rf"((?:{top})/[\w./-]*)", line))}

    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    targets = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    named = {found[1] for line in code(page) if (found := re.match(r"make ([a-z-]+)", line))}

    assert named <= set(targets)


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_is_shown_is_understood(page: Path) -> None:
    shown = [line for block in blocks(page) if block.info == "sh" for line in block.text.splitlines()]

    for command in (part.strip() for line in shown for part in line.split("|")):
        if command.startswith("edgetally "):
            arguments = commands.parser().parse_args(shlex.split(re.split("[<>&]", command)[0])[1:])
            arguments.config = None  # no such file here
            flags.given(arguments).config()


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_metric_and_every_event_that_is_named_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    metrics = set(re.findall(r"`((?:edgetally|process)_[a-z_]+)`", text))
    events = set(re.findall(r"event `(\w+)`", text))

    assert metrics <= {metric.name for metric in METRICS}
    assert events <= {event.name() for event in EVENTS}


@pytest.mark.parametrize("page", [README, API, ROOT / "docs" / "operating.md"], ids=lambda page: page.name)
def test_every_address_that_is_shown_answers(page: Path) -> None:
    paths = json.loads(openapi())["paths"]
    templates = [re.sub(r"\\?\{\w+\\?\}", "[^/]+", re.escape(path)) for path in paths]
    asked = {
        urlsplit(url).path for line in code(page) for url in re.findall(r"http://127\.0\.0\.1:8480/[^\s'\"`]*", line)
    }

    assert asked
    assert [path for path in asked if not any(re.fullmatch(template, path) for template in templates)] == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_prose_fits_into_120_columns(page: Path) -> None:
    """Tables and code have lines as long as they need."""
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)

    assert [line for line in text.splitlines() if len(line) > 120 and not line.strip().startswith(("|", "<"))] == []


def test_the_manual_stays_short() -> None:
    manual = [README, ARCHITECTURE, *(ROOT / "docs").rglob("*.md")]
    words = {str(page.relative_to(ROOT)): len(page.read_text("utf-8").split()) for page in manual}

    assert sum(words.values()) <= MAX_WORDS, sorted(words.items(), key=lambda page: -page[1])


def test_the_page_on_upgrades_knows_the_versions_of_the_journal() -> None:
    partial = (ROOT / "crates/edgetally-core/src/partial/version.rs").read_text("utf-8")
    version = int(re.findall(r"^pub const VERSION: u8 = (\d+);", partial, re.MULTILINE)[0])
    page = " ".join((ROOT / "docs" / "operating.md").read_text("utf-8").split())

    assert f"{JOURNAL_VERSION} for its tables, in every version so far, and {version} for its partials" in page


# --- ARCHITECTURE.md --------------------------------------------------------------------------------------------------


def test_every_folder_has_a_promise() -> None:
    promised = {name for row in rows(ARCHITECTURE, "folder") for name in re.findall(r"`([\w/]+)/`", row[0])}
    package = {path.name for path in (ROOT / "python" / "edgetally").iterdir() if (path / "__init__.py").exists()}

    assert promised == package


def test_the_first_paragraph_names_every_folder_of_the_core() -> None:
    source = ROOT / "crates" / "edgetally-core" / "src"
    first = ARCHITECTURE.read_text("utf-8").split("\n\n")[1]

    assert set(re.findall(r"`(\w+)`", first)) >= {path.name for path in source.iterdir() if path.is_dir()}


# --- docs/api.md, README.md -----------------------------------------------------------------------------------------


def test_every_path_is_documented() -> None:
    documented = API.read_text("utf-8")

    assert [path for path in json.loads(openapi())["paths"] if f" {path}`" not in documented] == []


@pytest.mark.parametrize("page", [README, API], ids=lambda page: page.name)
def test_every_answer_that_is_shown_has_a_shape_of_the_api(page: Path) -> None:
    document = json.loads(openapi())
    names = ["ChannelAnswer", "DomainsAnswer", "OriginsAnswer", "OriginInsightsAnswer", "PushAnswer", "Error"]
    shapes = {"anyOf": [{"$ref": f"#/components/schemas/{name}"} for name in names], **document}
    answers = [block.text for block in blocks(page) if block.info == "json"]

    assert answers
    for answer in answers:
        Draft202012Validator(shapes).validate(json.loads(answer))


def test_every_rejection_that_is_shown_has_a_reason_of_the_core() -> None:
    answers = [json.loads(block.text) for block in blocks(API) if block.info == "json"]
    shown = {error["reason"] for answer in answers for error in answer.get("errors", [])}

    assert shown
    assert shown <= {f"{code}: {sentence}" for code, sentence in reasons()}


def test_the_push_that_is_shown_adds_up_to_the_answers_that_are_shown() -> None:
    pushed = "\n".join(line for block in blocks(README) for line in block.text.splitlines() if line.startswith('{"dom'))
    made = [entry(pushed, dataset, pop="AMS") for dataset in DATASETS]
    shown = [
        (block.info, json.loads(block.text)) for page in (README, API) for block in blocks(page) if "json" in block.info
    ]
    entries = [one for info, answer in shown if info == "json" for one in answer.get("Data", [])]
    aggregated = [answer for info, answer in shown if info == "json aggregated"]

    assert [one for one in made if one not in entries and one["aggregated"] not in aggregated] == []
    assert [one for one in entries if one not in made] == []
    assert [one for one in aggregated if one not in [two["aggregated"] for two in made]] == []


# --- docs/record.md -------------------------------------------------------------------------------------------------


def examples() -> list[tuple[str, str]]:
    """Return records, and what they count as."""
    found = [block for block in blocks(RECORD) if block.info.startswith("json")]
    pairs = list(zip(found[::2], found[1::2], strict=True))
    assert all((record.info, counts.info) == ("json record", "json counts") for record, counts in pairs)
    return [(record.text, counts.text) for record, counts in pairs]


@pytest.mark.parametrize(("records", "counts"), examples(), ids=range(len(examples())))
def test_a_record_counts_as_it_says(records: str, counts: str) -> None:
    (sealed,), rejected = fold(records)
    expected = json.loads(counts)
    # The channel repeats much of the domains: it is shown alone, and the others without it.
    is_channel = "channel" in expected
    shown = [name for name in DATASETS if sealed.has(name) and (name == "channel") == is_channel]
    counted = {name: json.loads(sealed.entry(name))["aggregated"] for name in shown}

    assert rejected == []
    assert counted == expected


def test_every_reason_is_documented_in_order() -> None:
    assert [row[0].strip("`") for row in rows(RECORD, "reason")] == [code for code, _ in reasons()]


@pytest.mark.parametrize("row", rows(RECORD, "reason"), ids=lambda row: row[0])
def test_a_rejected_record_is_rejected_for_its_reason(row: list[str]) -> None:
    reason, example, _ = row

    line = example.strip("`") if example.startswith("`") else "x" * 262_145
    format = "cloudfront" if "columns" in reason else "canonical"
    assert fold(line, format=format, services=["default"]) == ([], [reason.strip("`")])


@pytest.mark.parametrize("row", rows(RECORD, "counts as"), ids=lambda row: row[0])
def test_cache_words_count_as_they_say(row: list[str]) -> None:
    words = re.findall(r"`([^`]+)`", row[1])
    counted = {"hit": "edge_hit_requests", "miss": "edge_miss_requests"}
    outcomes = {"hit": "hits", "miss": "miss", "pass": "pass", "synth": "synth", "error": "errors"}

    for word in (word.replace("…", "x") for word in words):
        for written in (word, word.lower(), word.upper()):
            counters = entry(json.dumps({"status": 200, "cache": written}), "domains")["aggregated"]["_invalid"]
            assert {name for name in counters if re.fullmatch("edge_(hit|miss)_requests", name)} == {
                counter for kind, counter in counted.items() if kind == row[0]
            }, written
            channel = entry(json.dumps({"status": 200, "cache": written}), "channel")["aggregated"]
            assert [name for name in outcomes.values() if channel[name]] == [
                name for kind, name in outcomes.items() if kind == row[0]
            ], written


@pytest.mark.parametrize(("domain", "key"), rows(RECORD, "`domain`"), ids=lambda cell: cell)
def test_a_domain_counts_under_its_key(domain: str, key: str) -> None:
    aggregated = entry('{"status":200,"domain":%s}' % domain.strip("`"), "domains")["aggregated"]  # noqa: UP031

    assert list(aggregated) == [key.strip("`")]


@pytest.mark.parametrize(("ts", "second"), rows(RECORD, "`ts`"), ids=lambda cell: cell)
def test_a_time_lies_in_its_second(ts: str, second: str) -> None:
    assert entry('{"status":200,"ts":%s}' % ts.strip("`"), "domains")["recorded"] == int(second)  # noqa: UP031


def fields() -> list[str]:
    """Return the fields that the table of fields names."""
    return [name for row in rows(RECORD, "field") for name in re.findall(r"`(\w+)`", row[0])]


def test_every_field_of_the_core_is_documented() -> None:
    source = (ROOT / "crates/edgetally-core/src/schema/record_fields.rs").read_text("utf-8")
    in_core = re.findall(r'^ +[A-Z0-9_]+ = \d+, "(\w+)"', source, re.MULTILINE)

    assert sorted(fields()) == sorted(in_core)
