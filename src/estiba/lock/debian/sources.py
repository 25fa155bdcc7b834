"""Sources of Debian packages: mirrors of the machine's apt configuration, and archives by their names or URIs."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from estiba import config
from estiba.errors import ConfigError
from estiba.process import run
from estiba.service.debian import SNAPSHOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from estiba.process import Runner
    from estiba.service.debian import Archive, Release

_RELEASES: Final = (
    "buster",
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "duke",
    "sid",
    "oldoldstable",
    "oldstable",
    "stable",
    "testing",
    "unstable",
)
_SUITE: Final = re.compile(rf"({'|'.join(_RELEASES)})(-updates|-security|/updates)?")
_LINE: Final = re.compile(r"deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>\S.*)")
_EMBEDDED: Final = "BEGIN PGP"
_WHERE: Final = "pyproject.toml [tool.estiba.debian]"
_KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Entry of an apt sources file.

    Attributes:
        uri: Base URI of the mirror.
        suite: Suite, such as `trixie-security`.
        components: Components, such as `main`.
        signed_by: Keyring file, key fingerprint or key that verifies it; empty for apt's default keyrings.
    """

    uri: str
    suite: str
    components: tuple[str, ...] = ("main",)
    signed_by: str = ""


def choose(release: Release, override: Path | None = None, *, runner: Runner = run) -> list[Source]:
    """Return the sources of a release: of its pockets in the machine's Debian mirrors, and of its archives.

    Args:
        release: The release.
        override: A `.sources` or `.list` file that has the Debian mirrors instead of the machine's apt configuration.
        runner: Runs apt-config(8), which knows the paths of the configuration.

    Raises:
        ConfigError: The configuration has no Debian mirror, or no file that an archive names; a keyring is missing; or
            a snapshot is named, and no URI has a place for it.
    """
    files = _list_files(override, runner)
    named = files if override is None or not release.archives else [*_list_files(None, runner), override]
    archives = [source for archive in release.archives for source in _find_archive(archive, release, named)]
    # An archive that has the release itself, such as a snapshot or another distribution's, stands in for all mirrors.
    is_whole = any(source.suite == release.suite for source in archives)
    found = archives if is_whole else [*_find_pockets(release, files), *archives]
    if release.snapshot and not any(SNAPSHOT in source.uri for source in found):
        raise ConfigError(
            _WHERE,
            [f"'snapshot' is {release.snapshot!r}, and no archive has {SNAPSHOT} in its 'uri'"],
            hint=f"archives = [{{uri = '…/{SNAPSHOT}/', suites = ['{release.suite}']}}]",
        )
    return found


def parse(text: str, *, deb822: bool, disabled: bool = False) -> list[Source]:
    """Parse the `deb` entries of a .sources file (`deb822`) or a .list file.

    Args:
        text: Content of the file.
        deb822: Which of the two it is.
        disabled: Include entries of a .sources file with `Enabled: no`.
    """
    return list(_parse_deb822(text, disabled=disabled) if deb822 else _parse_lines(text))


def render(sources: Sequence[Source], *, snapshot: str = "") -> str:
    """Return the text of a .sources file.

    Args:
        sources: Its entries.
        snapshot: Name of the snapshot to take from archives that have snapshots.
    """
    paragraphs = []
    for source in sources:
        fields = [
            "Types: deb",
            f"URIs: {source.uri.replace(SNAPSHOT, snapshot)}",
            f"Suites: {source.suite}",
            f"Components: {' '.join(source.components)}",
        ]
        # What a snapshot says about its end of validity is past.
        fields += ["Check-Valid-Until: no"] if SNAPSHOT in source.uri else []
        fields += [f"Signed-By: {source.signed_by}"] if source.signed_by else []
        paragraphs.append("\n".join(fields) + "\n")
    return "\n".join(paragraphs)


def list_pools(sources: Sequence[Source], *, snapshot: str = "") -> tuple[str, ...]:
    """Return the URLs of the `pool` folders of HTTP mirrors, by the layout of Debian's archive."""
    found = dict.fromkeys(
        f"{source.uri.rstrip('/')}/pool/{'updates/' if _is_security(source) else ''}{component}"
        for source in sources
        for component in source.components
    )
    return tuple(pool.replace(SNAPSHOT, snapshot) for pool in found if pool.startswith(("http://", "https://")))


def is_debian(suite: str) -> bool:
    """Return whether a suite is one of Debian's releases, by its name."""
    return bool(_SUITE.fullmatch(suite))


def _find_pockets(release: Release, files: Sequence[Path]) -> list[Source]:
    """Return the sources of a release's pockets, with the Debian mirrors of the machine's apt configuration."""
    mirrors = [source for path in files for source in _read(path) if _SUITE.fullmatch(source.suite)]
    if not mirrors:
        where = "apt"
        raise ConfigError(
            where,
            ["no Debian mirror among this machine's sources"],
            hint=f"add a Debian mirror to /etc/apt/sources.list.d, or name a .sources file in {config.ENV_APT_SOURCES}",
        )
    suites = {"main": release.suite, "updates": f"{release.suite}-updates", "security": f"{release.suite}-security"}
    default = str(_KEYRING) if _KEYRING.exists() else ""
    found = []
    for pocket in sorted(release.pockets):
        mirror = _choose_mirror(mirrors, pocket)
        signed_by = default if _EMBEDDED in mirror.signed_by else mirror.signed_by or default
        found.append(Source(uri=mirror.uri, suite=suites[pocket], signed_by=signed_by))
    return found


def _find_archive(archive: Archive, release: Release, files: Sequence[Path]) -> list[Source]:
    """Return the sources of an archive: those of a file of the machine's apt configuration, unless it is set."""
    listed = [source for path in files if path.stem == archive.name for source in _read(path, disabled=True)]
    if archive.name and not listed and not archive.uri:
        raise ConfigError(
            _WHERE,
            [f"the archive {archive.name!r} is not in this machine's apt configuration"],
            hint=f"write its mirror and its key into /etc/apt/sources.list.d/{archive.name}.sources, or name 'uri', "
            "'suites' and 'signed-by'; 'Enabled: no' in that file keeps the machine's own apt from it",
        )
    first = listed[0] if listed else Source(uri=archive.uri, suite="")
    found = {source.suite: source for source in reversed(listed)}
    return [
        Source(
            uri=archive.uri or found.get(suite, first).uri,
            suite=suite,
            components=archive.components or found.get(suite, first).components,
            signed_by=_find_keyring(archive, release) or found.get(suite, first).signed_by,
        )
        for suite in archive.suites or dict.fromkeys(source.suite for source in listed)
    ]


def _find_keyring(archive: Archive, release: Release) -> str:
    path = release.folder.resolve() / archive.signed_by
    if archive.signed_by and not path.is_file():
        problem = f"'signed-by' is {archive.signed_by!r}, which is no file of the service"
        raise ConfigError(_WHERE, [problem], hint="export the archive's key with: gpg --export --armor > NAME.asc")
    return str(path) if archive.signed_by else ""


def _choose_mirror(mirrors: Sequence[Source], pocket: str) -> Source:
    """Return the mirror of a pocket; if there is none for security, `debian-security` beside the main archive."""
    security = [mirror for mirror in mirrors if _is_security(mirror)]
    if pocket == "security" and security:
        return security[0]
    main = next((mirror for mirror in mirrors if not _is_security(mirror)), mirrors[0])
    return replace(main, uri=f"{main.uri.rstrip('/')}-security") if pocket == "security" else main


def _is_security(source: Source) -> bool:
    return bool(_SUITE.fullmatch(source.suite)) and source.suite.endswith(("-security", "/updates"))


def _read(path: Path, *, disabled: bool = False) -> list[Source]:
    return parse(path.read_text(encoding="utf-8"), deb822=path.suffix == ".sources", disabled=disabled)


def _list_files(override: Path | None, runner: Runner) -> list[Path]:
    if override:
        return [override]
    argv = ["apt-config", "shell", "LIST", "Dir::Etc::SourceList/f", "PARTS", "Dir::Etc::SourceParts/d"]
    values = dict(word.split("=", 1) for word in shlex.split(runner(argv).stdout))
    parts = Path(values.get("PARTS", "/etc/apt/sources.list.d"))
    files = [
        Path(values.get("LIST", "/etc/apt/sources.list")),
        *sorted(parts.glob("*.list")),
        *sorted(parts.glob("*.sources")),
    ]
    return [path for path in files if path.is_file()]


def _parse_lines(text: str) -> Iterator[Source]:
    for line in text.splitlines():
        if match := _LINE.fullmatch(line.split("#")[0].strip()):
            options = dict(word.split("=", 1) for word in (match["options"] or "").split() if "=" in word)
            yield Source(
                uri=match["uri"],
                suite=match["suite"],
                components=tuple(match["components"].split()),
                signed_by=options.get("signed-by", ""),
            )


def _parse_deb822(text: str, *, disabled: bool) -> Iterator[Source]:
    uncommented = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for block in re.split(r"\n\s*\n", uncommented):
        fields = {
            key.strip().lower(): value.strip()
            for key, value in re.findall(r"^([A-Za-z-]+):((?:.*(?:\n[ \t]+.*)*))", block, re.MULTILINE)
        }
        is_enabled = fields.get("enabled", "yes").lower() not in ("no", "false", "0")
        if not (is_enabled or disabled) or "deb" not in fields.get("types", "").split():
            continue
        # A key in the file itself goes on below the name of the field (deb822(5)).
        signed_by = fields.get("signed-by", "")
        signed_by = f"\n {signed_by}" if _EMBEDDED in signed_by else signed_by
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                components = tuple(fields.get("components", "").split())
                yield Source(uri=uri, suite=suite, components=components, signed_by=signed_by)
