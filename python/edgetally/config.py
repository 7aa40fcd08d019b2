"""
Settings: one frozen struct per room, every setting described where it is declared.

The descriptions are not decoration: `docs/settings.md` is generated from them, and a test fails when a setting has
none. A name that is no setting is an error that says so.
"""

import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from edgetally import model
from edgetally.errors import ConfigError
from edgetally.model import MAX_WEIGHT, Limits

KINDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "a table",
    "array": "a list",
}
"""What msgspec calls things, and what they are to whoever writes settings."""

BOUNDS = {">=": "of at least", "<=": "of at most", ">": "above"}


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Shared rules: settings never change after the start, and a typo is an error."""


Weight = Annotated[int, Meta(ge=1, le=MAX_WEIGHT)]

# A `$` alone would admit a newline at the end.
SERVICE_ID = rf"^{model.SERVICE_ID}$(?!\n)"

FORMS = {
    SERVICE_ID: "1 to 64 letters, digits, - and _",
}
"""What the patterns of settings mean, for whoever wrote something else."""

ServiceId = Annotated[str, Meta(pattern=SERVICE_ID)]


REACHED = "edgetally_limit_reached_total"
OVERFLOWED = "edgetally_service_rows_overflowed_total"
REJECTED = "edgetally_records_rejected_total"


def limit(description: str, *, beyond: str, counted: str = REACHED, ge: float = 1) -> Meta:
    """Describe a limit: what is limited, what becomes of what is beyond it, and the metric that counts this."""
    return Meta(ge=ge, description=description, extra_json_schema={"beyond": beyond, "counted": counted})


class Api(Section, frozen=True):
    """Answering readers, and taking pushes."""

    listen: Annotated[
        str,
        Meta(
            description="Address and port to listen on. A name stands for all of its addresses, and every name but "
            "`localhost` for one that others can reach."
        ),
    ] = "127.0.0.1:8480"
    allow_anonymous: Annotated[
        bool,
        Meta(
            description="Listen on other addresses than this machine's own, though anybody may read and push. Syslog "
            "has no tokens and needs this there; HTTP with tokens does not."
        ),
    ] = False
    poll_timeout: Annotated[
        float,
        Meta(
            gt=0, le=3600, description="Seconds that a reader waits for an entry before it is told that there is none."
        ),
    ] = 40.0
    error_delay: Annotated[
        float,
        Meta(
            ge=0, le=60, description="Seconds that a refusal under /v1 is held back, because clients ask again at once."
        ),
    ] = 1.0
    idempotency_keys: Annotated[
        int,
        limit(
            "Pushes with an `Idempotency-Key` that are remembered, each for ten minutes.",
            beyond="The oldest key is forgotten early.",
        ),
    ] = 100_000
    max_answer_bytes: Annotated[
        int,
        limit(
            "Bytes of the entries in an answer, before compression.",
            beyond="It has fewer entries, at least one: the oldest, and `Timestamp` goes on behind them; of `ts/h` the "
            "newest.",
            ge=1_000_000,
        ),
    ] = 128_000_000
    max_push_bytes: Annotated[
        int, limit("Bytes of a push as it was sent.", beyond="The push is answered 413, and nothing of it counts.")
    ] = 100_000_000
    max_push_decompressed_bytes: Annotated[
        int,
        limit(
            "Bytes of a push once it is decompressed. It is never held as a whole.",
            beyond="The push is answered 413, and nothing of it counts.",
        ),
    ] = 1_000_000_000
    max_push_tally_bytes: Annotated[
        int,
        limit(
            "Bytes that the tallies of a push may take until its end. They follow its keys and seconds, not its lines.",
            beyond="The push is answered 413, and nothing of it counts.",
            ge=1_000_000,
        ),
    ] = 128_000_000
    max_pending_bytes: Annotated[
        int,
        limit(
            "Bytes that all pushes together may take until they count.",
            beyond="A push is answered 429 with `Retry-After`, and nothing of it counts. What was accepted does.",
            ge=1_000_000,
        ),
    ] = 512_000_000
    tls_cert: Annotated[
        Path | None, Meta(description="Certificate in PEM form, those that vouch for it behind it: speak TLS only.")
    ] = None
    tls_key: Annotated[Path | None, Meta(description="Its private key, in PEM form and not encrypted.")] = None


class Clients(Section, frozen=True):
    """What HTTP clients may do."""

    max_connections: Annotated[
        int, limit("Open connections.", beyond="A new one is answered 503 and closed. Those that are there go on.")
    ] = 20_000
    max_target_bytes: Annotated[
        int, limit("Bytes of an address with its query.", beyond="It is answered 414, and the connection ends.", ge=256)
    ] = 8_192
    max_header_bytes: Annotated[
        int, limit("Bytes of the header of a request.", beyond="It is answered 431, and the connection ends.", ge=1024)
    ] = 65_536
    handshake_timeout: Annotated[float, limit("Seconds that TLS may take to begin.", beyond="The connection ends.")] = (
        10.0
    )
    header_timeout: Annotated[
        float,
        limit("Seconds that the header of a request may take.", beyond="It is answered 408, and the connection ends."),
    ] = 20.0
    stall_timeout: Annotated[
        float,
        limit(
            "Seconds without a byte more of a push, or without one more taken of an answer.",
            beyond="The connection ends, and nothing of the push counts.",
        ),
    ] = 30.0
    idle_timeout: Annotated[float, Meta(gt=0, description="Seconds of silence between two requests.")] = 75.0
    max_waiting_bytes: Annotated[
        int,
        limit(
            "Bytes of pushes that have come and wait to be folded.",
            beyond="Whoever has something waiting there is read no further until it is folded.",
            counted="edgetally_http_request_buffered_bytes",
        ),
    ] = 256_000_000
    max_unread_bytes: Annotated[
        int,
        limit(
            "Bytes of large answers that wait for their readers. What many readers are given counts once.",
            beyond="Whoever asks for another large one is answered 503 with `Retry-After`.",
            ge=1_000_000,
        ),
    ] = 512_000_000


class Access(Section, frozen=True):
    """Who may read and push. Once the token file exists, every request needs a token."""

    token_file: Annotated[
        Path | None,
        Meta(
            description="File of the tokens, which `edgetally token new` creates. Default: `tokens.jsonl` in the "
            "journal's directory. A file that is set here must exist."
        ),
    ] = None


class Records(Section, frozen=True):
    """What a record may be, and what holds when it does not say."""

    service_id: Annotated[ServiceId, Meta(description="Service of records that name none.")] = "default"
    pop: Annotated[str, Meta(min_length=1, max_length=64, description="POP of records that name none.")] = "local"
    format: Annotated[
        str, Meta(description="How lines are written, wherever it is not said: a name that `edgetally formats` lists.")
    ] = "canonical"
    weight: Annotated[
        int,
        Meta(
            ge=1,
            le=MAX_WEIGHT,
            description="How many requests a line stands for that does not say so: 10, if the edge logs one in ten.",
        ),
    ] = 1
    max_line: Annotated[
        int,
        limit(
            "Bytes of the longest line.",
            beyond="The line is rejected as `too_long`. Its first 1024 bytes are kept to be looked at.",
            counted=REJECTED,
            ge=1024,
        ),
    ] = 262_144
    max_lateness: Annotated[
        int,
        limit(
            "Seconds before now that a record may lie.", beyond="The line is rejected as `too_old`.", counted=REJECTED
        ),
    ] = 120
    max_ahead: Annotated[
        int,
        Meta(
            ge=0,
            le=60,
            description="Seconds after now that a record may lie.",
            extra_json_schema={"beyond": "The line is rejected as `too_new`.", "counted": REJECTED},
        ),
    ] = 5


class Window(Section, frozen=True):
    """When a second is final, and how many keys it may have. Beyond a limit, the key is `_other`."""

    aggregate_delay: Annotated[
        int, Meta(ge=1, le=60, description="Seconds from the begin of a second until it is sealed.")
    ] = 2
    max_domains: Annotated[
        int,
        limit(
            "Domains per service and second, not counting those that come back.",
            beyond="The domain is `_other`, unless it had its own row in more than one second lately.",
            counted=OVERFLOWED,
        ),
    ] = 10_000
    max_origins: Annotated[
        int, limit("Names of origins per service and second.", beyond="The origin is `_other`.", counted=OVERFLOWED)
    ] = 1_000
    max_origin_ips: Annotated[
        int,
        limit(
            "Pairs of an origin's name and an address per service and second.",
            beyond="The address is `_other`.",
            counted=OVERFLOWED,
        ),
    ] = 10_000
    max_pops: Annotated[
        int, limit("POPs per service and second.", beyond="The POP is `_other`.", counted=OVERFLOWED)
    ] = 1_000
    max_services: Annotated[
        int,
        limit(
            "Services per second, and of the last five minutes.",
            beyond="The service is `_other`, unless it was there before.",
            counted=OVERFLOWED,
        ),
    ] = 10_000

    @property
    def limits(self) -> Limits:
        """How many keys may be kept apart."""
        return Limits(
            domains=self.max_domains,
            origins=self.max_origins,
            addresses=self.max_origin_ips,
            pops=self.max_pops,
            services=self.max_services,
        )


class Shelf(Section, frozen=True):
    """What readers can look back on."""

    keep: Annotated[int, Meta(ge=120, le=86_400, description="Sealed seconds that stay readable.")] = 300
    max_bytes: Annotated[
        int,
        limit(
            "Bytes that all sealed seconds together may take, about.",
            beyond="The oldest go before their time. Nothing that was counted changes.",
            ge=1_000_000,
        ),
    ] = 1_000_000_000
    cache_bytes: Annotated[int, Meta(ge=0, description="Bytes of encoded entries that are kept at hand.")] = 256_000_000


def state_directory() -> str:
    """Return where this user's programs keep what has to outlive them."""
    home = os.environ.get("XDG_STATE_HOME", "")
    # Relative ones are to be ignored: https://specifications.freedesktop.org/basedir/latest/
    return f"{home if home.startswith('/') else '~/.local/state'}/edgetally"


class Journal(Section, frozen=True):
    """Where what was accepted is kept, so that it counts whatever happens next."""

    kind: Annotated[
        Literal["sqlite", "memory"],
        Meta(description="`sqlite`: a file that survives the process and the machine; `memory`: nothing survives."),
    ] = "sqlite"
    data_dir: Annotated[
        str,
        Meta(
            description="Directory of the file, for one process alone. "
            "Empty: `edgetally` in `$XDG_STATE_HOME`, or in `~/.local/state`."
        ),
    ] = ""
    max_bytes: Annotated[
        int,
        Meta(
            ge=0,
            description="Bytes of partials that are kept for a restart. Beyond that it shows fewer past seconds.",
        ),
    ] = 2_000_000_000

    @property
    def directory(self) -> Path:
        """Where the file is, as a whole path."""
        return Path(self.data_dir or state_directory()).expanduser().absolute()


class Rejected(Section, frozen=True):
    """Lines that do not count, kept to be looked at: `rejected.jsonl`, beside the journal."""

    file_bytes: Annotated[
        int,
        Meta(ge=0, description="Bytes of the file, with the one before it, `rejected.jsonl.1`. 0: there is none."),
    ] = 16_000_000


class Metrics(Section, frozen=True):
    """What the server shows of itself at /metrics."""

    services: Annotated[
        int, Meta(ge=0, description="Services that have metrics of their own; all others are `_other`.")
    ] = 100


class Log(Section, frozen=True):
    """What the server says on stderr."""

    format: Annotated[
        Literal["auto", "json", "text"],
        Meta(description="Lines of JSON, or of text for people; `auto` is text on a terminal and JSON elsewhere."),
    ] = "auto"
    level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="What is less important is not logged.")
    ] = "info"
    per_second: Annotated[
        int,
        Meta(
            ge=0,
            description="How often one event of one source is logged in a second, before it is summed up. 0: always.",
        ),
    ] = 10


class Follow(Section, frozen=True):
    """A file that an edge goes on writing."""

    path: Annotated[
        Path, Meta(description="The file. It need not be there yet. A path is taken from where the server is started.")
    ]
    service_id: Annotated[ServiceId | None, Meta(description="Service of its records that name none.")] = None
    pop: Annotated[str | None, Meta(description="POP of its records that name none.")] = None
    format: Annotated[str | None, Meta(description="How its lines are written.")] = None
    weight: Annotated[
        Weight | None, Meta(description="How many requests each of its lines stands for, if sampled.")
    ] = None


class Syslog(Section, frozen=True):
    """Syslog messages whose text is a record."""

    listen: Annotated[str, Meta(description="`udp:HOST:PORT`, `tcp:HOST:PORT` or `unix:/PATH` (datagrams).")]
    service_id: Annotated[ServiceId | None, Meta(description="Service of its records that name none.")] = None
    pop: Annotated[str | None, Meta(description="POP of its records that name none.")] = None
    format: Annotated[str | None, Meta(description="How its records are written.")] = None
    weight: Annotated[
        Weight | None, Meta(description="How many requests each of its lines stands for, if sampled.")
    ] = None


class Sources(Section, frozen=True):
    """Where records come from, besides pushes."""

    follow: Annotated[tuple[Follow, ...], Meta(description="Files to follow, each a table of its own.")] = ()
    syslog: Annotated[tuple[Syslog, ...], Meta(description="Syslog to listen for, each a table of its own.")] = ()
    stdin: Annotated[bool, Meta(description="Read records from standard input.")] = False
    max_syslog_connections: Annotated[
        int,
        limit("Open connections of every `tcp:` listener.", beyond="A new one is closed. Those that are there go on."),
    ] = 1_000


class Config(Section, frozen=True):
    """Everything that an operator can set."""

    api: Api = Api()
    access: Access = Access()
    clients: Clients = Clients()
    records: Records = Records()
    window: Window = Window()
    shelf: Shelf = Shelf()
    journal: Journal = Journal()
    rejected: Rejected = Rejected()
    metrics: Metrics = Metrics()
    log: Log = Log()
    sources: Sources = Sources()

    @property
    def token_file(self) -> Path:
        """Where the tokens are, if there are any."""
        return self.access.token_file or self.journal.directory / "tokens.jsonl"


def load(path: Path) -> dict[str, object]:
    """Read settings from a TOML file as they stand there; raise ConfigError, naming the file."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(str(path), error.strerror or str(error)) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(str(path), str(error)) from error


def check(settings: dict[str, object]) -> Config:
    """Turn plain settings into a Config; raise ConfigError, naming the setting."""
    try:
        return msgspec.convert(settings, Config, dec_hook=_decode)
    except msgspec.ValidationError as error:
        problem, _, where = str(error).partition(" - at `$")
        raise _refusal(where.strip("`").lstrip("."), problem) from error


def _refusal(where: str, problem: str) -> ConfigError:
    """Say what msgspec found in a setting in words that do not need its documentation."""
    if match := re.fullmatch(r"Object contains unknown field `(.*)`", problem, re.DOTALL):
        if (where, match[1]) == ("access", "tokens"):
            # Ignored, they would leave the server open.
            hint = "tokens are kept in a file of their own (access.token_file): make them with `edgetally token new`"
            return ConfigError("access.tokens", hint)
        known = ", ".join(_kind(where).__struct_fields__)
        return ConfigError(f"{where}.{match[1]}".lstrip("."), f"there is no such setting; there are {known}")
    if match := re.fullmatch(r"Object missing required field `(.*)`", problem, re.DOTALL):
        return ConfigError(f"{where}.{match[1]}", "it is missing")
    if match := re.fullmatch(r"Invalid enum value (.*)", problem, re.DOTALL):
        return ConfigError(where, f"{match[1]} is none of {', '.join(get_args(_kind(where)))}")
    for pattern, form in FORMS.items():
        if problem == f"Expected `str` matching regex {pattern!r}":
            return ConfigError(where, f"it has to be {form}")
    return ConfigError(where or "settings", _words(problem))


def _words(problem: str) -> str:
    """Say what kind of thing is expected, and within which bounds."""
    match = re.fullmatch(r"Expected `(\w+)(?: \| null)?`(?:, got `(\w+)`)?(?: (of length )?(>=|<=|>) (\S+))?", problem)
    if not match or match[1] not in KINDS:
        return problem
    kind, got, is_length, bound, value = match.groups()
    if is_length:
        return "it is empty" if bound == ">=" else f"it has more than {value} characters"
    words = f"it has to be {KINDS[kind]}"
    if (kind, got) == ("int", "float"):
        return f"{words}, without a fraction"
    if got:
        return f"{words}, not {KINDS.get(got, got)}"
    return f"{words} {BOUNDS[bound]} {value.removesuffix('.0')}" if bound else words


def _kind(where: str) -> Any:  # noqa: ANN401 - a section, or the type of a setting
    """Return what belongs at a place such as `sources.follow[0]`."""
    kind: Any = Config
    for name in re.findall(r"[a-z_]+", where):
        kind = get_type_hints(kind)[name]
        kind = get_args(kind)[0] if get_origin(kind) is tuple else kind
    return kind


def _decode(kind: type, value: object) -> object:
    if kind is Path:
        if isinstance(value, str):
            return Path(value)
        raise TypeError(f"Expected `str`, got `{type(value).__name__}`")
    raise NotImplementedError(kind)


ADDRESS = re.compile(r"(?:\[([^\[\]]+)\]|([^\[\]:]+)):([0-9]{1,5})")
MAX_PORT = 65_535


def address(listen: str) -> tuple[str, int]:
    """Take `host:port` apart; raise ConfigError when it is something else."""
    match = ADDRESS.fullmatch(listen)
    if not match or int(match[3]) > MAX_PORT:
        raise ConfigError("api.listen", f"{listen!r} is no address and port, such as 127.0.0.1:8480 or [::1]:8480")
    return match[1] or match[2], int(match[3])
