"""The update of services to the template of today, with git itself."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from estiba.errors import DriftError, ScaffoldError
from estiba.process import run
from estiba.scaffold import new, record, update
from estiba.scaffold.update import Kind

if TYPE_CHECKING:
    from pathlib import Path

ROOT = "{{ cookiecutter.project_slug }}"


@pytest.fixture
def template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the template whose files can change; the one that new services come from."""
    copy = shutil.copytree(new.locate_template(), tmp_path / "template")
    monkeypatch.setattr(new, "locate_template", lambda: copy)
    return copy / ROOT


@pytest.fixture
def service(template: Path, tmp_path: Path) -> Path:
    """Return a committed service of last year."""
    del template
    folder = new.create(tmp_path / "harbour", answers={"author": "Ada Lovelace", "sample": "no"})
    git(folder, "init", "--quiet")
    commit(folder)
    return folder


def git(folder: Path, *words: str) -> None:
    """Run git."""
    names = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    subprocess.run(["git", "-C", str(folder), *names, *words], check=True, capture_output=True)


def commit(folder: Path) -> None:
    """Commit all that has changed."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=Change")


def edit(file: Path, before: str, after: str) -> None:
    """Replace a text that is there."""
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))


def test_record_is_read_back(service: Path) -> None:
    """Answers, given or not, and all files are in the record; the same template needs no update."""
    found = record.load(service)

    assert (found.answers["author"], found.answers["time_zone"]) == ("Ada Lovelace", "UTC")
    assert found.files["manage.py"] == (service / "manage.py").read_text()
    assert record.NAME not in found.files
    update.check(service)
    assert update.update(service, run) == ()


def test_changes_of_both_sides_are_kept(service: Path, template: Path) -> None:
    """What the service and the template have changed apart from each other is all there afterwards."""
    edit(service / "config/urls.py", "urlpatterns = [", 'urlpatterns = [\n    path("ships/", views.index),')
    edit(template / "config/urls.py", 'handler500 = "config', '# Ours.\nhandler500 = "config')
    edit(template / "manage.py", "command line", "commands")
    (template / "config/extra.py").write_text('"""New."""\n')
    (template / "RUNBOOK.md").unlink()
    commit(service)

    with pytest.raises(DriftError, match=r"RUNBOOK.md, config/extra.py, config/urls.py, manage.py"):
        update.check(service)
    changes = {change.path: change.kind for change in update.update(service, run)}

    assert changes == {
        "RUNBOOK.md": Kind.REMOVED,
        "config/extra.py": Kind.ADDED,
        "config/urls.py": Kind.MERGED,
        "manage.py": Kind.CHANGED,
    }
    merged = (service / "config/urls.py").read_text()
    assert ('path("ships/"' in merged, "# Ours." in merged, "<<<<<<<" in merged) == (True, True, False)
    assert not (service / "RUNBOOK.md").exists()
    update.check(service)
    commit(service)
    assert update.update(service, run) == ()


def test_same_lines_get_markers(service: Path, template: Path) -> None:
    """Where both have changed a line, both are there, as git marks it."""
    edit(service / "manage.py", "Django's command line", "Our command line")
    edit(template / "manage.py", "Django's command line", "The command line")
    commit(service)

    (change,) = update.update(service, run)

    text = (service / "manage.py").read_text()
    assert (change.kind, "<<<<<<< the service" in text, ">>>>>>> the template" in text) == (Kind.CONFLICT, True, True)
    assert ("Our command line" in text, "The command line" in text) == (True, True)


def test_what_one_side_has_deleted_stays_as_the_service_has_it(service: Path, template: Path) -> None:
    """A file that the service deleted does not come back, one that it changed does not go."""
    (service / "RUNBOOK.md").unlink()
    edit(template / "RUNBOOK.md", "# Runbook", "# Handbook")
    edit(service / "config/static.py", "Which static", "What static")
    (template / "config/static.py").unlink()
    commit(service)

    changes = {change.path: change.kind for change in update.update(service, run)}

    assert changes == {"RUNBOOK.md": Kind.KEPT, "config/static.py": Kind.KEPT}
    assert not (service / "RUNBOOK.md").exists()
    assert "What static" in (service / "config/static.py").read_text()


def test_file_that_both_have_added(service: Path, template: Path) -> None:
    """A file of the service where the template has a new one is not overwritten."""
    (service / "Makefile").write_text("ours:\n")
    (template / "Makefile").write_text("theirs:\n")
    commit(service)

    (change,) = update.update(service, run)

    assert change.kind is Kind.CONFLICT
    assert "ours:" in (service / "Makefile").read_text()


def test_uncommitted_changes_are_refused(service: Path, template: Path) -> None:
    """An update over a dirty tree could not be told from one's own changes, so nothing is written."""
    edit(template / "manage.py", "command line", "commands")
    (service / "notes.txt").write_text("mine")

    with pytest.raises(ScaffoldError, match=r"uncommitted changes .*: notes.txt"):
        update.update(service, run)
    assert "command line" in (service / "manage.py").read_text()


def test_folder_without_git_is_refused(template: Path, tmp_path: Path) -> None:
    """Without a repository nothing could be taken back."""
    del template
    folder = new.create(tmp_path / "harbour")

    with pytest.raises(ScaffoldError, match="is in no git repository"):
        update.update(folder, run)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "does not come from the template"),
        ("{", "is damaged"),
        ('{"version": 2, "answers": {}, "files": ["eNqrrgUAAXUA+Q=="]}', "of a newer Estiba"),
        ('{"version": 1, "answers": {}, "files": ["nonsense"]}', "is damaged"),
    ],
    ids=["missing", "cut", "newer", "nonsense"],
)
def test_unusable_record_is_one_error(tmp_path: Path, text: str | None, problem: str) -> None:
    """A service of another origin, and a damaged record, are told apart."""
    if text is not None:
        (tmp_path / record.NAME).write_text(text)

    with pytest.raises(ScaffoldError, match=problem):
        update.check(tmp_path)


def test_record_cannot_lead_elsewhere(tmp_path: Path) -> None:
    """A record with a path outside of the service is none."""
    (tmp_path / record.NAME).write_text(record.Record(answers={}, files={"../elsewhere": ""}).dump())

    with pytest.raises(ScaffoldError, match="is damaged"):
        record.load(tmp_path)
