"""The build backend of an sdist (PEP 517), asked by the locked Python right here, with nothing else of this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from estiba.lock.python.interpreter import drive

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from estiba.config import Config
    from estiba.lock.python.interpreter import Interpreter
    from estiba.process import Runner


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One hook to call.

    Attributes:
        hook: `requires`, what the backend needs beside the declared requirements, or `metadata`.
        backend: The object that has the hooks, `module:attribute`.
        backend_path: Folders of the sdist to import it from, or None.
        source: The unpacked sdist.
        packages: The folder that the build requirements are installed in.
        target: An empty folder for what the hook writes.
    """

    hook: str
    backend: str
    backend_path: tuple[str, ...] | None
    source: Path
    packages: Path
    target: Path


def ask(interpreter: Interpreter, question: Question, *, config: Config, runner: Runner) -> Mapping[str, Any]:
    """Call the hook and return `requires`, a list, or `metadata`, a text that is empty where there is no such hook.

    No program and no header of this machine is found, so that the answer is the same on every machine.

    Raises:
        CommandError: The hook failed; perhaps it wants a program or a header.
    """
    request = {
        "action": "call_backend",
        "backend": question.backend,
        "backend_path": question.backend_path,
        "env": {"PYTHONPATH": str(question.packages), "PATH": str(question.packages / "bin")},
        "hook": question.hook,
        "python": str(interpreter.python),
        "source": str(question.source),
        "target": str(question.target),
    }
    answer: dict[str, Any] = drive(interpreter.tools, request, config=config, runner=runner)
    return answer
