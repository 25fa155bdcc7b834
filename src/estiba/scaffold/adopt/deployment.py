"""Settings that a project needs on a target: database, PostgreSQL extensions, and a page for the smoke test."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from estiba.errors import ConfigError
from estiba.lock.debian import known_packages
from estiba.scaffold.adopt import database, frontend, survey
from estiba.scaffold.adopt.survey import locate
from estiba.service import django

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from estiba.scaffold.adopt.database import Choice
    from estiba.scaffold.adopt.evidence import Study
    from estiba.scaffold.adopt.survey import Survey

_TEXT: Final = Path(__file__).with_name("deployed_settings.txt")
_REPLACED: Final = ("sqlite3", "postgresql")
_ROUTES: Final = frozenset({"path", "re_path", "url"})
_DEFAULT: Final = "local"
_REDIRECT: Final = "SECURE_SSL_REDIRECT"
_VARIABLE: Final = re.compile(r"[A-Z_][A-Z0-9_]*")
_REMOTE: Final = re.compile(r"(^|\.)storages\.backends\.(s3|gcloud|azure|dropbox)|S3(Boto3|Static|Manifest)\w*Storage")
_SMOKE: Final = 'smoke = ["/…"]'
_EXTENSION: Final = re.compile(r"""\bCreateExtension\(\s*(?:name\s*=\s*)?["']([\w-]+)["']""")
# Trusted extensions, which the owner of a database may create (PostgreSQL's documentation, appendix F).
_TRUSTED: Final = frozenset(
    (
        "btree_gin",
        "btree_gist",
        "citext",
        "cube",
        "dict_int",
        "fuzzystrmatch",
        "hstore",
        "intarray",
        "isn",
        "lo",
        "ltree",
        "pg_trgm",
        "pgcrypto",
        "plpgsql",
        "seg",
        "tablefunc",
        "tcn",
        "tsm_system_rows",
        "tsm_system_time",
        "unaccent",
        "uuid-ossp",
    )
)


def find_database(study: Study, seen: Survey) -> bool:
    """Choose the variables by which the settings find the target's PostgreSQL, and return whether they can use one.

    Where the settings hard-code another database, a settings module that overrides them is added to the study.
    """
    choices = database.find_databases(seen)
    if not choices:
        if "DATABASES" in seen.names:
            study.undecided.append("DATABASES cannot be analysed: make sure that it is what DATABASE_URL names")
        return False
    choice = choices[0]
    if choice.is_configurable:
        required = frozenset(one.name for one in seen.variables if not one.conditional)
        _set_variables(study, choice, required)
        return True
    engine = choice.engine.strip("'\"")
    if engine.endswith(_REPLACED) and "configurations" not in seen.strings:
        _write_settings(study, seen, choice)
        return True
    study.undecided.append(
        f"{choice.location} names a database that the environment cannot change, and `invoke deploy` brings PostgreSQL:"
        " let the settings take it from DATABASE_URL"
    )
    return False


def find_extensions(study: Study, root: Path) -> None:
    """Set `extensions` of the target to those that migrations create and the service's user may not."""
    found: dict[str, str] = {}
    for file in frontend.find_own(root, ".py"):
        if file.parent.name != "migrations":
            continue
        text = file.read_text(errors="replace")
        names = [*_EXTENSION.findall(text), *(["bloom"] if "BloomExtension(" in text else [])]
        found |= {name: str(file.relative_to(study.folder)) for name in names if name not in _TRUSTED}
    if found:
        _target(study)["extensions"] = sorted(found)
        study.decided += [
            f"targets.{_DEFAULT}.extensions has {name}: {shown} creates it, and a service may not"
            for name, shown in sorted(found.items())
        ]


def find_postgis(study: Study, python: str) -> None:
    """Give PostgreSQL what the models of GeoDjango are stored with.

    Args:
        study: Findings so far.
        python: Python minor version, which decides the Debian release.
    """
    package = known_packages.find_postgis(python)
    study.settings["postgresql"] = {"packages": [package]}
    target = _target(study)
    target["extensions"] = sorted({*target.get("extensions", ()), "postgis"})
    study.decided.append(
        f"postgresql.packages = {package}, and targets.{_DEFAULT}.extensions has postgis: the settings name GeoDjango"
    )


def find_page(study: Study, seen: Survey, root: Path) -> None:
    """Choose the page of the smoke test where the project has none at `/`."""
    file = locate(root, seen.constant("ROOT_URLCONF"))
    if file is None:
        return
    shown = str(file.relative_to(study.folder))
    try:
        routes = dict(_find_routes(django.parse(file, shown)))
    except ConfigError as error:
        study.undecided.append(f"{error}: name a page that answers in [tool.estiba.targets.{_DEFAULT}], {_SMOKE}")
        return
    if not routes or any(not route.strip("^$") for route in routes):
        return
    admin = next((route.lstrip("^") for route, view in routes.items() if view.endswith("site.urls")), "")
    if admin:
        page = f"/{admin}login/"
        _target(study)["smoke"] = [page]
        study.decided.append(f"targets.{_DEFAULT}.smoke = {page}: {shown} has no page at /")
    else:
        study.undecided.append(
            f"{shown} has no page at /: name one that answers in [tool.estiba.targets.{_DEFAULT}], {_SMOKE}"
        )


def find_redirect(study: Study, seen: Survey) -> None:
    """Turn off the redirect to HTTPS on the target, which nobody ends TLS in front of, or say that it is on."""
    for source in seen.sources:
        conditions = {
            id(child): node.test for node in ast.walk(source.tree) if isinstance(node, ast.If) for child in node.body
        }
        for node in ast.walk(source.tree):
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value) if name == _REDIRECT:
                    # A condition says when one of these values counts, and one that is off needs nothing.
                    is_off = isinstance(value, ast.Constant) and not value.value
                    switches = [*_find_switches(value), *_find_switches(conditions.get(id(node), value))]
                    if not is_off:
                        _choose_redirect(study, value, switches[:1], f"{source.shown}:{node.lineno}")
                case _:
                    pass


def _find_switches(expression: ast.expr) -> Iterator[tuple[str, str]]:
    """Yield the variables that an expression asks the environment for, each with a text that makes it false."""
    match expression:
        case ast.UnaryOp(op=ast.Not()):
            # The other way round: what turns it off here is for a human to say.
            return
        case ast.BoolOp(values=[*parts]) | ast.Call(func=ast.Name(id="bool"), args=[*parts]):
            for part in parts:
                yield from _find_switches(part)
        case _:
            false = "0" if survey.is_converted(expression) else "" if survey.is_text(expression) else "False"
            yield from ((name, false) for name in _find_names(expression) if _VARIABLE.fullmatch(name))


def _find_names(value: ast.expr) -> Iterator[str]:
    """Yield the texts that functions and mappings in an expression are asked for, as the environment is."""
    asked = [one.args[0] for one in ast.walk(value) if isinstance(one, ast.Call) and one.args]
    asked += [one.slice for one in ast.walk(value) if isinstance(one, ast.Subscript)]
    return (one.value for one in asked if isinstance(one, ast.Constant) and isinstance(one.value, str))


def _choose_redirect(study: Study, value: ast.expr, switches: Sequence[tuple[str, str]], location: str) -> None:
    for variable, false in switches:
        target = _target(study)
        target["env"] = {**target.get("env", {}), variable: false}
        study.decided.append(
            f"targets.{_DEFAULT}.env: {variable} is {false or 'empty'}, so that {location} redirects to no HTTPS, which"
            " nobody ends there; take it out with tls, or where trusted-proxies names a proxy that does"
        )
    if not switches and isinstance(value, ast.Constant) and value.value is True:
        study.undecided.append(
            f"{location} redirects to HTTPS: before `invoke deploy`, set tls of [tool.estiba.targets.{_DEFAULT}], name"
            f" the proxy that ends TLS in its trusted-proxies, or take {_REDIRECT} from the environment"
        )


def find_static(study: Study, seen: Survey, root: Path) -> None:
    """Add hints about static files that a build cannot collect as it is, or that may be older ones."""
    if remote := next((one for one in sorted(seen.strings) if _REMOTE.search(one)), ""):
        study.undecided.append(
            f"{remote} keeps files in an object store: a target's env has to have what it needs; if static files are"
            " kept there, each release uploads them before it is served, and with static = false nothing does"
        )
    folder = root / _find_static_root(seen)
    if folder != root and folder.is_dir() and (files := sorted(one for one in folder.rglob("*") if one.is_file())):
        shown = folder.relative_to(study.folder)
        study.undecided.append(
            f"STATIC_ROOT, {shown}, has files of its own, such as {files[0].relative_to(study.folder)}: they are served"
            " with what is collected, which takes the place of those of its names; take them out of git if they were"
            " collected once, since older ones stay"
        )


def _find_static_root(seen: Survey) -> str:
    """Return the last string in what is assigned to STATIC_ROOT, a folder beside manage.py as most settings have it."""
    found = ""
    for node in (node for source in seen.sources for node in source.tree.body):
        match node:
            case ast.Assign(targets=[ast.Name(id="STATIC_ROOT")], value=value):
                texts = [one.value for one in ast.walk(value) if isinstance(one, ast.Constant)]
                found = next((text for text in reversed(texts) if isinstance(text, str)), "")
            case _:
                pass
    return "" if found.startswith("/") else found


def _target(study: Study) -> dict[str, Any]:
    """Return the settings of the target `local`."""
    target: dict[str, Any] = study.settings.setdefault("targets", {}).setdefault(_DEFAULT, {})
    return target


def _set_variables(study: Study, choice: Choice, required: frozenset[str]) -> None:
    if variables := choice.variables(required):
        _target(study)["env"] = variables
        study.decided.append(
            f"targets.{_DEFAULT}.env: {', '.join(variables)}, so that {choice.location} finds PostgreSQL"
        )


def _write_settings(study: Study, seen: Survey, choice: Choice) -> None:
    """Add a settings module that overrides hard-coded values of the project's from the environment, and select it."""
    module = study.settings["settings"]
    file = Path(seen.sources[-1].shown)
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    name = "settings_deployed" if file.name == "settings.py" else "deployed"
    own = f"{package}.{name}".lstrip(".")
    shown = str(file.with_name(f"{name}.py"))
    study.settings["settings"] = own
    study.files[shown] = _TEXT.read_text(encoding="utf-8").replace("@settings@", module)
    study.decided.append(
        f"settings = {own}: {shown} takes database, key and hosts from the environment, since {choice.location} names a"
        f" database that cannot be changed from there; all else comes from {module}"
    )


def _find_routes(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield the literal routes of a URL configuration, each with its view as source text."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name), args=[ast.Constant(value=str(route)), view, *_]) if name in _ROUTES:
                yield route, ast.unparse(view)
