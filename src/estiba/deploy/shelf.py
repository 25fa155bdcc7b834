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

from estiba import nix
from estiba.deploy import release as releases
from estiba.deploy.program import WEB_SOCKET
from estiba.process import run

if TYPE_CHECKING:
    from estiba.deploy.folder import Folder
    from estiba.deploy.release import Release
    from estiba.process import Runner


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A release that was brought up under a number.

    Attributes:
        number: Counts what was brought up on this target, forwards and backwards.
        release: What runs.
        generation: Of the target's Nix profile; 0 until it is known.
        trail: The generations that were served before it, the oldest first; what was gone back from is not among them.
    """

    number: int
    release: Release
    generation: int
    trail: tuple[int, ...] = ()

    @property
    def side(self) -> str:
        """Which half of the paired services it runs in, so that it can start beside the one before."""
        return "ab"[self.number % 2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """The releases in a target's folder.

    Attributes:
        folder: The target's folder.
        runner: Runs Nix.
    """

    folder: Folder
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

    def add(self, release: Release, generation: int = 0) -> Entry:
        """Give a release the next number and a folder; it is not served yet."""
        number = max([0, *self._numbers()]) + 1
        # It starts beside what is served, so never on the same side.
        number += (number - self._number("current")) % 2 == 0
        trail = self._trail(release, generation)
        entry = Entry(number=number, release=release, generation=generation, trail=trail)
        self.place(number).mkdir()
        self.folder.own(self.run(number))
        (self.place(number) / "files").mkdir()
        if release.static:
            self._add_static(number, *release.static)
        self._note(entry)
        return entry

    def entry(self, number: int) -> Entry | None:
        """Return what was brought up under a number, or None where that is gone."""
        known = self.folder.read(self.place(number) / "release.json")
        if not known or not Path(known["path"]).exists():
            return None
        return Entry(
            number=number,
            release=releases.load(Path(known["path"])),
            generation=known["generation"],
            trail=tuple(known.get("trail", ())),
        )

    def current(self) -> Entry | None:
        """Return what is served, or None before the first switch."""
        return self._linked("current")

    def switch(self, entry: Entry) -> None:
        """Serve another release from now on; files of the one before stay reachable for pages that name them."""
        before = self._number("current")
        if before and before != entry.number:
            self.folder.link(self.serve / "previous", f"releases/{before}")
        self.folder.link(self.serve / "current", f"releases/{entry.number}")

    def record(self, entry: Entry) -> Entry:
        """Make the profile agree with what is served, and return the entry with its generation."""
        if entry.generation in nix.generations(self.profile):
            if nix.current_generation(self.profile) != entry.generation:
                nix.switch_generation(self.profile, entry.generation, runner=self.runner)
            return entry
        number = nix.set_profile(self.profile, entry.release.path, runner=self.runner)
        known = replace(entry, generation=number)
        self._note(known)
        return known

    def before(self, entry: Entry) -> tuple[int, Release] | None:
        """Return the generation that was served before an entry, and its release, or None where none is left."""
        known = nix.generations(self.profile)
        for number in reversed(entry.trail):
            path = known.get(number)
            if path and path.exists() and path != entry.release.path:
                return number, releases.load(path)
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

    def retract(self, entry: Entry) -> None:
        """Forget the generation of a release that was taken back, so that no rollback leads to it."""
        known = self.entry(entry.number) or entry
        if known.generation and known.generation != nix.current_generation(self.profile):
            nix.delete_generations(self.profile, [known.generation], runner=self.runner)

    def remove(self, entry: Entry) -> None:
        """Forget a release that did not come to be served."""
        if entry.number != self._number("current"):
            shutil.rmtree(self.place(entry.number), ignore_errors=True)

    def unserve(self) -> None:
        """Serve nothing, as before the first switch; no rollback leads to what did not work."""
        (self.serve / "current").unlink(missing_ok=True)
        # Nix itself does not forget the current generation.
        number = nix.current_generation(self.profile)
        self.profile.unlink(missing_ok=True)
        self.profile.with_name(f"{self.profile.name}-{number}-link").unlink(missing_ok=True)

    def _trail(self, release: Release, generation: int) -> tuple[int, ...]:
        """Return the way back from a release that is served next; going back to a generation takes its end away."""
        current = self.current()
        if current is None:
            return ()
        known = nix.generations(self.profile)
        served = tuple(number for number in (*current.trail, current.generation) if number in known)
        if generation in served:
            return served[: served.index(generation)]
        return current.trail if current.release.path == release.path else served

    def _add_static(self, number: int, url: str, files: str) -> None:
        inside = self.place(number) / "files" / url.strip("/")
        if url.startswith("/") and url.strip("/"):
            inside.parent.mkdir(parents=True, exist_ok=True)
            inside.symlink_to(files)

    def _note(self, entry: Entry) -> None:
        known: dict[str, Any] = {
            "generation": entry.generation,
            "path": str(entry.release.path),
            "trail": list(entry.trail),
        }
        self.folder.write(self.place(entry.number) / "release.json", known)

    def _linked(self, name: str) -> Entry | None:
        number = self._number(name)
        return self.entry(number) if number else None

    def _number(self, name: str) -> int:
        link = self.serve / name
        return int(link.readlink().name) if link.is_symlink() else 0

    def _numbers(self) -> list[int]:
        return sorted(int(path.name) for path in (self.serve / "releases").iterdir() if path.name.isdigit())
