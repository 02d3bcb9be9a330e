"""Who is let in and who is refused, and in what words: one request each, told apart by what credential it carries."""

import base64
import http.client
import json
import subprocess
import urllib.parse
import urllib.request
from dataclasses import dataclass
from urllib.parse import urlsplit

from report import Report, table
from world import NODE, PARTS, World

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "gate", "version": "1"}},
}


def token(world: World, resource: str, scope: str = "mcp:tools") -> str:
    """An access token of the service client."""
    form = {"grant_type": "client_credentials", "scope": scope, "resource": resource}
    basic = base64.b64encode(b"svc:svc-secret").decode()
    request = urllib.request.Request(
        f"{world.idp}/token", urllib.parse.urlencode(form).encode(), {"Authorization": f"Basic {basic}"}
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)["access_token"]


@dataclass
class Answer:
    status: int
    challenge: str
    body: bytes


def send(url: str, method: str = "POST", **headers: str | None) -> Answer:
    """An `initialize` request; in header names `_` is `-`, and None leaves a header out."""
    parts = urlsplit(url)
    sent = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2025-11-25",
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    try:
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        body = json.dumps(INITIALIZE) if method == "POST" else None
        connection.request(method, path, body, {name: value for name, value in sent.items() if value is not None})
        response = connection.getresponse()
        return Answer(response.status, response.getheader("WWW-Authenticate", ""), response.read())
    finally:
        connection.close()


def bound(world: World, resource: str) -> dict[str, tuple[Answer, int, list[str], list[str]]]:
    """Requests with a token of the provider that is bound to a key, and proofs made by `jose` (clients/bound.mjs)."""
    command = [NODE, PARTS / "clients/bound.mjs", world.idp, resource]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise RuntimeError(f"clients/bound.mjs failed:\n{done.stderr}")
    answers = json.loads(done.stdout)
    return {
        case: (Answer(told["status"], told["challenge"], told["body"].encode()), told["expected"], told["words"], [])
        for case, told in answers.items()
    }


def check_metadata(report: Report, world: World, url: str, resource: str) -> None:
    """The document the challenge names says where to log in, for exactly this resource."""
    with urllib.request.urlopen(url, timeout=10) as response:
        document = json.load(response)
    report.equal("metadata, resource", document.get("resource"), resource)
    report.equal("metadata, authorization_servers", document.get("authorization_servers"), [world.idp])
    report.equal("metadata, scopes_supported", document.get("scopes_supported"), ["mcp:tools"])


def run(world: World, report: Report) -> None:
    """Prints case → status and challenge."""
    url = f"{world.gateway}/everything"
    metadata = f"{world.gateway}/.well-known/oauth-protected-resource/everything"
    where = f'resource_metadata="{metadata}"'
    good = token(world, url)
    head, payload, signature = good.split(".")
    forged = ".".join((head, payload, signature[:-8] + ("AAAAAAAA" if signature[-8:] != "AAAAAAAA" else "BBBBBBBB")))

    def bearer(text: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {text}"}

    # case → answer, status, what the challenge says, what it must not say
    cases: dict[str, tuple[Answer, int, list[str], list[str]]] = {
        "no token": (send(url), 401, [where, 'scope="mcp:tools"'], ["error="]),
        "not a token": (send(url, **bearer("nonsense")), 401, [where, 'error="invalid_token"'], []),
        "forged signature": (send(url, **bearer(forged)), 401, [where, 'error="invalid_token"'], []),
        "for another resource": (
            send(url, **bearer(token(world, f"{world.gateway}/python"))),
            401,
            [where, 'error="invalid_token"'],
            [],
        ),
        "without the scope": (
            send(url, **bearer(token(world, url, "mcp:read"))),
            403,
            [where, 'error="insufficient_scope"', 'scope="mcp:tools"'],
            [],
        ),
        "in the query": (send(f"{url}?access_token={good}"), 400, [], []),
        "for another host": (send(url, Host="evil.example.com", **bearer(good)), 421, [], []),
        "from another origin": (send(url, Origin="http://evil.example.com", **bearer(good)), 403, [], []),
        "no such route": (send(f"{world.gateway}/nowhere", **bearer(good)), 404, [], []),
        "RS256": (send(url, **bearer(good)), 200, [], []),
    }
    for name in ("ps256", "es256", "eddsa"):
        resource = f"{world.gateway}/{name}"
        cases[name.upper()] = (send(resource, **bearer(token(world, resource))), 200, [], [])

    opaque = f"{world.gateway}/opaque"
    asked = token(world, opaque)
    for case in ("opaque, asked about", "opaque, remembered"):
        cases[case] = (send(opaque, **bearer(asked)), 200, [], [])
    cases["opaque, unknown"] = (send(opaque, **bearer(asked[:-8] + "AAAAAAAA")), 401, ['error="invalid_token"'], [])
    cases |= bound(world, f"{world.gateway}/bound")

    rows: list[list[object]] = [["credential", "status", "challenge", ""]]
    for case, (answer, status, words, absent) in cases.items():
        before = len(report.failures)
        report.check(case, answer.status == status, f"{answer.status} instead of {status}, {answer.body[:300]!r}")
        for word in words:
            report.check(f"{case}, challenge", word in answer.challenge, f"no {word} in {answer.challenge!r}")
        for word in absent:
            report.check(f"{case}, challenge", word not in answer.challenge, f"{word} in {answer.challenge!r}")
        shown = answer.challenge.replace(metadata, "…") or "-"
        rows.append([case, answer.status, shown, "ok" if len(report.failures) == before else "FAILED"])
    table(rows)
    check_metadata(report, world, metadata, url)
