"""The binary cache beside plain `nix copy`: pushing an image to an empty folder, and taking it into an empty store."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any, Final

from benchmarks.stopwatch import Action, measure

from estiba.cache import contents, keys, push
from estiba.cache.address import Address
from estiba.process import run

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.subject import Subject

RUNS: Final = 5

_HEAD: Final = """
## The binary cache

The image of {megabytes:.0f} MB, both platforms, pushed to a folder and taken from it, beside `nix copy` with zstd and
the same key. A command starts Python and all else first; "without the start" is what remains. Medians of {runs} runs.

| | Estiba | `nix copy` | ratio |
| --- | ---: | ---: | ---: |
"""


class Caches:
    """A cache in a folder, an empty store, and what is moved between."""

    def __init__(self, subject: Subject, folder: Path) -> None:
        self._subject = subject
        self._cache = Address.parse(str(folder / "cache"))
        self._store = folder / "store"
        self._key = keys.generate("benchmark-1", folder / "benchmark.key")
        self._path = str((subject.folder / ".estiba" / "image").readlink())

    def measure(self) -> dict[str, Any]:
        """Measure everything, in the form of the results file."""
        actions = {
            "copied": Action(self._copy, self._forget),
            "pushed": Action(self._push, self._forget),
            "sent": Action(self._send, self._forget),
            "fetched": Action(self._fetch, self._discard),
            "substituted": Action(self._substitute, self._discard),
        }
        found = {name: times.to_dict() for name, times in measure(actions, runs=RUNS).items()}
        self._discard()
        return {**found, "size": sum(entry.nar_size for entry in contents.read(self._cache).entries)}

    def _copy(self) -> None:
        """Push with Nix alone."""
        target = self._cache.store(**{"compression": "zstd", "secret-key": str(self._key.file)})
        run(["nix", "copy", "--to", target, self._path])

    def _push(self) -> None:
        """Push with the command that a user types."""
        sent = self._subject.invoke("cache.push", str(self._cache.folder), "--key", str(self._key.file), "--json")
        assert json.loads(sent)["paths"]

    def _send(self) -> None:
        """Push without starting anything but Nix."""
        push.push(push.plan(self._cache, [self._path], key=self._key), advance=lambda _: None)

    def _fetch(self) -> None:
        """Take with Nix's own copy."""
        run(["nix", "copy", "--from", self._cache.url, "--to", str(self._store), *self._trust(), self._path])

    def _substitute(self) -> None:
        """Take as a build does on a machine that uses the cache."""
        words = ["--no-link", "--store", str(self._store), "--option", "substituters", self._cache.url, *self._trust()]
        run(["nix", "build", self._path, *words])

    def _trust(self) -> list[str]:
        return ["--option", "trusted-public-keys", str(self._key.public)]

    def _forget(self) -> None:
        shutil.rmtree(str(self._cache.folder), ignore_errors=True)

    def _discard(self) -> None:
        if self._store.exists():
            run(["chmod", "--recursive", "u+w", str(self._store)])
            shutil.rmtree(self._store)


def render(results: dict[str, Any]) -> str:
    """Return the page's chapter as Markdown."""
    rows = (
        ("push, whole command", "pushed", "copied"),
        ("push, without the start", "sent", "copied"),
        ("take", "substituted", "fetched"),
    )
    head = _HEAD.format(megabytes=results["size"] / 1e6, runs=len(results["sent"]["runs"]))
    return head + "".join(_row(name, results[ours], results[theirs]) for name, ours, theirs in rows)


def _row(name: str, ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    ratio = ours["median"] / theirs["median"]
    return f"| {name} | {ours['median']:.2f} s | {theirs['median']:.2f} s | {ratio:.2f} |\n"
