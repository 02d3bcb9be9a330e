"""HTTP+SSE of 2024-11-05: clients of both SDKs before servers of both; the same through the gateway as without it."""

import sys

from matrix import CLIENTS, Client, ask, check_gated, summary
from report import Report, table
from routes import STREAMS
from world import NODE, World

CLIENT_LIST = [
    Client("sdk v1", (NODE, CLIENTS / "sse_v1.mjs"), "sse"),
    Client("sdk v1, Streamable HTTP first", (NODE, CLIENTS / "sse_v1.mjs"), "both"),
    Client("python", (sys.executable, CLIENTS / "sse_python.py"), "sse"),
]


def run(world: World, report: Report, gated: bool) -> None:
    """Prints client × server → protocol version and number of tools, without and with the gateway."""
    rows: list[list[object]] = [["client", "server", "direct", "through the gateway", ""]]
    for client in CLIENT_LIST:
        for server in STREAMS:
            before = len(report.failures)
            what = f"{client.name} at {server}"
            direct = ask(client, world.upstreams[server])
            report.check(f"{what}, direct", "error" not in direct, direct.get("error"))
            through = None
            if gated:
                url = f"{world.gateway}/{server}"
                through = ask(client, url)
                check_gated(report, f"{what}, gateway", through, direct, world, url)
            verdict = "ok" if len(report.failures) == before else "FAILED"
            rows.append([client.name, server, summary(direct), summary(through), verdict])
    table(rows)
