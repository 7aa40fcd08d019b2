"""Settings from flags, variables and files: which of them wins, and what a wrong one is called."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from edgetally.config.given import Given, load
from edgetally.config.sections import SETTINGS, Config, FollowSettings, SyslogSettings
from edgetally.config.validation import check
from edgetally.config.variables import VARIABLES
from edgetally.errors import ConfigError

FLAGS: dict[str, object] = dict.fromkeys(path for path, one in SETTINGS.items() if one.flag)
"""Of a command that has all, and was given none."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "edgetally.toml"


def given(
    flags: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Given:
    return Given(flags=FLAGS | dict(flags or {}), environment=environment or {}, file=file)


# --- the file ------------------------------------------------------------------------------------------------------


def test_a_settings_file_is_toml(path: Path) -> None:
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
    assert config.sources.follow == (FollowSettings(path=Path("/var/log/nginx/access.log"), service_id="shop"),)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(None, "No such file or directory", id="missing"),
        pytest.param(b"[api\n", "line 1", id="not TOML"),
        pytest.param(b"x = " + b"9" * 5000, "expected integers of at most 4300 digits", id="a long integer"),
        pytest.param(b"[api]\nlisten = 1\n[api]\n", "line 3", id="a section twice"),
        pytest.param(b"[api]\nlisten = '\xff'\n", "utf-8", id="not UTF-8"),
    ],
)
def test_a_settings_file_that_cannot_be_read_is_named(path: Path, content: bytes | None, problem: str) -> None:
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ConfigError, match=problem) as raised:
        given(file=path).config()

    assert raised.value.where == str(path)


def test_a_file_may_start_with_a_byte_order_mark(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbf[records]\r\npop = 'AMS'\r\n")

    assert given(file=path).config().records.pop == "AMS"


def test_a_file_is_read_anew_each_time(path: Path) -> None:
    path.write_text("records.pop = 'A'")
    settings = given(file=path)
    assert settings.config().records.pop == "A"

    path.write_text("records.pop = 'B'")

    assert settings.config().records.pop == "B"


# --- environment variables -----------------------------------------------------------------------------------------


def test_a_variable_is_named_after_its_section_and_setting() -> None:
    assert {variable: one.path for variable, one in VARIABLES.items()} == {
        f"EDGETALLY_{path.replace('.', '__').upper()}": path for path in SETTINGS
    }


@pytest.mark.parametrize(
    ("variable", "text", "setting", "expected"),
    [
        ("EDGETALLY_API__LISTEN", "127.0.0.1:9", "api.listen", "127.0.0.1:9"),
        ("EDGETALLY_API__ALLOW_ANONYMOUS", "true", "api.allow_anonymous", True),
        ("EDGETALLY_API__POLL_TIMEOUT", "1.5", "api.poll_timeout", 1.5),
        ("EDGETALLY_API__MAX_PUSH_BYTES", "7", "api.max_push_bytes", 7),
        ("EDGETALLY_API__MAX_PUSH_BYTES", "", "api.max_push_bytes", 100_000_000),
        ("EDGETALLY_RECORDS__POP", "42", "records.pop", "42"),
        ("EDGETALLY_LOG__LEVEL", "debug", "log.level", "debug"),
        ("EDGETALLY_SOURCES__FOLLOW", '[{path = "a.log"}]', "sources.follow", (FollowSettings(path=Path("a.log")),)),
        ("EDGETALLY_SOURCES__FOLLOW", '[{"path": "a.log"}]', "sources.follow", (FollowSettings(path=Path("a.log")),)),
        (
            "EDGETALLY_SOURCES__SYSLOG",
            '[{listen = "udp:[::1]:1", weight = 2}]',
            *("sources.syslog", (SyslogSettings(listen="udp:[::1]:1", weight=2),)),
        ),
        ("EDGETALLY_SOURCES__SYSLOG", "[]", "sources.syslog", ()),
    ],
)
def test_a_variable_sets_its_setting(variable: str, text: str, setting: str, expected: object) -> None:
    config = given(environment={variable: text}).config()

    section, name = setting.split(".")
    assert getattr(getattr(config, section), name) == expected


def test_a_variable_sets_tables_by_name() -> None:
    config = given(
        environment={
            "EDGETALLY_SERVICES": '{shop = {name = "Web shop"}}',
            "EDGETALLY_POPS": '{"Zürich West": {"region": "EU-Central"}}',
        }
    ).config()

    assert config.services["shop"].name == "Web shop"
    assert config.pops["Zürich West"].region == "EU-Central"


@pytest.mark.parametrize(
    ("text", "where", "problem"),
    [
        ("shop", "EDGETALLY_SERVICES", "expected tables by name in JSON or TOML, got 'shop'"),
        ("[]", "EDGETALLY_SERVICES", "expected tables by name, got a list"),
        ("{shop = {nam = 1}}", "EDGETALLY_SERVICES.shop.nam", "unknown setting (expected one of: name, type, comment)"),
    ],
)
def test_a_variable_of_tables_that_is_wrong_is_named(text: str, where: str, problem: str) -> None:
    with pytest.raises(ConfigError) as raised:
        given(environment={"EDGETALLY_SERVICES": text}).config()

    assert (raised.value.where, raised.value.problem) == (where, problem)


def test_a_variable_replaces_the_tables_of_the_file(path: Path) -> None:
    path.write_text("[services.blog]\nname = 'Blog'\n")
    environment = {"EDGETALLY_SERVICES": '{"blog": {"nam": ""}}'}

    with pytest.raises(ConfigError, match=r"^EDGETALLY_SERVICES\.blog\.nam: unknown setting"):
        given(file=path, environment=environment).config()

    path.write_text("[services.blog]\nnam = 'Blog'\n")
    with pytest.raises(ConfigError, match=rf"^{path}: services\.blog\.nam: unknown setting"):
        given(file=path).config()


def test_variables_of_others_are_left_alone() -> None:
    others = {
        "API__LISTEN": "x",
        "EDGETALLY_CONFIG": "nowhere.toml",
        "EDGETALLY_REWRITE": "1",
        "EDGETALLY_EXAMPLES": "300",
        "EDGETALLY_REQUIRE_SERVERS": "1",
        # What Kubernetes sets where there are services called edgetally and edgetally-api.
        "EDGETALLY_SERVICE_HOST": "10.0.0.1",
        "EDGETALLY_PORT_8480_TCP": "tcp://10.0.0.1:8480",
        "EDGETALLY_API_SERVICE_PORT": "8480",
    }

    assert given(environment=others).config() == Config()


@pytest.mark.parametrize(
    ("variable", "text", "problem"),
    [
        ("EDGETALLY_API__LISEN", "x", "unknown setting (did you mean EDGETALLY_API__LISTEN"),
        ("EDGETALLY_API_LISTEN", "x", "unknown setting (did you mean EDGETALLY_API__LISTEN?)"),
        ("EDGETALLY_LISTEN", "x", "unknown setting (did you mean EDGETALLY_API__LISTEN?)"),
        ("EDGETALLY_DATA_DIR", "x", "unknown setting (did you mean EDGETALLY_JOURNAL__DATA_DIR?)"),
        ("EDGETALLY_API_MAX_PUSH__BYTES", "x", "unknown setting (did you mean EDGETALLY_API__MAX_PUSH_BYTES"),
        ("EDGETALLY_X__Y", "x", "unknown setting (expected EDGETALLY_SECTION__SETTING)"),
        ("EDGETALLY_WINDOW__AGGREGATE_DELAY", "two", "expected an integer from 1 to 60, got 'two'"),
        ("EDGETALLY_WINDOW__AGGREGATE_DELAY", "61", "expected an integer from 1 to 60, got '61'"),
        ("EDGETALLY_API__ALLOW_ANONYMOUS", "maybe", "expected true or false, got 'maybe'"),
        ("EDGETALLY_LOG__LEVEL", "loud", "must be one of: debug, info, warning, error (got 'loud')"),
        ("EDGETALLY_SOURCES__FOLLOW", "a.log", "expected a list of tables in JSON or TOML, got 'a.log'"),
        (
            "EDGETALLY_SOURCES__FOLLOW",
            '"a.log"',
            "expected a list of tables such as [{path = \"…\"}], got the string 'a.log'",
        ),
    ],
)
def test_a_wrong_variable_is_named(variable: str, text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as raised:
        given(environment={variable: text}).config()

    assert raised.value.where == variable
    assert raised.value.problem.startswith(problem)


def test_a_table_in_a_variable_is_named_by_its_place() -> None:
    with pytest.raises(ConfigError) as raised:
        given(environment={"EDGETALLY_SOURCES__FOLLOW": '[{path = "a"}, {}]'}).config()

    assert str(raised.value) == "EDGETALLY_SOURCES__FOLLOW[1].path: missing"


# --- which of them wins --------------------------------------------------------------------------------------------


def test_flags_win_over_variables_and_these_over_the_file(path: Path) -> None:
    path.write_text("[records]\npop = 'file'\nservice_id = 'file'\nweight = 3\n")
    environment = {"EDGETALLY_RECORDS__POP": "variable", "EDGETALLY_RECORDS__SERVICE_ID": "variable"}

    records = given({"records.pop": "flag"}, environment, path).config().records

    assert (records.pop, records.service_id, records.weight) == ("flag", "variable", 3)


def test_flags_that_can_be_repeated_add_to_the_file(path: Path) -> None:
    path.write_text('[[sources.follow]]\npath = "1.log"\npop = "AMS"\n')

    config = given({"sources.follow": ["2.log", "3.log"]}, file=path).config()

    assert config.sources.follow == (
        FollowSettings(path=Path("1.log"), pop="AMS"),
        FollowSettings(path=Path("2.log")),
        FollowSettings(path=Path("3.log")),
    )


def test_a_list_in_a_variable_replaces_that_of_the_file_and_flags_add_to_it(path: Path) -> None:
    path.write_text('[[sources.follow]]\npath = "1.log"\n')
    environment = {"EDGETALLY_SOURCES__FOLLOW": '[{path = "2.log"}]'}

    config = given({"sources.follow": ["3.log"]}, environment, path).config()

    assert [str(one.path) for one in config.sources.follow] == ["2.log", "3.log"]


@pytest.mark.parametrize("broken", ["sources = 1", "sources.follow = 1", "sources.follow = 'a.log'", "api = 'x'"])
def test_a_broken_file_is_named_whatever_the_flags_say(broken: str, path: Path) -> None:
    path.write_text(broken)
    flags = {"sources.follow": ["2.log"], "sources.stdin": True, "api.listen": "127.0.0.1:1"}

    with pytest.raises(ConfigError, match=f"^{path}: {broken.split(' ', maxsplit=1)[0]}: "):
        given(flags, file=path).config()


# --- what a wrong setting is called --------------------------------------------------------------------------------


def test_everything_that_is_wrong_is_named_as_it_was_given(path: Path) -> None:
    path.write_text("[records]\nweight = 0\npop = ''\n[[sources.follow]]\npath = 'a'\nformat = 'x'\n")
    environment = {"EDGETALLY_RECORDS__POP": "\t", "EDGETALLY_LOG__LEVL": "x"}

    with pytest.raises(ConfigError) as raised:
        given({"api.listen": "8480", "sources.follow": ["b", "b"]}, environment, path).config()

    assert [one.where for one in raised.value.each()] == [
        "EDGETALLY_LOG__LEVL",
        "--listen",
        "EDGETALLY_RECORDS__POP",
        f"{path}: records.weight",
        f"{path}: sources.follow[0].format",
    ]


def test_a_file_that_two_flags_name_is_an_error_of_the_flag() -> None:
    with pytest.raises(ConfigError, match=r"^--follow: a is followed twice"):
        given({"sources.follow": ["a", "a"]}).config()


@pytest.mark.parametrize(
    ("where", "flags", "called"),
    [
        pytest.param("api.listen", {"api.listen": "[::1]:1"}, "--listen", id="given"),
        pytest.param("api.listen", {}, "--listen", id="the default"),
        pytest.param("api.listen", {"file": "FILE"}, "FILE: api.listen", id="in the file"),
        pytest.param(
            "api.listen", {"file": "FILE", "api.listen": "[::1]:1"}, "--listen", id="a flag wins over the file"
        ),
        pytest.param("journal.data_dir", {"file": "FILE"}, "journal.data_dir", id="not in the file"),
        pytest.param("sources.follow", {"sources.follow": ["a", "b"]}, "--follow", id="of a list"),
        pytest.param("sources.follow[1]", {"sources.follow": ["a", "b"]}, "--follow", id="one of a list"),
        pytest.param(
            "sources.syslog",
            {"file": "FILE", "sources.syslog": ["unix:/x"]},
            "--syslog",
            id="not in the file's list",
        ),
        pytest.param(
            "sources.follow",
            {"file": "FILE", "sources.follow": ["b"]},
            "FILE: sources.follow",
            id="in one or the other",
        ),
        pytest.param(
            "sources.follow[0].path",
            {"file": "FILE", "sources.follow": ["b"]},
            "FILE: sources.follow[0].path",
            id="in the file's list",
        ),
        pytest.param("sources.follow[1]", {"file": "FILE", "sources.follow": ["b"]}, "--follow", id="behind it"),
        pytest.param("shelf.keep", {}, "shelf.keep", id="without a flag"),
        pytest.param("/no/such.toml", {}, "/no/such.toml", id="a file"),
    ],
)
def test_an_error_that_is_found_later_is_named_alike(
    where: str, flags: dict[str, object], called: str, path: Path
) -> None:
    path.write_text('api.listen = "[::1]:2"\n[[sources.follow]]\npath = "a"\n')
    file = path if flags.pop("file", None) else None
    settings = given(flags, file=file)
    settings.config()

    error = settings.named(ConfigError(where, "no"))

    assert str(error) == f"{called.replace('FILE', str(path))}: no"
    assert str(settings.named(error)) == str(error)
