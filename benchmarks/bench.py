"""Compare Estiba with `docker build`: one run, one machine, the same wheels; `invoke bench` runs this."""

from __future__ import annotations

import json
import os
import platform
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks import curve, page, releases, runner, servers
from benchmarks.caches import Caches
from benchmarks.ours import Ours
from benchmarks.peer import VARIANTS, Peer
from benchmarks.stopwatch import Action, measure
from benchmarks.subject import Subject
from tests.services import debian, engine, registry

from estiba import config
from estiba.lock import model
from estiba.lock.artifacts import Artifacts
from estiba.tasks.console import console

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.stopwatch import Times

ROOT: Final = Path(__file__).parents[1]
RESULTS: Final = Path(__file__).with_name("results.json")
HERE: Final = f"{platform.machine()}-linux"
COLD_RUNS: Final = 3
WARM_RUNS: Final = 5


def main() -> None:
    """Measure both sides, write the results, print the page."""
    settings = config.load()
    with tempfile.TemporaryDirectory(prefix="estiba-bench-") as scratch:
        place = Path(scratch)
        subject = Subject(place / "harbour")
        with console.step("prepare the service"):
            subject.make()
        registry_root = debian.unpack("docker-registry")
        with registry.run(registry_root, place / "registry") as running, engine.run(place / "docker") as address:
            peers = {one.name: Peer(place / one.name, address, one) for one in VARIANTS}
            packages = locked_wheels(subject.folder)
            with console.step("prepare docker build"):
                for peer in peers.values():
                    peer.prepare(subject.folder, packages)
            found = compare(subject, Ours(subject, settings, place / "stores"), peers, running.host)
        with console.step("the binary cache, and nix copy"):
            cache = Caches(subject, place / "caches").measure()
        with console.step("a fresh runner, and apt and pip"):
            fresh = {"runner": runner.measure_here(subject.folder)}
    with console.step("deployments to Kubernetes, and Helm alone"):
        fresh["releases"] = releases.measure_here()
    fresh["curve"] = curve.measure_here()
    with console.step("deployments by SSH"):
        fresh["servers"] = servers.measure_here()
    results = {"cache": cache, "machine": describe_machine(), "packages": len(packages), **fresh, **found}
    RESULTS.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n")
    text = page.render(results)
    (ROOT / "docs" / "benchmarks.md").write_text(text)
    console.result(text)


def compare(subject: Subject, ours: Ours, peers: Mapping[str, Peer], host: str) -> dict[str, Any]:
    """Measure both sides in turns, and what they push to the registry at `host`."""
    cold = {name: Action(partial(peer.build, "--no-cache")) for name, peer in peers.items()}
    cold |= {"ours": Action(partial(ours.build_cold, f"image-{HERE}"), ours.empty)}
    cold |= {"both": Action(ours.build_cold, ours.empty)}
    on_base = partial(ours.empty, based=True)
    cold |= {"based": Action(partial(ours.build_cold, f"image-{HERE}"), on_base)}
    cold |= {"based_both": Action(ours.build_cold, on_base)}
    with console.step("cold builds"):
        colds = measure(cold, runs=COLD_RUNS, warm_up=False)
        ours.discard()
    before = {name: peer.push(host) for name, peer in peers.items()}
    build = partial(ours.build, "--platform", HERE)
    again = {"ours": Action(build)} | {name: Action(peer.build) for name, peer in peers.items()}
    changed = {"ours": Action(build, subject.change)}
    changed |= {name: Action(peer.build, partial(change_peer, subject, peer)) for name, peer in peers.items()}
    with console.step("builds after a change, and without"):
        evaluated = measure({"ours": Action(ours.evaluate)}, runs=WARM_RUNS)
        changes = measure(changed, runs=WARM_RUNS)
        repeats = measure(again, runs=WARM_RUNS)
    theirs = {}
    for name, peer in peers.items():
        after = peer.push(host)
        moved = sum(size for digest, size in after.items() if digest not in before[name])
        seconds = times(cold=colds[name], changed=changes[name], unchanged=repeats[name])
        theirs[name] = {**seconds, "size": sum(after.values()), "moved": moved}
    with console.step("push"):
        moves = measure_push(subject, ours, f"{host}/harbour:1")
    seconds = times(cold=colds["ours"], changed=changes["ours"], unchanged=repeats["ours"])
    seconds |= times(**{name: colds[name] for name in ("both", "based", "based_both")})
    return {"ours": {**seconds, **times(evaluated=evaluated["ours"]), **moves}, "peers": theirs}


def change_peer(subject: Subject, peer: Peer) -> None:
    """Change the service, and copy it to where a peer builds it."""
    subject.change()
    peer.take(subject.folder)


def measure_push(subject: Subject, ours: Ours, ref: str) -> dict[str, Any]:
    """Measure what a push sends: of a changed line, from the change to the registry, and of nothing new."""
    built: list[dict[str, Any]] = []
    sent: list[dict[str, Any]] = []

    def build_and_push() -> None:
        built.append(ours.build())
        sent.append(ours.push(ref))

    seconds = measure({"pushed": Action(build_and_push, subject.change)}, runs=WARM_RUNS)
    again = ours.push(ref)
    layers = {layer["digest"]: layer["size"] for layer in built[-1]["layers"]}
    blobs = set(sent[-1]["sent"])
    known = blobs & layers.keys()
    counts = {"layers": len(known), "others": len(blobs - known), "manifests": len(sent[-1]["manifests"])}
    size = sum(layer["size"] for layer in built[-1]["layers"] if layer["platform"] == HERE)
    repeated = {"requests": again["requests"], "resent": again["size"]}
    moved = sum(layers[digest] for digest in known)
    return {**times(**seconds), **repeated, "sent": counts, "moved": moved, "size": size}


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
