from __future__ import annotations

from pathlib import Path

import pytest

from estiba.scaffold.adopt import survey


def needed(folder: Path, text: str) -> dict[str, bool]:
    """Return the variables that settings need, and whether under a condition only."""
    (folder / "settings.py").write_text(text)
    return {one.name: one.conditional for one in survey.survey(folder, "settings").variables}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('import os\nX = os.environ["TOKEN"]', id="environ"),
        pytest.param('from os import environ\nX = {"a": [environ["TOKEN"]]}', id="nested"),
        pytest.param('import environ\nenv = environ.Env(DEBUG=(bool, False))\nX = env("TOKEN")', id="django-environ"),
        pytest.param('import environ\nenv = environ.Env()\nX = env("TOKEN", int)', id="django-environ-cast"),
        pytest.param('from environs import FileAwareEnv\nenv = FileAwareEnv()\nX = env.str("TOKEN")', id="environs"),
        pytest.param('from environs import Env\nenv: Env = Env()\nX = env("TOKEN")', id="annotated"),
        pytest.param('from decouple import config as read\nX = read("TOKEN", cast=int)', id="decouple"),
        pytest.param('def need(name):\n    return os.environ[name]\nX = need("TOKEN")', id="own-function"),
        pytest.param('if not os.getenv("TOKEN"):\n    raise ValueError("no token")', id="raise"),
        pytest.param('if "TOKEN" not in os.environ:\n    raise ValueError("no token")', id="raise-not-in"),
        pytest.param('X = int(os.environ.get("TOKEN"))', id="converted"),
        pytest.param('if os.getenv("URL"):\n    X = 1\nelse:\n    X = os.environ["TOKEN"]', id="otherwise"),
        pytest.param('X = 1 if "URL" in os.environ else os.environ["TOKEN"]', id="otherwise-in"),
    ],
)
def test_variable_without_default_is_needed(tmp_path: Path, text: str) -> None:
    """Each usual way to read a variable that has to be there is understood."""
    assert needed(tmp_path, text) == {"TOKEN": False}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('X = os.environ.get("TOKEN")', id="get"),
        pytest.param('X = os.getenv("TOKEN", "")', id="getenv"),
        pytest.param('X = int(os.environ.get("TOKEN") or "1")', id="or-another"),
        pytest.param('SECRET_KEY = os.environ.get("TOKEN") or "x"', id="or-another-key"),
        pytest.param('if os.getenv("TOKEN"):\n    X = os.environ["TOKEN"]', id="present"),
        pytest.param('X = os.environ["TOKEN"] if "TOKEN" in os.environ else ""', id="asked-for"),
        pytest.param('try:\n    X = os.environ["TOKEN"]\nexcept KeyError:\n    X = ""', id="tried"),
        pytest.param('def later():\n    return os.environ["TOKEN"]', id="function"),
        pytest.param('later = lambda: os.environ["TOKEN"]', id="lambda"),
        pytest.param('os.environ["TOKEN"] = "x"', id="set"),
        pytest.param('import environ\nenv = environ.Env(TOKEN=(str, "x"))\nX = env("TOKEN")', id="scheme"),
        pytest.param('import environ\nenv = environ.Env()\nX = env("TOKEN", str, "x")', id="third-argument"),
        pytest.param('from environs import Env\nenv = Env()\nX = env("TOKEN", "x")', id="second-argument"),
        pytest.param('from environs import Env\nenv = Env()\nenv.read_env("TOKEN")', id="file"),
        pytest.param('from decouple import config\nX = config("TOKEN", default="x")', id="keyword"),
    ],
)
def test_variable_with_default_is_not_needed(tmp_path: Path, text: str) -> None:
    """What settings can do without is not asked for."""
    assert needed(tmp_path, text) == {}


def test_condition_is_told(tmp_path: Path) -> None:
    """A variable that only some configuration reads is told apart, unless another place always reads it."""
    text = 'if USE_S3:\n    A = os.environ["BUCKET"]\n    B = os.environ["REGION"]\nC = os.environ["REGION"]\n'

    assert needed(tmp_path, text) == {"BUCKET": True, "REGION": False}
    assert needed(tmp_path, 'X = os.environ.get("A") and os.environ["B"]') == {"B": True}


def test_secret_key_needs_a_value(tmp_path: Path) -> None:
    """Django refuses an empty key, so a lookup without default is a need there."""
    assert needed(tmp_path, 'SECRET_KEY = os.environ.get("KEY") or None') == {"KEY": False}
    assert needed(tmp_path, 'SECRET_KEY = os.environ.get("KEY") or os.environ.get("B")') == {"KEY": False, "B": True}
    assert needed(tmp_path, 'SECRET_KEY = os.environ.get("KEY") or os.environ.get("B", "x")') == {}
    assert needed(tmp_path, 'SECRET_KEY = os.environ.get("KEY")\nOTHER = os.environ.get("OTHER")') == {"KEY": False}


def test_implied_names(tmp_path: Path) -> None:
    """django-environ's methods have names of their own, and classes of django-configurations a prefix."""
    text = (
        "import environ\nenv = environ.Env()\nDATABASES = {'default': env.db()}\n"
        "class Base(Configuration):\n    SECRET_KEY = values.SecretValue()\n"
    )

    assert needed(tmp_path, text) == {"DATABASE_URL": False, "DJANGO_SECRET_KEY": False}


def test_imported_settings_are_read(tmp_path: Path) -> None:
    """Settings are read together with the modules that they start from, and place and kind are told."""
    folder = tmp_path / "conf" / "settings"
    folder.mkdir(parents=True)
    (folder / "base.py").write_text("from environs import Env\nenv = Env()\nSTATIC_ROOT = 'x'\n")
    (folder / "production.py").write_text("from .base import *\nPORT = env.int('MAIL_PORT')\n")
    seen = survey.survey(tmp_path, "conf.settings.production")

    assert [source.name for source in seen.sources] == ["conf.settings.base", "conf.settings.production"]
    assert seen.variables == (
        survey.Variable(name="MAIL_PORT", location="conf/settings/production.py:2", kind="int", conditional=False),
    )
    assert "STATIC_ROOT" in seen.names


def test_circular_imports_end(tmp_path: Path) -> None:
    """Modules that import one another are read once."""
    (tmp_path / "one.py").write_text("from two import *\nWSGI_APPLICATION = 'a.b'\n")
    (tmp_path / "two.py").write_text("import one\nWSGI_APPLICATION = 'a.a'\n")
    seen = survey.survey(tmp_path, "one")

    assert [source.name for source in seen.sources] == ["two", "one"]
    assert seen.constant("WSGI_APPLICATION") == "a.b"


def test_missing_module_is_told(tmp_path: Path) -> None:
    """A module that is imported and kept out of version control stops the build; an optional one does not."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "settings.py").write_text(
        "from .secrets import *\ntry:\n    from .local import *\nexcept ImportError:\n    pass\n"
        "with contextlib.suppress(ImportError):\n    from .mine import *\n"
    )

    assert survey.survey(tmp_path, "conf.settings").missing == ("conf.secrets (conf/settings.py:1)",)


def test_statement_of_another_python_is_left_out(tmp_path: Path) -> None:
    """It is named, and what stands around it is read all the same."""
    (tmp_path / "settings.py").write_text("A = os.environ['A']\nprint f'{x}'\nB = os.environ['B']\nC = (\n")
    seen = survey.survey(tmp_path, "settings")

    assert [one.name for one in seen.variables] == ["A", "B"]
    assert [sentence.partition(" is no")[0] for sentence in seen.unread] == ["settings.py:2", "settings.py:4"]


def test_files_are_shown_from_the_project(tmp_path: Path) -> None:
    """A place in a project whose manage.py lies deeper can be opened where people are."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "settings.py").write_text('import os\nX = os.environ["TOKEN"]\n')
    seen = survey.survey(tmp_path / "src", "settings", top=tmp_path)

    assert seen.variables[0].location == "src/settings.py:2"


def test_no_module_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty name is found nowhere, also not as the package that a folder happens to be."""
    (tmp_path / "__init__.py").touch()
    monkeypatch.chdir(tmp_path)

    assert (survey.locate(tmp_path, ""), survey.locate(Path(), "")) == (None, None)
