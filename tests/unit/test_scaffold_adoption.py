from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from estiba import project
from estiba.errors import ConfigError, ScaffoldError
from estiba.scaffold import adoption

ROOT = Path(__file__).parents[2]
MANAGE = 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "{}")\n'
SETTINGS = 'INSTALLED_APPS = []\nSECRET_KEY = "x"\nSTATIC_ROOT = "/app/static"\n'


def lay(folder: Path, files: dict[str, str]) -> Path:
    """Write files."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def site(folder: Path, **more: str) -> Path:
    """Lay out a small project: one settings file, and what else is given."""
    files = {
        "manage.py": MANAGE.format("site.settings"),
        "site/settings.py": SETTINGS,
        "site/wsgi.py": "",
        "requirements.txt": "django>=5.2\ngunicorn\n",
    }
    return lay(folder, files | more)


def adopt(folder: Path) -> adoption.Adoption:
    """Plan and apply."""
    made = adoption.plan(folder)
    adoption.apply(made)
    return made


def test_project_becomes_a_service(tmp_path: Path) -> None:
    """A plain project is ready to be locked, with nothing left open."""
    folder = site(tmp_path / "Old_Site")
    made = adopt(folder)
    loaded = project.load(folder)

    assert made.undecided == ()
    assert sorted(made.files) == ["flake.nix", "pyproject.toml", "tasks.py"]
    assert (loaded.name, loaded.settings, loaded.wsgi) == ("old-site", "site.settings", "site.wsgi:application")
    assert loaded.requirements.runtime == ("django>=5.2", "gunicorn")
    assert "mkService" in (folder / "flake.nix").read_text()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """Files that are there stay, what they lack is told, and pyproject.toml only grows."""
    before = '# ours\n[project]\nname = "x"\nversion = "1"\ndependencies = ["django>=5.2", "gunicorn"]'
    folder = site(tmp_path, **{"pyproject.toml": before, "tasks.py": "# mine\n", "flake.nix": "{ }\n"})
    made = adopt(folder)

    assert made.kept == ("flake.nix", "tasks.py")
    assert [sentence.split(" is")[0] for sentence in made.undecided] == ["flake.nix", "tasks.py"]
    assert (folder / "tasks.py").read_text() == "# mine\n"
    assert (folder / "pyproject.toml").read_text().startswith(before + "\n\n[tool.estiba]\n")


def test_second_time_changes_nothing(tmp_path: Path) -> None:
    """What was adopted is left alone."""
    adopt(site(tmp_path))
    again = adoption.plan(tmp_path)

    assert dict(again.files) == {}
    assert again.kept == ("flake.nix", "pyproject.toml", "tasks.py")
    assert again.undecided == ()


def test_file_that_appears_is_left_alone(tmp_path: Path) -> None:
    """A file that somebody writes between plan and apply is not lost."""
    made = adoption.plan(site(tmp_path))
    (tmp_path / "tasks.py").write_text("# mine\n")

    with pytest.raises(ScaffoldError, match=r"^tasks\.py exists already"):
        adoption.apply(made)


def test_closed_table_is_an_error(tmp_path: Path) -> None:
    """Where TOML allows no further table, the text to write by hand is shown."""
    folder = site(tmp_path, **{"pyproject.toml": "tool = { ruff = { line-length = 100 } }\n"})

    with pytest.raises(ScaffoldError, match=r"by hand:\n\n\[tool.estiba\]\nplatforms = "):
        adoption.plan(folder)


@pytest.mark.parametrize(
    ("files", "modules", "reason"),
    [
        pytest.param(
            {
                "manage.py": MANAGE.format("a.settings.dev"),
                "a/wsgi.py": MANAGE.format("a.settings.dev"),
                "a/settings/base.py": SETTINGS,
                "a/settings/dev.py": "from .base import *\n",
                "a/settings/production.py": "from .base import *\n",
            },
            ("a.settings.production", "a.wsgi:application"),
            "named for production",
            id="package",
        ),
        pytest.param(
            {
                "manage.py": MANAGE.format("config.settings.local"),
                "config/wsgi.py": MANAGE.format("config.settings"),
                "config/settings/__init__.py": SETTINGS,
                "config/settings/local.py": "from config.settings import *\n",
            },
            ("config.settings", "config.wsgi:application"),
            "named by config/wsgi.py",
            id="wsgi",
        ),
        pytest.param(
            {
                "manage.py": MANAGE.format("config.django.local"),
                "config/django/base.py": SETTINGS + 'WSGI_APPLICATION = "web.server.app"\n',
                "config/django/local.py": "from config.django.base import *\n",
                "config/django/production.py": "from config.django.base import *\n",
            },
            ("config.django.production", "web.server:app"),
            "named for production",
            id="folder-of-another-name",
        ),
        pytest.param(
            {
                "manage.py": MANAGE.format("conf.main"),
                "conf/main.py": SETTINGS,
                "web/wsgi.py": MANAGE.format("conf.main"),
            },
            ("conf.main", "web.wsgi:application"),
            "named by manage.py",
            id="wsgi-elsewhere",
        ),
        pytest.param(
            {
                "manage.py": MANAGE.format("a.settings"),
                "a/settings.py": SETTINGS,
                "a/settings_prod.py": "from a.settings import *\n",
                "a/prod.py": "",
                "a/wsgi.py": "",
            },
            ("a.settings_prod", "a.wsgi:application"),
            "named for production",
            id="files-beside",
        ),
    ],
)
def test_settings_are_chosen(tmp_path: Path, files: dict[str, str], modules: tuple[str, str], reason: str) -> None:
    """Each usual layout gives the settings for production where there are some, and says why."""
    made = adoption.plan(lay(tmp_path, files))

    assert (made.settings["settings"], made.settings["wsgi"]) == modules
    assert made.decided[0].startswith(f"settings = {modules[0]}: {reason}")


def test_manage_may_lie_deeper(tmp_path: Path) -> None:
    """A project in a folder of its own is found, with the requirements beside it."""
    lay(tmp_path, {f"src/{name}": text for name, text in (("requirements.txt", "django>=5.2\ngunicorn\n"),)})
    lay(tmp_path, {"src/manage.py": MANAGE.format("a.settings"), "src/a/settings.py": SETTINGS, "src/a/wsgi.py": ""})
    adopt(tmp_path)
    loaded = project.load(tmp_path)

    assert (loaded.manage, loaded.wsgi) == ("src/manage.py", "a.wsgi:application")
    assert loaded.requirements.runtime == ("django>=5.2", "gunicorn")


@pytest.mark.parametrize(
    ("runtime", "dev"),
    [
        ("requirements/production.txt", "requirements/local.txt"),
        ("requirements/base.in", "requirements/test.txt"),
        ("prod-requirements.txt", "dev-requirements.txt"),
        ("requirements-base.txt", "requirements_test.txt"),
    ],
)
def test_requirements_elsewhere_are_included(tmp_path: Path, runtime: str, dev: str) -> None:
    """Requirements in other files are taken from where they stand, and the server is added."""
    folder = site(tmp_path, **{runtime: "django>=5.2\n", dev: "pytest\n"})
    (folder / "requirements.txt").unlink()
    adopt(folder)
    found = project.load(folder).requirements

    assert ("django>=5.2" in found.runtime, "pytest" in found.dev) == (True, True)
    assert ("gunicorn" in found.runtime) == runtime.endswith(".txt")


def test_groups_are_chosen(tmp_path: Path) -> None:
    """Dependency groups go where their names and contents say, also where there is nothing else."""
    pyproject = '[dependency-groups]\nmain = ["Django>=5.2"]\nprod = ["gunicorn"]\ntests = ["pytest"]\ndocs = []\n'
    folder = site(tmp_path, **{"pyproject.toml": pyproject})
    adopt(folder)
    found = project.load(folder).requirements

    assert (found.runtime, found.dev) == (("Django>=5.2", "gunicorn"), ("pytest",))


def test_no_requirements_are_told(tmp_path: Path) -> None:
    """Other tools' files have to be exported first."""
    folder = site(tmp_path, **{"pyproject.toml": '[tool.poetry.dependencies]\ndjango = "^5.2"\n'})
    (folder / "requirements.txt").unlink()

    assert "`poetry export -o requirements.txt`" in adoption.plan(folder).undecided[0]


def test_what_cannot_be_locked_is_told(tmp_path: Path) -> None:
    """Repositories and options in requirements are listed before anybody locks."""
    lines = "--index-url x\ndjango>=5.2\ngunicorn\nfork @ git+https://example.org/fork.git\n"
    found = adoption.plan(site(tmp_path, **{"requirements.txt": lines})).undecided

    assert [sentence.partition(": ")[0] for sentence in found] == ["requirements.txt:1", "requirements.txt:4"]


@pytest.mark.parametrize(
    ("files", "python", "reason"),
    [
        ({}, "3.13", "the newest that Debian brings"),
        ({"Dockerfile": "FROM python:3.11-slim\n"}, "3.11", "Dockerfile says 3.11"),
        ({".python-version": "3.12\n"}, "3.13", ".python-version says 3.12, which no Debian release that fits brings"),
        ({"requirements.txt": "django~=5.0\ngunicorn\n"}, "3.13", "the newest that Debian brings"),
        ({"requirements.txt": "django~=4.2.1\ngunicorn\n"}, "3.11", "django~=4.2.1 is older than"),
    ],
    ids=["none", "dockerfile", "other", "wide", "old-django"],
)
def test_python_is_chosen(tmp_path: Path, files: dict[str, str], python: str, reason: str) -> None:
    """The Python that the project names is taken where a Debian release brings it."""
    made = adoption.plan(site(tmp_path, **files))

    assert made.settings["python"] == python
    assert any(sentence.startswith(f"python = {python}: {reason}") for sentence in made.decided)


def test_unknown_python_is_told(tmp_path: Path) -> None:
    """A project that allows no Python of Debian's is not forced onto one."""
    pyproject = '[project]\nname = "x"\ndependencies = ["gunicorn"]\nrequires-python = "==3.12.*"\n'
    made = adoption.plan(site(tmp_path, **{"pyproject.toml": pyproject}))

    assert "python" not in made.settings
    assert made.undecided == ("requires-python is ==3.12.*, and Debian brings 3.11 and 3.13: widen it",)


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
    names = ("DATABASE_URL", "API_TOKEN", "SITE_DOMAIN", "MAIL_PORT", "CELERY_BROKER", "STAGE")
    reads = "import environ, os\nenv = environ.Env()\nA = env.bool('ON')\nB = env.json('MAP')\n"
    text = SETTINGS + reads + "".join(f"{name} = os.environ['{name}']\n" for name in names)
    made = adoption.plan(site(tmp_path, **{"site/settings.py": text}))

    assert made.settings["env"] == {
        "API_TOKEN": "only-for-the-build-and-never-in-an-image-0123456789-abcdefghij",
        "CELERY_BROKER": "redis://localhost/0",
        "MAIL_PORT": "1",
        "MAP": "{}",
        "ON": "false",
        "SITE_DOMAIN": "localhost",
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
    text = (ROOT / "nix" / "on-system.nix").read_text()

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
        ({"manage.py": "import django\n"}, "manage.py: names no settings module that is there"),
        ({"pyproject.toml": "x ="}, "pyproject.toml: "),
    ],
    ids=["empty", "no-settings", "toml"],
)
def test_other_folders_are_refused(tmp_path: Path, files: dict[str, str], message: str) -> None:
    """What is no Django project is told so, and gets no files."""
    with pytest.raises(ConfigError) as caught:
        adoption.plan(lay(tmp_path, files))

    assert message in str(caught.value)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(files)


def test_written_settings_are_toml(tmp_path: Path) -> None:
    """Values with quotes, backslashes and letters of any language survive."""
    table = {"a": 'x "y" \\ ñ', "b": ["ü", "\t"]}

    assert tomllib.loads("\n".join(adoption._assign(table))) == table
