"""What the systemd unit forbids the program to ask of the kernel, as filters for a process that is about to start.

systemd answers a forbidden call with an error. Here it ends the process: the program is to get by without.
"""

import ctypes
import re
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

ALLOW, KILL = 0x7FFF0000, 0x80000000
EQUAL, AT_LEAST, MASKED_EQUAL = 4, 5, 7
FAMILIES = 64  # more kinds of sockets than there are
PROT_WRITE, PROT_EXEC, SHM_EXEC = 2, 4, 0o100000


class Argument(ctypes.Structure):
    """A comparison of one argument of a call."""

    _fields_ = [("number", ctypes.c_uint), ("operator", ctypes.c_int), ("one", ctypes.c_uint64), ("two", ctypes.c_uint64)]


def settings(path: Path) -> dict[str, list[str]]:
    """The words of each setting; what is said in several lines is one list, in which `~` begins what is taken away."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", path.read_text(), re.MULTILINE):
        words = value.split()
        taken = value.startswith("~")
        found.setdefault(name, []).extend(f"~{word.removeprefix('~')}" if taken else word for word in words)
    return found


def calls(group: str) -> set[str]:
    """The system calls of a group like `@system-service`."""
    lines = subprocess.run(["systemd-analyze", "syscall-filter", group], check=True, capture_output=True, text=True).stdout.splitlines()
    names = [line.strip() for line in lines[1:] if line.strip() and not line.strip().startswith("#")]
    return set().union(*(calls(name) if name.startswith("@") else {name} for name in names))


class Filter:
    def __init__(self, otherwise: int) -> None:
        self.library = ctypes.CDLL("libseccomp.so.2")
        self.library.seccomp_init.restype = ctypes.c_void_p
        self.context = ctypes.c_void_p(self.library.seccomp_init(ctypes.c_uint32(otherwise)))

    def rule(self, action: int, name: str, *arguments: Argument) -> None:
        number = self.library.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            return  # not on this architecture, or younger than the library
        array = (Argument * len(arguments))(*arguments)
        if self.library.seccomp_rule_add_array(self.context, ctypes.c_uint32(action), number, len(arguments), array) != 0:
            raise RuntimeError(f"no filter for {name}")

    def load(self) -> None:
        if self.library.seccomp_load(self.context) != 0:
            raise OSError("the filter was not taken")


def confinement(path: Path) -> Callable[[], None]:
    """Confines the process that calls it."""
    said = settings(path)
    denied = Filter(ALLOW)
    families = {int(getattr(socket, word)) for word in said["RestrictAddressFamilies"]}
    for family in set(range(FAMILIES)) - families:
        denied.rule(KILL, "socket", Argument(0, EQUAL, family))
    denied.rule(KILL, "socket", Argument(0, AT_LEAST, FAMILIES))
    if said["MemoryDenyWriteExecute"] == ["yes"]:
        both = PROT_WRITE | PROT_EXEC
        denied.rule(KILL, "mmap", Argument(2, MASKED_EQUAL, both, both))
        denied.rule(KILL, "mprotect", Argument(2, MASKED_EQUAL, PROT_EXEC, PROT_EXEC))
        denied.rule(KILL, "shmat", Argument(2, MASKED_EQUAL, SHM_EXEC, SHM_EXEC))

    allowed = calls("@default")
    for word in said["SystemCallFilter"]:
        name = word.removeprefix("~")
        named = calls(name) if name.startswith("@") else {name}
        allowed = allowed - named if word.startswith("~") else allowed | named
    listed = Filter(KILL)
    for name in sorted(allowed | calls("@default")):
        listed.rule(ALLOW, name)

    def confine() -> None:
        denied.load()
        listed.load()

    return confine
