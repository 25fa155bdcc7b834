"""Requirements that no versions satisfy: which they are, who asks for them, and which versions there are."""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING, Any, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from estiba.errors import ResolutionError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

_NEAR: Final = 6
_SAID: Final = 20
# pip names a file of requirements by its option and a line, which is that of a temporary file.
_FILE: Final = re.compile(r"-[rc] (.+) \(line \d+\)")
_WHEELS: Final = re.compile(r"^\S+ has wheels for (.+) alone$")
_NOT_REACHED: Final = re.compile(r"Could not fetch URL|Retrying|401 Error|403 Error|Connection|SSL", re.IGNORECASE)


def explain(
    found: Mapping[str, Any], *, platform: str, python: str, said: Sequence[str], withheld: Collection[str] = ()
) -> ResolutionError:
    """Return the error for a failed resolution.

    Args:
        found: The conflict as `pip_driver` describes it.
        platform: Nix system name.
        python: Version of the service's Python.
        withheld: Names that no index is asked for: the service itself, and packages from folders and repositories.
        said: Lines of pip's standard error; those about an index are shown if it gave no version of a project.
    """
    lines = sorted({_ask(cause) for cause in found["causes"]})
    lines += [f"the constraints say {constraint}" for constraint in found["constraints"]]
    for name, listed in found["projects"].items():
        if name in withheld and not listed["versions"]:
            lines.append(f"{name} is the service itself, or a package of its own, and no index is asked for that name")
            continue
        lines.append(_list_versions(name, listed, list(_filter(name, found["causes"])), python))
    asked = [listed for name, listed in found["projects"].items() if name not in withheld]
    if any(not listed["versions"] and not listed["unusable"] for listed in asked):
        lines += list(dict.fromkeys(line.strip() for line in said if _NOT_REACHED.search(line)))[:3]
    msg = f"no versions fit together for {platform}:" + "".join(f"\n  - {line}" for line in lines)
    hint = "change one of these requirements, then run invoke lock"
    return ResolutionError(msg, hint=hint)


def cut_tracebacks(lines: Sequence[str]) -> list[str]:
    """Return what a failed pip said without tracebacks: from its first error on, else the last lines."""
    kept = list(_skip_tracebacks(lines))
    first = next((number for number, line in enumerate(kept) if "ERROR" in line), max(0, len(kept) - _SAID))
    return kept[first:]


def _skip_tracebacks(lines: Sequence[str]) -> Iterator[str]:
    inside = False
    for line in lines:
        if line.startswith("Traceback "):
            inside = True
        elif not (inside and (not line.strip() or line[0] in " +|")):
            # The line after the frames is the exception itself.
            inside = False
            yield line


def _ask(cause: Mapping[str, Any]) -> str:
    """Return a sentence about who asks for a requirement, with those that ask for it in turn."""
    first, *others = [_FILE.sub(r"\1", link) for link in cause["chain"]] or ["the service"]
    via = f" (from {', from '.join(others)})" if others else ""
    return f"{first}{via} requires {cause['requirement']}"


def _list_versions(name: str, listed: Mapping[str, Sequence[str]], wanted: Sequence[Requirement], python: str) -> str:
    """Return a sentence about the versions of a project near to those that its requirements name."""
    versions, unusable = _near(listed["versions"], wanted), _near(listed["unusable"], wanted)
    other = "; ".join(text.replace(" Requires-Python ", " needs Python ") for text in unusable)
    if versions:
        rest = len(listed["versions"]) - len(versions)
        more = f" and {rest} other versions" if rest else ""
        aside = f"; for another Python than {python}: {other}" if other else ""
        return f"{name} has {', '.join(versions)}{more}{aside}"
    if unusable:
        return f"{name} has no version for Python {python} and this platform: {other}{_advise(name, unusable)}"
    return f"no index of pip's configuration has a file of {name} for this platform"


def _advise(name: str, unusable: Sequence[str]) -> str:
    """Return what to write where all files of a project are for another system."""
    systems = {system for text in unusable for system in _WHEELS.findall(text)}
    words = [word for system in systems for word in system.split(", ")]
    for prefix, system in (("win", "win32"), ("macosx", "darwin")):
        if words and all(word.startswith(prefix) for word in words) and all(map(_WHEELS.search, unusable)):
            return f'; where that is meant, write {name}; sys_platform == "{system}"'
    return ""


def _near(versions: Sequence[str], wanted: Sequence[Requirement]) -> list[str]:
    """Return the versions nearest to those that requirements name, lowest first; pre-releases if there is nothing else.

    Args:
        versions: Versions, each at the beginning of its text.
        wanted: Requirements of the project.
    """
    ordered = sorted(versions, key=_order)
    ordered = [version for version in ordered if not _order(version).is_prerelease] or ordered
    keys = [_order(version) for version in ordered]
    places = [bisect_left(keys, _order(part.version)) for one in wanted for part in one.specifier] or [len(keys)]
    each = max(2, _NEAR // len(places))
    starts = (min(max(0, place - each // 2), max(0, len(keys) - each)) for place in places)
    near = {index for start in starts for index in range(start, start + each)}
    return [version for index, version in enumerate(ordered) if index in near]


def _order(text: str) -> Version:
    try:
        return Version(text.split(maxsplit=1)[0].removesuffix(".*"))
    except InvalidVersion:
        return Version("0")


def _filter(name: str, causes: Sequence[Mapping[str, Any]]) -> Iterator[Requirement]:
    """Yield the requirements of a project; one for Python itself, such as `Python >=3.12`, is none."""
    for cause in causes:
        try:
            requirement = Requirement(cause["requirement"])
        except InvalidRequirement:
            continue
        if canonicalize_name(requirement.name) == name:
            yield requirement
