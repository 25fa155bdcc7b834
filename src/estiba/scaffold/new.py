"""New service from the template, rendered in a temporary folder and moved into place as a whole."""

from __future__ import annotations

import json
import logging
import stat
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cookiecutter.exceptions import CookiecutterException
from cookiecutter.main import cookiecutter

from estiba import files
from estiba.errors import ScaffoldError
from estiba.scaffold import record as records
from estiba.scaffold.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MODE: Final = 0o644
_PACKAGED: Final = Path(__file__).with_name("template")
_IN_REPOSITORY: Final = Path(__file__).parents[3] / "cookiecutter-template"


def locate_template() -> Path:
    """Return the folder of the template, in the installed package or in a checkout."""
    return _PACKAGED if _PACKAGED.is_dir() else _IN_REPOSITORY


def locate_flake(start: Path) -> str:
    """Return the flake reference of the checkout of Estiba around a folder, or an empty string outside of one.

    The path of this module will not do: it may be in the Nix store, where the garbage collector can delete it.
    """
    for folder in (start.resolve(), *start.resolve().parents):
        if (folder / "nixw").is_file() and (folder / "src" / "estiba").is_dir():
            scheme = "git+file" if (folder / ".git").exists() else "path"
            return f"{scheme}://{folder}"
    return ""


def create(folder: Path, *, flake: str = "", answers: Mapping[str, str] | None = None, ask: bool = False) -> Path:
    """Render the template into a new folder, and return the folder.

    Args:
        folder: Folder to create; its name becomes that of the service's package.
        flake: Flake reference of Estiba for the service's `flake.nix`; by default the template's own.
        answers: Answers to the template's questions, by variable name of cookiecutter.
        ask: Prompt for the questions that `answers` leaves open, instead of taking their defaults.

    Raises:
        ScaffoldError: The folder exists, or the template refuses an answer.
    """
    if folder.exists():
        msg = f"{folder} exists already"
        raise ScaffoldError(msg, hint="name a folder that does not exist yet")
    folder.parent.mkdir(parents=True, exist_ok=True)
    given = _names(folder) | ({"estiba_url": flake} if flake else {}) | dict(answers or {})
    # Beside the target: the last step is a rename, which needs the same file system.
    with tempfile.TemporaryDirectory(prefix=".estiba-new-", dir=folder.parent) as work:
        made, record = _render(Path(work), given, ask=ask)
        files.write(made / records.NAME, record.dump(), mode=_MODE)
        made.rename(folder)
    return folder


def render(answers: Mapping[str, str]) -> Record:
    """Return what the template makes of answers today.

    Raises:
        ScaffoldError: The template refuses an answer.
    """
    with tempfile.TemporaryDirectory(prefix="estiba-template-") as work:
        return _render(Path(work), answers, ask=False)[1]


def _names(folder: Path) -> dict[str, str]:
    words = folder.name.replace("-", "_").split("_")
    return {"project_name": " ".join(word.capitalize() for word in words), "project_slug": "_".join(words).lower()}


def _render(work: Path, answers: Mapping[str, str], *, ask: bool) -> tuple[Path, Record]:
    """Run cookiecutter with its state in the work folder instead of the user's home.

    Returns:
        The rendered folder, and the record of it.
    """
    settings = work / "cookiecutter.json"
    state = {"replay_dir": str(work / "replay"), "cookiecutters_dir": str(work / "templates")}
    settings.write_text(json.dumps(state))
    try:
        with _temporary_files_in(work):
            made = cookiecutter(
                str(locate_template()),
                no_input=not ask,
                extra_context=dict(answers),
                output_dir=str(work / "made"),
                config_file=str(settings),
            )
    except CookiecutterException as error:
        msg = f"the template refused: {error}"
        raise ScaffoldError(
            msg, hint="choose another folder name or other answers; the reason is printed above"
        ) from error
    except EOFError as error:
        msg = "the template asks questions, and there is no terminal to answer them"
        raise ScaffoldError(msg, hint="--no-input uses the defaults") from error
    _unlock(Path(made))
    return Path(made), Record(answers=_read_answers(work), files=_read_files(Path(made)))


def _read_answers(work: Path) -> dict[str, str]:
    """Return all answers, given or by default, from what cookiecutter writes down for a replay."""
    (replay,) = (work / "replay").glob("*.json")
    context = json.loads(replay.read_text(encoding="utf-8"))["cookiecutter"]
    return {name: value for name, value in context.items() if not name.startswith("_")}


def _read_files(folder: Path) -> dict[str, str]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in paths}


# Its traceback of a hook that refuses an answer says nothing that the hook has not said.
logging.getLogger("cookiecutter").addHandler(logging.NullHandler())


@contextmanager
def _temporary_files_in(folder: Path) -> Iterator[None]:
    """Make a folder the default for temporary files: cookiecutter renders each hook into one and does not remove it."""
    before = tempfile.tempdir
    # Absolute, as cookiecutter runs the hooks in a working directory of their own.
    tempfile.tempdir = str(folder.resolve())
    try:
        yield
    finally:
        tempfile.tempdir = before


def _unlock(folder: Path) -> None:
    """Make all files writable by the owner: cookiecutter copies modes, and files in the Nix store are read-only."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode | stat.S_IWUSR)
