"""Real clients behind a policy for tools: what they see, what they may call, how they come to more, and whose a session is."""

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from matrix import CLIENTS, LEGACY, MODERN, cause
from report import Report, table
from world import NODE, World

EVERYBODY = ["greeting", "whoami", "read_x", "change", "read_y"]
WITH_DELETE = ["greeting", "whoami", "read_x", "delete_x", "delete_y", "delete_z", "change", "read_y"]
ALL = [*WITH_DELETE, "secret_a"]


@dataclass(frozen=True)
class Client:
    name: str
    program: str
    era: str | None

    def ask(self, url: str, trial: str) -> dict:
        """What the client saw in this trial, or the error it ended with."""
        command = [CLIENTS / self.program, url, trial] + ([self.era] if self.era else [])
        words = [str(word) for word in (sys.executable if self.is_python else NODE, *command)]
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=60)
        except subprocess.TimeoutExpired:
            return {"error": "no end after 60 s"}
        if done.returncode != 0:
            return {"error": cause(done.stderr or done.stdout)}
        return json.loads(done.stdout.splitlines()[-1])

    @property
    def is_python(self) -> bool:
        return self.program.endswith(".py")

    @property
    def refused(self) -> int:
        """What a call that the policy forbids ends with: the TypeScript SDKs tell the status, the Python one the code of the JSON-RPC error."""
        return -32003 if self.is_python else 403


V1 = Client("sdk v1", "trial_v1.mjs", None)
V2 = [Client(f"sdk v2 {era}", "trial_v2.mjs", era) for era in ("legacy", MODERN)]
PYTHON = [Client(f"python {era}", "trial_python.py", era) for era in ("legacy", MODERN)]
EVERY = [V1, *V2, *PYTHON]

Judge = Callable[[Client, dict, str], list[tuple[str, object, object]]]


def stepped_up(client: Client, seen: dict, _url: str) -> list[tuple[str, object, object]]:
    """Found and expected: a login for what the route needs, and one more for all that the call needs."""
    return [
        ("list before", seen["before"], EVERYBODY),
        ("a tool for everybody", seen["greeting"], "greeting was done"),
        ("logins before", seen["atFirst"], 1),
        ("the call", seen["deleted"], "delete_x was done"),
        ("scopes asked for", [set(scope.split()) - {"offline_access"} for scope in seen["asked"]], [{"mcp:tools"}, {"mcp:tools", "mcp:delete"}]),
        ("list after", seen["after"], WITH_DELETE),
        ("a tool of no rule", seen["secret"], client.refused),
    ]


def refreshed_only(client: Client, seen: dict, _url: str) -> list[tuple[str, object, object]]:
    """SDK v1 with a refresh token: it refreshes, which brings no further scope, and gives up after the second 403."""
    return [
        ("list before", seen["before"], EVERYBODY),
        ("the call", seen["deleted"], client.refused),
        ("logins", len(seen["asked"]), 1),
        ("list after", seen["after"], EVERYBODY),
    ]


def opened(client: Client, seen: dict, _url: str) -> list[tuple[str, object, object]]:
    nobody = seen["nobody"]
    return [
        ("list of a stranger", nobody["list"], ["greeting"]),
        ("call of a stranger", nobody["greeting"], "greeting was done"),
        ("a protected tool, without a login", nobody["whoami"] in ("UnauthorizedError", -32001, 401), True),
        ("call before the login", seen["greeting"], "greeting was done"),
        ("logins before it is needed", seen["byItself"], 0),
        ("logins", len(seen["asked"]), 1),
        ("subject", seen["whoami"].get("x-auth-subject"), "alice"),
        ("credential", seen["whoami"].get("authorization"), "absent"),
        ("list after", seen["after"], ALL),
    ]


def logged_in_at_once(client: Client, seen: dict, url: str) -> list[tuple[str, object, object]]:
    # A Python client that is told its version asks nothing when it connects.
    asks = not (client.is_python and client.era == MODERN)
    return [
        ("logins at connect", seen["atFirst"], int(asks)),
        ("subject", seen["whoami"].get("x-auth-subject"), "alice"),
        ("resource", seen["resource"], url),
    ]


def kept_apart(client: Client, seen: dict, _url: str) -> list[tuple[str, object, object]]:
    answer = "This is a simple text response for testing."
    found = [("call", seen["called"], answer), ("resumed", seen["resumed"], "The answer came after a reconnection.")]
    if client.is_python:
        return found
    return found + [
        ("bound id", seen["id"].count("."), 1),
        ("on a new connection", seen["reconnected"], answer),
        ("another client of the same user", seen["elsewhere"], 404),
        ("another user", seen["bob"], 404),
        ("changed", seen["forged"], 404),
        ("the server's own id", seen["bare"], 404),
        ("after DELETE", seen["ended"], 404),
    ]


def listened(_client: Client, seen: dict, _url: str) -> list[tuple[str, object, object]]:
    return [
        ("honored", seen["honored"], {"toolsListChanged": True}),
        ("change", seen["changed"], "change was done"),
        ("event after 6 s", seen["told"], "heard"),
        ("version", seen["version"], MODERN),
        ("still open", seen.get("state", "open"), "open"),
    ]


# trial, where, whom it is tried with, what it has to be
TRIALS: list[tuple[str, str, list[Client], Judge]] = [
    *(("step-up", f"callable-{framing}", [*V2, *PYTHON], stepped_up) for framing in ("sse", "json")),
    *(("step-up without refresh", f"callable-{framing}", [V1], stepped_up) for framing in ("sse", "json")),
    ("step-up", "callable-sse", [V1], refreshed_only),
    *(("open", f"open-{framing}", EVERY, opened) for framing in ("sse", "json")),
    ("login path", "open-sse/login", EVERY, logged_in_at_once),
    ("session", "sessions", [V1, V2[0], PYTHON[0]], kept_apart),
    ("listen", "callable-sse", [V2[1], PYTHON[1]], listened),
]


def run(world: World, report: Report) -> None:
    """Prints trial × client → what was not as it has to be."""
    cells = [(trial, path, client, judge) for trial, path, clients, judge in TRIALS for client in clients]

    def ask(cell: tuple[str, str, Client, Judge]) -> dict:
        trial, path, client, _ = cell
        return client.ask(f"{world.gateway}/{path}", trial)

    with ThreadPoolExecutor(max_workers=2) as pool:
        answers = list(pool.map(ask, cells))

    rows: list[list[object]] = [["trial", "route", "client", "logins", ""]]
    for (trial, path, client, judge), seen in zip(cells, answers):
        before = len(report.failures)
        what = f"{trial}, {path}, {client.name}"
        if report.check(what, "error" not in seen, seen.get("error")):
            for part, found, expected in judge(client, seen, f"{world.gateway}/{path}"):
                report.equal(f"{what}, {part}", found, expected)
        verdict = "ok" if len(report.failures) == before else "FAILED"
        rows.append([trial, f"/{path}", client.name, logins(seen), verdict])
    table(rows)
    print(f"  ({LEGACY} where no version is named)")


def logins(seen: dict) -> str:
    """The scopes of each."""
    return ", then ".join(seen.get("asked", ["-"]))
