"""Every setting: a class per section, and `Config`, which is all of them."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from edgetally.config import clickhouse as clickhouse_address
from edgetally.config import forms, server_forms
from edgetally.config.declaration import Flag, Form, LimitEffect, Meta, Section, declared
from edgetally.config.log_sections import FormatName, LogConfig, Pop, RecordsSettings, ServiceId, Weight, WindowSettings
from edgetally.config.regions import BillingRegion, Region, StatsRegion
from edgetally.journal.kafka import address as kafka
from edgetally.journal.kafka.properties import check_names, is_property
from edgetally.sources import syslog_address

REACHED = "edgetally_limit_reached_total"
EXPORTED_OVERFLOWED = "edgetally_exported_rows_overflowed_total"
HISTORY_OVERFLOWED = "edgetally_history_rows_overflowed_total"
"""Metrics that count what exceeds a limit."""

LOG_MARGIN = 60
"""Seconds beside these, for clocks that differ."""

MAX_DAYS = 36_500
"""A century: further days are outside of what dates can say."""

NO_TABLES: Mapping[str, Any] = MappingProxyType({})

Name = Annotated[str, Form("1 to 255 printable characters", server_forms.is_name)]
Latitude = Annotated[float, Meta(ge=-90, le=90)]
Longitude = Annotated[float, Meta(ge=-180, le=180)]


class ApiSettings(Section):
    """The HTTP server: reads and pushes."""

    listen: Annotated[
        str,
        Form(server_forms.HOST_AND_PORT, server_forms.address),
        Meta(description="Address and port to listen on. A name other than `localhost` counts as reachable by others."),
        Flag("--listen", "HOST:PORT", "address and port to listen on"),
    ] = "127.0.0.1:8480"
    allow_anonymous: Annotated[
        bool,
        Meta(
            description="Listen on addresses that others can reach even where no token is needed: for HTTP without "
            "tokens, and for syslog, which has none."
        ),
        Flag("--allow-anonymous", help="listen on addresses that others can reach even where no token is needed"),
    ] = False
    poll_timeout: Annotated[
        float,
        Meta(gt=0, le=3600, description="Seconds that a long poll waits for an entry before it answers with none."),
        Flag("--poll-timeout", "SECONDS"),
    ] = 40.0
    error_delay: Annotated[
        float,
        Meta(ge=0, le=60, description="Seconds that refusals under /v1 are delayed, because clients retry at once."),
    ] = 1.0
    pop_region: Annotated[
        Region, Meta(description="Region of POPs for which `pops` names none, for clients of Fastly's API.")
    ] = "North-America"
    idempotency_keys: Annotated[
        int,
        Meta(ge=1, description="Pushes with an `Idempotency-Key` that are remembered, each for ten minutes."),
        LimitEffect("The oldest key is forgotten early.", REACHED),
    ] = 100_000
    max_answer_bytes: Annotated[
        int,
        Meta(ge=1_000_000, description="Bytes of the entries in a response, before compression."),
        LimitEffect(
            "The response has fewer entries: the oldest that fit, at least one, and a `Timestamp` to continue from. "
            "`ts/h` has the newest.",
            REACHED,
        ),
    ] = 128_000_000
    max_rankings: Annotated[
        int,
        Meta(ge=1, description="Different rankings that are made for each second."),
        LimitEffect("A request for another ranking gets 503 with `Retry-After`.", REACHED),
    ] = 64
    max_push_bytes: Annotated[
        int,
        Meta(ge=1, description="Bytes of a push as it is sent."),
        LimitEffect("The push gets 413 and does not count.", REACHED),
    ] = 100_000_000
    max_push_decompressed_bytes: Annotated[
        int,
        Meta(ge=1, description="Bytes of a push after decompression. It is never in memory as a whole."),
        LimitEffect("The push gets 413 and does not count.", REACHED),
    ] = 1_000_000_000
    max_push_tally_bytes: Annotated[
        int,
        Meta(
            ge=1_000_000,
            description="Bytes of the rows of one push. They depend on its keys and seconds, not on its lines.",
        ),
        LimitEffect("The push gets 413 and does not count.", REACHED),
    ] = 128_000_000
    max_pending_bytes: Annotated[
        int,
        Meta(ge=1_000_000, description="Bytes of all pushes that do not count yet."),
        LimitEffect("A push gets 429 with `Retry-After` and does not count. Accepted pushes do.", REACHED),
    ] = 512_000_000
    tls_cert: Annotated[
        Path | None,
        Meta(description="Certificate chain in PEM form: serve HTTPS only."),
        Flag("--tls-cert", "FILE", "serve HTTPS with this certificate chain (PEM)"),
    ] = None
    tls_key: Annotated[
        Path | None,
        Meta(description="Private key of the certificate, in PEM form and not encrypted."),
        Flag("--tls-key", "FILE", "private key of the certificate (PEM)"),
    ] = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to listen on."""
        return server_forms.address(self.listen)

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Yield the half of a pair whose other half is missing."""
        if (self.tls_cert is None) != (self.tls_key is None):
            given, missing = ("tls_cert", "tls_key") if self.tls_cert else ("tls_key", "tls_cert")
            yield given, f"api.{missing} (--{missing.replace('_', '-')}) is needed too"


class AccessSettings(Section):
    """Tokens. Once the token file exists, every request needs a token."""

    token_file: Annotated[
        Path | None,
        Meta(
            description="File of the tokens, which `edgetally token new` creates. Default: `tokens.jsonl` beside the "
            "journal. A file that is set here must exist."
        ),
        Flag("--token-file", "FILE", "file of the tokens (default: tokens.jsonl beside the journal)"),
    ] = None


class ClientsSettings(Section):
    """What HTTP clients may do."""

    max_connections: Annotated[
        int,
        Meta(ge=1, description="Open connections."),
        LimitEffect("A new connection gets 503 and is closed. Open ones continue.", REACHED),
    ] = 20_000
    max_target_bytes: Annotated[
        int,
        Meta(ge=256, description="Bytes of a request's path and query."),
        LimitEffect("The request gets 414, and its connection is closed.", REACHED),
    ] = 8_192
    max_header_bytes: Annotated[
        int,
        Meta(ge=1024, description="Bytes of a request's header."),
        LimitEffect("The request gets 431, and its connection is closed.", REACHED),
    ] = 65_536
    handshake_timeout: Annotated[
        float,
        Meta(ge=1, description="Seconds for a TLS handshake."),
        LimitEffect("The connection is closed.", REACHED),
    ] = 10.0
    header_timeout: Annotated[
        float,
        Meta(ge=1, description="Seconds for a request's header."),
        LimitEffect("The request gets 408, and its connection is closed.", REACHED),
    ] = 20.0
    stall_timeout: Annotated[
        float,
        Meta(ge=1, description="Seconds without progress in receiving a push or sending a response."),
        LimitEffect("The connection is closed, and the push does not count.", REACHED),
    ] = 30.0
    idle_timeout: Annotated[float, Meta(gt=0, description="Seconds of silence between two requests.")] = 75.0
    max_waiting_bytes: Annotated[
        int,
        Meta(ge=1, description="Bytes of pushes that are received and not folded yet."),
        LimitEffect(
            "Connections with unfolded data are paused (backpressure).", "edgetally_http_request_buffered_bytes"
        ),
    ] = 256_000_000
    max_unread_bytes: Annotated[
        int,
        Meta(
            ge=1_000_000,
            description="Bytes of large responses that wait for their readers. A response that many share counts once.",
        ),
        LimitEffect("A request for another large response gets 503 with `Retry-After`.", REACHED),
    ] = 512_000_000


class ShelfSettings(Section):
    """The recent entries."""

    keep: Annotated[int, Meta(ge=120, le=86_400, description="Sealed seconds that stay readable.")] = 300
    max_bytes: Annotated[
        int,
        Meta(ge=1_000_000, description="Bytes of all sealed seconds, approximately."),
        LimitEffect("The oldest seconds are evicted early.", REACHED),
    ] = 1_000_000_000
    cache_bytes: Annotated[int, Meta(ge=0, description="Bytes of encoded entries in the cache.")] = 256_000_000


def state_directory() -> str:
    """Return where this user's programs keep their state."""
    home = os.environ.get("XDG_STATE_HOME", "")
    # Relative ones are to be ignored: https://specifications.freedesktop.org/basedir/latest/
    return f"{home if home.startswith('/') else '~/.local/state'}/edgetally"


class JournalSettings(Section):
    """Where accepted records are made durable."""

    kind: Annotated[
        str,
        Form(f"sqlite, memory or {kafka.WORDS}", server_forms.is_journal),
        Meta(
            description="`sqlite`: a file, which survives crashes and restarts. `memory`: nothing survives. "
            f"`{kafka.WORDS}`: a topic that many nodes share."
        ),
        Flag("--journal", f"sqlite|memory|{kafka.WORDS}", "memory: nothing survives a restart; kafka: shared by nodes"),
    ] = "sqlite"
    data_dir: Annotated[
        str,
        Meta(
            description="Directory of the journal, for one process only. Empty: `edgetally` in `$XDG_STATE_HOME` or "
            "`~/.local/state`."
        ),
        Flag("--data-dir", "DIRECTORY", "directory of the journal (default ~/.local/state/edgetally)"),
    ] = ""
    max_bytes: Annotated[
        int,
        Meta(ge=0, description="Bytes of partials that are kept for a restart. Beyond it, a restart restores less."),
    ] = 2_000_000_000
    partitions: Annotated[
        int,
        Meta(ge=1, le=1000, description="Kafka: partitions of the topic. They never change."),
        Flag("--partitions", "COUNT", "kafka: partitions of the topic"),
    ] = 12
    horizon: Annotated[
        int,
        Meta(
            ge=60,
            le=86_400,
            description="Kafka: seconds in which a repeated append is recognised at any node.",
        ),
    ] = 600
    patience: Annotated[
        float,
        Meta(gt=0, le=600, description="Kafka: seconds that a push waits before it gets 503."),
    ] = 10.0
    max_pending: Annotated[
        int,
        Meta(ge=1_000_000, description="Kafka: bytes that wait for brokers. Beyond it, pushes get 503."),
    ] = 64_000_000
    kafka: Annotated[
        Mapping[Annotated[str, Form("properties of librdkafka", is_property)], str],
        Meta(
            description="Kafka: properties of librdkafka. `sasl.password.file` and `sasl.password.env` read the "
            "password from a file or a variable."
        ),
    ] = NO_TABLES

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Yield properties that are not for the settings to choose."""
        yield from ((f"kafka.{name}", problem) for name, problem in check_names(self.kafka))

    @property
    def directory(self) -> Path:
        """The directory as an absolute path; raises ConfigError when it is in a home directory that does not exist."""
        return forms.expanded(Path(self.data_dir or state_directory()), "journal.data_dir").absolute()


class HistorySettings(Section):
    """Minutes, hours and days, in `history.sqlite` beside the journal. Without a data directory there is none."""

    clickhouse: Annotated[
        str | None,
        Form(clickhouse_address.WORDS, clickhouse_address.is_address),
        Meta(
            description="Kafka: keep one history of all nodes in ClickHouse instead, over its HTTP interface. Its size "
            "has no limit then."
        ),
    ] = None
    clickhouse_user: Annotated[str, Meta(description="User that ClickHouse knows.")] = "default"
    clickhouse_password_file: Annotated[
        Path | None, Meta(description="File of its password. Without one, and without a variable, it has none.")
    ] = None
    clickhouse_password_env: Annotated[
        str | None, Meta(description="Environment variable that has its password, instead of a file.")
    ] = None

    minute_days: Annotated[int, Meta(ge=0, le=MAX_DAYS, description="Days that minutes are kept. 0: none are.")] = 35
    hour_days: Annotated[int, Meta(ge=0, le=MAX_DAYS, description="Days that hours are kept. 0: none are.")] = 400
    day_days: Annotated[int, Meta(ge=0, le=MAX_DAYS, description="Days that days are kept. 0: none are.")] = 3_650
    max_bytes: Annotated[
        int,
        Meta(ge=1_000_000, description="Bytes of all minutes, hours and days."),
        LimitEffect("The oldest minutes are removed early, then the oldest hours, then the oldest days.", REACHED),
    ] = 20_000_000_000
    max_open_names: Annotated[
        int,
        Meta(ge=1, description="Distinct names per service and dataset in the minute that is not over yet."),
        LimitEffect("The name counts as `_other`.", HISTORY_OVERFLOWED),
    ] = 100_000
    max_names: Annotated[
        int,
        Meta(ge=1, description="Distinct names per service and dataset in a minute, an hour or a day that is over."),
        LimitEffect("The names with the most requests stay; the others count as `_other`.", HISTORY_OVERFLOWED),
    ] = 20_000
    max_questions: Annotated[
        int,
        Meta(ge=1, description="Requests to history that are answered at a time."),
        LimitEffect("A further request gets 503 with `Retry-After`.", REACHED),
    ] = 64

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Yield a second password, and what is nothing without ClickHouse."""
        if self.clickhouse_password_file and self.clickhouse_password_env:
            yield "clickhouse_password_env", "history.clickhouse_password_file is set, too: remove one"
        for name in ("clickhouse_password_file", "clickhouse_password_env") if not self.clickhouse else ():
            if getattr(self, name):
                yield name, "history.clickhouse is needed too"

    @property
    def is_kept(self) -> bool:
        """Whether anything is kept."""
        return any((self.minute_days, self.hour_days, self.day_days))


class RejectedSettings(Section):
    """Dead letters: rejected lines, kept for inspection in `rejected.jsonl` beside the journal."""

    file_bytes: Annotated[
        int,
        Meta(ge=0, description="Bytes of `rejected.jsonl` and the file before it, `rejected.jsonl.1`. 0: no file."),
    ] = 16_000_000


class MetricsSettings(Section):
    """The server's own metrics, at /metrics."""

    services: Annotated[
        int, Meta(ge=0, description="Services that have metrics of their own. All others share the label `_other`.")
    ] = 100


class FastlyMetricsSettings(Section):
    """What the edges did, for Prometheus, with the names of fastly-exporter, at /fastly/metrics."""

    split_by_pop: Annotated[
        bool, Meta(description='A series per POP. If not, there is one for all, with `datacenter="aggregate"`.')
    ] = True
    max_series: Annotated[
        int,
        Meta(
            ge=10_000,
            description="Series of all services. In each POP, a service has 153, a domain 69, an origin 123. The last "
            "fifth is for `_other`.",
        ),
        LimitEffect("A new domain, origin, POP or service counts as `_other`.", EXPORTED_OVERFLOWED),
    ] = 1_000_000
    max_domains: Annotated[
        int,
        Meta(
            ge=1,
            description="Domains of a service that have series of their own. Once half are taken, a domain needs "
            "requests in two seconds.",
        ),
        LimitEffect("A new domain counts as `_other`.", EXPORTED_OVERFLOWED),
    ] = 2_000
    max_origins: Annotated[
        int,
        Meta(ge=1, description="The same for origins."),
        LimitEffect("A new origin counts as `_other`.", EXPORTED_OVERFLOWED),
    ] = 500
    max_scrapes: Annotated[
        int,
        Meta(ge=1, description="Scrapes that are answered at the same time."),
        LimitEffect("A scrape gets 503 with `Retry-After`.", REACHED),
    ] = 16


class NodeSettings(Section):
    """What this process does of the work that nodes of a journal in Kafka share."""

    role: Annotated[
        Literal["all", "ingest", "read"],
        Meta(description="`ingest`: it takes records, and shows nothing. `read`: the reverse. `all`: both."),
        Flag("--role", help="kafka: ingest takes records, read shows entries, all does both"),
    ] = "all"

    @property
    def ingests(self) -> bool:
        """Whether it takes records."""
        return self.role != "read"

    @property
    def reads(self) -> bool:
        """Whether it shows entries."""
        return self.role != "ingest"


class LogSettings(Section):
    """The server's log, on stderr."""

    format: Annotated[
        Literal["auto", "json", "text"],
        Meta(description="JSON lines, or text for people. `auto`: text on a terminal, JSON elsewhere."),
        Flag("--log-format", help="format of the log; auto: text on a terminal, JSON elsewhere"),
    ] = "auto"
    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="Lowest level that is logged."),
        Flag("--log-level"),
    ] = "info"
    per_second: Annotated[
        int,
        Meta(
            ge=0, description="Times that one event of one source is logged per second; the rest is summed up. 0: all."
        ),
    ] = 10


class FollowSettings(Section):
    """Files that edges append to. What it does not set is as in `records`."""

    path: Annotated[
        Path,
        Meta(
            description="A file, which may be created later, or a pattern such as `/var/log/nginx/*.log`. Relative "
            "paths start at the working directory."
        ),
    ]
    service_id: Annotated[ServiceId | None, Meta(description="Service of its records that name none.")] = None
    pop: Annotated[Pop | None, Meta(description="POP of its records that name none.")] = None
    format: Annotated[FormatName | None, Meta(description="Format of its lines.")] = None
    weight: Annotated[Weight | None, Meta(description="Requests that each of its lines stands for.")] = None


class SyslogSettings(Section):
    """Syslog whose messages are records. What it does not set is as in `records`."""

    listen: Annotated[
        str,
        Form("udp:HOST:PORT, tcp:HOST:PORT or unix:/PATH", syslog_address.parse),
        Meta(description="`udp:HOST:PORT`, `tcp:HOST:PORT` or `unix:/PATH` (datagrams)."),
    ]
    service_id: Annotated[ServiceId | None, Meta(description="Service of its records that name none.")] = None
    pop: Annotated[Pop | None, Meta(description="POP of its records that name none.")] = None
    format: Annotated[FormatName | None, Meta(description="Format of its records.")] = None
    weight: Annotated[Weight | None, Meta(description="Requests that each of its records stands for.")] = None
    mode: Annotated[
        str | None,
        Form(server_forms.MODE_WORDS, server_forms.is_mode),
        Meta(
            description="Who may write to a unix socket, whatever the umask is. Default: `0666`, every user of this "
            "machine, because edges write as users of their own."
        ),
    ] = None
    owner: Annotated[
        str | None,
        Form("a user", server_forms.is_user),
        Meta(description="User that owns a unix socket, by name or number."),
    ] = None
    group: Annotated[
        str | None,
        Form("a group", server_forms.is_group),
        Meta(description='Group of a unix socket, by name or number. With `mode = "0660"`, only it may write.'),
    ] = None

    @property
    def socket_access(self) -> syslog_address.SocketAccess:
        """Who may write to a unix socket."""
        return syslog_address.SocketAccess(
            mode=syslog_address.ANY_USER.mode if self.mode is None else server_forms.mode(self.mode),
            owner=-1 if self.owner is None else server_forms.user_id(self.owner),
            group=-1 if self.group is None else server_forms.group_id(self.group),
        )

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Yield what only a unix socket can have."""
        if not self.listen.startswith("unix:"):
            for name in ("mode", "owner", "group"):
                if getattr(self, name) is not None:
                    yield name, f"only for unix:/PATH (got {self.listen!r})"


class SourcesSettings(Section):
    """Sources of records besides pushes."""

    follow: Annotated[
        tuple[FollowSettings, ...],
        Meta(description="Files to follow, one table each."),
        Flag("--follow", "FILE", "follow log files, by path or pattern"),
    ] = ()
    rotated_quiet_seconds: Annotated[
        float,
        Meta(
            ge=1,
            description="Seconds that a renamed file must not change before it is closed. Until then, it is read too.",
        ),
    ] = 300.0
    max_followed_files: Annotated[
        int,
        Meta(ge=1, description="Files that are followed at the same time."),
        LimitEffect("Further files that a pattern matches are not read.", REACHED),
    ] = 10_000
    syslog: Annotated[
        tuple[SyslogSettings, ...],
        Meta(description="Addresses to receive syslog on, one table each."),
        Flag("--syslog", "ADDRESS", "receive syslog on udp:HOST:PORT, tcp:HOST:PORT or unix:/PATH; repeatable"),
    ] = ()
    stdin: Annotated[bool, Meta(description="Read records from standard input."), Flag("--stdin")] = False
    max_syslog_connections: Annotated[
        int,
        Meta(ge=1, description="Open connections of each `tcp:` listener."),
        LimitEffect("A new connection is closed. Open ones continue.", REACHED),
    ] = 1_000

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Yield files and addresses that are there twice, by whatever names."""
        files = [os.path.realpath(one.path) for one in self.follow]
        for index in _repeated(files):
            yield f"follow[{index}]", f"{self.follow[index].path} is followed twice: its lines would count twice"
        # Port 0 is another free port each time.
        addresses = [str(syslog_address.parse(one.listen)) for one in self.syslog]
        for index in _repeated(addresses):
            if not addresses[index].endswith(":0"):
                yield f"syslog[{index}]", f"{addresses[index]} is given twice"


def _repeated(values: Sequence[str]) -> Iterator[int]:
    """Yield the index of each value that was there before."""
    return (index for index, value in enumerate(values) if value in values[:index])


class ServiceSettings(Section):
    """What clients of Fastly's API are told about a service, by its id. It is listed even while it has no entries."""

    name: Annotated[Name | None, Meta(description="Name, which no other service may have. Default: its id.")] = None
    type: Annotated[Literal["vcl", "wasm"], Meta(description="What the service would be at Fastly.")] = "vcl"
    comment: Annotated[str, Meta(description="Any text.")] = ""


class PopSettings(Section):
    """What clients of Fastly's API are told about a POP, by its code, which is what records call it."""

    name: Annotated[Name | None, Meta(description="The place. Default: its code.")] = None
    group: Annotated[str, Meta(description="Continent or country.")] = ""
    region: Annotated[Region | None, Meta(description="Region. Default: `api.pop_region`.")] = None
    stats_region: Annotated[
        StatsRegion | None, Meta(description="Region in history. Default: the usual one for `region`.")
    ] = None
    billing_region: Annotated[
        BillingRegion | None, Meta(description="Region on bills. Default: the usual one for `stats_region`.")
    ] = None
    latitude: Annotated[Latitude | None, Meta(description="Degrees north of the equator.")] = None
    longitude: Annotated[Longitude | None, Meta(description="Degrees east of Greenwich.")] = None

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Yield the half of the coordinates whose other half is missing."""
        if (self.latitude is None) != (self.longitude is None):
            given, missing = ("longitude", "latitude") if self.latitude is None else ("latitude", "longitude")
            yield given, f"{missing} is needed too"


class Config(LogConfig):
    """Everything that an operator can set."""

    api: ApiSettings = ApiSettings()
    access: AccessSettings = AccessSettings()
    clients: ClientsSettings = ClientsSettings()
    records: RecordsSettings = RecordsSettings()
    window: WindowSettings = WindowSettings()
    shelf: ShelfSettings = ShelfSettings()
    journal: JournalSettings = JournalSettings()
    node: NodeSettings = NodeSettings()
    history: HistorySettings = HistorySettings()
    rejected: RejectedSettings = RejectedSettings()
    metrics: MetricsSettings = MetricsSettings()
    fastly_metrics: FastlyMetricsSettings = FastlyMetricsSettings()
    log: LogSettings = LogSettings()
    sources: SourcesSettings = SourcesSettings()
    services: Annotated[Mapping[ServiceId, ServiceSettings], Meta(description="Services, one table each.")] = NO_TABLES
    pops: Annotated[Mapping[Pop, PopSettings], Meta(description="POPs, one table each.")] = NO_TABLES

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Yield names of services that already stand for another service, and what a role does not go with."""
        yield from self._role_conflicts()
        taken = {service_id: service_id for service_id in self.services}
        for service_id, one in self.services.items():
            if one.name and taken.setdefault(one.name, service_id) != service_id:
                yield f"services.{service_id}.name", f"{one.name!r} is the service {taken[one.name]} already"

    def _role_conflicts(self) -> Iterator[tuple[str, str]]:
        if self.node.role != "all" and not kafka.is_kafka(self.journal.kind):
            yield "node.role", f"expected all, got {self.node.role}: roles need --journal {kafka.WORDS}"
        if self.history.clickhouse and not kafka.is_kafka(self.journal.kind):
            yield (
                "history.clickhouse",
                f"it is for the nodes of a cluster, which need --journal {kafka.WORDS}: remove it",
            )
        for name in ("follow", "syslog", "stdin") if not self.node.ingests else ():
            if getattr(self.sources, name):
                yield f"sources.{name}", "a node with the role read has no sources: remove it, or choose the role all"

    @property
    def log_seconds(self) -> int:
        """How much of a journal in Kafka a reader needs at its start: the seconds it shows, and before them the ids."""
        return (
            self.shelf.keep + self.journal.horizon + self.window.aggregate_delay + self.records.max_ahead + LOG_MARGIN
        )

    @property
    def token_file(self) -> Path:
        """Where the tokens are, if there are any."""
        return self.access.token_file or self.journal.directory / "tokens.jsonl"


SECTIONS = {one.name: one.section_type for one in declared("", Config) if one.section_type}
"""Every section but tables that have names."""

NAMED_TABLES = {one.name: one for one in declared("", Config) if one.named_table}
"""Tables that have names, such as `[services.shop]`."""

SETTINGS = {one.path: one for name, kind in SECTIONS.items() for one in declared(name, kind)} | NAMED_TABLES
"""Every setting but those in lists of tables and in tables that have names, by its path."""
