"""The service's collected static files, made by its own `collectstatic` in its own root."""

import json
import sys
from pathlib import Path
from typing import Any, NoReturn

from service_root import APP, assemble

PLACE = "place.json"
"""Where static files and uploads belong in the image, and their addresses."""

_DRIVER = Path(__file__).with_name("collect_static.py")


class Collecting:
    """A running `collectstatic`."""

    def __init__(self, out: Path, given: dict[str, Any], *, application: Path, compiler: dict[str, Any]) -> None:
        """Start it.

        Args:
            out: A store path to make.
            given: `tree` (the unpacked Debian root), `frame` (the Python environment), `environment` (variables),
                `persist` (places of the service's data), and `catalogues` (its compiled message catalogues, or None
                where they are among its files).
            application: The service's files.
            compiler: The interpreter, see `compiler.argv`.
        """
        self._out = out
        self._application = application
        self._folder = out / "collected"
        self._folder.mkdir(parents=True)
        self._log = Path.cwd() / "log"
        binds = {"/collected": self._folder, "/collect_static.py": _DRIVER, **find_messages(given["catalogues"])}
        self._root = assemble(given, application, compiler, binds)
        command = ["/opt/venv/bin/python", "-B", "/collect_static.py", "/collected"]
        with self._log.open("wb") as output:
            self._child = self._root.popen(command, cwd=APP, output=output)

    def finish(self) -> Path:
        """Wait for its end, put the files at their place below `root` and return `out`; leave where it failed."""
        if self._child.wait() != 0:
            self._fail()
        self._root.give_back()
        (self._folder / PLACE).rename(self._out / PLACE)
        told = json.loads((self._out / PLACE).read_text())
        place = told["static_root"]
        target = self._out / "root" / place.lstrip("/")
        target.parent.mkdir(parents=True)
        files = self._folder / "files"
        files.mkdir(exist_ok=True)
        files.rename(target)
        self._folder.rmdir()
        if told.get("remote"):
            sys.stderr.write("static files are kept on another machine: each release uploads them\n")
        else:
            add_own(self._application, place, target)
        return self._out

    def _fail(self) -> NoReturn:
        # Collecting starts before anything else is imported, and hardly ever fails.
        import advice  # noqa: PLC0415

        log = self._log.read_text(errors="replace")
        sys.stderr.write(log)
        sys.exit(f"collectstatic failed: {advice.explain(log, self._application)}")


def find_messages(catalogues: str | None) -> dict[str, Path]:
    """Return what to bind where, so that message catalogues are seen compiled; a folder has all that is in it."""
    if not catalogues:
        return {}
    return {f"{APP}/{path.relative_to(catalogues)}": path for path in Path(catalogues).rglob("LC_MESSAGES")}


def add_own(application: Path, place: str, target: Path) -> None:
    """Add what the service itself has in STATIC_ROOT, to be served like what was collected, as Django leaves it there.

    Args:
        application: The service's files, with those that its own commands have written.
        place: STATIC_ROOT.
        target: The collected files.
    """
    own = application / place.removeprefix(f"{APP}/")
    if place.startswith(f"{APP}/") and own.is_dir():
        # Most services have none, and collecting starts before anything else is imported.
        import overlay  # noqa: PLC0415

        overlay.fill(target, own)
