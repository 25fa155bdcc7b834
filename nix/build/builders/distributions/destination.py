"""Where a wheel's files go, for PyPA's `installer`."""

# Django alone has more than three thousand files, and pathlib would take most of the time of unpacking them.
# ruff: noqa: PTH101, PTH103, PTH118, PTH120, PTH123

import os
from typing import BinaryIO

from installer.destinations import SchemeDictionaryDestination
from installer.records import Hash, RecordEntry
from installer.utils import Scheme, copyfileobj_with_hashing


class Destination(SchemeDictionaryDestination):
    """Folders below a staging directory; no file takes the place of another one."""

    def write_to_fs(self, scheme: Scheme, path: str, stream: BinaryIO, is_executable: bool) -> RecordEntry:  # noqa: FBT001 - overrides
        """Write one file, as the base class says.

        Raises:
            FileExistsError: Two files of the wheel have one place.
            ValueError: The path leads out of the scheme's folder.
        """
        top = self.scheme_dict[scheme]
        place = os.path.normpath(os.path.join(top, path))
        if not place.startswith(f"{top}/"):
            msg = f"{path} leads out of {top}"
            raise ValueError(msg)
        target = f"{self.destdir or ''}{place}"
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "xb") as file:
            digest, size = copyfileobj_with_hashing(stream, file, self.hash_algorithm)
        if is_executable:
            os.chmod(target, 0o755)  # noqa: S103 - a program is for everyone
        return RecordEntry(path, Hash(self.hash_algorithm, digest), size)
