"""Modules of a Django project that its service names: manage.py, settings and WSGI application."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from estiba.errors import ConfigError
from estiba.scaffold.adopt.survey import locate, survey
from estiba.service import django

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from estiba.scaffold.adopt.evidence import Study
    from estiba.scaffold.adopt.survey import Survey

_PRODUCTION: Final = ("container", "docker", "deployment", "deploy", "live", "prod", "production")
_DEVELOPMENT: Final = re.compile(r"(^|_)(dev|development|local|tests?|testing|ci|debug|example|base|common)(_|$)")
_DEFAULT: Final = "django.core.wsgi:get_wsgi_application()"
"""The application where settings have no WSGI_APPLICATION (Django's settings reference), as gunicorn takes it."""

_MANAGE: Final = re.compile("django|execute_from_command_line", re.IGNORECASE)
_SETTINGS: Final = re.compile(r"INSTALLED_APPS|DATABASES|DEBUG\s*=|import \*")
_LEVELS: Final = ("*.py", "*/*.py", "*/*/*.py", "*/*/*/*.py")


def find(study: Study, *, settings: str = "", wsgi: str = "") -> Survey:
    """Find manage.py, the settings module and the WSGI application, and return the survey of the settings.

    Args:
        study: Findings so far.
        settings: Settings module to take.
        wsgi: WSGI application to take, as `module:attribute` or a module.

    Raises:
        ConfigError: There is no manage.py, a given module is not there, no settings module is found, or one has a
            syntax error.
    """
    manage = _find_manage(study)
    root = (study.folder / manage).parent
    servers = {file: root / file for file in _find_servers(root)}
    if settings:
        _refuse_absent(root, settings, "settings", find_settings(root))
        study.settings["settings"] = settings
        study.decided.append(f"settings = {settings}: given by --settings")
    else:
        settings = _choose_settings(study, root, {manage: study.folder / manage} | servers)
    seen = survey(root, settings, top=study.folder)
    study.undecided += [f"the settings import {missing}, which is not there" for missing in seen.missing]
    study.undecided += [f"{unread}: what this statement does was not analysed" for unread in seen.unread]
    modules = [file.removesuffix(".py").replace("/", ".") for file in servers]
    if wsgi:
        _refuse_absent(root, wsgi.partition(":")[0], "wsgi", modules)
        found = wsgi if ":" in wsgi else f"{wsgi}:application"
    else:
        found = _find_application(study, seen, modules)
    if found:
        study.settings["wsgi"] = found
    return seen


def _find_application(study: Study, seen: Survey, servers: Sequence[str]) -> str:
    """Return the application that the settings name or that belongs to them, else one of the modules, or nothing."""
    manage, settings = study.settings.get("manage", "manage.py"), study.settings["settings"]
    try:
        named = seen.constant("WSGI_APPLICATION")
        return django.find_layout(study.folder, manage, settings=settings, wsgi=named).wsgi
    except ConfigError:
        if servers:
            return f"{servers[0]}:application"
    study.decided.append(f"wsgi = {_DEFAULT}: there is no wsgi.py, and Django itself serves this then")
    return _DEFAULT


def _find_manage(study: Study) -> str:
    patterns = ("manage.py", "*/manage.py", "*/*/manage.py")
    files = [file for pattern in patterns for file in sorted(study.folder.glob(pattern))]
    found = [str(file.relative_to(study.folder)) for file in files if _MANAGE.search(file.read_text(errors="replace"))]
    if not found:
        raise ConfigError(
            study.folder.resolve().name,
            ["there is no manage.py in it, nor in the folders two levels down"],
            hint="name the folder of a Django project",
        )
    if found[0] != "manage.py":
        study.settings["manage"] = found[0]
        study.decided.append(f"manage = {found[0]}: there is none at the top")
    if len(found) > 1:
        study.undecided.append(f"{found[0]} is taken, and there is also {', '.join(found[1:])}")
    return found[0]


def _choose_settings(study: Study, root: Path, files: Mapping[str, Path]) -> str:
    """Choose the settings module: one named for production, else that of manage.py, else that of a wsgi.py."""
    candidates: dict[str, str] = {}
    refused: list[str] = []
    absent: list[str] = []
    for shown, file in files.items():
        try:
            module = django.find_settings(file, shown)
        except ConfigError as error:
            refused += [f"{shown}: {problem}" for problem in error.problems]
            continue
        if locate(root, module):
            candidates.setdefault(module, f"named by {shown}")
        else:
            absent.append(module)
    for module in list(candidates):
        for sibling in _siblings(root, module):
            candidates.setdefault(sibling, "")
    if not candidates:
        _refuse_other_root(study, root, absent)
        problem = f"{next(iter(files))} names no settings module that is there"
        there = find_settings(root)
        listed = [f"there are {', '.join(there)}"] if there else []
        hint = f"estiba adopt --settings {there[0]} FOLDER" if there else "run `invoke new` for a new service"
        raise ConfigError(study.folder.resolve().name, [problem, *refused, *listed], hint=hint)
    chosen = max(candidates, key=lambda module: (_rank(module), bool(candidates[module])))
    others = ", ".join(module for module in candidates if module != chosen)
    reason = "named for production" if _rank(chosen) > 0 else candidates[chosen] or "not named for development"
    study.settings["settings"] = chosen
    study.decided.append(f"settings = {chosen}: {reason}" + (f" (not {others})" if others else ""))
    if _rank(chosen) < 0:
        study.undecided.append(f"{chosen} looks like settings for development only")
    return chosen


def _refuse_other_root(study: Study, root: Path, named: Sequence[str]) -> None:
    """Raise an error for modules below a folder that manage.py adds to the import path: here it has only its own."""
    folders = sorted(one for one in root.iterdir() if one.is_dir())
    for module, folder in ((module, one) for module in named for one in folders if locate(one, module)):
        manage, wanted = (str((one / "manage.py").relative_to(study.folder)) for one in (root, folder))
        raise ConfigError(
            study.folder.resolve().name,
            [f"{module} is in {wanted.removesuffix('/manage.py')}, and is imported from the folder of {manage} alone"],
            hint=f"git mv {manage} {wanted}, take out what it adds to sys.path, then run the command again",
        )


def _siblings(root: Path, module: str) -> list[str]:
    """Return the settings modules beside or below one."""
    file = locate(root, module)
    assert file is not None
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    names = sorted(
        other.stem for other in file.parent.glob("*.py") if other.stem.isidentifier() and _is_settings(other)
    )
    return [f"{package}.{name}".lstrip(".") for name in names]


def _is_settings(file: Path) -> bool:
    named = "settings" in f"{file.parent.name} {file.stem}" or _rank(file.stem) != 0
    return named and file.stem != "__init__" and bool(_SETTINGS.search(file.read_text(errors="replace")))


def _rank(module: str) -> int:
    last = module.rpartition(".")[2]
    found = [_PRODUCTION.index(word) + 1 for word in last.split("_") if word in _PRODUCTION]
    return max(found, default=-1 if _DEVELOPMENT.search(last) else 0)


def find_settings(root: Path) -> list[str]:
    """Return the dotted names of what looks like a settings module below a folder, the likeliest first."""
    files = [file.relative_to(root) for level in _LEVELS for file in sorted(root.glob(level)) if _is_settings(file)]
    parts = [file.with_name(file.name.removesuffix(".py")).parts for file in files]
    names = [".".join(one) for one in parts if all(map(str.isidentifier, one))]
    return sorted(names, key=_rank, reverse=True)


def _find_servers(root: Path) -> list[str]:
    """Return the paths of modules named `wsgi`, those of the nearest packages first and one beside manage.py last."""
    files = (*root.glob("*/wsgi.py"), *root.glob("*/*/wsgi.py"), *root.glob("wsgi.py"))
    return [str(file.relative_to(root)) for file in files]


def _refuse_absent(root: Path, module: str, option: str, there: Sequence[str]) -> None:
    """Raise an error for a given module of the project that is not there, with those that are."""
    if locate(root, module):
        return
    listed = f"; there are {', '.join(there)}" if there else ""
    hint = f"estiba adopt --{option} {there[0]} FOLDER" if there else f"name a module of the folder {root.name}"
    where = f"--{option}"
    raise ConfigError(where, [f"there is no module {module} beside manage.py{listed}"], hint=hint)
