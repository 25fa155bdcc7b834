"""Packages that a service takes from git repositories, and from folders of its own."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests import wheelfile
from tests.djangoproject import lay
from tests.services import harbour, repositories
from tests.services.locking import LOCK_FILES, load, refuse, require

from estiba import config
from estiba.lock.artifacts import Artifacts
from estiba.lock.direct import repository
from estiba.process import run
from estiba.service.declarations import direct

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.services.index import RunningIndex

DJANGO = "django~=5.2.0"

PIP_CONF = """\
user = true
require-virtualenv = true
root = /nonexistent
prefix = /nonexistent
dry-run = true
constraint = /nonexistent/constraints.txt
"""


@pytest.fixture
def crane(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Serve a repository with the package crane; yield its address and its commit."""
    commit = repositories.commit(tmp_path / "served" / "crane", repositories.package("crane", "LOADS = 3\n"))
    # What comes later is not what was asked for.
    repositories.commit(tmp_path / "served" / "crane", repositories.package("crane", "LOADS = 4\n"))
    with repositories.serve(tmp_path / "served") as address:
        yield f"{address}/crane/.git", commit


def build(folder: Path) -> Mapping[str, Any]:
    """Build the image."""
    found: dict[str, Any] = json.loads(harbour.invoke(folder, "build", "--json").stdout)
    return found


def read_layers(built: Mapping[str, Any]) -> dict[str, str]:
    """Return the digest of each layer by its contents."""
    return {" ".join(layer["contents"]): layer["digest"] for layer in built["layers"]}


def test_both_kinds_are_built_from_their_sources(
    tiny: Path, crane: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The image has the commit and the folder; code changes by a build alone, and no index is asked for the names."""
    url, commit = crane
    # Where the user's own pip installs is no matter of build requirements.
    (tiny.parent / "pip.conf").write_text(f"[global]\n{PIP_CONF}")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tiny.parent / "pip.conf"))
    shelf = repositories.package("shelf", "import crane\n\nSPACE = crane.LOADS\n", dependencies=["crane"])
    lay(tiny / "libs" / "shelf", shelf)
    with (tiny / "tiny" / "settings.py").open("a") as settings:
        settings.write("\nimport shelf\n\nassert shelf.SPACE == 3\n")
    require(tiny, DJANGO, "gunicorn", "whitenoise", "shelf @ file:./libs/shelf", f"crane @ git+{url}@{commit}")
    for task in ("lock", "fetch"):
        harbour.invoke(tiny, task)
    locked = {one.name: one for one in load(tiny).distributions}

    assert (locked["crane"].kind, locked["crane"].source) == ("sdist", f"git+{url}@{commit}")
    assert (locked["shelf"].kind, locked["shelf"].file, locked["shelf"].requires) == ("local", "libs/shelf", ("crane",))
    assert "shelf==1.0" in (tiny / "requirements-lock.txt").read_text()

    before = read_layers(build(tiny))
    lay(tiny / "libs" / "shelf", {"shelf/__init__.py": "import crane\n\nSPACE = crane.LOADS\nNEW = 1\n"})
    harbour.invoke(tiny, "lock.check")
    after = read_layers(build(tiny))
    assert before.keys() == after.keys()
    assert "shelf 1.0" in {name for name in before if before[name] != after[name]}
    assert {"crane 1.0", DJANGO.partition("~")[0]} <= {name.partition(" 5")[0] for name in before}

    # Its requirements are an input of the lock, which its code is not.
    lay(tiny / "libs" / "shelf", repositories.package("shelf", "", dependencies=["crane", "sqlparse"]))
    assert "is stale" in refuse(tiny, "lock.check", code=2)


def test_a_commit_is_the_same_by_every_transport(tmp_path: Path, crane: tuple[str, str]) -> None:
    """The archive depends on the tree alone: not on the server, the cache, or what .gitattributes does elsewhere."""
    url, _ = crane
    attributes = {".gitattributes": "*.txt export-ignore eol=crlf\nversion export-subst\n", "a.txt": "a\n"}
    commit = repositories.commit(tmp_path / "served" / "crane", {**attributes, "version": "$Format:%d$\n"})
    repositories.git(tmp_path / "served" / "crane", "update-server-info")
    ssh = {**config.load().variables, "GIT_SSH_COMMAND": str(repositories.write_ssh(tmp_path / "ssh"))}
    digests = set()
    for number, address in enumerate((url, f"file://{tmp_path}/served/crane", f"ssh://git@h{tmp_path}/served/crane")):
        cache = tmp_path / f"cache-{number}"
        settings = replace(config.load(), cache_dir=cache, variables=ssh)
        source = direct.at_commit("crane", address, commit)
        digests.add(repository.fetch(source, Artifacts(cache / "artifacts"), config=settings, runner=run))

    assert len(digests) == 1


def test_public_package_of_the_same_name_is_never_asked_for(tiny: Path) -> None:
    """What a folder has under the name of a public package is locked instead of that."""
    lay(tiny / "libs" / "flask", repositories.package("flask", "", version="0.1"))
    require(tiny, DJANGO, "gunicorn", "whitenoise", "flask")
    with (tiny / "pyproject.toml").open("a") as file:
        file.write('\n[tool.uv.sources]\nflask = { path = "libs/flask", editable = true }\n')
    harbour.invoke(tiny, "lock")

    assert {one.name: one.version for one in load(tiny).distributions}["flask"] == "0.1"
    assert "werkzeug" not in {one.name for one in load(tiny).distributions}


def test_index_of_another_tool_is_the_only_one(
    tiny: Path, running_index: RunningIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A public package of a higher version does not take the place of the private one; an unknown index is named."""
    wheelfile.write(running_index.folder, "flask", {"flask/__init__.py": ""}, version="0.1")
    require(tiny, DJANGO, "gunicorn", "whitenoise", "flask", "estiba-cargo")
    with (tiny / "pyproject.toml").open("a") as file:
        file.write(f'\n[[tool.uv.index]]\nname = "inside"\nurl = "{running_index.url}"\n')
    said = refuse(tiny, "lock", code=78)
    assert f"inside is {running_index.url.rstrip('/')}: pip config set global.extra-index-url" in said

    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", running_index.url_with_credentials)
    harbour.invoke(tiny, "lock")
    locked = {one.name: one.version for one in load(tiny).distributions}
    assert (locked["flask"], locked["estiba-cargo"]) == ("0.1", "1.0")

    # The same by a table that names the package, and not the index for all.
    text = (tiny / "pyproject.toml").read_text()
    table = 'explicit = true\n\n[tool.uv.sources]\nflask = { index = "inside" }\nestiba-cargo = { index = "inside" }\n'
    (tiny / "pyproject.toml").write_text(text + table)
    harbour.invoke(tiny, "lock", "--upgrade")
    assert {one.name: one.version for one in load(tiny).distributions}["flask"] == "0.1"


def test_first_lock_starts_from_that_of_another_tool(
    tiny: Path, running_index: RunningIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its versions are kept where the requirements allow; a withdrawn one is named with its reason."""
    for version in ("1.1", "1.2"):
        wheelfile.write(running_index.folder, "estiba_cargo", {}, version=version)
    running_index.yanked["estiba_cargo-1.1-py3-none-any.whl"] = "sinks"
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", running_index.url_with_credentials)
    require(tiny, "asgiref", "sqlparse>=0.5.1", "estiba-cargo")
    for name in LOCK_FILES:
        (tiny / name).unlink(missing_ok=True)
    versions = {"asgiref": "3.8.0", "sqlparse": "0.5.0", "estiba-cargo": "1.1"}
    text = "".join(f'[[package]]\nname = "{name}"\nversion = "{version}"\n' for name, version in versions.items())
    (tiny / "poetry.lock").write_text(text)
    done = harbour.invoke(tiny, "lock", "--json")
    locked = {one.name: one.version for one in load(tiny).distributions}

    assert (locked["asgiref"], locked["estiba-cargo"]) == ("3.8.0", "1.1")
    assert json.loads(done.stdout)["changes"] == [f"sqlparse 0.5.0 (poetry.lock) -> {locked['sqlparse']}"]
    assert "warning: estiba-cargo 1.1 is yanked: sinks" in done.stderr
