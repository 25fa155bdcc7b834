"""The service's own interpreter, run from an unpacked tree to compile bytecode."""

import subprocess
from pathlib import Path
from typing import Any

_SCRIPT = Path(__file__).with_name("bytecode.py")


def argv(compiler: dict[str, Any]) -> list[str]:
    """Return the command that starts the interpreter through its own loader.

    Args:
        compiler: `tree` (a store path), `loader` and `triplet` (of its platform), `python` (`3.13`).
    """
    tree = compiler["tree"]
    libraries = f"{tree}/usr/lib/{compiler['triplet']}"
    return [f"{tree}/{compiler['loader']}", "--library-path", libraries, f"{tree}/usr/bin/python{compiler['python']}"]


def compile_tree(compiler: dict[str, Any], top: Path, prefix: str, *left: str) -> None:
    """Compile all sources below `top`, as if they were at `prefix`, but for files and folders in `left`.

    Raises:
        subprocess.CalledProcessError: The interpreter failed.
    """
    flags = ["-sSBP", "-W", "ignore"]
    command = [*argv(compiler), *flags, str(_SCRIPT), str(top), prefix, *left]
    subprocess.run(command, check=True, env={"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"})
