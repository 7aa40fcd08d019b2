"""
Make the pictures of the README: the demo's incident, in light and dark.

    python -m tests.page.screenshots
"""

import asyncio
import random
from pathlib import Path

from playwright.async_api import expect

from edgetally.demo.traffic import INCIDENT, SITES, records
from tests.support.browser import chromium, looking
from tests.support.clock import START, ManualClock
from tests.support.served import served

FOLDER = Path(__file__).parents[2] / "docs" / "images"
SITE = SITES[0]
MINUTES = 5
HEIGHT = 700


async def main() -> None:
    """Count five minutes of the demo up to 40 seconds into an incident, and take the pictures."""
    end = next(second for second in range(START, START + 180, 60) if second // 60 % 3 == 2) + 40
    chance = random.Random(1)  # noqa: S311 - traffic, not secrets
    async with served(clock=ManualClock(end - 60 * MINUTES)) as running, chromium() as browser:
        for second in range(end - 60 * MINUTES, end):
            await running.to(second + 1 - START)
            answer = await running.client.post("/ingest", content=b"\n".join(records(SITE, second, 1, chance)))
            assert answer.status_code == 200
        await running.to(end + 1 - START)
        FOLDER.mkdir(exist_ok=True)
        for scheme in ("light", "dark"):
            address = f"{running.url}/#service={SITE.service_id}"
            async with looking(browser, address, width=1180, height=HEIGHT, scheme=scheme) as look:
                await expect(look.page.locator("body")).to_have_attribute("data-state", "live")
                await expect(look.page.locator("td.pop .failing")).to_have_count(len(INCIDENT.pops))
                await look.page.screenshot(path=FOLDER / f"page-{scheme}.png")


if __name__ == "__main__":
    asyncio.run(main())
