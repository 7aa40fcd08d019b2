"""
`edgetally token`: makes, lists and revokes tokens in a settings file.

The file belongs to whoever wrote it, comments and all, so it is never written anew from what was read of it. A new
token is a table at its end, and a revocation is one more line in that table. What comes of it is read before it takes
the place of the file, all at once.
"""

import fcntl
import json
import os
import re
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace

from edgetally.access.grants import TOKEN, hashed, new_token
from edgetally.config import Config, Token, check
from edgetally.errors import ConfigError

HEADER = re.compile(r"^[ \t]*\[\[[ \t]*access[ \t]*\.[ \t]*tokens[ \t]*\]\][ \t]*(?:#.*)?\r?\n?", re.MULTILINE)
"""The line with which the table of a token begins."""

SHORTEST = 8
"""Hexadecimal digits of a hash that may stand for all of it."""


def new(path: Path, *, name: str | None, scopes: Sequence[str], services: Sequence[str]) -> str:
    """Make a token and add it to the settings in `path`, which need not be there yet; return the token."""
    token = new_token()
    with _edited(path) as (text, config):
        taken = {one.name for one in config.access.tokens}
        called = name or next(
            f"token-{number}" for number in range(1, len(taken) + 2) if f"token-{number}" not in taken
        )
        values = {"name": called, "hash": hashed(token), "scopes": _once(scopes), "services": _once(services)}
        added = check({"access": {"tokens": [values]}}).access.tokens
        if called in taken:
            raise ConfigError("--name", f"there is a token {called!r} already")
        # TOML writes these values as JSON does.
        table = "[[access.tokens]]\n" + "".join(
            f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items()
        )
        gap = "" if not text else "\n" if text.endswith("\n") else "\n\n"
        _replace(path, text + gap + table, _with(config, (*config.access.tokens, *added)))
    return token


def revoke(path: Path, which: str) -> str:
    """Revoke the token that has the name `which`, or a hash that begins so, or that is it; return its name."""
    with _edited(path) as (text, config):
        tokens = config.access.tokens
        number = _find(tokens, which)
        if not tokens[number].revoked:
            headers = list(HEADER.finditer(text))
            if len(headers) != len(tokens):
                raise ConfigError(str(path), "the tokens are not written as `[[access.tokens]]`: revoke it by hand")
            end = headers[number].end()
            revoked = (*tokens[:number], replace(tokens[number], revoked=True), *tokens[number + 1 :])
            _replace(path, f"{text[:end]}revoked = true\n{text[end:]}", _with(config, revoked))
    return tokens[number].name


def listed(path: Path) -> Iterator[str]:
    """Yield a line for each token in the settings in `path`."""
    tokens = _read(path)[1].access.tokens
    width = max((len(one.name) for one in tokens), default=0)
    for one in tokens:
        state = "revoked" if one.revoked else "valid"
        yield (
            f"{one.name:<{width}}  {one.hash.partition(':')[2][:12]}  {state:<7}  "
            f"{','.join(one.scopes):<11}  {','.join(one.services)}"
        )


def _find(tokens: Sequence[Token], which: str) -> int:
    digits = hashed(which) if which.startswith(TOKEN) else f"sha256:{which.removeprefix('sha256:')}"
    is_hash = len(digits) >= len("sha256:") + SHORTEST
    found = [number for number, one in enumerate(tokens) if one.name == which] or [
        number for number, one in enumerate(tokens) if is_hash and one.hash.startswith(digits)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigError("token", "more than one hash begins so: say more of it")
    # What was asked for may be a token, which has no place in a message.
    raise ConfigError("token", f"none has this name, or a hash that begins so (at least {SHORTEST} digits)")


def _once(values: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _with(config: Config, tokens: tuple[Token, ...]) -> Config:
    return replace(config, access=replace(config.access, tokens=tokens))


def _read(path: Path) -> tuple[str, Config]:
    try:
        text = path.read_bytes().decode()
        return text, check(tomllib.loads(text))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(str(path), str(error)) from error


@contextmanager
def _edited(path: Path) -> Iterator[tuple[str, Config]]:
    """Read a settings file, and let nobody else change it meanwhile."""
    try:
        # The file itself is replaced, so what is locked is where it stands.
        directory = os.open(path.resolve().parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise ConfigError(str(path), error.strerror or str(error)) from error
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield _read(path) if path.exists() else ("", Config())
    finally:
        os.close(directory)


def _replace(path: Path, text: str, meant: Config) -> None:
    """Let `text` be the settings, if it says what is meant; a new file is for its owner alone."""
    try:
        says = check(tomllib.loads(text))
    except (ConfigError, tomllib.TOMLDecodeError):
        says = None
    if says != meant:
        raise ConfigError(str(path), "it is written in a way that cannot be added to: change its tokens by hand")
    # A link stays one.
    path = path.resolve()
    try:
        number, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(number, "wb") as file:
                file.write(text.encode())
                if path.exists():
                    # The server that reads it may be another user.
                    before = path.stat()
                    os.fchown(number, before.st_uid, before.st_gid)
                    os.fchmod(number, before.st_mode & 0o7777)
                file.flush()
                os.fsync(number)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ConfigError(str(path), error.strerror or str(error)) from error
