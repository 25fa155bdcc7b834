"""Debian mirrors of the machine's apt configuration (sources.list(5))."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from estiba import config
from estiba.errors import ConfigError
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from estiba.process import Runner

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
_KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Entry of an apt sources file.

    Attributes:
        uri: Base URI of the mirror.
        suite: Suite, such as `trixie-security`.
        signed_by: Keyring file or key fingerprint that verifies it; empty for apt's default keyrings.
    """

    uri: str
    suite: str
    signed_by: str


def load(override: Path | None = None, *, runner: Runner = run) -> list[Source]:
    """Return the Debian sources of the machine's apt configuration.

    Args:
        override: A `.sources` or `.list` file to read instead.
        runner: Runs apt-config(8), which knows the paths of the configuration.

    Raises:
        ConfigError: The configuration has no Debian source.
    """
    found = [
        source
        for path in _list_files(override, runner)
        for source in parse(path.read_text(encoding="utf-8"), deb822=path.suffix == ".sources")
        if _SUITE.fullmatch(source.suite)
    ]
    if not found:
        where = "apt"
        raise ConfigError(
            where,
            ["no Debian mirror among this machine's sources"],
            hint=f"add a Debian mirror to /etc/apt/sources.list.d, or name a .sources file in {config.ENV_APT_SOURCES}",
        )
    return found


def parse(text: str, *, deb822: bool) -> list[Source]:
    """Parse the enabled `deb` entries of a .sources file (`deb822`) or a .list file."""
    return list(_parse_deb822(text) if deb822 else _parse_lines(text))


def render(sources: Sequence[Source], *, suite: str, pockets: Sequence[str]) -> str:
    """Return the text of a .sources file for one release, with the mirrors of `sources`."""
    suites = {"main": suite, "updates": f"{suite}-updates", "security": f"{suite}-security"}
    paragraphs = []
    for pocket in pockets:
        chosen = _choose(sources, pocket)
        fields = ["Types: deb", f"URIs: {chosen.uri}", f"Suites: {suites[pocket]}", "Components: main"]
        signed_by = chosen.signed_by or (str(_KEYRING) if _KEYRING.exists() else "")
        paragraphs.append("\n".join([*fields, f"Signed-By: {signed_by}"] if signed_by else fields) + "\n")
    return "\n".join(paragraphs)


def list_pools(sources: Sequence[Source], *, pockets: Sequence[str]) -> tuple[str, ...]:
    """Return the URLs of the `pool` folders of HTTP mirrors, by the layout of Debian's archive."""
    found = dict.fromkeys(
        f"{_choose(sources, pocket).uri.rstrip('/')}/pool/{'updates/' if pocket == 'security' else ''}main"
        for pocket in pockets
    )
    return tuple(pool for pool in found if pool.startswith(("http://", "https://")))


def _choose(sources: Sequence[Source], pocket: str) -> Source:
    """Return the source of a pocket; if there is none for security, `debian-security` beside the main archive."""
    security = [source for source in sources if _is_security(source)]
    if pocket == "security" and security:
        return security[0]
    main = next((source for source in sources if not _is_security(source)), sources[0])
    return replace(main, uri=f"{main.uri.rstrip('/')}-security") if pocket == "security" else main


def _is_security(source: Source) -> bool:
    return source.suite.endswith(("-security", "/updates"))


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
            yield Source(uri=match["uri"], suite=match["suite"], signed_by=options.get("signed-by", ""))


def _parse_deb822(text: str) -> Iterator[Source]:
    uncommented = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for block in re.split(r"\n\s*\n", uncommented):
        fields = {
            key.strip().lower(): value.strip()
            for key, value in re.findall(r"^([A-Za-z-]+):((?:.*(?:\n[ \t]+.*)*))", block, re.MULTILINE)
        }
        if fields.get("enabled", "yes").lower() in ("no", "false", "0") or "deb" not in fields.get("types", "").split():
            continue
        # A key embedded in the file cannot be copied into one line; apt's default keyrings have Debian's keys.
        signed_by = fields.get("signed-by", "")
        signed_by = "" if "BEGIN PGP" in signed_by else signed_by
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield Source(uri=uri, suite=suite, signed_by=signed_by)
