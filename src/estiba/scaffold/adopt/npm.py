"""Front end that npm builds: the table `[tool.estiba.frontend]`, or what the user has to fill in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from estiba.service import npm_package

if TYPE_CHECKING:
    from estiba.scaffold.adopt.evidence import Study
    from estiba.service.npm_package import Package

_TABLE: Final = "[tool.estiba.frontend]"


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
