"""A provider that is asked about tokens and never answers: what its callers wait for, and what callers of other routes notice."""

import argparse
import asyncio
import statistics
import time

import load
from report import table
from traffic import Requests
from world import CALLS, World

# Callers with made-up tokens, each of which makes the gateway ask.
CALLERS = 200
# Rounds in which the provider says no and in which it says nothing, in turns: the callers are the same, and what else the machine does
# concerns both.
ROUNDS = 3
ASKED = "/asked"
# How much worse the slowest of a hundred may be.
WORSE = 1.10
# A refusal comes in 5 s, after as long a wait for a place at most.
LONGEST = 11


NO = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{"active":false}'


class Asking(World):
    """The world, and beside it a route whose provider says no to every question, or nothing."""

    stuck = False

    async def __aenter__(self) -> "Asking":
        await super().__aenter__()
        self.provider = await asyncio.start_server(self.answer, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *rest: object) -> None:
        self.provider.close()
        await super().__aexit__(*rest)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            # a question of the gateway comes in one piece
            while await reader.read(65_536):
                if not self.stuck:
                    writer.write(NO)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    def yaml(self, version: int) -> str:
        port = self.provider.sockets[0].getsockname()[1]
        central = (
            f'  central: {{ introspection: {{ endpoint: "http://127.0.0.1:{port}/", client_id: gw, client_secret: secret, '
            'issuer: "https://central.example" } }\n'
        )
        asked = (
            f'  - path: {ASKED}\n    upstream: "http://127.0.0.1:{self.origin_port}{CALLS}"\n'
            "    auth: { accept: [central] }\n"
        )
        text = super().yaml(version)
        text = text.replace("auth: { required_scopes: [mcp] }", "auth: { accept: [run], required_scopes: [mcp] }")
        bare = f'  - path: /version-{version}\n    upstream: "http://127.0.0.1:{self.origin_port}{CALLS}"\n'
        text = text.replace(bare, asked)
        return text.replace("credential_cache:", f"{central}credential_cache:", 1)


class Guessing:
    """Callers that bring one made-up token after another, and how they are answered."""

    def __init__(self, world: Asking) -> None:
        self.world = world
        self.statuses: dict[int, int] = {}
        self.longest = 0.0
        self.tasks = [asyncio.create_task(self.guess(caller)) for caller in range(CALLERS)]

    async def guess(self, caller: int) -> None:
        number = 0
        while True:
            number += 1
            begun = time.monotonic()
            reader, writer = await asyncio.open_connection("127.0.0.1", self.world.port)
            head = (
                f"POST {ASKED} HTTP/1.1\r\nHost: 127.0.0.1:{self.world.port}\r\nContent-Length: 0\r\n"
                f"Connection: close\r\nAuthorization: Bearer guess-{caller}-{number}-{begun}\r\n\r\n"
            )
            writer.write(head.encode())
            line = await reader.readline()
            await reader.read()
            writer.close()
            status = int(line.split()[1])
            self.statuses[status] = self.statuses.get(status, 0) + 1
            self.longest = max(self.longest, time.monotonic() - begun)
            # while nobody is asked the answer comes at once: callers that come again without a pause are another story
            await asyncio.sleep(1)

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def run(asked: argparse.Namespace) -> bool:
    seconds = max(asked.calibrate, 10)
    async with Asking(asked.cache / "introspection", asked.gateway, tls=False, limits="failures_per_address: off") as world:
        world.start_gateway()
        requests = Requests(world)
        await asyncio.to_thread(requests.calibrate, asked.calibrate)
        alone: list[load.Measured] = []
        beside: list[load.Measured] = []
        statuses: dict[int, int] = {}
        longest = 0.0
        for _ in range(ROUNDS):
            for world.stuck, measured in ((False, alone), (True, beside)):
                guessing = Guessing(world)
                await asyncio.sleep(1)
                measured.append(await asyncio.to_thread(requests.run, seconds))
                await guessing.close()
                longest = max(longest, guessing.longest)
                for status, count in guessing.statuses.items():
                    statuses[status] = statuses.get(status, 0) + count
            # the breaker lets one try after 2 s, and the next round begins with a provider that is asked
            world.stuck = False
            await asyncio.to_thread(world.status, ASKED, "nobody")
            await asyncio.sleep(3)
            await asyncio.to_thread(world.status, ASKED, "nobody-again")
        before, after = (statistics.median(one.p99_ms for one in some) for some in (alone, beside))
        refused = sum(one.refused for one in alone + beside)
        checks = [
            world.report.check("p99 of the other route", after <= before * WORSE, f"{before:.2f} ms, then {after:.2f} ms"),
            world.report.check("refusals in time", longest <= LONGEST, f"{longest:.2f} s"),
            world.report.equal("statuses of the route", sorted(statuses), [401, 503]),
            world.report.equal("refused on the other route", refused, 0),
        ]
    rows = [["other route", "requests/s", "p50", "p99"]]
    for name, some in (("provider answers", alone), ("provider stuck", beside)):
        rate, p50, p99 = (
            statistics.median(getattr(one, field) for one in some) for field in ("rate", "p50_ms", "p99_ms")
        )
        rows.append([name, f"{rate:.0f}", f"{p50:.2f} ms", f"{p99:.2f} ms"])
    table(rows)
    print(f"{CALLERS} callers of the route that asks: {statuses}, the longest wait {longest:.2f} s")
    return all(checks)
