"""`edgetally token`: settings files that are edited, and what must not happen to them."""

import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from edgetally.access.grants import hashed
from edgetally.cli import token_file as tokens
from edgetally.cli.main import main
from edgetally.config import Token, check, load
from edgetally.errors import ConfigError

WRITTEN = """\
# Edge of the shop. Ask Ada before you change it.
[api] # who answers
listen = "127.0.0.1:8480"

    [access]   # an empty table is a table

[[sources.follow]]
path = "/var/log/nginx/edge.log" # [[access.tokens]] in a comment is none
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "edgetally.toml"


def known(path: Path) -> tuple[Token, ...]:
    return check(load(path)).access.tokens


def make(path: Path, name: str | None = None) -> str:
    return tokens.new(path, name=name, scopes=["read"], services=["shop"])


def test_a_new_token_is_kept_as_its_hash(path: Path) -> None:
    token = tokens.new(path, name='Zürich "1" \'\\', scopes=["ingest", "read", "ingest"], services=["shop", "*"])

    assert known(path) == (
        Token(name='Zürich "1" \'\\', hash=hashed(token), scopes=("ingest", "read"), services=("shop", "*")),
    )
    assert token.removeprefix("edgetally_") not in path.read_text()


def test_a_new_file_is_for_its_owner_alone(path: Path) -> None:
    make(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_tokens_without_a_name_are_numbered(path: Path) -> None:
    for name in (None, "token-2", None, None):
        make(path, name)

    assert [one.name for one in known(path)] == ["token-1", "token-2", "token-3", "token-4"]


@pytest.mark.parametrize("written", [WRITTEN, WRITTEN.rstrip("\n"), WRITTEN.replace("\n", "\r\n"), "", "# only this"])
def test_what_was_written_stays_as_it_was(path: Path, written: str) -> None:
    path.write_bytes(written.encode())
    path.chmod(0o640)

    first, second = make(path), make(path)
    tokens.revoke(path, "token-1")

    text = path.read_bytes().decode()
    assert text.startswith(written)
    assert [table.split("\n")[:2] for table in text.removeprefix(written).strip().split("\n\n")] == [
        ["[[access.tokens]]", "revoked = true"],
        ["[[access.tokens]]", 'name = "token-2"'],
    ]
    assert [(one.hash, one.revoked) for one in known(path)] == [(hashed(first), True), (hashed(second), False)]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize(
    "which",
    [
        pytest.param(lambda _: "grafana", id="its name"),
        pytest.param(lambda token: token, id="the token itself"),
        pytest.param(hashed, id="its hash"),
        pytest.param(lambda token: hashed(token)[7:15], id="the begin of its hash"),
    ],
)
def test_a_token_is_revoked_by_any_of_its_names(path: Path, which: Callable[[str], str]) -> None:
    make(path)
    token = make(path, "grafana")
    make(path)

    assert tokens.revoke(path, which(token)) == "grafana"
    assert [one.revoked for one in known(path)] == [False, True, False]
    once = path.read_bytes()
    assert tokens.revoke(path, which(token)) == "grafana"
    assert path.read_bytes() == once


@pytest.mark.parametrize("which", ["nobody", "", "sha256:", "edgetally_", "abc", "token"])
def test_what_names_no_token_revokes_none(path: Path, which: str) -> None:
    make(path)
    before = path.read_bytes()

    with pytest.raises(ConfigError, match="none has this name"):
        tokens.revoke(path, which)

    assert path.read_bytes() == before


def test_a_token_that_is_not_known_is_not_shown_when_it_cannot_be_revoked(path: Path) -> None:
    make(path)

    with pytest.raises(ConfigError) as raised:
        tokens.revoke(path, "edgetally_secret")

    assert "secret" not in str(raised.value)


def test_a_begin_that_two_hashes_share_is_not_enough(path: Path) -> None:
    path.write_text(
        "".join(
            f'[[access.tokens]]\nname = "{end}"\nhash = "sha256:{"a" * 63}{end}"\nscopes = ["read"]\nservices = ["*"]\n'
            for end in "12"
        )
    )

    with pytest.raises(ConfigError, match="more than one"):
        tokens.revoke(path, "a" * 10)
    assert tokens.revoke(path, "a" * 63 + "2") == "2"


REFUSED = [
    pytest.param("", {"name": "a\nb"}, "name", id="a name of two lines"),
    pytest.param("", {"name": "\x1b[31m"}, "name", id="a name that terminals obey"),
    pytest.param("", {"name": "\udcff"}, "name", id="a name that is no text"),
    pytest.param("", {"scopes": ["write"]}, "scopes", id="a scope that there is not"),
    pytest.param("", {"scopes": []}, "scopes", id="no scope"),
    pytest.param("", {"services": ["a b"]}, "services", id="a service that cannot be one"),
    pytest.param("", {"services": []}, "services", id="no service"),
    pytest.param("access = {tokens = []}\n", {}, "by hand", id="tokens that nothing can be added to"),
    pytest.param("access.tokens = []\n", {}, "by hand", id="the same with a dot"),
    pytest.param("[api\n", {}, "line 1", id="no TOML"),
    pytest.param("[apu]\n", {}, "no such setting", id="no settings"),
]


@pytest.mark.parametrize(("written", "given", "says"), REFUSED)
def test_what_cannot_be_added_leaves_the_file_as_it_was(
    path: Path, written: str, given: dict[str, object], says: str
) -> None:
    path.write_text(written)

    with pytest.raises(ConfigError, match=says):
        tokens.new(path, **{"name": None, "scopes": ["read"], "services": ["shop"], **given})  # type: ignore[arg-type]

    assert path.read_text() == written
    assert list(path.parent.iterdir()) == [path]


def test_a_name_is_taken_once(path: Path) -> None:
    make(path, "grafana")

    with pytest.raises(ConfigError, match="there is a token 'grafana' already"):
        make(path, "grafana")


def test_tokens_that_are_written_in_one_line_are_revoked_by_hand(path: Path) -> None:
    written = f'access.tokens = [{{name="a", hash="{hashed("x")}", scopes=["read"], services=["*"]}}]\n'
    path.write_text(written)

    with pytest.raises(ConfigError, match="by hand"):
        tokens.revoke(path, "a")

    assert path.read_text() == written


def test_a_header_in_a_text_of_many_lines_confuses_nobody(path: Path) -> None:
    path.write_text('[records]\npop = """\n[[access.tokens]]\nx"""\n')
    make(path)
    before = path.read_bytes()

    with pytest.raises(ConfigError, match="by hand"):
        tokens.revoke(path, "token-1")

    assert path.read_bytes() == before


def test_a_link_stays_a_link(path: Path, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    real = tmp_path / "etc" / "real.toml"
    real.write_text("# here\n")
    path.symlink_to(real)

    make(path)

    assert path.is_symlink()
    assert len(known(real)) == 1


def test_a_directory_that_is_not_there_is_named(path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        make(path / "no" / "such.toml")


def test_tokens_that_are_made_at_the_same_time_are_all_there(path: Path) -> None:
    makers = [threading.Thread(target=make, args=(path,)) for _ in range(8)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()

    assert sorted(one.name for one in known(path)) == [f"token-{number}" for number in range(1, 9)]


def test_the_list_shows_what_each_is_for_and_no_token(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = ["--config", str(path)]
    assert main(["token", "new", "--scope", "read", "--service", "shop", "--name", "grafana", *config]) == 0
    assert main(["token", "new", "--scope", "read", "--scope", "ingest", "--service", "*", *config]) == 0
    made, hints = capsys.readouterr()
    first, second = made.split()
    assert first not in hints
    assert main(["token", "revoke", "grafana", *config]) == 0
    assert "grafana is revoked" in capsys.readouterr().err

    assert main(["token", "list", *config]) == 0

    assert capsys.readouterr().out == (
        f"grafana  {hashed(first)[7:19]}  revoked  read         shop\n"
        f"token-1  {hashed(second)[7:19]}  valid    read,ingest  *\n"
    )


@pytest.mark.parametrize("command", ["list", "revoke x"])
def test_a_file_that_is_not_there_has_no_tokens(path: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", *command.split(), "--config", str(path)]) == 2
    assert "edgetally: " in capsys.readouterr().err
    assert not path.exists()


def test_two_tokens_that_cannot_be_told_apart_are_no_settings() -> None:
    one = {"name": "a", "hash": hashed("1"), "scopes": ["read"], "services": ["*"]}

    with pytest.raises(ConfigError, match="two tokens have the name 'a'"):
        check({"access": {"tokens": [one, {**one, "hash": hashed("2")}]}})
    with pytest.raises(ConfigError, match="two tokens have the hash"):
        check({"access": {"tokens": [one, {**one, "name": "b"}]}})
