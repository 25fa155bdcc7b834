"""Settings module, WSGI and ASGI application of a Django project, found by parsing its files without running them."""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from estiba.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

_SETTINGS: Final = "DJANGO_SETTINGS_MODULE"
_WSGI: Final = "WSGI_APPLICATION"
_ASGI: Final = "ASGI_APPLICATION"
# The first line of a statement at the top level: not indented, and not the end of brackets or of a longer statement.
_BEGINS: Final = re.compile(rb"(?!(?:else|elif|except|finally)\b)[\w@'\"(\[{]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Entry points of a Django project.

    Attributes:
        settings: Dotted path of the settings module.
        wsgi: WSGI application as `module:attribute`; empty where there is an ASGI application alone.
        asgi: ASGI application, or an empty string.
        is_asgi: Whether the ASGI application is the one to serve: settings that name it, as Channels wants it, count on
            that, while the `asgi.py` of a new Django project says nothing.
    """

    settings: str
    wsgi: str
    asgi: str = ""
    is_asgi: bool = False


def find_layout(folder: Path, manage: str, *, settings: str = "", wsgi: str = "", asgi: str = "") -> Layout:
    """Find the settings module in manage.py, and the applications in the settings or in modules `wsgi` and `asgi`.

    Args:
        folder: Folder of the service.
        manage: Path of manage.py relative to `folder`; modules are looked up beside that file.
        settings: Configured settings module, which is not looked up then.
        wsgi: Configured WSGI application, which is not looked up then.
        asgi: Configured ASGI application.

    Raises:
        ConfigError: There is no manage.py, or the settings or both applications are neither configured nor found.
    """
    path = folder / manage
    if not path.is_file():
        raise ConfigError(
            manage,
            [f"no such file in {folder.resolve().name}, so this is not a Django project's folder"],
            hint="run this in the folder that holds manage.py, or set manage in [tool.estiba]",
        )
    root, module = path.parent, settings or find_settings(path, manage)
    named = asgi or _find_named(root, module, _ASGI)
    found = {
        "wsgi": _normalise(wsgi or _find_named(root, module, _WSGI) or _find_module(root, module, "wsgi")),
        "asgi": _normalise(named or _find_module(root, module, "asgi")),
    }
    if not any(found.values()):
        raise ConfigError(
            module,
            [f"has no {_WSGI}, and there is no wsgi.py beside it"],
            hint='set wsgi = "package.wsgi:application" in [tool.estiba]',
        )
    return Layout(settings=module, is_asgi=bool(named) or not found["wsgi"], **found)


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
        ConfigError: The file is not valid Python, and has no line that looks like one of these.
    """
    try:
        tree = parse(path, shown)
    except ConfigError:
        # Syntax of a newer Python need not stand in the way of the one line that matters.
        pattern = rf"{name}[\"'](?:\s*,|\]\s*=)\s*[\"']([\w.]+)[\"']"
        if found := re.search(pattern, path.read_text(encoding="utf-8", errors="replace")):
            return found[1]
        raise
    for node in ast.walk(tree):
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


def parse_known(path: Path, shown: str) -> tuple[ast.Module, list[str]]:
    """Parse a Python file, without the statements at its top level whose syntax the running Python does not know.

    The Python of a service may be newer than Estiba's: `def f[T]`, nested quotes in f-strings, `type X = Y`.

    Returns:
        The syntax tree, and a sentence for each statement that it lacks.
    """
    lines = path.read_bytes().splitlines(keepends=True)
    problems: list[str] = []
    own = ".".join(map(str, sys.version_info[:2]))
    while True:
        try:
            return ast.parse(b"".join(lines)), problems
        except ValueError as error:
            return ast.Module(body=[], type_ignores=[]), [f"{shown}: {error}"]
        except SyntaxError as error:
            number = min(error.lineno or 1, len(lines))
            problems.append(f"{shown}:{number} is no syntax of Python {own} ({error.msg})")
            if not _blank(lines, number - 1):
                return ast.Module(body=[], type_ignores=[]), problems


def _blank(lines: list[bytes], index: int) -> bool:
    """Empty the lines of the statement around one, and tell whether there was anything in them."""
    first = index
    while first and not _BEGINS.match(lines[first]):
        first -= 1
    last = index + 1
    while last < len(lines) and not _BEGINS.match(lines[last]):
        last += 1
    had = any(line.strip() for line in lines[first:last])
    lines[first:last] = [b"\n"] * (last - first)
    return had


def _find_named(root: Path, settings: str, name: str) -> str:
    """Return a constant of the settings module, or of those that it imports everything from."""
    seen: list[str] = []
    left = [settings]
    while left:
        seen.append(module := left.pop(0))
        path = root.joinpath(*module.split("."))
        package = path / "__init__.py"
        file = package if package.is_file() else path.with_suffix(".py")
        if not file.is_file():
            continue
        if found := _find_constant(file, name):
            return found
        parent = module if file == package else module.rpartition(".")[0]
        left += [one for one in _star_imports(file, parent) if one not in seen]
    return ""


def _star_imports(path: Path, package: str) -> list[str]:
    """Return the modules that a module of a package imports everything from."""
    found = []
    for node in parse_known(path, path.name)[0].body:
        match node:
            case ast.ImportFrom(names=[ast.alias(name="*")]):
                above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
                found.append(".".join(filter(None, [*above, node.module])))
            case _:
                pass
    return found


def _find_module(root: Path, settings: str, name: str) -> str:
    """Look for `wsgi.py` or `asgi.py` in the packages of the settings, then beside manage.py."""
    parts = settings.split(".")
    for length in range(len(parts) - 1, -1, -1):
        if root.joinpath(*parts[:length], f"{name}.py").is_file():
            return ".".join([*parts[:length], name]) + ":application"
    return ""


def _find_constant(path: Path, name: str) -> str:
    for node in parse_known(path, path.name)[0].body:
        match node:
            case ast.Assign(targets=[ast.Name(id=target)], value=ast.Constant(value=str(value))) if target == name:
                return value
    return ""


def _normalise(application: str) -> str:
    """Convert Django's notation `package.module.attribute` to `package.module:attribute`."""
    return application if ":" in application else ":".join(application.rsplit(".", 1))
