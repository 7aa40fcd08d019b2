"""Settings as they are declared: described, bounded, and with a default."""

from pathlib import Path

import pytest

from edgetally.config.declaration import Setting, declared
from edgetally.config.sections import (
    NAMED_TABLES,
    SECTIONS,
    SETTINGS,
    ClientsSettings,
    Config,
    FollowSettings,
    SyslogSettings,
)
from edgetally.config.server_forms import address
from edgetally.config.validation import check
from edgetally.errors import ConfigError
from edgetally.http.server import Limits

TABLES = {one.path: one.table for one in SETTINGS.values() if one.table}

NAMED = {path: one.named_table for path, one in NAMED_TABLES.items() if one.named_table}

DECLARED = [*SETTINGS.values(), *(one for path, table in (TABLES | NAMED).items() for one in declared(path, table))]


def test_every_setting_is_described() -> None:
    assert [one.path for one in DECLARED if not one.description.endswith(".")] == []


def test_every_section_is_described() -> None:
    sections = [*SECTIONS.values(), *TABLES.values(), *NAMED.values()]

    assert [one.__name__ for one in sections if not (one.__doc__ or "").endswith(".")] == []


def test_every_setting_has_a_default() -> None:
    assert check({}) == Config()
    assert [one.path for one in DECLARED if one.is_required] == ["sources.follow.path", "sources.syslog.listen"]
    assert list(TABLES.values()) == [FollowSettings, SyslogSettings]


def test_every_default_is_a_value_that_could_be_given() -> None:
    for name, section in SECTIONS.items():
        given = {one.name: one.default for one in declared(name, section) if one.default not in (None, ())}
        assert getattr(check({name: given}), name) == section()
    for name, table in NAMED.items():
        given = {one.name: one.default for one in declared(name, table) if one.default is not None}
        assert getattr(check({name: {"a": given}}), name) == {"a": table()}


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("window.aggregate_delay", "an integer from 1 to 60"),
        ("records.max_line", "an integer of at least 1024"),
        ("api.poll_timeout", "a number above 0, at most 3600"),
        ("api.error_delay", "a number from 0 to 60"),
        ("clients.idle_timeout", "a number above 0"),
        ("api.allow_anonymous", "true or false"),
        ("api.tls_cert", "a path"),
        ("journal.data_dir", "a string"),
        ("journal.kind", "sqlite, memory or kafka://HOST:PORT[,HOST:PORT]/TOPIC"),
        ("records.service_id", "1 to 64 letters, digits, - and _"),
        ("records.weight", "an integer from 1 to 4294967296"),
        ("sources.follow", "a list of tables"),
        ("services", "tables by name"),
    ],
)
def test_a_type_is_described_with_its_bounds(path: str, words: str) -> None:
    assert SETTINGS[path].words == words


@pytest.mark.parametrize("setting", DECLARED, ids=lambda one: one.path)
def test_no_description_of_a_type_shows_a_pattern(setting: Setting) -> None:
    assert not set(setting.words) & set("^$\\?")


def test_settings_never_change() -> None:
    with pytest.raises(AttributeError):
        check({}).api.listen = "0.0.0.0:80"  # type: ignore[misc]


def test_the_directory_of_the_journal_is_an_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert check({"journal": {"data_dir": "here"}}).journal.directory == tmp_path / "here"


HOME = {
    "journal": {"data_dir": "~/data"},
    "api": {"tls_cert": "~/a.pem", "tls_key": "~/a.key"},
    "access": {"token_file": "~/tokens"},
    "sources": {"follow": [{"path": "~/logs/*.log"}]},
}


def test_paths_may_start_in_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    config = check(HOME)

    assert config.journal.directory == tmp_path / "data"
    assert (config.api.tls_cert, config.api.tls_key) == (tmp_path / "a.pem", tmp_path / "a.key")
    assert config.token_file == tmp_path / "tokens"
    assert config.sources.follow[0].path == tmp_path / "logs" / "*.log"


def test_without_a_home_directory_the_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    # As in a container whose user is only a number.
    monkeypatch.setattr(Path, "expanduser", missing_home)

    with pytest.raises(ConfigError) as raised:
        check({name: HOME[name] for name in ("api", "access", "sources")})
    assert [one.where for one in raised.value.each()] == [
        *("api.tls_cert", "api.tls_key", "access.token_file", "sources.follow[0].path")
    ]
    with pytest.raises(ConfigError, match=r"^journal.data_dir: '~/data': there is no such home directory"):
        check({"journal": HOME["journal"]}).journal.directory  # noqa: B018 - it raises


def missing_home(_: Path) -> Path:
    raise RuntimeError("Could not determine home directory.")


def test_the_tokens_are_beside_the_journal_unless_set() -> None:
    assert check({"journal": {"data_dir": "/data"}}).token_file == Path("/data/tokens.jsonl")
    assert check({"access": {"token_file": "/etc/tokens"}}).token_file == Path("/etc/tokens")


# --- addresses -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        ("127.0.0.1:8480", ("127.0.0.1", 8480)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:65535", ("::1", 65_535)),
        ("0.0.0.0:80", ("0.0.0.0", 80)),
    ],
)
def test_an_address_and_a_port(listen: str, expected: tuple[str, int]) -> None:
    assert address(listen) == expected
    assert check({"api": {"listen": listen}}).api.address == expected


@pytest.mark.parametrize("listen", ["", "8480", ":8480", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536"])
def test_an_invalid_address_is_named(listen: str) -> None:
    with pytest.raises(ConfigError) as raised:
        address(listen)

    assert raised.value.where == "api.listen"
    assert repr(listen) in raised.value.problem


@pytest.mark.parametrize("listen", ["::1:8480", "[::1:8480", "127.0.0.1:²", "127.0.0.1:-1", "[]:80"])
def test_almost_an_address_is_invalid_too(listen: str) -> None:
    with pytest.raises(ConfigError):
        address(listen)


def test_the_http_server_has_the_same_defaults() -> None:
    assert Limits() == Limits(**ClientsSettings().values())
