"""Scans of the TLS listener. Start them with tests/tls/report, which finds what they need."""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parents[2] / "common"))

from certificates import ECDSA, RSA, Authority
from machine import first_line
from processes import Service, answers, free_ports
from report import Report, table
from signing import ISSUER, Signer

# From harmless to bad, as testssl.sh counts. DEBUG and WARN are about the scan itself.
HARMLESS = ("OK", "INFO", "LOW", "DEBUG")

# Findings that are wrong about this server, and why.
WRONG = {
    "cipher_order": "all its suites are equally strong, so clients choose what they are fastest at; for testssl.sh 3.2 it is INFO",
}

# As somebody would put it on the internet; everything about TLS but the files is a default.
CONFIG = """\
server:
  listen: 127.0.0.1:{port}
  public_url: "https://localhost:{port}"
  tls: {{ certificate: "{directory}/tls.crt", private_key: "{directory}/tls.key" }}
  hsts: {{ max_age: 365d }}
  allowed_hosts: [localhost]
admin: {{ listen: 127.0.0.1:{admin} }}
authenticators:
  run: {{ jwks: {{ issuer: "{issuer}", jwks_file: "{keys}" }} }}
routes:
  - {{ path: /mcp, upstream: "http://127.0.0.1:{upstream}/mcp" }}
"""


def start(binary: Path, directory: Path) -> tuple[Service, int]:
    port, admin, upstream = free_ports(3)
    keys = Signer(directory, f"https://localhost:{port}/mcp").keys
    config = directory / "gateway.yaml"
    config.write_text(
        CONFIG.format(port=port, admin=admin, upstream=upstream, directory=directory, issuer=ISSUER, keys=keys)
    )
    service = Service("gateway", [binary, "run", "-c", config], directory / "gateway.log")
    service.wait_until(lambda: answers(f"http://127.0.0.1:{admin}/readyz"))
    return service, port


def run(command: list, log: Path, seconds: float, **env: str) -> int:
    """A scanner in a process group of its own, since testssl.sh leaves its children behind when it is stopped."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            list(map(str, command)),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=os.environ | env,
            start_new_session=True,
        )
    try:
        return process.wait(seconds)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise


def version(program: str) -> str:
    done = subprocess.run([program, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    plain = re.sub(r"\x1b\[[\d;]*m", "", done.stdout)
    found = re.search(r"testssl(?:\.sh)?\s+(?:version )?([\d.]+\w*)", plain)
    return f"testssl.sh {found.group(1)}" if found else plain.strip()


def testssl(program: str, directory: Path, port: int, report: Report, name: str) -> None:
    """Everything it knows; what counts is the severity it gives each finding."""
    found, log = directory / "testssl.json", directory / "testssl.txt"
    found.unlink(missing_ok=True)
    command = [program, "--warnings", "off", "--color", "0", "--nodns", "none", "--ip", "127.0.0.1"]
    command += ["--add-ca", directory / "ca.crt", "--jsonfile", found, f"localhost:{port}/mcp"]
    run(command, log, 900)
    findings = json.loads(found.read_text())
    report.check(f"{name}: testssl.sh came to its end", any(one["id"] == "scanTime" for one in findings), log)
    bad = [one for one in findings if one["severity"] not in HARMLESS]
    for one in bad:
        fine = one["severity"] == "WARN" or one["id"] in WRONG
        report.check(f"{name}: {one['id']}", fine, f"{one['severity']}: {one['finding']}")
    counts = {}
    for one in findings:
        counts[one["severity"]] = counts.get(one["severity"], 0) + 1
    print(f"{name}: testssl.sh: {', '.join(f'{count} {severity}' for severity, count in sorted(counts.items()))}")
    shown = [one for one in findings if one["severity"] not in ("OK", "INFO", "DEBUG")]
    if shown:
        heading = ["severity", "about", "finding", "known to be wrong"]
        table([heading] + [[one["severity"], one["id"], one["finding"], WRONG.get(one["id"], "")] for one in shown])


def sslyze(directory: Path, port: int, report: Report, name: str) -> None:
    """Its verdict about Mozilla's profile for servers of the general public."""
    log = directory / "sslyze.txt"
    command = [sys.executable, "-m", "sslyze", "--certinfo_ca_file", directory / "ca.crt", "--mozilla_config", "intermediate"]
    status = run([*command, f"localhost:{port}"], log, 300)
    text = log.read_text(errors="replace")
    verdict = text[text.rfind("COMPLIANCE AGAINST") :].strip()
    print(f"{name}: sslyze, status {status}:\n{verdict}")
    report.equal(f"{name}: sslyze", status, 0)
    for line in text.splitlines():
        if "VULNERABLE" in line:
            report.check(f"{name}: sslyze", False, line.strip())
    report.check(f"{name}: sslyze came to its end", "SCANS COMPLETED" in text, log)


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests/tls/report")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--gateway", type=Path, required=True)
    parser.add_argument("--testssl", required=True)
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    report = Report()
    print(first_line(f"{asked.gateway} --version"))
    if not asked.quick:
        print(version(asked.testssl))
    for kind in (ECDSA, RSA):
        directory = asked.cache / kind.split()[0].lower()
        Authority().write(directory, kind)
        service, port = start(asked.gateway.resolve(), directory)
        try:
            sslyze(directory, port, report, kind)
            if not asked.quick:
                testssl(asked.testssl, directory, port, report, kind)
        finally:
            service.stop(5)
    print(f"{report.passed} checks passed, {len(report.failures)} failed; everything the scanners said is in {asked.cache}")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
