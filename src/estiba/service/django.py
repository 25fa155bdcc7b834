"""Settings module and WSGI application of a Django project, found by parsing its files without running them."""

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
    """Entry points of a Django project.

    Attributes:
        settings: Dotted path of the settings module.
        wsgi: WSGI application as `module:attribute`.
    """

    settings: str
    wsgi: str


def find_layout(folder: Path, manage: str, *, settings: str = "", wsgi: str = "") -> Layout:
    """Find the settings module in manage.py, and the WSGI application in the settings or in a `wsgi` module.

    Args:
        folder: Folder of the service.
        manage: Path of manage.py relative to `folder`; modules are looked up beside that file.
        settings: Configured settings module, which is not looked up then.
        wsgi: Configured WSGI application, which is not looked up then.

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
    """Return the settings module that a file such as manage.py sets as `DJANGO_SETTINGS_MODULE`.

    Args:
        path: Python file.
        shown: Name of the file in error messages.

    Raises:
        ConfigError: The file sets none as a constant, or is not valid Python.
    """
    if found := find_variable(path, shown, _SETTINGS):
        return found
    raise ConfigError(
        shown,
        [f"does not set {_SETTINGS} to a constant"],
        hint='set settings = "package.settings" in [tool.estiba]',
    )


def find_variable(path: Path, shown: str, name: str) -> str:
    """Return the constant that a file assigns to an environment variable, or an empty string.

    Recognised are `os.environ[name] = value` and calls such as `os.environ.setdefault(name, value)`.

    Raises:
        ConfigError: The file is not valid Python.
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
    """Parse a Python file.

    Raises:
        ConfigError: The file is not valid Python, or uses syntax newer than the running Python.
    """
    try:
        # Importing would need the dependencies, and often secrets. Bytes, for files with a coding line (PEP 263).
        return ast.parse(path.read_bytes())
    except SyntaxError as error:
        own = ".".join(map(str, sys.version_info[:2]))
        raise ConfigError(shown, [f"line {error.lineno}: {error.msg}, for Python {own}"]) from error
    except ValueError as error:
        raise ConfigError(shown, [str(error)]) from error


def _find_wsgi(root: Path, settings: str) -> str:
    """Look for `WSGI_APPLICATION` in the settings module, then for `wsgi` in its packages and beside manage.py."""
    parts = settings.split(".")
    for candidate in (root.joinpath(*parts).with_suffix(".py"), root.joinpath(*parts, "__init__.py")):
        if candidate.is_file() and (found := _find_constant(candidate, _WSGI)):
            return _normalise(found)
    for length in range(len(parts) - 1, -1, -1):
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
    """Convert Django's notation `package.module.attribute` to `package.module:attribute`."""
    return wsgi if ":" in wsgi else ":".join(wsgi.rsplit(".", 1))
