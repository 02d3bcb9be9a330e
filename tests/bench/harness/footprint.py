"""How long Portcullis takes to be ready, what it weighs when nothing happens, and what a thousand open streams add."""

import asyncio
import http.client
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import streams
from load import memory_mib
from processes import Service
from verdicts import BINARY_MB, Verdicts

STREAMS, PER_CALLER = 1_000, 50
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


def judge_binary(binary: Path, directory: Path, verdicts: Verdicts) -> None:
    """Its size without symbols: a release build has none, and of another one they are left out first."""
    stripped = directory / "stripped"
    subprocess.run(["strip", "-o", stripped, binary], check=True)
    verdicts.judge("stripped program", stripped.stat().st_size / 1e6, BINARY_MB, " MB")
    stripped.unlink()


async def hold_streams(pid: int, port: int, origin: streams.Origin, tokens: list[str]) -> tuple[float, float, int]:
    """Memory with a stream open for each token, its peak, and how many of them still deliver."""
    opened = await streams.open_streams(port, tokens)
    await asyncio.sleep(SETTLE)
    now = memory_mib(pid, "VmRSS")
    origin.tell("still there")
    heard = sum(await asyncio.gather(*(stream.hears("still there") for stream in opened)))
    peak = memory_mib(pid, "VmHWM")
    for stream in opened:
        stream.writer.close()
    return now, peak, heard
