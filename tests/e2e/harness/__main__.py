"""The end-to-end run. Start it with tests/e2e/run, which installs what it needs."""

import argparse
import signal
import sys
import time
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parents[2] / "common"))

import gate
import http_sse
import matrix
import policy
import suites
from report import Report
from world import World


def main() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--logs", type=Path, required=True)
    arguments.add_argument("--gateway", type=Path, help="the program; without it, only the parts themselves are tried")
    asked = arguments.parse_args()
    # So that whatever was started is stopped too when somebody stops us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))

    report = Report()
    gated = asked.gateway is not None
    with World(asked.logs) as world:

        def stage(title: str, work, *rest) -> None:
            print(f"\n{title}", flush=True)
            begun = time.monotonic()
            work(*rest)
            print(f"  ({time.monotonic() - begun:.0f} s)", flush=True)

        stage("start the parts", world.start_parts)
        if gated:
            gateway = world.start_gateway(asked.gateway.resolve())
            stage("who is refused", gate.run, world, report)
        stage("client × server", matrix.run, world, report, gated)
        stage("client × server over HTTP+SSE", http_sse.run, world, report, gated)
        if gated:
            stage("who may do what", policy.run, world, report)
        stage("conformance suites", suites.run, world, report, gated)
        if gated:
            report.equal("exit status of the gateway after SIGTERM", gateway.stop(), 0)
            if report.failures:
                print(f"\nlast lines of the gateway:\n{gateway.tail(15)}")

    if report.failures:
        print("\nfailed:", *report.failures, sep="\n  ")
    print(f"\ne2e: {report.passed} passed, {len(report.failures)} failed")
    return 1 if report.failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RuntimeError as error:
        sys.exit(f"error: {error}")
