"""Builds the image into a folder and starts it in each form of deployment. Start it with tests/deploy/run."""

import argparse
import dataclasses
import re
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(1, str(Path(__file__).resolve().parents[2] / "common"))

import forms
import image
from container import Container
from outside import ISSUER, Outside, ask
from report import Report
from unit import confinement

#: The issue's promise for the program that is shipped.
LARGEST = 15_000_000


def pair(readme: str, folder: Path, name: str) -> None:
    """A certificate for a trial, by the command that the page shows."""
    (command,) = re.findall(r"^(openssl req (?:.*\\\n)*.*)", readme, re.MULTILINE)
    command = command.replace("deploy/compose/tls", str(folder)).replace("localhost", name)
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["sh", "-euc", command], check=True, capture_output=True)
    # What `chown` on the page, or the kubelet, does.
    for file in folder.iterdir():
        file.chmod(0o444)


def in_image(report: Report, built: image.Image, shipped: bool) -> None:
    program = Path(built.command[0])
    runnable = [path for path in built.root.rglob("*") if path.is_file() and path.stat().st_mode & 0o111 and ".so" not in path.name]
    report.equal("the only program of the image is ours", runnable, [built.root / program.name])
    size = runnable[0].stat().st_size
    print(f"  {size / 1e6:.1f} MB, user {built.uid}:{built.gid}, starts {' '.join(built.command)}")
    if shipped:
        report.check("the program is not larger than was promised", size <= LARGEST, size)
    report.check("nobody may write to the program", not runnable[0].stat().st_mode & 0o222)
    report.check("it is not root", built.uid != 0 and built.gid != 0)


def run(report: Report, built: image.Image, form: forms.Form, outside: Outside, work: Path, readme: str) -> None:
    print(f"\n{form.name}", flush=True)
    report.check(f"{form.name}: the user is the image's", form.uid in (None, built.uid), form.uid)
    name = urlsplit(form.public_url()).hostname
    volumes = {}
    for target, files in form.volumes.items():
        folder = work / form.name / target.strip("/").replace("/", "-")
        folder.mkdir(parents=True, exist_ok=True)
        if files is None:
            pair(readme, folder, name)
            roots = folder / forms.PAIR[0]
        for file, text in (files or {}).items():
            (folder / file).write_text(text)
        volumes[target] = folder
    if not form.tls:
        roots = None

    container = Container(f"{form.name}-root", built, work, volumes, form.environment, form.hosts, form.confine)
    print(f"  healthy after {container.wait_until_healthy() * 1000:.0f} ms")
    status = container.status()
    for what, expected in {"Uid": built.uid, "Gid": built.gid}.items():
        report.equal(f"{form.name}: {what}", set(status[what].split()), {str(expected)})
    for what in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        report.equal(f"{form.name}: {what}", int(status[what], 16), 0)
    report.equal(f"{form.name}: nothing more can be gained", status["NoNewPrivs"], "1")

    # As a client: over TLS, or through the terminator whose word is believed.
    said = {"Host": urlsplit(form.public_url()).netloc} | ({} if form.tls else {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"})

    def post(**headers: str):
        return ask("10.244.0.7", form.port, "POST", "/mcp", said | headers, roots, name)

    refused, challenge = post()
    resource = f"{form.public_url()}/mcp"
    report.equal(f"{form.name}: without a token", refused, 401)
    metadata = f'resource_metadata="{form.public_url()}/.well-known/oauth-protected-resource/mcp"'
    report.check(f"{form.name}: the challenge", metadata in challenge.get("www-authenticate", ""), challenge)
    granted, _ = post(Authorization=f"Bearer {outside.token(resource)}")
    report.equal(f"{form.name}: with a token", granted, 200)
    report.equal(f"{form.name}: the server hears who it is", outside.seen.get("x-auth-subject"), "alice")
    report.check(f"{form.name}: the server does not see the token", "authorization" not in outside.seen, outside.seen)
    for port, path in form.probes:
        probed, _ = ask("10.244.0.7", port, "GET", path, {})
        report.equal(f"{form.name}: the probe {port}{path}", probed, 200)

    code, seconds = container.stop(form.grace)
    print(f"  {built.stop_signal}: ended with {code} after {seconds * 1000:.0f} ms")
    report.equal(f"{form.name}: exit status after {built.stop_signal}", code, 0)
    report.equal(f"{form.name}: the health check afterwards", container.health(), 1)
    if report.failures:
        print(container.text())


def main() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--repository", type=Path, required=True)
    arguments.add_argument("--work", type=Path, required=True)
    arguments.add_argument("--program", type=Path, help="what to take for the product of the build; without it, it is built")
    asked = arguments.parse_args()
    deploy = asked.repository / "deploy"
    report = Report()

    print("\nthe image", flush=True)
    begun = time.monotonic()
    built = image.build(asked.repository, asked.work, asked.program)
    in_image(report, built, asked.program is None)
    print(f"  ({time.monotonic() - begun:.0f} s)")

    outside = Outside()
    readme = (deploy / "README.md").read_text()
    every = [forms.compose(deploy, ISSUER)]
    every += [forms.kubernetes(name, (asked.work / f"{name}.yaml").read_text(), ISSUER) for name in ("edge", "sidecar")]
    # The unit does not say what is in gateway.yaml: the configuration of Compose, under what the unit forbids.
    every.append(dataclasses.replace(every[0], name="unit", confine=confinement(deploy / "portcullis.service")))
    for form in every:
        run(report, built, form, outside, asked.work, readme)
    report.check("the exposed port is one that is used", set(built.ports) <= {form.port for form in every}, built.ports)

    print(f"\ndeploy: {report.passed} passed, {len(report.failures)} failed")
    return 1 if report.failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"error: {error}")
