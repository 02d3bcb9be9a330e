"""The official conformance suites against the fixture, without and with the gateway between: the counts must not change."""

import os
import re
import subprocess
from dataclasses import dataclass

from gate import token
from report import Report, table
from world import NODE, PARTS, World


@dataclass(frozen=True)
class Suite:
    """`expected`: what the fixture alone must reach, but for scenarios of `beyond`, which are about what it has not got."""

    title: str
    package: str
    arguments: list[str]
    fixture: str
    expected: int
    beyond: str | None = None


SUITES = [
    Suite("0.1.16, all", "conformance-0.1", ["--suite", "all"], "fixture", 44),
    Suite("0.2.0-alpha.12, 2025-11-25", "conformance-0.2", ["--requirements", "2025-11-25"], "fixture", 84),
    Suite("0.2.0-alpha.12, 2026-07-28", "conformance-0.2", ["--requirements", "2026-07-28"], "modern", 152, "tasks-"),
]
SCENARIO = re.compile(r"^[✓✗] ([\w-]+): (\d+) passed, (\d+) failed", re.MULTILINE)
REBINDING = "dns-rebinding-protection"
Counts = dict[str, tuple[int, int]]


def run_suite(world: World, suite: Suite, way: str, url: str, bearer: str | None) -> Counts:
    """Scenario → passed and failed checks. What the suite printed is kept in the logs."""
    program = PARTS / "node_modules" / suite.package / "dist" / "index.js"
    command = [NODE]
    env = dict(os.environ)
    if bearer:
        command += ["--import", PARTS / "clients" / "bearer.mjs"]
        env |= {"BEARER_TOKEN": bearer, "BEARER_ORIGIN": world.gateway}
    command += [program, "server", "--url", url, *suite.arguments]
    log = world.logs / f"{suite.package}-{suite.arguments[-1]}-{way}.log"
    with log.open("w") as out:
        words = [str(word) for word in command]
        try:
            subprocess.run(words, env=env, cwd=world.logs, stdout=out, stderr=subprocess.STDOUT, timeout=120)
        except subprocess.TimeoutExpired:
            print(f"  {suite.title}, {way}: stopped after 120 s")
    found = SCENARIO.findall(log.read_text())
    return {name: (int(passed), int(failed)) for name, passed, failed in found}


def total(counts: Counts, beyond: str | None = None) -> str:
    counted = [found for name, found in counts.items() if not (beyond and name.startswith(beyond))]
    passed = sum(passed for passed, _ in counted)
    failed = sum(failed for _, failed in counted)
    return f"{passed}/{passed + failed}"


def ways_to(world: World, fixture: str, gated: bool) -> dict[str, tuple[str, str | None]]:
    """Way → URL and token."""
    ways: dict[str, tuple[str, str | None]] = {"direct": (world.upstreams[fixture], None)}
    if gated:
        for way, path in (("token", fixture), ("token, policy", f"{fixture}-policy")):
            resource = f"{world.gateway}/{path}"
            ways[way] = (resource, token(world, resource))
        for way, path in (("anonymous", f"{fixture}-anonymous"), ("anonymous, policy", f"{fixture}-anonymous-policy")):
            ways[way] = (f"{world.gateway}/{path}", None)
    return ways


def run(world: World, report: Report, gated: bool) -> None:
    """Prints suite × way → passed/all, and the verdict on DNS rebinding where the gateway is what answers."""
    heading = list(ways_to(world, "fixture", gated))
    rows: list[list[object]] = [["suite", *heading]]
    verdicts: list[list[object]] = [[REBINDING, *heading]]
    for suite in SUITES:
        ways = ways_to(world, suite.fixture, gated)
        counts = {way: run_suite(world, suite, way.replace(", ", "-"), url, bearer) for way, (url, bearer) in ways.items()}
        direct = counts["direct"]
        report.equal(f"{suite.title}, direct", total(direct, suite.beyond), f"{suite.expected}/{suite.expected}")
        for way, found in list(counts.items())[1:]:
            changed = {name: (direct.get(name), found.get(name)) for name in direct | found if direct.get(name) != found.get(name)}
            report.check(f"{suite.title}, {way} as direct", not changed, f"changed: {changed}")
            report.equal(f"{suite.title}, {way}, {REBINDING}", found.get(REBINDING), (2, 0))
        rows.append([suite.title, *(total(found, suite.beyond) for found in counts.values())])
        if suite.beyond:
            only = {way: {name: count for name, count in found.items() if name.startswith(suite.beyond)} for way, found in counts.items()}
            rows.append([f"  {suite.beyond}*", *(total(found) for found in only.values())])
        verdicts.append([suite.title, *("{}/{}".format(c[0], sum(c)) if c else "-" for c in (found.get(REBINDING) for found in counts.values()))])
    table(rows)
    print("  (tasks are an extension that the fixture has not got; what is answered to these scenarios must not change either)")
    print()
    table(verdicts)
    if gated:
        print("  (the gateway names its upstream in Host and removes Origin: behind it, the verdict is the gateway's own)")
