"""Closure of a service's Debian packages: resolved with apt for each group and platform."""

from __future__ import annotations

import re
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from estiba.digest import Digest
from estiba.errors import ResolutionError
from estiba.lock import disk_cache, model
from estiba.lock.debian import apt
from estiba.lock.debian.request import ESSENTIAL
from estiba.lock.model import ARCHITECTURES, Deb, Lock
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from estiba.lock.debian.apt import AptRoot
    from estiba.lock.debian.request import Request
    from estiba.process import Runner

_ASSUMED_INSTALLED: Final[Mapping[str, str]] = {
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
"""Packages to present to apt as installed, and the virtual package that each provides.

Only maintainer scripts need them, and none runs: packages are unpacked, not installed.
"""

_ASSUMED_FOR_SERVERS: Final[Mapping[str, str]] = {
    "iproute2": "",
    "locales": "",
    "perl": "",
    "postgresql-client-common": "",
    "postgresql-common": "",
    "procps": "",
    "ssl-cert": "",
    # LLVM is a third of the closure, and only PostgreSQL's JIT compiler needs it, which checks turn off.
    "libllvm14": "",
    "libllvm17t64": "",
    "libllvm19": "",
}
"""More such packages for the group of servers, which are started without Debian's wrapper scripts."""

_DEPENDENCY: Final = re.compile(r"^([a-z0-9][a-z0-9+.-]*)")
_ANY_VERSION: Final = "999:0"
"""Version of packages presented as installed: higher than any lower bound that a dependency may have."""


def resolve(
    root: AptRoot, request: Request, *, groups: Sequence[str], keep: Sequence[Deb] = (), runner: Runner = run
) -> tuple[list[Deb], list[str]]:
    """Resolve groups of packages for all platforms with apt.

    Args:
        root: The apt root, with up-to-date lists.
        request: Packages to resolve.
        groups: Of `base`, `service`, `check`, `prepare`, `frontend` and `build`; `service` needs `base`.
        keep: Locked packages whose versions to keep.
        runner: Runs apt.

    Returns:
        The packages, and `name version` of each whose version could not be kept because the mirror lacks it.

    Raises:
        ResolutionError: The dependencies of a group cannot be satisfied.
    """
    kept = {platform: [deb for deb in keep if platform in deb.platforms] for platform in request.platforms}

    def resolve_all() -> str:
        with ThreadPoolExecutor() as pool:
            jobs = [
                pool.submit(
                    _resolve_platform, root, request, platform=platform, wanted=groups, keep=kept_debs, runner=runner
                )
                for platform, kept_debs in kept.items()
            ]
            found = merge(deb for job in jobs for deb in job.result())
        return model.render(_wrap(request, found))

    # With unchanged lists the versions to keep are those that apt chose without pins, and that result is cached.
    chosen = _cache_file(root, request, groups, ())
    if chosen.exists():
        records = list(model.parse(chosen.read_text(encoding="utf-8")).debs)
        if not _find_changed(kept, records):
            return records, []
    records = list(model.parse(disk_cache.cached(_cache_file(root, request, groups, keep), resolve_all)).debs)
    return records, _find_changed(kept, records)


def _cache_file(root: AptRoot, request: Request, groups: Sequence[str], keep: Sequence[Deb]) -> Path:
    """Return the cache file of a resolution, named by the digest of all its inputs: lists, request, kept versions."""
    lists = sorted(f"{path.name} {Digest.of_file(path)}" for path in root.lists.glob("*InRelease"))
    asked = [f"{group}: {request.names(group)}" for group in groups]
    assumed = [_ASSUMED_INSTALLED, _ASSUMED_FOR_SERVERS]
    kept = sorted(f"{deb.name} {deb.version} {deb.platforms}" for deb in keep)
    key = Digest.of_bytes(repr([lists, request.platforms, asked, assumed, kept]).encode()).hex[:32]
    return root.folder / "resolved" / f"{key}.lock"


def _wrap(request: Request, records: Sequence[Deb]) -> Lock:
    """Return a lock with these packages alone, whose text is the format of the cache."""
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


def _find_changed(kept: Mapping[str, Sequence[Deb]], records: Sequence[Deb]) -> list[str]:
    """Return the packages whose version was not kept; packages that are no longer needed do not count."""
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
    solved: dict[tuple[str, ...], dict[str, str]] = {}
    for group in wanted:
        # A service without packages of its own asks for those of `base` again.
        names = request.names(group)
        chosen = solved.get(names) or _solve(root, arch, request, group, keep=keep, runner=runner)
        solved[names] = chosen
        versions.update(chosen)
        for name in chosen:
            # Groups include `base`; the image's layer of `service` must not repeat the layer of `base`.
            if group != "service" or "base" not in groups[name]:
                groups[name].add(group)
    paragraphs = apt.show(root, arch, list(versions.items()), runner=runner)
    missing = set(versions) - {paragraph["Package"] for paragraph in paragraphs}
    if missing:
        msg = f"the lists of {root.title} have no SHA-256 for {', '.join(sorted(missing))} ({arch})"
        raise ResolutionError(msg, hint="invoke lock --upgrade-debian reads the lists again")
    edges = _find_edges(paragraphs)
    return [_to_deb(paragraph, platform, groups, edges) for paragraph in paragraphs]


def _solve(
    root: AptRoot, arch: str, request: Request, group: str, *, keep: Sequence[Deb], runner: Runner
) -> dict[str, str]:
    """Resolve one group, if possible with the packages of maintainer scripts presented as installed."""
    names = request.names(group)
    extras = _ASSUMED_FOR_SERVERS if group == "check" else {}
    scripts = {} if ESSENTIAL in names else _ASSUMED_INSTALLED
    assumed = {name: provides for name, provides in {**scripts, **extras}.items() if name not in names}
    status = "servers" if extras else "scripts" if assumed else "none"
    # A pin of a package presented as installed would make apt replace it by the real one.
    pins = _render_preferences(deb for deb in keep if deb.name not in assumed)
    apt.write_status(root, arch, status=status, installed=_render_status(assumed, arch), preferences=pins)
    try:
        return apt.simulate(root, arch, names, status=status, runner=runner)
    except ResolutionError:
        # A package may depend on an exact version, as perl on perl-base; then none is presented as installed.
        apt.write_status(root, arch, status="none", preferences=_render_preferences(keep))
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
        # Foreign packages satisfy dependencies of any architecture.
        lines += ["Multi-Arch: foreign", "Maintainer: none", *([f"Provides: {provides}"] if provides else [])]
        entries.append("\n".join([*lines, "Description: not installed, only presented so"]) + "\n")
    return "\n".join(entries)


def _find_edges(paragraphs: Sequence[Mapping[str, str]]) -> dict[str, tuple[str, ...]]:
    """Return the dependencies of each package that are among `paragraphs`; virtual packages become their providers."""
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
            found.update(real or (provider for name in alternatives for provider in providers[name]))
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
        # apt-get(8) `download` escapes the colon of an epoch in the same way.
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
    """Merge the records of each file, so that a package of several groups or platforms is in the lock once."""
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
