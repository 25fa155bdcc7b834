"""A project whose manage.py has a folder of its own, with a package of the same name and wsgi.py beside it."""

from __future__ import annotations

import json
import shutil
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.services import harbour, rootfs, sites

if TYPE_CHECKING:
    from collections.abc import Mapping

SOURCE = Path(__file__).parents[2] / "fixtures" / "services" / "tiny"
TEST = """
from django.test import SimpleTestCase

class PageTest(SimpleTestCase):
    def test_page(self):
        self.assertEqual(self.client.get("/").content, b"tiny\\n")
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lay out the tiny service so, with its lock."""
    folder = shutil.copytree(SOURCE, tmp_path_factory.mktemp("nested") / "repository")
    (folder / "tiny").rename(folder / "inner")
    (folder / "tiny").mkdir()
    (folder / "inner").rename(folder / "tiny" / "tiny")
    (folder / "manage.py").rename(folder / "tiny" / "manage.py")
    (folder / "tiny" / "tiny" / "wsgi.py").rename(folder / "tiny" / "wsgi.py")
    settings = folder / "tiny" / "tiny" / "settings.py"
    settings.write_text(settings.read_text().replace('":memory:"', 'os.environ.get("TINY_DATABASE", ":memory:")'))
    (folder / "tiny" / "tiny" / "test_django.py").write_text(TEST)
    path = folder / "pyproject.toml"
    path.write_text(
        path.read_text().replace("[tool.estiba]", '[tool.estiba]\nmanage = "tiny/manage.py"\ncheck-level = "ERROR"')
    )
    (folder / "tasks.py").write_text("from estiba.tasks import ns\n")
    harbour.invoke(folder, "fetch")
    return folder


def built(service: Path, folder: Path) -> rootfs.RootFs:
    """Build the image and unpack it."""
    return rootfs.unpack(Path(json.loads(harbour.invoke(service, "build", "--json").stdout)["path"]), folder)


def test_static_files_are_collected_and_the_application_is_found(service: Path, tmp_path: Path) -> None:
    """The settings load in the build, and the image names the WSGI module that lies beside manage.py."""
    root = built(service, tmp_path / "root")

    assert (root.top / "app/tiny/staticfiles").is_dir()
    assert root.environment["ESTIBA_WSGI"] == "wsgi:application"


@pytest.mark.parametrize(
    "setting",
    [{}, {"test-command": ["tiny/manage.py", "test", "tiny"]}],
    ids=["pytest", "manage"],
)
def test_checks_import_the_package_beside_manage(service: Path, setting: Mapping[str, list[str]]) -> None:
    """Pytest and Django's runner import the package of the settings, and not the folder around it."""
    path = service / "pyproject.toml"
    before = path.read_text()
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in setting.items())
    path.write_text(before.replace("[tool.estiba]\n", f"[tool.estiba]\n{lines}"))
    found = json.loads(harbour.invoke(service, "check", "--json").stdout)
    path.write_text(before)

    assert found["passed"]
    assert found["tests"]["tests"] == 1


def test_host_serves_it(service: Path) -> None:
    """The migrations are listed, the release starts, and the page answers."""
    with (service / "pyproject.toml").open("a") as file:
        file.write('\n[tool.estiba.targets.local.env]\nTINY_DATABASE = "/tmp/tiny.sqlite3"\n')
    with sites.served(service) as port, urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
        assert answer.read() == b"tiny\n"
