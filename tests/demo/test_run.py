"""The demo: a service with made-up traffic, and where to look."""

import asyncio
import re

import pytest

from edgetally.demo import run as demo
from edgetally.demo.traffic import SITES
from tests.support.clock import until
from tests.support.served import served


async def test_the_demo_shows_where_to_look_and_what_comes_in(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(demo, "show", shown.append)
    # The demo reads in threads, where it waits for the next second.
    async with served(wait_for_threads=False) as running:
        service = running.service
        showing = asyncio.create_task(demo.demonstrate(service))
        while len(shown) < 4:
            before = service.totals.accepted
            await running.clock.advance(demo.BATCH_SECONDS)
            await until(lambda before=before: service.totals.accepted > before or showing.done())  # type: ignore[misc]
            assert not showing.done()

        # Every address that it prints has something to show.
        urls = re.findall(rf"{running.url}[^\s'`]*", shown[0])
        assert shown[0].strip().startswith(f"{running.url}/#service=shop\n")
        assert len(urls) == 8
        for url in urls:
            answer = await running.client.get(url)
            assert answer.status_code == 200
            assert answer.json()
        assert [url for url in urls if "/v1/" in url and not (await running.client.get(url)).json()["Data"]] == []

        showing.cancel()
        await asyncio.wait([showing])

    assert shown[0].count("curl") == 1
    assert all(site.service_id in shown[0] for site in SITES)
    seconds = [int(line.split()[0]) for line in shown[1:]]
    assert seconds == sorted(set(seconds))
    assert re.search(r"www\.shop\.example \d+ requests, \d+% hits · ", shown[-1])
