"""What a Django project's files say about it, read without running them."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from estiba.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

_SETTINGS: Final = "DJANGO_SETTINGS_MODULE"
_WSGI: Final = "WSGI_APPLICATION"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The settings module of a Django project and its WSGI application as `module:attribute`."""

    settings: str
    wsgi: str


def find_layout(folder: Path, manage: str, *, settings: str = "", wsgi: str = "") -> Layout:
    """Find the settings module in manage.py, and the WSGI application in the settings or beside them.

    Args:
        folder: The service's folder.
        manage: Path of manage.py in it; modules are looked for beside that file.
        settings: The settings module where it is configured.
        wsgi: The WSGI application where it is configured.

    Raises:
        ConfigError: There is no manage.py, or one of the two is neither configured nor found.
    """
    path = folder / manage
    if not path.is_file():
        raise ConfigError(
            manage,
            [f"no such file in {folder.resolve().name}, so this is not a Django project's folder"],
            hint="run this in the folder that holds manage.py, or set manage in [tool.estiba]",
        )
    module = settings or find_settings(path, manage)
    return Layout(settings=module, wsgi=_normalise(wsgi) or _find_wsgi(path.parent, module))


def find_settings(path: Path, shown: str) -> str:
    """Return the settings module that a file such as manage.py puts into the environment.

    Raises:
        ConfigError: It names none, or is no Python.
    """
    if found := find_variable(path, shown, _SETTINGS):
        return found
    raise ConfigError(
        shown,
        [f"does not set {_SETTINGS} to a constant"],
        hint='set settings = "package.settings" in [tool.estiba]',
    )


def find_variable(path: Path, shown: str, name: str) -> str:
    """Return what a file puts into an environment variable as a constant, or an empty string.

    Raises:
        ConfigError: It is no Python.
    """
    for node in ast.walk(parse(path, shown)):
        match node:
            case ast.Call(args=[ast.Constant(value=str(key)), ast.Constant(value=str(value))]) if key == name:
                return value
            case ast.Assign(
                targets=[ast.Subscript(slice=ast.Constant(value=str(key)))], value=ast.Constant(value=str(value))
            ) if key == name:
                return value
    return ""


def parse(path: Path, shown: str) -> ast.Module:
    """Read a file's syntax tree.

    Raises:
        ConfigError: It is no Python, or of a newer one than the one that runs this.
    """
    try:
        return ast.parse(path.read_bytes())
    except SyntaxError as error:
        own = ".".join(map(str, sys.version_info[:2]))
        raise ConfigError(shown, [f"line {error.lineno}: {error.msg}, for Python {own}"]) from error
    except ValueError as error:
        raise ConfigError(shown, [str(error)]) from error


def _find_wsgi(root: Path, settings: str) -> str:
    """Look for WSGI_APPLICATION in the settings, then for a module `wsgi` in the packages around them."""
    parts = settings.split(".")
    for candidate in (root.joinpath(*parts).with_suffix(".py"), root.joinpath(*parts, "__init__.py")):
        if candidate.is_file() and (found := _find_constant(candidate, _WSGI)):
            return _normalise(found)
    for length in range(len(parts) - 1, 0, -1):
        if root.joinpath(*parts[:length], "wsgi.py").is_file():
            return ".".join([*parts[:length], "wsgi"]) + ":application"
    raise ConfigError(
        settings,
        [f"has no {_WSGI}, and there is no wsgi.py beside it"],
        hint='set wsgi = "package.wsgi:application" in [tool.estiba]',
    )


def _find_constant(path: Path, name: str) -> str:
    for node in parse(path, path.name).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=target)], value=ast.Constant(value=str(value))) if target == name:
                return value
    return ""


def _normalise(wsgi: str) -> str:
    """Turn Django's notation `package.module.attribute` into `package.module:attribute`."""
    return wsgi if ":" in wsgi else ":".join(wsgi.rsplit(".", 1))
