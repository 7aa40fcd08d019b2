"""`edgetally demo`: a service with made-up traffic, pushed over HTTP, and where to look at it."""

import asyncio
import http.client
import random
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from edgetally.clock import sleep_until
from edgetally.demo.traffic import INCIDENT, SITES, records
from edgetally.demo.yesterday import Yesterday, hours, last_outage
from edgetally.service.service import Service

BATCH_SECONDS = 0.25
"""How often traffic is pushed."""


def show(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


async def demonstrate(service: Service) -> None:
    """Push traffic and print every second what the API answers, until cancelled."""
    example = SITES[0].service_id
    show(f"""
{service.url}/#service={example}

Edgetally is running with made-up traffic of {len(SITES)} services: {", ".join(site.service_id for site in SITES)}.
One minute in three, {INCIDENT.origin} fails in {" and ".join(sorted(INCIDENT.pops))}.
Open that address in a browser, or run this in another terminal:

  {_command()} top {service.url} --service {example}

The last day and a half is made up, too, with an outage in the evening:

  {service.url}/#service={example}&downsample=minute&at={last_outage(int(service.clock.now()))}

For programs:

  domains            {service.url}/v1/domains/{example}/ts/h
  origins            {service.url}/v1/origins/{example}/ts/h
  origins by address '{service.url}/v1/channel/{example}/ts/h?kind=origin_insights'
  API description    {service.url}/openapi.json

The last second of {example}, by domain and by POP:

  curl -s '{service.url}/v1/domains/{example}/ts/h/limit/1' | python3 -m json.tool

The busiest domains of {example}, second by second (stop with Ctrl-C):
""")
    await asyncio.gather(_push(service), _watch(service, example), _remember(service))


def _command() -> str:
    """Return how the reader can run `edgetally`: it need not be on the PATH."""
    return sys.argv[0] if Path(sys.argv[0]).name == "edgetally" else "edgetally"


async def _push(service: Service) -> None:
    chance = random.Random(1)  # noqa: S311 - traffic, not secrets
    start = service.clock.now()
    while True:
        await sleep_until(service.clock, start + BATCH_SECONDS)
        for site in SITES:
            body = b"\n".join(records(site, start, BATCH_SECONDS, chance))
            await asyncio.to_thread(_request, service.url, "POST", "/ingest", body)
        start += BATCH_SECONDS


async def _remember(service: Service) -> None:
    """Add what was before, hour by hour."""
    if service.history.reader:
        now = int(service.clock.now())
        yesterday = await asyncio.to_thread(Yesterday)
        for hour in hours(now):
            await asyncio.to_thread(yesterday.add, service.config, hour, now)


async def _watch(service: Service, service_id: str) -> None:
    """Follow the entries by chaining `Timestamp`, as a client of the API does."""
    busiest = SITES[0].domains[:3]
    cursor = 0
    while True:
        path = f"/v1/domains/{service_id}/ts/{cursor}"
        answer = msgspec.json.decode(await asyncio.to_thread(_request, service.url, "GET", path, None))
        cursor = answer["Timestamp"]
        for entry in answer["Data"]:
            counts = entry["aggregated"]
            domains = [
                f"{domain} {counts[domain]['requests']} requests, {counts[domain].get('edge_hit_ratio', 0):.0%} hits"
                for domain in busiest
                if domain in counts
            ]
            show(f"  {entry['recorded']}  " + " · ".join(domains))
        if not answer["Data"]:
            await sleep_until(service.clock, service.clock.now() + 1)


def _request(url: str, method: str, path: str, body: bytes | None) -> bytes:
    # A thread cannot be cancelled, so it has a connection of its own and closes it.
    with closing(http.client.HTTPConnection(urlsplit(url).netloc)) as connection:
        connection.request(method, path, body)
        return connection.getresponse().read()
