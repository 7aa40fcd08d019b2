"""Flags: made from the declarations of settings, and read with the environment and a file."""

import re
from pathlib import Path
from typing import Any

import pytest

from edgetally.cli.commands import parser
from edgetally.cli.flags import given
from edgetally.cli.main import main
from edgetally.config.given import load
from edgetally.config.sections import SETTINGS, Config, FollowSettings, SyslogSettings
from edgetally.config.validation import check
from edgetally.errors import ConfigError

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
    "--follow": ("flag.log", "sources.follow", (FollowSettings(path=Path("flag.log")),)),
    "--syslog": ("udp:127.0.0.1:0", "sources.syslog", (SyslogSettings(listen="udp:127.0.0.1:0"),)),
    "--log-format": ("json", "log.format", "json"),
    "--log-level": ("debug", "log.level", "debug"),
    "--journal": ("memory", "journal.kind", "memory"),
    "--data-dir": ("/flag", "journal.data_dir", "/flag"),
    "--partitions": ("6", "journal.partitions", 6),
    "--stdin": ("", "sources.stdin", True),
}
"""Every flag of `serve` that is a setting: what is given, the setting, and what it is then."""

ROLE = ("--role", "node.role")
"""The flag that has a meaning only with a journal that nodes share."""

OTHER_FLAGS = {"--config", "--help", ROLE[0]}


def settings(*command: str) -> Config:
    return given(parser().parse_args(command)).config()


def serve(*flags: str) -> Config:
    # A certificate and its key go together.
    missing = {"--tls-cert": ["--tls-key", "x.key"], "--tls-key": ["--tls-cert", "x.pem"]}
    return settings(
        "serve", *flags, *(one for flag in flags if "--config" not in flags for one in missing.get(flag, []))
    )


def get(config: Config, setting: str) -> Any:  # noqa: ANN401 - settings are of any type
    section, name = setting.split(".")
    return getattr(getattr(config, section), name)


def help_of(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit):
        parser().parse_args([*command.split(), "--help"])
    return capsys.readouterr().out


def flags_of(command: str, capsys: pytest.CaptureFixture[str]) -> set[str]:
    return set(re.findall(r"(?<![\w-])--[a-z-]+", help_of(command, capsys)))


def test_every_flag_of_serve_has_its_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert flags_of("serve", capsys) - OTHER_FLAGS == set(FLAGS)
    assert {one.flag.name: path for path, one in SETTINGS.items() if one.flag} == {
        flag: setting for flag, (_, setting, _) in (*FLAGS.items(), (ROLE[0], ("", ROLE[1], "")))
    }


def test_a_role_goes_with_a_shared_journal_only() -> None:
    assert serve("--journal", "kafka://b1/topic", "--role", "read").node.role == "read"
    with pytest.raises(ConfigError, match="expected all, got read: roles need --journal kafka://"):
        serve("--role", "read")


@pytest.mark.parametrize("flag", FLAGS)
def test_a_flag_sets_its_setting_and_no_other(flag: str) -> None:
    value, setting, expected = FLAGS[flag]

    config = serve(*(flag, value) if value else (flag,))

    section, name = setting.split(".")
    assert get(config, setting) == expected != get(Config(), setting)
    untouched = getattr(config, section).replace(**{name: get(Config(), setting)})
    if section == "api":
        untouched = untouched.replace(tls_cert=None, tls_key=None)
    assert config.replace(**{section: untouched}) == Config()


@pytest.mark.parametrize("flag", sorted(FLAGS.keys() - {"--allow-anonymous", "--stdin", "--follow", "--syslog"}))
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


def test_other_commands_have_only_the_flags_that_mean_something_there(capsys: pytest.CaptureFixture[str]) -> None:
    records = {"--config", "--service-id", "--pop", "--format", "--weight"}

    assert {
        command: flags_of(command, capsys) - {"--help"} for command in ("fold", "explain", "demo", "token list")
    } == {
        "fold": {*records, "--threads"},
        "explain": {*records, "--lines", "--as"},
        "demo": {"--listen"},
        "token list": {"--config", "--token-file", "--data-dir"},
    }


def test_fold_takes_its_defaults_like_serve_does() -> None:
    config = settings("fold", "--service-id", "shop", "--pop", "AMS", "a.log")

    assert (config.records.service_id, config.records.pop) == ("shop", "AMS")


def test_the_help_shows_the_default_of_the_declaration(capsys: pytest.CaptureFixture[str]) -> None:
    shown = re.sub(r"\s+", " ", help_of("serve", capsys))

    assert "address and port to listen on (default 127.0.0.1:8480)" in shown
    assert "seconds between the start of a second and its seal (default 2)" in shown
    assert "POP of records that name none (default local)" in shown
    assert "answers with none (default 40)" in shown
    assert "--log-level debug|info|warning|error" in shown


# --- the environment -----------------------------------------------------------------------------------------------


def test_a_variable_is_read_by_commands_that_read_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGETALLY_RECORDS__POP", "ENV")

    assert settings("serve").records.pop == "ENV"
    assert settings("fold").records.pop == "ENV"
    assert settings("fold", "--pop", "FLG").records.pop == "FLG"
    assert settings("demo").records.pop == "local"


def test_a_variable_names_the_file_where_no_flag_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("flag", "variable"):
        (tmp_path / name).write_text(f"records.pop = '{name}'")
    monkeypatch.setenv("EDGETALLY_CONFIG", str(tmp_path / "variable"))

    assert settings("serve").records.pop == "variable"
    assert settings("serve", "--config", str(tmp_path / "flag")).records.pop == "flag"
    assert settings("demo").records.pop == "local"


# --- errors --------------------------------------------------------------------------------------------------------


def test_a_flag_that_is_wrong_is_named_and_not_its_setting() -> None:
    with pytest.raises(ConfigError, match=r"^--weight: expected an integer from 1 to 4294967296, got '0'$"):
        settings("serve", "--weight", "0")


@pytest.mark.parametrize("flags", [["--pop", "AMS"], ["--weight", "2", "--follow", "a.log"]], ids=len)
def test_a_file_in_which_something_is_wrong_is_named_with_its_setting(flags: list[str], tmp_path: Path) -> None:
    path = tmp_path / "edgetally.toml"
    path.write_text("[records]\nweight = 3\n[[sources.syslog]]\nlisten = 5514\n")

    with pytest.raises(ConfigError) as raised:
        settings("serve", "--config", str(path), *flags)

    assert str(raised.value) == (
        f"{path}: sources.syslog[0].listen: expected udp:HOST:PORT, tcp:HOST:PORT or unix:/PATH, got the integer 5514"
    )


def test_a_command_names_no_flag_that_it_does_not_have(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "edgetally.toml"
    path.write_text("api.listen = 7\n")

    assert main(["fold", "--config", str(path)]) == 2

    assert re.fullmatch(rf"edgetally: {path}: api\.listen: .*\n", capsys.readouterr().err)


def test_each_thing_that_is_wrong_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--listen", "8480", "--log-level", "loud"]) == 2

    assert capsys.readouterr().err == (
        "edgetally: --listen: expected HOST:PORT or [IPv6]:PORT, got '8480'\n"
        "edgetally: --log-level: must be one of: debug, info, warning, error (got 'loud')\n"
    )
