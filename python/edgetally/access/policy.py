"""The door: where a server may listen, who comes in, and the certificate that it shows them."""

import ipaddress
import ssl
from collections.abc import Sequence
from pathlib import Path

import msgspec

from edgetally.access.certificate import Certificate
from edgetally.access.grants import Grant, Keys
from edgetally.access.token_file import Token, TokenFile
from edgetally.config.sections import Config
from edgetally.errors import ConfigError
from edgetally.telemetry.events import (
    CertificateNotReloaded,
    CertificateReloaded,
    NoTokens,
    RestartNeeded,
    TokensReloaded,
    TokensWithoutTls,
    say,
)

RELOADED = {"access.token_file", "api.tls_cert", "api.tls_key"}
"""What can change while the server runs."""


class Door:
    """What guards one server."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._tokens = _tokens(config)
        self.keys = Keys(_grants(self._tokens))
        pair = _pair(config)
        self._certificate = Certificate(*pair) if pair else None

    @property
    def scheme(self) -> str:
        """`http` or `https`."""
        return "https" if self._certificate else "http"

    @property
    def tls(self) -> ssl.SSLContext | None:
        """What to speak TLS with, if it is to be spoken."""
        return self._certificate.context if self._certificate else None

    def admit(self, host: str) -> None:
        """Refuse to answer where strangers are, unless they need a token or may do everything."""
        self._guard(host, self._tokens)
        if self._tokens is not None and not self._certificate and not is_loopback(host):
            say(TokensWithoutTls(host=host))

    def admit_unknown(self, setting: str, host: str) -> None:
        """The same, where nobody could show a token."""
        if not self._config.api.allow_anonymous and not is_loopback(host):
            raise ConfigError(
                setting,
                f"{host} can be reached by others, who could send everything there, because there are no tokens in "
                "this protocol. Listen on 127.0.0.1, or say --allow-anonymous",
            )

    def reload(self, config: Config) -> None:
        """
        Take over the tokens and the certificate of `config`, and say in the log what was and what was not.

        A ConfigError leaves everything as it was; a broken certificate leaves the old one, and the tokens are new.
        """
        tokens = _tokens(config)
        self._guard(self._config.api.address[0], tokens)
        self._tokens = tokens
        self.keys.replace(_grants(tokens))
        if tokens is not None:
            revoked = sum(one.revoked for one in tokens)
            say(TokensReloaded(valid=len(tokens) - revoked, revoked=revoked))
        else:
            say(NoTokens())
        if self._certificate:
            try:
                if pair := _pair(config):
                    self._certificate.load(*pair)
                    say(CertificateReloaded(path=str(pair[0])))
            except ConfigError as error:
                say(CertificateNotReloaded(problem=str(error)))
        if waiting := self._waiting(config):
            say(RestartNeeded(settings=", ".join(waiting)))

    def _guard(self, host: str, tokens: Sequence[Token] | None) -> None:
        if tokens is None and not self._config.api.allow_anonymous and not is_loopback(host):
            raise ConfigError(
                "api.listen",
                f"{host} can be reached by others, who could read and push everything. Make a token with "
                "`edgetally token new`, listen on 127.0.0.1, or say --allow-anonymous",
            )

    def _waiting(self, config: Config) -> list[str]:
        """Name the settings that differ from those with which the server was started, and cannot change."""
        before, after = _plain(self._config), _plain(config)
        tls = config.api.tls_cert is not None
        fixed = before.keys() - (RELOADED if tls is (self._certificate is not None) else {"access.token_file"})
        return sorted(name for name in fixed if before[name] != after[name])


def _pair(config: Config) -> tuple[Path, Path] | None:
    """Return where the certificate and its key are, if there are any."""
    cert, key = config.api.tls_cert, config.api.tls_key
    return (cert, key) if cert and key else None


def _tokens(config: Config) -> tuple[Token, ...] | None:
    """Read the tokens; None when there is no file and none was set, so that none are needed."""
    file = TokenFile(config.token_file)
    return file.existing() if config.access.token_file else file.read()


def _grants(tokens: Sequence[Token] | None) -> dict[str, Grant] | None:
    """Return what the tokens admit, by their hash; None when none are needed."""
    if tokens is None:
        return None
    return {one.hash: Grant(one.scopes, one.services) for one in tokens if not one.revoked}


def _plain(config: Config) -> dict[str, object]:
    """Return every setting by its dotted name."""
    return {
        f"{section}.{name}": value
        for section, settings in msgspec.structs.asdict(config).items()
        for name, value in msgspec.structs.asdict(settings).items()
    }


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`. Of names, that is known of `localhost` alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
