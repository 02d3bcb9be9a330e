"""What it costs to look into messages: a policy for tools, large bodies, filtered lists, many rules, session ids."""

import json
import statistics
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path

import load
import peers
from bench import Bench
from report import table
from tokens import sign
from verdicts import BODY_US, LIST_US, POLICY, RULES, Verdicts

TOOLS = 500
# The bounds of bodies: so many bytes, more or less.
SMALL, LARGE = 1_000, 100_000
SESSION = "mcp-session-id"


def call(name: str, size: int) -> str:
    """A call of this tool, filled up to so many bytes with what a document might be: words, quotes, numbers."""
    words = 'The "quick" brown fox\njumps over 13 lazy dogs. '
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": {"text": ""}}}
    escaped = len(json.dumps(words)) - 2
    body["params"]["arguments"]["text"] = words * max(0, (size - len(json.dumps(body))) // escaped)
    return json.dumps(body, separators=(",", ":"))


LIST = '{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
# As somebody writes them; every kind of pattern, and the tools that are asked for come last.
FEW = [
    {"match": "delete_*", "scopes": ["mcp:admin"]},
    {"match": ["secret_*", "*_secret"], "deny": True},
    {"match": "admin", "scopes": ["mcp:admin"]},
    {"match": ["echo", "read_*"], "scopes": ["mcp:call"]},
]


def rules(count: int) -> list[dict[str, object]]:
    """So many, of every kind in turn; only the last one is met by the tools that are asked for. As many as a route may have are tried one by one."""
    kinds = ("tool_{}", "group_{}_*", "*_kind_{}")
    made = [
        {"match": (kinds[number % 3] if number % 40 else "from_{}_*_to_{}").replace("{}", f"{number:05d}"), "scopes": ["mcp:admin"]}
        for number in range(count - 1)
    ]
    return [*made, {"match": "last_*", "scopes": ["mcp:call"]}]


def answer() -> str:
    """A list of tools, every other one of which may not be called."""
    schema = {
        "type": "object",
        "properties": {
            "path": {"type": "string", "description": "Where it is, from the root of the project; \"..\" is refused."},
            "limit": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
        },
        "required": ["path"],
    }
    tools = [
        {
            "name": f"{'read' if number % 2 else 'delete'}_{number}",
            "description": f"Does thing number {number} to a document,\nand says what came of it.",
            "inputSchema": schema,
            "annotations": {"readOnlyHint": bool(number % 2), "destructiveHint": not number % 2},
        }
        for number in range(TOOLS)
    ]
    return json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"tools": tools}}, separators=(",", ":"))


def write_answers(directory: Path) -> None:
    """What the origin answers a list with, in both framings."""
    answers = directory / "answers"
    answers.mkdir(exist_ok=True)
    (answers / "tools.json").write_text(answer())
    (answers / "tools.sse").write_text(f"event: message\ndata: {answer()}\n\n")


@dataclass
class Way:
    """A request that is asked over and over, and what was measured."""

    name: str
    path: str
    body: str
    numbered: bool = False
    session: bool = False
    found: list[load.Measured] = field(default_factory=list)


class Ways:
    """All of them, by name."""

    def __init__(self) -> None:
        small, large = call("echo", SMALL), call("echo", LARGE)
        numbered = call("last_NUMBER", SMALL)
        self.plain = Way("1 KB, no policy", "/plain", small)
        self.policy = Way("1 KB, policy", "/policy", small)
        self.plain_large = Way("100 KB, no policy", "/plain", large)
        self.policy_large = Way("100 KB, policy", "/policy", large)
        self.ten = Way("10 rules", "/ten", numbered, numbered=True)
        self.many = Way("10,000 rules", "/many", numbered, numbered=True)
        self.lists = {
            framing: (
                Way(f"{TOOLS} tools, {framing}, all", f"/list/plain/{framing}", LIST),
                Way(f"{TOOLS} tools, {framing}, filtered", f"/list/policy/{framing}", LIST),
            )
            for framing in ("json", "sse")
        }
        self.session = Way("1 KB, no policy, session", "/session", small, session=True)
        pairs = [way for pair in self.lists.values() for way in pair]
        self.all = [self.plain, self.policy, self.plain_large, self.policy_large, self.ten, self.many, *pairs, self.session]

    def token(self, bench: Bench) -> str:
        """One that every route takes: each is a resource of its own."""
        resources = [f"http://127.0.0.1:{bench.port}{path}" for path in dict.fromkeys(way.path for way in self.all)]
        return sign(bench.tokens.key, bench.tokens.now, 0, aud=resources)


def lower(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def ask(bench: Bench, token: str, path: str, body: str) -> tuple[int, dict[str, str], str]:
    """Status, headers and text of one answer."""
    headers = load.HEADERS | {"Authorization": f"Bearer {token}"}
    try:
        request = urllib.request.Request(f"http://127.0.0.1:{bench.port}{path}", body.encode(), headers)
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, lower(response.headers), response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, lower(error.headers), error.read().decode()
    except OSError:
        return 0, {}, ""


def check(bench: Bench, token: str) -> None:
    """A policy that lets everything pass would be measured for nothing."""
    for path, tool, expected in (
        ("/plain", "delete_x", 200),
        ("/policy", "delete_x", 403),
        ("/policy", "x_secret", 403),
        ("/ten", "group_00001_x", 403),
        ("/ten", "last_000001", 200),
        ("/ten", "group_09004_x", 403),
        ("/many", "group_09004_x", 403),
        ("/many", "from_09000_x_to_09000", 403),
        ("/many", "unknown", 403),
        ("/many", "last_000001", 200),
    ):
        found, _, text = ask(bench, token, path, call(tool, SMALL))
        if found != expected:
            raise RuntimeError(f"{tool} at {path} is answered {found} instead of {expected}: {text[:300]}")
    for path, expected in (("/list/plain", TOOLS), ("/list/policy", TOOLS // 2)):
        for framing in ("json", "sse"):
            found, _, text = ask(bench, token, f"{path}/{framing}", LIST)
            if (shown := text.count('"inputSchema"')) != expected:
                raise RuntimeError(f"{path}/{framing} is answered {found} with {shown} tools instead of {expected}: {text[:300]}")


def script(bench: Bench, token: str, way: Way) -> Path:
    path = bench.directory / f"policy-{way.name.replace(' ', '-').replace(',', '')}.lua"
    if way.numbered:
        return load.script(path, load.NUMBERED, way.body, token=token, count=2_000)
    if way.session:
        status, headers, text = ask(bench, token, way.path, way.body)
        if status != 200 or len(headers.get(SESSION, "")) <= 32:
            raise RuntimeError(f"{way.path} is answered {status} without a bound session id: {text[:300]}")
        with_id = load.SAME.replace("}}\n", ', ["{name}"] = "{value}" }}\n')
        return load.script(path, with_id, way.body, token=token, name=SESSION, value=headers[SESSION])
    return load.script(path, load.SAME, way.body, token=token)


def compare(bench: Bench, binary: Path, verdicts: Verdicts) -> dict[str, dict[str, float]]:
    """One process in each round, which is asked in all ways, and in another order, so that whatever else happens hits all."""
    ways = Ways()
    token = ways.token(bench)
    write_answers(bench.directory)
    peer = peers.portcullis_policy(binary)
    given = {name: json.dumps(made) for name, made in (("few", FEW), ("ten", rules(10)), ("many", rules(10_000)))}
    total = bench.asked.policy_rounds
    with bench.origin():
        for number in range(1, total + 1):
            print(f"policy, round {number} of {total}", flush=True)
            service = bench.start(peer, bench.core, **given)
            service.wait_until(lambda: ask(bench, token, "/plain", ways.plain.body)[0] == 200)
            check(bench, token)
            turn = number % len(ways.all)
            for way in ways.all[turn:] + ways.all[:turn]:
                lua, url = script(bench, token, way), f"http://127.0.0.1:{bench.port}{way.path}"
                one = load.measure(url, service.process.pid, lua, lua, bench.asked.policy_seconds, bench.asked.connections)
                if one.refused:
                    raise RuntimeError(f"{way.name}: {one.refused} requests failed")
                way.found.append(one)
            bench.stop(service, bench.port, bench.admin)
    show(ways, total)
    judge(ways, verdicts)
    return {way.name: {part: middle(way, part) for part in ("rate", "p99_ms", "cpu_us")} for way in ways.all}


def middle(way: Way, part: str) -> float:
    return statistics.median(getattr(one, part) for one in way.found)


def ratio(way: Way, beside: Way) -> float:
    """The median over the rounds: both were measured in the same process, within a minute."""
    return statistics.median(one.cpu_us / other.cpu_us for one, other in zip(way.found, beside.found))


def more(way: Way, beside: Way) -> float:
    """µs more of CPU per request, in the same sense."""
    return statistics.median(one.cpu_us - other.cpu_us for one, other in zip(way.found, beside.found))


def judge(ways: Ways, verdicts: Verdicts) -> None:
    verdicts.judge("CPU per call of 1 KB: with a policy / without", ratio(ways.policy, ways.plain), POLICY)
    verdicts.judge("CPU per call of 100 KB: policy adds", more(ways.policy_large, ways.plain_large), BODY_US, " µs")
    for framing, (unfiltered, filtered) in ways.lists.items():
        verdicts.judge(f"CPU per list of {TOOLS} tools, {framing}: filtering adds", more(filtered, unfiltered), LIST_US, " µs")
    verdicts.judge("CPU per call: 10,000 rules / 10 rules", ratio(ways.many, ways.ten), RULES)


def show(ways: Ways, rounds: int) -> None:
    print(f"\nlooking into messages, medians of {rounds} rounds")
    rows: list[list[object]] = [["request", "req/s", "p99 ms", "CPU µs/req", "least to most"]]
    for way in ways.all:
        cpu = [one.cpu_us for one in way.found]
        figures = f"{middle(way, 'rate'):.0f}", f"{middle(way, 'p99_ms'):.2f}", f"{middle(way, 'cpu_us'):.1f}"
        rows.append([way.name, *figures, f"{min(cpu):.1f} to {max(cpu):.1f}"])
    table(rows)
