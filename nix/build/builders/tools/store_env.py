"""Builder: a virtual environment that runs from the store, out of unpacked wheels and a relocated interpreter."""

import os
import shutil
from pathlib import Path

import attrs
import env
import relocated

_SHEBANG = f"#!/{env.VENV}/bin/python".encode()


def add_script(script: Path, target: Path) -> bool:
    """Copy a console script with the shebang of its new environment; tell whether it was one."""
    content = script.read_bytes()
    if not content.startswith(_SHEBANG):
        return False
    target.write_bytes(b"#!" + os.fsencode(target.with_name("python")) + content.removeprefix(_SHEBANG))
    target.chmod(0o755)
    return True


def main() -> None:
    """Build the derivation."""
    given = attrs.load()
    out = attrs.output(given)
    python = Path(given["python"])
    sources = [Path(source, "root", env.VENV) for source in given["sources"]]
    lib = f"lib/{python.name}"
    env.merge([source / lib for source in sources if (source / lib).is_dir()], out / lib)

    (out / "bin").mkdir()
    for name in ("python", "python3", python.name):
        (out / "bin" / name).symlink_to(python)
    (out / "pyvenv.cfg").write_text(f"home = {python.parent}\ninclude-system-site-packages = false\n")
    for script in sorted(path for source in sources for path in source.glob("bin/*")):
        target = out / "bin" / script.name
        if add_script(script, target):
            continue
        shutil.copy(script, target)
        target.chmod(0o755)
        if relocated.has_interpreter(target):
            relocated.relocate(target, tree=python.parent.parent.parent, compiler=given["compiler"])


if __name__ == "__main__":
    main()
