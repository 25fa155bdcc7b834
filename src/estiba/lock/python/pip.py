"""pip-tools and pip, run under the service's own Python and for any of its platforms."""

from __future__ import annotations

import platform as this_machine
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from packaging.markers import Marker
from packaging.utils import InvalidSdistFilename, parse_sdist_filename

from estiba.digest import Digest
from estiba.errors import CommandError, ResolutionError
from estiba.lock.python import graph, pins
from estiba.lock.python.interpreter import drive
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from estiba.config import Config
    from estiba.lock.artifacts import Artifacts
    from estiba.lock.python.interpreter import Interpreter
    from estiba.lock.python.pins import Pin
    from estiba.lock.sdist.backend import Question
    from estiba.process import Runner

_OPTIONS: Final = (
    "--allow-unsafe",
    "--generate-hashes",
    "--no-config",
    "--no-emit-find-links",
    "--no-emit-index-url",
    "--no-emit-options",
    "--no-emit-trusted-host",
    "--no-annotate",
    "--quiet",
    "--strip-extras",
)
_CONSTRAINTS: Final = "constraints.txt"
_PINNED: Final = "pinned.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where distributions are resolved.

    Attributes:
        config: The environment's settings.
        interpreter: The service's own Python.
        sdists: The folder of what sdists have been found to say; see `sdist.inspect`.
        artifacts: The cache of downloaded files.
        ask: Asks the build backend of an sdist where the locked toolchain is.
        runner: Runs commands.
    """

    config: Config
    interpreter: Interpreter
    sdists: Path
    artifacts: Artifacts
    ask: Callable[[Choice, Question], Mapping[str, Any]]
    runner: Runner = run

    def environment(self, platform: str) -> dict[str, str]:
        """Return a platform's marker environment."""
        return graph.environment(self.interpreter.version, platform)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """Which pins may move: all of them, or those named."""

    everything: bool = False
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The file of a release that pip takes on one platform; it is in the artifact cache."""

    name: str
    version: str
    file: str
    sha256: Digest
    size: int

    @property
    def kind(self) -> str:
        """Whether it is a wheel or an sdist."""
        return "wheel" if self.file.endswith(".whl") else "sdist"


def host_platform() -> str:
    """Return the Nix system name of this machine."""
    return f"{this_machine.machine()}-linux"


def compile_pins(
    bench: Bench,
    platform: str,
    *,
    wanted: Mapping[str, Sequence[str]],
    constraints: Sequence[str] = (),
    seeds: Sequence[Pin] = (),
    upgrade: Upgrade = Upgrade(),
) -> list[Pin] | Choice:
    """Resolve requirements with pip-compile, as on a platform; or return the sdist that has to be inspected before.

    Args:
        bench: Where to do it.
        platform: Nix system name.
        wanted: Requirement lines by the name of the file that they are from.
        constraints: Bounds on versions.
        seeds: Pins to keep.
        upgrade: Which of them may move.

    Raises:
        ResolutionError: No set of versions fits; carries pip's reason.
    """
    environment = bench.environment(platform)
    kept = [pin for pin in seeds if not pin.marker or Marker(pin.marker).evaluate(environment)]
    with tempfile.TemporaryDirectory(prefix="estiba-") as scratch:
        folder = Path(scratch)
        for name, lines in wanted.items():
            (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        (folder / _CONSTRAINTS).write_text("".join(f"{line}\n" for line in constraints), encoding="utf-8")
        (folder / _PINNED).write_text(pins.render(kept, python=""), encoding="utf-8")
        arguments = [*_OPTIONS, "--output-file", _PINNED, *_upgrade_options(upgrade), *wanted]
        arguments += ["--constraint", _CONSTRAINTS] if constraints else []
        unknown = _drive(bench, platform, arguments, cwd=folder)
        if unknown:
            return Choice(**{**unknown, "version": _version(unknown["file"]), "sha256": Digest(unknown["sha256"])})
        return pins.parse((folder / _PINNED).read_text(encoding="utf-8"))


def select(
    bench: Bench, platform: str, wanted: Sequence[Pin], *, on_line: Callable[[str], None] | None = None
) -> tuple[list[Choice], list[str]]:
    """Choose the file of each pinned release for a platform and bring it into the cache.

    Returns:
        The choices, and a problem for each pin that has no file to choose.
    """
    request = {
        "action": "select",
        "cache": str(bench.artifacts.folder),
        "machine": _machine(platform),
        "pins": [{"name": pin.name, "version": pin.version, "hashes": pin.hashes} for pin in wanted],
    }
    answers = drive(bench.interpreter.tools, request, config=bench.config, on_line=on_line, runner=bench.runner)
    problems = [
        f"{answer['name']} {answer['version']} ({platform}): {answer['error']}"
        for answer in answers
        if "error" in answer
    ]
    choices = [Choice(**{**answer, "sha256": Digest(answer["sha256"])}) for answer in answers if "error" not in answer]
    return choices, problems


def _upgrade_options(upgrade: Upgrade) -> list[str]:
    if upgrade.everything:
        return ["--upgrade"]
    return [word for name in upgrade.names for word in ("--upgrade-package", name)]


def _machine(platform: str) -> str:
    """Return the machine to emulate, or an empty string on a machine of that kind."""
    return "" if platform == host_platform() else graph.MACHINES[platform]


def _version(file: str) -> str:
    """Return the version in an sdist's name, which old ones write in their own ways."""
    try:
        return str(parse_sdist_filename(file)[1])
    except InvalidSdistFilename:
        return "0"


def _drive(bench: Bench, platform: str, arguments: Sequence[str], *, cwd: Path) -> dict[str, Any] | None:
    lines: list[str] = []
    request = {
        "action": "compile",
        "arguments": arguments,
        "cache": str(bench.artifacts.folder),
        "machine": _machine(platform),
        "sdists": str(bench.sdists),
    }
    try:
        answer: dict[str, Any] | None = drive(
            bench.interpreter.tools, request, config=bench.config, cwd=cwd, on_line=lines.append, runner=bench.runner
        )
    except CommandError as error:
        msg = f"pip finds no versions that fit together for {platform}:\n{_reason(lines, cwd)}"
        raise ResolutionError(msg, hint="change the requirements that pip names, then run invoke lock") from error
    return answer


def _reason(lines: Sequence[str], folder: Path) -> str:
    """Return what pip said about a failed resolution, without the names of temporary files."""
    first = next((number for number, line in enumerate(lines) if "ERROR" in line), max(0, len(lines) - 20))
    said = "\n".join(line for line in lines[first:] if not line.startswith("  File ") and "Traceback" not in line)
    return said.replace(f"{folder}/", "")
