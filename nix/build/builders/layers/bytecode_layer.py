"""Builder: a layer of bytecode for the standard library in some Debian packages.

It is a layer of its own, so that the packages' layer need not wait for the compiler.
"""

import json
from pathlib import Path

import attrs
import debian
import layer


def main() -> None:
    """Build the derivation."""
    given = attrs.load()
    sources = json.loads(Path(given["sources"]).read_text())
    layer.write(debian.bytecode(sources, Path(given["bytecode"])), attrs.output(given), **given["layer"])


if __name__ == "__main__":
    main()
