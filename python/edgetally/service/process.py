"""
The process that serves: its signals, its log, and what it tells whoever supervises it.

It ends with 0 when it was told to stop, and with 1 when a room has failed.
"""

import asyncio
import faulthandler
import resource
import signal
from collections.abc import Callable, Coroutine

from edgetally.clock import Clock, sleep_until
from edgetally.config import Config
from edgetally.errors import ConfigError
from edgetally.malloc import keep_memory
from edgetally.service.service import Service, cancel, first
from edgetally.telemetry.events import ReloadFailed, Started, Stopping, say
from edgetally.telemetry.log import Log
from edgetally.telemetry.systemd import notify


def run(
    config: Config,
    *,
    again: Callable[[], Config] | None = None,
    started: Callable[[Service], Coroutine[None, None, None]] | None = None,
) -> int:
    """
    Serve until SIGTERM or SIGINT; return the exit status.

    On SIGHUP, `again` reads the settings once more. `started` runs beside the service.
    """
    # Imported here because it takes a while, and commands that do not serve need none of it.
    import uvloop  # noqa: PLC0415

    # What crashes or hangs says where: systemd ends who hangs with SIGABRT.
    faulthandler.enable()
    # Many systems allow a thousand, for the sake of programs that call select(), and more to those who ask.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    keep_memory()
    settings = config.log
    with (
        Log(form=settings.format, level=settings.level, per_second=settings.per_second) as log,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        return runner.run(_serve(config, log, again, started))


async def _serve(
    config: Config,
    log: Log,
    again: Callable[[], Config] | None,
    started: Callable[[Service], Coroutine[None, None, None]] | None,
) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with Service(config) as service:
        if again:
            loop.add_signal_handler(signal.SIGHUP, _reload, service, again)
        say(Started(url=service.url))
        notify("READY=1")
        beside = [asyncio.create_task(_sweep(log, service.clock))]
        if started:
            beside.append(asyncio.create_task(started(service)))
        await first([stop, service.failed])
        say(Stopping())
        notify("STOPPING=1")
        await cancel(beside)
    return 1 if service.failed.is_set() else 0


async def _sweep(log: Log, clock: Clock) -> None:
    while True:
        await sleep_until(clock, clock.now() + 1)
        log.sweep()
        notify("WATCHDOG=1")


def _reload(service: Service, again: Callable[[], Config]) -> None:
    try:
        service.reload(again())
    except ConfigError as error:
        say(ReloadFailed(problem=str(error)))
