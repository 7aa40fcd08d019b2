"""
Access policy: which tokens and which certificate a server has, and where it may listen.

All of it is checked before the server opens anything, and again on SIGHUP.
"""

import ipaddress
import os
import ssl
from collections.abc import Iterator, Sequence

from edgetally.access.certificate import Certificate
from edgetally.access.grants import Grant, Keys, short
from edgetally.access.token_file import Token, TokenFile
from edgetally.config.sections import NAMED_TABLES, SECTIONS, Config
from edgetally.errors import ConfigError
from edgetally.sources import syslog_address
from edgetally.telemetry.events import (
    CertificateNotReloaded,
    CertificateReloaded,
    Event,
    NoTokens,
    RestartNeeded,
    TokensReloaded,
    TokensWithoutTls,
    say,
)

RELOADED = {"access.token_file", "api.pop_region", "pops", "services"}
"""Settings that can change while the server runs."""

RELOADED_WITH_TLS = RELOADED | {"api.tls_cert", "api.tls_key"}

Tokens = tuple[Token, ...] | None
"""All tokens, revoked ones too; None if no request needs one."""


class Policy:
    """The tokens and the certificate of one server."""

    def __init__(self, config: Config) -> None:
        """Read and check everything; raise ConfigError with everything that is wrong."""
        problems: list[ConfigError] = []
        self.tokens: Tokens = None
        self._certificate: Certificate | None = None
        try:
            self.tokens = _tokens(config)
        except ConfigError as error:
            problems.append(error)
        else:
            problems += _exposures(config, self.tokens)
        try:
            self._certificate = _certificate(config)
        except ConfigError as error:
            problems.append(error)
        if problems:
            raise ConfigError.joined(problems)
        self._config = config
        self.keys = Keys(_grants(self.tokens))

    @property
    def scheme(self) -> str:
        """`http` or `https`."""
        return "https" if self._certificate else "http"

    @property
    def tls(self) -> ssl.SSLContext | None:
        """The context of the listener; None without TLS."""
        return self._certificate.context if self._certificate else None

    def warnings(self) -> Iterator[Event]:
        """Yield what is allowed and dangerous."""
        host, _ = self._config.api.address
        if self.tokens is not None and not self._certificate and not is_loopback(host):
            yield TokensWithoutTls(host=host)

    def warn(self) -> None:
        """Log what is allowed and dangerous."""
        for event in self.warnings():
            say(event)

    def reload(self, config: Config) -> None:
        """
        Apply the tokens and the certificate of `config`, and log what was applied.

        After a ConfigError nothing has changed. If only the certificate is wrong, the old one stays, and the tokens are
        applied all the same: it may be urgent that one of them is revoked.
        """
        tokens = _tokens(config)
        # The server goes on listening where it does, and a restart will listen where `config` says.
        if problems := [*_exposures(self._config, tokens), *_exposures(config, tokens)]:
            raise ConfigError.joined(problems)
        self.tokens = tokens
        self.keys.replace(_grants(tokens))
        if tokens is None:
            say(NoTokens())
        else:
            revoked = sum(one.revoked for one in tokens)
            say(TokensReloaded(valid=len(tokens) - revoked, revoked=revoked))
        if self._certificate:
            self._reload_certificate(self._certificate, config)
        if settings := self._needing_restart(config):
            say(RestartNeeded(settings=", ".join(settings)))

    @staticmethod
    def _reload_certificate(certificate: Certificate, config: Config) -> None:
        cert, key = config.api.tls_cert, config.api.tls_key
        if cert and key:
            try:
                certificate.load(cert, key)
            except ConfigError as error:
                say(CertificateNotReloaded(problem=str(error)))
            else:
                say(CertificateReloaded(path=str(cert)))

    def _needing_restart(self, config: Config) -> list[str]:
        """Name the settings that differ from those of the start, and are not reloaded."""
        before, after = _by_path(self._config), _by_path(config)
        has_tls = config.api.tls_cert is not None
        fixed = before.keys() - (RELOADED_WITH_TLS if has_tls is (self._certificate is not None) else RELOADED)
        return sorted(path for path in fixed if before[path] != after[path])


def _tokens(config: Config) -> Tokens:
    file = TokenFile(config.token_file)
    if not config.access.token_file and os.path.lexists(file.path.parent) and not file.path.parent.is_dir():
        raise ConfigError("journal.data_dir", f"{file.path.parent}: expected a directory, got a file")
    return file.existing() if config.access.token_file else file.read()


def _certificate(config: Config) -> Certificate | None:
    cert, key = config.api.tls_cert, config.api.tls_key
    return Certificate(cert, key) if cert and key else None


def _exposures(config: Config, tokens: Tokens) -> Iterator[ConfigError]:
    """Yield an error for each address at which others could read or push without a token."""
    if config.api.allow_anonymous:
        return
    host, _ = config.api.address
    if tokens is None and not is_loopback(host):
        yield ConfigError(
            "api.listen",
            f"{host} can be reached by others: create a token (`edgetally token new`), listen on 127.0.0.1, or set "
            "--allow-anonymous",
        )
    for index, one in enumerate(config.sources.syslog):
        where = syslog_address.parse(one.listen)
        if where.kind != "unix" and not is_loopback(where.host):
            yield ConfigError(
                f"sources.syslog[{index}]",
                f"{where.host} can be reached by others, and syslog has no tokens: listen on 127.0.0.1, or set "
                "--allow-anonymous",
            )


def _grants(tokens: Sequence[Token] | None) -> dict[str, Grant] | None:
    """Return what the tokens allow, by their hash; None if no request needs one."""
    if tokens is None:
        return None
    return {
        one.hash: Grant(one.scopes, one.services, name=one.name, token_id=short(one.hash))
        for one in tokens
        if not one.revoked
    }


def _by_path(config: Config) -> dict[str, object]:
    found = {
        f"{section}.{name}": value for section in SECTIONS for name, value in getattr(config, section).values().items()
    }
    return found | {name: getattr(config, name) for name in NAMED_TABLES}


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`. Of names, this is certain for `localhost` alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
