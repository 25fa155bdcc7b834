"""Folders of the store, copied over one another into a folder of this build."""

import shutil
from pathlib import Path


def fill(target: Path, source: Path) -> None:
    """Copy into a folder what it lacks of another one, with its times; links stay links, and all can be written to."""
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.iterdir()):
        here = target / path.name
        taken = here.is_symlink() or here.exists()
        if path.is_dir() and not path.is_symlink():
            if not taken or (here.is_dir() and not here.is_symlink()):
                fill(here, path)
        elif not taken:
            shutil.copy2(path, here, follow_symlinks=False)
            if not here.is_symlink():
                here.chmod(here.stat().st_mode | 0o200)
