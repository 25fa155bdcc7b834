"""The tasks of the logbook, on a real repository."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from estiba import config, tasks
from estiba.errors import LogbookError, UsageError
from estiba.release.logbook import Logbook, load
from estiba.tasks import collection
from estiba.tasks.program import Program


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Logbook:
    """Return the logbook of a service, with two entries, in the current folder."""
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "shop"\ndependencies = []\n[tool.estiba]\nmanage = ""\n'
    )
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GITHUB_ACTOR", "ana")
    found = load(tmp_path, {}, config.load(), service="shop")
    found.append(command="deploy", target="staging", version="1.0", result="deployed")
    found.append(command="rollback", target="production", version="0.9", result="rolled back")
    return found


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str) -> tuple[int, str, str]:
    """Run a command line; return its exit code and what it prints."""
    words = line.split()
    monkeypatch.setattr(sys, "argv", ["estiba", *words])
    namespace = collection.load(tasks.__name__, list(tasks.__path__), words)
    code: object = 0
    try:
        Program(namespace=namespace, binary="estiba").run()
    except SystemExit as leaving:
        code = leaving.code
    assert isinstance(code, int)
    return code, *capsys.readouterr()


def test_fields_within_fields_have_dotted_names(
    book: Logbook, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a person reads is no notation of Python's."""
    gates = {"ci": {"state": "passed", "jobs": ["lint", "test"]}}
    book.append(command="deploy", target="production", result="deployed", gates=gates)

    out = run(monkeypatch, capsys, "logbook.show 3")[1]

    rows = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert {name: value for name, value in rows.items() if name.startswith("gates")} == {
        "gates.ci.state": "passed",
        "gates.ci.jobs.1": "lint",
        "gates.ci.jobs.2": "test",
    }


def test_entries_are_read(book: Logbook, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """List, show and export print the entries, with the CI system's user."""
    code, out, _ = run(monkeypatch, capsys, "logbook.list --target production --json")
    (listed,) = json.loads(out)["entries"]
    assert (code, listed["number"], listed["actor"]) == (0, 2, "ana")
    assert "1.0" in run(monkeypatch, capsys, "logbook.list --last 2")[1]
    assert "1.0" not in run(monkeypatch, capsys, "logbook.list --last 1")[1]
    assert json.loads(run(monkeypatch, capsys, "logbook.show 2 --json")[1]) == listed
    assert run(monkeypatch, capsys, "logbook.export --format markdown")[1].count("\n") == 4
    assert run(monkeypatch, capsys, "logbook.export --format json --out book.json") == (0, "", "")
    assert json.loads(Path("book.json").read_text())[1] == listed


def test_unknown_entry(book: Logbook, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A number that there is not is one error."""
    said = "error: no entry '7'; there is 1, 2\n  hint: estiba logbook.list\n"
    assert run(monkeypatch, capsys, "logbook.show 7") == (UsageError.exit_code, "", said)


def test_verdict_about_the_chain(
    book: Logbook, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A chain that stands is confirmed; one that does not is an error with each entry."""
    assert run(monkeypatch, capsys, "logbook.verify")[:2] == (0, "2 entries, all in their place\n")
    branch = book.branch
    tip = branch.tip(branch.local)
    lines = [branch.read(tip)[0].replace('"ana"', '"eve"'), branch.read(tip)[1]]
    assert branch.move(branch.commit(lines, tip, "Forge"), tip)

    code, out, said = run(monkeypatch, capsys, "logbook.verify")
    assert (code, out) == (LogbookError.exit_code, "")
    assert "entry 1 was changed: its hash does not fit its content" in said
