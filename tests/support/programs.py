"""Programs that tests run, where they are installed."""

import os
import shutil
import sys
from pathlib import Path

import pytest


def program(name: str) -> str | None:
    """Find a program: on the PATH, or among those of Python packages."""
    return shutil.which(name) or shutil.which(name, path=Path(sys.executable).parent)


def skip_or_fail(*servers: str) -> list[pytest.MarkDecorator]:
    """Return marks that skip if a server is missing, or raise if EDGETALLY_REQUIRE_SERVERS is set."""
    if not (missing := [name for name in servers if not program(name)]):
        return []
    reason = f"not installed here: {', '.join(missing)}"
    if "EDGETALLY_REQUIRE_SERVERS" in os.environ:
        raise RuntimeError(f"{reason}, but EDGETALLY_REQUIRE_SERVERS is set")
    return [pytest.mark.skip(reason=reason)]
