"""The gateway with its configuration, an origin that answers, an origin that streams, and the tokens that open both."""

import asyncio
import http.client
import os
import ssl
import urllib.request
from pathlib import Path

import load
from certificates import Authority, replace
from processes import Service, accepts, answers, free_ports
from report import Report
from signing import ISSUER, Signer
from streams import Origin

ORIGIN = Path(__file__).resolve().parents[2] / "bench/peers/origin.conf"
# Requests that are answered, and event streams.
CALLS, EVENTS = "/mcp", "/events"


class World:
    """Everything of one run, on loopback and in one folder."""

    def __init__(self, directory: Path, binary: Path, *, tls: bool, settings: str = "", limits: str = "", policy: str = "") -> None:
        """`settings`: further keys of `server`; `limits`: of its `limits`; `policy`: of the route that answers."""
        # what is watched lies alone, since logs change all the time
        self.files = directory / "files"
        for folder in (self.files, directory / "temp"):
            folder.mkdir(parents=True, exist_ok=True)
        self.directory, self.binary, self.tls = directory, binary, tls
        self.settings, self.limits, self.policy = settings, limits, policy
        self.port, self.admin, self.origin_port = free_ports(3)
        self.scheme = "https" if tls else "http"
        self.url = f"{self.scheme}://127.0.0.1:{self.port}"
        self.signer = Signer(self.files, [f"{self.url}{path}" for path in (CALLS, EVENTS)])
        self.token = self.signer.token("somebody")
        self.authority = Authority()
        self.services: list[Service] = []
        self.config = self.files / "gateway.yaml"
        self.streams = Origin()
        self.core, self.other = load.two_cores()
        self.report = Report()

    async def __aenter__(self) -> "World":
        # The gateway is alone on its core; the load, the origins and this program share the other.
        os.sched_setaffinity(0, {self.other})
        await self.streams.__aenter__()
        text = ORIGIN.read_text().replace("@ORIGIN@", str(self.origin_port))
        config = self.directory / "origin.conf"
        config.write_text(text)
        origin = self.start("origin", ["nginx", "-p", self.directory, "-c", config])
        origin.wait_until(lambda: accepts(self.origin_port))
        self.authority.write(self.files)
        return self

    async def __aexit__(self, *_: object) -> None:
        for service in reversed(self.services):
            service.stop(5)
        os.sched_setaffinity(0, {self.core, self.other})
        await self.streams.__aexit__()

    def start(self, name: str, command: list, core: int | None = None) -> Service:
        service = Service(name, command, self.directory / f"{name}.log", core=core)
        self.services.append(service)
        return service

    def start_gateway(self) -> Service:
        """The gateway, ready."""
        replace(self.config, self.yaml(0))
        self.gateway = self.start("gateway", [self.binary, "run", "-c", self.config], self.core)
        self.gateway.wait_until(lambda: answers(f"http://127.0.0.1:{self.admin}/readyz"))
        return self.gateway

    @property
    def pid(self) -> int:
        return self.gateway.process.pid

    def yaml(self, version: int) -> str:
        """Versions differ in a route that only one of them has."""
        pair = f'certificate: "{self.files}/tls.crt", private_key: "{self.files}/tls.key"'
        tls = f"  tls: {{ {pair} }}\n" if self.tls else ""
        return f"""\
server:
  listen: 127.0.0.1:{self.port}
  public_url: "{self.url}"
{tls}{self.settings}  limits: {{ {self.limits} }}
admin: {{ listen: 127.0.0.1:{self.admin} }}
authenticators:
  run: {{ jwks: {{ issuer: "{ISSUER}", jwks_file: "{self.signer.keys}" }} }}
credential_cache: 4MiB
routes:
  - path: {CALLS}
    subpaths: true
    upstream: "http://127.0.0.1:{self.origin_port}{CALLS}"
    auth: {{ required_scopes: [mcp] }}
{self.policy}  - path: {EVENTS}
    upstream: "http://127.0.0.1:{self.streams.port}{EVENTS}"
    auth: {{ required_scopes: [mcp] }}
  - path: /version-{version}
    upstream: "http://127.0.0.1:{self.origin_port}{CALLS}"
"""

    def client(self) -> ssl.SSLContext | None:
        """What clients believe: this run's authority alone."""
        return ssl.create_default_context(cafile=self.files / "ca.crt") if self.tls else None

    def status(self, path: str, token: str | None = None) -> int:
        """What one request on a connection of its own is answered with."""
        if self.tls:
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10, context=self.client())
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        headers = load.HEADERS | ({"Authorization": f"Bearer {token}"} if token else {})
        try:
            connection.request("POST", path, load.BODY, headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()

    def subjects(self, count: int) -> list[str]:
        """A token for each of so many."""
        return [self.signer.token(f"subject-{number}") for number in range(count)]

    def metrics(self) -> list[str]:
        """A line for each series."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/metrics", timeout=10) as answer:
            return [line for line in answer.read().decode().splitlines() if line and not line.startswith("#")]

    def memory_mib(self) -> float:
        return load.memory_mib(self.pid, "VmRSS")

    def log(self) -> str:
        return self.gateway.log.read_text(errors="replace")


async def until(ready: object, seconds: float, pause: float = 0.05) -> bool:
    """Whether it became true in time. What is asked may block for a moment; streams are read meanwhile."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not await asyncio.to_thread(ready):
        if loop.time() > end:
            return False
        await asyncio.sleep(pause)
    return True
