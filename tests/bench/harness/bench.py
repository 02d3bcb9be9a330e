"""One run: where it works, its origin, what is started in it and what was measured."""

import argparse
import asyncio
import contextlib
import functools
import os
import ssl
import statistics
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import footprint
import load
import peers
import streams
from peers import FRESH, MANY, ONE, Peer
from processes import Service, accepts, free_ports
from report import table
from tokens import AUDIENCE, ISSUER, Tokens
from verdicts import IDLE_MIB, READY_MS, STREAMS_MIB, Verdicts


# Nobody's certificate matters here.
ANYBODY = ssl.create_default_context()
ANYBODY.check_hostname = False
ANYBODY.verify_mode = ssl.CERT_NONE


def status(url: str, token: str | None) -> int:
    """What one request is answered with; 0: nobody listens."""
    headers = load.HEADERS | ({"Authorization": f"Bearer {token}"} if token else {})
    try:
        request = urllib.request.Request(url, load.BODY.encode(), headers)
        with urllib.request.urlopen(request, timeout=5, context=ANYBODY) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


class Bench:
    """One run: where it works, its origin, and what it has measured."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self.asked = asked
        self.directory = asked.cache / "run"
        (self.directory / "temp").mkdir(parents=True, exist_ok=True)
        self.core, other = load.two_cores()
        self.origin_port, self.port, self.admin = free_ports(3)
        self.services: list[Service] = []
        self.tokens = Tokens(asked.cache / "tokens")
        self.measured: dict[tuple[str, str], list[load.Measured]] = {}
        # Origin, load and this program share the other core; the proxy is started on its own.
        os.sched_setaffinity(0, {other})
        self.lua = {
            ONE: load.script(self.directory / "one.lua", load.SAME, token=self.tokens.one),
            MANY: load.script(
                self.directory / "many.lua", load.NEXT, file=self.tokens.many_file, at_the_end=load.AGAIN
            ),
            FRESH: load.script(
                self.directory / "fresh.lua", load.NEXT, file=self.tokens.fresh_file, at_the_end=load.STOP
            ),
        }

    def start(self, peer: Peer, core: int | None = None, **values: object) -> Service:
        given = {
            "origin": self.origin_port,
            "port": self.port,
            "admin": self.admin,
            "issuer": ISSUER,
            "audience": AUDIENCE,
            "keys": self.tokens.directory,
        }
        command = peers.command(peer, self.directory, **(given | values))
        log = self.directory / f"{Path(peer.config).stem}.log"
        service = Service(peer.name, command, log, core=core)
        self.services.append(service)
        return service

    def stop(self, service: Service, *ports: int) -> None:
        """A listener left over would take a part of the next one's load, unseen."""
        service.stop(10)
        for port in ports:
            if accepts(port):
                raise RuntimeError(f"{service.name} has ended and somebody still listens on {port}")

    def stop_all(self) -> None:
        for service in reversed(self.services):
            service.stop(5)

    def check(self, peer: Peer, url: str) -> None:
        """A peer that lets anything in would be compared unfairly."""
        if not peer.checks:
            return
        for what, token in self.tokens.bad().items():
            if (found := status(url, token)) not in (401, 403):
                raise RuntimeError(f"{peer.name} answers {found} to a request with a token: {what}")

    def start_pinned(self, peer: Peer, **values: object) -> tuple[Service, str]:
        """On the proxy's core, in a process of its own: caches are empty, and the peak of memory belongs to what follows."""
        service = self.start(peer, self.core, **values)
        url = f"{'https' if peer.tls else 'http'}://127.0.0.1:{self.port}/mcp"
        service.wait_until(lambda: status(url, self.tokens.one) == 200)
        return service, url

    def measure(self, peer: Peer, mode: str, seconds: float | None = None, **values: object) -> load.Measured:
        """Under a load of requests on connections that stay open."""
        if peer.config:
            service, url = self.start_pinned(peer, **values)
            self.check(peer, url)
        else:
            service, url = None, f"http://127.0.0.1:{self.origin_port}/mcp"
        if seconds is None:
            seconds = self.asked.fresh_seconds if mode == FRESH else self.asked.seconds
        pid = service and service.process.pid
        found = load.measure(url, pid, self.lua[mode], self.lua[ONE], seconds, self.asked.connections)
        if found.refused:
            raise RuntimeError(f"{peer.name}, {mode}: {found.refused} requests failed")
        if mode == FRESH and found.requests >= self.asked.fresh - self.asked.connections:
            raise RuntimeError(f"{peer.name} used up {self.asked.fresh} tokens: give more with --fresh")
        self.measured.setdefault((peer.name, mode), []).append(found)
        if service:
            self.stop(service, self.port)
        return found

    @contextlib.contextmanager
    def origin(self) -> Iterator[None]:
        origin = self.start(peers.ORIGIN)
        origin.wait_until(lambda: accepts(self.origin_port))
        yield
        self.stop(origin, self.origin_port)

    def compare(self, contenders: list[Peer]) -> None:
        """Rounds over all, so that whatever else happens on the machine is spread over all."""
        with self.origin():
            for number in range(1, self.asked.rounds + 1):
                print(f"round {number} of {self.asked.rounds}", flush=True)
                for peer in contenders:
                    for mode in peer.modes:
                        self.measure(peer, mode)

    def median(self, key: tuple[str, str], field: str) -> float:
        return statistics.median(getattr(one, field) for one in self.measured[key])

    def show(self) -> None:
        print(f"\nmedians of {self.asked.rounds} rounds, {self.asked.connections} connections, the proxy alone on one core")
        rows: list[list[object]] = [["proxy", "tokens", "req/s", "p50 ms", "p99 ms", "CPU µs/req", "peak MiB"]]
        for key in self.measured:
            middle = functools.partial(self.median, key)
            checks = any(name == key[0] and mode != ONE for name, mode in self.measured)
            rows.append([
                key[0],
                key[1] if checks else "-",
                f"{middle('rate'):.0f}",
                f"{middle('p50_ms'):.2f}",
                f"{middle('p99_ms'):.2f}",
                f"{middle('cpu_us'):.1f}" if middle("cpu_us") else "-",
                f"{middle('peak_mib'):.1f}" if middle("peak_mib") else "-",
            ])
        table(rows)

    async def footprint(self, gateway: Peer, verdicts: Verdicts) -> None:
        """Start, idle memory, streams: not pinned, as somebody would run it."""
        async with streams.Origin() as origin:
            start = functools.partial(self.start, gateway, origin=origin.port)
            times = []
            for _ in range(self.asked.starts):
                took, service = footprint.start_to_ready_ms(start, self.admin)
                times.append(took)
                self.stop(service, self.port, self.admin)
            _, service = footprint.start_to_ready_ms(start, self.admin)
            pid = service.process.pid
            await asyncio.sleep(footprint.SETTLE)
            idle, idle_peak = load.memory_mib(pid, "VmRSS"), load.memory_mib(pid, "VmHWM")
            held, peak, heard = await footprint.hold_streams(pid, self.port, origin, self.callers())
            if heard != footprint.STREAMS:
                raise RuntimeError(f"only {heard} of {footprint.STREAMS} open streams delivered an event")
            self.stop(service, self.port, self.admin)
        verdicts.judge("start to ready, median", statistics.median(times), READY_MS, " ms")
        verdicts.judge("idle memory", idle, IDLE_MIB, " MiB")
        verdicts.judge("idle memory, peak", idle_peak, IDLE_MIB, " MiB")
        verdicts.judge(f"{footprint.STREAMS} open streams, more", held - idle, STREAMS_MIB, " MiB")
        verdicts.judge(f"{footprint.STREAMS} open streams, more at the peak", peak - idle, STREAMS_MIB, " MiB")

    def callers(self) -> list[str]:
        """A token for each stream; nobody may hold all of them (`streams.per_caller`)."""
        return self.tokens.users(footprint.STREAMS // footprint.PER_CALLER) * footprint.PER_CALLER

    def results(self) -> dict[str, dict[str, float]]:
        fields = ("rate", "p50_ms", "p99_ms", "cpu_us", "peak_mib")
        return {", ".join(key): {field: self.median(key, field) for field in fields} for key in self.measured}
