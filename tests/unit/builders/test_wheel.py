from __future__ import annotations

import csv
import json
import zipfile
from typing import TYPE_CHECKING

import pytest
from tests import wheelfile

import expansion
import wheel

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = "opt/venv/lib/python3.13/site-packages"


def install(tmp_path: Path, files: dict[str, str], metadata: str = "") -> Path:
    """Install a wheel with these files and return the root."""
    root = tmp_path / "root"
    wheel.install(wheelfile.write(tmp_path, "Hola_Mundo", files, metadata=metadata), root, python="3.13")
    return root


def test_files_go_where_pip_puts_them(tmp_path: Path) -> None:
    """Packages, platform libraries, data, scripts and headers each have their place in the environment."""
    root = install(
        tmp_path,
        {
            "hola/__init__.py": "",
            "DATA/platlib/_hola.py": "",
            "DATA/data/share/hola/flag.txt": "ES",
            "DATA/scripts/hola-script": "#!python\nprint(1)\n",
            "DATA/headers/hola.h": "",
        },
    )

    for path in (
        f"{PACKAGES}/hola/__init__.py",
        f"{PACKAGES}/_hola.py",
        "opt/venv/share/hola/flag.txt",
        "opt/venv/bin/hola-script",
        "opt/venv/include/site/python3.13/Hola_Mundo/hola.h",
    ):
        assert (root / path).is_file(), path


def test_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it is written."""
    monkeypatch.setattr(expansion, "ALWAYS", 1 << 20)

    with pytest.raises(ValueError, match="unpacks to more than 1,048,576"):
        install(tmp_path, {"hola/zeros": "0" * (2 << 20)})
    assert not (tmp_path / "root").exists()


def test_scripts_run_the_interpreter_of_the_image(tmp_path: Path) -> None:
    """Console scripts and scripts of the wheel start with the environment's own Python."""
    files = {
        "DIST/entry_points.txt": "[console_scripts]\nhola = hola:main\n",
        "DATA/scripts/old": "#!python\nprint(1)\n",
    }
    root = install(tmp_path, files)

    for name in ("hola", "old"):
        script = root / "opt/venv/bin" / name
        assert script.read_text().splitlines()[0] == "#!/opt/venv/bin/python"
        assert script.stat().st_mode & 0o111 == 0o111


def test_record_names_every_file(tmp_path: Path) -> None:
    """What was installed is recorded, relative to the packages' folder, so that tools can tell whose a file is."""
    root = install(tmp_path, {"hola/__init__.py": "", "DIST/entry_points.txt": "[console_scripts]\nhola = hola:main\n"})

    info = f"{PACKAGES}/Hola_Mundo-1.0.dist-info"
    recorded = {row[0] for row in csv.reader((root / info / "RECORD").read_text().splitlines())}
    assert {str((root / PACKAGES / path).resolve().relative_to(root.resolve())) for path in recorded} == {
        str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()
    }
    assert (root / info / "INSTALLER").read_text() == "estiba\n"


def test_the_same_wheel_gives_the_same_tree(tmp_path: Path) -> None:
    """Nothing of the place or the time of the installation is left in the files."""
    package = wheelfile.write(
        tmp_path, "hola", {"hola.py": "", "DIST/entry_points.txt": "[console_scripts]\nh = hola:m\n"}
    )
    for name in ("one", "another"):
        wheel.install(package, tmp_path / name, python="3.13")

    def content(top: Path) -> dict[str, bytes]:
        return {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()}

    assert content(tmp_path / "one") == content(tmp_path / "another")


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        pytest.param("License: BSD 3-Clause\n", "BSD 3-Clause", id="text"),
        pytest.param(
            "License: UNKNOWN\nClassifier: License :: OSI Approved :: ISC License\n", "ISC License", id="unknown"
        ),
        pytest.param(
            "License: Copyright\n        all the text\nClassifier: License :: OSI Approved :: MIT License\n",
            "MIT License",
            id="whole text",
        ),
        pytest.param("Classifier: Framework :: Django\n", "", id="none"),
    ],
)
def test_licence_is_the_most_exact_one(tmp_path: Path, metadata: str, expected: str) -> None:
    """A short text beats the classifier."""
    assert wheel.describe(install(tmp_path, {}, metadata))["license"] == expected


def test_licence_expression_is_told_apart(tmp_path: Path) -> None:
    """What is an SPDX expression (PEP 639) may go where only such is allowed."""
    described = wheel.describe(install(tmp_path, {}, "License-Expression: MIT OR Apache-2.0\n"))

    assert (described["expression"], described["license"]) == ("MIT OR Apache-2.0", "")


def test_summary_in_any_language(tmp_path: Path) -> None:
    """Metadata is UTF-8, and its summary goes into a JSON document."""
    described = wheel.describe(install(tmp_path, {}, "Summary: Añade niños\n"))

    assert json.loads(json.dumps(described))["summary"] == "Añade niños"


def test_bundled_components_are_read(tmp_path: Path) -> None:
    """A wheel's own bills of materials (PEP 770) say what it carries inside."""
    bill = json.dumps({"bomFormat": "CycloneDX", "components": [{"name": "libjpeg", "type": "library"}]})
    other = json.dumps({"spdxVersion": "SPDX-2.3"})

    described = wheel.describe(install(tmp_path, {"DIST/sboms/a.cdx.json": bill, "DIST/sboms/b.spdx.json": other}))

    assert described["bundled"] == [{"name": "libjpeg", "type": "library"}]


@pytest.mark.parametrize(
    ("path", "error"),
    [("DATA/data/../../../../etc/passwd", ValueError), ("DATA/purelib/hola/__init__.py", FileExistsError)],
    ids=["outside", "twice"],
)
def test_a_file_has_its_own_place_in_the_environment(tmp_path: Path, path: str, error: type[Exception]) -> None:
    """What leads out of the environment, or to the place of another file, is refused."""
    with pytest.raises(error):
        install(tmp_path, {"hola/__init__.py": "", path: ""})


@pytest.fixture
def attributes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the attributes of a derivation of two wheels, and return where its output goes."""
    members = {"hola": {"hola.py": "X = 1\n"}, "adios": {"DATA/data/share/flag.txt": "ES"}}
    wheels = {name: wheelfile.write(tmp_path, name, files) for name, files in members.items()}
    given = {
        "installer": str(tmp_path),
        "outputs": {"out": str(tmp_path / "out")},
        "python": "3.13",
        "wheels": {name: {"file": path.name, "wheel": str(path)} for name, path in wheels.items()},
    }
    (tmp_path / "attrs.json").write_text(json.dumps(given))
    (tmp_path / "work").mkdir()
    monkeypatch.setenv("NIX_ATTRS_JSON_FILE", str(tmp_path / "attrs.json"))
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "out"


def test_wheels_of_one_derivation_lie_side_by_side(attributes: Path) -> None:
    """Each has a folder with its root and its description, and its packages are to be compiled."""
    found = list(wheel.build())

    assert found == [(attributes / name / "root" / PACKAGES, f"/{PACKAGES}") for name in ("hola", "adios")]
    assert (attributes / "adios/root/opt/venv/share/flag.txt").read_text() == "ES"
    assert json.loads((attributes / "hola/description.json").read_text())["bundled"] == []
    assert sorted(path.name for path in attributes.iterdir()) == ["adios", "hola"]


def test_damaged_wheel_is_named(attributes: Path, tmp_path: Path) -> None:
    """The error of an archive among others says which one it is."""
    (tmp_path / "adios-1.0-py3-none-any.whl").write_bytes(b"no archive")

    with pytest.raises(zipfile.BadZipFile) as caught:
        list(wheel.build())

    assert caught.value.__notes__ == ["adios-1.0-py3-none-any.whl cannot be unpacked"]
    assert not (attributes / "adios" / "description.json").exists()
