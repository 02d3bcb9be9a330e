"""One measurement: wrk on one core, the time a process was on its own core, and the memory it took."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

BODY = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"message":"hi"}}}'
HEADERS = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}

# Every request the same: wrk makes it once.
SAME = """\
wrk.method = "POST"
wrk.body = [[{body}]]
wrk.headers = {{ {headers}, ["Authorization"] = "Bearer {token}" }}
"""
# The same with any header.
WITH = SAME.replace('["Authorization"] = "Bearer {token}"', '["{name}"] = "{value}"')
# The next token for every request. After the last one it begins again, or stops rather than ask for one twice.
NEXT = """\
wrk.method = "POST"
wrk.body = [[{body}]]
local tokens = {{}}
for line in io.lines("{file}") do tokens[#tokens + 1] = "Bearer " .. line end
local headers = {{ {headers} }}
local at = 0
request = function()
  at = at + 1
  if at > #tokens then {at_the_end} end
  headers["Authorization"] = tokens[at]
  return wrk.format(nil, nil, headers)
end
"""
# Another name in every request, by a number in place of NUMBER; all are made once.
NUMBERED = """\
local requests = {{}}
local at = 0
init = function()
  local headers = {{ {headers}, ["Authorization"] = "Bearer {token}" }}
  for number = 1, {count} do
    local body = string.gsub([[{body}]], "NUMBER", string.format("%06d", number))
    requests[number] = wrk.format("POST", nil, headers, body)
  end
end
request = function()
  at = at % {count} + 1
  return requests[at]
end
"""
AGAIN = "at = 1"
STOP = "at = #tokens; wrk.thread:stop()"


def script(path: Path, text: str, body: str = BODY, **values: object) -> Path:
    headers = ", ".join(f'["{name}"] = "{value}"' for name, value in HEADERS.items())
    path.write_text(text.format(body=body, headers=headers, **values))
    return path


# For who is stopped while a thread waits for one.
RUNNING: set[subprocess.Popen] = set()


@dataclass
class Measured:
    requests: int
    rate: float
    p50_ms: float
    p99_ms: float
    refused: int
    cpu_us: float = 0
    peak_mib: float = 0


def milliseconds(text: str) -> float:
    value, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(value) * {"us": 0.001, "ms": 1, "s": 1_000, "m": 60_000}[unit]


def wrk(url: str, lua: Path, seconds: float, connections: int, enough: Callable[[], bool] | None = None) -> Measured:
    """Runs where the caller runs, which is not the core of the proxy. Ends after the time, or when there was enough."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--timeout", "10s", "--latency", "-s", lua, url]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    RUNNING.add(process)
    try:
        while enough and process.poll() is None:
            time.sleep(0.2)
            if enough():
                process.send_signal(signal.SIGINT)
                break
        told, _ = process.communicate(timeout=seconds + 60)
    finally:
        RUNNING.discard(process)
        process.kill()
        process.wait()

    def found(pattern: str) -> str | None:
        match = re.search(pattern, told)
        return match and match.group(1)

    requests = found(r"(\d+) requests in")
    if process.returncode != 0 or not requests:
        raise RuntimeError(f"wrk failed at {url}:\n{told}")
    errors = sum(map(int, re.findall(r"(?:connect|read|write|timeout) (\d+)", found(r"Socket errors: (.*)") or "")))
    return Measured(
        requests=int(requests),
        rate=float(found(r"Requests/sec:\s+([\d.]+)")),
        p50_ms=milliseconds(found(r"\n\s+50%\s+(\S+)")),
        p99_ms=milliseconds(found(r"\n\s+99%\s+(\S+)")),
        refused=int(found(r"Non-2xx or 3xx responses: (\d+)") or 0) + errors,
    )


def family(pid: int) -> list[int]:
    """A process and its descendants: nginx and haproxy work in children."""
    found, waiting = [], [pid]
    while waiting:
        parent = waiting.pop()
        found.append(parent)
        for task in Path(f"/proc/{parent}/task").glob("*"):
            waiting += map(int, (task / "children").read_text().split())
    return found


def on_cpu_seconds(pid: int) -> float:
    """Exact, from the scheduler; the tick-sampled user and system times are wrong for event loops."""
    tasks = (task for process in family(pid) for task in Path(f"/proc/{process}/task").glob("*"))
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def memory_mib(pid: int, field: str) -> float:
    """VmRSS (now) or VmHWM (peak) of a process and its descendants."""
    pattern = re.compile(rf"{field}:\s+(\d+) kB")
    sizes = (pattern.search(Path(f"/proc/{process}/status").read_text()) for process in family(pid))
    return sum(int(size.group(1)) for size in sizes) / 1024


def measure(url: str, pid: int | None, lua: Path, warm: Path, seconds: float, connections: int) -> Measured:
    """One second to warm up, then the load; `pid` is the proxy, None if there is none."""
    wrk(url, warm, 1, connections)
    before = on_cpu_seconds(pid) if pid else 0
    measured = wrk(url, lua, seconds, connections)
    if pid:
        measured.cpu_us = (on_cpu_seconds(pid) - before) / measured.requests * 1e6
        measured.peak_mib = memory_mib(pid, "VmHWM")
    return measured


def two_cores() -> tuple[int, int]:
    """The core of the proxy, and the core of everything else."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise RuntimeError("two cores are needed: one for the proxy alone, one for origin and load")
    return cores[0], cores[1]
