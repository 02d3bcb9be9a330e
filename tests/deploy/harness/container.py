"""Runs a program as a container engine does: in the root folder of the image, which is read-only, as the user of the image, without
capabilities, without a way to gain any.

This process must have namespaces of its own for mounts, network and processes (tests/deploy/run sees to that): everything that is mounted,
started and listened to here is gone with it, and touches nobody.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from image import Image

LIBC = ctypes.CDLL(None, use_errno=True)
MS_RDONLY, MS_NOSUID, MS_REMOUNT, MS_BIND, MS_REC = 1, 2, 32, 4096, 16384
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38
DEVICES = ["null", "zero", "full", "random", "urandom"]


def mount(source: Path, target: Path, flags: int, kind: str | None = None) -> None:
    words = [None if word is None else str(word).encode() for word in (source, target, kind)]
    if LIBC.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), None) != 0:
        raise OSError(ctypes.get_errno(), f"mount {source} on {target}: {os.strerror(ctypes.get_errno())}")


def bind_read_only(source: Path, target: Path) -> None:
    mount(source, target, MS_BIND | MS_REC)
    mount(source, target, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID)


class Container:
    """A running image. `volumes`: folders by where they are mounted, all of them read-only. `confine`: what else shuts the process in."""

    def __init__(
        self,
        name: str,
        image: Image,
        work: Path,
        volumes: dict[str, Path],
        environment: dict[str, str],
        hosts: list[str],
        confine: Callable[[], None] = lambda: None,
    ) -> None:
        self.image = image
        self.confine = confine
        self.environment = {"PATH": "/usr/bin:/bin"} | image.environment | environment
        self.root = work / name
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(image.root, self.root, symlinks=True)
        # What an engine puts there before it shuts the root: the places of the mounts, names, devices.
        for target in volumes:
            (self.root / target.lstrip("/")).mkdir(parents=True, exist_ok=True)
        (self.root / "etc/hosts").write_text(f"127.0.0.1 localhost {' '.join(hosts)}\n")
        for device in DEVICES:
            (self.root / "dev" / device).touch()
        bind_read_only(self.root, self.root)
        mount(Path("proc"), self.root / "proc", MS_NOSUID, "proc")
        for device in DEVICES:
            mount(Path("/dev") / device, self.root / "dev" / device, MS_BIND)
        for target, source in volumes.items():
            bind_read_only(source, self.root / target.lstrip("/"))
        self.log = work / f"{name}.log"
        with self.log.open("wb") as log:
            self.process = self.spawn(image.command, log)

    def spawn(self, command: list[str], log) -> subprocess.Popen:
        def enter() -> None:
            os.chroot(self.root)
            os.chdir("/")
            for capability in range(64):
                LIBC.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
            os.setgroups([])
            os.setgid(self.image.gid)
            os.setuid(self.image.uid)
            LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
            self.confine()

        return subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=enter)

    def run(self, command: list[str], seconds: float = 10) -> int:
        """Another command in the same container: its exit status."""
        with self.log.open("ab") as log:
            return self.spawn(command, log).wait(seconds)

    def health(self) -> int:
        return self.run(self.image.health)

    def wait_until_healthy(self, seconds: float = 15) -> float:
        begun = time.monotonic()
        while self.health() != 0:
            if self.process.poll() is not None or time.monotonic() - begun > seconds:
                raise RuntimeError(f"it did not become healthy:\n{self.text()}")
            time.sleep(0.02)
        return time.monotonic() - begun

    def status(self) -> dict[str, str]:
        """What the kernel says about the process."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def stop(self, seconds: float) -> tuple[int | None, float]:
        """Asks it to end as the image says: its exit status (None: it had to be killed), and how long that took."""
        begun = time.monotonic()
        self.process.send_signal(getattr(signal, self.image.stop_signal))
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(seconds), time.monotonic() - begun
        self.process.kill()
        self.process.wait()
        return None, time.monotonic() - begun

    def text(self) -> str:
        return self.log.read_text(errors="replace")
