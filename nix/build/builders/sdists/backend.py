"""Builder: what an sdist's build backend answers to one question, in a root with the locked toolchain."""

import json
import re
import shutil
import sys
from pathlib import Path

import attrs
import build_root
from sdist import unpack

_DRIVER = Path(__file__).with_name("ask_backend.py")
_HOOKS = Path(__file__).with_name("build_wheel.py")
_SHEBANG = re.compile(rb"\A#!(?:/bin/sh\n'''exec' [^\n]*\n' '''|[^\n]*python[^\n]*)\n")


def adopt(packages: Path, target: Path, *, python: Path) -> None:
    """Copy installed distributions to where they can be used, with scripts that start another interpreter.

    Args:
        packages: The folder that pip installed them in, with their scripts in `bin`.
        target: Where to copy it.
        python: The interpreter.
    """
    shutil.copytree(packages, target)
    for folder in (target, *(path for path in target.rglob("*") if path.is_dir())):
        folder.chmod(0o755)
    for script in target.glob("bin/*"):
        content = script.read_bytes()
        script.chmod(0o755)
        script.write_bytes(_SHEBANG.sub(b"#!" + bytes(python) + b"\n", content, count=1))


def main() -> None:
    """Build the derivation."""
    given = attrs.load()
    work = Path.cwd() / "work"
    work.mkdir()
    unpack(Path(given["sdist"]), work, name=given["file"])
    python = Path(f"/usr/bin/python{given['python']}")
    adopt(Path(given["packages"]), work / "packages", python=python)
    question = {"backend": given["backend"], "backend_path": given["backendPath"], "hook": given["hook"]}
    (work / "question.json").write_text(json.dumps(question))
    root = build_root.assemble(
        Path(given["tree"]),
        binds={"/build": work, "/ask_backend.py": _DRIVER, "/build_wheel.py": _HOOKS},
        env={
            "HOME": "/tmp",  # noqa: S108 - inside the root
            "LANG": "C.UTF-8",
            "PATH": "/build/packages/bin:/usr/bin:/bin",
            "PYTHONPATH": "/build/packages",
        },
    )
    if root.run([str(python), "-B", "/ask_backend.py", "/build"], cwd="/build/source") != 0:
        sys.exit(1)
    root.give_back()
    shutil.copyfile(work / "answer.json", attrs.output(given))


if __name__ == "__main__":
    main()
