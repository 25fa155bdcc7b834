"""Changelog of a release, from the subjects of its commits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BREAKING: Final = "Breaking changes"
OTHER: Final = "Other changes"

_TITLES: Final[Mapping[str, str]] = {
    "feat": "Features",
    "fix": "Fixes",
    "perf": "Performance",
    "security": "Security",
    "revert": "Reverts",
    "docs": "Documentation",
}
"""Titles of the types that users notice; the others, such as `chore`, are other changes."""

# Conventional Commits 1.0.0, "Specification": a type, a scope in parentheses, `!` for a breaking change.
_SUBJECT: Final = re.compile(r"([a-z]+)(?:\(([^()]+)\))?(!)?: (.+)", re.IGNORECASE)


def group(subjects: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return subjects by title in the order of the titles, without the types of Conventional Commits.

    Subjects of another form are other changes; if all are, there is one group, whose title is empty.
    """
    found: dict[str, list[str]] = {}
    for subject in subjects:
        title, text = _classify(subject)
        found.setdefault(title, []).append(text)
    if set(found) <= {OTHER}:
        return {"": tuple(subjects)} if subjects else {}
    order = (BREAKING, *dict.fromkeys(_TITLES.values()), OTHER)
    return {title: tuple(found[title]) for title in order if title in found}


def render(subjects: Sequence[str]) -> str:
    """Return the notes of a release in Markdown, without a heading of their own."""
    parts = []
    for title, texts in group(subjects).items():
        heading = f"## {title}\n\n" if title else ""
        parts.append(heading + "\n".join(f"- {text}" for text in texts))
    return "\n\n".join(parts) + "\n" if parts else "No changes.\n"


def _classify(subject: str) -> tuple[str, str]:
    found = _SUBJECT.fullmatch(subject)
    if not found:
        return OTHER, subject
    kind, scope, breaking, text = found.groups()
    shown = f"{scope}: {text}" if scope else text
    if breaking:
        return BREAKING, shown
    title = _TITLES.get(kind.lower())
    return (title, shown) if title else (OTHER, subject)
