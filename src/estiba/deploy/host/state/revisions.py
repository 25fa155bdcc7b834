"""The releases of a target: which one is served, and the few that are kept for a way back.

`serve/current` is a link to a numbered folder, and nginx follows it for each request. Changing that link is the switch:
before it the old release is the state, after it the new one. The folder also says which generations were served before,
so the way back changes at the same moment.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from estiba.deploy.host import closure as closures
from estiba.deploy.host.supervise.program import WEB_SOCKET
from estiba.deploy.target import Release
from estiba.nix import commands as nix
from estiba.process import run

if TYPE_CHECKING:
    from estiba.deploy.host.closure import HostClosure
    from estiba.deploy.host.state.folder import StateFolder
    from estiba.process import Runner


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A release that was brought up under a number.

    Attributes:
        number: Counts what was brought up on this target, forwards and backwards.
        closure: What runs.
        generation: Of the target's Nix profile; 0 until it is known.
        trail: The generations that were served before it, the oldest first; what was gone back from is not among them.
    """

    number: int
    closure: HostClosure
    generation: int
    trail: tuple[int, ...] = ()

    def to_release(self) -> Release:
        """Return it as every kind of target describes what it serves."""
        closure = self.closure
        return Release(number=self.number, digest=str(closure.digest), version=closure.version, commit=closure.revision)

    @property
    def side(self) -> str:
        """Which half of the paired services it runs in, so that it can start beside the one before."""
        return "ab"[self.number % 2]


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionStore:
    """The releases in a target's folder.

    Attributes:
        folder: The target's folder.
        runner: Runs Nix.
    """

    folder: StateFolder
    runner: Runner = run

    @property
    def profile(self) -> Path:
        """The Nix profile; its generations are the releases that can be gone back to."""
        return self.folder.path / "profile" / "release"

    @property
    def serve(self) -> Path:
        """The folder that nginx sees."""
        return self.folder.path / "serve"

    def place(self, number: int) -> Path:
        """Return the folder of what was brought up under a number."""
        return self.serve / "releases" / str(number)

    def run(self, number: int) -> Path:
        """Return the folder of its socket."""
        return self.place(number) / "run"

    def socket(self, number: int) -> Path:
        """Return the socket that its web process listens on."""
        return self.run(number) / WEB_SOCKET

    def add(self, closure: HostClosure, generation: int = 0) -> Revision:
        """Give a release the next number and a folder; it is not served yet."""
        number = max([0, *self._numbers()]) + 1
        # It starts beside what is served, so never on the same side.
        number += (number - self._number("current")) % 2 == 0
        trail = self._trail(closure, generation)
        revision = Revision(number=number, closure=closure, generation=generation, trail=trail)
        self.place(number).mkdir()
        self.folder.own(self.run(number))
        (self.place(number) / "files").mkdir()
        if closure.static:
            self._add_static(number, *closure.static)
        self._note(revision)
        return revision

    def load(self, number: int) -> Revision | None:
        """Return what was brought up under a number, or None where that is gone."""
        known = self.folder.read(self.place(number) / "release.json")
        if not known or not Path(known["path"]).exists():
            return None
        return Revision(
            number=number,
            closure=closures.load(Path(known["path"])),
            generation=known["generation"],
            trail=tuple(known.get("trail", ())),
        )

    def current(self) -> Revision | None:
        """Return what is served, or None before the first switch."""
        return self._linked("current")

    def switch(self, revision: Revision) -> None:
        """Serve another release from now on; files of the one before stay reachable for pages that name them."""
        before = self._number("current")
        if before and before != revision.number:
            self.folder.link(self.serve / "previous", f"releases/{before}")
        self.folder.link(self.serve / "current", f"releases/{revision.number}")

    def record(self, revision: Revision) -> Revision:
        """Make the profile agree with what is served, and return the entry with its generation."""
        if revision.generation in nix.generations(self.profile):
            if nix.current_generation(self.profile) != revision.generation:
                nix.switch_generation(self.profile, revision.generation, runner=self.runner)
            return revision
        number = nix.set_profile(self.profile, revision.closure.path, runner=self.runner)
        known = replace(revision, generation=number)
        self._note(known)
        return known

    def before(self, revision: Revision) -> tuple[int, HostClosure] | None:
        """Return the generation that was served before an entry, and its release, or None where none is left."""
        known = nix.generations(self.profile)
        for number in reversed(revision.trail):
            path = known.get(number)
            if path and path.exists() and path != revision.closure.path:
                return number, closures.load(path)
        return None

    def prune(self, keep: int) -> None:
        """Forget older generations but for the end of the way back, and folders that nothing is served from."""
        current = self.current()
        if current is None:
            return
        wanted = (*current.trail, current.generation)[-keep:]
        # What was gone back from is newer, and stays until the next release takes its place.
        known = [number for number in nix.generations(self.profile) if number < current.generation]
        nix.delete_generations(self.profile, [number for number in known if number not in wanted], runner=self.runner)
        served = {current.number, self._number("previous")}
        for number in self._numbers():
            if number not in served and number < max(served):
                shutil.rmtree(self.place(number), ignore_errors=True)

    def retract(self, revision: Revision) -> None:
        """Forget the generation of a release that was taken back, so that no rollback leads to it."""
        known = self.load(revision.number) or revision
        if known.generation and known.generation != nix.current_generation(self.profile):
            nix.delete_generations(self.profile, [known.generation], runner=self.runner)

    def remove(self, revision: Revision) -> None:
        """Forget a release that did not come to be served."""
        if revision.number != self._number("current"):
            shutil.rmtree(self.place(revision.number), ignore_errors=True)

    def unserve(self) -> None:
        """Serve nothing, as before the first switch; no rollback leads to what did not work."""
        (self.serve / "current").unlink(missing_ok=True)
        # Nix itself does not forget the current generation.
        number = nix.current_generation(self.profile)
        self.profile.unlink(missing_ok=True)
        self.profile.with_name(f"{self.profile.name}-{number}-link").unlink(missing_ok=True)

    def _trail(self, closure: HostClosure, generation: int) -> tuple[int, ...]:
        """Return the way back from a release that is served next; going back to a generation takes its end away."""
        current = self.current()
        if current is None:
            return ()
        known = nix.generations(self.profile)
        served = tuple(number for number in (*current.trail, current.generation) if number in known)
        if generation in served:
            return served[: served.index(generation)]
        return current.trail if current.closure.path == closure.path else served

    def _add_static(self, number: int, url: str, files: str) -> None:
        inside = self.place(number) / "files" / url.strip("/")
        if url.startswith("/") and url.strip("/"):
            inside.parent.mkdir(parents=True, exist_ok=True)
            inside.symlink_to(files)

    def _note(self, revision: Revision) -> None:
        known: dict[str, Any] = {
            "generation": revision.generation,
            "path": str(revision.closure.path),
            "trail": list(revision.trail),
        }
        self.folder.write(self.place(revision.number) / "release.json", known)

    def _linked(self, name: str) -> Revision | None:
        number = self._number(name)
        return self.load(number) if number else None

    def _number(self, name: str) -> int:
        link = self.serve / name
        return int(link.readlink().name) if link.is_symlink() else 0

    def _numbers(self) -> list[int]:
        return sorted(int(path.name) for path in (self.serve / "releases").iterdir() if path.name.isdigit())
