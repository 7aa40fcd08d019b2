"""`edgetally serve`: run the server."""

import argparse

from edgetally.cli.flags import add_flags, server
from edgetally.config.given import Given


def describe(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    command.description = (
        "Take records and answer readers, until SIGTERM or SIGINT. Flags win over environment variables, and these "
        "over the settings file. SIGHUP reloads tokens, the certificate, services and POPs."
    )
    command.set_defaults(command=_serve)
    add_flags(command, server())


def _serve(_: argparse.Namespace, settings: Given) -> int:
    from edgetally.service.process import run  # noqa: PLC0415 - wrong settings are found without a server

    return run(settings.config(), read_config=settings.config)
