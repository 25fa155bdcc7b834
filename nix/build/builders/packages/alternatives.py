"""Links of Debian's alternatives system (update-alternatives(1)), as it would make them for what packages register."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import debian
from entries import Entries, Entry, link

_FOLDER = "etc/alternatives"
_OTHER_NAMES = {"--follower": "--slave"}
_ARGUMENTS = {
    "--admindir": 1,
    "--altdir": 1,
    "--auto": 1,
    "--install": 4,
    "--instdir": 1,
    "--log": 1,
    "--remove": 2,
    "--remove-all": 1,
    "--root": 1,
    "--set": 2,
    "--slave": 3,
}
"""Options that have arguments, and how many."""


@dataclass(slots=True)
class Choice:
    """One of several files that a name may stand for: its priority, and links that go with it, by their names."""

    priority: int
    slaves: dict[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(slots=True)
class Group:
    """A name with its link and its choices by their paths."""

    link: str
    choices: dict[str, Choice] = field(default_factory=dict)
    chosen: str = ""


def make_links(calls: list[list[str]], root: Entries) -> Entries:
    """Return the links for calls of update-alternatives; a file that is there stays.

    Args:
        calls: The arguments of each call, in their order.
        root: The files that the links lead to.
    """
    groups: dict[str, Group] = {}
    for words in calls:
        register(groups, words)
    made = Entries()
    for name, group in sorted(groups.items()):
        present = {path: one for path, one in group.choices.items() if root.resolve(path)}
        if not present:
            continue
        best = max(sorted(present), key=lambda path: present[path].priority)
        path = group.chosen if group.chosen in present else best
        made.items.update(_link(name, group.link, path, root))
        for slave, (place, target) in sorted(present[path].slaves.items()):
            if root.resolve(target):
                made.items.update(_link(slave, place, target, root))
    return made


def register(groups: dict[str, Group], words: list[str]) -> None:
    """Do what one call does."""
    choice = Choice(priority=0)
    for option, arguments in _split(words):
        match option, arguments:
            case ("--install", (place, name, path, priority)):
                group = groups.setdefault(name, Group(link=place))
                choice = group.choices[path] = Choice(priority=int(priority))
            case ("--slave", (place, name, path)):
                choice.slaves[name] = (place, path)
            case ("--remove", (name, path)) if name in groups:
                groups[name].choices.pop(path, None)
            case ("--set", (name, path)) if name in groups:
                groups[name].chosen = path
            case ("--auto", (name,)) if name in groups:
                groups[name].chosen = ""
            case ("--remove-all", (name,)):
                groups.pop(name, None)
            case _:
                pass


def _split(words: list[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the options of a call, each with its arguments."""
    position = 0
    while position < len(words):
        option = _OTHER_NAMES.get(words[position], words[position])
        position += 1
        count = _ARGUMENTS.get(option, 0)
        yield option, tuple(words[position : position + count])
        position += count


def _link(name: str, place: str, target: str, root: Entries) -> dict[str, Entry]:
    path = debian.merge(place)
    if path in root.items:
        return {}
    return {f"{_FOLDER}/{name}": link(target), path: link(f"/{_FOLDER}/{name}")}
