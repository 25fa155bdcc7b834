"""Builder: the locked Python alone, with its standard library compiled, as Debian does when it installs the packages.

It compiles all other bytecode; images and roots take that of the standard library from here, by `index.json`.
"""

import hashlib
import json
from pathlib import Path

import attrs
import compiler
import debian

_WITHOUT = (
    # What stands in for extension modules where there are none.
    "_pydatetime.py",
    "_pydecimal.py",
    "_pyio.py",
    # What no service imports: pip's installer, help pages, and a drawing toy.
    "ensurepip/",
    "pydoc_data/",
    "turtle.py",
)
"""Parts of the library that stay sources, a sixth of its bytecode."""


def index(top: Path, tag: str) -> dict[str, tuple[str, str]]:
    """Map each source to its hash and its bytecode, both relative to `top`.

    Args:
        top: A root whose sources have been compiled.
        tag: The interpreter's cache tag, such as `cpython-313` (PEP 3147).
    """
    found = {}
    for source in sorted(top.rglob("*.py")):
        compiled = source.parent / "__pycache__" / f"{source.stem}.{tag}.pyc"
        if compiled.exists():
            digest = hashlib.sha256(source.read_bytes()).hexdigest()
            found[str(source.relative_to(top))] = (digest, str(compiled.relative_to(top)))
    return found


def main() -> None:
    """Build the derivation."""
    given = attrs.load()
    out = attrs.output(given)
    out.mkdir()
    itself = {**given["interpreter"], "tree": str(out)}
    library = f"usr/lib/python{itself['python']}"
    debian.entries([Path(path) for path in given["debs"]]).write_tree(out)
    compiler.compile_tree(itself, out / library, f"/{library}", *_WITHOUT)
    found = index(out, f"cpython-{itself['python'].replace('.', '')}")
    (out / "index.json").write_text(json.dumps(found, indent=0, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
