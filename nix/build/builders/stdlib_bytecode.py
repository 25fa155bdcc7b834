"""Builder: bytecode of the locked Python's standard library, which Debian compiles when it installs the packages."""

import hashlib
import json
import shutil
from pathlib import Path

import attrs
import compiler
import debian


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
    python = given["compiler"]["python"]
    library = f"usr/lib/python{python}"
    work = Path.cwd() / "unpacked"
    work.mkdir()
    debian.entries([Path(path) for path in given["debs"]]).write_tree(work)
    compiler.compile_tree(given["compiler"], work / library, f"/{library}")
    found = index(work, f"cpython-{python.replace('.', '')}")
    for _, bytecode in found.values():
        (out / bytecode).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(work / bytecode, out / bytecode)
    (out / "index.json").write_text(json.dumps(found, indent=0, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
