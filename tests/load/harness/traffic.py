"""What goes on meanwhile: requests at half of what is possible, event streams, and connections that begin."""

import asyncio
import hashlib
import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path

import load
from streams import Stream
from world import CALLS, World

CONNECTIONS = 32
# Between two connections that begin.
PAUSE = 0.05
TICK = 1.0
EVENT = re.compile(rb"data: tick (\d+)\n\n$")

# wrk asks how long to wait before each request of a connection, in whole milliseconds: a part of one is a matter of chance.
PACED = load.SAME + "delay = function() return math.floor({pause_ms} + math.random()) end\n"


class Requests:
    """wrk on connections that stay open, at about half of what it gets when it does not wait."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.url = f"{world.url}{CALLS}"
        self.over = False

    def paced(self, pause_ms: float) -> Path:
        path = self.world.directory / "paced.lua"
        return load.script(path, PACED, token=self.world.token, pause_ms=f"{max(pause_ms, 0):.3f}")

    def calibrate(self, seconds: float) -> None:
        """How much is possible, and which pause makes half of it."""
        full = load.script(self.world.directory / "full.lua", load.SAME, token=self.world.token)
        load.wrk(self.url, full, 1, CONNECTIONS)
        self.capacity = load.wrk(self.url, full, seconds, CONNECTIONS).rate
        wanted = CONNECTIONS / (self.capacity / 2) * 1_000
        tried = load.wrk(self.url, self.paced(wanted), seconds, CONNECTIONS).rate
        # what an answer takes comes on top of the pause
        self.script = self.paced(wanted - (CONNECTIONS / tried * 1_000 - wanted))

    def run(self, seconds: float) -> load.Measured:
        return load.wrk(self.url, self.script, seconds, CONNECTIONS, lambda: self.over)


@dataclass
class Listener:
    """One event stream, and how far it got."""

    stream: Stream
    last: int = 0
    dropped: str = ""

    async def listen(self) -> None:
        """Every tick arrives, in order, and the stream does not end."""
        try:
            while True:
                told = EVENT.search(await self.stream.reader.readuntil(b"\n\n"))
                if not told:
                    continue  # a comment that keeps the stream alive
                if int(told.group(1)) != self.last + 1:
                    self.dropped = f"tick {told.group(1).decode()} came after {self.last}"
                    return
                self.last += 1
        except (OSError, asyncio.IncompleteReadError) as error:
            self.dropped = f"ended after tick {self.last}: {error!r}"


class Listeners:
    """Streams that are told something every second."""

    def __init__(self, world: World, streams: list[Stream]) -> None:
        self.world = world
        self.all = [Listener(stream) for stream in streams]
        self.tasks = [asyncio.create_task(one.listen()) for one in self.all]
        self.ticks = 0

    async def tick(self) -> None:
        while True:
            self.ticks += 1
            self.world.streams.tell(f"tick {self.ticks}")
            await asyncio.sleep(TICK)

    async def close(self) -> list[str]:
        """What happened to those that are not at the last tick, once the ticks have ended."""
        for _ in range(100):
            if all(one.dropped or one.last == self.ticks for one in self.all):
                break
            await asyncio.sleep(0.1)
        for task in self.tasks:
            task.cancel()
        for one in self.all:
            if not one.dropped and one.last != self.ticks:
                one.dropped = f"at tick {one.last} of {self.ticks}"
            one.stream.writer.transport.abort()
        return [one.dropped for one in self.all if one.dropped]


@dataclass
class Newcomers:
    """Connections that begin while things change: one handshake and one request each."""

    world: World
    count: int = 0
    failures: list[str] = field(default_factory=list)
    certificates: set[str] = field(default_factory=set)

    async def come(self) -> None:
        context = self.world.client()
        while True:
            self.count += 1
            try:
                await asyncio.wait_for(self.one(context), 10)
            except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
                self.failures.append(repr(error))
            await asyncio.sleep(PAUSE)

    async def one(self, context: ssl.SSLContext) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.world.port, ssl=context)
        try:
            self.certificates.add(fingerprint(writer.get_extra_info("ssl_object").getpeercert(True)))
            headers = load.HEADERS | {
                "Host": f"127.0.0.1:{self.world.port}",
                "Authorization": f"Bearer {self.world.token}",
                "Content-Length": str(len(load.BODY)),
                "Connection": "close",
            }
            lines = (f"POST {CALLS} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()))
            writer.write("\r\n".join((*lines, "", load.BODY)).encode())
            answer = await reader.read()
            if not answer.startswith(b"HTTP/1.1 200") or not answer.rstrip().endswith(b"}"):
                self.failures.append(repr(answer[:200]))
        finally:
            writer.transport.abort()


def fingerprint(certificate: bytes) -> str:
    return hashlib.sha256(certificate).hexdigest()
