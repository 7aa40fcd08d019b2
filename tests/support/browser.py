"""A real browser that looks at a service on a turned clock."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, ConsoleMessage, Error, Page, async_playwright, expect

from tests.support.programs import program

CHROMIUM = "chromium-headless-shell"

expect.set_options(timeout=20_000)  # milliseconds: the machine may be busy


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Run Debian's browser."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program(CHROMIUM), args=["--no-sandbox"])
        yield browser
        await browser.close()


class Looking:
    """A page that is looked at, and what it complained of."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", self._error)

    def _console(self, message: ConsoleMessage) -> None:
        # Answers other than 200 are shown as errors, too. The page handles them.
        if message.type in {"error", "warning"} and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    def _error(self, error: Error) -> None:
        self.complaints.append(str(error))

    async def names(self) -> list[str]:
        """Return the names of the rows in their order."""
        return await self.page.locator("tbody tr[data-name] th").all_inner_texts()

    async def is_in_state(self, state: str, text: str | re.Pattern[str] = "") -> None:
        """Wait until the page is in a state, and says so."""
        await expect(self.page.locator("body")).to_have_attribute("data-state", state)
        await expect(self.page.locator("#state")).to_contain_text(text)


@asynccontextmanager
async def looking(
    browser: Browser,
    url: str,
    *,
    width: int = 1280,
    height: int = 800,
    scheme: str = "light",
    wait_for_row: bool = True,
) -> AsyncIterator[Looking]:
    """Open a page; in the end, it must have complained of nothing."""
    context = await browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
        permissions=["clipboard-read", "clipboard-write"],
    )
    try:
        page = await context.new_page()
        looked = Looking(page)
        await page.goto(url)
        if wait_for_row:
            await expect(page.locator("tbody tr[data-name]").first).to_be_visible()
        yield looked
        assert looked.complaints == [], looked.complaints
    finally:
        await context.close()
