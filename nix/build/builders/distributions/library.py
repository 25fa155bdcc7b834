"""Builder: a pure Python wheel as a folder to import from, with bytecode for the interpreter that runs this.

The wheel that installs wheels cannot install itself; importing it from the archive would compile it for every wheel.
"""

import compileall
import py_compile
import zipfile

import attrs


def main() -> None:
    """Build the derivation."""
    given = attrs.load()
    out = attrs.output(given)
    with zipfile.ZipFile(given["wheel"]) as archive:
        archive.extractall(out)
    compileall.compile_dir(out, quiet=2, workers=1, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)


if __name__ == "__main__":
    main()
