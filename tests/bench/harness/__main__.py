"""The comparison of proxies. Start it with tests/bench/run, which finds what it needs."""

import argparse
import asyncio
import json
import resource
import signal
import sys
import time
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parents[2] / "common"))

import credentials
import peers
import policy
import tls
from bench import Bench
from footprint import judge_binary
from machine import describe
from verdicts import Verdicts

REQUESTS, CREDENTIALS, POLICY, TLS, FOOTPRINT = "requests", "credentials", "policy", "tls", "footprint"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/bench/run")
    parser.add_argument("--cache", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--gateway", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--envoy", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--only", choices=(REQUESTS, CREDENTIALS, POLICY, TLS, FOOTPRINT), help="this part alone")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5, help="of load per round, proxy and way")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--many", type=int, default=20_000, help="tokens asked in turn")
    parser.add_argument("--fresh", type=int, default=100_000, help="tokens to be used once")
    parser.add_argument("--fresh-seconds", type=int, default=3, help="of load with tokens used once")
    parser.add_argument("--credential-rounds", type=int, default=5, help="more, since a tenth is judged")
    parser.add_argument("--policy-rounds", type=int, default=7, help="more, since a twentieth is judged")
    parser.add_argument("--policy-seconds", type=int, default=3, help="of load per round and way")
    parser.add_argument("--tls-rounds", type=int, default=5, help="more, since a difference of differences is judged")
    parser.add_argument("--tls-seconds", type=int, default=5, help="of load per round, proxy and way")
    parser.add_argument("--starts", type=int, default=5, help="how often the time to be ready is taken")
    parser.add_argument("--results", type=Path, help="write the figures here as JSON")
    return parser.parse_args()


def main() -> int:
    asked = arguments()
    # So that whatever was started is stopped too when somebody stops us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    contenders = [peers.DIRECT, peers.NGINX, peers.HAPROXY, peers.HAPROXY_JWT]
    if asked.envoy:
        contenders.append(peers.envoy(asked.envoy))
    gateway = asked.gateway.resolve() if asked.gateway else None
    if gateway:
        contenders.append(peers.portcullis(gateway))

    def wanted(part: str) -> bool:
        return asked.only in (None, part)

    begun = time.monotonic()
    print(describe("nginx -v", "haproxy -v", "wrk -v", "openssl version", *([f"{gateway} --version"] if gateway else [])))
    bench = Bench(asked)
    verdicts = Verdicts()
    results = {}
    try:
        if wanted(REQUESTS):
            bench.tokens.make(asked.many, asked.fresh)
            bench.compare(contenders)
            bench.show()
            results |= bench.results()
            if gateway:
                verdicts.ratios({key: bench.median(key, "cpu_us") for key in bench.measured})
        if wanted(CREDENTIALS) and gateway:
            results |= credentials.compare(bench, gateway, verdicts)
        if wanted(POLICY) and gateway:
            results |= policy.compare(bench, gateway, verdicts)
        if wanted(TLS) and gateway:
            results |= tls.compare(bench, gateway, verdicts)
        if wanted(FOOTPRINT) and gateway:
            judge_binary(gateway, bench.directory, verdicts)
            asyncio.run(bench.footprint(peers.portcullis(gateway), verdicts))
        if gateway:
            print()
            verdicts.print()
    finally:
        bench.stop_all()
    if asked.results:
        asked.results.write_text(json.dumps(results, indent=1))
    print(f"\n{time.monotonic() - begun:.0f} s")
    return 0 if verdicts.kept else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RuntimeError as error:
        sys.exit(f"error: {error}")
