"""File access while settings load; it fails because /app is read-only, in a build and where the service runs."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from estiba.scaffold.adopt.survey import Survey

_MAKING: Final = ("mkdir", "makedirs", "touch", "write_bytes", "write_text")
_HANDLERS: Final = ("FileHandler", "TimedRotatingFileHandler", "RotatingFileHandler")


def find_file_access(seen: Survey) -> Iterator[tuple[str, str]]:
    """Yield where settings write to files or open an SQLite database: `file:line`, and name of the call."""
    for source in seen.sources:
        finder = _Finder()
        finder.visit(source.tree)
        yield from ((f"{source.shown}:{line}", what) for line, what in finder.found)


@dataclass(slots=True)
class _Finder(ast.NodeVisitor):
    """Collector of calls that run on import: those outside of functions and of `try` blocks."""

    found: list[tuple[int, str]] = field(default_factory=list)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        """Skip a body, which does not run on import."""

    visit_AsyncFunctionDef = visit_Lambda = visit_FunctionDef  # noqa: N815 - the names that ast looks for

    def visit_Try(self, node: ast.Try) -> None:
        """Skip the `try` block, whose failure is handled, and its handlers."""
        for child in (*node.orelse, *node.finalbody):
            self.visit(child)

    def visit_Call(self, node: ast.Call) -> None:
        """Record calls that open or create files."""
        called = ast.unparse(node.func)
        first = next((one.value for one in node.args if isinstance(one, ast.Constant)), None)
        mode = next((one.value for one in _modes(node) if isinstance(one, ast.Constant)), "")
        if called.endswith("sqlite3.connect") and first != ":memory:":
            self.found.append((node.lineno, "sqlite3.connect"))
        elif called == "open" and set(str(mode)) & set("awx+"):
            self.found.append((node.lineno, "open"))
        elif "." in called and called.rpartition(".")[2] in _MAKING:
            self.found.append((node.lineno, called.rpartition(".")[2]))
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        """Record handlers of LOGGING, which open their files when Django starts."""
        if isinstance(node.value, str) and node.value.rpartition(".")[2] in _HANDLERS:
            self.found.append((node.lineno, node.value))


def _modes(node: ast.Call) -> list[ast.expr]:
    return [*node.args[1:2], *(one.value for one in node.keywords if one.arg == "mode")]
