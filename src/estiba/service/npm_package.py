"""Packages of npm in a folder: their scripts, and what the one that builds writes, read without running it."""

from __future__ import annotations

import fnmatch
import itertools
import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from estiba.service.frontend import LOCK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

BUILD: Final = "build"
"""Script that builds, by the convention of npm's packages."""

_FILE: Final = "package.json"
_FOREIGN: Final = frozenset({"node_modules", "site-packages", "venv", "env"})
_CONFIGS: Final = ("vite.config.*", "webpack.config.*", "webpack.*.js", "webpack/*.config.js", "rollup.config.*", _FILE)
_TEXT: Final = r"""["'`]([^"'`$]+)["'`]"""
_PLACE: Final = rf"(?:{_TEXT}|(?:path\.)?(?:resolve|join)\(\s*__dirname\s*,\s*([^()]*)\))"
_OUTPUTS: Final = re.compile(rf"\b(?:outDir|path)\s*:\s*{_PLACE}")
_ROLLUP_OUTPUTS: Final = re.compile(rf"\b(?:dir|file)\s*:\s*{_PLACE}")
# Parcel reads its targets from package.json.
_OUTPUTS_OF: Final = {"package": re.compile(rf'"distDir"\s*:\s*{_PLACE}'), "rollup": _ROLLUP_OUTPUTS}
_ROOT: Final = re.compile(rf"^\s*root\s*:\s*{_PLACE}", re.MULTILINE)
_TEXTS: Final = re.compile(_TEXT)
_COMMENT: Final = re.compile(r"/\*.*?\*/|(?<!:)//[^\n]*", re.DOTALL)
_OPTIONS: Final = re.compile(r"(?:-o|--output|--outdir|--outfile|--outDir|--out-dir|--dist-dir)")
_OTHER_SCRIPT: Final = re.compile(r"\b(?:npm run|npm-run-all|run-s|run-p)\s+((?:-\S+\s+)*[\w:*\s-]+)")
_IN_WORKSPACES: Final = re.compile(r"\s(--workspaces|-ws)\b")
_SEQUENCE: Final = re.compile(r"&&|;")


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """Package with scripts.

    Attributes:
        top: Folder of the service.
        folder: Its folder, relative to the service's.
        scripts: Command of each script by its name.
        workspaces: Patterns of folders below its own, whose packages its lock and its scripts are for, too.
    """

    top: Path
    folder: str
    scripts: Mapping[str, str]
    workspaces: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """Path of its package.json, relative to the service's folder."""
        return str(PurePosixPath(self.folder) / _FILE)

    @property
    def has_lock(self) -> bool:
        """Whether npm has locked it."""
        return (self.top / self.folder / LOCK).is_file()

    @property
    def builds(self) -> bool:
        """Whether it has a script that builds."""
        return BUILD in self.scripts

    @property
    def members(self) -> list[Package]:
        """The packages of its workspaces that have scripts."""
        folder = self.top / self.folder
        return _load_all(self.top, sorted({one for text in self.workspaces for one in folder.glob(f"{text}/{_FILE}")}))

    def find_output(self) -> tuple[str, ...]:
        """Return what its script writes, as far as the script or a bundler's configuration says it; sorted.

        Returns:
            Paths relative to the service's folder, none if nothing is known.
        """
        found = {*self._find_in_script(), *self._find_in_configuration()}
        inside = {path for one in found if (path := _normalise(PurePosixPath(self.folder, one)))}
        if _IN_WORKSPACES.search(self.scripts.get(BUILD, "")):
            inside |= {path for member in self.members for path in member.find_output()}
        return tuple(sorted(path for path in inside if not any(path.startswith(f"{other}/") for other in inside)))

    def _find_in_script(self) -> Iterator[str]:
        command = self.scripts.get(BUILD, "")
        patterns = [one for match in _OTHER_SCRIPT.findall(command) for one in match.split()]
        called = [name for pattern in patterns for name in self.scripts if fnmatch.fnmatchcase(name, pattern)]
        for text in (command, *(self.scripts[name] for name in dict.fromkeys(called) if name != BUILD)):
            for part in _SEQUENCE.split(text):
                yield from _find_in_command(part)

    def _find_in_configuration(self) -> Iterator[str]:
        folder = self.top / self.folder
        for path in sorted({path for pattern in _CONFIGS for path in folder.glob(pattern) if path.is_file()}):
            text = _COMMENT.sub("", path.read_text(encoding="utf-8", errors="replace"))
            is_vite = path.name.startswith("vite.")
            root = next(map(_join, _ROOT.findall(text)), "") if is_vite else ""
            outputs = _OUTPUTS_OF.get(path.name.partition(".")[0], _OUTPUTS)
            found = [place for place in map(_join, outputs.findall(text)) if place]
            if outputs is _ROLLUP_OUTPUTS:
                found = [_beside(folder, place) for place in found]
            # Vite has a default, unless the folder is computed.
            default = ["dist"] if is_vite and "outDir" not in text else []
            base = PurePosixPath(path.parent.relative_to(folder), root)
            yield from (str(base / place) for place in found or default)


def find(folder: Path) -> list[Package]:
    """Return the packages with scripts in a folder and up to two levels below it, those higher up first."""
    patterns = (_FILE, f"*/{_FILE}", f"*/*/{_FILE}")
    found = _load_all(folder, [path for pattern in patterns for path in sorted(folder.glob(pattern))])
    members = {member.folder for package in found for member in package.members}
    return [package for package in found if package.folder not in members]


def find_unbuilt(folder: Path) -> str:
    """Return a sentence about a package whose script a build of the service does not run and whose output is missing.

    Args:
        folder: Folder of a service without `[tool.estiba.frontend]`.

    Returns:
        The sentence, empty if there is no such package.
    """
    for package in find(folder):
        output = package.find_output()
        if package.builds and not (output and all((folder / path).exists() for path in output)):
            lacking = ", ".join(path for path in output if not (folder / path).exists())
            lack = f", and {lacking} is missing" if lacking else ""
            return f"no build runs the script 'build' of {package.file}{lack}: set [tool.estiba.frontend]"
    return ""


def _find_in_command(text: str) -> Iterator[str]:
    """Yield what a command writes, by its options; Sass has it behind a colon, or as the one style sheet in CSS."""
    try:
        words = shlex.split(text)
    except ValueError:
        return
    for word, following in itertools.zip_longest(words, words[1:], fillvalue=""):
        option, _, value = word.partition("=")
        if _OPTIONS.fullmatch(option) and (value or following):
            yield value or following
    if "sass" in words:
        given = [word for word in words[words.index("sass") + 1 :] if not word.startswith("-")]
        pairs = [output for word in given if (output := word.partition(":")[2])]
        yield from pairs or (word for word in given[1:] if word.endswith(".css"))


def _load_all(top: Path, paths: Iterable[Path]) -> list[Package]:
    """Load the packages with scripts, and not those of others."""
    own = [path for path in paths if not any(map(_is_foreign, path.relative_to(top).parts[:-1]))]
    return [found for path in own if (found := _load(top, path)).scripts]


def _is_foreign(part: str) -> bool:
    return part in _FOREIGN or part.startswith(".")


def _load(top: Path, path: Path) -> Package:
    """Load a package; one that cannot be read has no scripts."""
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        table = {}
    table = table if isinstance(table, dict) else {}
    scripts, listed = table.get("scripts"), table.get("workspaces")
    # Yarn's form is an object, which npm takes, too.
    listed = listed.get("packages") if isinstance(listed, dict) else listed
    texts = [text for text in listed or () if isinstance(text, str)]
    return Package(
        top=top,
        folder=str(path.parent.relative_to(top)),
        scripts={name: text for name, text in scripts.items() if isinstance(text, str)}
        if isinstance(scripts, dict)
        else {},
        workspaces=tuple(text for text in texts if not text.startswith(("/", "..", "!"))),
    )


def _beside(folder: Path, place: str) -> str:
    """Return the folder of a file that is alone in it: what plugins write beside it, such as styles, belongs to it."""
    parent = PurePosixPath(place).parent
    return str(parent) if PurePosixPath(place).suffix and not (folder / parent).exists() else place


def _join(match: tuple[str, str]) -> str:
    """Return the path of a text, or of the arguments of `path.resolve(__dirname, …)`, empty if it is computed."""
    text, arguments = match
    if text:
        return text
    parts = _TEXTS.findall(arguments)
    return "/".join(parts) if len(parts) == len([one for one in arguments.split(",") if one.strip()]) else ""


def _normalise(path: PurePosixPath) -> str:
    """Return a relative path without dots, empty if it leads out of its folder or is the folder itself."""
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and not parts:
            return ""
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return "" if path.is_absolute() else "/".join(parts)
