"""Changes to the files of a running gateway: good ones, whose effect is waited for, and broken ones, which must have none."""

import os
import signal
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from certificates import replace
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from traffic import fingerprint
from world import World

# How the gateway tells that it has seen a broken file and stays as it is: a counter, and a line of the log.
REFUSED = 'portcullis_config_reloads_total{result="refused"}'
REFUSED_PAIR = "certificates not replaced"


@dataclass
class Change:
    """`done`: whether it shows; for a broken one: whether it was noticed."""

    kind: str
    name: str
    done: Callable[[], bool]
    after: Callable[[], None] = lambda: None


class Changes:
    """The files as they are, and what can be done to them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.version = 0
        self.pair = tuple((world.files / name).read_bytes() for name in ("tls.crt", "tls.key"))
        self.broken = 0

    # what the gateway shows

    def serves(self, version: int) -> bool:
        """A route wants a token where there is one, and is not found where there is none."""
        gone = version == 0 or self.world.status(f"/version-{version - 1}") == 404
        return gone and self.world.status(f"/version-{version}") == 401

    def shown(self) -> str:
        with socket.create_connection(("127.0.0.1", self.world.port), timeout=10) as tcp:
            with self.world.client().wrap_socket(tcp, server_hostname="127.0.0.1") as tls:
                return fingerprint(tls.getpeercert(True))

    def is_unchanged(self) -> bool:
        return self.serves(self.version) and self.shown() == self.mark()

    def mark(self) -> str:
        return x509.load_pem_x509_certificate(self.pair[0]).fingerprint(hashes.SHA256()).hex()

    def refused(self) -> float:
        values = (line.removeprefix(REFUSED) for line in self.world.metrics() if line.startswith(REFUSED))
        return sum(map(float, values))

    def refused_pairs(self) -> int:
        return self.world.log().count(REFUSED_PAIR)

    # what is done

    def write_config(self, text: str) -> None:
        replace(self.world.config, text)

    def write_pair(self, certificate: bytes, key: bytes) -> None:
        """As a renewal does it: two files, one after the other."""
        replace(self.world.files / "tls.crt", certificate)
        replace(self.world.files / "tls.key", key)

    def hang_up(self) -> None:
        os.kill(self.world.pid, signal.SIGHUP)

    def reload(self, number: int) -> Change:
        """The file changes; every other time the gateway is told so too."""
        self.version += 1
        self.write_config(self.world.yaml(self.version))
        told = number % 2 == 0
        if told:
            self.hang_up()
        name = "configuration, SIGHUP" if told else "configuration, file replaced"
        return Change(name, f"version {self.version}", lambda version=self.version: self.serves(version))

    def renew(self, _: int) -> Change:
        self.pair = self.world.authority.issue()
        self.write_pair(*self.pair)
        return Change("certificate", self.mark()[:8], lambda mark=self.mark(): self.shown() == mark)

    def damage(self, number: int) -> Change:
        """In turn the configuration and the pair."""
        self.broken += 1
        return self.damage_config(number // 2) if number % 2 == 0 else self.damage_pair(number // 2)

    def damage_config(self, number: int) -> Change:
        good = self.world.yaml(self.version)
        kinds = {
            "not YAML": good.replace("routes:", "routes: ["),
            "unknown key": f"{good}nonsense: true\n",
            "empty": "",
            "cut off": good[: len(good) // 2],
            "keys missing": good.replace("jwks.json", "nowhere.json"),
            "another address": good.replace(f"listen: 127.0.0.1:{self.world.port}", f"listen: 127.0.0.2:{self.world.port}"),
        }
        name = list(kinds)[number % len(kinds)]
        seen = self.refused()
        self.write_config(kinds[name])
        if number % 2 == 0:
            self.hang_up()
        return Change(
            "broken configuration",
            name,
            lambda: self.refused() > seen,
            lambda: self.write_config(good),
        )

    def damage_pair(self, number: int) -> Change:
        good, (other, key) = self.pair, self.world.authority.issue()
        old, old_key = self.world.authority.issue(days=-1)
        kinds = {
            "no certificate": (b"nonsense\n", good[1]),
            "another key": (good[0], key),
            "empty": (b"", b""),
            "expired": (old, old_key),
            "another certificate": (other, good[1]),
        }
        name = list(kinds)[number % len(kinds)]
        seen = self.refused_pairs()
        self.write_pair(*kinds[name])
        return Change(
            "broken certificate",
            name,
            lambda: self.refused_pairs() > seen,
            lambda: self.write_pair(*good),
        )


def plan(counts: dict[str, int]) -> list[tuple[str, int]]:
    """All of them, each kind spread evenly: (kind, its number)."""
    steps = [((number + 0.5) / count, kind, number) for kind, count in counts.items() for number in range(count)]
    return [(kind, number) for _, kind, number in sorted(steps)]
