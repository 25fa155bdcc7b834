from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING

from tests.djangoproject import FIXED, SETTINGS, adopt, site

from estiba.scaffold.adopt import adoption
from estiba.service import project

if TYPE_CHECKING:
    from pathlib import Path

VITE = {
    "web/package.json": json.dumps({"scripts": {"build": "vite build"}}),
    "web/package-lock.json": "{}",
    "web/vite.config.js": 'export default { build: { outDir: "../static/dist" } }',
}
SITE = {"site/settings.py": SETTINGS + FIXED}


def test_front_end_is_set(tmp_path: Path) -> None:
    """With what its bundler says about the output; the table is one that a lock takes."""
    made = adopt(site(tmp_path, **SITE, **VITE))
    loaded = project.load(tmp_path).frontend

    assert made.settings["frontend"] == {"folder": "web", "output": ["static/dist"]}
    assert "frontend: npm run build, in web, writes static/dist" in made.decided
    assert loaded is not None
    assert (loaded.folder, loaded.script, loaded.output) == ("web", "build", ("static/dist",))


def test_unknown_output_is_asked_for(tmp_path: Path) -> None:
    """As a commented table, so that all else works until it is filled in."""
    made = adopt(site(tmp_path, **SITE, **(VITE | {"web/vite.config.js": "build: { outDir: out() }"})))
    text = (tmp_path / "pyproject.toml").read_text()
    table = "\n".join(line.removeprefix("# ") for line in text.splitlines() if line.startswith("# "))

    assert text.endswith(" # what `npm run build` writes, relative to this file\n")
    assert tomllib.loads(table)["tool"]["estiba"]["frontend"] == {"folder": "web", "output": ["…"]}
    assert any(told.startswith("web/package.json: fill in output") for told in made.undecided)
    assert project.load(tmp_path).frontend is None


def test_committed_output_stays(tmp_path: Path) -> None:
    """What works without npm is left so."""
    made = adoption.plan(site(tmp_path, **SITE, **VITE, **{"static/dist/site.js": ""}))

    assert "frontend" not in made.settings
    assert "web/package.json: static/dist is there already; [tool.estiba.frontend] would build it" in made.decided


def test_what_cannot_be_built_is_told(tmp_path: Path) -> None:
    """A package without a lock, a second one, and one whose script has another name."""
    second = {f"admin/{name.partition('/')[2]}": text for name, text in VITE.items()}
    (tmp_path / "two").mkdir()
    (tmp_path / "bare").mkdir()
    (tmp_path / "tools").mkdir()
    bare = {name: text for name, text in VITE.items() if "lock" not in name}
    tools = {"package.json": json.dumps({"scripts": {"prod": "gulp"}})}

    assert adoption.plan(site(tmp_path / "two", **SITE, **VITE, **second)).undecided == (
        "web/package.json: a service has one front end; make it a workspace of the other one",
    )
    assert adoption.plan(site(tmp_path / "bare", **SITE, **bare)).undecided == (
        "web/package.json has no package-lock.json: npm install --package-lock-only, then set [tool.estiba.frontend]",
    )
    assert adoption.plan(site(tmp_path / "tools", **SITE, **tools)).undecided == (
        "package.json: no script is called build; if one writes what is served, name it in [tool.estiba.frontend]",
    )


def test_workspaces_are_the_front_end_of_the_top(tmp_path: Path) -> None:
    """They have no lock of their own, and what they write is its output."""
    top = {"scripts": {"build": "npm run build --workspaces --if-present"}, "workspaces": ["web"]}
    files = {name: text for name, text in VITE.items() if "lock" not in name}
    made = adopt(site(tmp_path, **SITE, **files, **{"package.json": json.dumps(top), "package-lock.json": "{}"}))

    assert made.settings["frontend"] == {"output": ["static/dist"]}
    assert made.undecided == ()


def test_table_that_is_there_is_not_doubted(tmp_path: Path) -> None:
    """A service that has one is told nothing."""
    text = "[project]\nname = 'x'\n[tool.estiba.frontend]\noutput = ['static']\n"

    assert adoption.plan(site(tmp_path, **SITE, **VITE, **{"pyproject.toml": text})).undecided == ()
