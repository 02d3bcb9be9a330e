"""Reads a Dockerfile. Only what ours says is understood; anything else is an error, so that nothing is passed over."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

KNOWN = {"ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "RUN", "STOPSIGNAL", "USER", "WORKDIR"}


@dataclass
class Step:
    instruction: str
    options: dict[str, list[str]]
    rest: str

    def words(self) -> list[str]:
        """The exec form, or what stands between blanks."""
        return json.loads(self.rest) if self.rest.startswith("[") else self.rest.split()


@dataclass
class Stage:
    base: str
    name: str
    steps: list[Step] = field(default_factory=list)

    def all(self, instruction: str) -> list[Step]:
        return [step for step in self.steps if step.instruction == instruction]

    def one(self, instruction: str) -> Step:
        """The one step of this kind; what is said twice would hide what was said first."""
        found = self.all(instruction)
        if len(found) != 1:
            raise RuntimeError(f"{len(found)} {instruction} after FROM {self.base} instead of one")
        return found[0]


def parse(text: str) -> list[Stage]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    stages: list[Stage] = []
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        if not line.strip():
            continue
        instruction, rest = line.strip().split(None, 1)
        options: dict[str, list[str]] = {}
        while found := re.match(r"--([a-z-]+)=(\S+)\s+", rest):
            options.setdefault(found[1], []).append(found[2])
            rest = rest[found.end() :]
        if instruction == "FROM":
            base, _, name = rest.partition(" AS ")
            stages.append(Stage(base.strip(), name.strip()))
        elif instruction in KNOWN and stages:
            stages[-1].steps.append(Step(instruction, options, rest.strip()))
        else:
            raise RuntimeError(f"the Dockerfile says {instruction}, which is not understood here")
    return stages


def context(root: Path) -> list[Path]:
    """What .dockerignore leaves of the repository: it has `*` first, and then only exceptions, each a path."""
    lines = (root / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    if rules[0] != "*" or not all(re.fullmatch(r"![\w./-]+", rule) for rule in rules[1:]):
        raise RuntimeError(".dockerignore is no list of exceptions from `*`")
    return [Path(rule[1:]) for rule in rules[1:]]
