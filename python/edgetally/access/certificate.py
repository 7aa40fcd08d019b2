"""The server's certificate, which can be replaced while it serves."""

import ssl
from pathlib import Path
from typing import NoReturn

from edgetally.errors import ConfigError, reason
from edgetally.small_file import read_file


class Certificate:
    """A certificate chain with its key. New connections get the one that was loaded last."""

    def __init__(self, cert: Path, key: Path) -> None:
        self.context = _context()
        """What to listen with."""
        self._current = loaded(cert, key)
        # Loading into a context that is in use could fail halfway, and a key of another kind would leave the old one
        # beside it. So each certificate has a context of its own, which connections get when their handshake starts.
        self.context.sni_callback = self._select

    def load(self, cert: Path, key: Path) -> None:
        """Replace it; after a ConfigError, which names the file, the old one stays."""
        self._current = loaded(cert, key)

    def _select(self, connection: ssl.SSLObject, _name: str | None, _listening: ssl.SSLContext) -> None:
        connection.context = self._current


def loaded(cert: Path, key: Path) -> ssl.SSLContext:
    """Read a certificate chain and its key; raise ConfigError, naming the file, when they are invalid or no pair."""
    for setting, path in (("api.tls_cert", cert), ("api.tls_key", key)):
        try:
            read_file(path, again=True)
        except OSError as error:
            raise ConfigError(setting, f"{path}: {reason(error)}") from error
    context = _context()
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cert)
    except ssl.SSLError as error:
        raise ConfigError("api.tls_cert", f"{cert}: expected a certificate chain in PEM form") from error

    def ask_password() -> NoReturn:
        # OpenSSL would ask on the terminal.
        raise ConfigError("api.tls_key", f"{key}: the key is encrypted: store it without a password")

    try:
        context.load_cert_chain(cert, key, ask_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ConfigError("api.tls_key", f"{key}: not the key of the certificate in {cert}") from error
        because = f": {error.reason}" if error.reason else ""  # without one, Python names a line of its own source
        raise ConfigError("api.tls_key", f"{key}: expected a private key in PEM form{because}") from error
    return context


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
