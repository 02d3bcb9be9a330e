"""What a request costs by each way to prove who is calling, once the gateway knows the credential."""

import contextlib
import functools
import hashlib
import hmac
import http.server
import json
import secrets
import statistics
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import load
import peers
from bench import Bench
from report import table
from signing import encode, encode_json
from tokens import claims
from verdicts import KNOWN_CREDENTIAL, Verdicts

JWT = "JWT, RS256"


@dataclass(frozen=True)
class Credential:
    """The route that takes it, and the header that brings it."""

    name: str
    path: str
    header: str
    value: str
    spoiled: str

    def status(self, port: int, value: str | None = None) -> int:
        """What one request is answered with; 0: nobody listens."""
        headers = load.HEADERS | {self.header: value or self.value}
        try:
            request = urllib.request.Request(f"http://127.0.0.1:{port}{self.path}", load.BODY.encode(), headers)
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0


@contextlib.contextmanager
def provider(good: dict[str, dict[str, object]]) -> Iterator[tuple[int, list[str]]]:
    """Answers questions about opaque tokens (RFC 7662); gives its port, and every token that it was asked about."""
    asked: list[str] = []

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = self.rfile.read(int(self.headers["Content-Length"])).decode()
            token = dict(pair.split("=") for pair in form.split("&"))["token"]
            asked.append(token)
            body = json.dumps({"active": True, **good[token]} if token in good else {"active": False}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1], asked
    finally:
        server.shutdown()
        server.server_close()


def hs256(payload: dict[str, object], secret: str) -> str:
    text = f"{encode_json({'alg': 'HS256', 'typ': 'at+jwt'})}.{encode_json(payload)}"
    return f"{text}.{encode(hmac.digest(secret.encode(), text.encode(), 'sha256'))}"


def spoiled(text: str) -> str:
    return text[:-12] + ("A" * 12 if text[-12:] != "A" * 12 else "B" * 12)


def compare(bench: Bench, binary: Path, verdicts: Verdicts) -> dict[str, dict[str, float]]:
    """All ways in each round, and in another order, so that whatever else happens on the machine hits all."""
    payload = claims(int(time.time()), 0)
    secret, opaque, key = (secrets.token_hex(32) for _ in range(3))
    bearers = {JWT: ("/jwt", bench.tokens.one), "JWT, HS256": ("/hs256", hs256(payload, secret)), "introspected": ("/opaque", opaque)}
    ways = [
        Credential(name, path, "Authorization", f"Bearer {token}", f"Bearer {spoiled(token)}")
        for name, (path, token) in bearers.items()
    ]
    ways.append(Credential("API key", "/key", "X-API-Key", key, spoiled(key)))
    peer = peers.portcullis_credentials(binary)
    scripts = {
        way: load.script(bench.directory / f"{way.path[1:]}.lua", load.WITH, name=way.header, value=way.value)
        for way in ways
    }
    found: dict[Credential, list[load.Measured]] = {way: [] for way in ways}

    with bench.origin(), provider({opaque: payload}) as (endpoint, asked):
        given = {"endpoint": endpoint, "secret": secret, "hash": hashlib.sha256(key.encode()).hexdigest()}
        for number in range(1, bench.asked.credential_rounds + 1):
            print(f"credentials, round {number} of {bench.asked.credential_rounds}", flush=True)
            for way in ways[number % len(ways) :] + ways[: number % len(ways)]:
                service = bench.start(peer, bench.core, **given)
                service.wait_until(lambda way=way: way.status(bench.port) == 200)
                if (refused := way.status(bench.port, way.spoiled)) != 401:
                    raise RuntimeError(f"{way.name}: a bad one is answered {refused}")
                asked.clear()
                url, lua = f"http://127.0.0.1:{bench.port}{way.path}", scripts[way]
                one = load.measure(url, service.process.pid, lua, lua, bench.asked.seconds, bench.asked.connections)
                if one.refused or asked:
                    raise RuntimeError(f"{way.name}: {one.refused} requests failed, {len(asked)} were asked about")
                found[way].append(one)
                bench.stop(service, bench.port, bench.admin)

    def middle(way: Credential, field: str) -> float:
        return statistics.median(getattr(one, field) for one in found[way])

    print(f"\ncredentials that are known, medians of {bench.asked.credential_rounds} rounds")
    rows: list[list[object]] = [["credential", "req/s", "p99 ms", "CPU µs/req", "least to most"]]
    for way in ways:
        tell = functools.partial(middle, way)
        cpu = [one.cpu_us for one in found[way]]
        rows.append([way.name, f"{tell('rate'):.0f}", f"{tell('p99_ms'):.2f}", f"{tell('cpu_us'):.1f}", f"{min(cpu):.1f} to {max(cpu):.1f}"])
    table(rows)
    warm = middle(ways[0], "cpu_us")
    for way in ways[1:]:
        verdicts.judge(f"CPU per request: known {way.name} / known {JWT}", middle(way, "cpu_us") / warm, KNOWN_CREDENTIAL)
    fields = ("rate", "p99_ms", "cpu_us")
    return {f"{way.name}, known": {field: middle(way, field) for field in fields} for way in ways}
