from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from invoke import Context
from tests.djangoproject import FIXED, SETTINGS, adopt, lay, site

from estiba.errors import ConfigError, ScaffoldError
from estiba.scaffold.adopt import adoption, document
from estiba.service import project
from estiba.tasks import adopt as task

ROOT = Path(__file__).parents[4]


def test_project_becomes_a_service(tmp_path: Path) -> None:
    """A plain project is ready to be locked, with nothing left open."""
    folder = site(tmp_path / "Old_Site")
    made = adopt(folder)
    loaded = project.load(folder)

    assert made.undecided == ()
    assert sorted(made.files) == [".gitignore", "flake.nix", "pyproject.toml", "tasks.py"]
    assert (loaded.name, loaded.settings, loaded.wsgi) == ("old-site", "site.settings", "site.wsgi:application")
    assert loaded.requirements.runtime == ("django>=5.2", "gunicorn")
    assert "mkService" in (folder / "flake.nix").read_text()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """Files that are there stay, what they lack is told, and pyproject.toml and .gitignore only grow."""
    before = '# ours\n[project]\nname = "x"\nversion = "1"\ndependencies = ["django>=5.2", "gunicorn"]'
    folder = site(tmp_path, **{"pyproject.toml": before, "tasks.py": "import invoke\n", "flake.nix": "{ }\n"})
    lay(folder, {".gitignore": "/media/"})
    made = adopt(folder)

    assert made.kept == ("flake.nix", "tasks.py")
    assert [sentence.split(" is")[0] for sentence in made.undecided] == ["flake.nix", "tasks.py"]
    assert (folder / "tasks.py").read_text() == "import invoke\n"
    assert (folder / "pyproject.toml").read_text().startswith(before + "\n\n[tool.estiba]\n")
    assert (folder / ".gitignore").read_text().startswith("/media/\n.env\n")


def test_tasks_of_celery_are_no_tasks_of_invoke(tmp_path: Path) -> None:
    """A module of that name stays in the image, and the program for such folders is named."""
    made = adoption.plan(site(tmp_path, **{"tasks.py": "from celery import shared_task\n"}))

    assert made.undecided == ()
    assert any("use `estiba TASK`" in sentence for sentence in made.decided)


def test_second_time_changes_nothing(tmp_path: Path) -> None:
    """What was adopted is left alone."""
    adopt(site(tmp_path))
    again = adoption.plan(tmp_path)

    assert dict(again.files) == {}
    assert again.kept == ("flake.nix", "pyproject.toml", "tasks.py")
    assert again.undecided == ()


def test_what_is_written_already_is_not_decided_again(tmp_path: Path) -> None:
    """A project with settings for Estiba keeps them; only what is open is told, and missing files are written."""
    pyproject = '[project]\nname = "x"\ndependencies = ["django>=5.2"]\n[tool.estiba]\nsettings = "site.own"\n'
    made = adopt(site(tmp_path, **{"pyproject.toml": pyproject, "site/settings.py": SETTINGS + FIXED}))
    written = [".gitignore", "flake.nix", "tasks.py"]

    assert (sorted(made.files), made.kept, made.decided) == (written, ("pyproject.toml",), ())
    assert made.undecided[0].startswith("gunicorn is missing: ")
    assert dict(made.settings) == {}
    assert (tmp_path / "pyproject.toml").read_text() == pyproject


@pytest.mark.parametrize("name", ["tasks.py", "pyproject.toml", ".gitignore"])
def test_file_that_appears_is_left_alone(tmp_path: Path, name: str) -> None:
    """A file that somebody writes between plan and apply is not lost, and the next time does what is left."""
    made = adoption.plan(site(tmp_path, **{"site/settings.py": SETTINGS + FIXED}))
    (tmp_path / name).write_text("# mine\n")

    with pytest.raises(ScaffoldError, match=rf"^{name} exists already"):
        adoption.apply(made)
    assert (tmp_path / name).read_text() == "# mine\n"

    adopt(tmp_path)
    assert (tmp_path / name).read_text().startswith("# mine\n")
    assert project.load(tmp_path).settings == "site.settings_deployed"
    assert project.load(tmp_path).requirements.runtime == ("django>=5.2", "gunicorn", "psycopg[binary]")
    assert (tmp_path / "site" / "settings_deployed.py").is_file()


@pytest.mark.parametrize(("text", "told"), [("DEBUG = True\n", 1), ("URL = environ['DATABASE_URL']\n", 0)])
def test_settings_of_the_same_name_are_kept(tmp_path: Path, text: str, told: int) -> None:
    """Settings where ours would go stay, and what they have to do is told unless they do it."""
    made = adopt(site(tmp_path, **{"site/settings.py": SETTINGS + FIXED, "site/settings_deployed.py": text}))

    assert "site/settings_deployed.py" in made.kept
    assert sum(sentence.startswith("site/settings_deployed.py is there already") for sentence in made.undecided) == told
    assert (tmp_path / "site/settings_deployed.py").read_text() == text


def test_nameless_image_is_told(tmp_path: Path) -> None:
    """A pyproject.toml that only configures tools gives the image no name."""
    made = adopt(site(tmp_path, **{"pyproject.toml": "[tool.ruff]\n"}))

    assert made.undecided == ("no [project] name in pyproject.toml: the image is called service",)


@pytest.mark.parametrize("own", project.PLATFORMS)
def test_own_platform_is_the_first(tmp_path: Path, own: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wheel may lack for the other platform, so it is left to the user, who is told what to write."""
    monkeypatch.setattr("platform.machine", lambda: own.removesuffix("-linux"))
    made = adoption.plan(site(tmp_path))

    assert made.settings["platforms"] == [own]
    (told,) = (sentence for sentence in made.decided if sentence.startswith("platforms = "))
    assert told.startswith(f"platforms = {own}: this machine's alone; ")
    assert told.endswith('write platforms = ["aarch64-linux", "x86_64-linux"], then invoke lock')


def test_task_tells_what_was_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was written is the result; a trial writes nothing and does not send anybody on."""
    folder = site(tmp_path, **{"package.json": '{"scripts": {"lint": "x"}}'})
    task.adopt(Context(), str(folder), dry_run=True)
    tried = capsys.readouterr()
    assert not (folder / "flake.nix").exists()
    task.adopt(Context(), str(folder))
    done = capsys.readouterr()

    assert tried.out == "would write .gitignore, flake.nix, pyproject.toml, tasks.py\n"
    assert "next: " not in tried.err
    assert done.out == "wrote .gitignore, flake.nix, pyproject.toml, tasks.py\n"
    assert "warning: package.json: " in done.err
    assert f"next: cd {folder}, resolve the warnings, git init, git add ., invoke lock, git add estiba.lock" in done.err


def test_task_tells_no_step_that_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the project's folder, and without a warning, there is neither to go anywhere nor to resolve anything."""
    monkeypatch.chdir(site(tmp_path))
    task.adopt(Context(), ".")

    said = capsys.readouterr().err
    assert "warning: " not in said
    assert "next: git init, git add ., invoke lock, git add estiba.lock,\n" in said


def test_closed_table_is_an_error(tmp_path: Path) -> None:
    """Where TOML allows no further table, the text to write by hand is shown."""
    folder = site(tmp_path, **{"pyproject.toml": "tool = { ruff = { line-length = 100 } }\n"})

    with pytest.raises(ScaffoldError, match=r"by hand:\n\n\[tool.estiba\]\nplatforms = "):
        adoption.plan(folder)


def test_debian_packages_are_known(tmp_path: Path) -> None:
    """Libraries that wheels do not bring are looked up, and those for building apart."""
    lines = "django>=5.2\ngunicorn\nmysqlclient\npsycopg\npsycopg2-binary\npython-magic\n"
    made = adoption.plan(site(tmp_path, **{"requirements.txt": lines}))

    assert made.settings["debian"] == ["libmagic1", "libmariadb3", "libpq5"]
    assert made.settings["debian-build"] == ["libmariadb-dev", "pkgconf"]
    assert made.undecided == ()


def test_binary_brings_its_library(tmp_path: Path) -> None:
    """A distribution with its library inside needs nothing from Debian."""
    made = adoption.plan(site(tmp_path, **{"requirements.txt": "django>=5.2\ngunicorn\npsycopg[binary]\n"}))

    assert "debian" not in made.settings


def test_variables_get_values_for_the_build(tmp_path: Path) -> None:
    """What the settings need gets a value that fits, but for what every build has anyway."""
    names = ("DATABASE_URL", "API_TOKEN", "SITE_DOMAIN", "MAIL_PORT", "CELERY_BROKER", "STAGE", "SENTRY_DSN")
    types = "C = int(os.environ['LIMIT'])\nD = json.loads(os.environ.get('HOSTS_MAP'))\nE = env.list('NAMES')\n"
    reads = "import environ, os\nenv = environ.Env()\nA = env.bool('ON')\nB = env.json('MAP')\n"
    text = SETTINGS + reads + types + "".join(f"{name} = os.environ['{name}']\n" for name in names)
    made = adoption.plan(site(tmp_path, **{"site/settings.py": text}))

    assert made.settings["env"] == {
        "API_TOKEN": "only-for-the-build-and-never-in-an-image-0123456789-abcdefghij",
        "CELERY_BROKER": "redis://localhost/0",
        "HOSTS_MAP": "{}",
        "LIMIT": "1",
        "MAIL_PORT": "1",
        "MAP": "{}",
        "NAMES": "",
        "ON": "false",
        "SITE_DOMAIN": "localhost",
        "SENTRY_DSN": "http://build@localhost/1",
        "STAGE": "build",
    }
    assert "DATABASE_URL (site/settings.py:" in made.undecided[0]


def test_files_that_settings_read_are_included(tmp_path: Path) -> None:
    """A change log that gives the version belongs to the service."""
    text = SETTINGS + 'A = open("CHANGELOG.md").read()\nB = "README.md"\n'
    made = adoption.plan(site(tmp_path, **{"site/settings.py": text, "CHANGELOG.md": "1.0\n"}))

    assert made.settings["include"] == ["CHANGELOG.md"]


def test_provided_variables_are_those_of_the_build() -> None:
    """The variables that get no value here are set by the build itself."""
    text = (ROOT / "nix" / "service" / "environment.nix").read_text()

    assert [name for name in adoption.PROVIDED if f"    {name} = " not in text] == []


def test_gaps_are_told(tmp_path: Path) -> None:
    """Settings without key and static root, or made of classes, need a hand."""
    text = "from configurations import Configuration\nclass Production(Configuration):\n    DEBUG = False\n"
    made = adoption.plan(site(tmp_path, **{"site/settings.py": text}))

    assert [sentence.partition(":")[0] for sentence in made.undecided] == [
        "no SECRET_KEY in site/settings.py",
        "no STATIC_ROOT in site/settings.py",
        "django-configurations",
    ]


def test_class_of_the_settings_is_that_of_the_application(tmp_path: Path) -> None:
    """manage.py mostly names the one for development."""
    wsgi = 'import os\nos.environ.setdefault("DJANGO_CONFIGURATION", "Production")\n'
    text = "from configurations import Configuration\nclass Production(Configuration):\n    DEBUG = False\n"
    made = adoption.plan(site(tmp_path, **{"site/settings.py": text, "site/wsgi.py": wsgi}))

    assert made.settings["configuration"] == "Production"
    assert "configuration = Production: site/wsgi.py names it" in made.decided


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "there is no manage.py in it"),
        ({"manage.py": "import django\n"}, "manage.py: does not set DJANGO_SETTINGS_MODULE to a constant"),
        ({"manage.py": "import django\n)"}, "manage.py: line 2: unmatched ')'"),
        ({"pyproject.toml": "x ="}, "pyproject.toml: "),
        ({"pyproject.toml": b"x = '\xff'"}, "pyproject.toml: 'utf-8' codec can't decode"),
        ({"pyproject.toml": "project = 'x'"}, "pyproject.toml: 'project' must be a table"),
    ],
    ids=["empty", "no-settings", "no-python", "toml", "encoding", "shape"],
)
def test_other_folders_are_refused(tmp_path: Path, files: dict[str, str | bytes], message: str) -> None:
    """What is no Django project is told so, and gets no files."""
    with pytest.raises(ConfigError) as caught:
        adoption.plan(lay(tmp_path, files))

    assert message in str(caught.value)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(files)


def test_refused_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it is given as a dot."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=rf"^{tmp_path.name}: there is no manage\.py in it"):
        adoption.plan(Path())


def test_written_settings_are_toml(tmp_path: Path) -> None:
    """Values with quotes, backslashes and letters of any language survive."""
    table = {"a": 'x "y" \\ ñ', "b": ["ü", "\t"], "SITE.KEY": "a key of two", "c": "\x7f"}

    assert tomllib.loads("\n".join(document.assign(table))) == table
