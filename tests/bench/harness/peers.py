"""Who is compared, and how each is started."""

from dataclasses import dataclass
from pathlib import Path

CONFIGS = Path(__file__).resolve().parent.parent / "peers"
ONE, MANY, FRESH = "one token", "many in turn", "never seen"


@dataclass(frozen=True)
class Peer:
    """`command` gets the path of its configuration in place of CONFIG; `checks`: whether it looks at tokens at all; `tls`: that its clients do."""

    name: str
    config: str | None = None
    command: tuple = ()
    checks: bool = True
    tls: bool = False

    @property
    def modes(self) -> list[str]:
        return [ONE, MANY, FRESH] if self.checks else [ONE]


DIRECT = Peer("no proxy", checks=False)
NGINX = Peer("nginx, no checks", "nginx.conf", ("nginx", "-p", "DIRECTORY", "-c", "CONFIG"), checks=False)
NGINX_TLS = Peer("nginx, TLS", "nginx-tls.conf", NGINX.command, checks=False, tls=True)
HAPROXY = Peer("haproxy, no checks", "haproxy.cfg", ("haproxy", "-f", "CONFIG"), checks=False)
HAPROXY_JWT = Peer("haproxy, RS256", "haproxy-jwt.cfg", ("haproxy", "-f", "CONFIG"))
ORIGIN = Peer("origin", "origin.conf", ("nginx", "-p", "DIRECTORY", "-c", "CONFIG"), checks=False)


def envoy(binary: Path) -> Peer:
    return Peer("envoy, jwt_authn", "envoy.yaml", (binary, "-c", "CONFIG", "--concurrency", "1", "-l", "error"))


def portcullis(binary: Path) -> Peer:
    return Peer("portcullis", "portcullis.yaml", (binary, "run", "-c", "CONFIG"))


def portcullis_tls(binary: Path) -> Peer:
    return Peer("portcullis, TLS", "portcullis-tls.yaml", portcullis(binary).command, tls=True)


def portcullis_credentials(binary: Path) -> Peer:
    return Peer("portcullis, credentials", "portcullis-credentials.yaml", portcullis(binary).command)


def portcullis_policy(binary: Path) -> Peer:
    return Peer("portcullis, policy", "portcullis-policy.yaml", portcullis(binary).command)


def command(peer: Peer, directory: Path, **values: object) -> list:
    """Writes the peer's configuration, @NAME@ replaced by what is given, and says how to start it."""
    text = (CONFIGS / peer.config).read_text()
    for name, value in values.items():
        text = text.replace(f"@{name.upper()}@", str(value))
    config = directory / peer.config
    config.write_text(text)
    return [{"CONFIG": config, "DIRECTORY": directory}.get(word, word) for word in peer.command]
