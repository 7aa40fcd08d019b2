"""Generates the pages that come from the code, and reads the others for tests."""

import contextlib
import io
import json
import logging
import os
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from edgetally import _core
from edgetally.cli import flags
from edgetally.cli import main as cli
from edgetally.config.declaration import Setting, declared
from edgetally.config.sections import NAMED_TABLES, REACHED, SECTIONS, SETTINGS
from edgetally.model import DATASETS, measurements
from edgetally.snippets import snippet, snippets
from edgetally.telemetry.events import EVENTS, Started
from edgetally.telemetry.histogram import BOUNDS
from edgetally.telemetry.log import JsonFormatter
from edgetally.telemetry.metrics import METRICS

ROOT = Path(__file__).parents[2]

WRITTEN = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]

GENERATED = "<!-- Generated from the code by `make docs`: change the code, not this page. -->"

LIMITS = re.compile(r"^(?:#|//) What cannot be known from these logs\n(?:#|//)\n", re.MULTILINE)
"""Splits a snippet into the configuration and what cannot be known from its logs."""

INTO_COUNTERS = """\
The fields of an entry, by dataset. A field is an integer from 0 to 18446744073709551615, a ratio from 0 to 1, or a
number of seconds. Fields that are 0 are left out, unless marked with an asterisk. [The
record](record.md#what-counts-where) says what adds to which field."""

SAME = re.compile(r"The same as (`\w+`)\.(?: \*)?")
"""What a field counts that has another name, too."""

FAMILY = re.compile(r"(?P<stem>\w*?(?:status|latency)_)(?P<member>\w+)")
"""Fields that differ in one part of their name only, such as `status_200` and `status_404`."""

LATENCIES = "Responses by time to first byte: more than the first number and at most the second, in milliseconds."

INTO_METRICS = """\
Metrics of the server itself, at `/metrics`, in Prometheus' text format or, if `Accept` asks for it, in OpenMetrics.
They say how Edgetally is doing; what your edges did is in [the API](api.md). [Operating](operating.md) says what to
look at when something is wrong.

Counters start at 0 with the process. A line counts once, whatever its `weight`. `source` is `push`, or the source as it
was set; a file has its full path. `service` has a cardinality limit: the first
[`metrics.services`](settings.md#metrics) services get a label of their own and keep it, all others share `_other`."""

INTO_EVENTS = """\
The log on stderr has one event per line: text on a terminal, JSON everywhere else, unless
[`log.format`](settings.md#log) says otherwise.

```json
{example}
```

In JSON, the words in braces are fields of their own. Characters that are not printable are escaped in both formats. An
event that occurs more than [`log.per_second`](settings.md#log) times within a second is suppressed and counted in
`events_suppressed`. Messages of libraries have the library's name as their event."""

STARTED = Started(url="http://127.0.0.1:8480")

INTO_SETTINGS = f"""\
`edgetally` reads settings from flags, environment variables and a TOML file; the first of these wins. Every setting has
a default, and an unknown setting is an error.

```toml
# edgetally.toml
[window]
aggregate_delay = 5
```

```sh
edgetally check --config edgetally.toml
edgetally serve --config edgetally.toml --aggregate-delay 5
```

`edgetally check` takes the flags of `edgetally serve`, names everything that is wrong, and creates nothing.

* **File**: `--config FILE`, or the environment variable `{flags.CONFIG_VARIABLE}`. A byte order mark is skipped. In
  it, as in flags, paths may start with `~/`.
* **Environment variable**: `EDGETALLY_`, the section, two underscores and the setting, for example
  `EDGETALLY_WINDOW__AGGREGATE_DELAY=5`. Lists of tables, `services` and `pops` are values of TOML or JSON:
  `EDGETALLY_SOURCES__FOLLOW='[{{path = "/var/log/edge.log"}}]'`. An empty variable counts as not set.
* **Flag**: as shown below. `--follow` and `--syslog` add to the file or variable.

Settings that limit input say what happens **beyond** the limit. [`{REACHED}`](metrics.md)
counts that, with the setting as its label, unless another metric is shown. Accepted records are never dropped for a
limit: pushes are refused as a whole, and surplus keys count as `_other`."""

HELP_WIDTH = 100

KEYS = {
    "channel": "By POP: `/v1/channel` without `kind`.",
    "domains": "By POP and domain: `/v1/domains`.",
    "origin_insights": "By POP, origin and address: `/v1/channel` with `?kind=origin_insights`.",
    "origins": "By POP and origin: `/v1/origins`.",
}

PREFIXES = {
    "compute_": "for edge-compute programs",
    "waf_": "for the web application firewall (no source reports these yet)",
    "all_": "for delivery and compute together",
}
"""Prefixes with which the fields of `origins` are repeated, and what they then count."""

FEW_CHOICES = 10

EXAMPLES: dict[str, dict[str, Any]] = {
    "sources.follow": {"path": "/var/log/caddy/edgetally.log", "service_id": "shop", "pop": "AMS", "format": "caddy"},
    "sources.syslog": {"listen": "udp:127.0.0.1:5514", "service_id": "shop", "pop": "AMS", "format": "nginx"},
}
"""A table of each list of tables."""

NAMED_EXAMPLES: dict[str, tuple[str, dict[str, Any]]] = {
    "services": ("shop", {"name": "Web shop", "comment": "nginx in Amsterdam"}),
    "pops": ("AMS", {"name": "Amsterdam", "group": "Europe", "region": "EU-West", "latitude": 52.3, "longitude": 4.8}),
}
"""A table that has a name, of each kind."""


def pages() -> list[Path]:
    """Return every page that is checked."""
    return [
        *WRITTEN,
        *sorted((ROOT / "docs").rglob("*.md")),
        *sorted((ROOT / "benchmarks").rglob("*.md")),
        *sorted((ROOT / "examples").rglob("*.md")),
        ROOT / "deploy" / "README.md",
    ]


# --- generated from the code ----------------------------------------------------------------------------------------


def counters() -> str:
    """Generate docs/counters.md."""
    page = ["# The counters", GENERATED, INTO_COUNTERS]
    described: dict[str, str] = {}
    for dataset in sorted(DATASETS, key="domains".__ne__):
        fields = {field.name: field.description + " *" * field.is_always_shown for field in measurements(dataset)}
        into, shown = f"{KEYS[dataset]} {len(fields)} fields.", fields
        if all(f"{prefix}responses" in fields for prefix in PREFIXES):
            shown = {name: what for name, what in fields.items() if not name.startswith(tuple(PREFIXES))}
            again = "; ".join(f"`{prefix}` {what}" for prefix, what in PREFIXES.items())
            into += f" Each field below counts delivery, and exists again with a prefix: {again}."
        single, families = _families(shown)
        page += [f"## {dataset}", textwrap.fill(into, 120)]
        if dataset == "channel":
            repeated = {name: "" for name, what in single.items() if described.get(name) == what}
            repeated |= {name: f" ({same[1]})" for name, what in single.items() if (same := SAME.fullmatch(what))}
            single = {name: what for name, what in single.items() if name not in repeated}
            also = ", ".join(f"`{name}`{same}" for name, same in repeated.items())
            also = f"Also: {also}. What is in brackets is the same field, all others are as in the domains."
            page += [textwrap.fill(also, 120)]
        described = described or fields
        page += [_table(("field", "counts"), [(f"`{name}`", what) for name, what in single.items()])]
        page += [_table(("fields", "… is one of", "counts"), families)]
    return "\n\n".join(page) + "\n"


def _families(fields: dict[str, str]) -> tuple[dict[str, str], list[tuple[str, str, str]]]:
    """Split fields into single ones and families; a family has its members, and what they count."""
    families: dict[str, dict[str, str]] = {}
    for name, what in fields.items():
        if found := FAMILY.fullmatch(name):
            families.setdefault(found["stem"], {})[found["member"]] = what
    rows = []
    for stem, members in families.items():
        codes = ((member, what) for member, what in members.items() if not member.endswith("xx"))
        code, what = next(codes, ("100 to 199", members.get("1xx", "")))
        what = LATENCIES if "latency" in stem else what.replace(code, "…")
        rows.append((f"`{stem}…`", " ".join(sorted(members, key=_order)), what))
    return {name: what for name, what in fields.items() if not FAMILY.fullmatch(name)}, rows


def _order(member: str) -> tuple[bool, int]:
    """Sort statuses and latencies by their numbers, and ranges of statuses behind them."""
    return member.endswith("xx"), int(re.findall(r"\d+", member)[0])


def metrics() -> str:
    """Generate docs/metrics.md."""
    rows = [
        (f"`{one.name}`", one.kind, one.unit, ", ".join(f"`{label}`" for label in one.labels), one.description)
        for one in METRICS
    ]
    into = f"{INTO_METRICS}\n\nHistograms have the bounds {', '.join(f'{bound:g}' for bound in BOUNDS)} seconds."
    return (
        "\n\n".join(["# Metrics", GENERATED, into, _table(("metric", "type", "unit", "labels", "meaning"), rows)])
        + "\n"
    )


def events() -> str:
    """Generate docs/events.md."""
    rows = [
        (f"`{one.name()}`", logging.getLevelName(one.level).lower(), f"`{one.sentence}`", str(one.__doc__))
        for one in EVENTS
    ]
    said = logging.makeLogRecord({"created": 1_795_322_477.204, "levelname": "INFO", "msg": STARTED})
    into = INTO_EVENTS.replace("{example}", JsonFormatter().format(said))
    return "\n\n".join(["# Events", GENERATED, into, _table(("event", "level", "message", "meaning"), rows)]) + "\n"


def command_line() -> str:
    """Generate docs/cli.md."""
    top = help_of()
    page = ["# The command line", GENERATED, _block("text", top)]
    shown: dict[str, str] = {}
    for command in re.findall(r"^ {4}([a-z-]+) ", top, re.MULTILINE):
        below = help_of(command)
        page += [f"## edgetally {command}", *_help_blocks(command, below, shown)]
        # Arguments have the same form as commands; only what is under that heading is one.
        for inner in re.findall(r"^ {4}([a-z-]+) ", below.partition("COMMAND\n")[2], re.MULTILINE):
            page += [f"### edgetally {command} {inner}", _block("text", help_of(command, inner))]
    return "\n\n".join(page) + "\n"


def _help_blocks(command: str, text: str, shown: dict[str, str]) -> list[str]:
    """Return the blocks of a command's help; options that another command has, too, are shown once."""
    usage, _, options = text.partition("\noptions:\n")
    other = shown.setdefault(options, command)
    if other == command:
        return [_block("text", text)]
    return [_block("text", usage), f"The options are those of [`edgetally {other}`](#edgetally-{other})."]


def help_of(*command: str) -> str:
    """Return the output of `--help`, in lines of at most HELP_WIDTH."""
    # argparse leaves two columns free.
    with (
        mock.patch.dict(os.environ, {"COLUMNS": str(HELP_WIDTH + 2), "NO_COLOR": "1"}),
        contextlib.redirect_stdout(io.StringIO()) as said,
        contextlib.suppress(SystemExit),
    ):
        cli.main([*command, "--help"])
    return said.getvalue()


def settings() -> str:
    """Generate docs/settings.md."""
    page = ["# Settings", GENERATED, INTO_SETTINGS]
    for name, section in SECTIONS.items():
        here = [one for one in SETTINGS.values() if one.section == name]
        page += [f"## {name}", str(section.__doc__), _settings_table(here)]
        for path, table in ((one.path, one.table) for one in here if one.table):
            page += [f"### {path}", str(table.__doc__), _block("toml", _toml(f"[[{path}]]", EXAMPLES[path]))]
            page += [_settings_table(declared(path, table))]
    for name, (example, values) in NAMED_EXAMPLES.items():
        named = NAMED_TABLES[name].named_table
        assert named
        page += [f"## {name}", str(named.__doc__), _block("toml", _toml(f"[{name}.{example}]", values))]
        page += [_settings_table(declared(name, named))]
    return "\n\n".join(page) + "\n"


def _toml(header: str, values: dict[str, Any]) -> str:
    # TOML writes these values as JSON does.
    return "\n".join([header, *(f"{setting} = {json.dumps(value)}" for setting, value in values.items())])


def _settings_table(settings: Iterable[Setting]) -> str:
    rows = []
    for one in settings:
        default = (
            "required" if one.is_required else "" if one.default in (None, (), {}) else f"`{json.dumps(one.default)}`"
        )
        meaning = [one.description]
        if one.limit:
            counted = "" if one.limit.counted == REACHED else f" Counted by `{one.limit.counted}`."
            meaning += [f"**Beyond:** {one.limit.beyond}{counted}"]
        if one.flag:
            meaning += [f"Flag: `{one.flag.name}`."]
        rows.append((f"`{one.name}`", _words(one), default, " ".join(meaning)))
    return _table(("setting", "type", "default", "meaning"), rows)


def _words(setting: Setting) -> str:
    """Write the type of a setting. Many choices are listed only where they are first used."""
    first = next((one for one in SETTINGS.values() if one.choices and one.words == setting.words), setting)
    is_first = first.path == setting.path or len(setting.choices) <= FEW_CHOICES
    return re.sub("^an? ", "", setting.words) if is_first else f"as `{first.path}`"


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [header, ("---",) * len(header), *rows])


def _block(language: str, text: str) -> str:
    return f"```{language}\n{text.strip()}\n```"


CACHE_CLASSES = ("hit", "miss", "pass", "synth", "error", "nothing")

MADE = re.compile(r"(<!-- generated: ([a-z -]+) -->\n\n).*?(\n\n<!-- end -->|\n\Z)", re.DOTALL)


def patched(name: str) -> str:
    """Generate the marked parts of a page of docs/; the others stay."""
    text = (ROOT / "docs" / name).read_text("utf-8")
    return MADE.sub(lambda part: part[1] + _made(part[2]) + part[3], text)


def _made(what: str) -> str:
    """Generate one part of a page."""
    if what == "cache words":
        by_class = {kind: [word for word, counts in _core.cache_words() if counts == kind] for kind in CACHE_CLASSES}
        return _table(("counts as", "words"), [(kind, " ".join(map(_word, by_class[kind]))) for kind in CACHE_CLASSES])
    kind, _, name = what.partition(" of ")
    if kind == "limits":
        _, limits = LIMITS.split(snippet(name).text)
        return re.sub("^(#|//) ?", "", limits, flags=re.MULTILINE).strip()
    fields = [(_path(path), f"`{field}`" if field else "see below") for path, field in _core.format_fields(name)]
    return "\n".join(f"* {path}: {field}" for path, field in fields)


def _word(word: str) -> str:
    """Write a cache word with an ellipsis for anything."""
    return f"`{word}`" if "'*'" in word else f"`{word.replace('*', '…')}`"


def _path(path: str) -> str:
    """Write the path of a field with dots."""
    return "`" + re.sub(r"[>\[]", ".", path.rstrip("]")) + "`"


GENERATORS: dict[str, Callable[[], str]] = {
    "cli.md": command_line,
    "counters.md": counters,
    "events.md": events,
    "metrics.md": metrics,
    "record.md": partial(patched, "record.md"),
    "settings.md": settings,
    **{f"edges/{one.name}.md": partial(patched, f"edges/{one.name}.md") for one in snippets()},
}
"""The generator of each page of docs/ that has generated parts."""

# --- read from the others ---------------------------------------------------------------------------------------------


class Block(NamedTuple):
    """One fenced block of a page."""

    info: str
    """The text after the fence: the language, and the purpose of the block."""
    text: str


def blocks(path: Path) -> list[Block]:
    """Return the fenced blocks of a page."""
    found = re.findall(r"^ *```([^\n]+)\n(.*?)^ *```$", path.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return [Block(info, text) for info, text in found]


def rows(path: Path, header: str) -> list[list[str]]:
    """Return the cells of the table whose first column has `header`."""
    tables = re.findall(r"(?:^\|.*\|\n)+", path.read_text("utf-8"), re.MULTILINE)
    (found,) = [table.splitlines() for table in tables if table.startswith(f"| {header} |")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in found[2:]]


def code(path: Path) -> Iterator[str]:
    """Yield the code of a page: lines of blocks, and spans."""
    text = path.read_text("utf-8")
    yield from re.findall(r"^ {4,}(\S.*)$", text, re.MULTILINE)
    for one in blocks(path):
        yield from (line.strip() for line in one.text.splitlines())
    yield from re.findall(r"`([^`\n]+)`", text)


def links(path: Path) -> list[str]:
    """Return the links of a page into the tree."""
    found = re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", path.read_text("utf-8"))
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def anchors(path: Path) -> set[str]:
    """Return the anchors of a page."""
    headings = re.findall(r"^#+ (.*)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
