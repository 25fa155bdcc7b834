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
    from collections.abc import Iterator, Mapping

BUILD: Final = "build"
"""Script that builds, by the convention of npm's packages."""

_FILE: Final = "package.json"
_FOREIGN: Final = frozenset({"node_modules", "site-packages", "venv", "env"})
_CONFIGS: Final = ("vite.config.*", "webpack.config.*", "webpack.*.js", "webpack/*.config.js", "rollup.config.*")
_TEXT: Final = r"""["'`]([^"'`$]+)["'`]"""
_PLACE: Final = rf"(?:{_TEXT}|(?:path\.)?(?:resolve|join)\(\s*__dirname\s*,\s*([^()]*)\))"
_OUTPUTS: Final = re.compile(rf"\b(?:outDir|path)\s*:\s*{_PLACE}")
_ROLLUP_OUTPUTS: Final = re.compile(rf"\b(?:dir|file)\s*:\s*{_PLACE}")
_ROOT: Final = re.compile(rf"^\s*root\s*:\s*{_PLACE}", re.MULTILINE)
_TEXTS: Final = re.compile(_TEXT)
_COMMENT: Final = re.compile(r"/\*.*?\*/|(?<!:)//[^\n]*", re.DOTALL)
_OPTIONS: Final = re.compile(r"(?:-o|--output|--outdir|--outfile|--outDir|--out-dir|--dist-dir)")
_OTHER_SCRIPT: Final = re.compile(r"\b(?:npm run|npm-run-all|run-s|run-p)\s+((?:-\S+\s+)*[\w:*\s-]+)")
_SEQUENCE: Final = re.compile(r"&&|;")


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """Package with scripts.

    Attributes:
        top: Folder of the service.
        folder: Its folder, relative to the service's.
        scripts: Command of each script by its name.
    """

    top: Path
    folder: str
    scripts: Mapping[str, str]

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

    def find_output(self) -> tuple[str, ...]:
        """Return what its script writes, as far as the script or a bundler's configuration says it; sorted.

        Returns:
            Paths relative to the service's folder, none if nothing is known.
        """
        found = {*self._find_in_script(), *self._find_in_configuration()}
        inside = {path for one in found if (path := _normalise(PurePosixPath(self.folder, one)))}
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
            outputs = _ROLLUP_OUTPUTS if path.name.startswith("rollup.") else _OUTPUTS
            found = [place for place in map(_join, outputs.findall(text)) if place]
            # Vite has a default, unless the folder is computed.
            default = ["dist"] if is_vite and "outDir" not in text else []
            base = PurePosixPath(path.parent.relative_to(folder), root)
            yield from (str(base / place) for place in found or default)


def find(folder: Path) -> list[Package]:
    """Return the packages with scripts in a folder and up to two levels below it, those higher up first."""
    found = []
    for pattern in (_FILE, f"*/{_FILE}", f"*/*/{_FILE}"):
        for path in sorted(folder.glob(pattern)):
            parts = path.relative_to(folder).parts[:-1]
            if not any(part in _FOREIGN or part.startswith(".") for part in parts) and (scripts := _load_scripts(path)):
                found.append(Package(top=folder, folder=str(PurePosixPath(*parts)), scripts=scripts))
    return found


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


def _load_scripts(path: Path) -> dict[str, str]:
    try:
        scripts = json.loads(path.read_text(encoding="utf-8")).get("scripts", {})
    except (OSError, ValueError, AttributeError):
        return {}
    return {name: text for name, text in scripts.items() if isinstance(text, str)} if isinstance(scripts, dict) else {}


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
