from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests import djangoproject

from estiba.deploy.host import settings
from estiba.scaffold.adopt import adoption
from estiba.service import project

SETTINGS = 'INSTALLED_APPS = []\nSECRET_KEY = "x"\nSTATIC_ROOT = "/app/static"\n'
FIXED = 'DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}\n'


def harbour(folder: Path, **more: str) -> Path:
    """Lay out a small project, with what else is given."""
    files = {
        "manage.py": 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "harbour.settings")\n',
        "harbour/settings.py": SETTINGS,
        "harbour/wsgi.py": "",
        "requirements.txt": "django>=5.2\ngunicorn\n",
    }
    for name, text in (files | more).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def adopt(folder: Path) -> adoption.Adoption:
    """Plan and apply."""
    made = adoption.plan(folder)
    adoption.apply(made)
    return made


def test_written_down_database_gets_settings_around_it(tmp_path: Path) -> None:
    """Settings that name a file as their database are kept, and others take PostgreSQL's from the environment."""
    text = SETTINGS + FIXED + "DATABASES['logs'] = {}\nDEBUG = True\nALLOWED_HOSTS = []\n"
    folder = harbour(tmp_path, **{"harbour/settings.py": text, "requirements.txt": "django>=5.2\n"})
    adopt(folder)
    environment = {"DATABASE_URL": "postgresql://a@/b?host=/run/postgresql", "SECRET_KEY": "k", "ALLOWED_HOSTS": "x,y"}
    names = "s.DEBUG, s.ALLOWED_HOSTS, s.DATABASES, s.STATIC_ROOT"
    code = f"import json, harbour.settings_deployed as s; print(json.dumps([{names}]))"
    said = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=folder, capture_output=True, check=True
    ).stdout

    assert project.load(folder).settings == "harbour.settings_deployed"
    assert project.load(folder).requirements.runtime == ("django>=5.2", "gunicorn", "psycopg[binary]")
    debug, hosts, databases, static = json.loads(said)
    assert (debug, hosts, static) == (False, ["x", "y"], "/app/static")
    assert databases["logs"] == {}
    assert databases["default"]["OPTIONS"] == {"host": "/run/postgresql"}
    assert (databases["default"]["USER"], databases["default"]["NAME"]) == ("a", "b")


def test_database_of_another_kind_is_told(tmp_path: Path) -> None:
    """What is not PostgreSQL and cannot be changed is not replaced behind anybody's back."""
    text = SETTINGS + FIXED.replace("sqlite3", "mysql", 1)
    made = adoption.plan(harbour(tmp_path, **{"harbour/settings.py": text}))

    assert made.settings["settings"] == "harbour.settings"
    assert made.undecided[0].startswith("harbour/settings.py:4 names a database that the environment cannot change")


def test_database_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """Where a function makes the table, somebody has to look at it."""
    made = adoption.plan(harbour(tmp_path, **{"harbour/settings.py": SETTINGS + "DATABASES = make()\n"}))

    assert made.undecided == ("DATABASES cannot be analysed: make sure that it is what DATABASE_URL names",)


def test_target_gets_what_the_settings_read(tmp_path: Path) -> None:
    """Variables with which the settings find PostgreSQL are set for this machine, and it can be deployed to."""
    reads = "import os\nDATABASES = {'default': {'ENGINE': os.environ['DB_ENGINE'], 'NAME': os.environ['DB_NAME']}}\n"
    made = adopt(harbour(tmp_path, **{"harbour/settings.py": SETTINGS + reads + "KEY = os.environ['API_KEY']\n"}))
    found = settings.parse("local", project.load(tmp_path).targets.get("local", {}), folder=tmp_path, state=tmp_path)

    assert found.env == {"DB_ENGINE": "django.db.backends.postgresql"}
    assert "before `invoke deploy`, set API_KEY in [tool.estiba.targets.local.env]" in made.undecided[-1]


@pytest.mark.parametrize(
    ("routes", "smoke", "told"),
    [
        ('path("", home), path("admin/", admin.site.urls)', ["/"], 0),
        ('re_path(r"^$", home)', ["/"], 0),
        ('path("back/", admin.site.urls)', ["/back/login/"], 0),
        ('path("shop/", shop)', ["/"], 1),
    ],
    ids=["home", "pattern", "admin", "none"],
)
def test_page_to_try_is_chosen(tmp_path: Path, routes: str, smoke: list[str], told: int) -> None:
    """A site without a page at its root is tried by its admin's login, or asks for a page."""
    text = SETTINGS + 'ROOT_URLCONF = "harbour.urls"\n'
    folder = harbour(tmp_path, **{"harbour/settings.py": text, "harbour/urls.py": f"urlpatterns = [{routes}]\n"})
    made = adopt(folder)
    found = settings.parse("local", project.load(folder).targets.get("local", {}), folder=folder, state=tmp_path)

    assert (list(found.smoke), len(made.undecided)) == (smoke, told)


def test_routes_that_cannot_be_read_ask_for_a_page(tmp_path: Path) -> None:
    """Routes in a newer Python's syntax stop nothing else."""
    text = SETTINGS + 'ROOT_URLCONF = "harbour.urls"\n'
    folder = harbour(tmp_path, **{"harbour/settings.py": text, "harbour/urls.py": "urlpatterns = [\n"})
    (told,) = adopt(folder).undecided

    assert told.startswith("harbour/urls.py: line 1: '[' was never closed, for Python 3.")
    assert told.endswith(': name a page that answers in [tool.estiba.targets.local], smoke = ["/…"]')


def test_project_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder may be given as a dot, also where the settings name no routes."""
    monkeypatch.chdir(harbour(tmp_path))

    assert adopt(Path()).undecided == ()


def test_requirements_are_started(tmp_path: Path) -> None:
    """A project as Django starts it has no requirements; they begin with the Django that made it."""
    text = '"""Generated by \'django-admin startproject\' using Django 5.2.3."""\n' + SETTINGS
    folder = harbour(tmp_path, **{"harbour/settings.py": text})
    (folder / "requirements.txt").unlink()
    adopt(folder)

    assert project.load(folder).requirements.runtime == ("django~=5.2.0", "gunicorn", "psycopg[binary]")


def test_packages_for_development_are_known(tmp_path: Path) -> None:
    """Tests are locked as well, so what they are built with is needed."""
    made = adoption.plan(harbour(tmp_path, **{"requirements-dev.txt": "mysqlclient\n"}))
    groups = '[project]\nname = "x"\ndependencies = ["gunicorn"]\n[dependency-groups]\ndev = ["python-ldap"]\n'
    other = adoption.plan(harbour(tmp_path / "other", **{"pyproject.toml": groups}))

    assert made.settings["debian-build"] == ["libmariadb-dev", "pkgconf"]
    assert other.settings["debian-build"] == ["libldap-dev", "libsasl2-dev"]


def test_extensions_are_found(tmp_path: Path) -> None:
    """Extensions that only a superuser may create are named for the target, others are left to the migrations."""
    text = "[BloomExtension(), TrigramExtension(), CreateExtension(name='earthdistance'), CreateExtension('citext')]"
    foreign = "CreateExtension('postgis')"
    files = {"harbour/migrations/0001_initial.py": text, "venv/lib/other/migrations/0001_initial.py": foreign}
    folder = harbour(tmp_path, **files)
    adopt(folder)

    assert settings.parse(
        "local", project.load(folder).targets.get("local", {}), folder=folder, state=tmp_path
    ).extensions == (
        "bloom",
        "earthdistance",
    )


def test_static_files_that_a_build_cannot_collect_are_told(tmp_path: Path) -> None:
    """An object store is out of reach, and files in STATIC_ROOT may be older ones."""
    text = SETTINGS.replace('"/app/static"', 'BASE_DIR / "public"') + 'S = "storages.backends.s3.S3Storage"\n'
    made = adoption.plan(djangoproject.site(tmp_path, **{"site/settings.py": text, "public/own.css": ""}))

    assert [sentence.partition(",")[0].partition(" keeps")[0] for sentence in made.undecided] == [
        "storages.backends.s3.S3Storage",
        "STATIC_ROOT",
    ]
    assert "such as public/own.css" in made.undecided[1]


@pytest.mark.parametrize(
    ("text", "false"),
    [
        ('SECURE_SSL_REDIRECT = os.environ.get("TO_HTTPS", "True").lower() == "true"', "False"),
        ('SECURE_SSL_REDIRECT = env.bool("TO_HTTPS", True)', "False"),
        ('if os.environ["TO_HTTPS"] == "true":\n    SECURE_SSL_REDIRECT = True', "False"),
        ('SECURE_SSL_REDIRECT = bool(int(os.environ.get("TO_HTTPS", "1")))', "0"),
        ('SECURE_SSL_REDIRECT = bool(os.environ.get("TO_HTTPS"))', ""),
        ('if not DEBUG and os.environ.get("TO_HTTPS"):\n    SECURE_SSL_REDIRECT = True', ""),
    ],
)
def test_redirect_to_https_that_nobody_ends_is_turned_off(tmp_path: Path, text: str, false: str) -> None:
    """The target on this machine has no proxy in front, and its pages would lead to themselves for ever."""
    made = adoption.plan(harbour(tmp_path, **{"harbour/settings.py": f"{SETTINGS}{text}\n"}))

    assert made.settings["targets"]["local"]["env"]["TO_HTTPS"] == false
    told = f"targets.local.env: TO_HTTPS is {false or 'empty'}, so that harbour/settings.py:"
    assert any(one.startswith(told) for one in made.decided)
    assert not any("before `invoke deploy`, set TO_HTTPS" in one for one in made.undecided)


@pytest.mark.parametrize(
    "text",
    [
        'SECURE_SSL_REDIRECT = not env.bool("PLAIN", False)',
        'SECURE_SSL_REDIRECT = False\nif env.bool("CI"):\n    SECURE_SSL_REDIRECT = False',
        'SECURE_SSL_REDIRECT = parser.get("server", "redirect")',
    ],
    ids=["negated", "off", "file"],
)
def test_no_variable_turns_the_redirect_on(tmp_path: Path, text: str) -> None:
    """What would do the opposite, or is no variable, is left as it is."""
    made = adoption.plan(harbour(tmp_path, **{"harbour/settings.py": f"{SETTINGS}{text}\n"}))

    assert "env" not in made.settings.get("targets", {}).get("local", {})


def test_redirect_that_the_environment_cannot_change_is_told(tmp_path: Path) -> None:
    """One that is off is not."""
    on, off = (f"{SETTINGS}SECURE_SSL_REDIRECT = {value}\n" for value in (True, False))
    told = adoption.plan(harbour(tmp_path, **{"harbour/settings.py": on})).undecided

    assert any(one.startswith("harbour/settings.py:4 redirects to HTTPS: before `invoke deploy`") for one in told)
    assert adoption.plan(harbour(tmp_path, **{"harbour/settings.py": off})).undecided == ()


@pytest.mark.parametrize(
    ("python", "package"), [("3.13", "postgresql-17-postgis-3"), ("3.11", "postgresql-15-postgis-3")]
)
def test_geodjango_gets_postgis(tmp_path: Path, python: str, package: str) -> None:
    """PostgreSQL of the target has the extension, beside those that migrations create, and the lock takes the table."""
    files = {
        "harbour/settings.py": SETTINGS + 'INSTALLED_APPS = ["django.contrib.gis"]\n',
        "harbour/migrations/0001_initial.py": 'operations = [CreateExtension("pg_stat_statements")]\n',
        ".python-version": python,
    }
    adopt(harbour(tmp_path, **files))
    loaded = project.load(tmp_path)

    assert loaded.postgresql.packages == (package,)
    found = settings.parse("local", loaded.targets["local"], folder=tmp_path, state=tmp_path)
    assert found.extensions == ("pg_stat_statements", "postgis")
