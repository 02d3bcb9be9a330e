"""Floods of made-up names: whatever callers send, the configuration alone decides how many series there are, and memory is flat."""

import argparse
import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import load
from report import table
from world import CALLS, World

SERIES = 5_000
# Made-up names of tools among them, at most.
TOOLS = 100
# How much larger the process may be after the flood than after a fifth of it, which has filled what may be filled: the cache of
# verified tokens (4 MiB here), the tables of addresses, the pools of connections, the allocator.
GROWTH_MIB = 8
# Enough for a program built without optimisation on a busy machine; the load ends when all names were sent.
SECONDS = 600

# Each name once, then the last one until somebody ends it, so that all are answered. What is made of a name is up to `made`. Each
# comes from another address, since the limits would stop one alone long before; the tables of addresses are under the same flood.
SCRIPT = """\
local at, last, over = {first} - 1, {last}, 0
local headers = {{ {headers}, ["Authorization"] = "Bearer {token}" }}
local body = [[{body}]]
{before}
request = function()
  if at < last then
    at = at + 1
    {each}
    local address = at * {kinds} + {kind}
    local high, middle = math.floor(address / 65536), math.floor(address / 256) % 256
    headers["X-Forwarded-For"] = string.format("10.%d.%d.%d", high, middle, address % 256)
  else
    over = over + 1
    if over == 100 then io.open("{done}", "w"):close() end
  end
  {made}
end
"""
TOOL = '{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"tool-\' .. at .. \'","arguments":{{}}}}}}'
METHOD = '{{"jsonrpc":"2.0","id":1,"method":"made-up/\' .. at .. \'","params":{{}}}}'


@dataclass(frozen=True)
class Flood:
    """In Lua: `made`, the request with the name `at` in it, and `each`, done for a new name. `passes`: it reaches the origin."""

    name: str
    made: str
    passes: bool = True
    before: str = ""
    each: str = ""
    tokens: Callable[[World, range], list[str]] | None = None


def subjects(world: World, numbers: range) -> list[str]:
    return [world.signer.token(f"made-up-{number}") for number in numbers]


def issuers(world: World, numbers: range) -> list[str]:
    """Issuers and key ids that nobody knows, and signatures that are none."""
    return [world.signer.unknown(f"made-up-{number}") for number in numbers]


# Line by line, so that a file of tokens is never in the memory of the load.
LINES = 'local lines = io.lines("{tokens}")'
NEXT = 'headers["Authorization"] = "Bearer " .. lines()'
SAME = 'return wrk.format("POST", nil, headers, body)'
FLOODS = [
    Flood("tools", f"return wrk.format('POST', nil, headers, '{TOOL.format()}')"),
    Flood("methods", f"return wrk.format('POST', nil, headers, '{METHOD.format()}')"),
    Flood("paths below a route", 'return wrk.format("POST", wrk.path .. "/" .. at, headers, body)'),
    Flood("paths of no route", 'return wrk.format("POST", "/made-up-" .. at, headers, body)', passes=False),
    Flood("hosts by wildcard", SAME, each='headers["Host"] = "h" .. at .. ".tunnel.example"'),
    Flood("hosts of nobody", SAME, each='headers["Host"] = "h" .. at .. ".elsewhere.example"', passes=False),
    Flood("sessions of nobody", SAME, each='headers["Mcp-Session-Id"] = "made-up-" .. at', passes=False),
    Flood("subjects", SAME, before=LINES, each=NEXT, tokens=subjects),
    Flood("issuers and keys of nobody", SAME, passes=False, before=LINES, each=NEXT, tokens=issuers),
]


def flood(world: World, kind: Flood, names: range) -> str:
    """Sends each name once; whether they were all answered as they should be."""
    tokens = world.directory / "tokens.txt"
    if kind.tokens:
        tokens.write_text("".join(f"{token}\n" for token in kind.tokens(world, names)))
    done = world.directory / "done"
    done.unlink(missing_ok=True)
    values = {"first": names.start, "last": names.stop - 1, "token": world.token, "each": kind.each, "made": kind.made}
    values |= {"before": kind.before.format(tokens=tokens), "done": done, "kinds": len(FLOODS), "kind": FLOODS.index(kind)}
    lua = load.script(world.directory / "flood.lua", SCRIPT, **values)
    found = load.wrk(f"{world.url}{CALLS}", lua, SECONDS, 16, done.exists)
    report = world.report
    report.check(f"{kind.name}: all names sent", found.requests >= len(names), f"{found.requests} of {len(names)}")
    report.equal(f"{kind.name}: refused", found.refused, 0 if kind.passes else found.requests)
    return f"{found.rate:.0f}"


async def run(asked: argparse.Namespace) -> bool:
    settings = '  allowed_hosts: ["*.tunnel.example"]\n  trusted_proxies: [127.0.0.1/32]\n'
    rows: list[list[object]] = [["made-up names", "count", "req/s", "series", "MiB after"]]
    # All of it comes from one address, and new tokens are counted: the flood is to reach what it is made for.
    limits = "failures_per_address: off"
    # Bodies are read, callers are counted, and nobody is refused for it.
    policy = '    access: { list_filter: callable, tools: [{ match: echo }, { match: "*" }] }\n'
    policy += "    rate_limit: { window: 1s, max_requests: 1000000, max_tool_calls: 1000000 }\n"
    async with World(asked.cache / "labels", asked.gateway, tls=False, settings=settings, limits=limits, policy=policy) as world:
        world.start_gateway()
        at_start = len(world.metrics())
        idle = world.memory_mib()
        rows.append(["(start)", "", "", at_start, f"{idle:.1f}"])
        first, warm = 1, 0.0
        for count in (asked.names // 5, asked.names):
            for kind in FLOODS:
                rate = await asyncio.to_thread(flood, world, kind, range(first, first + count))
                rows.append([kind.name, count, rate, len(world.metrics()), f"{world.memory_mib():.1f}"])
            await asyncio.sleep(3)
            rows.append(["(at rest)", "", "", len(world.metrics()), f"{world.memory_mib():.1f}"])
            first += count
            warm = warm or world.memory_mib()
        table(rows)
        found = world.metrics()
        grown = world.memory_mib() - warm
        world.report.check("series", len(found) < SERIES, f"{len(found)}")
        named = [line for line in found if "made-up" in line or "tool-" in line or ".example" in line]
        # A tool that was called and answered has a name of its own, but only the first hundred of a route.
        called = [line for line in named if line.startswith("portcullis_tool_calls_total{")]
        world.report.check("series of made-up tools", len(called) <= TOOLS, f"{len(called)}")
        world.report.equal("series with a made-up name", [line for line in named if line not in called], [])
        world.report.check("memory", grown <= GROWTH_MIB, f"{grown:.1f} MiB more")
        print(f"{len(found)} series, fewer than {SERIES}; {asked.names} names of each kind: {grown:+.1f} MiB, at most {GROWTH_MIB}")
        return not world.report.failures
