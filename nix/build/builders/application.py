"""Builder: the service's own files with their bytecode, its collected static files, and a layer of each.

All come from one derivation: they change together, and a changed line waits for each step of a chain.
"""

import shutil
from pathlib import Path

import attrs
import compiler
import layer
import tree_layer
from static_files import Collecting

APP = "/app"
"""Where the application is in the image."""


def install(source: Path, top: Path) -> None:
    """Copy the service's files, writable by their owner alone."""
    shutil.copytree(source, top, symlinks=True, copy_function=shutil.copy)
    for path in [top, *top.rglob("*")]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)


def main() -> None:
    """Build the derivation."""
    given = attrs.load()
    source = Path(given["application"])
    static = given["static"]
    collecting = (
        Collecting(attrs.output(given, "static"), static, application=source, compiler=given["compiler"])
        if static
        else None
    )
    out = attrs.output(given)
    install(source, out / "root" / APP[1:])
    compiler.compile_tree(given["compiler"], out / "root" / APP[1:], APP)
    layer.write(tree_layer.entries([out]), attrs.output(given, "layer"), **given["layer"])
    if collecting:
        collected = tree_layer.entries([collecting.finish()])
        layer.write(collected, attrs.output(given, "static_layer"), **static["layer"])


if __name__ == "__main__":
    main()
