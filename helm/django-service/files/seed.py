"""Begin folders of data with the files that the image has in them; arguments: pairs of such a folder and its place.

What is there stays as it is, so that each start may do it again.
"""

import os
import shutil
import sys
from pathlib import Path

words = sys.argv[1:]
for source, target in zip(words[::2], words[1::2], strict=True):
    Path(target).mkdir(parents=True, exist_ok=True)
    for folder, _, names in os.walk(source):
        place = Path(target, os.path.relpath(folder, source))
        place.mkdir(exist_ok=True)
        for name in names:
            if not os.path.lexists(place / name):
                # Other pods may look at the same volume, and shall see a file whole or not at all.
                part = place / f".{name}.{os.urandom(4).hex()}"
                shutil.copyfile(Path(folder, name), part, follow_symlinks=False)
                part.replace(place / name)
