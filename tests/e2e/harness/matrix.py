"""Every client against every server: login, list of tools, a call; the same through the gateway as without it."""

import json
import re
import secrets
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from report import Report, table
from world import NODE, PARTS, World

LEGACY, MODERN = "2025-11-25", "2026-07-28"
CLIENTS = PARTS / "clients"


@dataclass(frozen=True)
class Client:
    """A client program and what version it ends up with at a server of both eras; None: whatever the server has."""

    name: str
    command: tuple
    era: str


CLIENT_LIST = [
    Client("sdk v1", (NODE, CLIENTS / "sdk_v1.mjs"), "v1"),
    *(Client(f"sdk v2 {era}", (NODE, CLIENTS / "sdk_v2.mjs"), era) for era in ("legacy", "auto", MODERN)),
    *(Client(f"python {era}", (sys.executable, CLIENTS / "python_client.py"), era) for era in ("legacy", "auto", MODERN)),
]
# server → the versions it speaks
SERVERS = {"everything": [LEGACY], "python": [LEGACY, MODERN]}


def expected_version(client: Client, server: str) -> str | None:
    """The version the two agree on; None: they have none in common."""
    spoken = SERVERS[server]
    match client.era:
        case "v1" | "legacy":
            return LEGACY
        case "auto":
            return spoken[-1]
        case pinned:
            return pinned if pinned in spoken else None


def ask(client: Client, url: str) -> dict:
    """Runs the client once; its report, or the error it ended with."""
    message = secrets.token_hex(8)
    words = [*client.command, url, message] + ([] if client.era == "v1" else [client.era])
    try:
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        return {"error": "no end after 60 s"}
    if done.returncode != 0:
        return {"error": cause(done.stderr or done.stdout)}
    report = json.loads(done.stdout.splitlines()[-1])
    return report | {"echoed": message in report["echo"]}


def cause(output: str) -> str:
    """The lines of an uncaught error that name it, without the stack around them."""
    named = [line.strip() for line in output.splitlines() if re.match(r"\s*(\|\s*)*[\w.]*(Error|Exception|Group)\b.*:", line)]
    return " | ".join(dict.fromkeys(named)) or output.strip()[-500:]


def check_direct(report: Report, what: str, found: dict, version: str) -> None:
    if report.check(what, "error" not in found, found.get("error")):
        report.equal(f"{what}, version", found["protocol"], version)
        report.check(f"{what}, echo", found["echoed"], found["echo"])
        report.equal(f"{what}, login", found["login"], None)


def check_gated(report: Report, what: str, found: dict, direct: dict, world: World, url: str) -> None:
    """Like direct, after a login for this resource, and the server knows the caller but not the credential."""
    if not report.check(what, "error" not in found, found.get("error")):
        return
    for part in ("protocol", "tools"):
        report.equal(f"{what}, {part}", found[part], direct.get(part))
    report.check(f"{what}, echo", found["echoed"], found["echo"])
    login = found["login"] or {}
    report.equal(f"{what}, issuer", login.get("issuer"), world.idp)
    report.equal(f"{what}, resource", login.get("resource"), url)
    report.equal(f"{what}, pkce", login.get("pkce"), "S256")
    report.check(f"{what}, scope", "mcp:tools" in (login.get("scope") or "").split(), login)
    if (whoami := found["whoami"]) is not None:
        report.equal(f"{what}, subject", whoami.get("x-auth-subject"), "alice")
        report.equal(f"{what}, credential", whoami.get("authorization"), "absent")


def summary(found: dict | None) -> str:
    if found is None:
        return "-"
    if "error" in found:
        return "failed"
    return f"{found['protocol']}, {found['tools']} tools"


def run(world: World, report: Report, gated: bool) -> None:
    """Prints client × server → protocol version and number of tools, without and with the gateway."""
    cells = [(client, server) for client in CLIENT_LIST for server in SERVERS if expected_version(client, server)]
    gate = {server: f"{world.gateway}/{server}" for server in SERVERS}

    def both(cell: tuple[Client, str]) -> tuple[dict, dict | None]:
        client, server = cell
        return ask(client, world.upstreams[server]), ask(client, gate[server]) if gated else None

    with ThreadPoolExecutor(max_workers=2) as pool:
        answers = list(pool.map(both, cells))

    rows: list[list[object]] = [["client", "server", "direct", "through the gateway", ""]]
    for (client, server), (direct, through) in zip(cells, answers):
        before = len(report.failures)
        what = f"{client.name} at {server}"
        check_direct(report, f"{what}, direct", direct, expected_version(client, server))
        if through is not None:
            check_gated(report, f"{what}, gateway", through, direct, world, gate[server])
        verdict = "ok" if len(report.failures) == before else "FAILED"
        rows.append([client.name, server, summary(direct), summary(through), verdict])
    table(rows)
    print(f"  ({MODERN} pinned at everything is left out: that server does not speak it)")
