"""The logbook in real repositories: two clones that race, a remote that is away, and entries that somebody changed."""

from __future__ import annotations

import json
import subprocess
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from estiba import config
from estiba.deploy import chain
from estiba.errors import LogbookError
from estiba.release.logbook import Logbook, load

if TYPE_CHECKING:
    from pathlib import Path

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
SECRET = "correct horse battery"


def git(folder: Path, *arguments: str) -> str:
    """Run git, and return its output."""
    argv = ["git", "-C", str(folder), "-c", "user.name=Ana", "-c", "user.email=ana@example.org", *arguments]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


def open_book(folder: Path, table: dict[str, object] | None = None) -> Logbook:
    """Return the logbook of a clone, for Ana."""
    found = load(folder, table or {}, config.load(), service="shop")
    return Logbook(
        branch=found.branch,
        service="shop",
        actor="ana",
        push=found.push,
        secrets=(SECRET,),
        clock=lambda: AT,
        sleep=lambda _: None,
    )


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """Return a bare repository with one commit."""
    folder = tmp_path / "origin.git"
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(folder)], check=True)
    work = clone(folder, tmp_path / "first")
    (work / "app").mkdir()
    (work / "app" / "file").write_text("1\n")
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "--message", "Start")
    git(work, "push", "--quiet", "origin", "HEAD:main")
    return folder


def clone(origin: Path, folder: Path) -> Path:
    """Clone the repository."""
    subprocess.run(["git", "clone", "--quiet", str(origin), str(folder)], check=True, stderr=subprocess.DEVNULL)
    return folder


@pytest.fixture
def ana(origin: Path, tmp_path: Path) -> Path:
    """Return a clone."""
    return clone(origin, tmp_path / "ana")


@pytest.fixture
def ben(origin: Path, tmp_path: Path) -> Path:
    """Return another clone."""
    return clone(origin, tmp_path / "ben")


def versions(folder: Path) -> list[str]:
    """Return the versions of the entries in a clone, after an update."""
    book = open_book(folder)
    assert book.update() == ""
    return [entry.version for entry in book.entries()]


def overwrite(folder: Path, lines: list[str]) -> None:
    """Put other lines on the local branch, as somebody with write access could."""
    branch = open_book(folder).branch
    tip = branch.tip(branch.local)
    assert branch.move(branch.commit(lines, branch.tip(f"{tip}^") if len(lines) > 1 else "", "Forge"), tip)


def lines_of(folder: Path) -> list[str]:
    """Return the lines on the local branch."""
    branch = open_book(folder).branch
    return branch.read(branch.tip(branch.local))


def test_entries_are_chained_and_pushed(ana: Path, ben: Path) -> None:
    """Each entry names the hash of the one before; another clone reads them, and finds nothing wrong."""
    book = open_book(ana)
    first = book.append(command="deploy", version="1.0", target="production", result="deployed")
    second = book.append(command="rollback", version="0.9", migrations=("shop.0002",), seconds=3.5)

    assert (first.number, first.before, first.at, first.actor) == (1, "", "2026-03-04T05:06:07.000+00:00", "ana")
    assert (second.number, second.before) == (2, first.hash)
    assert versions(ben) == ["1.0", "0.9"]
    assert open_book(ben).entries() == [first, second]
    assert (book.verify(), open_book(ben).verify()) == ((), ())


def test_nothing_else_of_the_clone_moves(ana: Path) -> None:
    """HEAD, index and work tree stay as they are, also with changes in them, and from a folder below."""
    (ana / "app" / "file").write_text("2\n")
    git(ana, "add", "--all")
    (ana / "new").write_text("3\n")
    before = git(ana, "status", "--porcelain=v2", "--branch")

    open_book(ana / "app").append(command="deploy", version="1.0")
    open_book(ana / "app").append(command="deploy", version="1.1")

    assert git(ana, "status", "--porcelain=v2", "--branch") == before
    assert git(ana, "show", "--format=%an: %s", "--name-only", "deployments").split("\n") == [
        "Estiba: deploy shop 1.1",
        "",
        "logbook.jsonl",
    ]
    assert open_book(ana / "app").verify() == ()


def test_other_files_of_the_branch_stay(ana: Path) -> None:
    """A README that somebody put on the branch is kept."""
    git(ana, "branch", "deployments", "main")
    open_book(ana).append(command="deploy", version="1.0")

    assert git(ana, "ls-tree", "-r", "--name-only", "deployments") == "app/file\nlogbook.jsonl"


def test_entry_behind_those_of_others(ana: Path, ben: Path) -> None:
    """A clone whose push comes second puts its entry behind, with a new number, and loses none."""
    open_book(ana).append(command="deploy", version="1.0")
    mine = open_book(ben).append(command="deploy", version="2.0")
    open_book(ana).append(command="deploy", version="3.0")

    assert mine.number == 2
    assert versions(ana) == versions(ben) == ["1.0", "2.0", "3.0"]
    assert (open_book(ana).verify(), open_book(ben).verify()) == ((), ())


def test_two_clones_race(ana: Path, ben: Path) -> None:
    """Two clones that append at the same time end with all entries, each once, in one order."""

    def run(folder: Path, prefix: str) -> None:
        book = load(folder, {}, config.load(), service="shop")
        for number in range(5):
            book.append(command="deploy", version=f"{prefix}{number}")

    threads = [threading.Thread(target=run, args=(folder, name)) for folder, name in ((ana, "a"), (ben, "b"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = versions(ana)

    assert sorted(found) == [f"{name}{number}" for name in "ab" for number in range(5)]
    assert [one for one in found if one.startswith("a")] == [f"a{number}" for number in range(5)]
    assert versions(ben) == found
    assert (open_book(ana).verify(), open_book(ben).verify()) == ((), ())


def test_remote_that_is_away(ana: Path, ben: Path, origin: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Entries wait on the local branch, with a warning, and go with the next one, behind those of others."""
    origin.rename(origin.with_suffix(".away"))
    open_book(ana).append(command="deploy", version="1.0")
    open_book(ana).append(command="deploy", version="2.0")
    (first, second) = [record.getMessage() for record in caplog.records]
    origin.with_suffix(".away").rename(origin)
    open_book(ben).append(command="deploy", version="3.0")
    last = open_book(ana).append(command="deploy", version="4.0")

    assert first.startswith("1 entry of the logbook could not be pushed to origin: ")
    assert second.startswith("2 entries of the logbook")
    assert last.number == 4
    assert versions(ben) == versions(ana) == ["3.0", "1.0", "2.0", "4.0"]


def test_push_that_is_refused(ana: Path, origin: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A protected branch does not fail the release; the warning quotes the remote."""
    hook = origin / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)

    assert open_book(ana).append(command="deploy", version="1.0").number == 1
    assert "could not be pushed to origin" in caplog.text


def test_without_remote(ana: Path) -> None:
    """A repository without a remote, or `push = false`, keeps the logbook to itself."""
    open_book(ana, {"push": False}).append(command="deploy", version="1.0")
    assert git(ana, "ls-remote", "--heads", "origin", "deployments") == ""

    git(ana, "remote", "remove", "origin")
    open_book(ana).append(command="deploy", version="2.0")
    assert versions(ana) == ["1.0", "2.0"]
    assert open_book(ana).verify() == ()


def test_without_repository(tmp_path: Path) -> None:
    """A folder outside of any repository gets one error with the next step."""
    with pytest.raises(LogbookError, match="the logbook cannot be read in") as caught:
        open_book(tmp_path).append(command="deploy")
    assert caught.value.hint == "the logbook is on a branch of the service's git repository: git init"


def test_branch_that_is_checked_out(ana: Path) -> None:
    """A branch with a work tree is not moved under its feet."""
    open_book(ana).append(command="deploy", version="1.0")
    git(ana, "switch", "--quiet", "deployments")

    with pytest.raises(LogbookError, match="deployments is checked out"):
        open_book(ana).append(command="deploy", version="2.0")
    assert git(ana, "status", "--porcelain") == ""


def test_secrets_stay_out(ana: Path) -> None:
    """Known values and what looks like a secret are redacted, in all fields."""
    entry = open_book(ana).append(
        command="skip", reason=f"password={SECRET}", gates={"sonar": {"token": "abc", "note": SECRET}}
    )

    assert entry.gates == {"sonar": {"token": "***", "note": "***"}}
    assert SECRET not in "".join(lines_of(ana)) + git(ana, "log", "-p", "deployments")


def test_values_of_secret_variables_stay_out(ana: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The value of a variable with the name of a secret is a secret."""
    monkeypatch.setenv("DEPLOY_TOKEN", "hunter2hunter2")
    entry = load(ana, {}, config.load(), service="shop").append(command="deploy", reason="said hunter2hunter2")

    assert entry.reason == "said ***"


def test_unknown_field_is_refused(ana: Path) -> None:
    """An entry has the fields that it has, and its place is given to it."""
    with pytest.raises(LogbookError, match="no field 'number'"):
        open_book(ana).append(command="deploy", number=7)


def fill(folder: Path) -> list[str]:
    """Append three entries, and return the lines."""
    for version in ("1.0", "2.0", "3.0"):
        open_book(folder).append(command="deploy", version=version)
    return lines_of(folder)


def rewrite(line: str, **fields: object) -> str:
    """Return a line with other fields and the old hash."""
    return chain.render(json.loads(line) | fields)


def test_tampering_is_named(ana: Path) -> None:
    """An entry that was changed, removed, moved or inserted is named, and so is the commit that did it."""
    one, two, three = fill(ana)

    for lines, wanted in (
        ([one, rewrite(two, actor="eve"), three], "entry 2 was changed: its hash does not fit its content"),
        ([one, three], "entry 2 says that it is entry 3: entries were removed or moved"),
        ([one, three, two], "entry 2 says that it is entry 3: entries were removed or moved"),
        ([one, chain.seal(json.loads(two) | {"actor": "eve"}, [one]), three], "entry 3 does not follow the one before"),
        ([one, two.replace('"actor":"ana"', '"actor":"eve","actor":"ana"'), three], "entry 2 was changed"),
        (["{", two, three], "entry 1 cannot be read"),
    ):
        overwrite(ana, lines)
        assert open_book(ana).verify()[0].startswith(wanted)


def test_new_chain_is_found_by_what_was_pushed(ana: Path) -> None:
    """A forger who computes all hashes anew is found by the remote, and his commit by the lines that it took away."""
    one, two, three = fill(ana)
    forged = chain.append([one], [rewrite(two, actor="eve"), three])
    branch = open_book(ana).branch
    tip = branch.tip(branch.local)
    forgery = branch.commit(forged, tip, "Forge")
    assert branch.move(forgery, tip)

    assert open_book(ana).verify() == (
        f"commit {forgery[:12]} changed or removed entries that it found",
        "entry 2 here is another one than was seen at origin before",
    )


def test_forged_entries_are_not_pushed(ana: Path, origin: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A clone whose pushed entries were changed keeps its new entry, and pushes nothing."""
    one, two, three = fill(ana)
    pushed = git(origin, "rev-parse", "deployments")
    branch = open_book(ana).branch
    tip = branch.tip(branch.local)
    assert branch.move(branch.commit(chain.append([one], [rewrite(two, actor="eve"), three]), tip, "Forge"), tip)
    entry = open_book(ana).append(command="deploy", version="4.0")

    assert entry.number == 4
    assert git(origin, "rev-parse", "deployments") == pushed
    assert "entry 2 here is another one than was seen at origin before" in caplog.text


def test_remote_that_was_rewritten(ana: Path, ben: Path) -> None:
    """A remote that lost or changed entries by force is not taken over, however often it is asked."""
    fill(ana)
    assert versions(ben) == ["1.0", "2.0", "3.0"]
    git(ana, "push", "--quiet", "--force", "origin", "deployments~1:deployments")

    for _ in range(2):
        assert open_book(ben).verify() == ("entry 3 was at origin, and is not there",)
        with pytest.raises(LogbookError, match="the logbook at origin was rewritten: entry 3 was at origin"):
            open_book(ben).update()
    assert [entry.version for entry in open_book(ben).entries()] == ["1.0", "2.0", "3.0"]


def test_shallow_clone_of_one_branch(ana: Path, origin: Path, tmp_path: Path) -> None:
    """A CI system's clone, shallow and of one branch, appends as any other."""
    fill(ana)
    folder = tmp_path / "runner"
    options = ["--quiet", "--depth=1", "--single-branch", f"file://{origin}"]
    subprocess.run(["git", "clone", *options, str(folder)], check=True)

    assert open_book(folder).append(command="deploy", version="4.0").number == 4
    assert versions(ana) == ["1.0", "2.0", "3.0", "4.0"]
    assert open_book(folder).verify() == ()
