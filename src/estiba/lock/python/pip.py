"""Resolution with pip-tools and file selection with pip, under the service's Python and for any platform."""

from __future__ import annotations

import platform as this_machine
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from packaging.markers import Marker
from packaging.utils import InvalidSdistFilename, parse_sdist_filename

from estiba.digest import Digest
from estiba.errors import CommandError, ConfigError, ResolutionError
from estiba.lock.python import conflict, graph, pins
from estiba.lock.python.interpreter import drive
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from estiba.config import Config
    from estiba.lock.artifacts import Artifacts
    from estiba.lock.python.interpreter import Interpreter
    from estiba.lock.python.pins import Pin
    from estiba.lock.sdist.backend import HookCall
    from estiba.process import Runner
    from estiba.service.declarations.foreign import Index

_OPTIONS: Final = (
    "--allow-unsafe",  # otherwise pip-compile leaves out setuptools and pip, and the lock is incomplete
    "--generate-hashes",
    "--no-config",  # a project's own pip-tools settings must not change the format
    "--no-emit-find-links",
    "--no-emit-index-url",
    "--no-emit-options",
    "--no-emit-trusted-host",
    "--no-annotate",  # annotations would be of one platform; `pins.render` writes those of all
    "--quiet",
    "--strip-extras",
)
_CONSTRAINTS: Final = "constraints.txt"
_PINNED: Final = "pinned.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolverContext:
    """Context of a resolution.

    Attributes:
        config: Settings from the environment.
        interpreter: Python interpreter of the service.
        sdists: Cache folder of sdist metadata, a file `<sha256>.json` of each; see `inspection.inspect`.
        artifacts: Download cache.
        call_hook_in_sandbox: Calls a hook of an sdist's build backend in Nix's sandbox, with the locked toolchain.
        build_constraints: Version constraints of build requirements.
        runner: Runs commands.
        offered: Packages that no index is asked for, by name: the archive of each, None for one that there is not.
        indexes: Package indexes that the project names beside pip's own.
    """

    config: Config
    interpreter: Interpreter
    sdists: Path
    artifacts: Artifacts
    call_hook_in_sandbox: Callable[[Choice, HookCall], Mapping[str, Any]]
    build_constraints: tuple[str, ...] = ()
    runner: Runner = run
    offered: Mapping[str, Choice | None] = field(default_factory=dict)
    indexes: tuple[Index, ...] = ()

    def environment(self, platform: str) -> dict[str, str]:
        """Return the marker environment (PEP 508) of a platform."""
        return graph.environment(self.interpreter.version, platform)

    def origins(self) -> dict[str, Any]:
        """Return where packages come from, as the requests of the driver have it."""
        return {"indexes": [asdict(index) for index in self.indexes], "withheld": sorted(self.offered)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """Pins that may change: all, or those of the named projects."""

    everything: bool = False
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """File of a release that pip selects for a platform; the download cache has it.

    Attributes:
        yanked: Why the project has withdrawn the file (PEP 592), empty if it has not.
    """

    name: str
    version: str
    file: str
    sha256: Digest
    size: int
    yanked: str = ""

    @property
    def kind(self) -> str:
        """`wheel` or `sdist`."""
        return "wheel" if self.file.endswith(".whl") else "sdist"


def host_platform() -> str:
    """Return the Nix system name of this machine."""
    return f"{this_machine.machine()}-linux"


def compile_pins(
    resolver: ResolverContext,
    platform: str,
    *,
    wanted: Mapping[str, Sequence[str]],
    constraints: Sequence[str] = (),
    seeds: Sequence[Pin] = (),
    upgrade: Upgrade = Upgrade(),
) -> list[Pin] | Choice:
    """Resolve requirements for a platform with pip-compile.

    Args:
        resolver: Interpreter, download cache and runner.
        platform: Nix system name.
        wanted: Requirements by the name of their file, which pip shows in error messages.
        constraints: Version constraints.
        seeds: Pins to keep.
        upgrade: Pins that may change all the same.

    Returns:
        The pins, or an sdist whose metadata is not known: `inspect` it, and resolve again.

    Raises:
        ResolutionError: No set of versions satisfies the requirements; the message quotes pip.
    """
    environment = resolver.environment(platform)
    kept = [pin for pin in seeds if not pin.marker or Marker(pin.marker).evaluate(environment)]
    with tempfile.TemporaryDirectory(prefix="estiba-") as scratch:
        folder = Path(scratch)
        for name, lines in wanted.items():
            (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        (folder / _CONSTRAINTS).write_text("".join(f"{line}\n" for line in constraints), encoding="utf-8")
        (folder / _PINNED).write_text(pins.render(kept, python=""), encoding="utf-8")
        arguments = [*_OPTIONS, "--output-file", _PINNED, *_upgrade_options(upgrade), *wanted]
        arguments += ["--constraint", _CONSTRAINTS] if constraints else []
        arguments += _offer(resolver, folder)
        answer, said = _drive(resolver, platform, arguments, cwd=folder)
        if lacking := answer.get("lacking"):
            where = "package indexes of the project that pip's configuration lacks, and their credentials with them"
            raise ConfigError(
                where, lacking, hint="set them there, or take them out of the project, then run invoke lock"
            )
        if "conflict" in answer:
            raise conflict.explain(
                answer["conflict"],
                platform=platform,
                python=resolver.interpreter.version,
                said=said,
                withheld=resolver.offered,
            )
        if unknown := answer.get("sdist"):
            return Choice(**{**unknown, "version": _version(unknown["file"]), "sha256": Digest(unknown["sha256"])})
        return pins.parse((folder / _PINNED).read_text(encoding="utf-8"))


def select(
    resolver: ResolverContext, platform: str, wanted: Sequence[Pin], *, on_line: Callable[[str], None] | None = None
) -> tuple[list[Choice], list[str]]:
    """Select the file of each pinned release for a platform and download it into the cache.

    Returns:
        The selected files, and a sentence for each pin without a usable file.
    """
    request = {
        "action": "select",
        "cache": str(resolver.artifacts.folder),
        "machine": _machine(platform),
        "pins": [{"name": pin.name, "version": pin.version, "hashes": pin.hashes} for pin in wanted],
        **resolver.origins(),
    }
    answers = drive(
        resolver.interpreter.tools, request, config=resolver.config, on_line=on_line, runner=resolver.runner
    )
    problems = [
        f"{answer['name']} {answer['version']} ({platform}): {answer['error']}"
        for answer in answers
        if "error" in answer
    ]
    choices = [Choice(**{**answer, "sha256": Digest(answer["sha256"])}) for answer in answers if "error" not in answer]
    return choices, problems


def _offer(resolver: ResolverContext, folder: Path) -> list[str]:
    """Link the archives of offered packages into a folder under their own names; return the options that name them."""
    offered = [choice for choice in resolver.offered.values() if choice]
    if not offered:
        return []
    place = folder / "offered"
    place.mkdir()
    for choice in offered:
        (place / choice.file).symlink_to(resolver.artifacts.path(choice.sha256))
    # Each file, since in a folder pip overlooks those that are no .tar.gz.
    return [word for choice in offered for word in ("--find-links", str(place / choice.file))]


def _upgrade_options(upgrade: Upgrade) -> list[str]:
    if upgrade.everything:
        return ["--upgrade"]
    return [word for name in upgrade.names for word in ("--upgrade-package", name)]


def _machine(platform: str) -> str:
    """Return the machine to emulate for a platform, or an empty string if it is this machine's."""
    return "" if platform == host_platform() else graph.MACHINES[platform]


def _version(file: str) -> str:
    """Return the version in an sdist's file name, `0` for names that do not follow PEP 625."""
    try:
        return str(parse_sdist_filename(file)[1])
    except InvalidSdistFilename:
        return "0"


def _drive(
    resolver: ResolverContext, platform: str, arguments: Sequence[str], *, cwd: Path
) -> tuple[dict[str, Any], list[str]]:
    """Run pip-compile; return the driver's answer, and what pip said."""
    lines: list[str] = []
    request = {
        "action": "compile",
        "arguments": arguments,
        "cache": str(resolver.artifacts.folder),
        "machine": _machine(platform),
        "sdists": str(resolver.sdists),
        **resolver.origins(),
    }
    try:
        answer: dict[str, Any] = drive(
            resolver.interpreter.tools,
            request,
            config=resolver.config,
            cwd=cwd,
            on_line=lines.append,
            runner=resolver.runner,
        )
    except CommandError as error:
        reason = "\n".join(conflict.cut_tracebacks(lines)).replace(f"{cwd}/", "")
        msg = f"pip finds no versions that fit together for {platform}:\n{reason}"
        raise ResolutionError(msg, hint="change the requirements that pip names, then run invoke lock") from error
    return answer, lines
