"""Adoption of a Django project: `plan` computes the settings and files that make it a service, `apply` writes them."""

from __future__ import annotations

import json
import platform
import re
import stat
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from packaging.utils import canonicalize_name, is_normalized_name

from estiba.errors import ConfigError, ScaffoldError
from estiba.files import write
from estiba.lock.debian import known_packages
from estiba.scaffold import gitignore, new
from estiba.scaffold.adopt import deployment, document, evidence, frontend, modules, procfile
from estiba.service import django, project, variables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from packaging.requirements import Requirement

    from estiba.scaffold.adopt.evidence import Study
    from estiba.scaffold.adopt.survey import Survey, Variable

PROVIDED: Final = frozenset({"ALLOWED_HOSTS", "DATABASE_URL", "REDIS_URL", "SECRET_KEY"})
"""Environment variables that every build and check sets."""

# Left out of images unless a service asks for it, see nix/lib/source.nix.
_LEFT_OUT: Final = re.compile(r"(README|CHANGELOG|CONTRIBUTING)[^/]*|Makefile|Dockerfile")
_PYPROJECT: Final = "pyproject.toml"
_GROWING: Final = (_PYPROJECT, gitignore.NAME)
_TABLES: Final = ("project", "tool", "dependency-groups")
_TOOL: Final = "estiba"
_CLASS: Final = "DJANGO_CONFIGURATION"
# Values of variables during a build, by patterns of `type:NAME`; the first match wins.
_VALUES: Final = (
    (r"\b(bool|strtobool):", "false"),
    (r"\b(int|float|Decimal|timedelta):|_PORT$", "1"),
    (r"\b(dict|json|literal_eval|loads):", "{}"),
    (r"\b(list|tuple|set|Csv\(\)):", ""),
    (r"\bUUID:", "00000000-0000-0000-0000-000000000000"),
    (r"DSN$", "http://build@localhost/1"),
    (r"\bdb(_url)?:|DATABASE_UR[LI]$", "sqlite://:memory:"),
    (r"\bcache(_url)?:|REDIS|BROKER", "redis://localhost/0"),
    (r"\bemail(_url)?:", "consolemail://"),
    (r"ENGINE$", "django.db.backends.sqlite3"),
    (r"EMAIL|MAIL_FROM$", "build@localhost"),
    (r"SECRET|KEY|TOKEN|PASSWORD", "only-for-the-build-and-never-in-an-image-0123456789-abcdefghij"),
    (r"UR[LI]$", "http://localhost"),
    (r"HOST|DOMAIN", "localhost"),
    (r"", "build"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """Plan of an adoption.

    Attributes:
        folder: Folder of the project.
        settings: Keys of `[tool.estiba]`.
        files: Contents of files to write, by name.
        before: Texts of those that are there and get further lines, by name.
        kept: Existing files that are left unchanged.
        decided: Sentences about choices that were made; empty for a project that has `[tool.estiba]`.
        undecided: Sentences about what the user has to decide or do.
    """

    folder: Path
    settings: Mapping[str, Any]
    files: Mapping[str, str]
    before: Mapping[str, str]
    kept: tuple[str, ...]
    decided: tuple[str, ...]
    undecided: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that `invoke adopt --json` prints."""
        names = ("settings", "kept", "decided", "undecided")
        return {
            "folder": str(self.folder),
            "files": sorted(self.files),
            **{name: getattr(self, name) for name in names},
        }


def plan(folder: Path, *, flake: str = "", settings: str = "", wsgi: str = "") -> Adoption:
    """Analyse a Django project without executing it or writing to it.

    Args:
        folder: Folder of the project.
        flake: Flake reference of Estiba for `flake.nix`; by default the template's own.
        settings: Settings module to take, instead of the one that is found.
        wsgi: WSGI application to take, instead of the one that is found.

    Raises:
        ConfigError: The folder has no Django project, a module is neither given nor found, or a file cannot be parsed.
    """
    study = evidence.Study(folder=folder, pyproject=_load(folder))
    evidence.convert(study)
    seen = modules.find(study, settings=settings, wsgi=wsgi)
    wanted = evidence.find_requirements(study, seen, has_database=deployment.find_database(study, seen))
    procfile.find(study, wanted)
    python = evidence.choose_python(study, wanted)
    _choose_platform(study)
    wanted += evidence.find_dev_requirements(study)
    is_geographic = "django.contrib.gis" in seen.strings
    _find_packages(study, wanted, python=python, is_geographic=is_geographic)
    deployment.find_redirect(study, seen)
    _find_variables(study, seen)
    root = (folder / study.settings.get("manage", "manage.py")).parent
    deployment.find_page(study, seen, root)
    deployment.find_static(study, seen, root)
    deployment.find_extensions(study, root)
    if is_geographic:
        deployment.find_postgis(study, python)
    study.settings["include"] = sorted(
        word for word in seen.strings if _LEFT_OUT.fullmatch(word) and (folder / word).is_file()
    )
    if study.settings["include"]:
        study.decided.append(f"include = {', '.join(study.settings['include'])}: the settings name it")
    _find_gaps(study, seen)
    files = _take_from_template(flake) | gitignore.complete(folder)
    if is_new := _TOOL not in study.pyproject.get("tool", {}):
        files |= study.files | _extend(study)
    kept = _find_kept(study, files)
    return Adoption(
        folder=folder,
        settings={key: value for key, value in study.settings.items() if value and is_new},
        files={name: text for name, text in files.items() if name not in kept},
        before={name: text for name in _GROWING if name in files and (text := _read(folder / name)) is not None},
        kept=kept if is_new else tuple(sorted([*kept, _PYPROJECT])),
        decided=tuple(study.decided) if is_new else (),
        undecided=tuple(study.undecided),
    )


def _find_packages(study: Study, wanted: Sequence[Requirement], *, python: str, is_geographic: bool) -> None:
    """Name the Debian packages that requirements are known to need."""
    for name, needs in known_packages.find_packages(wanted, python=python, geography=is_geographic).items():
        packages = ", ".join(package for names in needs.values() for package in names)
        study.decided.append(f"Debian packages for {name}: {packages}")
        for key, names in needs.items():
            study.settings[key] = sorted({*study.settings.get(key, []), *names})


def apply(adoption: Adoption) -> None:
    """Write the files of a plan; pyproject.toml and .gitignore that are there grow, no other file is changed.

    Raises:
        ScaffoldError: A file appeared or changed since the plan was made.
    """
    # pyproject.toml comes last, since `[tool.estiba]` marks a project as adopted: after an interruption a second run
    # still writes the rest.
    for name, text in sorted(adoption.files.items(), key=lambda item: (item[0] == _PYPROJECT, item[0])):
        path = adoption.folder / name
        if name in adoption.before:
            if _read(path) != adoption.before[name]:
                msg = f"{name} has changed meanwhile"
                raise ScaffoldError(msg, hint="run the command again, it keeps what is there")
            write(path, text, mode=stat.S_IMODE(path.stat().st_mode))
            continue
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError as error:
            msg = f"{name} exists already"
            raise ScaffoldError(msg, hint="run the command again, it keeps what is there") from error


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def _load(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise ConfigError(str(folder), ["no such folder"], hint="name the folder of a Django project")
    path = folder / _PYPROJECT
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError as error:
        raise ConfigError(_PYPROJECT, [str(error)]) from error
    if wrong := [f"{key!r} must be a table" for key in _TABLES if not isinstance(found.get(key, {}), dict)]:
        raise ConfigError(_PYPROJECT, wrong)
    return found


def _find_variables(study: Study, seen: Survey) -> None:
    """Choose build values for the required environment variables, and list those to set before a deployment."""
    needed = [one for one in seen.variables if not one.conditional]
    missing = [one for one in needed if one.name not in PROVIDED]
    study.settings["env"] = {one.name: _build_value(one) for one in missing}
    if needed:
        listed = ", ".join(f"{one.name} ({one.location})" for one in needed)
        study.undecided.append(f"the running service needs these variables, which have no default: {listed}")
    given = {*variables.names(), *study.settings.get("targets", {}).get("local", {}).get("env", {})}
    if left := [one.name for one in needed if one.name not in given]:
        study.undecided.append(
            f"before `invoke deploy`, set {', '.join(left)} in [tool.estiba.targets.local.env], secrets in a file that"
            " env-file in [tool.estiba.targets.local] names"
        )
    if missing:
        study.decided.append(f"env: values for the build alone, for {', '.join(one.name for one in missing)}")
    if some := [one.name for one in seen.variables if one.conditional and one.name not in PROVIDED]:
        study.undecided.append(f"read under a condition, add to [tool.estiba.env] if the build asks: {', '.join(some)}")


def _choose_platform(study: Study) -> None:
    """Choose the platform of this machine alone: a requirement may have no wheel for the other one."""
    own = f"{platform.machine()}-linux"
    if own in project.PLATFORMS:
        study.settings["platforms"] = [own]
        study.decided.append(
            f"platforms = {own}: this machine's alone; where all requirements have wheels for the other one, too, write"
            f" platforms = {json.dumps(sorted(project.PLATFORMS))}, then invoke lock"
        )


def _build_value(variable: Variable) -> str:
    subject = f"{variable.kind}:{variable.name}"
    return next(value for pattern, value in _VALUES if re.search(pattern, subject))


def _find_gaps(study: Study, seen: Survey) -> None:
    """Add hints about settings that are missing, and about files that a build does not generate."""
    shown = seen.sources[-1].shown
    if study.pyproject and "name" not in study.pyproject.get("project", {}):
        study.undecided.append("no [project] name in pyproject.toml: the image is called service")
    frontend.find_front_end(study)
    if not study.pyproject.get("tool", {}).get(_TOOL, {}).get("prepare"):
        study.undecided += frontend.find_builders(seen)
    if seen.sources[-1].name != study.settings["settings"]:
        return
    if not seen.names & {"SECRET_KEY"}:
        study.undecided.append(f'no SECRET_KEY in {shown}: write SECRET_KEY = os.environ["SECRET_KEY"]')
    if not seen.names & {"STATIC_ROOT"}:
        study.undecided.append(f"no STATIC_ROOT in {shown}: static files are collected into /app/staticfiles")
    if "configurations" in seen.strings:
        _choose_configuration(study)


def _choose_configuration(study: Study) -> None:
    """Choose the settings class of django-configurations that the WSGI module names, else that of manage.py."""
    manage = study.settings.get("manage", "manage.py")
    module = study.settings.get("wsgi", "").partition(":")[0].replace(".", "/")
    files = (f"{Path(manage).parent}/{module}.py", manage)
    found = {
        file: django.find_variable(study.folder / file, file, _CLASS)
        for file in files
        if (study.folder / file).is_file()
    }
    chosen = next((file for file, name in found.items() if name), "")
    if chosen:
        study.settings["configuration"] = found[chosen]
        study.decided.append(f"configuration = {found[chosen]}: {Path(chosen)} names it")
    else:
        study.undecided.append('django-configurations: set configuration = "CLASS" to the class for production')


def _take_from_template(flake: str) -> dict[str, str]:
    """Return `flake.nix` and `tasks.py` of a new service, which are the same for all."""
    with tempfile.TemporaryDirectory(prefix="estiba-adopt-") as scratch:
        made = new.create(Path(scratch) / "harbour", flake=flake)
        return {name: (made / name).read_text(encoding="utf-8") for name in ("flake.nix", "tasks.py")}


def _extend(study: Study) -> dict[str, str]:
    """Return the text of pyproject.toml with the settings, and with requirements that were converted to its form."""
    settings = study.settings
    path = study.folder / _PYPROJECT
    project = study.tables.pop("project", {})
    if not path.exists():
        project = {"name": _name(study), "version": "0", **project}
    flat = {key: settings[key] for key in sorted(settings) if settings[key] and not isinstance(settings[key], dict)}
    tables: dict[str, Any] = {"project": project, **study.tables, f"tool.{_TOOL}": flat}
    nested = ("env", "frontend", "groups", "postgresql")
    tables |= {f"tool.{_TOOL}.{key}": _sort(settings[key]) for key in nested if settings.get(key)}
    tables |= {f"tool.{_TOOL}.processes.{name}": _sort(table) for name, table in settings.get("processes", {}).items()}
    for name, target in settings.get("targets", {}).items():
        where = f"tool.{_TOOL}.targets.{name}"
        tables[where] = _sort({key: value for key, value in target.items() if key != "env"})
        tables[f"{where}.env"] = _sort(target.get("env") or {})
    text = document.extend(path.read_text(encoding="utf-8") if path.exists() else "", tables)
    return {_PYPROJECT: text + "".join(f"{line}\n" for line in ["", *study.comments] if study.comments)}


def _sort(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: table[key] for key in sorted(table)}


def _name(study: Study) -> str:
    """Return the name of the folder as project name, or that of the settings' package where it is not valid."""
    name = canonicalize_name(study.folder.resolve().name)
    return name if is_normalized_name(name) else study.settings["settings"].split(".")[0]


def _find_kept(study: Study, files: Mapping[str, str]) -> tuple[str, ...]:
    """Return the planned files that exist, and add hints about what they need."""
    merged = {
        "flake.nix": ("mkService", "add `estiba.lib.mkService { src = self; }` to its outputs"),
        "tasks.py": ("estiba.tasks", "add `from estiba.tasks import ns`, and its own tasks with `ns.add_task`"),
    }
    # What else is written are settings around the project's own.
    other = ("DATABASE_URL", "it has to take the database from DATABASE_URL, or `settings` to name another module")
    kept = [name for name in files if name not in _GROWING and (study.folder / name).exists()]
    for name in kept:
        needle, advice = merged.get(name, other)
        path = study.folder / name
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        if name == "tasks.py" and text and "invoke" not in text:
            study.decided.append(
                "tasks.py is a module of the project: use `estiba TASK` wherever `invoke TASK` is told"
            )
        elif needle not in text:
            study.undecided.append(f"{name} is there already: {advice}")
    return tuple(sorted(kept))
