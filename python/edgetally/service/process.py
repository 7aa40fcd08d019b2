"""
The process that serves: signals, the log and systemd.

Its exit status is 0 after SIGTERM or SIGINT, and 1 after a bug in a background task.
"""

import asyncio
import faulthandler
import gc
import resource
import signal
from collections.abc import Callable, Coroutine

from edgetally.clock import Clock, sleep_until
from edgetally.config.sections import Config
from edgetally.errors import ConfigError, EdgetallyError
from edgetally.malloc import keep_memory
from edgetally.service.service import Service, cancel, first
from edgetally.telemetry.events import ReloadFailed, Started, Stopping, say
from edgetally.telemetry.log import Log
from edgetally.telemetry.systemd import notify

YOUNG_OBJECTS = 10_000
"""New objects after which cycles among them are collected; ten times ten times as many until all are looked at."""


def run(
    config: Config,
    *,
    read_config: Callable[[], Config] | None = None,
    companion: Callable[[Service], Coroutine[None, None, None]] | None = None,
) -> int:
    """
    Serve until SIGTERM or SIGINT; return the exit status.

    SIGHUP reloads what `read_config` returns. `companion` runs while the service does; when it ends, so does the
    service, and an error in it is raised. So is an EdgetallyError in a background task.
    """
    # Imported here because it is slow to import, and other commands do not need it.
    import uvloop  # noqa: PLC0415

    # On a crash, or on SIGABRT from systemd's watchdog, the log shows where every thread was.
    faulthandler.enable()
    # The soft limit is often 1,024, for programs that use select().
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    keep_memory()
    settings = config.log
    with (
        Log(format=settings.format, level=settings.level, per_second=settings.per_second) as log,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        return runner.run(_serve(config, log, read_config, companion))


async def _serve(
    config: Config,
    log: Log,
    read_config: Callable[[], Config] | None,
    companion: Callable[[Service], Coroutine[None, None, None]] | None,
) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with Service(config, stopping=stop) as service:
        if stop.is_set():
            # Before it was ready: a long journal takes a while to read.
            say(Stopping())
            return 0
        if read_config:
            loop.add_signal_handler(signal.SIGHUP, _reload, service, read_config)
        # Nearly nothing here is in a cycle, but a collection of everything stops the event loop for as long as it takes
        # to look at every client and every second on the shelf.
        gc.freeze()
        gc.set_threshold(YOUNG_OBJECTS, 10, 10)
        say(Started(url=service.url))
        notify("READY=1")
        tasks = [asyncio.create_task(_sweep(log, service.clock))]
        if companion:
            tasks.append(asyncio.create_task(companion(service)))
        for task in tasks:
            task.add_done_callback(lambda _: stop.set())
        await first([stop, service.failed])
        say(Stopping())
        notify("STOPPING=1")
        await cancel(tasks)
        for task in tasks:
            if not task.cancelled() and (error := task.exception()):
                raise error
        if isinstance(service.failure, EdgetallyError):
            raise service.failure
    # While it stops, what waits for others may be told so by an EdgetallyError.
    return 1 if service.failed.is_set() and not isinstance(service.failure, EdgetallyError) else 0


async def _sweep(log: Log, clock: Clock) -> None:
    while True:
        await sleep_until(clock, clock.now() + 1)
        log.sweep()
        notify("WATCHDOG=1")


def _reload(service: Service, read_config: Callable[[], Config]) -> None:
    try:
        service.reload(read_config())
    except ConfigError as error:
        say(ReloadFailed(problem=str(error)))
