"""A fresh CI runner: from nothing to the built image, beside apt and pip, which install the same lock.

Run as root, with mmdebstrap installed: `python -m benchmarks.runner`. It measures this alone, and writes the page anew.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.stopwatch import Action, count_processor_seconds, measure
from benchmarks.subject import Subject

from estiba import config
from estiba.errors import TargetError
from estiba.lock.debian import sources
from estiba.process import run
from estiba.service.debian import Release
from estiba.tasks.console import console

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT: Final = Path(__file__).parents[1]
SUITE: Final = "trixie"
"""The release whose Python is the service's, so that apt and pip can install its lock."""
RUNS: Final = 3

TARGET: Final = 0.7
CACHED_TARGET: Final = 0.3
STORED_TARGET: Final = 400

_SIDES: Final = ("ours", "cached", "theirs")

# What a machine of its own needs of this one, to reach the same mirrors.
_MACHINE: Final = ("etc/resolv.conf", "etc/hosts", "etc/ssl/certs/ca-certificates.crt", "etc/pip.conf")
_ENTER: Final = """
mount --bind "$1" "$1" && cd "$1"
mount -t proc proc proc && mount --rbind /sys sys && mount --rbind /dev dev
mkdir .old && pivot_root . .old && umount -l /.old
exec env -i HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin sh -euc "$2"
"""
_OURS: Final = """
cd /srv/estiba
./nixw develop .#build --command sh -euc 'cd /srv/service; invoke fetch --image; invoke build'
"""
_CACHED: Final = """
cd /srv/estiba
./nixw develop .#build --command sh -euc 'cd /srv/service; invoke build'
"""
_THEIRS: Final = """
apt-get update -q
DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends python3 python3-venv
python3 -m venv /opt/venv
/opt/venv/bin/pip install --quiet --require-hashes --requirement /srv/service/requirements-lock.txt
"""

_PAGE: Final = """
## A fresh runner

From a Debian with nothing but git and certificates to the built image of a locked service with {packages}
distributions, both platforms: Nix, tools and what the image is made of are fetched, then it is built. Beside it apt and
pip bring Python and the same lock for one platform, and build no image. With a binary cache, tools and image come from
a folder, and Nix from apt. "Of processors" is what all programs together took of them in the last run, whatever else
the machine did; "stored" is what its disk holds more than before. Runs of each: {runs}, which take turns, at a load
average of {load:.0f} in the end; medians.

| | Estiba | with a binary cache | apt and pip |
| --- | ---: | ---: | ---: |
{rows}

Targets: 0.7 times apt and pip {first}, 0.3 times with a binary cache {second}, and 400 MB {third}.

What is missed, and why: of our processor time without a cache about a sixth brings Nix and the tools, a fifth builds
the tools, a tenth fetches what the image is made of, and half builds it, as measured by hand. Apt and pip do nothing of
the first two, and make no second platform, compressed layers, bills of materials or static files; an image of one
platform takes a tenth less. On disk a distribution is an archive, unpacked, and part of a compressed layer, so that a
later build repeats only what has changed; apt and pip keep it unpacked alone. A runner that keeps its store pays for
none of this again.
"""


class FreshMachine:
    """New minimal Debian systems below a folder, each used once.

    Args:
        folder: Where they lie, a folder that does not exist yet.
        service: A service with a lock.
    """

    def __init__(self, folder: Path, service: Path) -> None:
        self._folder = folder
        self._service = service
        self._base = folder / "base.tar"
        self._root = folder / "root"
        self._cache = folder / "cache"
        self.stored: dict[str, int] = {}
        self.used: dict[str, float] = {}

    def prepare(self) -> None:
        """Make the system that all start from, and the binary cache.

        Raises:
            TargetError: mmdebstrap is not here.
        """
        if shutil.which("mmdebstrap") is None:
            msg = "a fresh machine is made by mmdebstrap, which is not here"
            raise TargetError(msg, hint="apt-get install mmdebstrap")
        self._folder.mkdir(parents=True)
        release = Release(folder=self._folder, suite=SUITE, pockets=("main",))
        (mirror,) = (source.uri for source in sources.choose(release, config.load().apt_sources))
        packages = "--include=ca-certificates,git"
        run(["mmdebstrap", "--quiet", "--variant=minbase", packages, SUITE, str(self._base), mirror])
        self.start()
        self.enter(f"{_OURS}\n./nixw copy --to 'file:///srv/cache?compression=zstd' .#tools-build {_image()}", "cache")
        shutil.move(str(self._root / "srv" / "cache"), self._cache)

    def start(self, *, cached: bool = False) -> None:
        """Unpack a new system."""
        if self._root.exists():
            run(["chmod", "--recursive", "u+w", str(self._root)])
            shutil.rmtree(self._root)
        self._root.mkdir()
        run(["tar", "--directory", str(self._root), "--extract", "--file", str(self._base)])
        for name in _MACHINE:
            if Path("/", name).exists():
                shutil.copy(Path("/", name), self._root / name)
        run(["git", "clone", "--quiet", str(ROOT), str(self._root / "srv" / "estiba")])
        shutil.copytree(self._service, self._root / "srv" / "service", ignore=shutil.ignore_patterns(".estiba"))
        if cached:
            shutil.copytree(self._cache, self._root / "srv" / "cache")
            settings = self._root / "root" / ".config" / "nix" / "nix.conf"
            settings.parent.mkdir(parents=True)
            settings.write_text("extra-substituters = file:///srv/cache?trusted=true\n")

    def enter(self, script: str, name: str) -> None:
        """Run a script in the system that was unpacked last, and note by how much that grew and what it took."""
        before, used = self._size(), count_processor_seconds()
        isolated = ["unshare", "--mount", "--propagation", "private"]
        run([*isolated, "sh", "-euc", _ENTER, "enter", str(self._root), script])
        self.used[name] = count_processor_seconds() - used
        self.stored[name] = self._size() - before

    def _size(self) -> int:
        told = run(["du", "--summarize", "--block-size=1", "--one-file-system", str(self._root)]).stdout
        return int(told.split()[0])


def _image() -> str:
    return "$(readlink -f /srv/service/.estiba/image)"


def compare(machine: FreshMachine, service: Path, *, runs: int = RUNS) -> dict[str, Any]:
    """Measure all sides in turns, in the form of the results file."""
    actions = {
        "theirs": Action(partial(machine.enter, _THEIRS, "theirs"), machine.start),
        "ours": Action(partial(machine.enter, _OURS, "ours"), machine.start),
        "cached": Action(partial(machine.enter, _CACHED, "cached"), partial(machine.start, cached=True)),
    }
    found = {name: times.to_dict() for name, times in measure(actions, runs=runs, warm_up=False).items()}
    lock = json.loads((service / "estiba.lock").read_text())
    packages = len({one["name"] for one in lock["distributions"] if "runtime" in one["groups"]})
    load = os.getloadavg()[2]
    last = {key: {name: getattr(machine, key)[name] for name in actions} for key in ("stored", "used")}
    return {**found, "load": load, "packages": packages, **last}


def render(found: Mapping[str, Any]) -> str:
    """Return the page's chapter as Markdown; a run by hand may lack some figures."""
    seconds = {name: found[name]["median"] for name in _SIDES if name in found}
    stored = {name: size / 1e6 for name, size in found.get("stored", {}).items()}
    rows = [
        _row("from nothing", "{:.1f} s", seconds),
        _row("of processors", "{:.1f} s", found.get("used", {})),
        _row("stored", "{:.0f} MB", stored, is_compared=False),
    ]
    cached = seconds["cached"] / seconds["theirs"] if "cached" in seconds else None
    return _PAGE.format(
        packages=found["packages"],
        runs=len(found["ours"]["runs"]),
        load=found["load"],
        rows="\n".join(rows),
        first=_judge(seconds["ours"] / seconds["theirs"], TARGET),
        second=_judge(cached, CACHED_TARGET),
        third=_judge(stored.get("ours"), STORED_TARGET),
    )


def _row(name: str, form: str, figures: Mapping[str, float], *, is_compared: bool = True) -> str:
    cells = []
    for side in _SIDES:
        cell = form.format(figures[side]) if side in figures else "not measured"
        if is_compared and side in figures and side != "theirs":
            cell += f" ({figures[side] / figures['theirs']:.2f})"
        cells.append(cell)
    return f"| {name} | {' | '.join(cells)} |"


def _judge(figure: float | None, limit: float) -> str:
    if figure is None:
        return "(not measured)"
    return "(met)" if figure <= limit else "(**missed**)"


def main() -> None:
    """Measure, and put the figures beside those that `invoke bench` found."""
    # Not before: the page is rendered by what imports this.
    from benchmarks import bench, page  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="estiba-bench-") as scratch:
        subject = Subject(Path(scratch, "harbour"))
        subject.make()
        found = measure_here(subject.folder)
    results = {**json.loads(bench.RESULTS.read_text()), "runner": found}
    bench.RESULTS.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n")
    (ROOT / "docs" / "benchmarks.md").write_text(page.render(results))
    console.result(render(found))


def measure_here(service: Path) -> dict[str, Any]:
    """Make a folder for the machines, measure, and remove it.

    Args:
        service: A service with a lock.
    """
    with tempfile.TemporaryDirectory(prefix="estiba-runner-", dir="/var/tmp", ignore_cleanup_errors=True) as scratch:
        machine = FreshMachine(Path(scratch, "machines"), service)
        machine.prepare()
        return compare(machine, service)


if __name__ == "__main__":
    main()
