"""The ways to deploy, read from their own files: what is mounted where, who the user is, which ports and probes there are."""

import base64
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import yaml

#: What `openssl` writes for a trial, by the command in deploy/README.md.
PAIR = ("tls.crt", "tls.key")
#: What `portcullis key` writes.
KEY = "base64:" + base64.b64encode(os.urandom(32)).decode()


@dataclass
class Form:
    name: str
    #: Folders with their files' texts, by where they are mounted. None: the certificate and its key.
    volumes: dict[str, dict[str, str] | None]
    environment: dict[str, str]
    hosts: list[str]
    #: Where clients come in, and with https or not.
    port: int
    tls: bool
    uid: int | None
    #: Seconds from SIGTERM until it would be killed.
    grace: float
    #: What the kubelet asks: port and path.
    probes: list[tuple[int, str]] = field(default_factory=list)
    #: What else shuts the process in.
    confine: Callable[[], None] = lambda: None

    def configuration(self) -> str:
        (text,) = [files["gateway.yaml"] for files in self.volumes.values() if files and "gateway.yaml" in files]
        return text

    def public_url(self) -> str:
        written = yaml.safe_load(self.configuration())["server"]["public_url"]
        return re.sub(r"\$\{(\w+)\}", lambda found: self.environment[found[1]], written)


def compose(deploy: Path, issuer: str) -> Form:
    gateway = yaml.safe_load((deploy / "compose.yaml").read_text())["services"]["gateway"]

    def variable(found: re.Match) -> str:
        name, _, rest = found[1].partition(":")
        return {"OAUTH_ISSUER_URL": issuer}.get(name, rest.removeprefix("-"))

    folders = dict(word.removesuffix(":ro").split(":")[::-1] for word in gateway["volumes"])
    files = {target: None if source.endswith("/tls") else {"gateway.yaml": (deploy / source / "gateway.yaml").read_text()} for target, source in folders.items()}
    (published,) = gateway["ports"]
    return Form(
        name="compose",
        volumes=files,
        environment={name: re.sub(r"\$\{([^}]*)\}", variable, value) for name, value in gateway["environment"].items()},
        hosts=["server"],
        port=int(published.split(":")[-1]),
        tls=True,
        uid=gateway.get("user"),
        grace=float(gateway["stop_grace_period"].removesuffix("s")),
    )


def kubernetes(name: str, rendered: str, issuer: str) -> Form:
    documents = [document for document in yaml.safe_load_all(rendered) if document]
    maps = {document["metadata"]["name"]: document["data"] for document in documents if document["kind"] == "ConfigMap"}
    pods = [document["spec"]["template"]["spec"] for document in documents if document["kind"] == "Deployment"]
    (pod, gateway) = next((pod, container) for pod in pods for container in pod["containers"] if container["name"] == "gateway")
    ports = {port["name"]: port["containerPort"] for port in gateway["ports"]}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    files: dict[str, dict[str, str] | None] = {}
    for mounted in gateway["volumeMounts"]:
        volume = volumes[mounted["name"]]
        if "secret" in volume:
            is_pair = volume["secret"]["secretName"].endswith("-tls")
            files[mounted["mountPath"]] = None if is_pair else {"session.key": KEY}
        else:
            data = maps[volume["configMap"]["name"]]
            files[mounted["mountPath"]] = {file: re.sub(r"issuer: \S+ ", f"issuer: {issuer} ", text) for file, text in data.items()}
    probes = [gateway[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]
    return Form(
        name=name,
        volumes=files,
        environment={},
        hosts=[document["metadata"]["name"] for document in documents if document["kind"] == "Service"],
        port=ports.get("https") or ports["http"],
        tls="https" in ports,
        uid=gateway["securityContext"].get("runAsUser", pod["securityContext"].get("runAsUser")),
        grace=pod["terminationGracePeriodSeconds"] - gateway["lifecycle"]["preStop"]["sleep"]["seconds"],
        probes=[(ports[probe["port"]], probe["path"]) for probe in probes],
    )
