"""New configurations, new certificates and broken files under load: nothing is lost, and each change shows or has no effect."""

import argparse
import asyncio
import statistics
import time

from changes import Change, Changes, plan
from report import table
from streams import open_streams
from traffic import Listeners, Newcomers, Requests
from world import EVENTS, World, until

# Until a change shows.
PATIENCE = 10
# Fifty plans and twenty sets of certificates leave no more than this behind.
GROWTH_MIB = 16


async def carry_out(world: World, changes: Changes, change: Change, took: dict[str, list[float]]) -> None:
    begun = time.monotonic()
    shown = await until(change.done, PATIENCE)
    took.setdefault(change.kind, []).append(time.monotonic() - begun)
    what = f"{change.kind}: {change.name}"
    world.report.check(what, shown, f"did not show in {PATIENCE} s\n{world.gateway.tail(5)}")
    if change.kind.startswith("broken"):
        same = await asyncio.to_thread(changes.is_unchanged)
        world.report.check(f"{what}: nothing changed", same, world.gateway.tail(5))
        await asyncio.to_thread(change.after)
        # the good file is there again, and it says what is in use
        await asyncio.sleep(0.3)
        same = await asyncio.to_thread(changes.is_unchanged)
        world.report.check(f"{what}: nothing changed when it was mended", same, world.gateway.tail(5))


async def run(asked: argparse.Namespace) -> bool:
    counts = {"reload": asked.reloads, "renew": asked.certificates, "damage": asked.broken}
    steps = plan(counts)
    took: dict[str, list[float]] = {}
    # whether a change shows is asked for by requests that are refused
    limits = "failures_per_address: off"
    async with World(asked.cache / "reload", asked.gateway, tls=True, limits=limits) as world:
        world.start_gateway()
        requests = Requests(world)
        await asyncio.to_thread(requests.calibrate, asked.calibrate)
        half = requests.capacity / 2
        print(f"capacity {requests.capacity:.0f} req/s over TLS; {asked.streams} streams; {len(steps)} changes")
        opened = await open_streams(world.port, world.subjects(asked.streams), world.client(), EVENTS)
        listeners, newcomers, changes = Listeners(world, opened), Newcomers(world), Changes(world)
        longest = asked.seconds + PATIENCE * len(steps)
        load = asyncio.create_task(asyncio.to_thread(requests.run, longest))
        goes_on = [asyncio.create_task(task) for task in (listeners.tick(), newcomers.come())]

        begun, memory = time.monotonic(), 0.0
        for number, (kind, turn) in enumerate(steps):
            await asyncio.sleep(max(0, begun + asked.seconds * number / len(steps) - time.monotonic()))
            change = await asyncio.to_thread(getattr(changes, kind), turn)
            await carry_out(world, changes, change, took)
            if number == len(steps) // 5:
                memory = world.memory_mib()
        await asyncio.sleep(max(0, begun + asked.seconds - time.monotonic()))
        taken = time.monotonic() - begun
        grown = world.memory_mib() - memory

        for task in goes_on:
            task.cancel()
        requests.over = True
        answered = await load
        dropped = await listeners.close()

        report = world.report
        report.equal("failed requests", answered.refused, 0)
        report.equal("failed connections", newcomers.failures[:5], [])
        report.equal("dropped streams", dropped[:5], [])
        # one at the start, one for each renewal, and never a broken one
        seen = len(newcomers.certificates)
        report.check("certificates that newcomers saw", seen <= asked.certificates + 1, f"{seen}")
        report.check("memory", grown <= GROWTH_MIB, f"{grown:.1f} MiB more")
        report.check("log", "panicked" not in world.log(), world.log()[-500:])

        rows: list[list[object]] = [["change", "times", "until it showed: median", "longest"]]
        for kind, times in sorted(took.items()):
            rows.append([kind, len(times), f"{statistics.median(times):.2f} s", f"{max(times):.2f} s"])
        table(rows)
        print(
            f"in {taken:.0f} s: {answered.requests} requests at {answered.rate:.0f}/s"
            f" ({answered.rate / half / 2:.0%} of capacity; p50 {answered.p50_ms:.2f} ms, p99 {answered.p99_ms:.2f} ms),"
            f" {answered.refused} failed; {newcomers.count} new connections, {len(newcomers.failures)} failed;"
            f" {listeners.ticks} events on each of {len(opened)} streams, {len(dropped)} dropped; memory {grown:+.1f} MiB"
        )
        return not report.failures
