"""Access policy: where a server may listen, and what a reload changes."""

from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from edgetally.access.policy import Policy
from edgetally.cli.main import main
from edgetally.config.validation import check
from edgetally.errors import ConfigError
from edgetally.telemetry.events import Event
from tests.support.process import serving
from tests.support.tokens import access, bearer, write

READER = bearer("read", "*")
REVOKED = bearer("read", "*", revoked=True)


def policy(*, tokens: bool = False, syslog: tuple[str, ...] = (), **api: object) -> Policy:
    sources = {"syslog": [{"listen": one} for one in syslog]}
    return Policy(check({"access": access(READER) if tokens else {}, "api": api, "sources": sources}))


# --- addresses -------------------------------------------------------------------------------------------------------


class Host(NamedTuple):
    name: str
    is_loopback: bool

    @property
    def with_port(self) -> str:
        return f"[{self.name}]:0" if ":" in self.name else f"{self.name}:0"


HOSTS = [
    *(Host(name, is_loopback=True) for name in ("127.0.0.1", "127.9.9.9", "::1", "localhost")),
    *(Host(name, is_loopback=False) for name in ("0.0.0.0", "::", "192.0.2.1", "::ffff:192.0.2.1", "edge.example")),
]


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.name)
def test_without_tokens_a_server_listens_on_this_machine_only(host: Host) -> None:
    policy(allow_anonymous=True, listen=host.with_port)
    if host.is_loopback:
        policy(listen=host.with_port)
    else:
        with pytest.raises(ConfigError, match=r"api.listen: .*edgetally token new.*--allow-anonymous"):
            policy(listen=host.with_port)


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.name)
def test_with_tokens_it_listens_anywhere(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    policy(tokens=True, listen=host.with_port).warn()

    warned = [str(one.msg) for one in caplog.records]
    assert len(warned) == (0 if host.is_loopback else 1)
    assert all("without TLS" in one for one in warned)


def test_a_revoked_token_still_closes_the_server_to_requests_without_one() -> None:
    revoked = Policy(check({"access": access(REVOKED), "api": {"listen": "0.0.0.0:0"}}))

    assert revoked.keys.grant(REVOKED.token) is None
    assert revoked.keys.grant("") is None


def test_a_token_file_without_tokens_lets_no_request_in(tmp_path: Path) -> None:
    path = write(tmp_path / "tokens.jsonl")
    empty = Policy(check({"access": {"token_file": str(path)}, "api": {"listen": "0.0.0.0:0"}}))

    assert empty.keys.grant("") is None


def test_a_token_file_that_was_set_has_to_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"access\.token_file: .*/tokens\.jsonl: no such file: `edgetally token new`"):
        Policy(check({"access": {"token_file": str(tmp_path / "tokens.jsonl")}}))


def test_a_damaged_token_file_never_leaves_a_server_open(tmp_path: Path) -> None:
    (tmp_path / "tokens.jsonl").write_text("{")

    with pytest.raises(ConfigError, match="line 1: "):
        Policy(check({"journal": {"data_dir": str(tmp_path)}}))


@pytest.mark.parametrize("tokens", [False, True])
@pytest.mark.parametrize("kind", ["udp", "tcp"])
@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.name)
def test_syslog_is_received_from_this_machine_only(host: Host, kind: str, *, tokens: bool) -> None:
    syslog = ("unix:/run/edgetally.sock", f"{kind}:{host.with_port}")

    policy(tokens=tokens, allow_anonymous=True, syslog=syslog)
    if host.is_loopback:
        policy(tokens=tokens, syslog=syslog)
    else:
        with pytest.raises(ConfigError, match=r"sources.syslog\[1\]: .*syslog has no tokens"):
            policy(tokens=tokens, syslog=syslog)


def test_everything_that_is_wrong_is_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")

    with pytest.raises(ConfigError) as raised:
        policy(listen="0.0.0.0:0", syslog=("udp:0.0.0.0:1", "tcp:[::]:1"), tls_cert=missing, tls_key=missing)

    assert [one.where for one in raised.value.each()] == [
        *("api.listen", "sources.syslog[0]", "sources.syslog[1]", "api.tls_cert"),
    ]


# --- reload ------------------------------------------------------------------------------------------------------


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.msg.name() for one in caplog.records if isinstance(one.msg, Event)]


@pytest.fixture(autouse=True)
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "edgetally")


def test_tokens_are_reloaded_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    one = policy(tokens=True)

    one.reload(check({"access": access(REVOKED, other := bearer("read", "a"))}))

    assert one.keys.grant(READER.token) is None
    assert one.keys.grant(other.token)
    assert said(caplog) == ["tokens_reloaded"]
    assert "tokens reloaded: 1 valid, 1 revoked" in caplog.text


def test_tokens_can_be_removed_from_a_server_on_loopback(caplog: pytest.LogCaptureFixture) -> None:
    one = policy(tokens=True)

    one.reload(check({}))

    assert one.keys.grant("")
    assert said(caplog) == ["no_tokens"]


def test_tokens_cannot_be_removed_from_a_server_that_others_reach() -> None:
    one = policy(tokens=True, listen="0.0.0.0:0")

    with pytest.raises(ConfigError, match="can be reached by others"):
        # The address of a running server does not change, whatever the settings say.
        one.reload(check({"api": {"listen": "127.0.0.1:0"}}))

    assert one.keys.grant(READER.token)
    assert one.keys.grant("") is None


def test_settings_that_would_prevent_a_start_change_nothing() -> None:
    one = policy(tokens=True)

    with pytest.raises(ConfigError, match=r"^sources\.syslog\[0\]: 0\.0\.0\.0 can be reached by others"):
        one.reload(check({"access": access(REVOKED), "sources": {"syslog": [{"listen": "udp:0.0.0.0:1"}]}}))

    assert one.keys.grant(READER.token)


def test_what_needs_a_restart_is_named(caplog: pytest.LogCaptureFixture) -> None:
    one = policy(poll_timeout=40.0)
    changed = {
        "api": {"poll_timeout": 41.0, "listen": "127.0.0.1:1"},
        "window": {"aggregate_delay": 3},
        "sources": {"follow": [{"path": "a.log"}]},
        # These are applied.
        "services": {"shop": {"name": "Web shop"}},
        "pops": {"AMS": {"name": "Amsterdam"}},
    }

    one.reload(check(changed))

    (event,) = [one.msg for one in caplog.records if isinstance(one.msg, Event) and one.msg.name() == "restart_needed"]
    assert event.fields() == {"settings": "api.listen, api.poll_timeout, sources.follow, window.aggregate_delay"}


def test_a_reload_does_not_turn_on_tls(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    one = policy()

    one.reload(check({"api": {"tls_cert": str(tmp_path / "no.pem"), "tls_key": str(tmp_path / "no.key")}}))

    assert said(caplog)[-1] == "restart_needed"
    assert "api.tls_cert, api.tls_key" in caplog.text
    assert one.scheme == "http"


# --- a real process ------------------------------------------------------------------------------------------------


def test_sighup_reloads_tokens_and_a_broken_file_changes_nothing(tmp_path: Path) -> None:
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


def test_sighup_with_wrong_settings_changes_nothing(tmp_path: Path) -> None:
    settings, tokens = tmp_path / "edgetally.toml", tmp_path / "tokens.jsonl"
    first, second = bearer("read", "*"), bearer("read", "*")
    settings.write_text("")
    write(tokens, first)
    with serving("--config", str(settings), "--token-file", str(tokens)) as server:
        write(tokens, second)
        for wrong in ("[api\n", "[records]\nformat = 'x'\n", "[[sources.syslog]]\nlisten = 'udp:0.0.0.0:1'\n"):
            settings.write_text(wrong)
            server.reload("reload failed, nothing has changed: ")

        assert httpx.get(server.url, headers=first.header, timeout=30).status_code == 200


def test_the_first_token_takes_effect_on_sighup(tmp_path: Path) -> None:
    with serving("--data-dir", str(tmp_path)) as server, httpx.Client(base_url=server.url, timeout=30) as client:
        assert client.get("/").status_code == 200
        assert main(["token", "new", "--scope", "read", "--service", "*", "--data-dir", str(tmp_path)]) == 0

        server.reload("tokens reloaded: 1 valid")

        assert client.get("/").status_code == 403
