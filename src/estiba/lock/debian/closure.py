"""The Debian closure of a service: which packages, in which groups, for which platforms."""

from __future__ import annotations

import re
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from estiba.digest import Digest
from estiba.errors import ResolutionError
from estiba.lock import disk_cache, model
from estiba.lock.debian import apt
from estiba.lock.model import ARCHITECTURES, Deb, Lock
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from estiba.lock.debian.apt import AptRoot
    from estiba.process import Runner

_BASE: Final = ("base-files", "ca-certificates", "libc-bin", "libstdc++6", "netbase", "tzdata")
"""What every image has; manylinux wheels may take the C++ runtime for granted, and libc-bin has the locale C.UTF-8."""
_TOOLCHAIN: Final = ("coreutils", "dash", "g++", "gcc", "grep", "libc6-dev", "make", "pkgconf", "sed")
"""What Debian calls build-essential, with what is essential in Debian and what build scripts and configure take for
granted."""
_SERVERS: Final = {
    "bookworm": ("nginx", "postgresql-15", "redis-server"),
    "trixie": ("nginx", "postgresql-17", "redis-server"),
}
_SERVER_NEEDS: Final = ("dash",)
"""What is essential in Debian and so no dependency: initdb runs its programs by a shell."""

_SCRIPTS_ONLY: Final[Mapping[str, str]] = {
    "adduser": "",
    "debconf": "debconf-2.0",
    "dpkg": "",
    "init-system-helpers": "",
    "libpam-runtime": "",
    "lsb-base": "",
    "mawk": "awk",
    "openssl": "",
    "passwd": "",
    "perl-base": "",
    "sensible-utils": "",
    "sysvinit-utils": "",
    "ucf": "",
}
"""Packages that maintainer scripts need, none of which runs here, and what each provides."""

_SERVER_EXTRAS: Final[Mapping[str, str]] = {
    "iproute2": "",
    "locales": "",
    "perl": "",
    "postgresql-client-common": "",
    "postgresql-common": "",
    "procps": "",
    "ssl-cert": "",
    # Only PostgreSQL's just-in-time compiler needs LLVM, a third of the whole closure; checks turn it off.
    "libllvm14": "",
    "libllvm19": "",
}
"""More of them for the servers, which are started without Debian's wrappers."""

_DEPENDENCY: Final = re.compile(r"^([a-z0-9][a-z0-9+.-]*)")
_ANY_VERSION: Final = "999:0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to resolve.

    Attributes:
        python: Python's minor version.
        suite: Debian release.
        platforms: Nix system names.
        service: Packages that the service needs at run time.
        build: Packages that building its sdists needs beside the usual toolchain, and its own commands in the build.
    """

    python: str
    suite: str
    platforms: tuple[str, ...]
    service: tuple[str, ...]
    build: tuple[str, ...] = ()

    def names(self, group: str) -> tuple[str, ...]:
        """Return what to install for a group; `service` counts from `base` on, and so do the others."""
        base = (*_BASE, f"python{self.python}")
        match group:
            case "service":
                return (*base, *self.service)
            case "build":
                return (*base, *self.service, *_TOOLCHAIN, f"python{self.python}-dev", *self.build)
            case "prepare":
                return (*base, *self.service, *self.build)
            case "check":
                return (*base, *_SERVER_NEEDS, *_SERVERS[self.suite])
            case _:
                return base


def resolve(
    root: AptRoot, request: Request, *, groups: Sequence[str], keep: Sequence[Deb] = (), runner: Runner = run
) -> tuple[list[Deb], list[str]]:
    """Resolve groups of packages for every platform with apt.

    Args:
        root: The apt root, with lists.
        request: What to resolve.
        groups: Which of `base`, `service`, `check`, `prepare` and `build`; `service` goes with `base`.
        keep: Packages to hold at the version they are locked at.
        runner: Runs apt.

    Returns:
        The packages, and `name version` of what could not be kept since no mirror has it any more.

    Raises:
        ResolutionError: apt found no way for some group.
    """
    kept = {platform: [deb for deb in keep if platform in deb.platforms] for platform in request.platforms}

    def find() -> str:
        with ThreadPoolExecutor() as pool:
            jobs = [
                pool.submit(
                    _resolve_platform, root, request, platform=platform, wanted=groups, keep=held, runner=runner
                )
                for platform, held in kept.items()
            ]
            found = merge(deb for job in jobs for deb in job.result())
        return model.render(_wrap(request, found))

    # What is to be kept mostly is what apt chose by these very lists, and then it has chosen already.
    chosen = _remembered(root, request, groups, ())
    if chosen.exists():
        records = list(model.parse(chosen.read_text(encoding="utf-8")).debs)
        if not _find_gone(kept, records):
            return records, []
    records = list(model.parse(disk_cache.cached(_remembered(root, request, groups, keep), find)).debs)
    return records, _find_gone(kept, records)


def _remembered(root: AptRoot, request: Request, groups: Sequence[str], keep: Sequence[Deb]) -> Path:
    """Name an answer of apt by all that it depends on: its lists, what is asked, and what is to be kept."""
    lists = sorted(f"{path.name} {Digest.of_file(path)}" for path in root.lists.glob("*InRelease"))
    asked = [f"{group}: {request.names(group)}" for group in groups]
    pretended = [_SCRIPTS_ONLY, _SERVER_EXTRAS]
    kept = sorted(f"{deb.name} {deb.version} {deb.platforms}" for deb in keep)
    key = Digest.of_bytes(repr([lists, request.platforms, asked, pretended, kept]).encode()).hex[:32]
    return root.folder / "resolved" / f"{key}.lock"


def _wrap(request: Request, records: Sequence[Deb]) -> Lock:
    """Put packages into a lock of nothing else, which is how they are remembered."""
    return Lock(
        inputs=Digest("0" * 64),
        python=request.python,
        suite=request.suite,
        pockets=(),
        platforms=request.platforms,
        debs=tuple(records),
        distributions=(),
        build_distributions=(),
        layers=(),
    )


def _find_gone(kept: Mapping[str, Sequence[Deb]], records: Sequence[Deb]) -> list[str]:
    """Return what has another version than it was to keep; a package that is simply not needed any more is not gone."""
    gone: set[str] = set()
    for platform, debs in kept.items():
        versions = {deb.name: deb.version for deb in records if platform in deb.platforms}
        gone |= {f"{deb.name} {deb.version}" for deb in debs if versions.get(deb.name, deb.version) != deb.version}
    return sorted(gone)


def _resolve_platform(
    root: AptRoot, request: Request, *, platform: str, wanted: Sequence[str], keep: Sequence[Deb], runner: Runner
) -> list[Deb]:
    arch = ARCHITECTURES[platform]
    groups: dict[str, set[str]] = defaultdict(set)
    versions: dict[str, str] = {}
    for group in wanted:
        chosen = _solve(root, arch, request, group, keep=keep, runner=runner)
        versions.update(chosen)
        for name in chosen:
            if group != "service" or "base" not in groups[name]:
                groups[name].add(group)
    paragraphs = apt.show(root, arch, list(versions.items()), runner=runner)
    missing = set(versions) - {paragraph["Package"] for paragraph in paragraphs}
    if missing:
        msg = f"the lists of Debian {root.suite} have no SHA-256 for {', '.join(sorted(missing))} ({arch})"
        raise ResolutionError(msg, hint="invoke lock --upgrade-debian reads the lists again")
    edges = _find_edges(paragraphs)
    return [_to_deb(paragraph, platform, groups, edges) for paragraph in paragraphs]


def _solve(
    root: AptRoot, arch: str, request: Request, group: str, *, keep: Sequence[Deb], runner: Runner
) -> dict[str, str]:
    """Resolve one group, with maintainer scripts' packages presented as installed if that works."""
    names = request.names(group)
    extras = _SERVER_EXTRAS if group == "check" else {}
    pretended = {name: provides for name, provides in {**_SCRIPTS_ONLY, **extras}.items() if name not in names}
    status = "servers" if extras else "scripts"
    # What is presented as installed must not be replaced by the version that another group has of it.
    pins = _render_preferences(deb for deb in keep if deb.name not in pretended)
    apt.pretend(root, arch, status=status, installed=_render_status(pretended, arch), preferences=pins)
    try:
        return apt.simulate(root, arch, names, status=status, runner=runner)
    except ResolutionError:
        # Something may need one of them at an exact version, as perl its perl-base: then all of them are real.
        apt.pretend(root, arch, status="none", preferences=_render_preferences(keep))
        return apt.simulate(root, arch, names, runner=runner)


def _render_preferences(keep: Iterable[Deb]) -> str:
    pins = {deb.name: deb.version for deb in keep}
    entries = [
        f"Package: {name}\nPin: version {version}\nPin-Priority: 1001\n" for name, version in sorted(pins.items())
    ]
    return "\n".join(entries)


def _render_status(installed: Mapping[str, str], arch: str) -> str:
    entries = []
    for name, provides in sorted(installed.items()):
        lines = [
            f"Package: {name}",
            "Status: install ok installed",
            f"Version: {_ANY_VERSION}",
            f"Architecture: {arch}",
        ]
        lines += ["Multi-Arch: foreign", "Maintainer: none", *([f"Provides: {provides}"] if provides else [])]
        entries.append("\n".join([*lines, "Description: not installed, only presented so"]) + "\n")
    return "\n".join(entries)


def _find_edges(paragraphs: Sequence[Mapping[str, str]]) -> dict[str, tuple[str, ...]]:
    """Return each package's dependencies among `paragraphs`, with virtual packages replaced by their providers."""
    names = {paragraph["Package"] for paragraph in paragraphs}
    providers = defaultdict(set)
    for paragraph in paragraphs:
        for provided in _split_names(paragraph.get("Provides", "")):
            providers[provided].add(paragraph["Package"])
    edges = {}
    for paragraph in paragraphs:
        found: set[str] = set()
        for clause in (*paragraph.get("Pre-Depends", "").split(","), *paragraph.get("Depends", "").split(",")):
            alternatives = _split_names(clause.replace("|", ","))
            real = [name for name in alternatives if name in names]
            found.update(real or (one for name in alternatives for one in providers[name]))
        edges[paragraph["Package"]] = tuple(sorted(found - {paragraph["Package"]}))
    return edges


def _split_names(text: str) -> list[str]:
    return [match[1] for part in text.split(",") if (match := _DEPENDENCY.match(part.strip()))]


def _to_deb(
    paragraph: Mapping[str, str], platform: str, groups: Mapping[str, set[str]], edges: Mapping[str, tuple[str, ...]]
) -> Deb:
    name, version, arch = paragraph["Package"], paragraph["Version"], paragraph["Architecture"]
    source, _, rest = paragraph.get("Source", name).partition(" ")
    return Deb(
        name=name,
        version=version,
        arch=arch,
        file=f"{name}_{version.replace(':', '%3a')}_{arch}.deb",
        sha256=Digest(paragraph["SHA256"]),
        size=int(paragraph["Size"]),
        source=source,
        source_version=rest.strip("() ") or version,
        groups=tuple(sorted(groups[name])),
        platforms=(platform,),
        depends=edges[name],
    )


def merge(records: Iterable[Deb]) -> list[Deb]:
    """Join records of the same file: a package for several groups or for all architectures is in the lock once."""
    merged: dict[str, Deb] = {}
    for deb in records:
        known = merged.get(deb.file, deb)
        merged[deb.file] = replace(
            known,
            platforms=tuple(sorted({*known.platforms, *deb.platforms})),
            groups=tuple(sorted({*known.groups, *deb.groups})),
            depends=tuple(sorted({*known.depends, *deb.depends})),
        )
    return list(merged.values())
