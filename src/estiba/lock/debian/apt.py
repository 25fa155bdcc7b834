"""apt with a root of its own: the machine's mirrors, keys and proxies, but separate suite, lists and dpkg status."""

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
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from estiba.config import Config
    from estiba.process import Completed, Runner
    from estiba.service.debian import Release

_FRESH_SECONDS: Final = 3600
"""Age in seconds up to which package lists are not updated."""

_UNSUITABLE: Final = ("DEP-11", "DEP-11-icons-small", "DEP-11-icons", "DEP-11-icons-hidpi", "Translations")
_INSTALL: Final = re.compile(r"^Inst ([^ :]+)\S* (?:\[[^]]*\] )?\((\S+) ", re.MULTILINE)
"""Line of `apt-get --simulate`, such as `Inst libc6 (2.41-12 Debian:13.0/stable [amd64])`.

The version of an installed package stands in brackets before the parenthesis.
"""
_ARCHITECTURES: Final = ("amd64", "arm64")
_CHECK: Final = "check the mirrors in /etc/apt, and the archives in [tool.estiba.debian], with: apt-get update"
_EXPIRED: Final = (
    "take another mirror, or a snapshot (docs/configuration.md); to accept old lists on this machine, write into"
    ' /etc/apt/apt.conf.d/99valid: Acquire::Check-Valid-Until "false";'
)
_HELPER: Final = "/usr/lib/apt/apt-helper"


@dataclass(frozen=True, slots=True, kw_only=True)
class AptRoot:
    """Folder with the configuration and state that apt otherwise keeps in /etc/apt and /var.

    Attributes:
        folder: The folder.
        suite: Debian release.
        pockets: Debian pockets: of `main`, `updates` and `security`.
        pools: URLs of the folders in which the mirrors keep package files.
    """

    folder: Path
    suite: str
    pockets: tuple[str, ...]
    pools: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Name of the release for people."""
        return f"Debian {self.suite}" if sources.is_debian(self.suite) else self.suite

    @property
    def lists(self) -> Path:
        """Folder of the package lists (`Dir::State::Lists`)."""
        return self.folder / "lists"

    def state(self, arch: str, status: str) -> Path:
        """Return the folder of a named dpkg status for an architecture, and of apt's caches for it."""
        return self.folder / f"{arch}-{status}"

    def options(self, *archs: str, status: str = "none") -> list[str]:
        """Return the command-line options that make an apt command use this root (apt.conf(5)).

        Args:
            archs: Debian architectures; the first is the native one.
            status: Name of the dpkg status to use; see `write_status`.
        """
        native = archs[0]
        state = self.state(native, status)
        values = {
            "APT::Architecture": native,
            "APT::Architectures": ",".join(archs),
            "APT::Immediate-Configure": "false",
            "APT::Install-Recommends": "false",
            # As root, apt would download as the user _apt, who cannot write to a private cache folder.
            "APT::Sandbox::User": "root",
            # apt seeks in the lists, which is ten times as fast in uncompressed ones.
            "Acquire::GzipIndexes": "false",
            "Acquire::Languages": "none",
            "Dir::Cache": str(state / "cache"),
            # Debian's container images turn these two caches off; parsing the lists then costs each command 1.5 s.
            "Dir::Cache::pkgcache": "pkgcache.bin",
            # The parsed lists, which are those of every status.
            "Dir::Cache::srcpkgcache": str(self.folder / f"{'-'.join(archs)}-lists.bin"),
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


def prepare(config: Config, release: Release, *, runner: Runner = run) -> AptRoot:
    """Create the apt root of a release in the cache folder, with the mirrors of the machine's apt configuration.

    Raises:
        ConfigError: The apt configuration has no Debian mirror, or lacks an archive that the release names.
    """
    chosen = sources.choose(release, config.apt_sources, runner=runner)
    text = sources.render(chosen, snapshot=release.snapshot)
    # The folder is named after its sources: lists of one mirror must not be used with another.
    key = Digest.of_bytes(text.encode()).hex[:16]
    root = AptRoot(
        folder=config.cache_dir / "apt" / f"{release.suite}-{key}",
        suite=release.suite,
        pockets=release.pockets,
        pools=sources.list_pools(chosen, snapshot=release.snapshot),
    )
    for folder in ("sources", "lists/partial"):
        (root.folder / folder).mkdir(parents=True, exist_ok=True)
    (root.folder / "sources" / "estiba.sources").write_text(text, encoding="utf-8")
    for arch in _ARCHITECTURES:
        write_status(root, arch, status="none")
    return root


def write_status(root: AptRoot, arch: str, *, status: str, installed: str = "", preferences: str = "") -> None:
    """Write a named dpkg status, which tells apt what is installed, and the preferences to use with it.

    Args:
        root: The apt root.
        arch: Debian architecture.
        status: Name of the status.
        installed: Text of dpkg's status file (dpkg(1)); by default nothing is installed.
        preferences: Text of a preferences file (apt_preferences(5)), which pins versions.
    """
    state = root.state(arch, status)
    (state / "cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    (state / "preferences").write_text(preferences, encoding="utf-8")
    path = state / "status"
    # apt rebuilds its package cache when this file changes, which takes a second.
    if not path.exists() or path.read_text(encoding="utf-8") != installed:
        path.write_text(installed, encoding="utf-8")


@contextmanager
def exclusive(root: AptRoot) -> Iterator[None]:
    """Lock the apt root while the block runs; wait for a process that holds the lock."""
    with lock(root.folder / "busy", wait=True):
        yield


def update(root: AptRoot, *, force: bool = False, runner: Runner = run) -> None:
    """Update the package lists, unless they are less than an hour old (`apt-get update`).

    Args:
        root: The apt root.
        force: Update lists of any age.
        runner: Runs apt.

    Raises:
        ResolutionError: A mirror is unreachable, or a signature is invalid; the message quotes apt.
    """
    stamp = root.folder / "updated"
    if not force and stamp.exists() and time.time() - stamp.stat().st_mtime < _FRESH_SECONDS:
        return
    try:
        # Without --error-on apt exits with 0 if a mirror fails and older lists exist. What it would parse in the end is
        # all lists at once, which nothing reads.
        options = [*root.options(*_ARCHITECTURES), "-o", "pkgCacheFile::Generate=false"]
        runner(["apt-get", *options, "-q", "--error-on=any", "update"])
    except CommandError as error:
        msg = f"apt cannot read the package lists of {root.title}:\n{error.tail}"
        raise ResolutionError(msg, hint=_EXPIRED if "is expired" in error.tail else _CHECK) from error
    stamp.touch()


def read_release(root: AptRoot) -> Mapping[str, str]:
    """Return the fields of the signed Release file of the root's suite, such as `Origin`, `Suite` and `Version`."""
    found = sorted(root.lists.glob(f"*_dists_{root.suite.replace('/', '_')}_InRelease"))
    # The fields follow the header of the signature; the lists of files are continuation lines.
    paragraphs = found[0].read_text(encoding="utf-8").split("\n\n", 2) if found else []
    return parse_paragraph(paragraphs[1]) if len(paragraphs) > 1 else {}


def simulate(
    root: AptRoot, arch: str, names: Sequence[str], *, status: str = "none", runner: Runner = run
) -> dict[str, str]:
    """Return the packages that apt would install for some package names, name to version.

    Args:
        root: The apt root, with up-to-date lists.
        arch: Debian architecture.
        names: Package names.
        status: Name of the dpkg status; what is installed there is not installed again.
        runner: Runs apt.

    Raises:
        ResolutionError: Dependencies cannot be satisfied; the message quotes apt.
    """
    argv = ["apt-get", *root.options(arch, status=status), "-q", "--simulate", "install", *names]
    # Not checked by the runner: apt explains unmet dependencies on standard output, which its error does not have.
    done = runner(argv, check=False)
    if done.code != 0:
        msg = f"apt cannot resolve {', '.join(names)} in {root.title} for {arch}:\n{_reason(done)}"
        raise ResolutionError(msg, hint=f"look at the names in [tool.estiba] debian: apt-cache policy {names[-1]}")
    return dict(_INSTALL.findall(done.stdout))


def show(
    root: AptRoot, arch: str, packages: Sequence[tuple[str, str]], *, runner: Runner = run
) -> list[dict[str, str]]:
    """Return the control paragraphs of exact (name, version) pairs, without those that are not in the lists."""
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
    """Download packages, each given as `name=version`, into a folder; partial downloads are continued.

    Raises:
        CommandError: A package is not in the lists, or the download failed.
    """
    argv = ["apt-get", *root.options(arch), "-q", "download", *wanted]
    runner(argv, cwd=folder, on_line=on_line)


def download_files(
    root: AptRoot, files: Sequence[tuple[str, str, Digest]], *, folder: Path, runner: Runner = run
) -> None:
    """Download files, each a URL, a name and a digest, into a folder; those that are missing or differ are left out.

    No package lists are needed, whose download takes longer than that of the files in them.
    """
    words = [word for address, name, sha256 in files for word in (address, name, f"SHA256:{sha256.hex}")]
    runner([_HELPER, *root.options(*_ARCHITECTURES), "-qq", "download-file", *words], cwd=folder, check=False)


def parse_paragraph(text: str) -> dict[str, str]:
    """Parse a paragraph of Debian control data (deb822(5)) into fields; continuation lines are joined by newlines."""
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
    """Return apt's explanation of a failed resolution: unmet dependencies are on stdout, errors on stderr."""
    _, marker, unmet = done.stdout.partition("The following packages have unmet dependencies:\n")
    return (unmet.rstrip() + "\n" if marker else "") + done.tail
