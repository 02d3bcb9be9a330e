"""SIGTERM with hundreds of open event streams: every one ends properly, and the process is gone within `drain` and a second."""

import argparse
import asyncio
import signal
import time
from pathlib import Path

from report import table
from streams import Stream, event, open_streams
from world import EVENTS, World, until

# Clients that ask for a stream and then read nothing any more. They cannot be told of the end, which does not wait for them.
STUCK = 20
# More than all buffers on the way to such a client hold.
FLOOD = event("x" * 65_536) * 200


async def ended(stream: Stream) -> bool:
    """Whether the stream ended with the last chunk, which tells clients that nothing is missing."""
    last = b""
    while some := await stream.reader.read(65_536):
        last = (last + some)[-64:]
    return last.endswith(b"0\r\n\r\n")


async def proper(stream: Stream) -> bool:
    try:
        return await ended(stream)
    except OSError:
        return False


async def stop(asked: argparse.Namespace, directory: Path, *, tls: bool, stuck: int) -> list[object]:
    name = f"{'TLS' if tls else 'plain'}{f', {stuck} read nothing' if stuck else ''}"
    settings = f"  timeouts: {{ drain: {asked.drain}s }}\n"
    async with World(directory, asked.gateway, tls=tls, settings=settings) as world:
        gateway = world.start_gateway()
        tokens = world.subjects(asked.streams + stuck)
        opened = await open_streams(world.port, tokens[: asked.streams], world.client(), EVENTS)
        reading = len(world.streams.writers)
        deaf = await open_streams(world.port, tokens[asked.streams :], world.client(), EVENTS)
        for stream in deaf:
            stream.writer.transport.pause_reading()
        for writer in world.streams.writers[reading:]:
            writer.write(FLOOD)
        await asyncio.sleep(1)

        begun = time.monotonic()
        gateway.process.send_signal(signal.SIGTERM)
        endings = asyncio.gather(*(proper(stream) for stream in opened))
        gone = await until(lambda: gateway.process.poll() is not None, asked.drain + 10, pause=0.005)
        took = time.monotonic() - begun
        told = sum(await asyncio.wait_for(endings, 10)) if gone else 0
        for stream in opened + deaf:
            stream.writer.transport.abort()
        status = gateway.process.poll()
        checks = [
            world.report.check(f"{name}: in time", took <= asked.drain + 1, f"{took:.2f} s"),
            world.report.equal(f"{name}: streams that ended properly", told, asked.streams),
            world.report.equal(f"{name}: exit status", status, 0),
        ]
        if "panicked" in world.log():
            checks.append(world.report.check(f"{name}: log", False, world.gateway.tail()))
    return [name, asked.streams, told, f"{took:.2f} s", f"{asked.drain + 1} s", status, "ok" if all(checks) else "FAILED"]


async def run(asked: argparse.Namespace) -> bool:
    rows = [["listener", "streams", "ended properly", "SIGTERM to exit", "at most", "status", ""]]
    for tls, stuck in ((False, 0), (True, 0), (True, STUCK)):
        rows.append(await stop(asked, asked.cache / "stop", tls=tls, stuck=stuck))
    table(rows)
    return all(row[-1] == "ok" for row in rows[1:])
