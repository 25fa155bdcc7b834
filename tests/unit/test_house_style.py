"""The rules of this code base that no linter holds: who may import whom, how large things get, what stands where."""

from __future__ import annotations

import ast
import functools
import graphlib
import re
import subprocess
import sys
import urllib.parse
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "estiba"
TEMPLATE = ROOT / "cookiecutter-template"

SERVICES = {ROOT / "tests" / "fixtures", ROOT / "tests" / "nix"}
"""Folders with services that somebody else could have written."""

MODULE_LINES = 400
FUNCTION_LINES = 40
FLAKE_LINES = 80
README_LINES = 120
TASKS_LINES = 170
SHELL_LINES = 10

LAYERS = (
    ("errors",),
    ("digest",),
    ("imageref", "storepath"),
    ("config",),
    ("process",),
    ("nix", "nixlog"),
    ("django", "requirements"),
    ("project",),
    ("lock", "image", "cache"),
    ("build",),
    ("check", "verify"),
    ("release",),
    ("deploy",),
    ("operate", "scaffold"),
    ("demo",),
    ("tasks",),
)
"""From what everything may import to what nothing may import; neighbours in a row do not see each other."""


def sources() -> list[Path]:
    """Return all Python files that are ours, without those of services."""
    folders = (ROOT / name for name in ("src", "nix", "tests", "benchmarks"))
    files = (file for folder in folders for file in folder.rglob("*.py"))
    return [ROOT / "tasks.py", *sorted(file for file in files if not SERVICES & set(file.parents))]


def name_of(path: Path) -> str:
    """Return a path as people write it, for the names of the tests."""
    return str(path.relative_to(ROOT))


@functools.cache
def parse(file: Path) -> ast.Module:
    """Parse one source file."""
    return ast.parse(file.read_text(), filename=str(file))


class WithoutTexts(ast.NodeTransformer):
    """Empties all strings."""

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        """Replace a string."""
        return ast.Constant("") if isinstance(node.value, str) else node


def code_of(file: Path) -> str:
    """Return the code of a file without comments and the contents of strings."""
    return ast.unparse(WithoutTexts().visit(ast.parse(file.read_text())))


def module_name(file: Path) -> str:
    """Return the dotted name of a file of the package."""
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(file: Path) -> set[str]:
    """Return the modules of this package that a file imports, for typing only or not."""
    modules = {module_name(other) for other in PACKAGE.rglob("*.py")}
    found: set[str] = set()
    for node in ast.walk(parse(file)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found.update(name if name in modules else str(node.module) for name in names)
    return found & modules


def layer(module: str) -> int:
    """Return the height of a module in `LAYERS`."""
    noun = module.split(".")[1]
    return next(height for height, nouns in enumerate(LAYERS) if noun in nouns)


def tracked() -> list[str]:
    """Return the names of all files under version control."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


MODULES = [file for file in sorted(PACKAGE.rglob("*.py")) if file != PACKAGE / "__init__.py"]


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_every_module_has_a_layer(file: Path) -> None:
    """A new noun is given its place in `LAYERS` before anything imports it."""
    assert any(module_name(file).split(".")[1] in nouns for nouns in LAYERS)


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_imports_go_down(file: Path) -> None:
    """A module imports from lower layers and from its own noun, never upwards or sideways."""
    own = module_name(file)
    noun = own.split(".")[1]
    wrong = {
        other for other in imports(file) - {"estiba"} if other.split(".")[1] != noun and layer(other) >= layer(own)
    }

    assert wrong == set()


def test_no_import_cycles() -> None:
    """No module imports itself through others."""
    graph = {module_name(file): imports(file) - {module_name(file)} for file in MODULES}

    graphlib.TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("file", sources(), ids=name_of)
def test_modules_stay_short(file: Path) -> None:
    """A module that outgrows its budget holds two nouns."""
    assert len(file.read_text().splitlines()) <= MODULE_LINES


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function's code, without those of its docstring."""
    last = function.end_lineno or function.lineno
    docstring = function.body[0] if ast.get_docstring(function) else None
    documented = (docstring.end_lineno or 0) - docstring.lineno + 1 if docstring else 0
    return last - function.lineno + 1 - documented


@pytest.mark.parametrize("file", sources(), ids=name_of)
def test_functions_stay_short(file: Path) -> None:
    """A function fits on a screen; ruff holds its complexity."""
    functions = [node for node in ast.walk(parse(file)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]

    assert {node.name: length(node) for node in functions if length(node) > FUNCTION_LINES} == {}


@pytest.mark.parametrize("file", sources(), ids=name_of)
def test_modules_are_named_after_a_noun(file: Path) -> None:
    """No file is a place for leftovers."""
    assert file.stem.strip("_") not in {"utils", "util", "helpers", "helper", "common", "misc"}


@pytest.mark.parametrize(
    ("pattern", "home"),
    [
        pytest.param(r"^\s*(import subprocess|from subprocess )", "process.py", id="subprocess"),
        pytest.param(r"\bos\.(environ|getenv|putenv)\b", "config.py", id="environment"),
        pytest.param(r"(?<![\w.])print\(", "tasks/console.py", id="print"),
        pytest.param(r"\b(sys\.exit|os\._exit)\(", "tasks/console.py", id="exit"),
        pytest.param(r"shell=True", "", id="shell"),
    ],
)
def test_what_touches_the_world_has_one_home(pattern: str, home: str) -> None:
    """Processes, the environment, standard output and the exit code each have one module."""
    found = re.compile(pattern, re.MULTILINE)
    touching = {str(file.relative_to(PACKAGE)) for file in MODULES if found.search(code_of(file))}

    assert touching <= {home}


@pytest.mark.parametrize("file", [file for file in MODULES if file.name == "__init__.py"], ids=name_of)
def test_packages_define_nothing(file: Path) -> None:
    """A package's `__init__` re-exports and holds no code of its own."""
    kinds = (ast.FunctionDef, ast.ClassDef, ast.For, ast.While, ast.With, ast.Try)

    assert [node.lineno for node in parse(file).body if isinstance(node, kinds)] == []


DEFAULT_INDEX = (
    "from pip._internal.models.index import PyPI; print('//' + PyPI.netloc, '//' + PyPI.file_storage_domain)"
)
"""What pip asks where nothing is configured."""


def registry_hosts() -> set[str]:
    """Return the hosts that this machine's apt and pip take packages from."""
    lists = [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")]
    texts = [file.read_text(errors="replace") for file in lists if file.is_file()]
    python = [sys.executable, "-c", DEFAULT_INDEX]
    commands = ([sys.executable, "-m", "pip", "config", "list"], python)
    texts += [subprocess.run(command, capture_output=True, text=True, check=True).stdout for command in commands]
    found = re.findall(r"//[^/\s'\"]+", "\n".join(texts))
    hosts = {urllib.parse.urlsplit(host).hostname for host in found}
    return {host for host in hosts if host and host != "localhost" and not host.startswith("127.")}


def test_no_registry_is_named() -> None:
    """Mirrors come from the machine's configuration; none stands in a file of ours."""
    hosts = registry_hosts()
    assert hosts, "neither apt nor pip is configured on this machine"

    pattern = re.compile("|".join(map(re.escape, sorted(hosts))))
    assert [name for name in tracked() if pattern.search((ROOT / name).read_text(errors="replace"))] == []


NIX_FILES = sorted(file for file in (*ROOT.glob("*.nix"), *(ROOT / "nix").rglob("*.nix")))


@pytest.mark.parametrize("file", NIX_FILES, ids=name_of)
def test_nix_names_what_it_uses(file: Path) -> None:
    """`with lib` hides where a name comes from; `inherit (lib)` says it."""
    assert re.search(r"\bwith\s+(lib|builtins|pkgs)\b", file.read_text()) is None


@pytest.mark.parametrize("file", NIX_FILES, ids=name_of)
def test_nix_holds_no_shell_scripts(file: Path) -> None:
    """A shell string of more than ten lines is a file of its own."""
    code = re.sub(r"/\*.*?\*/", "", file.read_text(), flags=re.DOTALL)
    strings = re.findall(r"''(?!\$)(.*?)(?<!')''(?!['$\\])", code, flags=re.DOTALL)

    assert [text for text in strings if text.strip().count("\n") >= SHELL_LINES] == []


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("flake.nix", FLAKE_LINES),
        ("tasks.py", TASKS_LINES),
        ("README.md", README_LINES),
        ("README.es.md", README_LINES),
    ],
)
def test_front_doors_stay_small(name: str, limit: int) -> None:
    """What a newcomer opens first is read in a minute."""
    assert len((ROOT / name).read_text().splitlines()) <= limit


@pytest.mark.parametrize("file", sorted(file for file in TEMPLATE.rglob("*") if file.is_file()), ids=name_of)
def test_template_has_no_conditionals(file: Path) -> None:
    """What varies are values, not code; Django's own templates are copied as they are."""
    assert file.suffix == ".html" or "{%" not in file.read_text()
