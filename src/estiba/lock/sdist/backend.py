"""Calls of an sdist's build backend (PEP 517) by the locked Python on this machine."""

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
class HookCall:
    """Call of a hook of a build backend.

    Attributes:
        hook: `requires` for `get_requires_for_build_wheel`, or `metadata` for `prepare_metadata_for_build_wheel`.
        backend: Object that has the hooks, as `module:attribute` (`build-backend`).
        backend_path: Folders of the sdist to import it from (`backend-path`), or None.
        source: Folder of the unpacked sdist.
        packages: Folder with the installed build requirements.
        target: Empty folder for the files that the hook writes.
    """

    hook: str
    backend: str
    backend_path: tuple[str, ...] | None
    source: Path
    packages: Path
    target: Path


def call_hook(interpreter: Interpreter, hook_call: HookCall, *, config: Config, runner: Runner) -> Mapping[str, Any]:
    """Call a hook of a build backend.

    `PATH` has no programs of this machine, so that the result is the same on every machine.

    Returns:
        `requires`, a list of requirements, or `metadata`, the text of METADATA, empty if the backend lacks the hook.

    Raises:
        CommandError: The hook failed, perhaps because it needs a program or a header.
    """
    request = {
        "action": "call_backend",
        "backend": hook_call.backend,
        "backend_path": hook_call.backend_path,
        "env": {"PYTHONPATH": str(hook_call.packages), "PATH": str(hook_call.packages / "bin")},
        "hook": hook_call.hook,
        "python": str(interpreter.python),
        "source": str(hook_call.source),
        "target": str(hook_call.target),
    }
    answer: dict[str, Any] = drive(interpreter.tools, request, config=config, runner=runner)
    return answer
