"""Layer plan: assignment of runtime distributions to image layers, so that an upgrade changes few layers."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from estiba.lock.model import Layer

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from estiba.lock.model import Distribution

_OWN_LAYER: Final = 1_000_000
"""Minimum size in bytes of a distribution that gets a layer of its own."""

_SINGLES: Final = 8
"""Maximum number of layers with a single distribution; with up to eight others an image stays below 20 layers.

Engines mount each layer, and slow down with dozens.
"""

_PURE: Final = ("small", "small-2")
_NATIVE: Final = "small-native"
_SHARED: Final = (*_PURE, _NATIVE)


def measure(distributions: Sequence[Distribution]) -> dict[str, int]:
    """Return the size in bytes of each runtime distribution; of several files for different platforms, the largest."""
    sizes: dict[str, int] = {}
    for distribution in distributions:
        if "runtime" in distribution.groups:
            sizes[distribution.name] = max(distribution.size, sizes.get(distribution.name, 0))
    return sizes


def native(distributions: Sequence[Distribution]) -> frozenset[str]:
    """Return the names of platform-specific distributions: all but wheels tagged `any` (PEP 425).

    An sdist counts, too, since the wheel that is built from it is not known yet.
    """
    return frozenset(distribution.name for distribution in distributions if not distribution.file.endswith("-any.whl"))


def plan(
    sizes: Mapping[str, int],
    previous: Sequence[Layer] = (),
    *,
    native: Collection[str] = (),
    own: Collection[str] = (),
) -> tuple[Layer, ...]:
    """Assign every distribution to a layer.

    A distribution stays in its layer, whatever its size is now: moving it would change two layers. A new one gets a
    layer of its own if it is large enough and such layers are left, else it goes into a shared layer:
    platform-specific ones into `small-native`, so that the other layers are the same on all platforms, and pure Python
    ones into the smaller of `small` and `small-2`.

    Args:
        sizes: Size in bytes of each distribution, by name.
        previous: Layers of the previous lock.
        native: Names of platform-specific distributions.
        own: Names of packages of the service's own, which change with it: each has a layer of its own.
    """
    place = {name: layer.name for layer in previous for name in layer.distributions if name in sizes}
    place = {name: layer for name, layer in place.items() if name not in own or layer == name}
    new = sorted(sizes.keys() - place.keys(), key=lambda name: (-sizes[name], name))
    singles = len(set(place.values()) - {*_SHARED, *own})
    filled = Counter(dict.fromkeys(_SHARED, 0))
    for name, layer in place.items():
        if layer in _SHARED:
            filled[layer] += sizes[name]
    for name in new:
        if name in own:
            place[name] = name
        elif sizes[name] >= _OWN_LAYER and singles < _SINGLES and name not in place.values():
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
    """Return the shared layer for a pure Python distribution: the second is used once the first has 3 MB."""
    first, second = _PURE
    if filled[first] + size <= 3 * _OWN_LAYER and not filled[second]:
        return first
    return first if filled[first] <= filled[second] else second
