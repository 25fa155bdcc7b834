"""Builder: an unpacked root of Debian packages, for programs to run from during the build.

With a `compiler` that is this very tree, it compiles its own standard library, so that each later start is quick.
"""

from pathlib import Path

import attrs
import compiler
import debian


def main() -> None:
    """Build the derivation."""
    given = attrs.load()
    out = attrs.output(given)
    out.mkdir()
    root = debian.skeleton()
    root.items.update(debian.entries([Path(path) for path in given["debs"]]).items)
    if given.get("bytecode"):
        debian.add_bytecode(root, Path(given["bytecode"]))
    root.write_tree(out)
    if given.get("compiler"):
        library = f"usr/lib/python{given['compiler']['python']}"
        for path in [out / library, *(out / library).rglob("*/")]:
            path.chmod(0o755)
        compiler.compile_tree({**given["compiler"], "tree": str(out)}, out / library, f"/{library}")


if __name__ == "__main__":
    main()
