from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.djangoproject import MANAGE, SETTINGS, adopt, lay, site

from estiba.errors import ConfigError
from estiba.scaffold.adopt import adoption, modules
from estiba.service import project

if TYPE_CHECKING:
    from pathlib import Path

COMPUTED = {
    "manage.py": "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', find())\n",
    "a/settings/__init__.py": "",
    "a/settings/local.py": SETTINGS,
    "a/settings/live.py": SETTINGS,
    "a/web/wsgi.py": "",
    "b/wsgi.py": "",
}


def test_given_modules_are_taken(tmp_path: Path) -> None:
    """What is given beats what is found, and an application without its attribute has the usual one."""
    made = adoption.plan(lay(tmp_path, COMPUTED), settings="a.settings.live", wsgi="a.web.wsgi")

    assert (made.settings["settings"], made.settings["wsgi"]) == ("a.settings.live", "a.web.wsgi:application")
    assert made.decided[0] == "settings = a.settings.live: given by --settings"


def test_candidates_are_listed_where_manage_names_none(tmp_path: Path) -> None:
    """The likeliest settings module is in the command to run next."""
    with pytest.raises(ConfigError) as caught:
        adoption.plan(lay(tmp_path / "site", {**COMPUTED, "a/settings/apps.py": "", "a/models.py": SETTINGS}))

    assert str(caught.value) == (
        "site: \n"
        "  - manage.py names no settings module that is there\n"
        "  - manage.py: does not set DJANGO_SETTINGS_MODULE to a constant\n"
        "  - b/wsgi.py: does not set DJANGO_SETTINGS_MODULE to a constant\n"
        "  - a/web/wsgi.py: does not set DJANGO_SETTINGS_MODULE to a constant\n"
        "  - there are a.settings.live, a.settings.local\n"
        "  hint: estiba adopt --settings a.settings.live FOLDER"
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"settings": "a.settings.prod"},
            "--settings: there is no module a.settings.prod beside manage.py; there are ",
        ),
        ({"settings": "a.settings.live", "wsgi": "c.wsgi:app"}, "; there are b.wsgi, a.web.wsgi\n"),
    ],
    ids=["settings", "wsgi"],
)
def test_given_module_that_is_absent(tmp_path: Path, given: dict[str, str], message: str) -> None:
    """A mistyped module is refused with those that are there."""
    with pytest.raises(ConfigError) as caught:
        adoption.plan(lay(tmp_path, COMPUTED), **given)

    assert message in str(caught.value)


def test_settings_below_another_folder_than_that_of_manage(tmp_path: Path) -> None:
    """A manage.py that adds `src` to the import path has to be there: its folder is what is imported from."""
    files = {"manage.py": MANAGE.format("a.settings"), "src/a/settings.py": SETTINGS, "src/a/wsgi.py": ""}
    with pytest.raises(ConfigError) as caught:
        adoption.plan(lay(tmp_path / "site", files))

    assert str(caught.value) == (
        "site: a.settings is in src, and is imported from the folder of manage.py alone\n"
        "  hint: git mv manage.py src/manage.py, take out what it adds to sys.path, then run the command again"
    )


def test_application_beside_manage_is_found(tmp_path: Path) -> None:
    """A wsgi.py beside manage.py is a module at the top of the path."""
    files = {"x/manage.py": MANAGE.format("x.settings"), "x/x/settings.py": SETTINGS, "x/wsgi.py": ""}
    made = adoption.plan(lay(tmp_path, files))

    assert (made.settings["manage"], made.settings["settings"]) == ("x/manage.py", "x.settings")
    assert made.settings["wsgi"] == "wsgi:application"


def test_manage_need_not_name_django(tmp_path: Path) -> None:
    """A library may have it all, and then the settings have to be given."""
    files = {
        "manage.py": "from site_kit import execute_from_command_line\n",
        "a/settings.py": SETTINGS,
        "a/wsgi.py": "",
    }
    made = adoption.plan(lay(tmp_path, files), settings="a.settings")

    assert made.settings["settings"] == "a.settings"


def test_project_without_wsgi_module_is_served_by_django(tmp_path: Path) -> None:
    """Its settings name no application, which to Django means its own."""
    folder = site(tmp_path)
    (folder / "site/wsgi.py").unlink()
    made = adopt(folder)

    assert (made.undecided, project.load(folder).wsgi) == ((), "django.core.wsgi:get_wsgi_application()")


def test_tests_and_models_are_no_settings(tmp_path: Path) -> None:
    """Only modules that can be imported, are named for it, and have what settings have."""
    lay(
        tmp_path,
        {
            **dict.fromkeys(("a/settings.py", "a/models.py", "my-files/settings.py"), SETTINGS),
            **dict.fromkeys(("a/settings/my-cloud.py", "a/settings/production.example.py"), SETTINGS),
            "a/live.py": "",
        },
    )

    assert modules.find_settings(tmp_path) == ["a.settings"]
