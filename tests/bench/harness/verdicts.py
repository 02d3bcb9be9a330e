"""The figures that were promised, and whether this run keeps them."""

from peers import FRESH, MANY, ONE
from report import table

# What Portcullis may cost, as the ratio of on-CPU time per request: mode, compared with, at most
RATIOS = [
    (ONE, "haproxy, RS256", ONE, 0.60),
    (ONE, "nginx, no checks", ONE, 1.75),
    (MANY, "haproxy, RS256", MANY, 0.75),
    (FRESH, "haproxy, RS256", FRESH, 1.05),
]
IDLE_MIB, STREAMS_MIB, READY_MS, BINARY_MB = 15, 40, 200, 15
# What a known introspected token, API key or token with a shared secret costs, beside a known JWT
KNOWN_CREDENTIAL = 1.10
# A call of 1 KB under a policy beside one without; µs more for a body of 100 KB, and for a filtered list of 500 tools; 10,000 rules beside 10
POLICY, BODY_US, LIST_US, RULES = 1.15, 120, 1_000, 1.05
# TLS, beside nginx: what it adds to a request at most; full handshakes per second on CPU at least
TLS_ADDS, HANDSHAKES = 1.15, 0.90


class Verdicts:
    """Rows of what was measured against what was promised."""

    def __init__(self) -> None:
        self.rows: list[list[object]] = [["promise", "measured", "bound", ""]]
        self.kept = True

    def judge(self, promise: str, measured: float, at_most: float, unit: str = "") -> None:
        self.note(promise, f"{measured:.2f}{unit}", f"at most {at_most:g}{unit}", measured <= at_most)

    def judge_added(self, promise: str, ours: float, theirs: float, at_most: float) -> None:
        """What is added to two things. Nobody gets faster by more work: then the machine was too busy to tell."""
        if ours <= 0 or theirs <= 0:
            self.note(promise, "too much noise", f"at most {at_most:g}", False)
        else:
            self.judge(promise, ours / theirs, at_most)

    def judge_least(self, promise: str, measured: float, at_least: float) -> None:
        self.note(promise, f"{measured:.2f}", f"at least {at_least:g}", measured >= at_least)

    def note(self, promise: str, measured: str, bound: str, keeps: bool) -> None:
        self.kept = self.kept and keeps
        self.rows.append([promise, measured, bound, "pass" if keeps else "FAIL"])

    def ratios(self, cpu_us: dict[tuple[str, str], float]) -> None:
        for mode, peer, peer_mode, at_most in RATIOS:
            ratio = cpu_us["portcullis", mode] / cpu_us[peer, peer_mode]
            self.judge(f"CPU per request, {mode}: portcullis / {peer}", ratio, at_most)

    def print(self) -> None:
        table(self.rows)
