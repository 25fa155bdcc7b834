from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from tests.djangoproject import lay

import front_end

if TYPE_CHECKING:
    from pathlib import Path

    from root import Root


def contents(top: Path) -> dict[str, str]:
    """Return the files below a folder."""
    return {str(path.relative_to(top)): path.read_text() for path in sorted(top.rglob("*")) if path.is_file()}


def modules(folder: Path) -> Path:
    """Make a folder with what npm has installed."""
    lay(folder / "modules", {"web/node_modules/@a/vite/cli.js": "vite", "web/node_modules/b/i.js": "b"})
    (folder / "modules/web/node_modules/.bin").mkdir()
    (folder / "modules/web/node_modules/ui").symlink_to("../ui")
    return folder / "modules"


def test_packages_are_shown_and_not_copied(tmp_path: Path) -> None:
    """Each has a folder to be bound at; links are there, and tools may write beside them."""
    binds = front_end.place(modules(tmp_path), tmp_path / "app", writable=False)

    top = "web/node_modules"
    assert sorted(binds) == [f"{top}/.bin", f"{top}/@a", f"{top}/b"]
    assert {path: str(source) for path, source in binds.items()} == {
        path: str(tmp_path / "modules" / path) for path in binds
    }
    assert all((tmp_path / "app" / path).is_dir() for path in binds)
    assert (tmp_path / "app" / top / "ui").is_symlink()
    assert contents(tmp_path / "app") == {}


def test_packages_are_copied_for_scripts_that_change_them(tmp_path: Path) -> None:
    """Such as one that patches them."""
    assert front_end.place(modules(tmp_path), tmp_path / "app", writable=True) == {}
    assert contents(tmp_path / "app/web/node_modules")["b/i.js"] == "b"


def test_what_was_written_is_found(tmp_path: Path) -> None:
    """New files, and those with the same size and time as before; caches of tools are not looked at."""
    lay(tmp_path, {"a.css": "1", "b.css": "1"})
    before = front_end.snapshot(tmp_path)
    (tmp_path / "a.css").unlink()
    lay(tmp_path, {"a.css": "2", "dist/site.css": "1", "web/node_modules/.vite/x": "1"})

    assert front_end.find_written(before, front_end.snapshot(tmp_path)) == ["a.css", "dist/site.css"]


def test_output_is_a_file_or_a_folder() -> None:
    """A folder has something that was written; the start of a name is no folder."""
    written = ["static/dist/site.js", "static/site.css"]

    assert front_end.find_missing(["static/dist", "static/site.css", "static/di"], written) == ["static/di"]


def test_missing_output_is_told_with_what_was_written() -> None:
    """So that the setting can be mended."""
    with pytest.raises(SystemExit) as caught:
        front_end.complain(["static/dist"], ["web/a.js", "web/b.js"], "build")
    with pytest.raises(SystemExit) as many:
        front_end.complain(["static/dist"], [f"web/dist/{number}.js" for number in range(20)], "build")

    said = "npm run build did not write static/dist; it wrote {}: set [tool.estiba.frontend] output"
    assert (caught.value.code, many.value.code) == (said.format("web/a.js, web/b.js"), said.format("web/dist"))


def test_nothing_runs_without_a_script() -> None:
    """Packages that are served as they are have been installed before, and other scripts are for developers."""
    ran: list[list[str]] = []

    def run(argv: list[str], *, cwd: str) -> int:
        ran.append([*argv, cwd])
        return 0

    root = cast("Root", SimpleNamespace(run=run))
    front_end.run_scripts(root, {"lint": "x"}, "", "/app")
    front_end.run_scripts(root, {"postinstall": "x"}, "build", "/app")

    assert ran == [["/usr/bin/npm", "run", name, "/app"] for name in ("postinstall", "build")]


def test_outputs_replace_what_was_there(tmp_path: Path) -> None:
    """A file of an earlier build that is in git, and that this one has not made, is gone."""
    lay(tmp_path / "source", {"manage.py": "m", "dist/old.js": "old", "dist/site.js": "old", "one.css": "old"})
    lay(tmp_path / "work", {"dist/site.js": "new", "one.css": "new", "web/scratch": "x", "dist/node_modules/x": "x"})
    output = {path: tmp_path / "work" / path for path in ("dist", "one.css")}
    front_end.take(tmp_path / "out", tmp_path / "source", output)

    assert contents(tmp_path / "out") == {"manage.py": "m", "dist/site.js": "new", "one.css": "new"}
