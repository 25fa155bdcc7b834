"""Builder: a virtual environment that runs from the store, with many wheels unpacked into it at once.

Other than the environment of a service (`store_env.py`) it is one folder of files, and has no bytecode: most of it
would never be read, and Python writes what it reads to a folder that its user names, or else nowhere.
"""

import sys
from pathlib import Path
from typing import Final

import attrs
import relocated
import store_env

_SITE: Final = "import sys; sys.dont_write_bytecode = sys.pycache_prefix is None\n"
"""Root may write into the store, and Python is not to; the development shell names another folder for bytecode."""

_FIRST: Final = "00-estiba.pth"
"""Python reads these files in the order of their names, and those of some wheels import modules."""


def main() -> None:
    """Build the derivation."""
    given = attrs.load()
    out = attrs.output(given)
    python = Path(given["python"])
    sys.path.insert(0, given["installer"])
    # Needs the library.
    import wheel  # noqa: PLC0415

    for each in given["wheels"]:
        # The store name has a hash in front.
        named = Path.cwd() / each["file"]
        named.symlink_to(each["wheel"])
        wheel.install(named, out, python=given["compiler"]["python"])
    unpacked = out / wheel.VENV[1:]
    for part in unpacked.iterdir():
        part.rename(out / part.name)
    unpacked.rmdir()
    unpacked.parent.rmdir()

    (out / "lib" / python.name / "site-packages" / _FIRST).write_text(_SITE)
    (out / "pyvenv.cfg").write_text(f"home = {python.parent}\ninclude-system-site-packages = false\n")
    for script in sorted((out / "bin").iterdir()):
        if not store_env.add_script(script, script) and relocated.has_interpreter(script):
            relocated.relocate(script, tree=python.parent.parent.parent, compiler=given["compiler"])
    for name in ("python", "python3", python.name):
        (out / "bin" / name).symlink_to(python)


if __name__ == "__main__":
    main()
