"""What the live page costs a browser. See README.md."""

import argparse
import asyncio
import contextlib
import gzip
import io
import shutil
from importlib import resources
from typing import Any

from playwright.async_api import CDPSession, Page, async_playwright

from benchmarks.harness import row
from edgetally.api import page as page_room
from edgetally.clock import SystemClock
from edgetally.config.validation import check
from edgetally.demo.run import demonstrate
from edgetally.service.service import Service
from tests.support.browser import CHROMIUM

TRAFFIC_SECONDS = 15
"""Of traffic before the page is looked at, so that there is something to see."""

FIRST_PICTURE = """new Promise((resolve) => {
  const drawn = () => document.querySelector("tbody tr[data-name]")
    ? resolve(performance.now() - performance.getEntriesByType("navigation")[0].responseStart)
    : requestAnimationFrame(drawn);
  drawn();
})"""


async def measured(session: CDPSession) -> dict[str, float]:
    """Return the browser's counters: `ScriptDuration` and the like in seconds."""
    found = await session.send("Performance.getMetrics")
    return {one["name"]: one["value"] for one in found["metrics"]}


async def heap(session: CDPSession) -> float:
    """Return the megabytes of JavaScript that are in use after a collection."""
    await session.send("HeapProfiler.collectGarbage")
    return (await measured(session))["JSHeapUsedSize"] / 1e6


async def first_picture(page: Page, address: str) -> float:
    """Load the page; return the milliseconds from the first byte to the first row."""
    await page.goto("about:blank")
    await page.goto(address, wait_until="commit")
    taken: Any = await page.evaluate(FIRST_PICTURE)
    return float(taken)


async def main() -> None:
    """Look at the demo for a while, and print what it took."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=int, default=30, help="how long to look (default 30)")
    seconds = arguments.parse_args().seconds
    files = [one for one in resources.files(page_room).joinpath("static").iterdir() if not one.name.endswith(".d.ts")]
    size = sum(len(gzip.compress(one.read_bytes(), 9)) for one in files) / 1000
    config = check({"journal": {"kind": "memory"}, "api": {"listen": "127.0.0.1:0"}})
    # The demo tells what it does.
    with contextlib.redirect_stdout(io.StringIO()):
        async with Service(config, SystemClock()) as service, async_playwright() as playwright:
            traffic = asyncio.create_task(demonstrate(service))
            seen = asyncio.create_task(asyncio.sleep(TRAFFIC_SECONDS))
            browser = await playwright.chromium.launch(executable_path=shutil.which(CHROMIUM), args=["--no-sandbox"])
            page = await (await browser.new_context(viewport={"width": 1440, "height": 900})).new_page()
            address = f"{service.url}/#service=shop"
            await seen
            pictures = sorted([await first_picture(page, address) for _ in range(5)])
            session = await page.context.new_cdp_session(page)
            await session.send("Performance.enable")
            await asyncio.sleep(2)  # the page is loaded
            start, used = await measured(session), await heap(session)
            await asyncio.sleep(seconds)
            end, then = await measured(session), await heap(session)
            traffic.cancel()
            await asyncio.wait([traffic])
            await browser.close()
    script = 1000 * (end["ScriptDuration"] - start["ScriptDuration"]) / seconds
    task = 1000 * (end["TaskDuration"] - start["TaskDuration"]) / seconds
    print(f"first picture {', '.join(f'{one:.0f}' for one in pictures)} ms after the first byte")
    print(
        f"in {seconds} s: {script:.1f} ms of script, {task:.1f} ms of work a second; heap {used:.1f} to {then:.1f} MB"
    )
    row("page: files, compressed", "30 kB", f"{size:.1f} kB", "", met=size <= 30)
    first = pictures[2]
    row("page: first picture", "300 ms", f"{first:.0f} ms", "after the first byte", met=first <= 300)
    row("page: script a second", "16 ms", f"{script:.1f} ms", f"all work {task:.0f} ms", met=script <= 16)
    row("page: growth of the heap", "1 MB", f"{then - used:+.1f} MB", f"in {seconds} s", met=then - used <= 1)


if __name__ == "__main__":
    asyncio.run(main())
