from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from tests import wheelfile

import tools_env

if TYPE_CHECKING:
    import pytest


def test_wheels_lie_in_one_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All wheels are files of one folder, scripts start with its interpreter, and Python writes nothing there."""
    out, work = tmp_path / "out", tmp_path / "work"
    work.mkdir()
    scripts = {"DIST/entry_points.txt": "[console_scripts]\nhola = hola:main\n", "hola/__init__.py": ""}
    others = {"a1_mundo.pth": "import mundo\n", "mundo.py": ""}
    wheels = [wheelfile.write(tmp_path, "hola", scripts), wheelfile.write(tmp_path, "mundo", others)]
    given = {
        "outputs": {"out": str(out)},
        "python": "/tree/usr/bin/python3.11",
        "compiler": {"python": "3.11"},
        "installer": str(tmp_path),
        "wheels": [{"file": one.name, "wheel": str(one)} for one in wheels],
    }
    (tmp_path / "attrs.json").write_text(json.dumps(given))
    monkeypatch.setenv("NIX_ATTRS_JSON_FILE", str(tmp_path / "attrs.json"))
    monkeypatch.chdir(work)

    tools_env.main()

    packages = out / "lib/python3.11/site-packages"
    assert {"hola", "mundo.py"} <= {path.name for path in packages.iterdir()}
    assert (out / "bin/hola").read_text().splitlines()[0] == f"#!{out}/bin/python"
    assert (out / "bin/python").readlink() == Path("/tree/usr/bin/python3.11")
    assert sorted(path.name for path in out.iterdir()) == ["bin", "lib", "pyvenv.cfg"]
    first, *_ = sorted(packages.glob("*.pth"))
    assert "dont_write_bytecode" in first.read_text()
