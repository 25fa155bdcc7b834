from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.services import harbour

from estiba.lock import model

TINY = Path(__file__).parents[2] / "fixtures" / "services" / "tiny"
SDIST = "mysqlclient==2.2.7"


def configure(folder: Path, *, sdist: str = SDIST, **settings: list[str]) -> None:
    """Write a service's pyproject.toml with settings of its own."""
    lines = [f"{key.replace('_', '-')} = {json.dumps(value)}" for key, value in settings.items()]
    text = f"""
[project]
name = "tiny"
version = "0.1.0"
dependencies = ["django~=5.2.0", "gunicorn", "whitenoise", "{sdist}"]

[tool.estiba]
python = "3.11"
pockets = ["main"]
platforms = ["x86_64-linux"]
"""
    (folder / "pyproject.toml").write_text(text + "\n".join(lines) + "\n")


@pytest.fixture
def service(tmp_path: Path) -> Path:
    """Copy the tiny service, without its lock."""
    folder = shutil.copytree(TINY, tmp_path / "tiny", ignore=shutil.ignore_patterns("*lock*", "__pycache__"))
    (folder / "tasks.py").write_text("from estiba.tasks import ns\n")
    return folder


def use(folder: Path, module: str) -> None:
    """Let the settings import a module that is compiled: collectstatic loads them in the image's root."""
    with (folder / "tiny" / "settings.py").open("a") as settings:
        settings.write(f"\nimport {module}\n")


def refuse(folder: Path, task: str, *, code: int) -> str:
    """Run a task that must fail and return what it said."""
    done = harbour.invoke(folder, task, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stderr


def test_sdist_that_asks_for_headers_before_it_tells_its_metadata(service: Path) -> None:
    """What it misses is named with the setting that brings it: first headers, then the library it is linked with."""
    use(service, "MySQLdb")
    configure(service)
    said = refuse(service, "lock", code=21)
    assert "the build backend of mysqlclient-2.2.7.tar.gz fails:" in said
    assert "Can not find valid pkg-config name." in said
    assert 'hint: add to [tool.estiba]: debian-build = ["libmariadb-dev"]' in said
    assert not (service / "estiba.lock").exists()

    configure(service, debian_build=["default-libmysqlclient-dev", "pkg-config"])
    harbour.invoke(service, "lock")
    lock = model.parse((service / "estiba.lock").read_text())
    assert {one.name: one.kind for one in lock.distributions}["mysqlclient"] == "sdist"
    harbour.invoke(service, "fetch")
    said = refuse(service, "build", code=7)
    assert "mysqlclient-2.2.7.tar.gz needs libmariadb.so.3 of Debian's libmariadb3" in said
    assert 'add to [tool.estiba]: debian = ["libmariadb3"]' in said

    configure(service, debian=["libmariadb3"], debian_build=["default-libmysqlclient-dev", "pkg-config"])
    for task in ("lock", "fetch"):
        harbour.invoke(service, task)
    built = json.loads(harbour.invoke(service, "build", "--json").stdout)
    held = [line for layer in built["layers"] for line in layer["contents"]]
    assert "mysqlclient 2.2.7" in held
    assert any(line.startswith("libmariadb3 ") for line in held)
    assert not any(line.startswith(("gcc-12 ", "libmariadb-dev")) for line in held)


def test_sdist_whose_build_runs_a_perl_script(service: Path) -> None:
    """The build root has Debian's Essential packages, on which libpq-dev's `pg_config` counts; the image has not."""
    use(service, "psycopg2")
    configure(service, sdist="psycopg2==2.9.10", debian=["libpq5"], debian_build=["libpq-dev"])
    for task in ("lock", "fetch"):
        harbour.invoke(service, task)
    built = json.loads(harbour.invoke(service, "build", "--json").stdout)
    held = [line for layer in built["layers"] for line in layer["contents"]]
    assert "psycopg2 2.9.10" in held
    assert not any(line.startswith(("perl", "dash ", "dpkg ")) for line in held)


def test_build_requirements_of_an_old_sdist_are_held_back(service: Path) -> None:
    """A backend that newer build requirements break is told with its distribution, and constraints mend it."""
    configure(service, sdist="pyyaml==5.4")
    said = refuse(service, "lock", code=21)
    assert "pyyaml 5.4 has no wheel for Python 3.11 on x86_64-linux" in said.lower().replace("python", "Python")
    assert "AttributeError: " in said
    assert 'File "' not in said
    assert 'build-constraints = ["setuptools<81", "cython<3"]' in said

    use(service, "yaml")
    configure(service, sdist="pyyaml==5.4", build_constraints=["cython<3", "setuptools<70"])
    for task in ("lock", "fetch", "build"):
        harbour.invoke(service, task)
    lock = model.parse((service / "estiba.lock").read_text())
    assert {one.name: one.version.split(".")[0] for one in lock.build_distributions}["cython"] == "0"
