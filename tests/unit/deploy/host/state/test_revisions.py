from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.recording import RecordingRunner

from estiba.deploy.host import closure as closures
from estiba.deploy.host.state.folder import StateFolder
from estiba.deploy.host.state.revisions import RevisionStore
from estiba.errors import DeployError, TargetError
from estiba.nix import commands as nix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from estiba.deploy.host.closure import HostClosure
    from estiba.process import Completed

ROOT = {"tree": "/nix/store/t", "binds": {}, "links": {}}


@pytest.fixture
def revisions(tmp_path: Path) -> RevisionStore:
    """Return an empty shelf."""
    folder = StateFolder.at(tmp_path / "state")
    folder.prepare()
    return RevisionStore(folder=folder, runner=RecordingRunner())


def make(path: Path, *, version: str = "1.0", layout: int = 1) -> HostClosure:
    """Write a release and read it."""
    path.mkdir()
    described = {
        "format": layout,
        "service": "shop",
        "version": version,
        "revision": "",
        "lock": "sha256:0",
        "app": {**ROOT, "env": {}, "cwd": "/app", "entrypoint": ["/opt/venv/bin/python"]},
        "media": "/app/media",
        "static": {"url": "/static/", "files": "/nix/store/s"},
        "processes": ["web"],
        "probes": [],
        "servers": {"tree": "/nix/store/t", "postgresql": "17", "versions": {"nginx": "1"}},
        "supervisor": "/nix/store/r",
        "listener": True,
        "users": True,
    }
    (path / "host.json").write_text(json.dumps(described))
    return closures.load(path)


def test_release_of_another_format_is_refused(tmp_path: Path) -> None:
    """A release from a newer library is not half understood."""
    with pytest.raises(DeployError, match="has format 2, this Estiba reads 1"):
        make(tmp_path / "one", layout=2)


def test_switch_serves_one_whole_release(revisions: RevisionStore, tmp_path: Path) -> None:
    """Nothing is served before the switch; after it the files of both releases can be found."""
    first, second = (revisions.add(make(tmp_path / name)) for name in ("one", "two"))
    assert revisions.current() is None

    revisions.switch(first)
    revisions.switch(second)

    assert revisions.current() == second
    assert (revisions.serve / "previous" / "files" / "static").readlink().name == "s"


def test_next_release_starts_on_the_other_side(revisions: RevisionStore, tmp_path: Path) -> None:
    """What is brought up never takes the services of what is served, also after one that was taken back."""
    closure = make(tmp_path / "one")
    current = revisions.add(closure)
    revisions.switch(current)
    failed = revisions.add(closure)
    after = revisions.add(closure)

    assert failed.slot != current.slot
    assert after.slot != current.slot
    assert after.number > failed.number


def test_profile_gets_a_generation_once(revisions: RevisionStore, tmp_path: Path) -> None:
    """A release that has its generation is switched back to, another one becomes a new generation."""
    closure = make(tmp_path / "one")
    (revisions.profile.parent / "release-1-link").symlink_to(closure.path)
    (revisions.profile.parent / "release-2-link").symlink_to(make(tmp_path / "two").path)
    revisions.profile.symlink_to("release-2-link")

    revisions.record(revisions.add(closure, 1))
    revisions.record(revisions.add(closure))

    runner = revisions.runner
    assert isinstance(runner, RecordingRunner)
    assert [call[3:] for call in runner.calls] == [["--switch-generation", "1"], ["--set", str(closure.path)]]


class Profile(RecordingRunner):
    """Stands in for Nix's profiles: numbers generations as Nix does."""

    def __call__(self, argv: Sequence[str], **options: Any) -> Completed:  # noqa: ANN401 - as `run` takes them
        """Do what `nix-env` does with links."""
        profile, (command, *words) = Path(argv[2]), argv[3:]
        known = nix.generations(profile)
        number = max(known, default=0)
        if command == "--delete-generations":
            for word in words:
                profile.with_name(f"release-{word}-link").unlink()
            return super().__call__(argv, **options)
        if command == "--switch-generation":
            number = int(words[0])
        elif not known or known[number] != Path(words[0]):
            number += 1
            profile.with_name(f"release-{number}-link").symlink_to(words[0])
        profile.unlink(missing_ok=True)
        profile.symlink_to(f"release-{number}-link")
        return super().__call__(argv, **options)


def serve(revisions: RevisionStore, closure: HostClosure, generation: int = 0, keep: int = 9) -> None:
    """Serve a release as a deployment does, or as a rollback does to a generation."""
    revision = revisions.add(closure, generation)
    revisions.switch(revision)
    revisions.record(revision)
    revisions.prune(keep)


def go_back(revisions: RevisionStore) -> str:
    """Go back once, and return the name of the release, or an empty string where there is no way back."""
    current = revisions.current()
    assert current is not None
    found = revisions.before(current)
    if found is None:
        return ""
    number, closure = found
    serve(revisions, closure, number)
    return closure.path.name


@pytest.mark.parametrize(
    ("served", "ways"),
    [
        pytest.param("abc", ["b", "a", ""], id="one-after-the-other"),
        pytest.param("abac", ["a", "b", "a", ""], id="the-same-again"),
        pytest.param("ab<c", ["a", ""], id="not-to-what-was-gone-back-from"),
        pytest.param("ab<b", ["a", ""], id="what-was-gone-back-from-again"),
        pytest.param("abc<<c", ["a", ""], id="far-back-and-the-newest-again"),
        pytest.param("abc<<bd", ["b", "a", ""], id="another-order"),
        pytest.param("abb", ["a", ""], id="twice-the-same"),
        pytest.param("a", [""], id="first"),
    ],
)
def test_way_back_is_what_was_served_before(
    revisions: RevisionStore, tmp_path: Path, served: str, ways: list[str]
) -> None:
    """Each rollback goes on along what was served, never to a release that was gone back from."""
    revisions = replace(revisions, runner=Profile())
    known = {name: make(tmp_path / name) for name in sorted(set(served) - {"<"})}
    for name in served:
        if name == "<":
            go_back(revisions)
        else:
            serve(revisions, known[name])

    assert [go_back(revisions) for _ in ways] == ways


def test_way_back_passes_over_what_the_store_has_lost(revisions: RevisionStore, tmp_path: Path) -> None:
    """A generation that was forgotten by hand, or whose files are gone, is no way back."""
    revisions = replace(revisions, runner=Profile())
    for name in "abcd":
        serve(revisions, make(tmp_path / name))
    (tmp_path / "c").rename(tmp_path / "gone")
    revisions.profile.with_name("release-2-link").unlink()

    assert go_back(revisions) == "a"


def test_end_of_the_way_back_is_kept(revisions: RevisionStore, tmp_path: Path) -> None:
    """So many releases are kept as were asked for; one that was gone back from is not among them for long."""
    revisions = replace(revisions, runner=Profile())
    known = {name: make(tmp_path / name) for name in "abcdx"}
    for name in "abcx":
        serve(revisions, known[name], keep=3)
    go_back(revisions)
    assert {path.name for path in nix.generations(revisions.profile).values()} == set("bcx")

    serve(revisions, known["d"], keep=3)

    assert {path.name for path in nix.generations(revisions.profile).values()} == set("bcd")


@pytest.mark.parametrize(
    ("generation", "forgotten"),
    [
        pytest.param(2, [["--delete-generations", "2"]], id="its-own"),
        pytest.param(1, [], id="served"),
        pytest.param(0, [], id="none"),
    ],
)
def test_taken_back_release_is_forgotten(
    revisions: RevisionStore, tmp_path: Path, generation: int, forgotten: list[list[str]]
) -> None:
    """A release that was taken back loses its generation, unless that is the one that is served again."""
    revisions.profile.symlink_to("release-1-link")

    revisions.retract(revisions.add(make(tmp_path / "one"), generation))

    runner = revisions.runner
    assert isinstance(runner, RecordingRunner)
    assert [call[3:] for call in runner.calls] == forgotten


def test_first_release_that_failed_is_forgotten(revisions: RevisionStore, tmp_path: Path) -> None:
    """Where nothing is served after a failure, the profile is empty too."""
    revision = revisions.add(make(tmp_path / "one"))
    revisions.profile.with_name("release-1-link").symlink_to(revision.closure.path)
    revisions.profile.symlink_to("release-1-link")
    revisions.switch(revision)

    revisions.unserve()

    assert revisions.current() is None
    assert list(revisions.profile.parent.iterdir()) == []


def test_folder_of_another_service_is_refused(tmp_path: Path) -> None:
    """Two services of one name do not share a database."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    folder = StateFolder.at(tmp_path / "state")
    folder.claim(one)

    with pytest.raises(TargetError, match=f"belongs to the service in {one}, and this is {two}"):
        folder.claim(two)


def test_folder_in_a_repository_of_several_services_is_taken(tmp_path: Path) -> None:
    """Nix copies what git knows, also where the repository begins above the service."""
    (tmp_path / ".git").mkdir()
    service = tmp_path / "services" / "shop"
    service.mkdir(parents=True)

    StateFolder.at(service / "state").claim(service)

    assert (service / "state" / "data").is_dir()


def test_folder_in_what_nix_copies_is_refused(tmp_path: Path) -> None:
    """A database beside the sources would be copied into the store, for everybody to read."""
    with pytest.raises(TargetError, match="which Nix copies as a whole"):
        StateFolder.at(tmp_path / "state").claim(tmp_path)


def test_way_back_skips_what_has_not_passed_its_tests(revisions: RevisionStore, tmp_path: Path) -> None:
    """A release that stayed though it failed is kept, and named by its version alone."""
    revisions = replace(revisions, runner=Profile())
    known = {name: make(tmp_path / name) for name in "abc"}
    for name in "abc":
        serve(revisions, known[name])
    revisions.releases._write(known["b"].path, None, is_verified=False)
    current = revisions.current()

    assert current
    assert [closure.path.name for _, closure in revisions.kept(current)] == ["b", "a"]
    assert go_back(revisions) == "a"
