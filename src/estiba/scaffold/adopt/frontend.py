"""Front-end files that a project generates before they can be served, and the settings that generate them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from estiba.service import npm_package

if TYPE_CHECKING:
    from collections.abc import Iterator

    from estiba.scaffold.adopt.evidence import Study
    from estiba.scaffold.adopt.survey import Survey
    from estiba.service.npm_package import Package

_TABLE: Final = "[tool.estiba.frontend]"
_FOREIGN: Final = frozenset({"node_modules", "site-packages", "venv"})


def find_builders(seen: Survey) -> Iterator[str]:
    """Yield hints about generated files, which a build creates only by the commands of `prepare`."""
    if "sass_processor" in seen.strings:
        yield f"sass_processor: unless the generated style sheets are in git, set {_prepare('compilescss')}"
    if "compressor" in seen.strings and "COMPRESS_OFFLINE" in seen.names:
        yield f"COMPRESS_OFFLINE: set {_prepare('compress')}"


def find_own(folder: Path, suffix: str) -> Iterator[Path]:
    """Yield the project's files with a suffix, sorted, without those of virtual environments and of npm."""
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _FOREIGN and not name.startswith("."))
        yield from (Path(where, name) for name in sorted(names) if name.endswith(suffix))


def _prepare(command: str) -> str:
    return f"prepare = {json.dumps([[command]])}"


def find_front_end(study: Study) -> None:
    """Choose the settings of the front end, or add hints; what is committed already needs none."""
    if "frontend" in study.pyproject.get("tool", {}).get("estiba", {}):
        return
    packages = npm_package.find(study.folder)
    building = [package for package in packages if package.builds]
    for package in building:
        output = package.find_output()
        made = [path for path in output if (study.folder / path).exists()]
        if output and made == list(output):
            study.decided.append(f"{package.file}: {', '.join(made)} is there already; {_TABLE} would build it")
        elif not package.has_lock:
            study.undecided.append(
                f"{package.file} has no package-lock.json: npm install --package-lock-only, then set {_TABLE}"
            )
        elif study.settings.get("frontend") or study.comments:
            study.undecided.append(f"{package.file}: a service has one front end; make it a workspace of the other one")
        else:
            _write(study, package, output)
    if not building:
        study.undecided += [
            f"{package.file}: no script is called build; if one writes what is served, name it in {_TABLE}"
            for package in packages
        ]


def _write(study: Study, package: Package, output: tuple[str, ...]) -> None:
    table = {} if package.folder == "." else {"folder": package.folder}
    if output:
        study.settings["frontend"] = {**table, "output": list(output)}
        study.decided.append(f"frontend: npm run build, in {package.folder}, writes {', '.join(output)}")
        return
    lines = [_TABLE, *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
    study.comments += [f"# {line}" for line in lines]
    study.comments.append('# output = ["…"] # what `npm run build` writes, relative to this file')
    study.undecided.append(f"{package.file}: fill in output of {_TABLE} in pyproject.toml, then remove the `#`")
