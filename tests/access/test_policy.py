"""Where a server may listen, and what SIGHUP changes while it runs."""

from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from edgetally.access.policy import Door
from edgetally.cli.main import main
from edgetally.config.validation import check
from edgetally.errors import ConfigError
from edgetally.telemetry.events import Event
from tests.support.process import serving
from tests.support.tokens import access, bearer, write

READER = bearer("read", "*")
REVOKED = bearer("read", "*", revoked=True)


def door(*, tokens: bool = False, **api: object) -> Door:
    return Door(check({"access": access(READER) if tokens else {}, "api": api}))


# --- where -------------------------------------------------------------------------------------------------------


class Place(NamedTuple):
    host: str
    is_ours: bool


PLACES = [
    *(Place(host, is_ours=True) for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost")),
    *(Place(host, is_ours=False) for host in ("0.0.0.0", "::", "192.0.2.1", "::ffff:192.0.2.1", "edge.example", "")),
]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.host or "none")
def test_without_tokens_only_this_machine_is_answered(place: Place) -> None:
    door(allow_anonymous=True).admit(place.host)
    if place.is_ours:
        door().admit(place.host)
    else:
        with pytest.raises(ConfigError, match=r"api.listen: .*edgetally token new.*--allow-anonymous"):
            door().admit(place.host)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.host or "none")
def test_with_tokens_everybody_is_answered(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    door(tokens=True).admit(place.host)

    warned = [str(one.msg) for one in caplog.records]
    assert len(warned) == (0 if place.is_ours else 1)
    assert all("without TLS" in one for one in warned)


def test_a_token_that_is_revoked_is_none_and_still_nobody_may_without_one() -> None:
    revoked = Door(check({"access": access(REVOKED)}))

    revoked.admit("0.0.0.0")
    assert revoked.keys.grant(REVOKED.token) is None
    assert revoked.keys.grant("") is None


def test_a_token_file_without_tokens_lets_no_request_in(tmp_path: Path) -> None:
    empty = Door(check({"access": {"token_file": str(write(tmp_path / "tokens.jsonl"))}}))

    empty.admit("0.0.0.0")
    assert empty.keys.grant("") is None


def test_a_token_file_that_was_set_has_to_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"access\.token_file: .*/tokens\.jsonl: no such file: `edgetally token new`"):
        Door(check({"access": {"token_file": str(tmp_path / "tokens.jsonl")}}))


def test_a_damaged_token_file_never_leaves_a_server_open(tmp_path: Path) -> None:
    (tmp_path / "tokens.jsonl").write_text("{")

    with pytest.raises(ConfigError, match="line 1: "):
        Door(check({"journal": {"data_dir": str(tmp_path)}}))


@pytest.mark.parametrize("tokens", [False, True])
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.host or "none")
def test_where_there_are_no_tokens_only_this_machine_is_heard(place: Place, *, tokens: bool) -> None:
    door(tokens=tokens, allow_anonymous=True).admit_unknown("sources.syslog", place.host)
    if place.is_ours:
        door(tokens=tokens).admit_unknown("sources.syslog", place.host)
    else:
        with pytest.raises(ConfigError, match=r"sources.syslog: .*there are no tokens in this protocol"):
            door(tokens=tokens).admit_unknown("sources.syslog", place.host)


# --- reload ------------------------------------------------------------------------------------------------------


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.msg.name() for one in caplog.records if isinstance(one.msg, Event)]


@pytest.fixture(autouse=True)
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "edgetally")


def test_tokens_are_taken_over_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    one = door(tokens=True)

    one.reload(check({"access": access(REVOKED, other := bearer("read", "a"))}))

    assert one.keys.grant(READER.token) is None
    assert one.keys.grant(other.token)
    assert said(caplog) == ["tokens_reloaded"]
    assert "tokens reloaded: 1 valid, 1 revoked" in caplog.text


def test_the_last_token_can_go_where_only_this_machine_is_answered(caplog: pytest.LogCaptureFixture) -> None:
    one = door(tokens=True)

    one.reload(check({}))

    assert one.keys.grant("")
    assert said(caplog) == ["no_tokens"]


def test_the_last_token_cannot_go_where_others_are_answered() -> None:
    one = door(tokens=True, listen="0.0.0.0:0")

    with pytest.raises(ConfigError, match="can be reached by others"):
        # What it listens on does not change, whatever the settings say.
        one.reload(check({"api": {"listen": "127.0.0.1:0"}}))

    assert one.keys.grant(READER.token)
    assert one.keys.grant("") is None


def test_what_needs_a_restart_is_named(caplog: pytest.LogCaptureFixture) -> None:
    one = door(poll_timeout=40.0)
    changed = {
        "api": {"poll_timeout": 41.0, "listen": "127.0.0.1:1"},
        "window": {"aggregate_delay": 3},
        "sources": {"follow": [{"path": "a.log"}]},
    }

    one.reload(check(changed))

    (event,) = [one.msg for one in caplog.records if isinstance(one.msg, Event) and one.msg.name() == "restart_needed"]
    assert event.fields() == {"settings": "api.listen, api.poll_timeout, sources.follow, window.aggregate_delay"}


def test_tls_does_not_begin_or_end_while_it_runs(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    one = door()

    one.reload(check({"api": {"tls_cert": str(tmp_path / "no.pem"), "tls_key": str(tmp_path / "no.key")}}))

    assert said(caplog)[-1] == "restart_needed"
    assert "api.tls_cert, api.tls_key" in caplog.text
    assert one.scheme == "http"


# --- a real process ------------------------------------------------------------------------------------------------


def test_sighup_takes_tokens_over_and_a_broken_file_changes_nothing(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.jsonl"
    first, second = bearer("read", "*"), bearer("read", "*")
    write(tokens, first)
    with (
        serving("--token-file", str(tokens)) as server,
        httpx.Client(base_url=server.url, timeout=30) as client,
    ):

        def statuses() -> list[int]:
            return [client.get("/", headers=one.header).status_code for one in (first, second)]

        assert statuses() == [200, 403]
        write(tokens, second)
        assert statuses() == [200, 403]
        server.reload("tokens reloaded: 1 valid")
        assert statuses() == [403, 200]

        tokens.write_text("{")
        server.reload("reload failed, nothing has changed: ")
        assert statuses() == [403, 200]
        tokens.unlink()
        server.reload("reload failed, nothing has changed: ")
        assert statuses() == [403, 200]
        write(tokens, first, second)
        server.reload("tokens reloaded: 2 valid")
        assert statuses() == [200, 200]


def test_the_first_token_takes_effect_on_sighup(tmp_path: Path) -> None:
    with serving("--data-dir", str(tmp_path)) as server, httpx.Client(base_url=server.url, timeout=30) as client:
        assert client.get("/").status_code == 200
        assert main(["token", "new", "--scope", "read", "--service", "*", "--data-dir", str(tmp_path)]) == 0

        server.reload("tokens reloaded: 1 valid")

        assert client.get("/").status_code == 403
