"""Builder: the files that Estiba adds to every image: the entry point and the frame of the Python environment."""

from pathlib import Path

import attrs
import compiler
from entries import Entries, file, link

HOME = "opt/estiba"
"""Where the entry point is in the image."""


def entries(python: str, entrypoint: Path) -> Entries:
    """Return the frame of `/opt/venv` (PEP 405) and the entry point.

    Args:
        python: Minor version, such as `3.13`.
        entrypoint: The folder of the entry point.
    """
    root = Entries()
    settings = f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {python}\n"
    root.add("opt/venv/pyvenv.cfg", file(settings.encode()))
    root.add("opt/venv/bin/python", link(f"/usr/bin/python{python}"))
    root.add("opt/venv/bin/python3", link("python"))
    root.add(f"opt/venv/bin/python{python}", link("python"))
    root.add_tree(entrypoint, HOME)
    return root


def main() -> None:
    """Build the derivation."""
    given = attrs.load()
    out = attrs.output(given) / "root"
    out.mkdir(parents=True)
    entries(given["compiler"]["python"], Path(given["entrypoint"])).write_tree(out)
    compiler.compile_tree(given["compiler"], out / HOME, f"/{HOME}")


if __name__ == "__main__":
    main()
