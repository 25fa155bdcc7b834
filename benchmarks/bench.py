"""Compare Estiba with `docker build`: one run, one machine, the same wheels; `invoke bench` runs this."""

from __future__ import annotations

import json
import os
import platform
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks import page
from benchmarks.caches import Caches
from benchmarks.ours import Ours
from benchmarks.peer import VARIANTS, Peer
from benchmarks.stopwatch import measure
from benchmarks.subject import Subject
from tests.services import debian, engine, registry

from estiba import config
from estiba.lock import model
from estiba.lock.artifacts import Artifacts
from estiba.tasks.console import console

if TYPE_CHECKING:
    from benchmarks.stopwatch import Times
    from tests.services.registry import RunningRegistry

ROOT: Final = Path(__file__).parents[1]
RESULTS: Final = Path(__file__).with_name("results.json")
HERE: Final = f"{platform.machine()}-linux"
COLD_RUNS: Final = 3
PEER_COLD_RUNS: Final = 2
WARM_RUNS: Final = 5


def main() -> None:
    """Measure both sides, write the results, print the page."""
    settings = config.load()
    with tempfile.TemporaryDirectory(prefix="estiba-bench-") as scratch:
        place = Path(scratch)
        subject = Subject(place / "harbour")
        with console.step("prepare the service"):
            subject.make()
        registry_root = debian.unpack("docker-registry", place / "docker-registry")
        with registry.run(registry_root, place / "registry") as running, engine.run(place / "docker") as address:
            peers = {one.name: Peer(place / one.name, address, one) for one in VARIANTS}
            theirs = {name: measure_peer(subject, peer, running, name) for name, peer in peers.items()}
            ours = measure_ours(subject, Ours(subject, settings, place / "stores"), running)
            packages = len(locked_wheels(subject.folder))
        with console.step("the binary cache, and nix copy"):
            cache = Caches(subject, place / "caches").measure()
    results = {"cache": cache, "machine": describe_machine(), "ours": ours, "packages": packages, "peers": theirs}
    RESULTS.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n")
    text = page.render(results)
    (ROOT / "docs" / "benchmarks.md").write_text(text)
    console.result(text)


def measure_peer(subject: Subject, peer: Peer, running: RunningRegistry, name: str) -> dict[str, Any]:
    """Measure `docker build` of the service."""
    with console.step(f"prepare docker build, {name}"):
        peer.prepare(subject.folder, locked_wheels(subject.folder))
    with console.step(f"docker build, {name}"):
        cold = measure(lambda: peer.build("--no-cache"), runs=PEER_COLD_RUNS)
        before = peer.push(running.host)

        def change() -> None:
            subject.change()
            peer.take(subject.folder)

        changed = measure(peer.build, runs=WARM_RUNS, prepare=change)
        after = peer.push(running.host)
        unchanged = measure(peer.build, runs=WARM_RUNS)
    moved = sum(size for digest, size in after.items() if digest not in before)
    return {**times(cold=cold, changed=changed, unchanged=unchanged), "size": sum(after.values()), "moved": moved}


def measure_ours(subject: Subject, ours: Ours, running: RunningRegistry) -> dict[str, Any]:
    """Measure the builds and pushes of the service."""
    ref = f"{running.host}/harbour:1"
    with console.step("estiba, empty stores"):
        cold = measure(lambda: ours.build_cold(f"image-{HERE}"), runs=COLD_RUNS, prepare=ours.empty)
        both = measure(ours.build_cold, runs=COLD_RUNS, prepare=ours.empty)
        ours.discard()
    with console.step("estiba, this store"):
        evaluated = measure(ours.evaluate, runs=WARM_RUNS)
        ours.build()
        changed = measure(ours.build, runs=WARM_RUNS, prepare=subject.change)
        unchanged = measure(ours.build, runs=WARM_RUNS)
    with console.step("estiba, push"):
        ours.push(ref)
        moved = measure_push(subject, ours, ref)
    seconds = times(cold=cold, both=both, evaluated=evaluated, changed=changed, unchanged=unchanged)
    return {**seconds, **moved}


def measure_push(subject: Subject, ours: Ours, ref: str) -> dict[str, Any]:
    """Measure what a push sends: of a changed line, from the change to the registry, and of nothing new."""
    built: list[dict[str, Any]] = []
    sent: list[dict[str, Any]] = []

    def build_and_push() -> None:
        built.append(ours.build())
        sent.append(ours.push(ref))

    seconds = measure(build_and_push, runs=WARM_RUNS, prepare=subject.change)
    again = ours.push(ref)
    layers = {layer["digest"]: layer["size"] for layer in built[-1]["layers"]}
    blobs = set(sent[-1]["sent"])
    known = blobs & layers.keys()
    counts = {"layers": len(known), "others": len(blobs - known), "manifests": len(sent[-1]["manifests"])}
    size = sum(layer["size"] for layer in built[-1]["layers"] if layer["platform"] == HERE)
    repeated = {"requests": again["requests"], "resent": again["size"]}
    moved = sum(layers[digest] for digest in known)
    return {**times(pushed=seconds), **repeated, "sent": counts, "moved": moved, "size": size}


def times(**measured: Times) -> dict[str, Any]:
    """Return measurements in the form of the results file."""
    return {name: found.to_dict() for name, found in measured.items()}


def locked_wheels(folder: Path) -> dict[str, Path]:
    """Return the runtime wheels of this machine's platform, as they were fetched."""
    lock = model.parse((folder / model.FILE_NAME).read_text())
    artifacts = Artifacts(config.load().cache_dir / "artifacts")
    chosen = [one for one in lock.distributions if "runtime" in one.groups and HERE in one.platforms]
    return {one.file: artifacts.path(one.sha256) for one in chosen}


def describe_machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    release = platform.freedesktop_os_release()["PRETTY_NAME"]
    return {"cores": os.cpu_count(), "memory_gb": round(memory / 1e9), "system": f"{release}, {platform.machine()}"}


if __name__ == "__main__":
    main()
