"""Self-signed certificates, made for each test that needs one."""

import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

KINDS = {
    "ec": ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
    "rsa": ["rsa:2048"],
}


class Pair(NamedTuple):
    """A certificate and its key, in files."""

    cert: Path
    key: Path

    @property
    def settings(self) -> dict[str, object]:
        return {"tls_cert": str(self.cert), "tls_key": str(self.key)}

    @property
    def der(self) -> bytes:
        """The certificate in DER form."""
        return ssl.PEM_cert_to_DER_cert(self.cert.read_text())

    def trusted(self) -> ssl.SSLContext:
        """Return a client context that trusts this certificate only."""
        return ssl.create_default_context(cafile=self.cert)


def make(directory: Path, name: str = "here", kind: str = "ec", *options: str, hosts: Sequence[str] = ()) -> Pair:
    """Make a pair of files in `directory`, for 127.0.0.1, localhost and `hosts`."""
    directory.mkdir(exist_ok=True)
    pair = Pair(directory / f"{name}.pem", directory / f"{name}.key")
    names = ",".join(["IP:127.0.0.1", *(f"DNS:{host}" for host in ("localhost", *hosts))])
    subject = ["-subj", f"/CN={name}", "-addext", f"subjectAltName={names}"]
    where = ["-keyout", pair.key, "-out", pair.cert, "-days", "2", *(options or ["-nodes"])]
    command = ["openssl", "req", "-x509", "-newkey", *KINDS[kind], *subject, *where]
    subprocess.run(command, check=True, capture_output=True)
    return pair
