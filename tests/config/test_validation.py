"""Everything that is wrong with settings is named, in words that say what to write instead."""

import math
from datetime import date
from pathlib import Path

import pytest

from edgetally.config.sections import SETTINGS
from edgetally.config.validation import Text, check
from edgetally.errors import ConfigError

POP = "expected 1 to 64 bytes of printable characters, got "


@pytest.mark.parametrize(
    ("given", "where", "problem"),
    [
        pytest.param(
            {"api": {"lisen": ":1"}}, "api.lisen", "unknown setting (expected one of: listen, ", id="a setting's typo"
        ),
        pytest.param({"apu": {}}, "apu", "unknown setting (expected one of: api, access, ", id="a section's typo"),
        pytest.param(
            {"sources": {"follow": [{"path": "a"}, {"path": "b", "popp": "x"}]}},
            *("sources.follow[1].popp", "unknown setting (expected one of: path, service_id, pop, format, weight)"),
            id="a typo in a list",
        ),
        pytest.param({"sources": {"follow": [{}]}}, "sources.follow[0].path", "missing", id="a file without a path"),
        pytest.param(
            {"sources": {"follow": ["a"]}},
            *("sources.follow[0]", "expected a table such as {path = \"…\"}, got the string 'a'"),
            id="text",
        ),
        pytest.param({"api": 1}, "api", "expected a table, got the integer 1", id="a section that is a number"),
        pytest.param(
            {"api": {"listen": 8480}},
            "api.listen",
            "expected HOST:PORT or [IPv6]:PORT, got the integer 8480",
            id="a port",
        ),
        pytest.param(
            {"api": {"listen": "8480"}}, "api.listen", "expected HOST:PORT or [IPv6]:PORT, got '8480'", id="its text"
        ),
        pytest.param(
            {"journal": {"data_dir": 8}}, "journal.data_dir", "expected a string, got the integer 8", id="a number"
        ),
        pytest.param(
            {"journal": {"kind": "postgres"}},
            *("journal.kind", "expected sqlite, memory or kafka://HOST:PORT[,HOST:PORT]/TOPIC, got 'postgres'"),
            id="an unknown choice",
        ),
        pytest.param(
            {"journal": {"kind": 1}},
            "journal.kind",
            "expected sqlite, memory or kafka://HOST:PORT[,HOST:PORT]/TOPIC, got the integer 1",
            id="no choice",
        ),
        pytest.param(
            {"history": {"clickhouse": "ch:8123"}},
            "history.clickhouse",
            "expected http://HOST:PORT/DATABASE or https://HOST:PORT/DATABASE, got 'ch:8123'",
            id="no address of ClickHouse",
        ),
        pytest.param(
            {"history": {"clickhouse": "http://me:secret@ch:8123/edgetally"}},
            "history.clickhouse",
            "expected no user in the address: set clickhouse_user and clickhouse_password_file instead",
            id="a password in an address",
        ),
        pytest.param(
            {"history": {"clickhouse": "http://ch:8123/edgetally"}},
            "history.clickhouse",
            "it is for the nodes of a cluster, which need --journal kafka://",
            id="ClickHouse for one process",
        ),
        pytest.param(
            {"history": {"clickhouse_password_env": "PASSWORD"}},
            *("history.clickhouse_password_env", "history.clickhouse is needed too"),
            id="a password for nobody",
        ),
        pytest.param(
            {"api": {"poll_timeout": "40"}},
            *("api.poll_timeout", "expected a number above 0, at most 3600, got the string '40'"),
            id="a number as text",
        ),
        pytest.param({"api": {"poll_timeout": 0}}, "api.poll_timeout", "at most 3600, got 0", id="not above 0"),
        pytest.param({"api": {"poll_timeout": float("nan")}}, "api.poll_timeout", "got nan", id="not a number"),
        pytest.param(
            {"window": {"aggregate_delay": 0}},
            *("window.aggregate_delay", "expected an integer from 1 to 60, got 0"),
            id="below the bound",
        ),
        pytest.param(
            {"window": {"aggregate_delay": 2.5}},
            *("window.aggregate_delay", "expected an integer from 1 to 60, got 2.5"),
            id="half a second",
        ),
        pytest.param(
            {"window": {"aggregate_delay": True}},
            *("window.aggregate_delay", "expected an integer from 1 to 60, got the boolean true"),
            id="true is not a number",
        ),
        pytest.param(
            {"api": {"allow_anonymous": 1}}, "api.allow_anonymous", "true or false, got the integer 1", id="1"
        ),
        pytest.param({"shelf": {"keep": 119}}, "shelf.keep", "from 120 to 86400, got 119", id="less than ts/h shows"),
        pytest.param(
            {"records": {"service_id": "a b"}},
            *("records.service_id", "expected 1 to 64 letters, digits, - and _, got 'a b'"),
            id="a service id with a blank",
        ),
        pytest.param(
            {"records": {"service_id": "a\n"}}, "records.service_id", "1 to 64 letters", id="... with a newline"
        ),
        pytest.param(
            {"records": {"service_id": "x" * 65}}, "records.service_id", "1 to 64 letters", id="... that is too long"
        ),
        pytest.param({"records": {"pop": ""}}, "records.pop", POP + "''", id="a POP without a name"),
        pytest.param({"records": {"pop": "x" * 65}}, "records.pop", POP, id="a long POP"),
        pytest.param({"records": {"pop": "é" * 33}}, "records.pop", POP, id="a POP of too many bytes"),
        pytest.param({"records": {"pop": "a\tb"}}, "records.pop", POP + r"'a\tb'", id="a POP with a tab"),
        pytest.param(
            {"sources": {"follow": [{"path": "a", "pop": "é" * 33}]}},
            "sources.follow[0].pop",
            POP,
            id="a long POP of a file",
        ),
        pytest.param(
            {"sources": {"syslog": [{"listen": "udp:127.0.0.1:1", "pop": "y" * 65}]}},
            *("sources.syslog[0].pop", POP),
            id="a long POP of syslog",
        ),
        pytest.param({"api": {"tls_key": 7}}, "api.tls_key", "expected a path, got the integer 7", id="not a path"),
        pytest.param(
            {"api": {"tls_key": "a.key"}}, "api.tls_key", "api.tls_cert (--tls-cert) is needed too", id="half a pair"
        ),
        pytest.param(
            {"sources": {"follow": [{"path": "a", "weight": "x"}]}},
            *("sources.follow[0].weight", "expected an integer from 1 to 4294967296, got the string 'x'"),
            id="a weight as text",
        ),
        pytest.param(
            {"sources": {"follow": "access.log"}},
            *("sources.follow", "expected a list of tables such as [{path = \"…\"}], got the string 'access.log'"),
            id="a file instead of files",
        ),
        pytest.param(
            {"services": 1}, "services", "expected tables by name, got the integer 1", id="no table of services"
        ),
        pytest.param({"services": {"shop": 1}}, "services.shop", "expected a table, got the integer 1", id="no table"),
        pytest.param(
            {"services": {"a b": {}}},
            *("services", "expected names of 1 to 64 letters, digits, - and _, got 'a b'"),
            id="a name that is no service id",
        ),
        pytest.param(
            {"services": {"a": {"type": "vlc"}}},
            "services.a.type",
            "must be one of: vcl, wasm (got 'vlc')",
            id="a type",
        ),
        pytest.param(
            {"services": {"a": {"name": ""}}},
            *("services.a.name", "expected 1 to 255 printable characters, got ''"),
            id="an empty name",
        ),
        pytest.param(
            {"services": {"a": {"name": "Shop"}, "b": {"name": "Shop"}}},
            *("services.b.name", "'Shop' is the service a already"),
            id="a name of two services",
        ),
        pytest.param(
            {"services": {"a": {"name": "b"}, "b": {}}},
            *("services.a.name", "'b' is the service b already"),
            id="a name that is another's id",
        ),
        pytest.param(
            {"pops": {"x" * 65: {}}},
            "pops",
            "expected names of 1 to 64 bytes of printable characters",
            id="a long code",
        ),
        pytest.param(
            {"pops": {"AMS": {"region": "Europe"}}},
            *("pops.AMS.region", "must be one of: APAC, Asia, Asia-South, "),
            id="a region",
        ),
        pytest.param(
            {"pops": {"AMS": {"region": "Europe"}}}, "pops.AMS.region", "(got 'Europe')", id="... as it was given"
        ),
        pytest.param(
            {"pops": {"AMS": {"stats_region": "EU-West"}}},
            *("pops.AMS.stats_region", "must be one of: usa, europe, "),
            id="a region of history",
        ),
        pytest.param(
            {"pops": {"AMS": {"billing_region": 1}}},
            *("pops.AMS.billing_region", "must be one of: North America, "),
            id="a region of bills",
        ),
        pytest.param(
            {"api": {"pop_region": "europe"}}, "api.pop_region", "must be one of: APAC, ", id="a region of all others"
        ),
        pytest.param({"pops": {"AMS": {"latitude": 1.0}}}, "pops.AMS.latitude", "longitude is needed too", id="half"),
        pytest.param(
            {"pops": {"AMS": {"longitude": 1}}}, "pops.AMS.longitude", "latitude is needed too", id="... other"
        ),
        pytest.param(
            {"pops": {"AMS": {"latitude": 91, "longitude": 0}}},
            *("pops.AMS.latitude", "expected a number from -90 to 90, got 91"),
            id="beyond the pole",
        ),
        pytest.param({"records": {"format": "nginks"}}, "records.format", "nginks", id="an unknown format"),
        pytest.param(
            {"sources": {"follow": [{"path": "a", "format": "nginks"}]}},
            *("sources.follow[0].format", "nginks"),
            id="an unknown format of a file",
        ),
        *(
            pytest.param(
                {"sources": {"syslog": [{"listen": "unix:/a"} | wrong]}},
                f"sources.syslog[0].{name}",
                problem,
                id=str(wrong),
            )
            for name, wrong, problem in (
                ("mode", {"mode": "rw"}, "expected a mode in octal digits, such as \"0660\", got 'rw'"),
                ("mode", {"mode": "0o660"}, "expected a mode in octal digits, such as \"0660\", got '0o660'"),
                ("mode", {"mode": "0866"}, "expected a mode in octal digits, such as \"0660\", got '0866'"),
                ("mode", {"mode": "4660"}, "expected a mode in octal digits, such as \"0660\", got '4660'"),
                ("mode", {"mode": 660}, 'expected a mode in octal digits, such as "0660", got the integer 660'),
                ("owner", {"owner": "no-such-user"}, "there is no user 'no-such-user' on this machine"),
                ("group", {"group": "no-such-group"}, "there is no group 'no-such-group' on this machine"),
                ("group", {"group": 33}, "expected a group, got the integer 33"),
                ("mode", {"listen": "udp:127.0.0.1:1", "mode": "666"}, "only for unix:/PATH (got 'udp:127.0.0.1:1')"),
                ("owner", {"listen": "tcp:127.0.0.1:1", "owner": "0"}, "only for unix:/PATH (got 'tcp:127.0.0.1:1')"),
            )
        ),
        pytest.param(
            {"sources": {"syslog": [{"listen": "foo"}]}}, "sources.syslog[0].listen", "'foo'", id="an unknown transport"
        ),
        pytest.param(
            {"sources": {"syslog": [{"listen": "udp:[::1]:1"}, {"listen": "udp:[::1]:1"}]}},
            *("sources.syslog[1]", "udp:[::1]:1 is given twice"),
            id="an address twice",
        ),
    ],
)
def test_a_wrong_setting_is_named(given: dict[str, object], where: str, problem: str) -> None:
    with pytest.raises(ConfigError) as raised:
        check(given)

    assert raised.value.where == where
    assert problem in raised.value.problem
    assert str(raised.value) == f"{where}: {raised.value.problem}"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("10MB", "the string '10MB'"),
        ("x" * 100, f"the string '{'x' * 40}'"),
        (True, "the boolean true"),
        (2.5, "2.5"),
        (date(2026, 11, 22), "the date or time 2026-11-22"),
        ([1], "a list"),
        ({"password": "secret"}, "a table"),
    ],
)
def test_a_value_of_the_wrong_kind_is_shown(value: object, shown: str) -> None:
    with pytest.raises(ConfigError) as raised:
        check({"api": {"max_push_bytes": value}})

    assert raised.value.problem.startswith(f"expected an integer of at least 1, got {shown}")


def test_a_very_long_integer_is_shown_wherever_it_is() -> None:
    value = 1 << 20_000
    for given in (
        {"api": {"listen": value}},
        {"api": value},
        {"log": {"level": value}},
        {"records": {"weight": value}},
    ):
        with pytest.raises(ConfigError, match=r"got (the integer )?0x10000"):
            check(given)
    kept = check({"journal": {"kafka": {"fetch.max.bytes": value}}}).journal.kafka["fetch.max.bytes"]
    assert kept.startswith("0x10000")


@pytest.mark.parametrize("given", ["secret", {"sasl.password": ["secret"]}, {"sasl.password": date(2026, 1, 1)}])
def test_what_may_be_a_password_is_not_shown(given: object) -> None:
    with pytest.raises(ConfigError) as raised:
        check({"journal": {"kafka": given}})

    assert raised.value.problem in (
        "expected a table, got a string",
        "expected a string, got a list",
        "expected a string, got a date or time",
    )


NUMBERS = [one.path for one in SETTINGS.values() if one.bare_type in (int, float)]
TEXTS = [one.path for one in SETTINGS.values() if one.bare_type in (str, Path) and not one.choices]


@pytest.mark.parametrize("value", [1 << 63, 10**30, Text("1" * 30), math.inf, math.nan, Text("nan")], ids=repr)
@pytest.mark.parametrize("path", NUMBERS)
def test_numbers_that_fit_nowhere_are_named(path: str, value: object) -> None:
    section, _, name = path.partition(".")

    with pytest.raises(ConfigError) as raised:
        check({section: {name: value}})

    assert raised.value.where == path
    assert raised.value.problem.startswith(("expected an integer", "expected a number"))


@pytest.mark.parametrize("path", TEXTS)
def test_text_with_a_nul_character_is_named(path: str) -> None:
    section, _, name = path.partition(".")

    with pytest.raises(ConfigError, match=rf"^{path}: expected .*, got a NUL character in it"):
        check({section: {name: "a\0b"}})


def test_everything_that_is_wrong_is_named() -> None:
    with pytest.raises(ConfigError) as raised:
        check(
            {
                "api": {"listen": "8480", "poll_timeout": 0, "lisen": 1},
                "log": {"level": "loud"},
                "sources": {"follow": [{"path": "a", "pop": ""}, {}]},
            }
        )

    assert [one.where for one in raised.value.each()] == [
        "api.lisen",
        "api.listen",
        "api.poll_timeout",
        "log.level",
        "sources.follow[0].pop",
        "sources.follow[1].path",
    ]
    assert all(str(one) in str(raised.value) for one in raised.value.each())


@pytest.mark.parametrize("pop", ["é" * 32, "x" * 64, "Zürich West"])
def test_a_pop_of_64_bytes_is_admitted(pop: str) -> None:
    assert check({"records": {"pop": pop}}).records.pop == pop


def test_a_file_is_followed_once_by_whatever_name(tmp_path: Path) -> None:
    log, link = tmp_path / "edge.log", tmp_path / "link.log"
    link.symlink_to(log)

    with pytest.raises(ConfigError, match=rf"^sources\.follow\[1\]: {link} is followed twice"):
        check({"sources": {"follow": [{"path": str(log)}, {"path": str(link)}]}})


def test_any_free_port_may_be_listened_on_twice() -> None:
    listen = {"listen": "udp:127.0.0.1:0"}

    assert len(check({"sources": {"syslog": [listen, listen]}}).sources.syslog) == 2


def test_tokens_in_the_settings_are_an_error_that_says_what_to_do() -> None:
    with pytest.raises(ConfigError, match=r"^access\.tokens: .*access\.token_file.*edgetally token new"):
        check({"access": {"tokens": [{"name": "a"}]}})


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ({"window": {"agregate_delay": 3}}, "; did you mean aggregate_delay?"),
        ({"recrods": {"pop": "x"}}, "; did you mean records?"),
        ({"api": {"pop": "x"}}, "; did you mean records.pop?"),
        ({"api": {"zzz": "x"}}, ")"),
        # A short list needs no hint.
        ({"access": {"token_fil": "x"}}, ")"),
    ],
)
def test_a_misspelled_setting_has_a_suggestion(given: dict[str, object], hint: str) -> None:
    with pytest.raises(ConfigError) as raised:
        check(given)

    assert raised.value.problem.startswith("unknown setting (")
    assert raised.value.problem.rpartition(")")[2] == hint.removeprefix(")")
