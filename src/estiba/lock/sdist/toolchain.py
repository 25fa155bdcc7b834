"""The locked Debian packages that build sdists, and build backends asked among them in Nix's sandbox."""

from __future__ import annotations

import json
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from packaging.requirements import Requirement

from estiba.digest import Digest
from estiba.errors import CommandError, ConfigError, ResolutionError
from estiba.lock import model
from estiba.lock.debian import debs, known_packages
from estiba.lock.model import Distribution, Lock
from estiba.nix import commands as nix
from estiba.nix.log import BuildLog

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from estiba.lock.context import LockContext
    from estiba.lock.debian.apt import AptRoot
    from estiba.lock.model import Deb
    from estiba.lock.python.pip import Choice
    from estiba.lock.sdist.backend import Question

_SHOWN: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """What builds sdists on this machine; resolved and fetched when the first of them asks.

    Attributes:
        root: The apt root, held by this process.
        platform: This machine's.
        python: The service's minor version of Python.
        resolve: Resolves the packages, for this platform or more.
        context: Where downloads are kept.
        fetch: Brings what a lock names into the store.
    """

    root: AptRoot
    platform: str
    python: str
    resolve: Callable[[], Sequence[Deb]]
    context: LockContext
    fetch: Callable[[Lock], None]
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, choice: Choice, question: Question) -> Mapping[str, Any]:
        """Call a hook of an sdist's backend in the root that the sdist will be built in.

        Raises:
            ConfigError: The library, which knows how to build, is not on hand.
            ResolutionError: The hook failed; carries its last lines.
        """
        if not self.context.config.flake:
            problem = "its build backend wants programs or headers, and nothing is on hand to ask it in the sandbox"
            raise ConfigError(choice.file, [problem], hint="enter the library's shell first: ./nixw develop")
        with self._one_at_a_time, tempfile.TemporaryDirectory(prefix="estiba-") as scratch:
            self.context.tell(f"asking the build backend of {choice.file} in the sandbox")
            lock = self._fetch(choice)
            (Path(scratch) / model.FILE_NAME).write_text(model.render(lock), encoding="utf-8")
            request = {
                "backend": question.backend,
                "backendPath": question.backend_path or (),
                "hook": question.hook,
                "lock": str(Path(scratch) / model.FILE_NAME),
                "packages": str(question.packages),
            }
            path = Path(scratch, "request.json")
            path.write_text(json.dumps(request, sort_keys=True), encoding="utf-8")
            present = {deb.name for deb in lock.debs}
            answer: dict[str, Any] = json.loads(self._build(choice, path, present).read_text(encoding="utf-8"))
        return answer

    def _fetch(self, choice: Choice) -> Lock:
        """Bring the packages and the sdist into the store and return a lock of nothing else."""
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
                options=("--log-format", "internal-json", "-v", "--offline"),
                on_line=log.feed,
                runner=self.context.runner,
            )
        except CommandError as error:
            said = log.lines.get(f"backend-of-{choice.name}", [])
            tail = "\n".join(said[-_SHOWN:]) or log.failure() or error.tail
            msg = f"the build backend of {choice.file} fails:\n{tail}"
            raise ResolutionError(msg, hint=self._advise(choice, present)) from error

    def _advise(self, choice: Choice, present: Collection[str]) -> str:
        """Name the setting that helps, and the packages where they are known."""
        known = known_packages.find_packages([Requirement(choice.name)], python=self.python).get(choice.name, {})
        missing = [name for name in known.get("debian-build", ()) if name not in present]
        if missing:
            return f"add to [tool.estiba]: debian-build = {json.dumps(missing)}"
        return (
            "name the Debian packages that have the headers or programs it misses in [tool.estiba]: "
            'debian-build = ["lib…-dev"]; or take a version that has a wheel'
        )
