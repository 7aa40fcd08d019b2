"""Settings: described, checked, and reachable from the command line."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgetally.cli.flags import settings
from edgetally.cli.main import parser
from edgetally.config import Config, Follow, Syslog, address, check, load
from edgetally.errors import ConfigError
from tests.support.pages import schema

SECTIONS = schema()


def test_every_setting_is_described() -> None:
    undescribed = [
        f"{name}.{setting}"
        for name, section in SECTIONS.items()
        for setting, schema in section["properties"].items()
        if "description" not in schema and "$ref" not in str(schema)
    ]

    assert undescribed == []


def test_every_section_is_described() -> None:
    assert [name for name, section in SECTIONS.items() if not section.get("description")] == []


def test_every_setting_has_a_default() -> None:
    assert check({}) == Config()
    assert [name for name, section in SECTIONS.items() if section.get("required", [])] == ["Follow", "Syslog"]


@pytest.mark.parametrize(
    ("given", "where", "problem"),
    [
        pytest.param(
            {"api": {"lisen": ":1"}}, "api.lisen", "no such setting; there are listen, ", id="a setting with a typo"
        ),
        pytest.param({"apu": {}}, "apu", "no such setting; there are api, ", id="a section with a typo"),
        pytest.param(
            {"sources": {"follow": [{"path": "a"}, {"path": "b", "popp": "x"}]}},
            *("sources.follow[1].popp", "no such setting; there are path, "),
            id="a typo in a list",
        ),
        pytest.param(
            {"sources": {"follow": [{}]}}, "sources.follow[0].path", "it is missing", id="a file without a path"
        ),
        pytest.param({"api": 1}, "api", "it has to be a table, not a whole number", id="a section that is none"),
        pytest.param(
            {"api": {"listen": 8480}}, "api.listen", "it has to be text, not a whole number", id="a port alone"
        ),
        pytest.param({"api": {"poll_timeout": "40"}}, "api.poll_timeout", "a number, not text", id="a number as text"),
        pytest.param({"api": {"poll_timeout": 0}}, "api.poll_timeout", "a number above 0", id="no patience at all"),
        pytest.param(
            {"window": {"aggregate_delay": 0}},
            "window.aggregate_delay",
            "it has to be a whole number of at least 1",
            id="sealed at once",
        ),
        pytest.param(
            {"window": {"aggregate_delay": 2.5}}, "window.aggregate_delay", "without a fraction", id="half a second"
        ),
        pytest.param(
            {"window": {"aggregate_delay": True}},
            "window.aggregate_delay",
            "a whole number, not true or false",
            id="true is no number",
        ),
        pytest.param({"shelf": {"keep": 119}}, "shelf.keep", "at least 120", id="less than ts/h shows"),
        pytest.param(
            {"records": {"service_id": "a b"}}, "records.service_id", "1 to 64 letters", id="a service id with a blank"
        ),
        pytest.param(
            {"records": {"service_id": "a\n"}}, "records.service_id", "1 to 64 letters", id="... with a newline"
        ),
        pytest.param(
            {"records": {"service_id": "x" * 65}}, "records.service_id", "1 to 64 letters", id="... that is too long"
        ),
        pytest.param({"records": {"pop": ""}}, "records.pop", "it is empty", id="a POP without a name"),
        pytest.param({"records": {"pop": "x" * 65}}, "records.pop", "more than 64 characters", id="a long POP"),
        pytest.param({"api": {"tls_key": 7}}, "api.tls_key", "it has to be text, not a whole number", id="no path"),
        pytest.param(
            {"sources": {"follow": [{"path": "a", "weight": "x"}]}},
            *("sources.follow[0].weight", "it has to be a whole number, not text"),
            id="a weight as text",
        ),
        pytest.param(
            {"sources": {"follow": "access.log"}},
            "sources.follow",
            "it has to be a list, not text",
            id="a file instead of files",
        ),
    ],
)
def test_what_is_wrong_is_named(given: dict[str, object], where: str, problem: str) -> None:
    with pytest.raises(ConfigError) as raised:
        check(given)

    assert raised.value.where == where
    assert problem in raised.value.problem
    assert str(raised.value) == f"{where}: {raised.value.problem}"


def test_settings_never_change() -> None:
    with pytest.raises(AttributeError):
        check({}).api.listen = "0.0.0.0:80"  # type: ignore[misc]


def test_where_the_journal_is_is_a_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert check({"journal": {"data_dir": "here"}}).journal.directory == tmp_path / "here"


# --- the file ------------------------------------------------------------------------------------------------------


def test_a_settings_file_is_toml(tmp_path: Path) -> None:
    path = tmp_path / "edgetally.toml"
    path.write_text(
        """
        [api]
        listen = "[::1]:9000"
        poll_timeout = 5 # seconds

        [records]
        pop = "Zürich"

        [[sources.follow]]
        path = "/var/log/nginx/access.log"
        service_id = "shop"
        """,
        "utf-8",
    )

    config = check(load(path))

    assert (config.api.listen, config.api.poll_timeout, config.records.pop) == ("[::1]:9000", 5.0, "Zürich")
    assert config.sources.follow == (Follow(path=Path("/var/log/nginx/access.log"), service_id="shop"),)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(None, "No such file or directory", id="it is not there"),
        pytest.param(b"[api\n", "line 1", id="it is no TOML"),
        pytest.param(b"[api]\nlisten = 1\n[api]\n", "line 3", id="a section twice"),
        pytest.param(b"[api]\nlisten = '\xff'\n", "utf-8", id="it is no UTF-8"),
    ],
)
def test_a_settings_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None, problem: str) -> None:
    path = tmp_path / "edgetally.toml"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ConfigError, match=problem) as raised:
        load(path)

    assert raised.value.where == str(path)


# --- flags ---------------------------------------------------------------------------------------------------------

FLAGS: dict[str, tuple[str, str, object]] = {
    "--listen": ("127.0.0.1:9", "api.listen", "127.0.0.1:9"),
    "--allow-anonymous": ("", "api.allow_anonymous", True),
    "--tls-cert": ("flag.pem", "api.tls_cert", Path("flag.pem")),
    "--tls-key": ("flag.key", "api.tls_key", Path("flag.key")),
    "--token-file": ("flag.jsonl", "access.token_file", Path("flag.jsonl")),
    "--aggregate-delay": ("7", "window.aggregate_delay", 7),
    "--poll-timeout": ("1.5", "api.poll_timeout", 1.5),
    "--service-id": ("flag", "records.service_id", "flag"),
    "--pop": ("FLG", "records.pop", "FLG"),
    "--format": ("caddy", "records.format", "caddy"),
    "--weight": ("10", "records.weight", 10),
    "--follow": ("flag.log", "sources.follow", (Follow(path=Path("flag.log")),)),
    "--syslog": ("udp:127.0.0.1:0", "sources.syslog", (Syslog(listen="udp:127.0.0.1:0"),)),
    "--log-format": ("json", "log.format", "json"),
    "--log-level": ("debug", "log.level", "debug"),
    "--journal": ("memory", "journal.kind", "memory"),
    "--data-dir": ("/flag", "journal.data_dir", "/flag"),
    "--stdin": ("", "sources.stdin", True),
}
"""Every flag of `serve` that is a setting: what is given, the setting, and what it is then."""

OTHER_FLAGS = {"--config", "--help"}


def serve(*flags: str) -> Config:
    return settings(parser().parse_args(["serve", *flags]))


def get(config: Config, setting: str) -> Any:  # noqa: ANN401 - settings are of any type
    section, name = setting.split(".")
    return getattr(getattr(config, section), name)


def test_every_flag_of_serve_has_its_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["serve", "--help"])
    flags = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))

    assert flags - OTHER_FLAGS == set(FLAGS)


@pytest.mark.parametrize("flag", FLAGS)
def test_a_flag_sets_its_setting_and_no_other(flag: str) -> None:
    value, setting, expected = FLAGS[flag]

    config = serve(*(flag, value) if value else (flag,))

    section, name = setting.split(".")
    assert get(config, setting) == expected != get(Config(), setting)
    untouched = msgspec.structs.replace(getattr(config, section), **{name: get(Config(), setting)})
    assert msgspec.structs.replace(config, **{section: untouched}) == Config()


@pytest.mark.parametrize("flag", FLAGS.keys() - {"--allow-anonymous", "--stdin", "--follow", "--syslog"})
def test_a_flag_wins_over_the_file(flag: str, tmp_path: Path) -> None:
    path = tmp_path / "edgetally.toml"
    path.write_text(
        """
        api.listen = "127.0.0.1:1"
        api.poll_timeout = 2
        api.max_push_bytes = 3
        api.tls_cert = "file.pem"
        api.tls_key = "file.key"
        window.aggregate_delay = 4
        records.service_id = "file"
        records.pop = "FIL"
        """
    )
    value, setting, expected = FLAGS[flag]

    config = serve("--config", str(path), flag, value)

    assert get(config, setting) == expected
    assert config.api.max_push_bytes == 3
    of_file = check(load(path))
    assert [other for _, other, _ in FLAGS.values() if get(config, other) != get(of_file, other)] == [setting]


def test_files_to_follow_come_from_the_file_and_from_flags(tmp_path: Path) -> None:
    path = tmp_path / "edgetally.toml"
    path.write_text('[[sources.follow]]\npath = "1.log"\npop = "AMS"\n')

    config = serve("--config", str(path), "--follow", "2.log", "--follow", "3.log")

    assert config.sources.follow == (
        Follow(path=Path("1.log"), pop="AMS"),
        Follow(path=Path("2.log")),
        Follow(path=Path("3.log")),
    )


@pytest.mark.parametrize("broken", ["sources = 1", "sources.follow = 1", "sources.follow = 'a.log'", "api = 'x'"])
def test_a_broken_file_is_named_whatever_the_flags_say(broken: str, tmp_path: Path) -> None:
    path = tmp_path / "edgetally.toml"
    path.write_text(broken)

    with pytest.raises(ConfigError, match=broken.split(" ", maxsplit=1)[0]):
        serve("--config", str(path), "--follow", "2.log", "--stdin", "--listen", "127.0.0.1:1")


def test_other_commands_have_only_the_flags_that_mean_something_there(capsys: pytest.CaptureFixture[str]) -> None:
    found = {}
    for command in ("fold", "demo"):
        with pytest.raises(SystemExit):
            parser().parse_args([command, "--help"])
        found[command] = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}

    assert found == {
        "fold": {"--config", "--service-id", "--pop", "--format", "--weight", "--threads"},
        "demo": {"--listen"},
    }


def test_fold_takes_its_defaults_like_serve_does() -> None:
    config = settings(parser().parse_args(["fold", "--service-id", "shop", "--pop", "AMS", "a.log"]))

    assert (config.records.service_id, config.records.pop) == ("shop", "AMS")


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


@pytest.mark.parametrize("listen", ["", "8480", ":8480", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536"])
def test_what_is_no_address_and_port_is_named(listen: str) -> None:
    with pytest.raises(ConfigError) as raised:
        address(listen)

    assert raised.value.where == "api.listen"
    assert repr(listen) in raised.value.problem


@pytest.mark.parametrize("listen", ["::1:8480", "[::1:8480", "127.0.0.1:²", "127.0.0.1:-1", "[]:80"])
def test_what_looks_like_an_address_and_a_port_but_is_none(listen: str) -> None:
    with pytest.raises(ConfigError):
        address(listen)
