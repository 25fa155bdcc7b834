"""The library as a wheel, for those who install it by pip."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

from tests.services.harbour import ROOT

import estiba

if TYPE_CHECKING:
    from pathlib import Path


def test_wheel_has_its_version_and_the_template(tmp_path: Path) -> None:
    """Pip builds it from the sources alone, with all that it reads beside its modules."""
    left_out = shutil.ignore_patterns(".git", ".estiba", "__pycache__", ".*_cache")
    source = shutil.copytree(ROOT, tmp_path / "source", ignore=left_out)
    argv = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(source)]
    subprocess.run(argv, check=True)

    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())

    assert wheel.name == f"estiba-{estiba.__version__}-py3-none-any.whl"
    assert {"estiba/py.typed", "estiba/lock/python/python.sh", "estiba/scaffold/template/cookiecutter.json"} <= names
    assert {"estiba/publish/django-service/Chart.yaml", "estiba/publish/django-service/templates/_helpers.tpl"} <= names
    modules = {str(path.relative_to(ROOT / "src")) for path in (ROOT / "src").rglob("*.py")}
    assert modules <= names
    written = [name for name in names if not re.search("/(template|django-service)/", name)]
    assert not [name for name in written if re.search("tests/|[.]pyc$", name)]
