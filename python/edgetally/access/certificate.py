"""The certificate that the server shows, which can be replaced while it serves."""

import ssl
from pathlib import Path
from typing import NoReturn

from edgetally.errors import ConfigError


class Certificate:
    """A certificate with its key. Whoever connects is shown the one that was loaded last."""

    def __init__(self, cert: Path, key: Path) -> None:
        self.context = _context()
        """What to listen with."""
        self._shown = loaded(cert, key)
        # Loading into a context that is in use could fail halfway, and a key of another kind would leave the old one
        # beside it. So what is loaded gets a context of its own, and a connection is given it as it begins.
        self.context.sni_callback = self._show

    def load(self, cert: Path, key: Path) -> None:
        """Show this one from now on; raise ConfigError, naming the file, and go on with the old one if it is broken."""
        self._shown = loaded(cert, key)

    def _show(self, connection: ssl.SSLObject, _name: str | None, _listening: ssl.SSLContext) -> None:
        connection.context = self._shown


def loaded(cert: Path, key: Path) -> ssl.SSLContext:
    """Read a certificate and its key; raise ConfigError, naming the file, when they are none or no pair."""
    for setting, path in (("api.tls_cert", cert), ("api.tls_key", key)):
        try:
            path.read_bytes()
        except OSError as error:
            raise ConfigError(setting, f"{path}: {error.strerror}") from error
    context = _context()
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cert)
    except ssl.SSLError as error:
        raise ConfigError("api.tls_cert", f"{cert}: there is no certificate in it, in PEM form") from error

    def ask() -> NoReturn:
        # OpenSSL would ask whoever sits at the terminal.
        raise ConfigError("api.tls_key", f"{key}: the key is encrypted, and there is nobody to ask for its password")

    try:
        context.load_cert_chain(cert, key, ask)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ConfigError("api.tls_key", f"{key}: this is not the key of the certificate in {cert}") from error
        raise ConfigError(
            "api.tls_key", f"{key}: there is no key in it that can be used, in PEM form: {error.reason or error}"
        ) from error
    return context


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
