"""What a figure depends on besides the program that is measured."""

import os
import platform
import re
import shlex
import subprocess
from pathlib import Path


def first_line(command: str) -> str:
    """What a program says about its version; some say it on stderr, some with a status of their own."""
    try:
        done = subprocess.run(shlex.split(command), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10)
    except FileNotFoundError:
        return f"{command}: not there"
    return (done.stdout + done.stderr).strip().partition("\n")[0]


def describe(*commands: str) -> str:
    """The machine, how busy it is before anything was started, and the versions that these commands tell."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    cores = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    lines = [
        f"{model.group(1) if model else platform.machine()}, {cores} cores, Linux {platform.release()}, load average {load:.2f}"
    ]
    if load > 0.5:
        lines.append("this machine is busy: these figures are worth little")
    return "\n".join(lines + [first_line(command) for command in commands])
