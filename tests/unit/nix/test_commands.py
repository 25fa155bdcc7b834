from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.recording import RecordingRunner

from estiba import config
from estiba.errors import CommandError, ConfigError
from estiba.nix import commands as nix

BUILT = json.dumps([{"drvPath": "/nix/store/x.drv", "outputs": {"out": "/nix/store/y-image"}}])
"""As `nix build --json` of Nix 2.26 prints it."""


def test_build_returns_the_output() -> None:
    """A build is one command and yields the path of `out`."""
    runner = RecordingRunner(BUILT)

    assert nix.build(".#image", runner=runner) == Path("/nix/store/y-image")
    assert runner.calls == [["nix", "build", ".#image", "--json", "--no-link"]]


def test_build_with_everything() -> None:
    """Link, lock file and options go into the command in a fixed order; the lock file is left alone."""
    runner = RecordingRunner(BUILT)

    nix.build(
        ".#image",
        lock_file=Path("other.lock"),
        options=["--offline"],
        out_link=Path("result"),
        runner=runner,
    )

    lock = ["--reference-lock-file", "other.lock", "--no-write-lock-file", "--option", "allow-dirty-locks", "true"]
    assert runner.calls == [["nix", "build", ".#image", "--json", "--out-link", "result", *lock, "--offline"]]


def test_store_path_is_found_where_it_lies(tmp_path: Path) -> None:
    """A store of the user's own has its paths below its folder; a path that is in place is taken as it is."""
    path = Path("/nix/store/00000000000000000000000000000000-none")
    (tmp_path / "link").symlink_to(path)
    (tmp_path / "there").mkdir()

    assert nix.locate(path, tmp_path) == tmp_path / path.relative_to("/")
    assert nix.locate(tmp_path / "link", tmp_path) == tmp_path / path.relative_to("/")
    assert nix.locate(path, Path("/")) == path
    assert nix.locate(tmp_path / "there", Path("/elsewhere")) == tmp_path / "there"
    assert nix.locate(Path("not/there"), tmp_path) == Path("not/there")


def test_lock_overrides_inputs() -> None:
    """A flake's lock with other inputs is read from its metadata, in the order of the inputs' names."""
    runner = RecordingRunner('{"locks": {"version": 7}}')

    assert nix.lock(".", {"zeta": "path:/z", "estiba": "path:/e"}, runner=runner) == {"version": 7}
    overrides = ["--override-input", "estiba", "path:/e", "--override-input", "zeta", "path:/z"]
    assert runner.calls == [["nix", "flake", "metadata", ".", "--json", *overrides, "--no-write-lock-file"]]


def test_fixed_outputs_are_those_with_a_hash() -> None:
    """What is named by its content is told from what is built, in the old form of the derivations and in the new."""
    outputs = {"a": {"outputs": {"out": {"path": "/nix/store/b-two", "hash": "00"}}}}
    built = {"c": {"outputs": {"out": {"path": "/nix/store/c-three"}}}}
    old = json.dumps(outputs | built)
    new = json.dumps(
        {"version": 4, "derivations": {"a": {"outputs": {"out": {"path": "b-two", "hash": "00"}}}} | built}
    )

    for shown in (old, new):
        assert nix.fixed_outputs(".#image", runner=RecordingRunner(shown)) == ["/nix/store/b-two"]


def test_failed_build_raises() -> None:
    """What Nix refuses is an error."""
    with pytest.raises(CommandError):
        nix.build(".#image", runner=RecordingRunner(1))


def test_evaluate_parses_json() -> None:
    """An evaluated attribute arrives as a Python value."""
    runner = RecordingRunner('{"layers": 3}')

    assert nix.evaluate(".#lib", runner=runner) == {"layers": 3}
    assert runner.calls == [["nix", "eval", ".#lib", "--json"]]


def test_add_fixed_is_one_command() -> None:
    """All files go into the store with one command, and their paths come back in order."""
    runner = RecordingRunner("/nix/store/a-one\n/nix/store/b-two\n")

    assert nix.add_fixed([Path("one"), Path("two")], runner=runner) == [
        Path("/nix/store/a-one"),
        Path("/nix/store/b-two"),
    ]
    assert runner.calls == [["nix-store", "--add-fixed", "sha256", "one", "two"]]


def test_add_fixed_of_a_tree() -> None:
    """A folder is added recursively."""
    runner = RecordingRunner("/nix/store/a-tree\n")

    nix.add_fixed([Path("tree")], recursive=True, runner=runner)

    assert runner.calls == [["nix-store", "--add-fixed", "--recursive", "sha256", "tree"]]


def test_adding_nothing_runs_nothing() -> None:
    """Without files there is no command."""
    runner = RecordingRunner()

    assert nix.add_fixed([], runner=runner) == []
    assert runner.calls == []


def test_delete_is_one_command() -> None:
    """One path is deleted, and only if nothing refers to it."""
    runner = RecordingRunner("")

    nix.delete(Path("/nix/store/x-results"), runner=runner)

    assert runner.calls == [["nix", "store", "delete", "/nix/store/x-results"]]


def answer(*, sandbox: bool | str, fallback: bool = False) -> str:
    """Return what `nix config show --json` of Nix 2.26 prints of these settings."""
    return json.dumps({"sandbox": {"value": sandbox}, "sandbox-fallback": {"value": fallback}})


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([answer(sandbox=True)], True),
        ([answer(sandbox="relaxed")], True),
        ([answer(sandbox=False)], False),
        ([1, answer(sandbox=False)], False),
        ([1, answer(sandbox=True)], True),
        ([answer(sandbox=True, fallback=True), ""], True),
        ([answer(sandbox=True, fallback=True), 1], False),
    ],
    ids=["on", "relaxed", "off", "off in an old Nix", "on in an old Nix", "possible", "impossible"],
)
def test_hermetic_is_what_the_sandbox_is(tmp_path: Path, answers: list[str | int], *, expected: bool) -> None:
    """Nix says whether it has its sandbox; where it may do without, it is tried whether there can be one."""
    runner = RecordingRunner(*answers)

    assert nix.is_hermetic(tmp_path / "none", runner=runner) is expected
    assert len(runner.calls) == len(answers)


def test_hermetic_is_asked_in_the_words_of_old_versions_too(tmp_path: Path) -> None:
    """Before Nix 2.20 the command has another name; a fallback is tried with the namespaces that the sandbox takes."""
    runner = RecordingRunner(1, answer(sandbox=True, fallback=True), "")
    nix.is_hermetic(tmp_path / "none", runner=runner)

    spaces = ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork"]
    assert runner.calls == [
        ["nix", "config", "show", "--json"],
        ["nix", "show-config", "--json"],
        [*spaces, "mount", "-t", "proc", "proc", "/proc"],
    ]


def test_store_that_was_built_in_without_the_sandbox_stays_so(tmp_path: Path) -> None:
    """Its mark counts more than what Nix does now."""
    (tmp_path / "mark").touch()

    assert not nix.is_hermetic(tmp_path / "mark", runner=RecordingRunner(answer(sandbox=True)))


def test_build_without_the_sandbox_marks_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mark is there before the builders look for it."""
    monkeypatch.setattr(nix, "UNSANDBOXED", tmp_path / "var" / "mark")

    nix.build(".#image", sandbox=config.CONTAINER, runner=RecordingRunner(BUILT))
    assert (tmp_path / "var" / "mark").exists()


def test_other_sandbox_is_refused() -> None:
    """A misspelt value does not pass for one or the other; it is told before anything is built."""
    runner = RecordingRunner(BUILT)
    with pytest.raises(ConfigError) as caught:
        nix.build(".#image", sandbox="docker", runner=runner)

    assert str(caught.value) == (
        "ESTIBA_SANDBOX: 'docker' is none of its values\n  hint: set it to 'container', or not at all"
    )
    assert not runner.calls
