"""Record of a service's origin, `template.lock`: the answers, and the files as the template made them.

The files are the common ancestor of the service and of a newer template, so a three-way merge needs neither the network
nor the Estiba of that time.
"""

from __future__ import annotations

import base64
import json
import textwrap
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from estiba.errors import ScaffoldError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NAME: Final = "template.lock"
_WIDTH: Final = 100
_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Origin of a service.

    Attributes:
        answers: Answers to the template's questions, by their names.
        files: Texts of the files that the template made, by paths relative to the service's folder.
    """

    answers: Mapping[str, str]
    files: Mapping[str, str]

    def dump(self) -> str:
        """Return the text of the file; the same record gives the same text."""
        packed = base64.b64encode(zlib.compress(json.dumps(self.files, sort_keys=True).encode(), 9)).decode()
        data = {"version": _VERSION, "answers": dict(self.answers), "files": textwrap.wrap(packed, _WIDTH)}
        return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def load(folder: Path) -> Record:
    """Read the record of a service.

    Raises:
        ScaffoldError: There is none, or it is damaged.
    """
    try:
        data = json.loads((folder / NAME).read_text(encoding="utf-8"))
        files = json.loads(zlib.decompress(base64.b64decode("".join(data["files"]), validate=True)))
        record = Record(answers=data["answers"], files=files)
        is_known = data["version"] == _VERSION and all(map(_is_inside, files))
    except FileNotFoundError as error:
        msg = f"{folder} has no {NAME}: it does not come from the template"
        raise ScaffoldError(msg, hint="services of another origin follow Estiba by `invoke adopt`") from error
    except (ValueError, KeyError, TypeError, zlib.error) as error:
        raise _damaged(folder) from error
    if not is_known:
        raise _damaged(folder)
    return record


def _damaged(folder: Path) -> ScaffoldError:
    return ScaffoldError(f"{folder / NAME} is damaged, or of a newer Estiba", hint=f"git checkout -- {NAME}")


def _is_inside(path: str) -> bool:
    return not path.startswith("/") and ".." not in path.split("/")
