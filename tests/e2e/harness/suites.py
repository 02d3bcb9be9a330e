"""The official conformance suites against the fixture, without and with the gateway between: the counts must not change."""

import os
import re
import subprocess

from gate import token
from report import Report, table
from world import NODE, PARTS, World

# package → the arguments that choose its scenarios, and what the fixture alone must reach
SUITES = {
    "conformance-0.1": ("0.1.16, all", ["--suite", "all"], 44),
    "conformance-0.2": ("0.2.0-alpha.12, 2025-11-25", ["--requirements", "2025-11-25"], 84),
}
SCENARIO = re.compile(r"^[✓✗] ([\w-]+): (\d+) passed, (\d+) failed", re.MULTILINE)
REBINDING = "dns-rebinding-protection"
Counts = dict[str, tuple[int, int]]


def run_suite(world: World, package: str, way: str, url: str, bearer: str | None) -> Counts:
    """Scenario → passed and failed checks. What the suite printed is kept in the logs."""
    suite = PARTS / "node_modules" / package / "dist" / "index.js"
    command = [NODE]
    env = dict(os.environ)
    if bearer:
        command += ["--import", PARTS / "clients" / "bearer.mjs"]
        env |= {"BEARER_TOKEN": bearer, "BEARER_ORIGIN": world.gateway}
    command += [suite, "server", "--url", url, *SUITES[package][1]]
    log = world.logs / f"{package}-{way}.log"
    with log.open("w") as out:
        words = [str(word) for word in command]
        try:
            subprocess.run(words, env=env, cwd=world.logs, stdout=out, stderr=subprocess.STDOUT, timeout=120)
        except subprocess.TimeoutExpired:
            print(f"  {package}, {way}: stopped after 120 s")
    found = SCENARIO.findall(log.read_text())
    return {name: (int(passed), int(failed)) for name, passed, failed in found}


def total(counts: Counts) -> str:
    passed = sum(passed for passed, _ in counts.values())
    failed = sum(failed for _, failed in counts.values())
    return f"{passed}/{passed + failed}"


def run(world: World, report: Report, gated: bool) -> None:
    """Prints suite × way → passed/all, and the verdict on DNS rebinding where the gateway is what answers."""
    ways = {"direct": (world.upstreams["fixture"], None)}
    if gated:
        resource = f"{world.gateway}/fixture"
        ways["gateway"] = (resource, token(world, resource))
        ways["anonymous"] = (f"{world.gateway}/anonymous", None)

    rows: list[list[object]] = [["suite", *ways]]
    verdicts: list[list[object]] = [[REBINDING, *ways]]
    for package, (title, _, expected) in SUITES.items():
        counts = {way: run_suite(world, package, way, url, bearer) for way, (url, bearer) in ways.items()}
        direct = counts.pop("direct")
        report.equal(f"{title}, direct", total(direct), f"{expected}/{expected}")
        for way, found in counts.items():
            changed = [name for name in direct | found if direct.get(name) != found.get(name)]
            report.check(f"{title}, {way} as direct", not changed, f"changed: {', '.join(changed)}")
            report.equal(f"{title}, {way}, {REBINDING}", found.get(REBINDING), (2, 0))
        rows.append([title, total(direct), *map(total, counts.values())])
        verdicts.append([title, *("{}/{}".format(c[0], sum(c)) if c else "-" for c in (found.get(REBINDING) for found in (direct, *counts.values())))])
    table(rows)
    print()
    table(verdicts)
    if gated:
        print("  (the gateway names its upstream in Host and removes Origin: behind it, the verdict is the gateway's own)")
