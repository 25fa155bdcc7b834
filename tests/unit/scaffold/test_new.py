from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest

from estiba.errors import ScaffoldError
from estiba.scaffold import new


def test_folder_name_becomes_the_package(tmp_path: Path) -> None:
    """The service is named after its folder."""
    made = new.create(tmp_path / "puerto-viejo")

    assert made == tmp_path / "puerto-viejo"
    assert (made / "puerto_viejo" / "__init__.py").is_file()
    assert 'verbose_name = "Puerto Viejo"' in (made / "puerto_viejo" / "apps.py").read_text()


def test_relative_folder_is_meant_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder is named from where the user stands, though the template's hooks run elsewhere."""
    (here := tmp_path / "here").mkdir()
    monkeypatch.chdir(here)

    made = new.create(Path("../harbour"))

    assert made.resolve() == tmp_path / "harbour"
    assert (made / "manage.py").is_file()


def test_nothing_else_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a half-made service, nor cookiecutter's own state, nor its rendered hooks stay behind."""
    (temporary := tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))

    new.create(tmp_path / "made" / "harbour")

    assert [entry.name for entry in (tmp_path / "made").iterdir()] == ["harbour"]
    assert list(temporary.iterdir()) == []


def test_template_from_a_store_makes_files_to_edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever makes a service can write to its files, also where the template is read-only."""
    template = shutil.copytree(new.locate_template(), tmp_path / "template")
    for path in template.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    monkeypatch.setattr(new, "_IN_REPOSITORY", template)
    made = new.create(tmp_path / "harbour")
    for path in template.rglob("*"):
        path.chmod(0o755)

    assert [path for path in made.rglob("*") if not path.stat().st_mode & 0o200] == []


def test_flake_reference_goes_into_the_flake(tmp_path: Path) -> None:
    """The service's flake names the Estiba that it is given."""
    made = new.create(tmp_path / "harbour", flake="git+file:///srv/estiba")

    assert 'inputs.estiba.url = "git+file:///srv/estiba";' in (made / "flake.nix").read_text()


@pytest.mark.parametrize(("marker", "scheme"), [(".git", "git+file"), ("src", "path")], ids=["clone", "archive"])
def test_checkout_is_found_from_inside(tmp_path: Path, marker: str, scheme: str) -> None:
    """Inside a checkout its own address is used, so that a newcomer needs no registry."""
    for folder in ("src/estiba", "docs", marker):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    (tmp_path / "nixw").touch()

    assert new.locate_flake(tmp_path / "docs") == f"{scheme}://{tmp_path}"


def test_elsewhere_there_is_no_checkout(tmp_path: Path) -> None:
    """Outside a checkout the template's own reference stays."""
    assert new.locate_flake(tmp_path) == ""


def test_existing_folder_is_left_alone(tmp_path: Path) -> None:
    """A folder that exists is refused, even an empty one."""
    with pytest.raises(ScaffoldError) as caught:
        new.create(tmp_path)

    assert str(caught.value) == f"{tmp_path} exists already\n  hint: name a folder that does not exist yet"


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ({"project_slug": "2fast"}, "is no package name"),
        ({"project_slug": "class"}, "is no package name"),
        ({"project_slug": "json"}, "is the name of another package"),
        ({"project_slug": "tests"}, "is the name of another package"),
        ({"project_slug": "lending"}, "is the name of another package"),
        ({"project_slug": "redis"}, "is the name of another package"),
        ({"project_slug": "sentry_sdk"}, "is the name of another package"),
        ({"project_slug": "muelle_número_uno"}, "is no package name"),
        ({"project_slug": "a" * 41}, "has more than 40 characters"),
        ({"description": 'the "best" one'}, "without double quotes"),
        ({"author": ""}, "write a line of text"),
        ({"time_zone": "Europe/Atlantis"}, "is not in the time zone database"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value.values())),
)
def test_unusable_answer_makes_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], answer: dict[str, str], problem: str
) -> None:
    """A name that cannot work is refused before anything is written."""
    with pytest.raises(ScaffoldError):
        new.create(tmp_path / "harbour", answers=answer)

    assert problem in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_questions_need_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one the error names the option that asks nothing, and nothing is made."""
    monkeypatch.setattr("sys.stdin", io.StringIO())

    with pytest.raises(ScaffoldError) as caught:
        new.create(tmp_path / "harbour", ask=True)

    assert "--no-input" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_at_most_eight_questions() -> None:
    """A newcomer answers few questions."""
    questions = json.loads((new.locate_template() / "cookiecutter.json").read_text())

    assert len([name for name in questions if not name.startswith("_")]) <= 8
