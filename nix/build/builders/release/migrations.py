"""Builder: a service's migrations as JSON, listed by its own Django without a database; see `list_migrations.py`."""

import sys
from pathlib import Path

import attrs
from service_root import APP, assemble

_DRIVER = Path(__file__).with_name("list_migrations.py")


def main() -> None:
    """Build the derivation."""
    given = attrs.load()
    folder = Path.cwd() / "listed"
    folder.mkdir()
    log = Path.cwd() / "log"
    root = assemble(
        given,
        Path(given["application"], "root", APP.lstrip("/")),
        given["compiler"],
        {"/listed": folder, "/list_migrations.py": _DRIVER, "/runtime": Path(given["runtime"], "root/opt/estiba")},
    )
    command = ["/opt/venv/bin/python", "-B", "/list_migrations.py", "/listed/migrations.json"]
    with log.open("wb") as output:
        code = root.run(command, cwd=APP, output=output)
    if code != 0:
        sys.stderr.write(log.read_text(errors="replace"))
        sys.exit("the migrations cannot be listed; settings must load with build-time values ([tool.estiba] env)")
    attrs.output(given).write_bytes((folder / "migrations.json").read_bytes())


if __name__ == "__main__":
    main()
