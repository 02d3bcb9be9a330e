"""Processes a run starts and stops again, nothing else, and the loopback ports they use."""

import os
import random
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path


def free_ports(count: int) -> list[int]:
    """Ports below the range the system hands out by itself, so that no client connection takes one before its server."""
    found: list[int] = []
    candidates = random.sample(range(20_000, 32_000), 500)
    for port in candidates:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise RuntimeError("no free ports between 20000 and 32000")


def answers(url: str) -> bool:
    """Whether a GET is answered with 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False


def accepts(port: int) -> bool:
    """Whether somebody listens."""
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Service:
    """One process with its log."""

    def __init__(self, name: str, command: list, log: Path, env: dict[str, str] | None = None, core: int | None = None) -> None:
        """`core`: the only one it may run on."""
        self.name = name
        self.log = log
        pinned = [] if core is None else ["taskset", "--cpu-list", str(core)]
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [*pinned, *map(str, command)],
                env=os.environ | (env or {}),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def wait_until(self, ready: Callable[[], bool], seconds: float = 30, pause: float = 0.05) -> None:
        deadline = time.monotonic() + seconds
        while not ready():
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self.process.returncode}:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} was not ready after {seconds} s:\n{self.tail()}")
            time.sleep(pause)

    def stop(self, seconds: float = 30) -> int:
        """Asks it to end, then ends it; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode

    def tail(self, lines: int = 30) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
