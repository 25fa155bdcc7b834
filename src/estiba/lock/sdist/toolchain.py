"""Locked Debian packages that build sdists, and calls of build backends with them in Nix's sandbox."""

from __future__ import annotations

import json
import re
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from packaging.requirements import Requirement

from estiba.digest import Digest
from estiba.errors import CommandError, ConfigError, ResolutionError
from estiba.lock import model
from estiba.lock.debian import apt, debs, known_packages
from estiba.lock.model import Distribution, Lock
from estiba.lock.python import conflict
from estiba.nix import commands as nix
from estiba.nix.log import BuildLog

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from estiba.lock.context import LockContext
    from estiba.lock.debian.apt import AptRoot
    from estiba.lock.model import Deb
    from estiba.lock.python.pip import Choice
    from estiba.lock.sdist.backend import HookCall

_SHOWN: Final = 20
_EXCEPTION: Final = re.compile(r"(AttributeError|ImportError|ModuleNotFoundError|NameError|SyntaxError|TypeError): .+")
"""Last line of a traceback that a header or a program would not have prevented."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """Toolchain for sdists on this machine; resolved and downloaded on its first use.

    Attributes:
        root: The apt root, which is locked while it is used.
        platform: Nix system name of this machine.
        python: Python minor version of the service.
        resolve: Resolves the packages of the toolchain.
        context: Download cache and runner.
        fetch: Downloads the artifacts of a lock into the store.
    """

    root: AptRoot
    platform: str
    python: str
    resolve: Callable[[], Sequence[Deb]]
    context: LockContext
    fetch: Callable[[Lock], None]
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def call_hook(self, choice: Choice, hook_call: HookCall) -> Mapping[str, Any]:
        """Call a hook of an sdist's build backend in the root file system that the sdist will be built in.

        Returns:
            As `backend.call_hook`.

        Raises:
            ConfigError: The flake of Estiba, which has the build instructions, is not configured.
            ResolutionError: The hook failed; the message has the last lines of its output.
        """
        if not self.context.config.flake:
            problem = "its build backend runs in the sandbox alone, whose instructions ESTIBA_FLAKE names"
            raise ConfigError(choice.file, [problem], hint="enter the development shell first: ./nixw develop")
        # Sdists are inspected in threads; the first to get here resolves and downloads the toolchain for all.
        with self._one_at_a_time, tempfile.TemporaryDirectory(prefix="estiba-") as scratch:
            self.context.tell(f"asking the build backend of {choice.file} in the sandbox")
            lock = self._fetch(choice)
            (Path(scratch) / model.FILE_NAME).write_text(model.render(lock), encoding="utf-8")
            request = {
                "backend": hook_call.backend,
                "backendPath": hook_call.backend_path or (),
                "hook": hook_call.hook,
                "lock": str(Path(scratch) / model.FILE_NAME),
                "packages": str(hook_call.packages),
            }
            path = Path(scratch, "request.json")
            path.write_text(json.dumps(request, sort_keys=True), encoding="utf-8")
            present = {deb.name for deb in lock.debs}
            answer: dict[str, Any] = json.loads(self._build(choice, path, present).read_text(encoding="utf-8"))
        return answer

    def _fetch(self, choice: Choice) -> Lock:
        """Download the toolchain and an sdist into the store and return a lock of these alone."""
        with apt.exclusive(self.root):
            found = [deb for deb in self.resolve() if "build" in deb.groups and self.platform in deb.platforms]
            debs.download(self.root, found, self.context.artifacts, runner=self.context.runner)
        sdist = Distribution(
            name=choice.name,
            version=choice.version,
            file=choice.file,
            kind=choice.kind,
            sha256=choice.sha256,
            size=choice.size,
            groups=("build",),
            platforms=(self.platform,),
            requires=(),
            build=(),
        )
        lock = Lock(
            inputs=Digest("0" * 64),
            python=self.python,
            suite=self.root.suite,
            pockets=self.root.pockets,
            platforms=(self.platform,),
            debs=tuple(found),
            distributions=(sdist,),
            build_distributions=(),
            layers=(),
        )
        self.fetch(lock)
        return lock

    def _build(self, choice: Choice, request: Path, present: Collection[str]) -> Path:
        library = self.context.config.flake.removeprefix("path:")
        words = ("answer", "--impure", "--file", f"{library}/nix/backend.nix", "--argstr", "request", str(request))
        log = BuildLog()
        try:
            return nix.build(
                *words,
                sandbox=self.context.config.sandbox,
                options=("--log-format", "internal-json", "-v", "--offline"),
                on_line=log.feed,
                runner=self.context.runner,
            )
        except CommandError as error:
            output = log.lines.get(f"backend-of-{choice.name}", [])
            # Frames of a traceback are those of other projects; its last line is what stopped the backend.
            shown = "\n".join(conflict.cut_tracebacks(output)[-_SHOWN:]) or log.failure() or error.tail
            is_broken = any(_EXCEPTION.match(line) for line in output)
            msg = (
                f"{choice.name} {choice.version} has no wheel for Python {self.python} on {self.platform},"
                f" and the build backend of {choice.file} fails:\n{shown}"
            )
            raise ResolutionError(msg, hint=advise(choice, self.python, present, is_broken=is_broken)) from error


def advise(choice: Choice, python: str, present: Collection[str], *, is_broken: bool) -> str:
    """Return the setting to change for an sdist that a backend fails for, with the Debian packages if they are known.

    Args:
        choice: The sdist.
        python: Python minor version.
        present: Names of the Debian packages that it was built with.
        is_broken: Whether the backend raised an exception that no package would have prevented.
    """
    # psycopg2-binary and the like have the sources of the distribution without that word.
    name = choice.name.removesuffix("-binary")
    known = known_packages.find_packages([Requirement(name)], python=python).get(name, {})
    missing = [name for name in known.get("debian-build", ()) if name not in present]
    if missing:
        return f"add to [tool.estiba]: debian-build = {json.dumps(missing)}"
    if is_broken:
        return (
            f"take a version of {choice.name} that has a wheel for Python {python}, or another python in"
            " [tool.estiba]; or where newer build requirements have lost what it uses, hold them back:"
            ' build-constraints = ["setuptools<81", "cython<3"]'
        )
    return (
        "name the Debian packages that have the headers or programs it misses in [tool.estiba]: "
        'debian-build = ["lib…-dev"]; or take a version that has a wheel'
    )
