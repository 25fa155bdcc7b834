from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

import pytest

from estiba.errors import ConfigError
from estiba.service import django

NIX = Path(__file__).parents[3] / "tests" / "nix"
SERVICES = json.loads((NIX / "services.json").read_text())


def lay(folder: Path, files: dict[str, str]) -> Path:
    """Write files."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(
    "line",
    [
        'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "a.b.settings")',
        'os.environ["DJANGO_SETTINGS_MODULE"] = "a.b.settings"',
    ],
)
def test_settings_are_found_in_manage(tmp_path: Path, line: str) -> None:
    """Both usual ways to set the settings module are understood, without running the file."""
    lay(tmp_path, {"manage.py": f"import os\ndef main():\n    {line}\n", "a/wsgi.py": ""})

    assert django.find_layout(tmp_path, "manage.py") == django.Layout(
        settings="a.b.settings", wsgi="a.wsgi:application"
    )


def test_manage_may_lie_deeper(tmp_path: Path) -> None:
    """Modules are looked for beside manage.py."""
    manage = 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "site.settings")\n'
    lay(tmp_path, {"src/manage.py": manage, "src/site/settings/__init__.py": 'WSGI_APPLICATION = "site.web.app"\n'})

    assert django.find_layout(tmp_path, "src/manage.py").wsgi == "site.web:app"


def test_configured_values_are_taken(tmp_path: Path) -> None:
    """What is configured is not looked for, and Django's notation of an application is understood."""
    lay(tmp_path, {"manage.py": ""})
    found = django.find_layout(tmp_path, "manage.py", settings="x.settings", wsgi="x.wsgi.application")

    assert found == django.Layout(settings="x.settings", wsgi="x.wsgi:application")


def test_unclear_settings_are_an_error(tmp_path: Path) -> None:
    """A manage.py that computes the name gets the setting to write."""
    lay(tmp_path, {"manage.py": "import os\n"})
    with pytest.raises(ConfigError, match=r'set settings = "package.settings" in \[tool.estiba\]'):
        django.find_layout(tmp_path, "manage.py")


def test_unclear_application_is_an_error(tmp_path: Path) -> None:
    """The same for the WSGI application."""
    lay(tmp_path, {"manage.py": ""})
    with pytest.raises(ConfigError, match=r'set wsgi = "package.wsgi:application" in \[tool.estiba\]'):
        django.find_layout(tmp_path, "manage.py", settings="x.settings")


def test_syntax_error_is_placed(tmp_path: Path) -> None:
    """A file that does not parse is named with its line."""
    lay(tmp_path, {"manage.py": "\nimport (\n"})
    with pytest.raises(ConfigError, match=r"manage.py: line 2"):
        django.find_layout(tmp_path, "manage.py")


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_finds_what_nix_finds(name: str) -> None:
    """Nix reads the same files where a service is built, and both are held to the same answers."""
    folder = NIX / "services" / name
    pyproject = tomllib.loads((folder / "pyproject.toml").read_text()) if (folder / "pyproject.toml").exists() else {}
    found = django.find_layout(folder, pyproject.get("tool", {}).get("estiba", {}).get("manage", "manage.py"))

    assert {
        "settings": found.settings,
        "wsgi": found.wsgi or None,
        "asgi": found.asgi or None,
        "isAsgi": found.is_asgi,
    } == SERVICES[name]


NEWER = """\
import os


def first<T>(items: list[T]) -> T:
    return items[0]


kind Names = list[str]
WSGI_APPLICATION = "x.serving.app"
if True:
    NAME = os.environ["NAME"]
"""


def test_syntax_of_another_python_stops_nothing(tmp_path: Path) -> None:
    """What the running Python knows of a file is read, and the rest is named with its line."""
    manage = 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "x.settings")\n'
    lay(tmp_path, {"manage.py": manage + "def f<T>(): ...\n", "x/settings.py": NEWER, "x/serving.py": ""})
    tree, problems = django.parse_known(tmp_path / "x" / "settings.py", "x/settings.py")

    assert [problem.partition(" (")[0] for problem in problems] == [
        f"x/settings.py:{line} is no syntax of Python {sys.version_info[0]}.{sys.version_info[1]}" for line in (4, 8)
    ]
    assert [type(node).__name__ for node in tree.body] == ["Import", "Assign", "If"]
    assert tree.body[1].lineno == 9
    found = django.find_layout(tmp_path, "manage.py")
    assert (found.settings, found.wsgi) == ("x.settings", "x.serving:app")
