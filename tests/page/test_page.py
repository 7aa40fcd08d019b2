"""The live page in a real browser: what it shows of a service on a turned clock."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from tests.support.browser import CHROMIUM, Looking, chromium, looking
from tests.support.clock import START, ManualClock
from tests.support.programs import skip_or_fail
from tests.support.served import Json, Served, record, served
from tests.support.tokens import access, bearer

pytestmark = skip_or_fail(CHROMIUM)


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as running:
        yield running


def traffic(second: float, domain: str = "a.example", *, count: int = 1, **fields: object) -> list[Json]:
    return [record(second, domain=domain, **fields) for _ in range(count)]


async def seal(service: Served, second: int, *records: Json) -> None:
    """Push records, and seal `second`."""
    if START + second > service.clock.now():
        await service.to(second)
    if records:
        await service.push(*records)
    await service.to(second + 2)


def address(service: Served, look: str = "") -> str:
    return f"{service.url}/{look}"


async def test_the_first_picture_shows_what_is_wrong(service: Served, browser: Browser) -> None:
    await seal(service, 0, *traffic(0, count=9), *traffic(0, "bad.example", count=3, status=503, origin_status=503))
    async with looking(browser, address(service)) as look:
        assert await look.names() == ["bad.example", "a.example"]
        await expect(look.page.locator("#tiles div").nth(1)).to_contain_text("25")
        await expect(look.page).to_have_title(re.compile(r"25 % 5xx · svc · edgetally"))
        assert re.search("#service=svc$", look.page.url)


async def test_the_first_request_is_waited_for(service: Served, browser: Browser) -> None:
    async with looking(browser, address(service), wait_for_row=False) as look:
        await look.is_in_state("idle", "no requests yet")
        await expect(look.page.locator("#notice")).to_contain_text(
            "See /rejected for lines that do not; edgetally formats"
        )
        await expect(look.page.locator("#picture")).to_be_hidden()
        await seal(service, 0, *traffic(0))
        await expect(look.page.locator("tbody tr[data-name] th")).to_have_text("a.example")
        await expect(look.page.locator("#notice")).to_be_hidden()


async def test_the_strip_says_since_when_it_fails(service: Served, browser: Browser) -> None:
    await seal(service, 0, *traffic(0))
    await seal(service, 12, *traffic(12, status=503, origin_status=503))
    await seal(service, 14, *traffic(14, status=503, origin_status=503))
    async with looking(browser, address(service)) as look:
        since = datetime.fromtimestamp(START + 12, UTC).strftime("%H:%M:%S")
        await expect(look.page.locator("#strip .legend")).to_contain_text(f"5xx since {since} UTC")
        await look.page.locator("tbody tr[data-name]").click()
        await expect(look.page.locator("tr.focus .legend")).to_contain_text(f"5xx since {since} UTC")
        await expect(look.page.locator("#tiles div", has_text="origin 5xx %").locator("dd").first).to_have_text("100")


async def test_a_pop_that_fails_has_a_column_however_little_traffic_it_has(service: Served, browser: Browser) -> None:
    busy = [one for pop in range(14) for one in traffic(0, count=2, pop=f"P{pop:02}")]
    await seal(service, 0, *busy, *traffic(0, pop="SMALL", status=503))
    async with looking(browser, address(service), width=1800) as look:
        await expect(look.page.locator("thead th.pop")).to_have_text(
            [*(f"P{n:02}" for n in range(11)), "SMALL", "3 more"]
        )
        await expect(look.page.locator("td.pop .failing")).to_have_text("100")
    # On a narrower page, fewer have a column: it is never beyond the edge.
    async with looking(browser, address(service), width=1280) as look:
        await expect(look.page.locator("thead th.pop", has_text="SMALL")).to_be_in_viewport(ratio=1)
        await expect(look.page.locator("thead th.pop").last).to_be_in_viewport(ratio=1)
        assert 3 < await look.page.locator("thead th.pop").count() < 13
        await look.page.set_viewport_size({"width": 1800, "height": 800})
        await seal(service, 1, *traffic(1))
        await expect(look.page.locator("thead th.pop")).to_have_count(13)


async def test_a_service_that_comes_later_can_be_chosen(service: Served, browser: Browser) -> None:
    await seal(service, 0, *traffic(0))
    async with looking(browser, address(service), wait_for_row=False) as look:
        await look.page.clock.install()
        await look.page.reload()
        await expect(look.page.locator("#service option")).to_have_text(["svc"])
        await seal(service, 1, *traffic(1, "later.example", service_id="later"))
        await look.page.clock.run_for(12_000)
        await expect(look.page.locator("#service option")).to_have_text(["later", "svc"])
        await look.page.select_option("#service", "later")
        await expect(look.page.locator("tbody tr[data-name] th")).to_have_text("later.example")


@pytest.mark.parametrize(("width", "pictures"), [(720, ["#strip"]), (1440, ["#strip", ".focus-strip"])])
async def test_the_strip_is_hatched_at_the_same_distance_everywhere(
    service: Served, browser: Browser, width: int, pictures: list[str]
) -> None:
    await seal(service, 0, *traffic(0, status=503))
    async with looking(browser, address(service, "#service=svc&focus=a.example"), width=width) as look:
        pattern = "document.getElementById('hatch-strip').patternTransform.baseVal.consolidate().matrix.a"
        for picture in pictures:
            stretch = f"document.querySelector('{picture} svg').getScreenCTM().a"
            scale = await look.page.evaluate(f"{stretch} * {pattern} * Math.SQRT2")
            assert scale == pytest.approx(1, abs=0.05)


async def test_the_last_line_says_of_what_its_numbers_are(service: Served, browser: Browser) -> None:
    await service.client.post("/ingest", content=b"oops")
    await seal(service, 0, *traffic(0))
    async with looking(browser, address(service)) as look:
        await expect(look.page.locator("#foot")).to_have_text(
            "last 10 s against 1 min before · late 0 · _other 0 · _invalid 0 · known for 3 s"
            " · all services since the start: rejected 1"
        )


async def test_trouble_rises_to_the_first_line(service: Served, browser: Browser) -> None:
    await seal(service, 0, *traffic(0, count=9), *traffic(0, "b.example"))
    async with looking(browser, address(service)) as look:
        assert await look.names() == ["a.example", "b.example"]

        # The order rests for five seconds, and then the row moves.
        for second in range(1, 8):
            await seal(service, second, *traffic(second), *traffic(second, "b.example", count=3, status=500))
        await expect(look.page.locator("tbody tr[data-name] th").first).to_have_text("b.example")
        await expect(look.page.locator("tbody td.pop .failing").first).to_be_visible()


async def test_the_order_rests_while_the_pointer_is_on_the_table(service: Served, browser: Browser) -> None:
    calm = traffic(0, count=9) + traffic(0, "b.example", count=2) + traffic(0, "c.example")
    await seal(service, 0, *calm)
    async with looking(browser, address(service)) as look:
        await look.page.hover("tbody tr[data-name]")
        for second in range(1, 8):
            await seal(
                service,
                second,
                *traffic(second, "b.example", count=9, status=500),
                *traffic(second, "c.example", count=9),
            )
        # That c.example has more requests than a.example now is no trouble.
        await expect(look.page.locator("#moved")).to_have_text("1 row moved up")
        assert await look.names() == ["a.example", "b.example", "c.example"]


async def test_states_of_time(service: Served, browser: Browser) -> None:
    await seal(service, 0, *traffic(0))
    async with looking(browser, address(service)) as look:
        await look.is_in_state("starting")
        await seal(service, 80, *traffic(80))
        await look.is_in_state("live", "live")
        await seal(service, 95)
        await look.is_in_state("idle", "no requests for 15 s")


async def test_a_clock_that_stands_still_is_seen(service: Served, browser: Browser) -> None:
    await seal(service, 0, *traffic(0))
    async with looking(browser, address(service), wait_for_row=False) as look:
        await look.page.clock.install()
        await look.page.reload()
        await look.is_in_state("starting")
        # The time of the page goes on, that of the service does not.
        await look.page.clock.run_for(12_000)
        await look.is_in_state("stale", "stands still for 1")


async def test_a_page_that_is_opened_while_the_clock_stands_still_says_for_how_long(
    service: Served, browser: Browser
) -> None:
    await seal(service, 0, *traffic(0))
    service.clock.anchor(START + 60)  # Nothing is sealed.
    async with looking(browser, address(service)) as look:
        await look.is_in_state("stale", re.compile(r"stands still for (5[89] s|1 min)"))
        await expect(look.page.locator("#clock")).to_have_text(re.compile(r"^02:21:0\d UTC$"))


async def test_freeze_scrub_and_a_link(service: Served, browser: Browser) -> None:
    for second in range(5):
        await seal(service, second, *traffic(second, count=second + 1))
    async with looking(browser, address(service)) as look:
        strip = look.page.locator("#strip")
        await look.page.keyboard.press("f")
        await look.is_in_state("frozen")
        await expect(strip).to_have_attribute("aria-valuenow", str(START + 4))
        await seal(service, 5, *traffic(5, count=50))
        await look.page.keyboard.press("ArrowLeft")
        await look.page.keyboard.press("ArrowLeft")
        await expect(strip).to_have_attribute("aria-valuetext", re.compile("3 requests, 0 of them 5xx"))
        await look.page.keyboard.press("c")
        await expect(look.page.locator("#notice")).to_have_text("Copied a link to this second.")
        link = await look.page.evaluate("navigator.clipboard.readText()")
        assert link.endswith(f"#service=svc&at={START + 2}")

        # Esc goes back to live, and Back to the frozen second.
        await look.page.keyboard.press("Escape")
        await expect(strip).to_have_attribute("aria-valuenow", str(START + 5))
        await look.page.go_back()
        await expect(strip).to_have_attribute("aria-valuenow", str(START + 2))

    async with looking(browser, link) as again:
        await expect(again.page.locator("#strip")).to_have_attribute("aria-valuenow", str(START + 2))
        await again.is_in_state("frozen")


async def test_a_second_that_is_not_kept(service: Served, browser: Browser) -> None:
    await seal(service, 0, *traffic(0))
    async with looking(browser, address(service, f"#service=svc&at={START - 5000}"), wait_for_row=False) as look:
        await look.is_in_state("gone", "nothing is known")
        await expect(look.page.locator("#notice")).to_contain_text("Go on")
        await look.page.click("#freeze")
        await expect(look.page.locator("tbody tr[data-name] th")).to_have_text("a.example")
        await expect(look.page.locator("#notice")).to_be_hidden()


async def test_keys_alone_are_enough(service: Served, browser: Browser) -> None:
    await seal(
        service, 0, *traffic(0, count=3), *traffic(0, "b.example", count=2), *traffic(0, "c.example", status=404)
    )
    async with looking(browser, address(service)) as look:
        press = look.page.keyboard.press
        await press("ArrowDown")
        await press("ArrowDown")
        await press("Enter")
        await expect(look.page.locator("tr.focus")).to_contain_text("b.example: 5 min")
        await press("Escape")
        await press("Escape")
        await expect(look.page.locator("tr.focus")).to_have_count(0)
        await press("4")
        await expect(look.page.locator("tbody tr[data-name] th").first).to_have_text("c.example")
        await press("/")
        await look.page.keyboard.type("b.ex")
        await expect(look.page.locator("tbody tr[data-name]")).to_have_count(1)
        await press("Escape")
        await press("Escape")
        await expect(look.page.locator("tbody tr[data-name]")).to_have_count(3)
        await press("o")
        await expect(look.page.locator("tbody tr[data-name] th").first).to_have_text("app")
        await press("Enter")
        await press("ArrowDown")
        await press("Enter")
        await expect(look.page.locator("tr.focus")).to_contain_text("192.0.2.1")
        await press("?")
        await expect(look.page.locator("#help")).to_be_visible()
        await press("Escape")
        await expect(look.page.locator("#help")).to_be_hidden()


async def test_names_are_text(service: Served, browser: Browser) -> None:
    names = ['<img src=x onerror="alert(1)">', "&lt;b&gt;", "javascript:alert(1)"]
    await seal(service, 0, *(one for name in names for one in traffic(0, origin=name)))
    async with looking(browser, address(service, "#service=svc&of=origins")) as look:
        assert sorted(await look.names()) == sorted(names)
        assert await look.page.locator("img").count() == 0


async def test_a_token_is_asked_for_and_kept_in_the_tab(browser: Browser) -> None:
    reader, sender = bearer("read", "svc"), bearer("ingest", "svc")
    async with served({"access": access(reader, sender)}) as running:
        await running.client.post("/ingest", json=record(0), headers=sender.header)
        await running.to(2)
        async with looking(browser, running.url, wait_for_row=False) as look:
            await look.is_in_state("refused", "a token is needed")
            await look.page.fill("#token", "of-nothing")
            await look.page.keyboard.press("Enter")
            await expect(look.page.locator("#notice")).to_have_text("The server refuses this token.")
            await look.page.fill("#token", reader.token)
            await look.page.keyboard.press("Enter")
            await expect(look.page.locator("tbody tr[data-name] th")).to_have_text("a.example")
            await expect(look.page.locator("#notice")).to_be_hidden()
            assert reader.token not in look.page.url
            await look.page.reload()
            await expect(look.page.locator("tbody tr[data-name] th")).to_have_text("a.example")


async def test_the_service_is_restarted_beneath_the_page(browser: Browser) -> None:
    clock = ManualClock()
    async with served(None, clock) as first:
        await seal(first, 0, *traffic(0))
        port = first.url.rpartition(":")[2]
        look = await _opened(browser, first.url)
    await look.is_in_state("offline", re.compile("no connection for .*again"))
    assert await look.names() == ["a.example"]
    async with served({"api": {"listen": f"127.0.0.1:{port}"}}, clock) as second:
        await second.to(9)
        await seal(second, 10, *traffic(10, "back.example"))
        await expect(look.page.locator("tbody tr[data-name] th")).to_have_text("back.example")
        await look.page.context.close()
    assert [one for one in look.complaints if "Failed" not in one] == []


async def _opened(browser: Browser, url: str) -> Looking:
    """Open a page that outlives its service."""
    page = await (await browser.new_context()).new_page()
    look = Looking(page)
    await page.goto(url)
    await expect(page.locator("tbody tr[data-name]").first).to_be_visible()
    return look


async def test_ten_thousand_domains(browser: Browser) -> None:
    async with served({"window": {"max_domains": 20_000}}) as running:
        await seal(running, 0, *(one for n in range(10_000) for one in traffic(0, f"d{n}.example")))
        async with looking(browser, running.url) as look:
            assert len(await look.names()) == 40
            await expect(look.page.locator("tfoot th")).to_have_text("9960 more")
            await look.page.fill("#match", "d77")
            await expect(look.page.locator("tbody tr[data-name] th").first).to_contain_text("d77")
            assert all("d77" in name for name in await look.names())
            await look.page.fill("#match", "nothing")
            await expect(look.page.locator("#moved")).to_have_text("no domains with “nothing”")


@pytest.mark.parametrize("width", [360, 720, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_fits_and_is_accessible(service: Served, browser: Browser, width: int, scheme: str) -> None:
    long = "a-very-long-name-of-a-domain-that-has-many-letters.in-it.example"
    for second in (0, 75):
        records = traffic(second, count=9) + traffic(
            second, long, count=2, status=503, pop="FRANKFURT", origin_status=503
        )
        await seal(service, second, *records)
    for look_at in ("", f"&focus={long}", "&of=origins&focus=app"):
        async with looking(browser, address(service, f"#service=svc{look_at}"), width=width, scheme=scheme) as look:
            assert await look.page.evaluate("document.documentElement.scrollWidth") <= width
            violations = await _violations(look)
            assert violations == []


async def _violations(look: Looking) -> list[Any]:
    """Return what axe finds, in short."""
    script = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
    await look.page.evaluate(script)
    found = await look.page.evaluate("axe.run()")
    return [(one["id"], [node["html"][:120] for node in one["nodes"]]) for one in found["violations"]]


async def test_beyond_the_shelf_the_strip_goes_on_in_minutes_hours_and_days(tmp_path: Path, browser: Browser) -> None:
    settings: dict[str, Json] = {
        "journal": {"kind": "memory", "data_dir": str(tmp_path)},
        "shelf": {"keep": 120},
    }
    async with served(settings) as service:
        await seal(service, 0, *traffic(0, count=3), *traffic(0, "bad.example", status=503))
        await service.to(130)
        async with looking(browser, address(service, f"#service=svc&at={START}")) as look:
            legend = look.page.locator("#strip .legend")
            await expect(legend).to_contain_text("at most 4 requests a minute")
            await expect(look.page.locator("#foot")).to_contain_text("last 10 min against 1 h before")
            assert await look.names() == ["bad.example", "a.example"]

            await look.page.select_option("#downsample", "hour")
            await expect(legend).to_contain_text("at most 4 requests an hour")
            assert re.search(r"downsample=hour", look.page.url)
            await look.page.keyboard.press("Escape")
            await look.is_in_state("live", "by hour")
            await look.page.keyboard.press("-")
            await look.is_in_state("live", "by day")
            await expect(legend).to_contain_text("at most 4 requests a day")


async def test_rates_of_a_running_minute_are_of_its_known_seconds(tmp_path: Path, browser: Browser) -> None:
    settings: dict[str, Json] = {"journal": {"kind": "memory", "data_dir": str(tmp_path)}}
    async with served(settings) as service:
        for second in (0, 60, 100, 120):
            failed = traffic(second, status=503) if second == 60 else []
            await seal(service, second, *traffic(second, count=60), *failed)
        await service.to(151)  # 30 seconds of the third minute are sealed.
        async with looking(browser, address(service, "#service=svc&downsample=minute&focus=a.example")) as look:
            row = look.page.locator('tbody tr[data-name="a.example"]')
            pop = look.page.locator(".focus-parts tr", has_text="AMS").locator("td").first
            rate = f"{241 / 152:.2f}"  # Of the minute before START, two seconds are known.
            await expect(row.locator("td").first).to_have_text(rate)
            await expect(look.page.locator("#tiles dd").first).to_have_text(rate)
            await expect(pop).to_have_text(rate)
            since = datetime.fromtimestamp(START + 60, UTC).strftime("%H:%M:%S")
            await expect(look.page.locator("#strip .legend")).not_to_contain_text("since")
            await seal(service, 151, *traffic(151, status=503))
            await look.page.reload()
            await expect(look.page.locator("#strip .legend")).to_contain_text(f"5xx since {since} UTC")


async def test_a_time_without_a_server_is_grey_and_not_0(tmp_path: Path, browser: Browser) -> None:
    settings: dict[str, Json] = {
        "journal": {"kind": "memory", "data_dir": str(tmp_path)},
        "shelf": {"keep": 120},
    }
    async with served(settings, ManualClock()) as before:
        await seal(before, 0, *traffic(0))
        await before.to(90)
    async with served(settings, ManualClock(START + 1200)) as service:
        await seal(service, 1200, *traffic(1200))
        await service.to(1400)
        async with looking(browser, address(service, f"#service=svc&at={START + 1200}")) as look:
            await expect(look.page.locator("#strip .legend")).to_contain_text("grey: unknown")
            await expect(look.page.locator("#strip .punknown")).to_have_attribute(
                "d", re.compile(r"^M\d+ 0H\d+V96H\d+Z$")
            )
            # A minute of an hour ago is not known, so nothing is compared with it.
            await expect(look.page.locator("#tiles .change").first).to_have_text("")
        async with looking(browser, address(service, f"#service=svc&at={START + 600}"), wait_for_row=False) as look:
            await look.is_in_state("gone", "nothing is known")
            await expect(look.page.locator("#notice")).to_contain_text("no server was running")
