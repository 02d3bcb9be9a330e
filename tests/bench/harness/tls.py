"""What TLS 1.3 costs beside nginx: what it adds to a request on a connection that stays open, and a full handshake."""

import functools
import os
import re
import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import load
import peers
from bench import Bench
from certificates import ECDSA, RSA, Authority
from peers import NGINX, NGINX_TLS, ONE, Peer
from report import table
from verdicts import HANDSHAKES, TLS_ADDS, Verdicts

# So many clients shake hands at once, each over and over.
CLIENTS = 4


@dataclass
class Handshakes:
    rate: float
    cpu_us: float


def pinned_clients() -> None:
    """All clients, wrk among them, ask for the same group and cipher."""
    os.environ["OPENSSL_CONF"] = str(peers.CONFIGS / "openssl.cnf")


def negotiated(port: int) -> str:
    """Group and cipher, in the words of `openssl s_client`, which newer versions choose differently."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-brief"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10)
    told = done.stdout + done.stderr
    found = [
        re.search(pattern, told)
        for pattern in (r"Protocol version: (\S+)", r"Ciphersuite: (\S+)", r"(?:Temp Key|TLS1.3 group): (\w+)")
    ]
    if not all(found):
        raise RuntimeError(f"no handshake on port {port}:\n{told}")
    return ", ".join(match.group(1) for match in found)


def shake_hands(port: int, seconds: int) -> int:
    """How many full handshakes the clients came to; each connection is closed after its own, nothing is resumed."""
    command = ["openssl", "s_time", "-connect", f"127.0.0.1:{port}", "-new", "-tls1_3", "-time", str(seconds)]
    clients = [
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(CLIENTS)
    ]
    total = 0
    try:
        for client in clients:
            told, _ = client.communicate(timeout=seconds + 30)
            found = re.search(r"(\d+) connections in \d+ real seconds", told)
            if client.returncode != 0 or not found:
                raise RuntimeError(f"openssl s_time failed:\n{told[-500:]}")
            total += int(found.group(1))
    finally:
        for client in clients:
            client.kill()
    return total


def handshakes(bench: Bench, peer: Peer, directory: Path, seconds: int) -> tuple[Handshakes, str]:
    service, _ = bench.start_pinned(peer, tls=directory)
    pid = service.process.pid
    shake_hands(bench.port, 1)
    before, begun = load.on_cpu_seconds(pid), time.monotonic()
    count = shake_hands(bench.port, seconds)
    taken = time.monotonic() - begun
    cpu_us = (load.on_cpu_seconds(pid) - before) / count * 1e6
    settled = negotiated(bench.port)
    bench.stop(service, bench.port)
    return Handshakes(count / taken, cpu_us), settled


def compare(bench: Bench, binary: Path, verdicts: Verdicts) -> dict[str, dict[str, float]]:
    """Plain and TLS of one proxy follow each other, so that whatever else happens on the machine hits both."""
    asked = bench.asked
    directories = {kind: bench.directory / kind.split()[0].lower() for kind in (ECDSA, RSA)}
    authority = Authority()
    for kind, directory in directories.items():
        authority.write(directory, kind)
    pinned_clients()
    pairs = [(NGINX, NGINX_TLS), (peers.portcullis(binary), peers.portcullis_tls(binary))]
    requests: dict[str, list[load.Measured]] = {}
    shaken: dict[tuple[str, str], list[Handshakes]] = {}
    settled: dict[str, set[str]] = {}
    with bench.origin():
        for number in range(1, asked.tls_rounds + 1):
            print(f"TLS, round {number} of {asked.tls_rounds}", flush=True)
            for peer in (peer for pair in pairs for peer in pair):
                found = bench.measure(peer, ONE, asked.tls_seconds, tls=directories[ECDSA])
                requests.setdefault(peer.name, []).append(found)
            for kind, directory in directories.items():
                for _, peer in pairs:
                    found, how = handshakes(bench, peer, directory, asked.tls_seconds)
                    shaken.setdefault((peer.name, kind), []).append(found)
                    settled.setdefault(how, set()).add(peer.name)
    if len(settled) != 1:
        raise RuntimeError(f"not the same was agreed on: {settled}")

    def middle(found: list, field: str) -> float:
        return statistics.median(getattr(one, field) for one in found)

    print(f"\nTLS, medians of {asked.tls_rounds} rounds; {', '.join(settled)}")
    rows: list[list[object]] = [["proxy", "way", "per s", "p99 ms", "CPU µs", "least to most"]]
    every = {(name, "request"): found for name, found in requests.items()} | shaken
    for (name, way), found in every.items():
        tell = functools.partial(middle, found)
        cpu = [one.cpu_us for one in found]
        p99 = f"{tell('p99_ms'):.2f}" if way == "request" else "-"
        way = way if way == "request" else f"handshake, {way}"
        rows.append([name, way, f"{tell('rate'):.0f}", p99, f"{tell('cpu_us'):.1f}", f"{min(cpu):.1f} to {max(cpu):.1f}"])
    table(rows)

    (nginx, nginx_tls), (ours, ours_tls) = ([middle(requests[peer.name], "cpu_us") for peer in pair] for pair in pairs)
    added, nginx_added = ours_tls - ours, nginx_tls - nginx
    print(f"TLS adds to a request: nginx {nginx_added:.2f} µs, portcullis {added:.2f} µs")
    verdicts.judge_added("CPU that TLS adds to a request: portcullis / nginx", added, nginx_added, TLS_ADDS)
    for kind in directories:
        theirs, own = (middle(shaken[peer.name, kind], "cpu_us") for _, peer in pairs)
        verdicts.judge_least(f"full handshakes per CPU second, {kind}: portcullis / nginx", theirs / own, HANDSHAKES)
    fields = ("rate", "cpu_us")
    return {", ".join((name, "TLS part", way)): {f: middle(found, f) for f in fields} for (name, way), found in every.items()}
