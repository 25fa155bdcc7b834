"""Revisions of a target: the served one, and the generations of the Nix profile that a rollback can return to.

`serve/current` is a symbolic link to the folder of a revision, and nginx follows it for each request. Replacing that
link is the switch, atomic for both: the release that is served, and the history that a rollback goes along, which is in
the folder of the revision.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from estiba.deploy.host import closure as closures
from estiba.deploy.host.state import copies, users
from estiba.deploy.host.state.folder import damage
from estiba.deploy.host.state.releases import ReleaseRecords
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
    """Release that was started on the target, under a number of its own each time.

    Attributes:
        number: Revision number; each deploy and each rollback takes a higher one.
        closure: Host closure of the release.
        generation: Generation of the target's Nix profile; 0 until it has one.
        trail: Generations that were served before it, oldest first, without those that were rolled back from.
    """

    number: int
    closure: HostClosure
    generation: int
    trail: tuple[int, ...] = ()

    def to_release(self) -> Release:
        """Return the revision as the value that all kinds of targets share."""
        closure = self.closure
        return Release(number=self.number, digest=str(closure.digest), version=closure.version, commit=closure.revision)

    @property
    def slot(self) -> str:
        """Slot of its processes, `a` or `b`, so that it can start beside the previous revision (A/B deployment)."""
        return "ab"[self.number % 2]


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionStore:
    """Storage of revisions in a state folder and a Nix profile.

    Attributes:
        folder: State folder of the target.
        runner: Runner of Nix commands.
    """

    folder: StateFolder
    runner: Runner = run

    @property
    def profile(self) -> Path:
        """Nix profile, whose generations are the releases to roll back to; they are roots of the garbage collector."""
        return self.folder.path / "profile" / "release"

    @property
    def serve(self) -> Path:
        """Folder that nginx has mounted."""
        return self.folder.path / "serve"

    @property
    def releases(self) -> ReleaseRecords:
        """Records of the releases that are kept."""
        return ReleaseRecords(folder=self.folder)

    def directory(self, number: int) -> Path:
        """Return the folder of a revision."""
        return self.serve / "releases" / str(number)

    def run(self, number: int) -> Path:
        """Return the folder of a revision's socket."""
        return self.directory(number) / "run"

    def socket(self, number: int) -> Path:
        """Return the Unix socket that a revision's web process listens on."""
        return self.run(number) / WEB_SOCKET

    def add(self, closure: HostClosure, generation: int = 0) -> Revision:
        """Create a revision of a release, without serving it.

        Args:
            closure: Host closure of the release.
            generation: Generation of the profile that holds it; 0 if it has none yet.
        """
        copies.make(self.folder, closure)
        number = max([0, *self._numbers()]) + 1
        # It starts beside the served revision, so it needs the other slot.
        number += (number - self._number("current")) % 2 == 0
        trail = self._trail(closure, generation)
        revision = Revision(number=number, closure=closure, generation=generation, trail=trail)
        self.folder.open_up(self.directory(number))
        self.folder.own(self.run(number), self.folder.user(users.SERVICE), group=self.folder.user(users.NGINX))
        self.folder.open_up(self.directory(number) / "files")
        if closure.static:
            self._add_static(number, *closure.static)
        self._note(revision)
        return revision

    def load(self, number: int) -> Revision | None:
        """Load a revision, or return None if it was removed or its closure was garbage-collected."""
        file = self.directory(number) / "release.json"
        known = self.folder.read(file)
        if not known and not file.exists():
            return None
        try:
            path, generation, trail = Path(known["path"]), int(known["generation"]), tuple(known.get("trail", ()))
        except (KeyError, TypeError, ValueError) as error:
            raise damage(file, f"{type(error).__name__}: {error}") from error
        if not path.exists():
            return None
        return Revision(number=number, closure=closures.load(path), generation=generation, trail=trail)

    def current(self) -> Revision | None:
        """Return the revision that is served, or None."""
        return self._linked("current")

    def previous(self) -> Revision | None:
        """Return the revision that was served before the current one, or None."""
        return self._linked("previous")

    def switched(self) -> float:
        """Return the time at which the served revision was switched to, in seconds since the epoch."""
        return (self.serve / "current").lstat().st_mtime

    def switch(self, revision: Revision) -> None:
        """Serve a revision from now on.

        `serve/previous` keeps static files of the last one reachable, for pages that browsers have loaded before.
        """
        before = self._number("current")
        if before and before != revision.number:
            self.folder.link(self.serve / "previous", f"releases/{before}")
        self.folder.link(self.serve / "current", f"releases/{revision.number}")

    def record(self, revision: Revision) -> Revision:
        """Make a served revision the current generation of the profile, and return it with its generation."""
        if revision.generation in nix.generations(self.profile):
            if nix.current_generation(self.profile) != revision.generation:
                nix.switch_generation(self.profile, revision.generation, runner=self.runner)
            return revision
        number = nix.set_profile(self.profile, revision.closure.path, runner=self.runner)
        known = replace(revision, generation=number)
        self._note(known)
        return known

    def before(self, revision: Revision) -> tuple[int, HostClosure] | None:
        """Return the generation to roll back to from a revision, and its closure, or None if there is none.

        It is the last one of the trail that has passed its smoke tests.
        """
        kept = {number: closure for number, closure in self.kept(revision) if number in revision.trail}
        verified = (number for number, closure in kept.items() if self.releases.load(closure.path).is_verified)
        return next(((number, kept[number]) for number in verified), None)

    def kept(self, revision: Revision) -> list[tuple[int, HostClosure]]:
        """Return the generations of other releases than that of a revision, with their closures.

        Those of its trail come first, the last one served first; then those that were rolled back from.
        """
        known = nix.generations(self.profile)
        numbers = [*reversed(revision.trail), *sorted(set(known) - set(revision.trail), reverse=True)]
        # The same closure again would be no way out of its faults.
        paths = {number: known[number] for number in numbers if number in known}
        return [
            (number, closures.load(path))
            for number, path in paths.items()
            if path.exists() and path != revision.closure.path
        ]

    def prune(self, keep: int) -> None:
        """Delete generations beyond the last `keep` of the trail, and folders of revisions that are not served."""
        current = self.current()
        if current is None:
            return
        wanted = (*current.trail, current.generation)[-keep:]
        # Newer generations were rolled back from; they stay until the next deployment makes them older.
        known = [number for number in nix.generations(self.profile) if number < current.generation]
        nix.delete_generations(self.profile, [number for number in known if number not in wanted], runner=self.runner)
        served = {current.number, self._number("previous")}
        for number in self._numbers():
            if number not in served and number < max(served):
                shutil.rmtree(self.directory(number), ignore_errors=True)
        left = {revision.closure.path for number in self._numbers() if (revision := self.load(number))}
        left |= {path for path in nix.generations(self.profile).values() if path.exists()}
        self.releases.prune(left)
        copies.prune(self.folder, {own for path in left for own in closures.load(path).own})

    def retract(self, revision: Revision) -> None:
        """Delete the generation of a revision that was reverted."""
        known = self.load(revision.number) or revision
        if known.generation and known.generation != nix.current_generation(self.profile):
            nix.delete_generations(self.profile, [known.generation], runner=self.runner)

    def remove(self, revision: Revision) -> None:
        """Remove the folder of a revision unless it is served."""
        if revision.number != self._number("current"):
            shutil.rmtree(self.directory(revision.number), ignore_errors=True)

    def unserve(self) -> None:
        """Serve nothing, as before the first deployment, and delete the current generation."""
        (self.serve / "current").unlink(missing_ok=True)
        # By hand, since `nix-env --delete-generations` refuses the current generation.
        number = nix.current_generation(self.profile)
        self.profile.unlink(missing_ok=True)
        self.profile.with_name(f"{self.profile.name}-{number}-link").unlink(missing_ok=True)

    def _trail(self, closure: HostClosure, generation: int) -> tuple[int, ...]:
        """Return the trail of the next revision: a rollback shortens it to the generation that it returns to."""
        current = self.current()
        if current is None:
            return ()
        known = nix.generations(self.profile)
        served = tuple(number for number in (*current.trail, current.generation) if number in known)
        if generation in served:
            return served[: served.index(generation)]
        return current.trail if current.closure.path == closure.path else served

    def _add_static(self, number: int, url: str, files: str) -> None:
        inside = self.directory(number) / "files" / url.strip("/")
        if url.startswith("/") and url.strip("/"):
            for parent in reversed(inside.relative_to(self.directory(number)).parents[:-2]):
                self.folder.open_up(self.directory(number) / parent)
            inside.symlink_to(files)

    def _note(self, revision: Revision) -> None:
        known: dict[str, Any] = {
            "generation": revision.generation,
            "path": str(revision.closure.path),
            "trail": list(revision.trail),
        }
        self.folder.write(self.directory(revision.number) / "release.json", known)

    def _linked(self, name: str) -> Revision | None:
        number = self._number(name)
        return self.load(number) if number else None

    def _number(self, name: str) -> int:
        link = self.serve / name
        if not link.is_symlink():
            return 0
        target = link.readlink()
        if not target.name.isdecimal():
            raise damage(link, f"{target} is no revision")
        return int(target.name)

    def _numbers(self) -> list[int]:
        return sorted(int(path.name) for path in (self.serve / "releases").iterdir() if path.name.isdigit())
