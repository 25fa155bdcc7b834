"""The layer plan: how the runtime distributions are spread over image layers, so that one upgrade moves one layer."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from estiba.lock.model import Layer

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from estiba.lock.model import Distribution

_OWN_LAYER: Final = 1_000_000
"""Bytes from which on a distribution is worth a layer of its own."""

_SINGLES: Final = 8
"""How many may have one; an image has up to eight more layers, and engines slow down with dozens."""

_PURE: Final = ("small", "small-2")
_NATIVE: Final = "small-native"
_SHARED: Final = (*_PURE, _NATIVE)


def measure(distributions: Sequence[Distribution]) -> dict[str, int]:
    """Return the size of each runtime distribution; the larger file where platforms have different ones."""
    sizes: dict[str, int] = {}
    for one in distributions:
        if "runtime" in one.groups:
            sizes[one.name] = max(one.size, sizes.get(one.name, 0))
    return sizes


def native(distributions: Sequence[Distribution]) -> frozenset[str]:
    """Return the names of those that differ between platforms: their wheels say so, or have yet to be built."""
    return frozenset(one.name for one in distributions if not one.file.endswith("-any.whl"))


def plan(
    sizes: Mapping[str, int], previous: Sequence[Layer] = (), *, native: Collection[str] = ()
) -> tuple[Layer, ...]:
    """Assign every distribution to a layer.

    A distribution stays where it was, whatever its size is now: moving it would change two layers that nobody asked
    to change. New ones get a layer of their own if they are big and layers are left, else a shared one: native ones
    theirs, so that all platforms have the others' in common, and these the one with the fewest bytes.

    Args:
        sizes: Name and size of each distribution.
        previous: The plan of the last lock.
        native: Names of those that are not the same on every platform.
    """
    place = {name: layer.name for layer in previous for name in layer.distributions if name in sizes}
    new = sorted(sizes.keys() - place.keys(), key=lambda name: (-sizes[name], name))
    singles = len(set(place.values()) - set(_SHARED))
    filled = Counter(dict.fromkeys(_SHARED, 0))
    for name, layer in place.items():
        if layer in _SHARED:
            filled[layer] += sizes[name]
    for name in new:
        if sizes[name] >= _OWN_LAYER and singles < _SINGLES and name not in place.values():
            place[name], singles = name, singles + 1
        else:
            target = _NATIVE if name in native else _choose_pure(filled, sizes[name])
            place[name] = target
            filled[target] += sizes[name]
    names = sorted(set(place.values()))
    return tuple(
        Layer(name=layer, distributions=tuple(sorted(name for name in place if place[name] == layer)))
        for layer in names
    )


def _choose_pure(filled: Mapping[str, int], size: int) -> str:
    """Fill the first shared layer up to a size that is worth splitting, then keep both about equal."""
    first, second = _PURE
    if filled[first] + size <= 3 * _OWN_LAYER and not filled[second]:
        return first
    return first if filled[first] <= filled[second] else second
