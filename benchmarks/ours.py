"""Our side: Nix builds of the same service, in this machine's store and in empty ones."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any, Final

from estiba.build import flake
from estiba.nix import commands as nix
from estiba.process import run

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.subject import Subject

    from estiba.config import Config

_ATTRIBUTE = "image"
_BASE: Final = ("debian", "layer-bytecode", "installer", "python-3.13")
"""Names of derivations of what a peer's base image has: Debian's packages, Python, what installs wheels."""


class Ours:
    """Builds of one service."""

    def __init__(self, subject: Subject, settings: Config, folder: Path) -> None:
        self._subject = subject
        self._settings = settings
        self._folder = folder
        self._stores = 0

    def evaluate(self) -> str:
        """Evaluate the image's derivation without the evaluation cache."""
        (installable,) = flake.installable_arguments(self._subject.folder, _ATTRIBUTE, self._settings)
        lock_file = flake.lock_inputs(self._subject.folder, self._settings)
        path = nix.evaluate(f"{installable}.drvPath", lock_file=lock_file, options=["--option", "eval-cache", "false"])
        return str(path)

    def build(self, *options: str) -> dict[str, Any]:
        """Build with the command that a user types."""
        built: dict[str, Any] = json.loads(self._subject.invoke("build", "--json", *options))
        return built

    def empty(self, *, based: bool = False) -> None:
        """Make a store that has the locked files and the builders' own tools, and nothing of the service.

        Args:
            based: Whether it has what comes from Debian alone, as peers have their base image.
        """
        self._stores += 1
        words = flake.installable_arguments(self._subject.folder, _ATTRIBUTE, self._settings)
        lock_file = flake.lock_inputs(self._subject.folder, self._settings)
        wanted = nix.fixed_outputs(*words, lock_file=lock_file)
        missing = set(nix.find_invalid(wanted))
        nix.copy([path for path in wanted if path not in missing], self._store)
        tools = nix.build(f"{self._settings.flake}#python")
        nix.copy([str(tools), *(self._find_base() if based else [])], self._store)

    def _find_base(self) -> list[str]:
        """Build in this machine's store, and return what is there of the base."""
        self.build()
        derivations = run(["nix-store", "--query", "--requisites", self.evaluate()]).stdout.split()
        wanted = [path for path in derivations if path[44:] in {f"{name}.drv" for name in _BASE}]
        return run(["nix-store", "--query", "--outputs", *wanted]).stdout.split()

    def build_cold(self, attribute: str = _ATTRIBUTE) -> None:
        """Build in the store that `empty` made."""
        options = ["--store", str(self._store), "--option", "substituters", ""]
        flake.realise(self._subject.folder, attribute, self._settings, options=options)

    def discard(self) -> None:
        """Remove the stores; not between two builds, since removing so much goes on behind the next one."""
        run(["chmod", "--recursive", "u+w", str(self._folder)])
        shutil.rmtree(self._folder)

    @property
    def _store(self) -> Path:
        return self._folder / f"store-{self._stores}"

    def push(self, ref: str) -> dict[str, Any]:
        """Push with the command that a user types."""
        pushed: dict[str, Any] = json.loads(self._subject.invoke("image.push", ref, "--json"))
        return pushed
