"""Charts packaged by Helm and pushed to Debian's registry."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from estiba.digest import Digest
from estiba.errors import ChartError
from estiba.process import run
from estiba.publish import chart

if TYPE_CHECKING:
    from tests.services.registry import RunningRegistry

PROGRAM = """
import os, sys
from pathlib import Path
os.umask(int(sys.argv[3], 8))
if os.geteuid() == 0:
    os.setgroups([])
os.setgid(int(sys.argv[4]))
os.setuid(int(sys.argv[4]))
from estiba.process import run
from estiba.publish import chart
print(chart.package(Path(sys.argv[1]), Path(sys.argv[2]), run).digest)
"""


def package_as(folder: Path, copy: Path, *, time: int, umask: str, user: int, zone: str) -> str:
    """Package a copy of a chart as somebody else, elsewhere, at another time; return the digest that is printed."""
    shutil.copytree(folder, copy)
    for path in (copy, *copy.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o666 & ~int(umask, 8) | 0o004)
        os.utime(path, (time, time))
    (home := copy.with_name(f"{copy.name}-home")).mkdir()
    home.chmod(0o777)
    env = {**os.environ, "TZ": zone, "HOME": str(home), "TMPDIR": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    argv = [sys.executable, "-c", PROGRAM, str(copy), str(home / "out"), umask, str(user)]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_digest_is_the_same_for_everybody() -> None:
    """Times, umask, user and time zone leave no trace in the archive."""
    other = 65534 if os.geteuid() == 0 else os.geteuid()
    # Not in pytest's own folder, which other users cannot enter.
    with tempfile.TemporaryDirectory(prefix="estiba-test-") as work:
        (folder := Path(work)).chmod(0o755)
        one = package_as(chart.own(), folder / "one", time=0, umask="022", user=os.geteuid(), zone="UTC")
        two = package_as(chart.own(), folder / "two", time=2_000_000_000, umask="077", user=other, zone="Asia/Tokyo")
        here = chart.package(chart.own(), folder / "here", run).digest

    assert one == two == str(here)


def test_pushed_chart_has_a_digest_of_its_own(running_registry: RunningRegistry, tmp_path: Path) -> None:
    """Pushed from two folders it is one manifest, whose layer is the archive; Helm takes it from there."""
    to = f"{running_registry.host}/team/charts"
    packages = [chart.package(chart.own(), tmp_path / name, run) for name in ("one", "two")]
    pushed = [chart.push(packaged, to, run) for packaged in packages]
    (ref, again) = (one.ref for one in pushed)
    address = f"http://{running_registry.host}/v2/{ref.repository}/manifests/{ref.tag}"
    asked = requests.get(address, headers={"Accept": "application/vnd.oci.image.manifest.v1+json"}, timeout=10)
    body = asked.content

    assert ref == again
    assert Digest.of_bytes(body) == ref.digest
    assert json.loads(body)["layers"][0]["digest"] == str(packages[0].digest)
    argv = ["helm", "pull", f"oci://{to}/{chart.NAME}", "--plain-http", "--destination", str(tmp_path)]
    subprocess.run(argv, check=True, capture_output=True)
    assert Digest.of_file(next(tmp_path.glob("*.tgz"))) == packages[0].digest


def test_version_with_a_plus_is_found_again(running_registry: RunningRegistry, tmp_path: Path) -> None:
    """The tag has an underscore, and Helm asks for the version as it is."""
    folder = shutil.copytree(chart.own(), tmp_path / chart.NAME)
    described = (folder / "Chart.yaml").read_text().replace("version: 0.1.0", "version: 0.1.0+build.7", 1)
    (folder / "Chart.yaml").write_text(described)
    to = f"{running_registry.host}/team"

    pushed = chart.push(chart.package(folder, tmp_path / "out", run), to, run)

    assert pushed.ref.tag == "0.1.0_build.7"
    argv = ["helm", "show", "chart", f"oci://{to}/{chart.NAME}", "--version", "0.1.0+build.7", "--plain-http"]
    assert "0.1.0+build.7" in subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def test_registry_that_is_not_there_is_one_error(tmp_path: Path) -> None:
    """The message names it."""
    packaged = chart.package(chart.own(), tmp_path, run)

    with pytest.raises(ChartError, match="localhost:1 did not take the chart"):
        chart.push(packaged, "localhost:1/team", run)


def test_chart_that_helm_refuses_leaves_nothing(tmp_path: Path) -> None:
    """A dependency that is not in `charts` is Helm's own sentence, and no archive is made."""
    folder = shutil.copytree(chart.own(), tmp_path / "broken")
    dependency = "\ndependencies:\n- name: gone\n  version: 1.0.0\n"
    (folder / "Chart.yaml").write_text((folder / "Chart.yaml").read_text() + dependency)

    with pytest.raises(ChartError, match="gone"):
        chart.package(folder, tmp_path / "out", run)
    assert not (tmp_path / "out").exists()
