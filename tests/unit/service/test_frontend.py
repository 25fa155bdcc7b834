from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from estiba.errors import ConfigError
from estiba.service import frontend
from estiba.service.frontend import Frontend

NIX = Path(__file__).parents[2] / "nix"
GOLDEN = json.loads((NIX / "frontend.json").read_text())
"""The Nix library is tested with the same ones."""

SETTINGS = Frontend(folder="web", script="build", output=("static/dist",))
HASH = "sha512-" + base64.b64encode(bytes(64)).decode()
HOLA = {"version": "1.0.0", "integrity": HASH}


def lay(folder: Path, lock: object, name: str = "package-lock.json") -> Path:
    """Write a front end with a lock."""
    (folder / "web").mkdir()
    (folder / "web" / "package.json").write_text('{"scripts": {"build": "vite build", "watch": "vite"}}')
    (folder / "web" / name).write_text(lock if isinstance(lock, str) else json.dumps(lock))
    return folder


def packages(**entries: object) -> dict[str, Any]:
    """Return a lock."""
    return {"lockfileVersion": 3, "packages": {f"node_modules/{name}": entry for name, entry in entries.items()}}


@pytest.mark.parametrize("platform", GOLDEN["tarballs"])
def test_tarballs_are_those_that_npm_installs(tmp_path: Path, platform: str) -> None:
    """Packages of other systems, workspaces, linked folders and bundled packages have none to fetch."""
    lay(tmp_path, (NIX / "frontend" / "package-lock.json").read_text())
    found = frontend.read(tmp_path, SETTINGS, platform)

    assert {
        tarball.file: "sha512-" + base64.b64encode(bytes.fromhex(tarball.sha512)).decode() for tarball in found
    } == GOLDEN["tarballs"][platform]
    assert [tarball.name for tarball in found if tarball.source] == ["xlsx"]


@pytest.mark.parametrize(
    ("lock", "problems"),
    [
        ({"lockfileVersion": 1}, ["lockfileVersion is 1, only 2 and 3 list packages by their path"]),
        ("[]", ["must be a JSON object"]),
        (packages(hola={"version": "1"}), ["hola: no sha512 integrity"]),
        (packages(hola={"version": "1", "integrity": "sha1-AAAA sha512-AAAA"}), ["hola: no sha512 integrity"]),
        (
            packages(hola={**HOLA, "resolved": "git+ssh://git@npm.example/hola.git#0123"}),
            ["hola: a git dependency has no tarball whose hash npm locks"],
        ),
        (
            packages(hola={**HOLA, "resolved": "file:vendor/hola.tgz"}),
            ["hola: a tarball in the repository is not read; name a folder, which npm links (install-links=false)"],
        ),
        (
            packages(**{"git+https:": {**HOLA, "name": "git+https://npm.example/hola"}}),
            ["git+https://npm.example/hola: no name and version of a package: '1.0.0'"],
        ),
        (packages(hola={**HOLA, "version": "--x"}), ["hola: no name and version of a package: '--x'"]),
        (
            packages(**{f"p{number}": {} for number in range(10)}),
            [*(f"p{number}: no sha512 integrity" for number in range(8)), "and 2 more"],
        ),
    ],
    ids=["old", "list", "none", "weak", "git", "file", "address", "option", "many"],
)
def test_what_cannot_be_fetched_is_named(tmp_path: Path, lock: object, problems: list[str]) -> None:
    """One error says which packages, and why."""
    with pytest.raises(ConfigError) as caught:
        frontend.read(lay(tmp_path, lock), SETTINGS, "x86_64-linux")

    assert (caught.value.where, list(caught.value.problems)) == ("web/package-lock.json", problems)


def test_another_lock_is_not_read(tmp_path: Path) -> None:
    """What other package managers write is named, with the command that writes the lock that is read."""
    with pytest.raises(ConfigError, match=r"package-lock\.json: no such file, and yarn\.lock is not read") as caught:
        frontend.read(lay(tmp_path, "", "yarn.lock"), SETTINGS, "x86_64-linux")

    assert caught.value.hint == "npm install --package-lock-only"


def test_missing_script_is_told(tmp_path: Path) -> None:
    """The scripts that are there come with it."""
    settings = Frontend(folder="web", script="bundle", output=("x",))
    with pytest.raises(ConfigError, match=r"web/package\.json: no script 'bundle'; there is build, watch"):
        frontend.read(lay(tmp_path, packages()), settings, "x86_64-linux")


def test_packages_need_no_script(tmp_path: Path) -> None:
    """Those that are served as they are only have to be installed."""
    table = {"folder": "web", "output": ["web/node_modules/hola/dist"], "script": ""}
    settings = frontend.parse(table)

    assert frontend.check(table) == []
    assert settings is not None
    assert frontend.read(lay(tmp_path, packages()), settings, "x86_64-linux") is not None


def test_folder_has_a_package(tmp_path: Path) -> None:
    """A folder without package.json is the wrong one."""
    with pytest.raises(ConfigError, match=r"web/package\.json: no such file"):
        frontend.read(tmp_path, SETTINGS, "x86_64-linux")


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({}, "'frontend.output' must list what the script writes, such as ['static/dist']"),
        ({"output": "static"}, "'frontend.output' must list what the script writes, such as ['static/dist']"),
        ({"output": ["x"], "outputs": []}, "'frontend': unknown key 'outputs', did you mean 'output'?"),
        ({"output": ["x"], "script": 1}, "'frontend.script' must be a string, not 1"),
        (
            {"output": ["web/node_modules", "x"], "script": ""},
            "'frontend.script' is empty, so nothing writes x: name what is in node_modules",
        ),
        (
            {"output": ["../x"]},
            "'frontend.output' must be relative to the service's folder and in it, not '../x'",
        ),
        ({"output": ["."]}, "'frontend.output' must be relative to the service's folder and in it, not '.'"),
        (
            {"output": ["x"], "folder": "/srv"},
            "'frontend.folder' must be relative to the service's folder and in it, not '/srv'",
        ),
    ],
)
def test_invalid_settings_are_told(table: dict[str, Any], problem: str) -> None:
    """Each with what would be right."""
    assert frontend.check(table) == [problem]


def test_paths_have_one_form() -> None:
    """Where they begin and end with dots and slashes makes no difference."""
    found = frontend.parse({"folder": "./web/", "output": ["static/b/", "./static/a"]})

    assert found == Frontend(folder="web", script="build", output=("static/a", "static/b"))
