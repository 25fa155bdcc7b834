"""Static analysis of a project's settings: their modules, and the environment variables that they require.

Nothing of the project is executed: its dependencies are not installed yet, and it may have side effects.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from estiba.service import django

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_MAPPINGS: Final = frozenset({"os.environ", "environ"})
_GETTERS: Final = frozenset({"os.getenv", "getenv", "os.environ.get", "environ.get"})
_ENVIRONMENTS: Final = ("Env", "FileAwareEnv")
_SECRET: Final = "SECRET_KEY"  # noqa: S105 - a setting's name
_NOT_READING: Final = frozenset({"prefixed", "read_env", "read_envfile"})
# Functions that settings pass the text of a variable to, which have to get what they can convert.
_CONVERSIONS: Final = frozenset({"Decimal", "UUID", "float", "int", "literal_eval", "loads", "strtobool", "timedelta"})
# Default variables of django-environ's methods.
_IMPLIED: Final = {"db": "DATABASE_URL", "db_url": "DATABASE_URL", "cache": "CACHE_URL", "email": "EMAIL_URL"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Module of the project.

    Attributes:
        name: Dotted name.
        shown: Path for messages, relative to the project's folder.
        tree: Syntax tree.
    """

    name: str
    shown: str
    tree: ast.Module


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """Environment variable that the settings read without a default.

    Attributes:
        name: Name of the variable.
        location: Location of the read, as `file:line`.
        kind: Type that it is parsed as, such as `bool`; empty for text.
        conditional: Whether all reads are inside of conditions.
    """

    name: str
    location: str
    kind: str = ""
    conditional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """Settings module with the modules of the project that it imports.

    Attributes:
        sources: Modules in the order of execution, the settings module last.
        missing: Modules of the project that are imported but do not exist, with the location of the import.
        variables: Required environment variables, sorted by name.
        unread: A sentence for each statement that was left out, for it has the syntax of a newer Python.
    """

    sources: tuple[Source, ...]
    missing: tuple[str, ...]
    variables: tuple[Variable, ...]
    unread: tuple[str, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """Names that are assigned anywhere in the modules, in classes too."""
        nodes = (node for source in self.sources for node in ast.walk(source.tree))
        return frozenset(node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))

    @property
    def strings(self) -> frozenset[str]:
        """String constants in the modules, and names of the modules that they import from."""
        nodes = [node for source in self.sources for node in ast.walk(source.tree)]
        texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
        imported = {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
        return frozenset(texts | imported)

    def constant(self, name: str) -> str:
        """Return the string that is last assigned to a name at module level, or an empty string."""
        found = ""
        for node in (node for source in self.sources for node in source.tree.body):
            match node:
                case ast.Assign(targets=[ast.Name(id=target)], value=ast.Constant(value=str(value))) if target == name:
                    found = value
        return found


def survey(root: Path, module: str, *, top: Path | None = None) -> Survey:
    """Analyse a settings module and the modules of the project that it imports.

    Args:
        root: Folder on the import path, that of manage.py.
        module: Dotted name of the settings module.
        top: Folder that paths in messages are relative to; by default `root`.
    """
    tracer = _Tracer(root=root, top=top or root)
    tracer.trace(module)
    sources = tracer.sources
    reader = _Reader()
    for source in sources.values():
        reader.read(source)
    # Unconditional reads come last and win: one of them is enough to require the variable.
    found = {one.name: one for one in sorted(reader.found, key=lambda one: not one.conditional)}
    variables = tuple(sorted(found.values(), key=lambda one: one.name))
    return Survey(
        sources=tuple(sources.values()),
        missing=tuple(tracer.missing),
        variables=variables,
        unread=tuple(tracer.unread),
    )


def locate(root: Path, module: str) -> Path | None:
    """Return the file of a module below a folder, or None."""
    if not module:
        return None
    base = root.joinpath(*module.split("."))
    candidates = (base.with_name(f"{base.name}.py"), base / "__init__.py")
    return next((file for file in candidates if file.is_file()), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tracer:
    """Collector of modules in the order of execution, and of imported ones that do not exist."""

    root: Path
    top: Path
    sources: dict[str, Source] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    def trace(self, module: str) -> None:
        """Add a module after those that it imports."""
        # Registered before its imports, so that a cycle ends, and moved to the end after them.
        file = locate(self.root, module)
        if file is None:
            return
        shown = str(file.relative_to(self.top))
        tree, unknown = django.parse_known(file, shown)
        self.unread.extend(unknown)
        self.sources[module] = Source(name=module, shown=shown, tree=tree)
        package = module if file.name == "__init__.py" else module.rpartition(".")[0]
        for name, line, needed in _imports(tree, package):
            if locate(self.root, name) and name not in self.sources:
                self.trace(name)
            elif needed and not locate(self.root, name):
                self.missing.append(f"{name} ({shown}:{line})")
        self.sources[module] = self.sources.pop(module)


def _imports(tree: ast.Module, package: str) -> Iterator[tuple[str, int, bool]]:
    """Yield imported modules with line number, and whether a missing one is an error."""
    # A `with` block may be contextlib.suppress(ImportError).
    blocks = [block for block in ast.walk(tree) if isinstance(block, ast.Try | ast.If | ast.With)]
    attempted = {id(node) for block in blocks for node in ast.walk(block)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno, False) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            yield from ((f"{base}.{alias.name}", node.lineno, False) for alias in node.names)
            yield base, node.lineno, bool(node.level and node.module) and id(node) not in attempted


@dataclass(slots=True)
class _Reader(ast.NodeVisitor):
    """Collector of environment variables that are read without a default, outside of functions."""

    found: list[Variable] = field(default_factory=list)
    shown: str = ""
    target: str = ""
    conditions: list[frozenset[str]] = field(default_factory=list)
    # Objects and functions that read the environment, with the position of their default.
    readers: dict[str, int] = field(default_factory=dict)
    defaulted: set[str] = field(default_factory=set)
    cast_second: bool = False
    conversions: list[str] = field(default_factory=list)

    def read(self, source: Source) -> None:
        """Add the variables that a module reads."""
        self.shown = source.shown
        self.visit(source.tree)

    def visit_Import(self, node: ast.Import) -> None:
        self.cast_second |= any(alias.name == "environ" for alias in node.names)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self.cast_second |= node.module == "environ"
        if node.module in {"decouple", "environs"}:
            names = (alias.asname or alias.name for alias in node.names if alias.name in {"config", "env"})
            self.readers.update(dict.fromkeys(names, 1))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """Record a function that reads the variable named by its first argument; its body does not run on import."""
        first = node.args.args[0].arg if node.args.args else ""
        inside = (one for one in ast.walk(node) if isinstance(one, ast.Subscript))
        if any(ast.unparse(one.value) in _MAPPINGS and ast.unparse(one.slice) == first for one in inside):
            self.readers[node.name] = 1

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """Skip a lambda, whose body does not run on import."""

    def visit_Try(self, node: ast.Try) -> None:
        """Skip the `try` block, whose failure is handled, and its handlers."""
        for child in (*node.orelse, *node.finalbody):
            self.visit(child)

    def visit_If(self, node: ast.If | ast.IfExp) -> None:
        """Visit the branches with the strings that their condition mentions."""
        self.visit(node.test)
        constants = (one.value for one in ast.walk(node.test) if isinstance(one, ast.Constant))
        mentioned = frozenset(text for text in constants if isinstance(text, str))
        if isinstance(node, ast.If) and isinstance(node.body[0], ast.Raise) and _is_absence(node.test):
            for name in mentioned:
                self._add(name, node.test)
        self._branch(node.body, mentioned, taken=_is_absence(node.test))
        self._branch(node.orelse, mentioned, taken=_is_presence(node.test))

    def _branch(self, branch: ast.expr | list[ast.stmt], mentioned: frozenset[str], *, taken: bool) -> None:
        """Visit a branch; one that runs where a variable is unset counts as unconditional, since a build sets none."""
        outer, self.conditions = self.conditions, self.conditions if taken else [*self.conditions, mentioned]
        for child in branch if isinstance(branch, list) else [branch]:
            self.visit(child)
        self.conditions = outer

    visit_IfExp = visit_If  # noqa: N815 - the name that ast looks for

    def visit_Assign(self, node: ast.Assign | ast.AnnAssign) -> None:
        """Record names of environment readers such as `env = Env()`, and their variables with defaults."""
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        before, self.target = self.target, ast.unparse(target)
        if isinstance(node.value, ast.Call) and ast.unparse(node.value.func).split(".")[-1] in _ENVIRONMENTS:
            self.readers[self.target] = 1
            self.defaulted |= {str(one.arg) for one in node.value.keywords if isinstance(one.value, ast.Tuple)}
        if node.value:
            self.visit(node.value)
        self.target = before

    visit_AnnAssign = visit_Assign  # noqa: N815 - as above

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        """Take `os.environ.get("NAME") or "default"` for what it is: a default, which is what gets converted."""
        has_default = isinstance(node.op, ast.Or) and not _may_be_none(node.values[-1])
        if has_default and all(isinstance(one, ast.Call) for one in node.values[:-1]):
            before, self.conversions, self.target = (self.conversions, self.target), [], ""
            self.generic_visit(node)
            self.conversions, self.target = before
            return
        self.visit(node.values[0])
        for value in node.values[1:]:
            # What comes later is asked only where what comes before lets it be.
            self._branch(value, frozenset(), taken=False)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        """Record `os.environ["NAME"]`."""
        key = node.slice.value if isinstance(node.slice, ast.Constant) else None
        if isinstance(key, str) and isinstance(node.ctx, ast.Load) and ast.unparse(node.value) in _MAPPINGS:
            self._add(key, node)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        """Record `env("NAME")`, `env.bool("NAME")`, `config("NAME")` and the like."""
        called = ast.unparse(node.func)
        reader, _, method = called.partition(".")
        name = _first(node) or _IMPLIED.get(method, "")
        if called.endswith("SecretValue"):
            self._add(f"DJANGO_{self.target}", node)
        elif called in _GETTERS and name and self.target == _SECRET and not _has_default(node, 1):
            self._add(name, node)
        elif reader in self.readers and name and name not in self.defaulted and method not in _NOT_READING:
            position = 2 if self.cast_second and not method else self.readers[reader]
            if not _has_default(node, position):
                self._add(name, node, kind=method or _cast(node))
        elif called in _GETTERS and name and self.conversions and not _has_default(node, 1):
            # None cannot be converted.
            self._add(name, node)
        converted = called.rpartition(".")[2] if called.rpartition(".")[2] in _CONVERSIONS else ""
        self.conversions += [converted] if converted else []
        self.generic_visit(node)
        del self.conversions[len(self.conversions) - bool(converted) :]

    def _add(self, name: str, node: ast.expr, *, kind: str = "") -> None:
        if not any(name in mentioned for mentioned in self.conditions):
            location = f"{self.shown}:{node.lineno}"
            kind = kind or next(reversed(self.conversions), "")
            self.found.append(Variable(name=name, location=location, kind=kind, conditional=bool(self.conditions)))


def is_text(value: ast.expr) -> bool:
    """Return whether an expression is the text of a variable: true for any text but an empty one."""
    read = value.func if isinstance(value, ast.Call) else None
    mapping = value.value if isinstance(value, ast.Subscript) else None
    return bool(read and ast.unparse(read) in _GETTERS) or bool(mapping and ast.unparse(mapping) in _MAPPINGS)


def is_converted(value: ast.expr) -> bool:
    """Return whether an expression converts a text to a number or the like, which not every text can be."""
    calls = (one for one in ast.walk(value) if isinstance(one, ast.Call))
    return any(ast.unparse(one.func).rpartition(".")[2] in _CONVERSIONS for one in calls)


def _may_be_none(value: ast.expr) -> bool:
    """Return whether an expression is None, or a variable that nothing stands for where it is unset."""
    if isinstance(value, ast.Call):
        return ast.unparse(value.func) in _GETTERS and not _has_default(value, 1)
    return isinstance(value, ast.Constant) and value.value is None


def _is_absence(test: ast.expr) -> bool:
    """Return whether a condition is true where a variable is unset."""
    text = ast.unparse(test)
    return text.startswith(tuple(f"not {getter}(" for getter in _GETTERS)) or text.endswith("not in os.environ")


def _is_presence(test: ast.expr) -> bool:
    """Return whether a condition is true only where a variable is set."""
    looked_up = isinstance(test, ast.Call) and ast.unparse(test.func) in _GETTERS and len(test.args) == 1
    return looked_up or (
        " in os.environ" in ast.unparse(test) and isinstance(test, ast.Compare) and not _is_absence(test)
    )


def _first(node: ast.Call) -> str:
    """Return the first argument if it is a string literal, or an empty string."""
    first = node.args[0] if node.args else None
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""


def _has_default(node: ast.Call, position: int) -> bool:
    return len(node.args) > position or any(one.arg in {"default", None} for one in node.keywords)


def _cast(node: ast.Call) -> str:
    casts: Sequence[ast.expr] = [*node.args[1:], *(one.value for one in node.keywords if one.arg == "cast")]
    return ast.unparse(casts[0]) if casts else ""
