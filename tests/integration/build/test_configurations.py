"""A service whose settings are classes (django-configurations): what the image runs as is what WSGI names."""

from __future__ import annotations

import json
import shutil
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.services import harbour, ports, rootfs, sites

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(__file__).parents[2] / "fixtures" / "services" / "classes"
START = """
import os, subprocess, sys
env = {**os.environ, "DATABASE_URL": "postgresql://app@127.0.0.1:PORT/app", "DB_WAIT_TIMEOUT": "5", "SECRET_KEY": "a"}
argv = [sys.executable, "/opt/estiba/entrypoint.py", "web"]
print(subprocess.run(argv, cwd="/app", env=env, capture_output=True, text=True).stderr)
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lock the service and fetch what it needs."""
    folder = shutil.copytree(SOURCE, tmp_path_factory.mktemp("classes") / "classes")
    (folder / "tasks.py").write_text("from estiba.tasks import ns\n")
    for task in ("lock", "fetch"):
        harbour.invoke(folder, task)
    return folder


@pytest.fixture
def port(service: Path) -> Iterator[int]:
    """Deploy the service on this machine."""
    with sites.served(service) as found:
        yield found


def test_image_knows_its_class_and_waits_for_its_database(service: Path, tmp_path: Path) -> None:
    """Static files are collected with the class for production, and the entry point looks for its database."""
    built = json.loads(harbour.invoke(service, "build", "--json").stdout)
    root = rootfs.unpack(Path(built["path"]), tmp_path / "root")
    nobody = str(ports.find_free())

    assert root.environment["DJANGO_CONFIGURATION"] == "Production"
    assert (root.top / "app/staticfiles/staticfiles.json").is_file()
    assert "no database after 5 seconds (DB_WAIT_TIMEOUT): default:" in root.python(START.replace("PORT", nobody))


def test_checks_run_with_the_class_of_the_image(service: Path) -> None:
    """The service's own test asks for the class; manage.py would choose another one."""
    found = json.loads(harbour.invoke(service, "check", "--json").stdout)

    assert found["passed"]
    assert found["tests"]["tests"] == 1


def test_service_is_served(port: int) -> None:
    """It is migrated, starts and answers from its database."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
        assert answer.read() == b"classes.settings.Production on postgresql"
