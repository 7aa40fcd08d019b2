"""The token file: what `edgetally token` writes, and what must not happen to it."""

import json
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from edgetally.access.grants import hashed
from edgetally.access.token_file import Token, TokenFile
from edgetally.cli.main import main
from edgetally.config.validation import check
from edgetally.errors import ConfigError


@pytest.fixture
def file(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path / "tokens.jsonl")


def make(file: TokenFile, name: str | None = None) -> str:
    return file.add(name=name, scopes=["read"], services=["shop"])


def revoked(file: TokenFile) -> list[bool]:
    return [one.revoked for one in file.existing()]


def test_a_new_token_is_kept_as_its_hash(file: TokenFile) -> None:
    token = file.add(name='Zürich "1" \'\\', scopes=["ingest", "read", "ingest"], services=["shop", "*"])

    assert file.read() == (
        Token(name='Zürich "1" \'\\', hash=hashed(token), scopes=("ingest", "read"), services=("shop", "*")),
    )
    assert token.removeprefix("edgetally_") not in file.path.read_text()


def test_each_token_is_a_line_of_json(file: TokenFile) -> None:
    first, second = make(file), make(file, "grafana")
    file.revoke("grafana")

    assert [json.loads(line) for line in file.path.read_text().splitlines()] == [
        {"name": "token-1", "hash": hashed(first), "scopes": ["read"], "services": ["shop"]},
        {"name": "grafana", "hash": hashed(second), "scopes": ["read"], "services": ["shop"], "revoked": True},
    ]


def test_a_new_file_is_for_its_owner_alone(file: TokenFile) -> None:
    make(file)

    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_a_new_directory_is_for_its_owner_alone(tmp_path: Path) -> None:
    make(TokenFile(tmp_path / "state" / "tokens.jsonl"))

    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_a_file_keeps_its_mode(file: TokenFile) -> None:
    make(file)
    file.path.chmod(0o640)

    make(file)

    assert stat.S_IMODE(file.path.stat().st_mode) == 0o640


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_root_makes_a_file_that_the_owner_of_its_directory_can_read(file: TokenFile) -> None:
    os.chown(file.path.parent, 12_345, 12_346)

    make(file)
    made = file.path.stat()
    os.chown(file.path, 54_321, 54_322)
    make(file)

    assert (made.st_uid, made.st_gid) == (12_345, 12_346)
    assert (file.path.stat().st_uid, file.path.stat().st_gid) == (54_321, 54_322)


def test_tokens_without_a_name_are_numbered(file: TokenFile) -> None:
    for name in (None, "token-2", None, None):
        make(file, name)

    assert [one.name for one in file.existing()] == ["token-1", "token-2", "token-3", "token-4"]


@pytest.mark.parametrize(
    "which",
    [
        pytest.param(lambda _: "grafana", id="its name"),
        pytest.param(lambda token: token, id="the token itself"),
        pytest.param(hashed, id="its hash"),
        pytest.param(lambda token: hashed(token)[7:15], id="the start of its hash"),
    ],
)
def test_a_token_is_revoked_by_any_of_its_names(file: TokenFile, which: Callable[[str], str]) -> None:
    make(file)
    token = make(file, "grafana")
    make(file)

    assert file.revoke(which(token)) == "grafana"
    assert revoked(file) == [False, True, False]
    once = file.path.read_bytes()
    assert file.revoke(which(token)) == "grafana"
    assert file.path.read_bytes() == once


@pytest.mark.parametrize("which", ["unknown", "", "sha256:", "edgetally_", "abc", "token"])
def test_what_names_no_token_revokes_none(file: TokenFile, which: str) -> None:
    make(file)
    before = file.path.read_bytes()

    with pytest.raises(ConfigError, match="no token has this name or hash"):
        file.revoke(which)

    assert file.path.read_bytes() == before


def test_an_unknown_token_is_not_shown_when_it_cannot_be_revoked(file: TokenFile) -> None:
    make(file)

    with pytest.raises(ConfigError) as raised:
        file.revoke("edgetally_secret")

    assert "secret" not in str(raised.value)


def test_a_start_that_two_hashes_share_is_not_enough(file: TokenFile) -> None:
    file.path.write_text(
        "".join(
            f'{{"name":"{end}","hash":"sha256:{"a" * 63}{end}","scopes":["read"],"services":["*"]}}\n' for end in "12"
        )
    )

    with pytest.raises(ConfigError, match="more than one"):
        file.revoke("a" * 10)
    assert file.revoke("a" * 63 + "2") == "2"


INVALID = [
    pytest.param({"name": "a\nb"}, "expected a name of 1 to 64 printable", id="a name of two lines"),
    pytest.param({"name": "\x1b[31m"}, "expected a name", id="a name with terminal codes"),
    pytest.param({"name": "\udcff"}, "expected a name", id="a name that is not text"),
    pytest.param({"name": "x" * 65}, "expected a name", id="a long name"),
    pytest.param({"scopes": ["write"]}, "scopes", id="an unknown scope"),
    pytest.param({"scopes": []}, "scopes", id="no scope"),
    pytest.param({"services": ["a b"]}, r"expected a service .* got 'a b'", id="an invalid service id"),
    pytest.param({"services": ["a\n"]}, r"expected a service .* got 'a\\n'", id="a service id with a newline"),
    pytest.param({"services": []}, "services", id="no service"),
]


@pytest.mark.parametrize("is_new", [False, True])
@pytest.mark.parametrize(("given", "says"), INVALID)
def test_an_invalid_token_leaves_the_file_as_it_was(
    file: TokenFile, given: dict[str, object], says: str, *, is_new: bool
) -> None:
    if not is_new:
        make(file)
    before = file.path.read_bytes() if file.path.exists() else None

    with pytest.raises(ConfigError, match=says):
        file.add(**{"name": None, "scopes": ["read"], "services": ["shop"], **given})  # type: ignore[arg-type]

    assert (file.path.read_bytes() if file.path.exists() else None) == before
    assert list(file.path.parent.iterdir()) == ([] if is_new else [file.path])


LINE = f'{{"name":"a","hash":"{hashed("1")}","scopes":["read"],"services":["*"]}}\n'

DAMAGED = [
    pytest.param(LINE + "{", "line 2: ", id="half a line"),
    pytest.param("\xff", "line 1: ", id="not UTF-8"),
    pytest.param(LINE + "\n", "line 2: ", id="an empty line"),
    pytest.param("[]", "line 1: ", id="not an object"),
    pytest.param(LINE.replace("}", ',"revokd":true}'), "line 1: .*revokd", id="a typo"),
    pytest.param(LINE.replace('"a"', '""'), "line 1: expected a name", id="no name"),
    pytest.param(LINE.replace("sha256:", "md5:"), "line 1: expected a hash", id="another hash"),
    pytest.param(LINE + LINE.replace(hashed("1"), hashed("2")), "two tokens have the name 'a'", id="a name twice"),
    pytest.param(LINE + LINE.replace('"a"', '"b"'), "two tokens have the hash", id="a hash twice"),
]


@pytest.mark.parametrize(("content", "says"), DAMAGED)
def test_a_damaged_file_is_named_and_stays_as_it_is(file: TokenFile, content: str, says: str) -> None:
    file.path.write_text(content, "latin-1")

    for read in (file.read, lambda: make(file), lambda: file.revoke("a")):
        with pytest.raises(ConfigError, match=f"{file.path}: {says}"):
            read()

    assert file.path.read_text("latin-1") == content


def test_a_file_that_cannot_be_read_is_named(file: TokenFile) -> None:
    file.path.mkdir()

    with pytest.raises(ConfigError, match=f"{file.path}: Is a directory"):
        file.read()


def test_a_name_is_taken_once(file: TokenFile) -> None:
    make(file, "grafana")

    with pytest.raises(ConfigError, match="a token 'grafana' already exists"):
        make(file, "grafana")


def test_a_link_stays_a_link(file: TokenFile, tmp_path: Path) -> None:
    real = TokenFile(tmp_path / "etc" / "real.jsonl")
    make(real)
    file.path.symlink_to(real.path)

    make(file)

    assert file.path.is_symlink()
    assert len(real.existing()) == 2


def test_a_directory_that_cannot_be_made_is_named(file: TokenFile) -> None:
    make(file)

    with pytest.raises(ConfigError, match="expected a directory, got a file; choose a directory that"):
        make(TokenFile(file.path / "below" / "tokens.jsonl"))


def test_tokens_that_are_made_at_the_same_time_are_all_there(file: TokenFile) -> None:
    makers = [threading.Thread(target=make, args=(file,)) for _ in range(8)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()

    assert sorted(one.name for one in file.existing()) == [f"token-{number}" for number in range(1, 9)]


# --- the commands --------------------------------------------------------------------------------------------------


def test_the_list_shows_what_each_is_for_and_no_token(file: TokenFile, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--token-file", str(file.path)]
    assert main(["token", "new", "--scope", "read", "--service", "shop", "--name", "grafana", *flags]) == 0
    assert main(["token", "new", "--scope", "read", "--scope", "ingest", "--service", "*", *flags]) == 0
    made, hints = capsys.readouterr()
    first, second = made.split()
    assert first not in hints
    assert str(file.path) in hints
    assert main(["token", "revoke", "grafana", *flags]) == 0
    assert "revoked grafana" in capsys.readouterr().err

    assert main(["token", "list", *flags]) == 0

    assert capsys.readouterr().out == (
        f"grafana  {hashed(first)[7:19]}  revoked  read         shop\n"
        f"token-1  {hashed(second)[7:19]}  valid    read,ingest  *\n"
    )


@pytest.mark.parametrize("command", ["list", "revoke x"])
def test_a_file_that_does_not_exist_has_no_tokens(
    file: TokenFile, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["token", *command.split(), "--token-file", str(file.path)]) == 2
    assert capsys.readouterr().err == (
        f"edgetally: --token-file: {file.path}: no such file: `edgetally token new` creates it\n"
    )
    assert not file.path.exists()


def test_the_file_is_where_a_server_with_the_same_settings_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    state, data, of_file = tmp_path / "state", tmp_path / "data", tmp_path / "of_file.jsonl"
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    settings = tmp_path / "edgetally.toml"
    settings.write_text(f"access.token_file = '{of_file}'\n")

    for flags, path in (
        ([], state / "edgetally" / "tokens.jsonl"),
        (["--data-dir", str(data)], data / "tokens.jsonl"),
        (["--config", str(settings), "--data-dir", str(data)], of_file),
    ):
        assert main(["token", "new", "--scope", "read", "--service", "*", *flags]) == 0
        assert len(TokenFile(path).existing()) == 1
        assert str(path) in capsys.readouterr().err


def test_tokens_in_the_settings_file_are_an_error_that_says_what_to_do() -> None:
    table = {"name": "a", "hash": hashed("1"), "scopes": ["read"], "services": ["*"]}

    with pytest.raises(ConfigError, match=r"^access\.tokens: .*access\.token_file.*edgetally token new"):
        check({"access": {"tokens": [table]}})
