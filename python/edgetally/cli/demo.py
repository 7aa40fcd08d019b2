"""`edgetally demo`: a server with made-up traffic."""

import argparse
from tempfile import TemporaryDirectory

from edgetally.access.policy import is_loopback
from edgetally.cli.flags import add_flag
from edgetally.config.given import Given
from edgetally.demo.run import demonstrate
from edgetally.errors import ConfigError
from edgetally.service.process import run


def describe(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    command.description = (
        "Serve made-up traffic of several services, domains, POPs and origins, and print where to look."
    )
    command.set_defaults(command=_demo, **{"journal.kind": "memory"})
    add_flag(command, "api.listen")


def _demo(_: argparse.Namespace, settings: Given) -> int:
    config = settings.config()
    host, _port = config.api.address
    if not is_loopback(host):
        raise ConfigError(
            "--listen",
            f"{host} can be reached by others, and the demo has no tokens (expected 127.0.0.1, localhost or [::1])",
        )
    try:
        temporary = TemporaryDirectory(prefix="edgetally-demo-", ignore_cleanup_errors=True)
    except OSError as error:
        raise ConfigError("TMPDIR", error.strerror or str(error)) from error
    with temporary as directory:
        # A directory of its own, because the tokens of a real server would keep the demo's traffic out.
        journal = config.journal.replace(data_dir=directory)
        # The demo prints on the terminal that the log would go to.
        config = config.replace(journal=journal, log=config.log.replace(level="warning"))
        return run(config, companion=demonstrate)
