"""The program of the chart with which folders of data begin."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SEED = Path(__file__).parents[3] / "helm" / "django-service" / "files" / "seed.py"


def test_files_of_the_image_are_there_once(tmp_path: Path) -> None:
    """What users have changed or added stays; a folder that the image lacks is made."""
    image, volume = tmp_path / "app" / "data", tmp_path / "volume" / "app" / "data"
    (image / "deep").mkdir(parents=True)
    (image / "deep" / "first.txt").write_text("of the image")
    (image / "changed.txt").write_text("of the image")
    (image / "link").symlink_to("changed.txt")
    volume.mkdir(parents=True)
    (volume / "changed.txt").write_text("of a user")
    empty = tmp_path / "volume" / "new"
    for _ in range(2):
        argv = [sys.executable, "-c", SEED.read_text(), str(image), str(volume), str(tmp_path / "none"), str(empty)]
        subprocess.run(argv, check=True)

    assert sorted(str(one.relative_to(volume)) for one in volume.rglob("*")) == [
        "changed.txt",
        "deep",
        "deep/first.txt",
        "link",
    ]
    assert ((volume / "changed.txt").read_text(), (volume / "link").readlink()) == ("of a user", Path("changed.txt"))
    assert list(empty.iterdir()) == []
