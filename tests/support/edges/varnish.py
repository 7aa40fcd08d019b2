"""The real Varnish, started in a directory of its own, with the snippet for users."""

import asyncio
import contextlib
import os
import signal
import struct
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

from edgetally.snippets import snippet
from tests.support.edges.lab import BUSY, Lab
from tests.support.edges.observed import Observations
from tests.support.edges.origin import Origin, listening
from tests.support.edges.servers import TIMEOUT, dead_port

SITE = """\
vcl 4.1;
include "{directory}/edgetally.vcl";
{backends}
backend sick {{ .host = "127.0.0.1"; .port = "{sick}"; .probe = {{ .initial = 0; .interval = 1h; }} }}

sub vcl_recv {{
    if (req.url ~ "^/other/") {{ set req.backend_hint = other; }}
    elsif (req.url ~ "^/far/") {{ set req.backend_hint = far; }}
    elsif (req.url ~ "^/busy/") {{ set req.backend_hint = busy; }}
    elsif (req.url ~ "^/busy_first/") {{ set req.backend_hint = busy_first; }}
    elsif (req.url ~ "^/half/") {{ set req.backend_hint = half; }}
    elsif (req.url ~ "^/dead_first/") {{ set req.backend_hint = dead_first; }}
    elsif (req.url ~ "^/dead/") {{ set req.backend_hint = dead; }}
    elsif (req.url ~ "^/first/") {{ set req.backend_hint = first; }}
    elsif (req.url ~ "^/down/") {{ set req.backend_hint = sick; }}
    else {{ set req.backend_hint = plain; }}
    if (req.url == "/text") {{ return (synth(200, "made by Varnish")); }}
    if (req.url == "/moved") {{ return (synth(301, "Elsewhere")); }}
    if (req.url ~ "^/piped/") {{ return (pipe); }}
    if (req.url ~ "^/again/" && req.restarts == 0) {{ return (restart); }}
    if (req.url ~ "^/(cached|stale|kept|whole)/") {{ return (hash); }}
    return (pass);
}}
sub vcl_hit {{ set req.http.X-Cache = "HIT"; }}
sub vcl_miss {{ set req.http.X-Cache = "MISS"; }}
sub vcl_deliver {{ set resp.http.X-Cache = req.http.X-Cache; }}
sub vcl_backend_fetch {{
    unset bereq.http.X-Cache;
    # The domain stays that of the client.
    if (bereq.url ~ "^/renamed/") {{ set bereq.http.host = "origin.internal"; }}
    if (bereq.url ~ "^/error/") {{ return (error(555)); }}
    if (bereq.retries > 0) {{ set bereq.backend = spare; }}
}}
sub vcl_backend_response {{
    if (bereq.url ~ "^/whole/") {{ set beresp.do_stream = false; }}
    if (bereq.url ~ "^/stale/") {{ set beresp.ttl = 0.001ms; set beresp.grace = 1h; return (deliver); }}
    if (bereq.url ~ "^/kept/") {{
        set beresp.ttl = 0.001ms; set beresp.grace = 0s; set beresp.keep = 1h;
        return (deliver);
    }}
    if (bereq.url ~ "^/(busy|dead)_first/" && beresp.status == 503) {{ return (retry); }}
    if (bereq.url ~ "^/changed/") {{ set beresp.status = 404; }}
}}
sub vcl_backend_error {{
    if (bereq.url ~ "^/dead_first/" && bereq.retries == 0) {{ return (retry); }}
}}
"""

TOOLS = ("varnishd", "varnishncsa", "varnishadm", "logger", "gcc")


class Varnish:
    """One Varnish, and the commands that log what it did."""

    def __init__(self, directory: Path) -> None:
        self.port = 0
        self.tls_port = 0
        """Where it takes the PROXY protocol."""
        self._directory = directory
        self._stack = contextlib.AsyncExitStack()
        self._daemons: dict[Path, int] = {}
        """The id of the process that writes a file."""

    async def start(self, backends: str, sick: str) -> None:
        """Run the snippet, and start with what it writes."""
        text = snippet("varnish").text
        assert text.count("directory=/etc/varnish\n") == 1
        await run("sh", "-c", text.replace("directory=/etc/varnish\n", f"directory={self._directory}\n"))
        site = self._directory / "site.vcl"
        site.write_text(SITE.format(directory=self._directory, backends=backends, sick=sick))
        await self._stack.enter_async_context(
            running(
                *("varnishd", "-F", "-j", "none", "-n", f"{self._directory}/v", "-f", f"{site}"),
                *("-a", "127.0.0.1:0", "-a", "127.0.0.1:0,PROXY", "-s", "malloc,64m"),
                *("-p", "feature=+http2", "-p", "backend_remote_error_holddown=3600", "-p", "vsl_space=16m"),
            )
        )
        async with asyncio.timeout(TIMEOUT):
            # Until its child listens, it reports no ports.
            while len(ports := await self._ports()) != 2:
                pass
        self.port, self.tls_port = ports

    async def _ports(self) -> list[int]:
        output = await run("varnishadm", "-n", f"{self._directory}/v", "-t", "20", "debug.listen_address", check=False)
        words = [line.split() for line in output.splitlines()]
        return [int(line[2]) for line in words if len(line) == 3 and line[2].isdecimal() and line[2] != "0"]

    async def log(self, transport: str, port: int = 0) -> None:
        """Start to log by this transport."""
        for side in ("client", "backend"):
            command = [f"{self._directory}/edgetally-{side}", "-n", f"{self._directory}/v"]
            if transport == "file":
                log, pid = self._directory / f"{side}.log", self._directory / f"{side}.pid"
                await run(*command, "-D", "-P", f"{pid}", "-a", "-w", f"{log}")
                async with asyncio.timeout(TIMEOUT):
                    # The command ends before the daemon has written its pid.
                    while not (text := await run("cat", f"{pid}", check=False)).strip().isdecimal():
                        pass
                self._daemons[log] = int(text)
                self._stack.callback(os.kill, self._daemons[log], signal.SIGTERM)
            else:
                framing = "--tcp --octet-count" if transport == "tcp" else "--udp"
                pipe = f"{' '.join(command)} | logger --server 127.0.0.1 --port {port} {framing}"
                await self._stack.enter_async_context(running("sh", "-c", f"{pipe} --rfc5424 --size 65000 -t varnish"))

    def rotate(self) -> None:
        """Rename the logs, and let it open new ones."""
        for log, daemon in self._daemons.items():
            log.rename(log.with_suffix(".log.1"))
            os.kill(daemon, signal.SIGHUP)

    async def stop(self) -> None:
        await self._stack.aclose()


async def run(*command: str, check: bool = True) -> str:
    """Run a command, which must succeed if `check`; return its output."""
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output, _ = await process.communicate()
    assert process.returncode == 0 or not check, output.decode()
    return output.decode()


@contextlib.asynccontextmanager
async def running(*command: str) -> AsyncIterator[None]:
    """Run a command, and what it starts."""
    process = await asyncio.create_subprocess_exec(*command, stderr=subprocess.DEVNULL, process_group=0)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            # The group is this command's own: a shell, and its pipe.
            signal_group(process.pid)
        await process.wait()


def signal_group(leader: int) -> None:
    os.killpg(leader, signal.SIGTERM)


def proxied(version: str) -> bytes:
    """Make the header in which a TLS terminator sends the version."""
    name = version.encode()
    tls = b"\x01" + bytes(4) + b"\x21" + struct.pack("!H", len(name)) + name
    addresses = bytes((127, 0, 0, 1, 127, 0, 0, 1)) + struct.pack("!HH", 1024, 443)
    rest = addresses + b"\x20" + struct.pack("!H", len(tls)) + tls
    return b"\r\n\r\n\x00\r\nQUIT\n\x21\x11" + struct.pack("!H", len(rest)) + rest


@contextlib.asynccontextmanager
async def varnish_lab(directory: Path) -> AsyncIterator[tuple[Lab, Varnish]]:
    """Start origins and Varnish."""
    observed = Observations()
    origins = (
        Origin("plain", "127.0.0.2"),
        Origin("other", "127.0.0.3"),
        Origin("spare", "127.0.0.3"),
        Origin("busy", "127.0.0.4", always=BUSY),
        Origin("busy_first", "127.0.0.4", always=BUSY),
        Origin("half", "127.0.0.4"),
        Origin("first", "127.0.0.6"),
        Origin("far", "127.0.0.6"),
    )
    async with contextlib.AsyncExitStack() as stack:
        by_name = await stack.enter_async_context(listening(observed.fetches, *origins))
        addresses = {name: origin.address for name, origin in by_name.items()}
        for name in ("dead", "dead_first", "sick"):
            addresses[name] = stack.enter_context(dead_port())
        sick = addresses.pop("sick").rpartition(":")[2]
        backends = "\n".join(
            'backend {} {{ .host = "{}"; .port = "{}"; }}'.format(name, *address.split(":"))
            for name, address in addresses.items()
        )
        varnish = Varnish(directory)
        stack.push_async_callback(varnish.stop)
        await varnish.start(backends, sick)
        yield await stack.enter_async_context(Lab(varnish, observed, by_name)), varnish
