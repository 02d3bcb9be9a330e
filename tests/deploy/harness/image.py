"""Makes a root folder by the steps of the Dockerfile, since no container engine is asked for."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import dockerfile

# What distroless/cc brings for programs: glibc and libgcc. A program that needs another library would not start there.
LIBRARIES = {"libc.so.6", "libm.so.6", "libgcc_s.so.1", "libpthread.so.0", "libdl.so.2", "librt.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}
ROOTS = Path("/etc/ssl/certs/ca-certificates.crt")


@dataclass
class Image:
    root: Path
    command: list[str]
    health: list[str]
    stop_signal: str
    environment: dict[str, str]
    uid: int
    gid: int
    ports: list[int]


def base(root: Path, name: str, program: Path) -> None:
    """A stand-in for the image in FROM, from the same libraries of this machine."""
    if not re.fullmatch(r"gcr\.io/distroless/cc-debian12:nonroot", name):
        raise RuntimeError(f"what is in {name} is not known here")
    needed = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    for path in re.findall(r"(/\S+) \(0x", needed):
        if Path(path).name not in LIBRARIES:
            raise RuntimeError(f"{program} needs {path}, which {name} does not have")
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    (root / "etc/ssl/certs").mkdir(parents=True)
    if ROOTS.exists():
        shutil.copy(ROOTS, root / "etc/ssl/certs")
    (root / "etc/passwd").write_text("root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n")
    for folder in ("proc", "dev", "tmp"):
        (root / folder).mkdir()


def build_stage(stage: dockerfile.Stage, repository: Path, work: Path) -> dict[str, Path]:
    """Runs a stage that compiles, in a folder that stands for its WORKDIR, and its cache mounts in folders that stay."""
    workdir = stage.one("WORKDIR").rest
    source = work / "source"
    source.mkdir(parents=True, exist_ok=True)
    for copy in stage.all("COPY"):
        if copy.words() != [".", "."]:
            raise RuntimeError(f"COPY {copy.rest} is not understood here")
        for path in dockerfile.context(repository):
            kept = source / path
            shutil.rmtree(kept, ignore_errors=True)
            (shutil.copytree if (repository / path).is_dir() else shutil.copy2)(repository / path, kept)
    environment = {name: value for name, value in os.environ.items() if name != "CARGO_TARGET_DIR"}
    for run in stage.all("RUN"):
        print(f"  RUN {run.rest}", flush=True)
        subprocess.run(["sh", "-euc", run.rest], cwd=source, env=environment, check=True, stdin=subprocess.DEVNULL)
    return {workdir: source}


def build(repository: Path, work: Path, program: Path | None) -> Image:
    """`program`: what to take for the product of the stages before the last, without running them."""
    *stages, last = dockerfile.parse((repository / "deploy/Dockerfile").read_text())
    root = work / "root"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)

    copied: list[tuple[Path, str, int]] = []
    for copy in last.all("COPY"):
        source, target = copy.words()
        if copy.options.get("chown") != ["0:0"]:
            raise RuntimeError(f"COPY {copy.rest}: whose it is, is not said")
        (stage,) = [stage for stage in stages if [stage.name] == copy.options["from"]]
        workdir = stage.one("WORKDIR").rest
        within = source.removeprefix(f"{workdir}/")
        if within == source:
            raise RuntimeError(f"COPY {copy.rest}: it is not from {workdir}")
        built = program or build_stage(stage, repository, work)[workdir] / within
        copied.append((built, target, int(copy.options["chmod"][0], 8)))
    base(root, last.base, copied[0][0])
    for built, target, mode in copied:
        shutil.copy(built, root / target.lstrip("/"))
        os.chmod(root / target.lstrip("/"), mode)

    if last.all("RUN") or last.all("WORKDIR"):
        raise RuntimeError("the last stage has no shell to run anything, and nothing to write")
    uid, gid = map(int, last.one("USER").rest.split(":"))
    health = last.one("HEALTHCHECK").rest.removeprefix("CMD ")
    return Image(
        root=root,
        command=last.one("ENTRYPOINT").words() + last.one("CMD").words(),
        health=dockerfile.Step("CMD", {}, health).words(),
        stop_signal=last.one("STOPSIGNAL").rest,
        environment=dict(word.split("=", 1) for step in last.all("ENV") for word in step.words()),
        uid=uid,
        gid=gid,
        ports=[int(word) for step in last.all("EXPOSE") for word in step.words()],
    )
