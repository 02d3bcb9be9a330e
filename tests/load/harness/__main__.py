"""The gateway under a load that lasts. Start it with tests/load/run, which finds what it needs."""

import argparse
import asyncio
import resource
import signal
import sys
import time
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parents[2] / "common"))

import introspection
import labels
import load
import reload
import stop
from machine import describe

PARTS = {"reload": reload.run, "labels": labels.run, "stop": stop.run, "introspection": introspection.run}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/load/run")
    parser.add_argument("--cache", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--gateway", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("part", choices=[*PARTS, "all"])
    parser.add_argument("--seconds", type=int, default=120, help="over which the changes are spread (reload)")
    parser.add_argument("--reloads", type=int, default=50, help="new configurations (reload)")
    parser.add_argument("--certificates", type=int, default=20, help="new certificates (reload)")
    parser.add_argument("--broken", type=int, default=20, help="broken files (reload)")
    parser.add_argument("--calibrate", type=int, default=5, help="seconds to find out how much is possible (reload, introspection)")
    parser.add_argument("--streams", type=int, default=500, help="open event streams (reload, stop)")
    parser.add_argument("--names", type=int, default=100_000, help="of each kind (labels)")
    parser.add_argument("--drain", type=int, default=5, help="seconds that the end may take (stop)")
    return parser.parse_args()


def stopped(*_: object) -> None:
    """Whatever was started is stopped too when somebody stops us; the load, since a thread waits for it."""
    for process in load.RUNNING:
        process.kill()
    sys.exit("stopped")


def main() -> int:
    asked = arguments()
    asked.gateway = asked.gateway.resolve()
    signal.signal(signal.SIGTERM, stopped)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    begun = time.monotonic()
    print(describe(f"{asked.gateway} --version", "nginx -v", "wrk -v"))
    good = True
    for name, part in PARTS.items():
        if asked.part in (name, "all"):
            print(f"\n== {name}", flush=True)
            good = asyncio.run(part(asked)) and good
    print(f"\n{'as promised' if good else 'NOT as promised'}, {time.monotonic() - begun:.0f} s")
    return 0 if good else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RuntimeError as error:
        sys.exit(f"error: {error}")
