"""How long Portcullis takes to be ready, what it weighs when nothing happens, and what a thousand open streams add."""

import asyncio
import http.client
import time
from collections.abc import Callable

import streams
from load import memory_mib
from processes import Service

STREAMS = 1_000
# A program that has just become ready may still be giving memory back, or taking it.
SETTLE = 2


def is_ready(admin: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", admin, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def start_to_ready_ms(start: Callable[[], Service], admin: int) -> tuple[float, Service]:
    """From before the process is made to the first 200 of /readyz, asked for without pause."""
    begun = time.perf_counter()
    service = start()
    service.wait_until(lambda: is_ready(admin), pause=0.001)
    return (time.perf_counter() - begun) * 1_000, service


async def hold_streams(pid: int, port: int, origin: streams.Origin, token: str) -> tuple[float, float, int]:
    """Memory with the streams open, its peak, and how many of them still deliver."""
    opened = await streams.open_streams(port, token, STREAMS)
    await asyncio.sleep(SETTLE)
    now = memory_mib(pid, "VmRSS")
    origin.tell("still there")
    heard = sum(await asyncio.gather(*(stream.hears("still there") for stream in opened)))
    peak = memory_mib(pid, "VmHWM")
    for stream in opened:
        stream.writer.close()
    return now, peak, heard
