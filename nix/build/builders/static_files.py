"""Builder: the service's collected static files, made by its own `collectstatic` in its own root."""

import json
import shutil
import sys
from pathlib import Path

import attrs
from root import Root

PLACE = "place.json"
"""Where static files and uploads belong in the image, and their addresses."""

_DRIVER = Path(__file__).with_name("collect_static.py")


def main() -> None:
    """Build the derivation."""
    given = attrs.load()
    out = attrs.output(given)
    collected = Path.cwd() / "collected"
    collected.mkdir()
    root = Root(
        tree=Path(given["tree"]),
        top=Path.cwd() / "root",
        binds={
            "/opt": Path(given["frame"], "root/opt"),
            "/app": Path(given["application"], "root/app"),
            "/collected": collected,
            "/collect_static.py": _DRIVER,
        },
        env=given["environment"],
    )
    log = Path.cwd() / "log"
    with log.open("wb") as output:
        code = root.run(["/opt/venv/bin/python", "-B", "/collect_static.py", "/collected"], cwd="/app", output=output)
    if code != 0:
        sys.stderr.write(log.read_text(errors="replace"))
        sys.exit(
            "collectstatic failed; settings must load with build-time values ([tool.estiba] env), "
            "or set [tool.estiba] static = false"
        )
    place = json.loads((collected / PLACE).read_text())["static_root"]
    target = out / "root" / place.lstrip("/")
    target.parent.mkdir(parents=True)
    files = collected / "files"
    files.mkdir(exist_ok=True)
    shutil.move(files, target)
    shutil.copyfile(collected / PLACE, out / PLACE)


if __name__ == "__main__":
    main()
