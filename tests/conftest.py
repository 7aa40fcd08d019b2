"""Fixtures for every test."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from hypothesis import HealthCheck, settings

from tests.support.served import Served, served

# A limit on the time of an example would be a timed test: it fails on a busy machine.
settings.register_profile("edgetally", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("edgetally")


@pytest.fixture(scope="session", autouse=True)
def no_state_of_mine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep servers that several tests share away from the journal and the tokens of the developer."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(autouse=True)
def state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test a state directory of its own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def service() -> AsyncIterator[Served]:
    """A service with its default settings, on a clock that the test turns."""
    async with served() as running:
        yield running


@pytest.fixture
def client(service: Served) -> httpx.AsyncClient:
    """A client of `service`."""
    return service.client
