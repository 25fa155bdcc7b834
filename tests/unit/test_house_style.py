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

ROOM_MODULES = 11
"""So many files a reader takes in at a glance; `tasks` has one for each noun of the command line."""

IMPORTS = re.compile(r"Imports go one way: `([^`]+)`", re.DOTALL)
"""CONTRIBUTING's chain of folders, from what nothing may import to what everything may."""


def layers() -> list[list[str]]:
    """Return the rows of CONTRIBUTING's chain, lowest first; neighbours in a row do not see each other."""
    (chain,) = IMPORTS.findall((ROOT / "CONTRIBUTING.md").read_text())
    return [row.replace("|", " ").split() for row in reversed(chain.split("→"))]


def sources() -> list[Path]:
    """Return all Python files that are ours, without those of services."""
    folders = (ROOT / name for name in ("src", "nix", "tests", "benchmarks", "cache-service"))
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
    """Return the height of a module in CONTRIBUTING's chain, -1 where it is not in it."""
    noun = module.split(".")[1]
    return next((height for height, nouns in enumerate(layers()) if noun in nouns), -1)


def tracked() -> list[str]:
    """Return the names of all files under version control."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


MODULES = [file for file in sorted(PACKAGE.rglob("*.py")) if file != PACKAGE / "__init__.py"]


def test_every_module_has_a_layer() -> None:
    """A new folder is given its place in CONTRIBUTING's chain before anything imports it, and none there is gone."""
    nouns = {module_name(file).split(".")[1] for file in MODULES}

    assert {noun for row in layers() for noun in row} == nouns


def test_imports_go_down() -> None:
    """A module imports from lower layers and from its own folder, never upwards or sideways."""
    wrong = [
        f"{module_name(file)} imports {other}"
        for file in MODULES
        for other in sorted(imports(file) - {"estiba"})
        if other.split(".")[1] != module_name(file).split(".")[1] and layer(other) >= layer(module_name(file))
    ]

    assert wrong == []


def test_responses_are_read_within_limits() -> None:
    """Without `stream=True` requests reads a body itself, to whatever size and however slowly it comes."""
    verbs = {"delete", "get", "head", "patch", "post", "put", "request"}
    wrong = [
        f"{module_name(file)}:{node.lineno}"
        for file in MODULES
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in verbs
        and ast.unparse(node.func.value) in {"requests", "self._session", "session"}
        and "stream" not in {word.arg for word in node.keywords}
    ]

    assert wrong == []


def test_rooms_stay_small() -> None:
    """A folder that outgrows its budget holds two subjects."""
    folders = {file.parent for file in MODULES} - {PACKAGE / "tasks"}
    counts = {name_of(folder): len([*folder.glob("*.py")]) - 1 for folder in folders}

    assert {name: count for name, count in counts.items() if count > ROOM_MODULES} == {}


def test_no_import_cycles() -> None:
    """No module imports itself through others."""
    graph = {module_name(file): imports(file) - {module_name(file)} for file in MODULES}

    graphlib.TopologicalSorter(graph).prepare()


def test_modules_stay_short() -> None:
    """A module that outgrows its budget holds two nouns."""
    lines = {name_of(file): len(file.read_text().splitlines()) for file in sources()}

    assert {name: count for name, count in lines.items() if count > MODULE_LINES} == {}


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function's code, without those of its docstring."""
    last = function.end_lineno or function.lineno
    docstring = function.body[0] if ast.get_docstring(function) else None
    documented = (docstring.end_lineno or 0) - docstring.lineno + 1 if docstring else 0
    return last - function.lineno + 1 - documented


def test_functions_stay_short() -> None:
    """A function fits on a screen; ruff holds its complexity."""
    lengths = {
        f"{name_of(file)}: {node.name}": length(node)
        for file in sources()
        for node in ast.walk(parse(file))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }

    assert {name: count for name, count in lengths.items() if count > FUNCTION_LINES} == {}


def test_modules_are_named_after_a_noun() -> None:
    """No file is a place for leftovers."""
    leftovers = {"utils", "util", "helpers", "helper", "common", "misc"}

    assert [name_of(file) for file in sources() if file.stem.strip("_") in leftovers] == []


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


def test_environment_is_read_at_the_edge() -> None:
    """Tasks read the configuration and hand it in; a library that read it itself could not be used twice."""
    calls = re.compile(r"\bconfig\.load\(")
    reading = {str(file.relative_to(PACKAGE)) for file in MODULES if calls.search(code_of(file))}

    assert {name for name in reading if not name.startswith("tasks/")} == set()


def test_packages_define_nothing() -> None:
    """A package's `__init__` re-exports and holds no code of its own."""
    kinds = (ast.FunctionDef, ast.ClassDef, ast.For, ast.While, ast.With, ast.Try)
    packages = [file for file in MODULES if file.name == "__init__.py"]

    assert [name_of(file) for file in packages if any(isinstance(node, kinds) for node in parse(file).body)] == []


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


def test_nix_names_what_it_uses() -> None:
    """`with lib` hides where a name comes from; `inherit (lib)` says it."""
    hiding = re.compile(r"\bwith\s+(lib|builtins|pkgs)\b")

    assert [name_of(file) for file in NIX_FILES if hiding.search(file.read_text())] == []


def shell_strings(file: Path) -> list[str]:
    """Return the indented strings of a Nix file, without those in comments."""
    code = re.sub(r"/\*.*?\*/", "", file.read_text(), flags=re.DOTALL)
    return re.findall(r"''(?!\$)(.*?)(?<!')''(?!['$\\])", code, flags=re.DOTALL)


def test_nix_holds_no_shell_scripts() -> None:
    """A shell string of more than ten lines is a file of its own."""
    long = {
        name_of(file) for file in NIX_FILES for text in shell_strings(file) if text.strip().count("\n") >= SHELL_LINES
    }

    assert long == set()


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


def test_template_has_no_conditionals() -> None:
    """What varies are values, not code; Django's own templates are copied as they are."""
    files = [file for file in sorted(TEMPLATE.rglob("*")) if file.is_file() and file.suffix != ".html"]

    assert [name_of(file) for file in files if "{%" in file.read_text()] == []
