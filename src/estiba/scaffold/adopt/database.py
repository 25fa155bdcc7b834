"""Database settings of a project, and the environment variables that make them use the target's PostgreSQL."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from estiba.service import variables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from estiba.scaffold.adopt.survey import Survey

_URL: Final = "URL"
_POSTGRESQL: Final = re.compile("postg|timescale")
_VARIABLE: Final = re.compile(r"[A-Z][A-Z0-9_]+")
_READING: Final = re.compile(r"(^|\.)(dj_)?db(_url)?$|database_?url|\.parse$|\.config$", re.IGNORECASE)
_ENTRIES: Final = ("HOST", "NAME", "PASSWORD", "PORT", "USER")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Assignment of the default database in the settings.

    Attributes:
        location: Location, as `file:line`.
        engine: Engine as source text; empty where it is read from the environment.
        reads: Environment variables by the entry that they set, such as `HOST`; `URL` for a database URL.
        fixed: Entries with hard-coded values.
        condition: Values of environment variables under which the assignment is executed.
    """

    location: str
    engine: str
    reads: Mapping[str, str]
    fixed: frozenset[str]
    condition: Mapping[str, str]

    @property
    def is_configurable(self) -> bool:
        """Whether environment variables can make it the target's PostgreSQL."""
        if _URL in self.reads:
            return True
        reaches = "NAME" in self.reads and not self.fixed & {"HOST", "NAME", "USER"}
        return reaches and ("ENGINE" in self.reads or bool(_POSTGRESQL.search(self.engine)))

    def variables(self, required: frozenset[str]) -> dict[str, str]:
        """Return the environment variables to set on a target, without those that every target sets.

        Args:
            required: Variables that the settings read without a default.
        """
        given = variables.servers()
        values = {entry: given[f"DB_{entry}"] for entry in _ENTRIES}
        values |= {_URL: given["DATABASE_URL"], "ENGINE": "django.db.backends.postgresql"}
        wanted = {name: values[entry] for entry, name in self.reads.items() if values[entry] or name in required}
        return {name: value for name, value in {**self.condition, **wanted}.items() if given.get(name) != value}


def find_databases(seen: Survey) -> tuple[Choice, ...]:
    """Return the assignments of the default database, the one that needs the fewest variables first."""
    finder = _Finder(values=_assigned(seen))
    for source in seen.sources:
        finder.shown = source.shown
        finder.visit(source.tree)
    none: frozenset[str] = frozenset()
    return tuple(
        sorted(finder.found, key=lambda one: (not one.is_configurable, len(one.condition), len(one.variables(none))))
    )


def _assigned(seen: Survey) -> dict[str, ast.expr]:
    """Return the values that are assigned to names at module level."""
    nodes = [node for source in seen.sources for node in source.tree.body if isinstance(node, ast.Assign)]
    return {target.id: node.value for node in nodes for target in node.targets if isinstance(target, ast.Name)}


@dataclass(slots=True)
class _Finder(ast.NodeVisitor):
    """Collector of assignments to DATABASES, with the conditions around them."""

    values: Mapping[str, ast.expr]
    found: list[Choice] = field(default_factory=list)
    shown: str = ""
    conditions: list[Mapping[str, str]] = field(default_factory=list)

    def visit_If(self, node: ast.If) -> None:
        """Visit each branch with the environment variables under which it is taken."""
        for branch, condition in ((node.body, self._condition(node.test)), (node.orelse, {})):
            self.conditions.append(condition)
            for child in branch:
                self.visit(child)
            self.conditions.pop()

    def visit_Assign(self, node: ast.Assign | ast.AnnAssign) -> None:
        """Record an assignment to DATABASES, or of a dictionary that it may refer to."""
        target = ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
        value = node.value
        if target == "DATABASES" and isinstance(value, ast.Dict):
            value = next((one for key, one in _items(value) if key == "default"), None)
        elif target not in {"DATABASES", "DATABASES['default']"} and not _is_database(value):
            return
        if value is not None:
            self._add(value, f"{self.shown}:{node.lineno}")

    visit_AnnAssign = visit_Assign  # noqa: N815 - the name that ast looks for

    def _add(self, value: ast.expr, location: str) -> None:
        value = self._resolve(value)
        condition = {name: text for one in self.conditions for name, text in one.items()}
        entries = dict(_items(value)) if isinstance(value, ast.Dict) else {}
        reads = {key: name for key, one in entries.items() if (name := self._variable(one))}
        reads = {_URL: url} if (url := self._find_url(value)) else reads
        if not entries and not reads:
            return
        engine = ast.unparse(entries["ENGINE"]) if "ENGINE" in entries and "ENGINE" not in reads else ""
        reads = {key: name for key, name in reads.items() if key in {_URL, "ENGINE", *_ENTRIES}}
        fixed = frozenset(key for key, one in entries.items() if key not in reads and ast.unparse(one) != "''")
        self.found.append(Choice(location=location, engine=engine, reads=reads, fixed=fixed, condition=condition))

    def _find_url(self, value: ast.expr) -> str:
        """Return the variable of a database URL that is parsed, also as `{**env.db(), …}`, or an empty string."""
        pairs = zip(value.keys, value.values, strict=True) if isinstance(value, ast.Dict) else ((None, value),)
        for call in (one for key, one in pairs if key is None and isinstance(one, ast.Call)):
            variable = self._variable(call)
            if any(map(_READING.search, (ast.unparse(call.func), variable))):
                return variable or "DATABASE_URL"
        return ""

    def _variable(self, value: ast.expr) -> str:
        """Return the environment variable that an expression reads, or an empty string."""
        return next(_variables(self._resolve(value)), "")

    def _condition(self, test: ast.expr) -> dict[str, str]:
        """Return the environment variable that a condition tests, with a value that makes it true."""
        name = self._variable(test.left if isinstance(test, ast.Compare) else test)
        match test:
            case ast.Compare(ops=[ast.Eq()], comparators=[ast.Constant(value=str(value))]) if name:
                return {name: value}
            case ast.Compare(
                ops=[ast.In()], comparators=[ast.List(elts=some) | ast.Tuple(elts=some) | ast.Set(elts=some)]
            ):
                texts = [one.value for one in some if isinstance(one, ast.Constant) and isinstance(one.value, str)]
                return {name: texts[0]} if name and texts else {}
            case ast.Compare(left=ast.Constant(value=str(value)), ops=[ast.In()]) if _VARIABLE.fullmatch(value):
                return {value: variables.servers().get(value, "true")}
            case ast.Call() | ast.Subscript() | ast.NamedExpr() | ast.Name() if name:
                return {name: variables.servers().get(name, "true")}
        return {}

    def _resolve(self, value: ast.expr) -> ast.expr:
        """Return the value of a name that is assigned at module level; any other expression as it is."""
        return self.values.get(value.id, value) if isinstance(value, ast.Name) else value


def _is_database(value: ast.expr | None) -> bool:
    """Return whether an expression is a dictionary of one database's settings."""
    return isinstance(value, ast.Dict) and any(key == "ENGINE" for key, _ in _items(value))


def _items(value: ast.Dict) -> Iterator[tuple[str, ast.expr]]:
    for key, one in zip(value.keys, value.values, strict=True):
        if isinstance(key, ast.Constant):
            yield str(key.value), one


def _variables(value: ast.expr) -> Iterator[str]:
    """Yield the environment variables that an expression reads: upper-case names in calls and subscripts."""
    for node in ast.walk(value):
        match node:
            case (
                ast.Call(args=[ast.Constant(value=str(name)), *_]) | ast.Subscript(slice=ast.Constant(value=str(name)))
            ):
                if _VARIABLE.fullmatch(name):
                    yield name
            case ast.keyword(arg="environ_name" | "env", value=ast.Constant(value=str(name))):
                yield name
            case _:
                pass
