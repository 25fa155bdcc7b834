from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.djangoproject import MANAGE, SETTINGS, adopt, lay, site

from estiba.errors import ConfigError
from estiba.scaffold.adopt import adoption
from estiba.service import project

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


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
def test_settings_are_chosen(tmp_path: Path, files: Mapping[str, str], modules: tuple[str, str], reason: str) -> None:
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


def test_extra_with_the_server_is_chosen(tmp_path: Path) -> None:
    """What a project installs for production is in the image, and no second server."""
    pyproject = (
        '[project]\nname = "x"\ndependencies = ["django>=5.2"]\n[project.optional-dependencies]\n'
        'prod = ["gunicorn>=23", "whitenoise"]\ntest = ["gunicorn", "pytest"]\ndocs = ["sphinx"]\n'
    )
    made = adopt(site(tmp_path, **{"pyproject.toml": pyproject}))

    assert made.settings["extras"] == ["prod"]
    assert project.load(tmp_path).requirements.runtime == ("django>=5.2", "gunicorn>=23", "whitenoise")


def test_no_requirements_are_told(tmp_path: Path) -> None:
    """Files of tools that only running them would read have to be exported first."""
    folder = site(tmp_path, **{"setup.py": "setup()\n"})
    (folder / "requirements.txt").unlink()

    assert "`pip freeze > requirements.txt`" in adoption.plan(folder).undecided[0]


def test_server_and_driver_are_a_group(tmp_path: Path) -> None:
    """What pyproject.toml lacks for the image is added to its groups, and nothing of it changes but for that line."""
    before = '[project]\nname = "x"\ndependencies = ["django>=5.2"]\n\n[dependency-groups] # ours\ndev = ["ruff"]\n'
    settings = SETTINGS + "import dj_database_url\nDATABASES = {'default': dj_database_url.config()}\n"
    folder = site(tmp_path, **{"pyproject.toml": before + "[tool.x]\n", "site/settings.py": settings})
    made = adopt(folder)
    found = project.load(folder).requirements

    assert made.undecided == ()
    assert found.runtime == ("django>=5.2", "gunicorn", "psycopg[binary]")
    assert found.dev == ("ruff",)
    kept = (folder / "pyproject.toml").read_text().replace('deploy = ["gunicorn", "psycopg[binary]"]\n', "")
    assert kept.startswith(before + "[tool.x]\n\n[tool.estiba]\n")


def test_asgi_application_gets_a_server_of_its_own(tmp_path: Path) -> None:
    """What gunicorn alone cannot serve is not left out, and a server that is there is enough."""
    settings = SETTINGS + "ASGI_APPLICATION = 'site.asgi.application'\n"
    folder = site(tmp_path, **{"requirements.txt": "django>=5.2\n", "site/settings.py": settings})

    assert "uvicorn[standard]\n" in adoption.plan(folder).files["requirements.in"]

    (folder / "requirements.txt").write_text("django>=5.2\ndaphne\n")

    assert "requirements.in" not in adoption.plan(folder).files


def test_what_cannot_be_locked_is_told(tmp_path: Path) -> None:
    """Repositories and options in requirements are listed before anybody locks."""
    lines = "--trusted-host x\ndjango>=5.2\ngunicorn\nfork @ git+https://example.org/fork.git\n"
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
    assert made.undecided == (
        "requires-python is ==3.12.*, and Debian brings 3.11 and 3.13 and 3.14 and 3.15: widen it",
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Pipfile", '[packages]\ndjango = "*"\n'),
        ("pyproject.toml", '[project]\nname = "a"\nversion = "1"\ndependencies = ["django"]\n'),
        ("pyproject.toml", '[tool.poetry]\nname = "a"\n[tool.poetry.dependencies]\ndjango = "*"\n'),
    ],
    ids=["pipenv", "standard", "poetry"],
)
@pytest.mark.parametrize("top", [{}, {"pyproject.toml": "[tool.ruff]\n"}], ids=["nothing", "linter"])
def test_requirements_of_a_folder_below(tmp_path: Path, name: str, text: str, top: Mapping[str, str]) -> None:
    """A project with manage.py and requirements in one folder is adopted there; at the top nothing is started."""
    below = {"manage.py": MANAGE.format("a.settings"), "a/settings.py": SETTINGS, "a/wsgi.py": "", name: text}
    folder = lay(tmp_path / "site", {**top, **{f"backend/{file}": content for file, content in below.items()}})
    with pytest.raises(ConfigError) as caught:
        adopt(folder)

    assert str(caught.value) == (
        f"site: the requirements are in backend/{name}, and there are none at the top\n"
        f"  hint: estiba adopt {folder / 'backend'}"
    )
    assert {file.name for file in folder.iterdir()} == {"backend", *top}


def test_configuration_of_a_linter_below(tmp_path: Path) -> None:
    """A pyproject.toml beside manage.py that names no requirements is none of them."""
    below = {"manage.py": MANAGE.format("a.settings"), "a/settings.py": SETTINGS, "pyproject.toml": "[tool.ruff]\n"}
    made = adopt(lay(tmp_path, {f"backend/{file}": content for file, content in below.items()}))

    assert made.files["requirements.in"] == "django\ngunicorn\npsycopg[binary]\n"
