"""
The token file: one line of JSON per token. `edgetally token` writes it, and the server reads it.

    {"name":"grafana","hash":"sha256:9f86…","scopes":["read"],"services":["shop"]}

It is replaced atomically, so a reader finds the old file or the new one. Writers lock its directory and not the file,
because the next write replaces the file.
"""

import fcntl
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edgetally.access.grants import TOKEN, hashed, new_token
from edgetally.errors import ConfigError, reason
from edgetally.model import SERVICE_ID
from edgetally.obstacle import WRITABLE, obstacle
from edgetally.small_file import read_file

SERVICE = rf"{SERVICE_ID}|\*"
HASH = r"sha256:[0-9a-f]{64}"
MAX_NAME = 64
NO_FILE = "no such file: `edgetally token new` creates it"
SHORTEST = 8
"""Hexadecimal digits of a hash that may stand for all of it."""


class Token(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the bearer of one token may do."""

    name: str
    hash: str
    scopes: Annotated[tuple[Literal["read", "ingest"], ...], Meta(min_length=1)]
    services: Annotated[tuple[str, ...], Meta(min_length=1)]
    """Service ids; `*` is all of them."""
    revoked: bool = False

    def __post_init__(self) -> None:
        """Check what types cannot say; raise ValueError."""
        if not (0 < len(self.name) <= MAX_NAME and self.name.isprintable()):
            raise ValueError(f"expected a name of 1 to {MAX_NAME} printable characters, got {self.name[:40]!r}")
        if not re.fullmatch(HASH, self.hash):
            raise ValueError("expected a hash of sha256: and 64 hexadecimal digits")
        for service_id in self.services:
            if not re.fullmatch(SERVICE, service_id):
                raise ValueError(
                    f"expected a service of 1 to 64 letters, digits, - and _, or * for all, got {service_id[:40]!r}"
                )


class TokenFile:
    """The tokens in one file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> tuple[Token, ...] | None:
        """Return the tokens, revoked ones too; None if there is no file. Raises ConfigError when it is damaged."""
        try:
            lines = read_file(self.path, again=True).splitlines()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._wrong(reason(error)) from error
        tokens = []
        for number, line in enumerate(lines, 1):
            try:
                tokens.append(msgspec.json.decode(line, type=Token))
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise self._wrong(f"line {number}: {error}") from error
        for what in ("name", "hash"):
            (value, count) = Counter(getattr(one, what) for one in tokens).most_common(1)[0] if tokens else ("", 0)
            if count > 1:
                raise self._wrong(f"two tokens have the {what} {value!r}")
        return tuple(tokens)

    def add(self, *, name: str | None, scopes: Sequence[str], services: Sequence[str]) -> str:
        """Make a token, keep its hash in the file, which need not exist yet, and return it."""
        token = new_token()
        with self._locked(create=True):
            tokens = self.read() or ()
            taken = {one.name for one in tokens}
            free = (f"token-{number}" for number in range(1, len(taken) + 2))
            values = {
                "name": name or next(one for one in free if one not in taken),
                "hash": hashed(token),
                "scopes": list(dict.fromkeys(scopes)),
                "services": list(dict.fromkeys(services)),
            }
            if name in taken:
                raise ConfigError("--name", f"a token {name!r} already exists")
            try:
                added = msgspec.convert(values, Token)
            except msgspec.ValidationError as error:
                raise ConfigError("token", str(error)) from error
            self._replace((*tokens, added))
        return token

    def revoke(self, which: str) -> str:
        """Revoke the token with the name `which`, or with a hash that begins so, or that is it; return its name."""
        with self._locked():
            tokens = self.existing()
            found = _find(tokens, which)
            if not found.revoked:
                revoked = msgspec.structs.replace(found, revoked=True)
                self._replace([revoked if one is found else one for one in tokens])
        return found.name

    def existing(self) -> tuple[Token, ...]:
        """Return the tokens, revoked ones too; raise ConfigError when there is no file."""
        tokens = self.read()
        if tokens is None:
            raise self._wrong(NO_FILE)
        return tokens

    def _target(self) -> Path:
        """Return the file itself, where the path is a link, which stays one."""
        return Path(os.path.realpath(self.path))

    def _wrong(self, problem: str) -> ConfigError:
        return ConfigError("access.token_file", f"{self.path}: {problem}")

    def _not_writable(self, error: OSError) -> ConfigError:
        found = obstacle(self._target())
        return self._wrong(f"{found}; {WRITABLE}" if found else reason(error))

    @contextmanager
    def _locked(self, *, create: bool = False) -> Iterator[None]:
        """Keep other writers out."""
        directory = self._target().parent
        try:
            if create:
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not create:
                raise self._wrong(NO_FILE) from error
            raise self._not_writable(error) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _replace(self, tokens: Sequence[Token]) -> None:
        """Write these tokens in place of those in the file, durably."""
        import tempfile  # noqa: PLC0415 - servers only read tokens

        path = self._target()
        try:
            number, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
            try:
                with os.fdopen(number, "wb") as file:
                    file.writelines(msgspec.json.encode(one) + b"\n" for one in tokens)
                    _hand_over(number, path)
                    file.flush()
                    os.fsync(number)
                Path(name).replace(path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
            directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        except OSError as error:
            raise self._not_writable(error) from error


def _hand_over(number: int, path: Path) -> None:
    """Let the new file have the owner and the mode of the old one; without one, that of the directory and 0600."""
    if path.exists():
        before = path.stat()
        os.fchown(number, before.st_uid, before.st_gid)
        os.fchmod(number, before.st_mode & 0o7777)
    elif os.geteuid() == 0:
        # The server that reads it is often another user, who owns the directory.
        directory = path.parent.stat()
        os.fchown(number, directory.st_uid, directory.st_gid)


def _find(tokens: Sequence[Token], which: str) -> Token:
    digits = hashed(which) if which.startswith(TOKEN) else f"sha256:{which.removeprefix('sha256:')}"
    is_hash = len(digits) >= len("sha256:") + SHORTEST
    found = [one for one in tokens if one.name == which] or [
        one for one in tokens if is_hash and one.hash.startswith(digits)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigError("token", "more than one hash begins like this: give more digits")
    # What was asked for may be a token, which must not be shown in a message.
    raise ConfigError("token", f"no token has this name or hash (give at least {SHORTEST} digits of a hash)")
