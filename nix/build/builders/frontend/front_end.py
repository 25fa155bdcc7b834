"""Builder: a service's files with what the build script of its front end writes, and packages, without a network."""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import attrs
import npm
import overlay
from root import Root

_SHOWN = 12
_POSTINSTALL = "postinstall"

Snapshot = dict[str, tuple[int, int, int]]
"""Inode, time of writing and size of each file, by its path."""


def place(modules: Path, work: Path, *, writable: bool) -> dict[str, Path]:
    """Put installed packages where they belong, and return what is to be bound, by its path in the service.

    Tools keep caches in `node_modules` itself, and no package is written to but by scripts of the service; copying tens
    of thousands of files takes longer than most builds.

    Args:
        modules: The `node_modules` folders, where the service has them.
        work: A copy of the service's files.
        writable: Whether packages are written to, and so have to be copied.
    """
    if writable:
        overlay.fill(work, modules)
        return {}
    binds = {}
    for where, folders, files in os.walk(modules):
        here = work / Path(where).relative_to(modules)
        here.mkdir(parents=True, exist_ok=True)
        if Path(where).name != npm.MODULES:
            continue
        for name in (*folders, *files):
            path = Path(where, name)
            if path.is_dir() and not path.is_symlink():
                (here / name).mkdir()
                binds[str((here / name).relative_to(work))] = path
            else:
                shutil.copy2(path, here / name, follow_symlinks=False)
        folders.clear()
    return binds


def snapshot(top: Path) -> Snapshot:
    """Return the state of all files but those of npm packages."""
    found = {}
    for where, folders, files in os.walk(top):
        folders[:] = sorted(name for name in folders if name != npm.MODULES)
        for name in sorted(files):
            path = Path(where, name)
            status = path.lstat()
            found[str(path.relative_to(top))] = (status.st_ino, status.st_mtime_ns, status.st_size)
    return found


def find_written(before: Snapshot, after: Snapshot) -> list[str]:
    """Return the files that are new or were written to."""
    return [path for path, status in after.items() if before.get(path) != status]


def find_missing(output: list[str], written: list[str]) -> list[str]:
    """Return those of the declared outputs that nothing was written to."""
    return [path for path in output if not any(file == path or file.startswith(f"{path}/") for file in written)]


def complain(missing: list[str], written: list[str], script: str) -> None:
    """Leave with the outputs that were not written, and the files that were, or their folders where there are many."""
    folders = sorted({str(Path(path).parent) for path in written})
    shown = written if len(written) <= _SHOWN else folders
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    wrote = ", ".join(shown[:_SHOWN]) + more if shown else "nothing"
    sys.exit(
        f"npm run {script} did not write {', '.join(missing)}; it wrote {wrote}: set [tool.estiba.frontend] output"
    )


def run_scripts(root: Root, scripts: dict[str, str], script: str, cwd: str) -> None:
    """Run the service's own `postinstall`, if it has one, and the script that builds, unless it is empty."""
    for name in filter(None, [_POSTINSTALL if _POSTINSTALL in scripts else "", script]):
        code = root.run(["/usr/bin/npm", "run", name], cwd=cwd)
        if code != 0:
            sys.exit(
                f"npm run {name} failed with exit code {code}; it runs without a network, and sees what git tracks"
            )


def is_package(path: str) -> bool:
    """Tell whether an output is what npm has installed, and not what the script has written."""
    return npm.MODULES in Path(path).parts


def take(out: Path, application: Path, output: dict[str, Path]) -> None:
    """Write the service's files with the outputs, by their paths, in place of what was there before."""
    overlay.fill(out, application)
    for path, made in output.items():
        target = out / path
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        if made.is_dir():
            shutil.copytree(made, target, symlinks=True, ignore=shutil.ignore_patterns(npm.MODULES))
        else:
            shutil.copy2(made, target)


def build(given: dict[str, Any], out: Path) -> None:
    """Build the front end in a copy of the service."""
    work = Path.cwd() / "app"
    overlay.fill(work, Path(given["source"]))
    folder = work / given["folder"]
    npm.configure(folder, given["settings"])
    scripts = json.loads((folder / "package.json").read_text()).get("scripts", {})
    binds = place(Path(given["modules"]), work, writable=_POSTINSTALL in scripts)
    root = npm.assemble(
        Path(given["tree"]),
        work,
        binds={f"{npm.APP}/{path}": source for path, source in binds.items()},
        env=given["environment"],
    )
    before = snapshot(work)
    run_scripts(root, scripts, given["script"], f"{npm.APP}/{given['folder']}")
    root.give_back()
    written = find_written(before, snapshot(work))
    if missing := find_missing([path for path in given["output"] if not is_package(path)], written):
        complain(missing, written, given["script"])
    # Packages that are bound are not in the copy.
    installed = Path(given["modules"]) if binds else work
    output = {path: (installed if is_package(path) else work) / path for path in given["output"]}
    if absent := [path for path, made in output.items() if not made.exists()]:
        sys.exit(f"npm ci did not install {', '.join(absent)}: set [tool.estiba.frontend] output")
    take(out, Path(given["application"]), output)


def main() -> None:
    """Build the derivation."""
    given = attrs.load()
    build(given, attrs.output(given))


if __name__ == "__main__":
    main()
