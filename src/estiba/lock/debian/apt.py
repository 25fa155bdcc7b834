"""An apt of our own: the machine's mirrors and network settings, but its own suite, lists and package status."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from estiba.digest import Digest
from estiba.errors import CommandError, ResolutionError
from estiba.files import lock
from estiba.lock.debian import sources
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from estiba.config import Config
    from estiba.process import Completed, Runner

_FRESH_SECONDS: Final = 3600
_UNSUITABLE: Final = ("DEP-11", "DEP-11-icons-small", "DEP-11-icons", "DEP-11-icons-hidpi", "Translations")
_INSTALL: Final = re.compile(r"^Inst ([^ :]+)\S* (?:\[[^]]*\] )?\((\S+) ", re.MULTILINE)
"""A line such as `Inst libc6 (2.41-12 Debian:13.0/stable [amd64])`; an installed version stands before it."""
_ARCHITECTURES: Final = ("amd64", "arm64")
_HELPER: Final = "/usr/lib/apt/apt-helper"


@dataclass(frozen=True, slots=True, kw_only=True)
class AptRoot:
    """A folder with everything that apt would otherwise keep in /etc and /var.

    Attributes:
        folder: Where it is.
        suite: The Debian release that it looks at.
        pockets: Of main, updates and security.
        pools: Addresses of the folders in which its mirrors keep the files of packages.
    """

    folder: Path
    suite: str
    pockets: tuple[str, ...]
    pools: tuple[str, ...] = ()

    @property
    def lists(self) -> Path:
        """The folder of downloaded package lists."""
        return self.folder / "lists"

    def state(self, arch: str, status: str) -> Path:
        """Return the folder of one set of packages that apt shall think are installed, and of apt's cache for it."""
        return self.folder / f"{arch}-{status}"

    def options(self, *archs: str, status: str = "none") -> list[str]:
        """Return the options that make any apt command use this root.

        Args:
            archs: Debian architectures; the first is the native one.
            status: Name of the set of packages that apt shall think are installed; see `pretend`.
        """
        native = archs[0]
        state = self.state(native, status)
        values = {
            "APT::Architecture": native,
            "APT::Architectures": ",".join(archs),
            "APT::Immediate-Configure": "false",
            "APT::Install-Recommends": "false",
            "APT::Sandbox::User": "root",
            # Uncompressed lists are read at random, ten times as fast.
            "Acquire::GzipIndexes": "false",
            "Acquire::Languages": "none",
            "Dir::Cache": str(state / "cache"),
            # Container images turn these two off; reading the lists anew costs 1.5 s a command.
            "Dir::Cache::pkgcache": "pkgcache.bin",
            "Dir::Cache::srcpkgcache": "srcpkgcache.bin",
            "Dir::Etc::Preferences": str(state / "preferences"),
            "Dir::Etc::PreferencesParts": str(self.folder / "none"),
            "Dir::Etc::SourceList": str(self.folder / "none"),
            "Dir::Etc::SourceParts": str(self.folder / "sources"),
            "Dir::State": str(state),
            "Dir::State::Lists": str(self.lists),
            "Dir::State::Status": str(state / "status"),
            **{f"Acquire::IndexTargets::deb::{name}::DefaultEnabled": "false" for name in _UNSUITABLE},
        }
        return [word for key, value in values.items() for word in ("-o", f"{key}={value}")]


def prepare(config: Config, suite: str, pockets: Sequence[str], *, runner: Runner = run) -> AptRoot:
    """Make the root for a release in the cache folder, with the mirrors of the machine's apt configuration.

    Raises:
        ConfigError: The machine's apt knows no Debian mirror.
    """
    known = sources.load(config.apt_sources, runner=runner)
    text = sources.render(known, suite=suite, pockets=sorted(pockets))
    # The key holds the sources, so that another mirror never meets lists of the first.
    key = Digest.of_bytes(text.encode()).hex[:16]
    root = AptRoot(
        folder=config.cache_dir / "apt" / f"{suite}-{key}",
        suite=suite,
        pockets=tuple(pockets),
        pools=sources.list_pools(known, pockets=sorted(pockets)),
    )
    for folder in ("sources", "lists/partial"):
        (root.folder / folder).mkdir(parents=True, exist_ok=True)
    (root.folder / "sources" / "estiba.sources").write_text(text, encoding="utf-8")
    for arch in _ARCHITECTURES:
        pretend(root, arch, status="none")
    return root


def pretend(root: AptRoot, arch: str, *, status: str, installed: str = "", preferences: str = "") -> None:
    """Make a named set of packages that apt shall think are installed.

    Args:
        root: The root.
        arch: Debian architecture.
        status: Name of the set.
        installed: dpkg's status file.
        preferences: apt's preferences, which hold versions.
    """
    state = root.state(arch, status)
    (state / "cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    (state / "preferences").write_text(preferences, encoding="utf-8")
    path = state / "status"
    # apt reads everything anew when this file changes, which takes a second.
    if not path.exists() or path.read_text(encoding="utf-8") != installed:
        path.write_text(installed, encoding="utf-8")


@contextmanager
def exclusive(root: AptRoot) -> Iterator[None]:
    """Keep other processes out of the root for as long as the block runs; wait for them first."""
    with lock(root.folder / "busy", wait=True):
        yield


def update(root: AptRoot, *, force: bool = False, runner: Runner = run) -> None:
    """Bring the package lists up to date, unless they are less than an hour old.

    Raises:
        ResolutionError: A mirror could not be reached, or a signature is wrong; carries apt's reason.
    """
    stamp = root.folder / "updated"
    if not force and stamp.exists() and time.time() - stamp.stat().st_mtime < _FRESH_SECONDS:
        return
    try:
        # apt exits with 0 when a mirror fails and old lists are there; "any" makes that an error.
        runner(["apt-get", *root.options(*_ARCHITECTURES), "-q", "--error-on=any", "update"])
    except CommandError as error:
        msg = f"apt cannot read the package lists of Debian {root.suite}:\n{error.tail}"
        raise ResolutionError(msg, hint="check the mirrors in /etc/apt with: apt-get update") from error
    stamp.touch()


def simulate(
    root: AptRoot, arch: str, names: Sequence[str], *, status: str = "none", runner: Runner = run
) -> dict[str, str]:
    """Let apt's solver choose what to install for `names` beside the named set of packages; name to version.

    Raises:
        ResolutionError: apt found no way; carries its reason.
    """
    argv = ["apt-get", *root.options(arch, status=status), "-q", "--simulate", "install", *names]
    done = runner(argv, check=False)
    if done.code != 0:
        msg = f"apt cannot resolve {', '.join(names)} in Debian {root.suite} for {arch}:\n{_reason(done)}"
        raise ResolutionError(msg, hint=f"look at the names in [tool.estiba] debian: apt-cache policy {names[-1]}")
    return dict(_INSTALL.findall(done.stdout))


def show(
    root: AptRoot, arch: str, packages: Sequence[tuple[str, str]], *, runner: Runner = run
) -> list[dict[str, str]]:
    """Return the control paragraphs of exact (name, version) pairs; what the lists lack is left out."""
    wanted = set(packages)
    names = sorted({name for name, _ in packages})
    if not names:
        return []
    shown = runner(["apt-cache", *root.options(arch), "show", *names], check=False).stdout
    paragraphs = (parse_paragraph(block) for block in shown.split("\n\n") if block.strip())
    found: dict[tuple[str, str], dict[str, str]] = {}
    for paragraph in paragraphs:
        key = (paragraph.get("Package", ""), paragraph.get("Version", ""))
        if key in wanted and "SHA256" in paragraph:
            found.setdefault(key, paragraph)
    return list(found.values())


def download(
    root: AptRoot,
    wanted: Sequence[str],
    *,
    folder: Path,
    arch: str,
    on_line: Callable[[str], None] | None = None,
    runner: Runner = run,
) -> None:
    """Download packages, each written `name=version`, into a folder; what is there in part is continued.

    Raises:
        CommandError: A package is not in the lists, or its mirror failed.
    """
    argv = ["apt-get", *root.options(arch), "-q", "download", *wanted]
    runner(argv, cwd=folder, on_line=on_line)


def download_files(
    root: AptRoot, files: Sequence[tuple[str, str, Digest]], *, folder: Path, runner: Runner = run
) -> None:
    """Download files, each an address, a name and a hash, into a folder; what is not there or differs is left out.

    It needs no package lists, which cost more time than the files that they name.
    """
    words = [word for address, name, sha256 in files for word in (address, name, f"SHA256:{sha256.hex}")]
    runner([_HELPER, *root.options(*_ARCHITECTURES), "-qq", "download-file", *words], cwd=folder, check=False)


def parse_paragraph(text: str) -> dict[str, str]:
    """Read one paragraph of Debian's control format; a continuation line is joined to its field."""
    values: dict[str, str] = {}
    key = ""
    for line in text.splitlines():
        if line.startswith((" ", "\t")):
            values[key] = f"{values.get(key, '')}\n{line.strip()}"
        elif ":" in line:
            key, _, value = line.partition(":")
            values[key] = value.strip()
    return values


def _reason(done: Completed) -> str:
    """Return what apt says about a failed resolution: the unmet dependencies on stdout, the errors on stderr."""
    _, marker, unmet = done.stdout.partition("The following packages have unmet dependencies:\n")
    return (unmet.rstrip() + "\n" if marker else "") + done.tail
